"""The order of the items and the batches made of them, ahead of time and the same however many threads make them."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int
from torch.utils.data import default_collate

from untrimmed.records import DataError


@runtime_checkable
class Items(Protocol):
    """Data to learn from: as many items as len says, each a tensor, an array or a tuple or dict of these.

    Four more members are used where they exist:
        at(index, generator): the item made with random choices from a numpy Generator (crops, positions). The
            generator depends on seed, epoch and index alone, which makes a resumed training exact.
        order(generator): the indices of one epoch in order, len(self) of them, for data that wants to be drawn
            otherwise than each item once (classes balanced).
        identity: text that differs where the items differ; a checkpoint is not continued on other data.
        collate(items): a batch of a list of items; torch's default_collate where it is missing.
    """

    def __len__(self) -> int:
        """How many items there are."""
        ...

    def __getitem__(self, index: int) -> Any:
        """One item."""
        ...


class Batches:
    """Batches by step number: step s takes positions [s * size, (s + 1) * size) of the endless row of epochs.

    Every batch is full: one that begins at the end of an epoch goes on with the next epoch.
    """

    def __init__(self, data: Items, *, size: int, seed: int, share: tuple[int, int] = (0, 1)) -> None:
        """Cut data into batches.

        Args:
            data: the items.
            size: items in a batch over all processes, at most len(data).
            seed: decides the order of every epoch and what `at` draws.
            share: which process this is, of how many; it gets every n-th item of each batch.
        """
        if len(data) == 0:
            raise DataError("there is nothing to learn from: the training data has no items")
        if size < share[1]:
            raise DataError(f"a batch needs an item for each of the {share[1]} processes, got batch size {size}")
        self.data, self.size, self.seed, self.share = data, size, seed, share
        self._order = lru_cache(maxsize=4)(self._draw_order)

    def positions(self, step: int) -> list[tuple[int, int]]:
        """(epoch, index) of this process's items in the batch of a step."""
        rank, processes = self.share
        rows = range(step * self.size + rank, (step + 1) * self.size, processes)
        return [(row // len(self.data), int(self._order(row // len(self.data))[row % len(self.data)])) for row in rows]

    def batch(self, step: int) -> tuple[Any, int]:
        """This process's part of the batch of a step, and how many items it holds."""
        items = [self._item(epoch, index) for epoch, index in self.positions(step)]
        collate: Callable[[list[Any]], Any] = getattr(self.data, "collate", default_collate)
        return collate(items), len(items)

    def ahead(self, first: int, past: int, *, threads: int) -> Generator[tuple[Any, int], None, None]:
        """The batches of steps [first, past) in order, prepared by threads while earlier ones are used."""
        if threads == 0:
            yield from map(self.batch, range(first, past))
            return
        with ThreadPoolExecutor(threads, thread_name_prefix="batches") as pool:
            waiting: deque[Future[tuple[Any, int]]] = deque()
            try:
                for step in range(first, past):
                    waiting.append(pool.submit(self.batch, step))
                    if len(waiting) > 2 * threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _item(self, epoch: int, index: int) -> Any:
        at = getattr(self.data, "at", None)
        if at is None:
            return self.data[index]
        return at(index, np.random.default_rng([self.seed, 2, epoch, index]))

    def _draw_order(self, epoch: int) -> Int[np.ndarray, " items"]:
        generator = np.random.default_rng([self.seed, 1, epoch])
        order = getattr(self.data, "order", None)
        if order is None:
            return generator.permutation(len(self.data))
        drawn = np.asarray(order(generator))
        if len(drawn) != len(self.data):
            raise DataError(f"an epoch's order must name {len(self.data)} items, got {len(drawn)}")
        return drawn
