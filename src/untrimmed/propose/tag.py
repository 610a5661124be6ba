"""Temporal actionness grouping (TAG): runs of high actionness, joined across short gaps, become proposals.

Two rules stand side by side, since the paper and the program its authors released differ: the paper grows every basin
forwards over a fine grid of levels, the program groups forwards and backwards over 12 x 9 levels, smooths first, and
sums raw scores, so that long proposals win.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter1d

from untrimmed.propose import tag_kernels as kernels
from untrimmed.propose.suppress import HardNms, InclusiveNms, suppress
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid, clip_segments

_DISTINCT = HardNms(tiou=0.95)
_GRID = tuple(round(0.05 * i, 2) for i in range(1, 20))


@dataclass(frozen=True, kw_only=True)
class TagRule:
    """How actionness becomes groups; the defaults are the paper's."""

    thresholds: tuple[float, ...] = _GRID
    """Actionness above which a step is active; 0.05 to 0.95 in steps of 0.05 ("an even step of 0.05")."""
    tolerances: tuple[float, ...] = _GRID
    """Share of inactive steps a group may hold, 1 - tau of the paper; the same grid."""
    sigma_steps: float = 0.0
    """Standard deviation of the Gaussian that smooths the curve first; the paper has none."""
    grouping: Literal["paper", "released"] = "paper"
    """Forwards from every run with exact ends, or forwards and backwards with ends one step late."""
    score: Literal["sum", "mean"] = "mean"
    """Of the raw scores over a group. The paper does not say; the mean does not favour length."""
    suppression: HardNms | InclusiveNms | None = _DISTINCT
    """Drops near copies; 0.95 in the paper."""

    def __post_init__(self) -> None:
        if not self.thresholds or not self.tolerances or not all(0 <= value <= 1 for value in self.tolerances):
            raise DataError(f"a TAG rule needs thresholds and tolerances in [0, 1], got {self}")


PAPER = TagRule()
RELEASED = TagRule(
    thresholds=(0.01, 0.05, 0.1, 0.15, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
    tolerances=(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0),
    sigma_steps=3.0,
    grouping="released",
    score="sum",
    suppression=InclusiveNms(tiou=0.9),
)
RELEASED_BY_MEAN = replace(RELEASED, score="mean")
"""The released grouping with scores that do not grow with length."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of steps.

    Attributes:
        steps: (n, 2) half-open; the released grouping may end one step past the curve.
        scores: (n); in falling order after suppression.
    """

    steps: Int[np.ndarray, "n 2"]
    scores: Float[np.ndarray, " n"]


def group(
    actionness: Float[np.ndarray, " steps"], rule: TagRule = PAPER, *, raw: Float[np.ndarray, " steps"] | None = None
) -> Groups:
    """Group an actionness curve at every threshold and tolerance; near copies are suppressed.

    A group starts at a run of steps above the threshold and absorbs later runs while the share of steps below it
    stays within the tolerance.

    Args:
        actionness: probability of each step, in [0, 1].
        rule: which levels, grouping, score and suppression.
        raw: what the score of a group sums, e.g. the action score before softmax; by default the actionness.

    Returns:
        The groups in falling score, the earlier and then the shorter first among equals; without suppression in order
        of time.

    Raises:
        DataError: on numbers that are not finite.

    Source: Xiong et al., A Pursuit of Temporal Accuracy in General Activity Detection, section 3.2 (paper); the SSN
    program (released).
    """
    if not np.isfinite(actionness).all() or (raw is not None and not np.isfinite(raw).all()):
        raise DataError("actionness must be finite")
    if not len(actionness):
        return Groups(np.zeros((0, 2), np.int64), np.zeros(0))
    curve = actionness.astype(np.float64)
    summed = curve if raw is None else raw.astype(np.float64)
    if rule.sigma_steps > 0:
        curve = gaussian_filter1d(curve, rule.sigma_steps, mode="reflect")
    boxes, scores = kernels.group(
        curve, summed, np.array(rule.thresholds), np.array(rule.tolerances), rule.grouping == "released"
    )
    order = np.lexsort((boxes[:, 1], boxes[:, 0]))
    boxes, scores = boxes[order], scores[order]
    if rule.score == "mean":
        scores = scores / (boxes[:, 1] - boxes[:, 0])
    if rule.suppression is None:
        return Groups(boxes, scores)
    kept = suppress(boxes.astype(np.float64), scores, rule.suppression)
    return Groups(boxes[kept.indices], kept.scores)


def tag(
    actionness: Float[np.ndarray, " steps"],
    grid: TimeGrid,
    duration: float,
    rule: TagRule = PAPER,
    *,
    raw: Float[np.ndarray, " steps"] | None = None,
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Proposals of one video from its actionness, in seconds.

    Args:
        actionness: probability of each step, in [0, 1].
        grid: when the steps were measured.
        duration: of the video in seconds; proposals are cut to it.
        rule: see group.
        raw: see group.

    Returns:
        Segments and their scores, in falling score.
    """
    groups = group(actionness, rule, raw=raw)
    segments, kept = clip_segments(grid.to_seconds(groups.steps.astype(np.float64)), duration)
    return segments, groups.scores[kept]


def foreground(scores: Float[np.ndarray, "steps 2"]) -> Float[np.ndarray, " steps"]:
    """Probability of the second of two classes, (background, action), by softmax."""
    return np.asarray(1 / (1 + np.exp(np.clip(scores[:, 0] - scores[:, 1], -700, 700))), dtype=np.float64)
