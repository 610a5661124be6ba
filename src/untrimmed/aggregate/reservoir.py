"""A uniform sample of fixed size from a stream of unknown length."""

import numpy as np
from jaxtyping import Float

from untrimmed.records import DataError


class Reservoir:
    """Keeps some rows of all that come, each set of that size as likely as any other.

    Every row draws a number in [0, 1) as it comes, and the rows with the least numbers stay. So the sample depends on
    the seed and on the order of the rows alone, not on how they are cut into blocks, and reservoirs with seeds of
    their own can be joined: the least numbers of the parts are the least of all.
    """

    def __init__(self, size: int, dims: int, *, seed: int) -> None:
        """Begin with no rows.

        Args:
            size: rows to keep, >= 1.
            dims: numbers in a row.
            seed: of the draws.
        """
        if size < 1:
            raise DataError(f"a reservoir must keep at least one row, got {size}")
        self.size = size
        self.seen = 0
        self._draws = np.random.default_rng(seed)
        self._held = 0
        self._limit = 1.0
        self._most = size + max(64, size // 8)  # some rows wait, so that sorting out is rare
        self._keys = np.empty(0)
        self._rows = np.empty((0, dims), np.float32)

    def add(self, rows: Float[np.ndarray, "n dims"]) -> None:
        """Offer some rows.

        Raises:
            DataError: when their width differs.
        """
        if rows.shape[1] != self._rows.shape[1]:
            raise DataError(f"rows for a reservoir of {self._rows.shape[1]} dims must be as wide, got {rows.shape[1]}")
        self.seen += len(rows)
        self._offer(self._draws.random(len(rows)), rows)

    def join(self, other: "Reservoir") -> None:
        """Take over what another one kept, as if its rows had come here; it must have another seed.

        A smaller one that saw more rows than it kept gives only those: its stream then counts for less than its
        length.
        """
        self.seen += other.seen
        other._sort_out()
        self._offer(other._keys[: other._held], other._rows[: other._held])

    def sample(self) -> Float[np.ndarray, "kept dims"]:
        """What is kept, in an order that is random too; all rows if no more than the size have come."""
        self._sort_out()
        order = np.argsort(self._keys[: self._held], kind="stable")
        return self._rows[order]

    def _offer(self, keys: np.ndarray, rows: np.ndarray) -> None:
        low = np.flatnonzero(keys < self._limit)
        while len(low):
            room = self._room(len(low))
            now, low = low[:room], low[room:]
            end = self._held + len(now)
            self._keys[self._held : end], self._rows[self._held : end] = keys[now], rows[now]
            self._held = end
            low = low[keys[low] < self._limit]

    def _room(self, wanted: int) -> int:
        """How many more rows find a place, after making room for those wanted as far as the size allows."""
        if self._held == self._most:
            self._sort_out()
        if self._held + wanted > len(self._keys) < self._most:
            length = min(self._most, max(2 * len(self._keys), self._held + wanted))
            keys, rows = np.empty(length), np.empty((length, self._rows.shape[1]), np.float32)
            keys[: self._held], rows[: self._held] = self._keys[: self._held], self._rows[: self._held]
            self._keys, self._rows = keys, rows
        return len(self._keys) - self._held

    def _sort_out(self) -> None:
        """Keep the rows with the least keys and take none with a larger key than theirs any more."""
        if self._held <= self.size:
            return
        best = np.argpartition(self._keys[: self._held], self.size - 1)[: self.size]
        self._keys[: self.size], self._rows[: self.size] = self._keys[best], self._rows[best]
        self._held = self.size
        self._limit = float(self._keys[: self.size].max())
