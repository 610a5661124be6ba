"""A mixture of Gaussians with diagonal covariances, and the sums over rows that its learning and its use both need.

All sums are two matrix products: the logarithm of a density is linear in [x, x^2], and so are the moments of the rows
that each word takes its share of.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from untrimmed.aggregate import mixture_kernels as kernels
from untrimmed.records import DataError

BLOCK_NUMBERS = 1 << 17
"""Shares worked on at once: 512 kB, which stay in the cache of one core."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """p(x) = sum over words of weight * N(x; mean, diagonal variance).

    Attributes:
        weights: (words), positive, sum 1.
        means: (words, dims).
        variances: (words, dims), positive.
    """

    weights: Float[np.ndarray, " words"]
    means: Float[np.ndarray, "words dims"]
    variances: Float[np.ndarray, "words dims"]

    def __post_init__(self) -> None:
        if self.means.shape != self.variances.shape or len(self.weights) != len(self.means) or not self.means.size:
            raise DataError(
                "a mixture needs as many weights as means and a variance for each number of them, "
                f"got {self.weights.shape}, {self.means.shape} and {self.variances.shape}"
            )
        if not (np.isfinite(self.means).all() and np.isfinite(self.variances).all() and (self.variances > 0).all()):
            raise DataError("a mixture needs finite means and positive finite variances")
        if not ((self.weights > 0).all() and abs(float(self.weights.sum(dtype=np.float64)) - 1) < 1e-4):
            raise DataError(f"weights of a mixture must be positive and sum to 1, got a sum of {self.weights.sum():g}")

    @property
    def words(self) -> int:
        """How many Gaussians."""
        return len(self.weights)

    @property
    def dims(self) -> int:
        """Numbers in a row."""
        return self.means.shape[1]

    def log_densities(self, rows: Float[np.ndarray, "n dims"]) -> Float[np.ndarray, "n words"]:
        """log(weight * N(x; mean, variance)) of each row under each word, by the definition in float64."""
        means, variances = self.means.astype(np.float64), self.variances.astype(np.float64)
        squares = np.stack([((rows - m) ** 2 / v).sum(axis=1) for m, v in zip(means, variances, strict=True)], axis=1)
        level = np.log(self.weights.astype(np.float64)) - 0.5 * np.log(2 * np.pi * variances).sum(axis=1)
        return level - 0.5 * squares


class PosteriorSums:
    """What a stream of rows adds up to: how much each word has of them, of their values, and of their squares.

    Rows are moved and scaled first so that the whole mixture has mean 0 and variance 1 in each number: then squares
    lose nothing in float32. Sums over blocks are float64. Memory does not grow with the stream.

    Attributes:
        count: rows so far.
        log_likelihood: sum of log p(x).
        weights: (words), sums of shares; they add up to count.
        firsts: (words, dims), sums of share * z, where z is the moved and scaled row.
        seconds: (words, dims), sums of share * z^2.
        means: (words, dims), of the mixture in terms of z.
        variances: likewise.
        centre: (dims), z = (x - centre) / scale.
        scale: (dims).
    """

    def __init__(self, mixture: Mixture, *, exact: bool = False) -> None:
        """Begin with no rows.

        Args:
            mixture: the words.
            exact: work in float64 with the exponential of numpy; slower, for tests.
        """
        self.exact = exact
        self.count = 0
        self.log_likelihood = 0.0
        weights, means, variances = (
            part.astype(np.float64) for part in (mixture.weights, mixture.means, mixture.variances)
        )
        self.centre = weights @ means
        self.scale = np.sqrt(weights @ (variances + (means - self.centre) ** 2))
        self.means, self.variances = (means - self.centre) / self.scale, variances / self.scale**2
        self.weights = np.zeros(mixture.words)
        self._sums = np.zeros((mixture.words, 2 * mixture.dims))
        level = np.log(weights) - 0.5 * (np.log(self.variances) + self.means**2 / self.variances).sum(axis=1)
        linear = np.concatenate([self.means / self.variances, -0.5 / self.variances], axis=1).T
        kind = np.float64 if exact else np.float32
        unit = 1.0 if exact else 1 / np.log(2)
        self._level, self._linear = (level * unit).astype(kind), np.ascontiguousarray(linear * unit, kind)
        self._ground = -0.5 * mixture.dims * np.log(2 * np.pi) - float(np.log(self.scale).sum())
        self._moved = (-self.centre / self.scale).astype(kind)
        self._slope = (1 / self.scale).astype(kind)
        self._block = int(np.clip(BLOCK_NUMBERS // mixture.words, 64, 4096))
        self._powers = np.empty((self._block, 2 * mixture.dims), kind)
        self._logits = np.empty((self._block, mixture.words), kind)
        self._sum = np.empty((mixture.words, 2 * mixture.dims), kind)
        self._room = np.empty(mixture.words, np.float32), np.empty(mixture.words, np.int32)

    @property
    def firsts(self) -> Float[np.ndarray, "words dims"]:
        """Sums of share * z."""
        return self._sums[:, : self._sums.shape[1] // 2]

    @property
    def seconds(self) -> Float[np.ndarray, "words dims"]:
        """Sums of share * z^2."""
        return self._sums[:, self._sums.shape[1] // 2 :]

    def add(self, rows: Float[np.ndarray, "n dims"]) -> None:
        """Add some rows; how a set is cut into calls does not matter.

        Raises:
            DataError: when rows have another width or are not finite.
        """
        dims = self.means.shape[1]
        if rows.shape[1] != dims:
            raise DataError(f"rows for a mixture of {dims} dims must be as wide, got {rows.shape[1]}")
        for first in range(0, len(rows), self._block):
            part = rows[first : first + self._block]
            powers, logits = self._powers[: len(part)], self._logits[: len(part)]
            np.multiply(part, self._slope, out=powers[:, :dims], casting="same_kind")
            powers[:, :dims] += self._moved
            np.square(powers[:, :dims], out=powers[:, dims:])
            if not np.isfinite(powers).all():
                raise DataError("rows for a mixture must be finite numbers")
            np.matmul(powers, self._linear, out=logits)
            self._share(logits)
            np.matmul(logits.T, powers, out=self._sum)
            self._sums += self._sum
        self.count += len(rows)

    def _share(self, logits: np.ndarray) -> None:
        """Logarithms to shares, in place."""
        if self.exact:
            logits += self._level
            top = logits.max(axis=1, keepdims=True)
            np.exp(logits - top, out=logits)
            total = logits.sum(axis=1, keepdims=True)
            logits /= total
            self.weights += logits.sum(axis=0)
            found = float((top + np.log(total)).sum())
        else:
            power, exponent = self._room
            weights = np.zeros(logits.shape[1], np.float32)
            bits = exponent.view(np.float32)
            found = kernels.shares_in_place(logits, self._level, weights, power, exponent, bits) * float(np.log(2))
            self.weights += weights
        self.log_likelihood += found + len(logits) * self._ground
