"""Tubelets: boxes of one thing linked over time, the best chain first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from untrimmed.features.detectors import Detections
from untrimmed.records import DataError


@dataclass(frozen=True, eq=False)
class Tubelet:
    """One thing in consecutive frames.

    Attributes:
        first: index of the frame it begins in.
        boxes: one a frame.
        scores: of its boxes.
        label: what it is.
    """

    first: int
    boxes: Float[np.ndarray, "frames 4"]
    scores: Float[np.ndarray, " frames"]
    label: int

    @property
    def past(self) -> int:
        """Index of the frame after its last."""
        return self.first + len(self.boxes)


@dataclass(frozen=True, kw_only=True)
class Linking:
    """How boxes are linked.

    Source: Gkioxari and Malik, Finding Action Tubes, CVPR 2015, section 4: score + score + weight * overlap, by
    Viterbi, the boxes of the best path taken away before the next. There every path goes through the whole video; here
    it begins and ends where that is best, since things come and go in untrimmed videos. Report 03 does not say how
    its tubelets are linked.
    """

    overlap_weight: float = 1.0
    """What an overlap of 1 is worth beside scores of 0 to 1."""
    least_overlap: float = 0.2
    """Intersection over union that boxes of neighbouring frames need to be one thing, in [0, 1]."""
    least_frames: int = 1
    """Of a tubelet that is kept."""

    def __post_init__(self) -> None:
        if self.overlap_weight < 0 or not 0 <= self.least_overlap <= 1 or self.least_frames < 1:
            raise DataError(
                "linking needs overlap_weight >= 0, least_overlap in [0, 1] and least_frames >= 1, got "
                f"{self.overlap_weight}, {self.least_overlap} and {self.least_frames}"
            )


def box_overlap(one: Float[np.ndarray, "n 4"], other: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union of boxes (left, top, right, bottom); 0 for two boxes without area."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.prod(np.maximum(0.0, high - low), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (one, other)]
    joined = areas[0][:, None] + areas[1][None, :] - shared
    return np.where(joined > 0, shared / np.where(joined > 0, joined, 1.0), 0.0)


def link_tubelets(frames: Sequence[Detections], *, linking: Linking | None = None) -> tuple[Tubelet, ...]:
    """All boxes of a video as tubelets, the chain of the highest value first.

    The value of a chain of boxes of one label in consecutive frames is the sum of its scores and of overlap_weight
    times the overlaps of neighbours, each of which must reach least_overlap. The best chain of all is found by dynamic
    programming, its boxes are taken away, and so on until none is left.

    Args:
        frames: what was found in each, scores not below 0.
        linking: weights and thresholds; Linking() if None.

    Returns:
        Each box in at most one tubelet; exactly one if least_frames is 1. Chains are linked within a label.
    """
    linking = linking or Linking()
    if any(len(frame) and frame.scores.min() < 0 for frame in frames):
        raise DataError("boxes that are linked must have scores of 0 or more")
    labels = sorted({int(label) for frame in frames for label in frame.labels})
    found = [chain for label in labels for chain in _linked(frames, label, linking)]
    found.sort(key=lambda pair: -pair[0])
    return tuple(tube for _, tube in found if len(tube.boxes) >= linking.least_frames)


def _linked(frames: Sequence[Detections], label: int, linking: Linking) -> list[tuple[float, Tubelet]]:
    """Value and tubelet of every chain of one label."""
    own = [frame.only(label) for frame in frames]
    gains = [_gain(own[t - 1].boxes, own[t].boxes, linking) for t in range(1, len(own))]
    alive = [np.ones(len(frame), dtype=bool) for frame in own]
    found = []
    for _ in range(sum(map(len, own))):
        if not any(left.any() for left in alive):
            break
        value, first, chain = _best_chain([frame.scores for frame in own], gains, alive)
        places = list(enumerate(chain, first))
        for t, box in places:
            alive[t][box] = False
        boxes = np.array([own[t].boxes[box] for t, box in places])
        found.append((value, Tubelet(first, boxes, np.array([own[t].scores[box] for t, box in places]), label)))
    return found


def _gain(
    before: Float[np.ndarray, "n 4"], after: Float[np.ndarray, "m 4"], linking: Linking
) -> Float[np.ndarray, "n m"]:
    overlap = box_overlap(before, after)
    return np.where(overlap >= linking.least_overlap, linking.overlap_weight * overlap, -np.inf)


def _best_chain(
    scores: list[Float[np.ndarray, " _"]],
    gains: list[Float[np.ndarray, "_ _"]],
    alive: list[Bool[np.ndarray, " _"]],
) -> tuple[float, int, list[int]]:
    """Value, first frame and boxes of the best chain of what is alive; all that is added is >= 0, so longer is better.

    best[t, i] = score[t, i] + max(0, max over j of best[t - 1, j] + gain[t - 1, j, i])
    """
    values: list[np.ndarray] = []
    back: list[np.ndarray] = []
    for t, score in enumerate(scores):
        origin = np.full(len(score), -1)
        value = np.where(alive[t], score, -np.inf)
        if t and len(score) and len(scores[t - 1]):
            with_past = values[t - 1][:, None] + gains[t - 1]
            best = with_past.max(axis=0)
            follows = alive[t] & (best >= 0)
            origin[follows] = with_past.argmax(axis=0)[follows]
            value[follows] += best[follows]
        values.append(value)
        back.append(origin)
    tops = [value.max() if len(value) else -np.inf for value in values]
    t = int(np.argmax(tops))
    box = int(values[t].argmax())
    total, chain = float(values[t][box]), [box]
    while back[t][box] >= 0:
        box = int(back[t][box])
        t -= 1
        chain.append(box)
    return total, t, chain[::-1]
