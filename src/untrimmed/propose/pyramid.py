"""A temporal pyramid: candidates whose lengths are shares of the video, their context, and what the grid can reach.

Everything is told in shares of the video, so that a video of any length has the same candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid, tiou

TIOUS: Float[np.ndarray, " thresholds"] = np.linspace(0.5, 0.95, 10)
"""The challenge's thresholds."""


@dataclass(frozen=True, kw_only=True)
class Pyramid:
    """Where candidates are. The defaults are those of the released program of the temporal context network."""

    lengths: tuple[float, ...] = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
    """Of each level, as shares of the video in (0, 1], finest first."""
    centres: int = 64
    """Centres lie at 1 / centres, 2 / centres ... 1 - 2 / centres: "half of the smallest window" apart."""
    last_centre: bool = False
    """Whether the centre 1 - 1 / centres is one too. The released program leaves it out, a fault of a range's end."""

    def __post_init__(self) -> None:
        good = bool(self.lengths) and all(0 < length <= 1 for length in self.lengths)
        if not good or list(self.lengths) != sorted(set(self.lengths)) or self.centres < 3:
            raise DataError(
                "a pyramid needs rising lengths in (0, 1] and at least 3 centres, "
                f"got {self.lengths} and {self.centres}"
            )

    @property
    def places(self) -> Float[np.ndarray, " places"]:
        """The centres, shares of the video."""
        return np.arange(1, self.centres if self.last_centre else self.centres - 1) / self.centres

    def anchors(self) -> Float[np.ndarray, "anchors 2"]:
        """All candidates cut to [0, 1], centre by centre, the levels of each from the finest on."""
        places = np.repeat(self.places, len(self.lengths))
        half = np.tile(np.asarray(self.lengths), len(self.places)) / 2
        return np.clip(np.stack([places - half, places + half], axis=1), 0.0, 1.0)

    def levels(self) -> Int[np.ndarray, " anchors"]:
        """The level of each candidate, 0 the finest."""
        return np.tile(np.arange(len(self.lengths)), len(self.places))


def with_context(segments: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n pair 2"]:
    """Each segment and the stretch of the same centre and twice its length, which may leave the video.

    Source: the released program of Dai et al., Temporal Context Network, ICCV 2017. The paper pairs a scale with the
    next one at the same place, which is the same where lengths double and nothing is cut off.
    """
    half = (segments[:, 1] - segments[:, 0])[:, None] / 2
    return np.stack([segments, segments + half * np.array([-1.0, 1.0])], axis=1)


def sampled_steps(
    segments: Float[np.ndarray, "*shape 2"], grid: TimeGrid, duration: float, *, samples: int
) -> Int[np.ndarray, "*shape samples"]:
    """The steps at the middles of equal parts of segments, -1 where these lie outside the video or its steps.

    Args:
        segments: shares of the video.
        grid: of the steps.
        duration: of the video, seconds.
        samples: how many a segment, >= 1.
    """
    parts = (np.arange(samples) + 0.5) / samples
    places = segments[..., :1] + (segments[..., 1:] - segments[..., :1]) * parts
    inside = (places >= 0) & (places <= 1)
    steps = np.floor(grid.to_steps(places * duration) + 1e-9).astype(np.int64)
    # steps need not cover the ends of a video to the last: what lies in it takes the nearest
    return np.where(inside & (grid.steps > 0), np.clip(steps, 0, max(0, grid.steps - 1)), -1)


def within_quotas(
    levels: Int[np.ndarray, " n"], quotas: Sequence[int] | None, *, levels_in_all: int
) -> Bool[np.ndarray, " n"]:
    """Which of ranked candidates stay when each level may give only so many, best first.

    Args:
        levels: of each candidate, in falling score.
        quotas: of each level, >= 0, finest first; None leaves all.
        levels_in_all: of the pyramid.

    Source: report 18, "the number of proposals needed from each level of the pyramid".
    """
    if quotas is None:
        return np.ones(len(levels), dtype=bool)
    if len(quotas) != levels_in_all or min(quotas, default=-1) < 0:
        raise DataError(f"quotas must be one number >= 0 for each of {levels_in_all} levels, got {tuple(quotas)}")
    kept = np.zeros(len(levels), dtype=bool)
    for level, quota in enumerate(quotas):
        kept[np.flatnonzero(levels == level)[:quota]] = True
    return kept


@dataclass(frozen=True, eq=False)
class RecallBound:
    """What no ranking of a grid of candidates can exceed.

    Attributes:
        best: for each instance the highest tIoU with any candidate.
        recall: for each threshold the share of the instances that reach it.
        tious: the thresholds.
    """

    best: Float[np.ndarray, " instances"]
    recall: Float[np.ndarray, " thresholds"]
    tious: Float[np.ndarray, " thresholds"]

    @property
    def average(self) -> float:
        """Mean over the thresholds: the highest possible average recall, in [0, 1]."""
        return float(self.recall.mean())


def recall_bound(
    anchors: Float[np.ndarray, "anchors 2"],
    instances: Float[np.ndarray, "instances 2"],
    *,
    tious: Float[np.ndarray, " thresholds"] = TIOUS,
) -> RecallBound:
    """The bound that a grid puts on recall, all its candidates used.

    Args:
        anchors: shares of the video, the same for all.
        instances: annotated segments as shares of their own videos, of all videos together.
        tious: thresholds in (0, 1]; one that is met counts.

    Raises:
        DataError: without instances.
    """
    if not len(instances):
        raise DataError("a bound on recall needs at least one instance")
    best = np.nan_to_num(tiou(instances, anchors)).max(axis=1, initial=0.0)
    return RecallBound(best, (best[:, None] >= tious[None, :]).mean(axis=0), np.asarray(tious, dtype=np.float64))
