"""Principal components: rows to fewer numbers that keep the most of their variance."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from untrimmed.records import DataError

BLOCK_BYTES = 1 << 25
"""Of float64 numbers that are centred at once, about: rows may be a map of a file larger than memory."""
FEW = 0.25
"""Share of directions up to which asking for them alone is cheaper than for all: 250 of 2,000 took half the time."""


@dataclass(frozen=True, eq=False)
class Pca:
    """An affine map onto the directions of most variance.

    Attributes:
        mean: (dims), of the rows it was fitted to.
        components: (kept, dims), orthonormal rows in falling order of variance; the largest number of each, by
            absolute value, is positive.
        variances: (kept), of the fitted rows along each component, with n - 1 below.
    """

    mean: Float[np.ndarray, " dims"]
    components: Float[np.ndarray, "kept dims"]
    variances: Float[np.ndarray, " kept"]

    def project(self, rows: Float[np.ndarray, "n dims"], *, whiten: bool = False) -> Float[np.ndarray, "n kept"]:
        """Coordinates along the components.

        Args:
            rows: as wide as those it was fitted to.
            whiten: divide by the standard deviations, so that the fitted rows get variance 1, or 0 where none varied.

        Raises:
            DataError: when the width differs.
        """
        if rows.shape[1] != len(self.mean):
            raise DataError(f"rows to project must have {len(self.mean)} dims, got {rows.shape[1]}")
        given = (rows - self.mean) @ self.components.T
        if whiten:
            varies = self.variances > np.finfo(np.float32).eps * self.variances[0]
            given *= np.divide(1, np.sqrt(self.variances), out=np.zeros_like(self.variances), where=varies)
        return given


def fit_pca(rows: Float[np.ndarray, "n dims"], *, dims: int | None = None, share: float | None = None) -> Pca:
    """Find the directions of most variance.

    From the smaller one of two symmetric matrices: the covariance (dims, dims), or with fewer rows than dims the Gram
    matrix (n, n), whose eigenvectors are carried back by the rows. Sums are float64, what is kept is float32.

    Args:
        rows: at least two; may be a map of a file.
        dims: how many directions to keep, or
        share: in (0, 1], keep as few as hold this share of the variance (report 01 keeps 0.98).

    Raises:
        DataError: when not exactly one of dims and share is given, there are fewer directions than asked for, or
            numbers are not finite.
    """
    count, width = rows.shape
    if (dims is None) == (share is None):
        raise DataError(f"a PCA needs either dims or share, got dims {dims} and share {share}")
    if share is not None and not 0 < share <= 1:
        raise DataError(f"share of a PCA must be in (0, 1], got {share}")
    if count < 2:
        raise DataError(f"a PCA needs at least two rows, got {count}")
    most = min(width, count - 1)
    if dims is not None and not 1 <= dims <= most:
        raise DataError(f"a PCA of {count} rows with {width} dims can keep 1 to {most}, got {dims}")
    with np.errstate(invalid="ignore"):
        mean = np.asarray(np.mean(rows, axis=0, dtype=np.float64))
    if not np.isfinite(mean).all():
        raise DataError("a PCA needs finite rows")
    tall = count > width
    matrix = _covariance(rows, mean) if tall else _gram(rows, mean)
    total = float(np.trace(matrix))
    if not total > 0:
        raise DataError(f"a PCA needs rows that differ, got {count} equal ones")
    values, vectors = _leading(matrix, most if dims is None else dims)
    if share is not None:
        reached = np.cumsum(values) >= share * total * (1 - 1e-12)
        kept = int(np.argmax(reached)) + 1 if reached.any() else len(values)
        values, vectors = values[:kept], vectors[:, :kept]
    if tall:
        components = vectors.T
    else:
        least = values[0] * max(rows.shape) * np.finfo(np.float64).eps
        if values[-1] <= least:
            raise DataError(f"a PCA must keep directions that vary, got {(values > least).sum()} for {len(values)}")
        components = _carried(rows, mean, vectors)
    signs = np.sign(components[np.arange(len(components)), np.abs(components).argmax(axis=1)])
    components = (components * signs[:, None]).astype(np.float32)
    variances = np.maximum(values, 0) / (count - 1)
    return Pca(mean.astype(np.float32), components, variances.astype(np.float32))


def _leading(matrix: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues, falling, and their vectors as columns."""
    from scipy.linalg import eigh

    size = len(matrix)
    if kept <= FEW * size:
        values, vectors = eigh(matrix, subset_by_index=[size - kept, size - 1], overwrite_a=True)
    else:
        values, vectors = eigh(matrix, driver="evd", overwrite_a=True)
    return values[: -kept - 1 : -1], vectors[:, : -kept - 1 : -1]


def _covariance(rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    total = np.zeros((rows.shape[1],) * 2)
    for part in _parts(*rows.shape):
        centred = rows[part] - mean
        total += centred.T @ centred
    return total


def _gram(rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    total = np.zeros((len(rows),) * 2)
    for part in _parts(*rows.shape[::-1]):
        centred = rows[:, part] - mean[part]
        total += centred @ centred.T
    return total


def _carried(rows: np.ndarray, mean: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Unit vectors along the sums of the rows weighted by each eigenvector of the Gram matrix."""
    components = np.empty((vectors.shape[1], rows.shape[1]))
    for part in _parts(*rows.shape[::-1]):
        components[:, part] = vectors.T @ (rows[:, part] - mean[part])
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    return components


def _parts(count: int, width: int) -> Iterator[slice]:
    """Stretches of a number of items, each as many as a block holds."""
    step = max(1, BLOCK_BYTES // (8 * width))
    return (slice(first, first + step) for first in range(0, count, step))
