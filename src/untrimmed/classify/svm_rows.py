"""One-vs-rest linear support vector machines on the rows themselves, for more rows than dims.

Dual coordinate descent as LIBLINEAR does it comes first; it is quick where C is small or dims are many. What it leaves
undone, Newton's method ends in a few steps, whatever C is (squared hinge, up to two thousand dims).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from untrimmed.classify import svm_kernels as kernels
from untrimmed.classify.gram import all_finite
from untrimmed.classify.svm import SvmConfig, constant_bias, mixed_classes, share_classes, warn_of_gaps
from untrimmed.records import DataError

NEWTON_DIMS = 2048
FIRST_PASSES = 0.25  # of descent before Newton, as a share of the dims: about what a step of Newton costs
BLOCK = 4096
TOGETHER = 32  # classes whose margins are taken in one product
STEPS = 100


@dataclass(frozen=True, eq=False)
class RowSvm:
    """Trained machines, as weights.

    Attributes:
        weight: (classes, dims).
        bias: (classes).
        gaps: (classes), the relative duality gap reached.
        config: how they were trained.
    """

    weight: Float[np.ndarray, "classes dims"]
    bias: Float[np.ndarray, " classes"]
    gaps: Float[np.ndarray, " classes"]
    config: SvmConfig


def fit_rows(
    rows: Float[np.ndarray, "n dims"],
    members: Bool[np.ndarray, "labels classes"],
    config: SvmConfig | None = None,
    *,
    workers: int | None = None,
) -> RowSvm:
    """Train one class against the rest for every class, with the objective of fit_dual.

    Args:
        rows: finite features.
        members: which classes each row has; several are possible.
        config: what to train.
        workers: threads that share the classes in coordinate descent; the machine's cores by default.

    Raises:
        DataError: when there is nothing to learn from, sizes differ, or numbers are not finite.

    Source: Keerthi and DeCoste, A modified finite Newton method for fast solution of large scale linear SVMs, 2005;
    Hsieh et al., A dual coordinate descent method for large-scale linear SVM, 2008.
    """
    config = config or SvmConfig()
    if not members.size:
        raise DataError(f"an SVM needs videos and classes, got {members.shape[0]} and {members.shape[1]}")
    if len(rows) != len(members):
        raise DataError(f"an SVM needs a row for each of {len(members)} videos, got {len(rows)}")
    if not all_finite(rows):
        raise DataError("an SVM needs finite features")
    given = np.ascontiguousarray(rows, np.float64 if rows.dtype == np.float64 else np.float32)
    weight, gaps = np.zeros((members.shape[1], rows.shape[1] + 1)), np.zeros(members.shape[1])
    weight[:, -1] = constant_bias(members)
    mixed = np.flatnonzero(mixed_classes(members))
    weight[mixed, -1] = 0.0
    squared = config.loss == "squared hinge"
    ends = squared and rows.shape[1] <= NEWTON_DIMS
    passes = min(config.passes, max(10, int(FIRST_PASSES * rows.shape[1]))) if ends else config.passes

    def one(index: int) -> None:
        signs, alpha = np.where(members[:, index], 1.0, -1.0), np.zeros(len(given))
        _, gaps[index] = kernels.solve_rows(
            given, signs, config.cost, squared, config.tolerance, passes, config.seed, alpha, weight[index]
        )

    share_classes(one, mixed, workers)
    late = mixed[gaps[mixed] > config.tolerance] if ends else mixed[:0]
    for first in range(0, len(late), TOGETHER):
        some = late[first : first + TOGETHER]
        weight[some], gaps[some] = _newton(given, np.where(members[:, some], 1.0, -1.0), weight[some], config)
    warn_of_gaps(gaps, config)
    return RowSvm(np.ascontiguousarray(weight[:, :-1]), weight[:, -1].copy(), gaps, config)


def _newton(rows: np.ndarray, signs: np.ndarray, start: np.ndarray, config: SvmConfig) -> tuple[np.ndarray, np.ndarray]:
    """Weights with the bias last, and relative gaps, of some classes, from a start; signs are (n, classes)."""
    from scipy.linalg import cho_factor, cho_solve

    dims, many = rows.shape[1] + 1, signs.shape[1]
    weight, gaps = start.copy(), np.full(many, np.inf)
    margins = _products(rows, weight)
    left = np.arange(many)
    for step in range(STEPS):
        directions = np.zeros((many, dims))
        for index in left:
            mine = signs[:, index]
            active = np.flatnonzero(mine * margins[index] < 1.0)
            slope, curve = weight[index].copy(), np.eye(dims)
            for first in range(0, len(active), BLOCK):
                some = active[first : first + BLOCK]
                part = np.concatenate([rows[some].astype(np.float64), np.ones((len(some), 1))], axis=1)
                slope += 2 * config.cost * (margins[index, some] - mine[some]) @ part
                curve += 2 * config.cost * part.T @ part
            misses = 1 - mine[active] * margins[index, active]
            gaps[index] = _gap(weight[index], slope, misses, config.cost)
            if gaps[index] > config.tolerance:
                directions[index] = -cho_solve(cho_factor(curve, overwrite_a=True), slope)
        left = left[gaps[left] > config.tolerance]
        if not len(left) or step == STEPS - 1:
            break
        changes = _products(rows, directions[left])
        for change, index in zip(changes, left, strict=True):
            inner, length = weight[index] @ directions[index], directions[index] @ directions[index]
            far = kernels.best_step(
                margins[index], change, np.ascontiguousarray(signs[:, index]), config.cost, inner, length
            )
            weight[index] += far * directions[index]
            margins[index] += far * change
    return weight, gaps


def _gap(weight: np.ndarray, slope: np.ndarray, misses: np.ndarray, cost: float) -> float:
    """Relative duality gap; the dual point is 2 C times the misses, whose weight is this one less the slope."""
    primal = 0.5 * weight @ weight + cost * misses @ misses
    against = weight - slope
    dual = 2 * cost * misses.sum() - 0.5 * against @ against - cost * misses @ misses
    return float((primal - dual) / primal) if primal > 0 else 0.0


def _products(rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(classes, n): margins of all rows under some weights with the bias last."""
    found = np.empty((len(weight), len(rows)))
    for first in range(0, len(rows), BLOCK):
        part = rows[first : first + BLOCK].astype(np.float64)
        found[:, first : first + BLOCK] = weight[:, :-1] @ part.T + weight[:, -1:]
    return found
