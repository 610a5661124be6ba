"""Anchors at every step, one for each scale; which segments are learnt as what, and how many of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from untrimmed.propose.anchors import grid_anchors
from untrimmed.records import DataError
from untrimmed.timeline import tiou

POSITIVE, NEGATIVE, IGNORED = 1, 0, -1


def step_anchors(steps: int, scales: Sequence[float]) -> Float[np.ndarray, "n 2"]:
    """Anchors at the middle of every step, one for each scale, in steps; they may reach beyond [0, steps].

    Args:
        steps: of the sequence, >= 1.
        scales: lengths in steps, > 0.

    Returns:
        (steps * scales, 2), step by step, the scales in their order.

    Source: report 20 (R-C3D), section 3.2: "windows centered at L/8 uniformly distributed temporal locations".
    """
    return grid_anchors(steps, scales) * steps


@dataclass(frozen=True, eq=False)
class OverlapLabels:
    """What each segment is learnt as.

    Attributes:
        kind: POSITIVE, NEGATIVE or IGNORED.
        instance: index of the instance that a segment overlaps most, -1 where it overlaps none.
    """

    kind: Int[np.ndarray, " n"]
    instance: Int[np.ndarray, " n"]


def label_by_overlap(
    segments: Float[np.ndarray, "n 2"],
    instances: Float[np.ndarray, "m 2"],
    *,
    positive_tiou: float,
    negative_tiou: float,
    least_negative_tiou: float = 0.0,
    best: bool = False,
    allowed: Bool[np.ndarray, " n"] | None = None,
) -> OverlapLabels:
    """Positive above one overlap, negative below another, and what lies between is not learnt.

    Under the best rule each instance also makes the allowed segments positive that overlap it most, all of them where
    several are equal; such a segment stands for that instance, unless it is positive by a larger overlap with another.

    Args:
        segments: anchors or proposals, in the unit of the instances.
        instances: annotated segments.
        positive_tiou: a best overlap above it is positive; R-C3D: 0.7 for anchors, 0.5 for proposals.
        negative_tiou: a best overlap below it is negative, at most positive_tiou; R-C3D: 0.3 and 0.5.
        least_negative_tiou: a best overlap below it is ignored; 0 takes all.
        best: whether instances take what overlaps them most.
        allowed: segments that may be learnt; the others are ignored. None allows all.

    Source: report 20 (R-C3D), sections 3.2 and 3.3; Faster R-CNN, section 3.1.2.
    """
    if not 0 <= least_negative_tiou <= negative_tiou <= positive_tiou < 1:
        raise DataError(
            "labels by overlap need 0 <= least_negative_tiou <= negative_tiou <= positive_tiou < 1, "
            f"got {least_negative_tiou}, {negative_tiou}, {positive_tiou}"
        )
    usable = np.ones(len(segments), dtype=bool) if allowed is None else allowed
    if not len(instances):
        kind = np.where(usable & (least_negative_tiou == 0), NEGATIVE, IGNORED)
        return OverlapLabels(kind, np.full(len(segments), -1))
    overlaps = np.nan_to_num(tiou(segments, instances))
    instance = overlaps.argmax(axis=1)
    overlap = overlaps[np.arange(len(segments)), instance]
    kind = np.full(len(segments), IGNORED)
    kind[(overlap < negative_tiou) & (overlap >= least_negative_tiou)] = NEGATIVE
    kind[overlap > positive_tiou] = POSITIVE
    instance = np.where(overlap > 0, instance, -1)
    if best and usable.any():
        highest = overlaps[usable].max(axis=0)
        for number in np.flatnonzero(highest > 0):
            chosen = usable & (overlaps[:, number] >= highest[number] - 1e-9)
            chosen &= (kind != POSITIVE) | (overlap <= overlaps[:, number])  # a better match keeps its own instance
            kind[chosen], instance[chosen] = POSITIVE, number
            overlap[chosen] = overlaps[chosen, number]
    kind[~usable] = IGNORED
    return OverlapLabels(kind, instance)


def draw(
    kind: Int[np.ndarray, " n"],
    *,
    count: int,
    positive_share: float,
    keys: Float[np.ndarray, " n"],
    fill: bool = False,
) -> Int[np.ndarray, " drawn"]:
    """A batch of positives and negatives in a given ratio.

    Of the positives at most `positive_share` of the count are drawn; the negatives keep the ratio to what was drawn,
    but one at least. With `fill` they take all the room that is left.

    Args:
        kind: of each segment, as label_by_overlap says.
        count: at most so many, >= 1.
        positive_share: in (0, 1): 1/2 for 1:1, 1/4 for 1:3.
        keys: one random number a segment; the lowest are drawn, which makes the draw the caller's.
        fill: draw negatives up to the count however few positives there are, as Faster R-CNN does.

    Returns:
        Indices, positives first.

    Source: report 20 (R-C3D), sections 3.2 ("ratio of 1:1") and 3.3 ("1:3").
    """
    if count < 1 or not 0 < positive_share < 1:
        raise DataError(f"a draw needs a count >= 1 and a share in (0, 1), got {count} and {positive_share}")
    order = np.argsort(keys, kind="stable")
    positives = order[kind[order] == POSITIVE][: max(1, int(count * positive_share))]
    wanted = round(len(positives) * (1 - positive_share) / positive_share)
    room = count - len(positives)
    negatives = order[kind[order] == NEGATIVE][: room if fill else min(room, max(1, wanted))]
    return np.concatenate([positives, negatives])
