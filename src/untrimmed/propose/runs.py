"""Runs: stretches of time in which a category wins, joined where they lie close, become proposals.

The distance of two neighbouring runs is counted from the last step of the one to the first step of the next: in
9 9 9 8 6 6 9 the runs of 9 lie 4 apart, as in the report's example, with 3 steps between. They are joined if that is
below the threshold. The program the author released counts the 3 steps between and joins up to and including the
threshold, so its numbers are this rule's less 2.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid, clip_segments, runs


@dataclass(frozen=True, kw_only=True)
class RunRule:
    """How winning categories become proposals; the defaults are those of the proposal task."""

    categories: int = 12
    """Best categories of the video, by summed probability, whose runs count; section 2.2: 12 for T3, 1 for T4."""
    distance_steps: int = 150
    """Neighbouring runs of a category closer than this are joined, in steps of the features (8 frames there); section
    2.2: 150 for T3, 60 for T4. The example counts list entries, and so does the released program."""
    score: Literal["steps", "share", "sum"] = "steps"
    """The length of a run in steps, as a share of the video, or its category's summed probability over the steps of
    the video. The paper: "a longer temporal extent means that the model is more confident"; the released program takes
    the steps."""
    jitter_seconds: float = 1.0
    """Standard deviation of what is added to both ends where a source of chance is given; section 2.2: "sampled from a
    standard gaussian", without a unit; seconds in the released program."""
    draws: tuple[int, ...] = (1,)
    """Jittered copies of a run: the runs of a category in falling length are cut in so many parts, and each part gets
    its number. The paper has one; the released program draws (3, 2, 1) for the proposal task."""

    def __post_init__(self) -> None:
        if self.categories < 1 or self.distance_steps < 1 or not self.draws or min(self.draws) < 1:
            raise DataError(f"a run rule needs categories, distance_steps and draws >= 1, got {self}")
        if not 0 <= self.jitter_seconds < np.inf:
            raise DataError(f"jitter_seconds of a run rule must be >= 0 and finite, got {self.jitter_seconds}")


PROPOSALS = RunRule()
LOCALIZATION = RunRule(categories=1, distance_steps=60)


