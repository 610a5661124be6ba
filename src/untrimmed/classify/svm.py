"""One-vs-rest linear support vector machines by their Gram matrix, and margins of videos not learnt from.

The Gram matrix is made once for all classes; each class is then a short dual coordinate descent on it, whose cost does
not depend on how long the features are. For more rows than a Gram matrix may have, see svm_rows.
"""

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from untrimmed.classify import svm_kernels as kernels
from untrimmed.classify.gram import all_finite
from untrimmed.records import DataError

log = logging.getLogger(__name__)

BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class SvmConfig:
    """Objective 1/2 |w|^2 + C sum of losses of 1 - y (w x + b), with b held back like w; and how exactly it is met."""

    loss: Literal["hinge", "squared hinge"] = "squared hinge"
    """Loss of a margin below 1. The reports do not say; this is LIBLINEAR's default."""
    cost: float = 1.0
    """C; a larger one holds back less. Of the reports only 17 prints it: 100."""
    tolerance: float = 1e-6
    """Relative duality gap at which a class is done; the weights are then within about a thousandth of the best."""
    passes: int = 5000
    """Over the rows at most; a class that is not done by then is left as it is, with a warning in the log."""
    seed: int = 0
    """Of the order in which rows are visited; it moves results within the tolerance only."""

    def __post_init__(self) -> None:
        if not self.cost > 0:
            raise DataError(f"cost of an SVM must be positive, got {self.cost}")
        if not self.tolerance > 0 or self.passes < 1:
            raise DataError(f"tolerance and passes of an SVM must be positive, got {self.tolerance}, {self.passes}")


@dataclass(frozen=True, eq=False)
class DualSvm:
    """Trained machines, in terms of the rows they learnt from.

    Attributes:
        coefficients: (classes, n), alpha y; 0 where a row plays no part.
        bias: (classes).
        gaps: (classes), the relative duality gap reached.
        config: how they were trained.
    """

    coefficients: Float[np.ndarray, "classes n"]
    bias: Float[np.ndarray, " classes"]
    gaps: Float[np.ndarray, " classes"]
    config: SvmConfig

    def margins(self, kernel: Float[np.ndarray, "m n"]) -> Float[np.ndarray, "m classes"]:
        """Signed scores of rows, from their inner products with the rows learnt from; higher is surer."""
        parts = [kernel[first : first + BLOCK] @ self.coefficients.T for first in range(0, len(kernel), BLOCK)]
        return np.concatenate([np.zeros((0, len(self.bias))), *parts]) + self.bias

    def weights(self, rows: Float[np.ndarray, "n dims"]) -> Float[np.ndarray, "classes dims"]:
        """The weight of each class over the features, given the rows learnt from."""
        found = np.empty((len(self.bias), rows.shape[1]))
        for first in range(0, rows.shape[1], BLOCK):
            found[:, first : first + BLOCK] = self.coefficients @ rows[:, first : first + BLOCK]
        return found


def fit_dual(
    kernel: Float[np.ndarray, "rows columns"],
    members: Bool[np.ndarray, "n classes"],
    config: SvmConfig | None = None,
    *,
    workers: int | None = None,
) -> DualSvm:
    """Train one class against the rest for every class.

    A class without a member, or with nothing but members, gets coefficients 0 and bias -1 or +1.

    Args:
        kernel: Gram matrix (n, n), finite and symmetric.
        members: which classes each row has; several are possible.
        config: what to train.
        workers: threads that share the classes; the machine's cores by default. The result does not depend on it.

    Raises:
        DataError: when there is nothing to learn from, sizes differ, or numbers are not finite.

    Source: Hsieh et al., A dual coordinate descent method for large-scale linear SVM, 2008, on a Gram matrix.
    """
    config = config or SvmConfig()
    _check(kernel, members)
    everyone = np.ones(len(kernel), dtype=bool)
    bias, gaps = constant_bias(members), np.zeros(members.shape[1])
    coefficients = np.zeros((members.shape[1], len(kernel)))

    def one(index: int) -> None:
        coefficients[index], _, gaps[index] = _solve(kernel, members[:, index], everyone, config)
        bias[index] = coefficients[index].sum()

    share_classes(one, np.flatnonzero(mixed_classes(members)), workers)
    warn_of_gaps(gaps, config)
    return DualSvm(coefficients, bias, gaps, config)


