"""Gram matrices: the inner products of rows, which is all a linear SVM needs to know of its features.

Learning from a Gram matrix costs the same however long the rows are, and features side by side are the sum of their
Gram matrices, so several features are one matrix too.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from untrimmed.records import DataError

TILE = 1024


def gram(rows: Float[np.ndarray, "n dims"], *, double: bool = False) -> Float[np.ndarray, "n n"]:
    """Inner products of all pairs of rows.

    Works in tiles of 1,024 by 1,024 pairs, each half of the matrix once; beside the result it needs two strips of as
    many rows, also when the rows lie in a file that is mapped into memory.

    Args:
        rows: finite features.
        double: whether to compute in double precision; rows of float64 always are.

    Returns:
        Exactly symmetric, float32 or float64.

    Raises:
        DataError: when a number is not finite.
    """
    kind = np.dtype(np.float64 if double or rows.dtype == np.float64 else np.float32)
    products = np.empty((len(rows), len(rows)), kind)
    for top in range(0, len(rows), TILE):
        mine = np.ascontiguousarray(rows[top : top + TILE], kind)
        if not np.isfinite(mine).all():
            raise DataError(f"a Gram matrix needs finite features, see rows {top} to {top + len(mine) - 1}")
        products[top : top + TILE, top : top + TILE] = mine @ mine.T
        for left in range(0, top, TILE):
            tile = mine @ np.ascontiguousarray(rows[left : left + TILE], kind).T
            products[top : top + TILE, left : left + TILE] = tile
            products[left : left + TILE, top : top + TILE] = tile.T
    return products


def cross_gram(
    rows: Float[np.ndarray, "m dims"], known: Float[np.ndarray, "n dims"], *, double: bool = False
) -> Float[np.ndarray, "m n"]:
    """Inner products of new rows with known ones, in the same tiles and precision as gram."""
    kind = np.dtype(np.float64 if double or rows.dtype == np.float64 else np.float32)
    products = np.empty((len(rows), len(known)), kind)
    for top in range(0, len(rows), TILE):
        mine = np.ascontiguousarray(rows[top : top + TILE], kind)
        for left in range(0, len(known), TILE):
            others = np.ascontiguousarray(known[left : left + TILE], kind)
            products[top : top + TILE, left : left + TILE] = mine @ others.T
    return products


def kernel_factors(
    kernels: Sequence[Float[np.ndarray, "n n"]], *, weights: Sequence[float] | None = None, level: bool = True
) -> Float[np.ndarray, " features"]:
    """What to multiply the Gram matrix of each feature by before they are added.

    Args:
        kernels: one a feature, over the same rows.
        weights: how much each feature shall count; 1 each by default.
        level: whether to divide by the mean diagonal, so that a feature does not rule by its unit or its dims.

    Returns:
        Factors, 0 or more; of a feature whose rows are all 0, its weight.

    Raises:
        DataError: when weights are too few, too many, negative or not finite.
    """
    given = np.ones(len(kernels)) if weights is None else np.array(weights, dtype=np.float64)
    if len(given) != len(kernels) or not (np.isfinite(given).all() and (given >= 0).all()):
        wanted = f"a finite weight of 0 or more for each of {len(kernels)} kernels"
        raise DataError(f"adding kernels needs {wanted}, got {given.tolist()}")
    if not level:
        return given
    means = np.array([np.diagonal(kernel).mean(dtype=np.float64) if len(kernel) else 0.0 for kernel in kernels])
    return given / np.where(means > 0, means, 1.0)


def add_kernels(
    kernels: Sequence[Float[np.ndarray, "m n"]], factors: Float[np.ndarray, " features"]
) -> Float[np.ndarray, "m n"]:
    """Weighted sum of Gram matrices: the Gram matrix of the features side by side, each times the root of its factor.

    Args:
        kernels: one a feature, over the same rows; square ones to learn from, those of cross_gram to predict with.
        factors: of kernel_factors, from the matrices that were learnt from.

    Raises:
        DataError: when there is no kernel, or shapes or numbers of them differ.
    """
    shapes = sorted({kernel.shape for kernel in kernels})
    if len(shapes) != 1 or len(factors) != len(kernels):
        raise DataError(f"adding kernels needs kernels of one shape and a factor each, got {shapes}, {len(factors)}")
    total = kernels[0] * kernels[0].dtype.type(factors[0])
    for kernel, factor in zip(kernels[1:], factors[1:], strict=True):
        for top in range(0, len(total), TILE):
            total[top : top + TILE] += kernel[top : top + TILE] * kernel.dtype.type(factor)
    return total


def all_finite(table: Float[np.ndarray, "rows columns"]) -> bool:
    """Whether every number is finite; looks at 1,024 rows at a time."""
    return all(bool(np.isfinite(table[top : top + TILE]).all()) for top in range(0, len(table), TILE))