@dataclass(frozen=True, eq=False)
class CategoryRuns:
    """Joined runs of the best categories: the best category first, each in order of time.

    Attributes:
        steps: (n, 2) half-open.
        category: (n) class index.
    """

    steps: Int[np.ndarray, "n 2"]
    category: Int[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class RunProposals:
    """Proposals of one video.

    Attributes:
        segments: (n, 2) seconds, start < end, within the video.
        scores: (n) in falling order.
        category: (n) class index of each.
    """

    segments: Float[np.ndarray, "n 2"]
    scores: Float[np.ndarray, " n"]
    category: Int[np.ndarray, " n"]


def joined(pieces: Int[np.ndarray, "n 2"], distance_steps: int) -> Int[np.ndarray, "m 2"]:
    """Join neighbours whose distance, from the last step of one to the first of the next, is below a threshold.

    Args:
        pieces: half-open step intervals in order that do not touch.
        distance_steps: the threshold; 1 or 2 joins nothing.

    >>> joined(np.array([[0, 3], [6, 7]]), 5).tolist()
    [[0, 7]]
    >>> joined(np.array([[0, 3], [6, 7]]), 4).tolist()
    [[0, 3], [6, 7]]
    """
    apart = pieces[1:, 0] - (pieces[:-1, 1] - 1) >= distance_steps
    first = np.concatenate((np.ones(min(1, len(pieces)), dtype=bool), apart))
    last = np.concatenate((apart, np.ones(min(1, len(pieces)), dtype=bool)))
    return np.stack([pieces[first, 0], pieces[last, 1]], axis=1)


def category_runs(probabilities: Float[np.ndarray, "steps classes"], rule: RunRule = PROPOSALS) -> CategoryRuns:
    """Where the best categories of a video win, as joined runs.

    The category with the highest probability wins a step, the lower index among equals; categories are ranked by
    their probabilities summed over the steps. One that is among the best and wins no step has no run.

    Source: report 10, section 2.2.
    """
    if not probabilities.size:
        return CategoryRuns(np.zeros((0, 2), np.int64), np.zeros(0, np.int64))
    winners = probabilities.argmax(axis=1)
    ranked = np.argsort(-probabilities.sum(axis=0), kind="stable")[: rule.categories]
    found = [joined(runs(winners == category), rule.distance_steps) for category in ranked]
    return CategoryRuns(np.concatenate(found), np.repeat(ranked, [len(pieces) for pieces in found]))


def run_proposals(
    probabilities: Float[np.ndarray, "steps classes"],
    grid: TimeGrid,
    duration: float,
    rule: RunRule = PROPOSALS,
    *,
    rng: np.random.Generator | None = None,
) -> RunProposals:
    """Proposals of one video from the probabilities of its steps.

    Args:
        probabilities: of each class at each step, in [0, 1].
        grid: when the steps were measured.
        duration: of the video in seconds; proposals are cut to it.
        rule: how runs are found, joined, scored and jittered.
        rng: the source of the jitter; without one there is none. A jittered end that leaves nothing of a proposal
            within the video is not moved.

    Returns:
        In falling score; among equals the better category, then the earlier run first.
    """
    found = category_runs(probabilities, rule)
    scores = _scores(probabilities, found, rule)
    copies = _copies(found, rule) if rng is not None else np.ones(len(scores), np.int64)
    plain, kept = clip_segments(grid.to_seconds(found.steps.astype(np.float64)), duration)
    chosen = np.repeat(np.arange(len(kept)), copies[kept])
    segments, chosen_runs = plain[chosen], kept[chosen]
    if rng is not None:
        moved = np.clip(segments + rule.jitter_seconds * rng.standard_normal(segments.shape), 0.0, duration)
        segments = np.where((moved[:, 0] < moved[:, 1])[:, None], moved, segments)
    order = np.argsort(-scores[chosen_runs], kind="stable")
    return RunProposals(segments[order], scores[chosen_runs][order], found.category[chosen_runs][order])


def regions(
    mask: Bool[np.ndarray, " steps"],
    curve: Float[np.ndarray, " steps"],
    grid: TimeGrid,
    duration: float,
    *,
    distance_steps: int = 1,
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Stretches of marked steps, joined where they lie close, scored by the mean of a curve over each.

    Report 11 detects action regions and does not say how; a mask may be `probabilities.argmax(1) != 0`, the steps
    whose best class is not background, or `actionness > 0.5`.

    Args:
        mask: the steps in action.
        curve: what a score is the mean of, e.g. actionness.
        grid: when the steps were measured.
        duration: of the video in seconds; regions are cut to it.
        distance_steps: neighbours closer than this are joined, see joined; 1 joins nothing.

    Returns:
        Segments in seconds and their scores, in falling score, the earlier first among equals.
    """
    pieces = joined(runs(mask), distance_steps)
    scores = _sums(curve.astype(np.float64), pieces) / np.maximum(1, pieces[:, 1] - pieces[:, 0])
    segments, kept = clip_segments(grid.to_seconds(pieces.astype(np.float64)), duration)
    order = np.argsort(-scores[kept], kind="stable")
    return segments[order], scores[kept][order]


def _scores(probabilities: np.ndarray, found: CategoryRuns, rule: RunRule) -> Float[np.ndarray, " n"]:
    lengths = (found.steps[:, 1] - found.steps[:, 0]).astype(np.float64)
    if rule.score == "steps":
        return lengths
    if rule.score == "share":
        return lengths / max(1, len(probabilities))
    sums = [probabilities[first:past, k].sum() for (first, past), k in zip(found.steps, found.category, strict=True)]
    return np.array(sums, dtype=np.float64) / max(1, len(probabilities))


def _copies(found: CategoryRuns, rule: RunRule) -> Int[np.ndarray, " n"]:
    copies = np.ones(len(found.category), np.int64)
    lengths = found.steps[:, 1] - found.steps[:, 0]
    for category in np.unique(found.category):
        own = np.flatnonzero(found.category == category)
        longest_first = own[np.argsort(-lengths[own], kind="stable")]
        for part, count in zip(np.array_split(longest_first, len(rule.draws)), rule.draws, strict=True):
            copies[part] = count
    return copies


def _sums(curve: Float[np.ndarray, " steps"], pieces: Int[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    """Sum of a curve over each half-open interval."""
    return np.array([curve[first:past].sum() for first, past in pieces], dtype=np.float64)
