"""Labelling: the labels of all steps at once that follow the scores and seldom change, exactly, by dynamic programming.

A curve becomes stretches of activity and background; several curves become stretches of several classes.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from untrimmed.propose.labelling_kernels import best_labels
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid, clip_segments, runs


def label_steps(gains: Float[np.ndarray, "steps labels"], *, switch_cost: float) -> Int[np.ndarray, " steps"]:
    """The labels l that maximise sum_t gains[t, l_t] - switch_cost * (number of changes from a step to the next).

    The optimum is exact and takes O(steps * labels). Among equal ways the one that changes late wins.

    Args:
        gains: what each step gains with each label, in any unit.
        switch_cost: of a change, in the same unit, >= 0.

    Raises:
        DataError: without a label, on a negative cost, or on numbers that are not finite.

    Source: Evangelidis, Singh and Horaud, Continuous Gesture Recognition from Articulated Poses, ECCV workshops 2014;
    report 09, equation 1.
    """
    if gains.shape[1] < 1 or not 0 <= switch_cost < np.inf or not np.isfinite(gains).all():
        raise DataError(
            "labelling needs finite gains of at least one label and a finite switching cost >= 0, "
            f"got {gains.shape[1]} labels and cost {switch_cost}"
        )
    if not len(gains):
        return np.zeros(0, np.int64)
    labels, _ = best_labels(np.ascontiguousarray(gains), float(switch_cost))
    return np.asarray(labels)


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """How the curve of one class becomes activity and background."""

    zero_level: float = 0.5
    """The score at which activity gains nothing over background. Report 09 does not say: its equation gains the score
    itself, which is never negative, so that everything would be active."""
    relative: bool = True
    """The zero level is a share of the curve's mean over its own best half, not a score: what a net trained on
    activities alone gives its own class differs much from video to video."""
    switch_cost_seconds: float = 2.0
    """Cost of each beginning and each end: what as many seconds gain at a score of 1 above zero (relative: at that
    mean above zero). In seconds, so that it does not hang on how often scores are taken. Report 09 sets it by
    cross-validation and gives no value."""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.zero_level) and 0 <= self.switch_cost_seconds < np.inf):
            raise DataError(
                "a labelling needs a finite zero level and a finite switching cost >= 0 seconds, "
                f"got {self.zero_level} and {self.switch_cost_seconds}"
            )


@dataclass(frozen=True, eq=False)
class Runs:
    """Stretches of activity, in falling score, among equals the earlier first.

    Attributes:
        segments: seconds, within the video, apart from each other.
        scores: mean of the curve over each.
    """

    segments: Float[np.ndarray, "n 2"]
    scores: Float[np.ndarray, " n"]


def active_runs(curve: Float[np.ndarray, " steps"], grid: TimeGrid, duration: float, rule: Labelling) -> Runs:
    """The stretches that the best binary labelling calls active.

    With r the curve over its unit, z the zero level and d the seconds of a step, the labels maximise
    sum over active steps of (r_t - z) * d - switch_cost_seconds * changes. The unit is 1 or, relative, the mean of
    the better half of the steps; a curve that is nowhere above 0 then has no stretch.

    Args:
        curve: score of one class at each step.
        grid: when the steps were measured.
        duration: of the video, seconds; stretches are cut to it.
        rule: zero level and cost.

    Source: report 09, section 2.4.
    """
    if len(curve) != grid.steps:
        raise DataError(f"a curve must have one score for each of the grid's {grid.steps} steps, got {len(curve)}")
    given = curve.astype(np.float64)
    unit = float(top_mean(given, 0.5)) if rule.relative and len(given) else 1.0
    if not len(given) or not unit > 0:
        return Runs(np.zeros((0, 2)), np.zeros(0))
    active = (given / unit - rule.zero_level) * grid.stride
    labels = label_steps(np.stack([np.zeros_like(active), active], axis=1), switch_cost=rule.switch_cost_seconds)
    pieces = runs(labels == 1)
    scores = np.array([given[first:past].mean() for first, past in pieces], dtype=np.float64)
    segments, kept = clip_segments(grid.to_seconds(pieces.astype(np.float64)), duration)
    order = np.argsort(-scores[kept], kind="stable")
    return Runs(segments[order], scores[kept][order])


def top_mean(scores: Float[np.ndarray, "steps *shape"], share: float) -> Float[np.ndarray, "*shape"]:
    """Mean over the highest share of the steps, of at least one; each column by itself.

    Args:
        scores: at each step, at least one.
        share: in (0, 1]; report 09, section 2.3, takes 0.5.
    """
    count = max(1, int(share * len(scores)))
    return np.asarray(np.partition(scores, len(scores) - count, axis=0)[-count:].mean(axis=0, dtype=np.float64))