def cross_margins(
    kernel: Float[np.ndarray, "rows columns"],
    members: Bool[np.ndarray, "n classes"],
    config: SvmConfig | None = None,
    *,
    folds: Int[np.ndarray, " n"],
    workers: int | None = None,
) -> Float[np.ndarray, "n classes"]:
    """Margins of each row by machines that did not learn from its fold: what scores are calibrated on.

    Args:
        kernel: Gram matrix (n, n), finite and symmetric.
        members: which classes each row has.
        config: what to train.
        folds: the fold of each row, any numbers; see draw_folds.
        workers: threads that share classes and folds; the machine's cores by default.

    Raises:
        DataError: when there is nothing to learn from, sizes differ, numbers are not finite, or all rows are in one
            fold.
    """
    config = config or SvmConfig()
    _check(kernel, members)
    names = np.unique(folds)
    if len(names) < 2:
        raise DataError(f"margins across folds need two folds or more, got {len(names)}")
    margins = np.empty(members.shape)
    for name in names:
        held = folds == name
        margins[held] = constant_bias(members[~held])

        def one(index: int, held: np.ndarray = held) -> None:
            _, found, _ = _solve(kernel, members[:, index], ~held, config)
            margins[held, index] = found[held]

        share_classes(one, np.flatnonzero(mixed_classes(members[~held])), workers)
    return margins


def draw_folds(
    count: int, *, folds: int = 5, seed: int = 0, groups: Int[np.ndarray, " count"] | None = None
) -> Int[np.ndarray, " count"]:
    """A random fold for each row, of sizes that differ by one at most.

    Args:
        count: rows.
        folds: how many, 2 or more.
        seed: of the draw.
        groups: rows of one group (windows of one video, videos of one uploader) share a fold; sizes then count groups.

    Raises:
        DataError: when there are fewer than two folds.
    """
    if folds < 2:
        raise DataError(f"rows are drawn into two folds or more, got {folds}")
    places = np.arange(count) if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
    many = int(places.max()) + 1 if count else 0
    return np.asarray((np.random.default_rng(seed).permutation(many) % folds)[places], dtype=np.int64)


def mixed_classes(members: Bool[np.ndarray, "n classes"]) -> Bool[np.ndarray, " classes"]:
    """Which classes have members and others."""
    return np.asarray(members.any(axis=0) & ~members.all(axis=0))


def constant_bias(members: Bool[np.ndarray, "n classes"]) -> Float[np.ndarray, " classes"]:
    """The margin of a class that has nothing to tell apart: +1 if it has only members, else -1."""
    return np.where(members.all(axis=0), 1.0, -1.0)


def share_classes(one: Callable[[int], None], classes: Int[np.ndarray, " some"], workers: int | None) -> None:
    """Call for each class, on so many threads; compiled loops let each other run."""
    if not len(classes):
        return
    one(int(classes[0]))  # compiles, if need be, before the others start
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        list(pool.map(one, classes[1:].tolist()))


def warn_of_gaps(gaps: Float[np.ndarray, " classes"], config: SvmConfig) -> None:
    """Say in the log which classes were left before they were done."""
    late = np.flatnonzero(gaps > config.tolerance)
    if len(late):
        log.warning(
            "%d of %d SVMs stopped after %d passes, the worst with a relative gap of %.1e",
            *(len(late), len(gaps), config.passes, gaps.max()),
        )


def _check(kernel: np.ndarray, members: np.ndarray) -> None:
    if not members.size:
        raise DataError(f"an SVM needs videos and classes, got {members.shape[0]} and {members.shape[1]}")
    if kernel.shape != (len(members), len(members)):
        raise DataError(f"an SVM needs a kernel over its {len(members)} videos, got {kernel.shape}")
    if not all_finite(kernel):
        raise DataError("an SVM needs a finite kernel")


def _solve(
    kernel: np.ndarray, mine: np.ndarray, kept: np.ndarray, config: SvmConfig
) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients, margins of all rows, relative gap."""
    signs = np.where(mine, 1.0, -1.0)
    alpha, margins = np.zeros(len(signs)), np.zeros(len(signs))
    squared = config.loss == "squared hinge"
    _, gap = kernels.solve_kernel(
        *(np.ascontiguousarray(kernel), signs, kept, config.cost, squared),
        *(config.tolerance, config.passes, config.seed, alpha, margins),
    )
    return alpha * signs, margins, gap
