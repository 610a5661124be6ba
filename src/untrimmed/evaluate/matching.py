"""Which prediction finds which instance, by the rules of the ActivityNet evaluators, for all thresholds at once.

Predictions are served by falling score. Each tries the instances of its group (one class of one video) by falling
tIoU and takes the first free one that reaches the threshold. All instances prefer the prediction with the higher
score, so the outcome is the one stable assignment of predictions to instances. It is found in rounds on whole arrays:
every prediction without an instance asks its next one, every instance keeps the best of those that ask.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, Int64

PAIRS_AT_ONCE = 1 << 21
"""Pairs of a prediction and an instance that are compared at once; bounds the memory."""

Pairs = tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"], Float64[np.ndarray, " pairs"]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Groups:
    """Instances in groups, to be compared with predictions of the same group.

    Attributes:
        order: indices of the instances, sorted by group; the order of the file inside a group.
        starts: where each group begins in `order`, and its end at last.
    """

    order: Int64[np.ndarray, " instances"]
    starts: Int64[np.ndarray, " past"]

    @classmethod
    def of(cls, groups: Int64[np.ndarray, " instances"], count: int) -> "Groups":
        """Sort instances by their group number, which is in [0, count)."""
        order = np.argsort(groups, kind="stable")
        return cls(order=order, starts=np.searchsorted(groups[order], np.arange(count + 1)))


def close_pairs(
    segments: Float64[np.ndarray, "predictions 2"],
    groups: Int64[np.ndarray, " predictions"],
    instances: Float64[np.ndarray, "instances 2"],
    within: Groups,
    *,
    least: float,
    nan_counts: bool,
) -> Pairs:
    """All pairs of a prediction and an instance of its group whose tIoU reaches a bound.

    tIoU as in the official programs: no epsilon, nothing clipped, zero length over zero length is NaN.

    Args:
        segments: of the predictions, seconds.
        groups: the group of each prediction; -1 where it has none.
        instances: segments of the instances.
        within: their groups.
        least: tIoU from which a pair counts, in (0, 1].
        nan_counts: whether a pair with tIoU NaN counts.

    Returns:
        Index of the prediction, index of the instance, tIoU; sorted by prediction, then by instance in file order.
    """
    known = np.flatnonzero(groups >= 0)
    sizes = np.diff(within.starts)[groups[known]]
    known, sizes = known[sizes > 0], sizes[sizes > 0]
    parts: list[Pairs] = []
    inner = np.searchsorted(np.cumsum(sizes), np.arange(PAIRS_AT_ONCE, int(sizes.sum()), PAIRS_AT_ONCE))
    bounds = np.unique(np.concatenate(([0], inner, [len(sizes)])))
    for low, high in pairwise(bounds):
        some, count = known[low:high], sizes[low:high]
        prediction = np.repeat(some, count)
        ends = np.cumsum(count)
        offset = np.arange(ends[-1]) - np.repeat(ends - count, count)
        instance = within.order[within.starts[groups[prediction]] + offset]
        value = tiou_of_pairs(segments[prediction], instances[instance])
        with np.errstate(invalid="ignore"):
            close = ~(value < least) if nan_counts else value >= least
        parts.append((prediction[close], instance[close], value[close]))
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[return-value]


def tiou_of_pairs(
    first: Float64[np.ndarray, "pairs 2"], second: Float64[np.ndarray, "pairs 2"]
) -> Float64[np.ndarray, " pairs"]:
    """tIoU of each row with the same row of the other array; the rule of timeline.tiou."""
    intersection = np.minimum(first[:, 1], second[:, 1]) - np.maximum(first[:, 0], second[:, 0])
    np.maximum(intersection, 0.0, out=intersection)
    union = (second[:, 1] - second[:, 0]) + (first[:, 1] - first[:, 0]) - intersection
    with np.errstate(invalid="ignore", divide="ignore"):
        return intersection / union


def assign(
    pairs: Pairs,
    rank: Int64[np.ndarray, " predictions"],
    tious: Float64[np.ndarray, " thresholds"],
    *,
    instances: int,
) -> Int64[np.ndarray, "thresholds predictions"]:
    """The instance that each prediction takes at each threshold.

    NaN is tried first, since the official programs sort it above every number, and it is below no threshold. Among
    equal tIoU the later instance is tried first.

    Args:
        pairs: as close_pairs gives them, with NaN and with the least threshold.
        rank: of each prediction among those of its group; lower is served first.
        tious: thresholds, each in (0, 1].
        instances: how many there are.

    Returns:
        Index of the instance, or -1 for a false positive.

    Source: the ActivityNet evaluators, eval_detection.compute_average_precision_detection.
    """
    taken = np.full((len(tious), len(rank)), -1, dtype=np.int64)
    prediction, instance, value = pairs
    if not len(prediction):
        return taken
    preference = np.where(np.isnan(value), np.inf, value)
    order = np.lexsort((-instance, -preference, prediction))
    prediction, instance, preference = prediction[order], instance[order], preference[order]
    asking, number = np.unique(prediction, return_inverse=True)
    first = np.searchsorted(prediction, asking)
    for row, threshold in enumerate(tious):
        reached = np.bincount(number, weights=preference >= threshold, minlength=len(asking)).astype(np.int64)
        taken[row, asking] = _rounds(first, first + reached, instance, rank[asking], instances)
    return taken


def _rounds(
    first: Int64[np.ndarray, " asking"],
    past: Int64[np.ndarray, " asking"],
    instance: Int64[np.ndarray, " pairs"],
    rank: Int64[np.ndarray, " asking"],
    instances: int,
) -> Int64[np.ndarray, " asking"]:
    next_pair = first.copy()
    holder = np.full(instances, len(first), dtype=np.int64)  # position in `by_rank`; past its end: nobody
    by_rank = np.argsort(rank, kind="stable")
    standing = np.empty_like(by_rank)
    standing[by_rank] = np.arange(len(by_rank))
    free = np.flatnonzero(next_pair < past)
    while len(free):
        wanted = instance[next_pair[free]]
        before = holder[wanted]
        np.minimum.at(holder, wanted, standing[free])
        won = holder[wanted] == standing[free]
        lost_now = before[won]
        lost_now = by_rank[lost_now[lost_now < len(first)]]
        lost = np.concatenate([free[~won], lost_now])
        next_pair[lost] += 1
        free = lost[next_pair[lost] < past[lost]]
    result = np.full(len(first), -1, dtype=np.int64)
    held = np.flatnonzero(holder < len(first))
    result[by_rank[holder[held]]] = held
    return result


def first_places(
    pairs: Pairs,
    place: Int64[np.ndarray, " predictions"],
    tious: Float64[np.ndarray, " thresholds"],
    *,
    instances: int,
) -> Int64[np.ndarray, "thresholds instances"]:
    """For each instance and threshold the place of the first prediction that reaches it.

    Args:
        pairs: as close_pairs gives them, without NaN.
        place: of each prediction in its video, from 0.
        tious: thresholds.
        instances: how many there are.

    Returns:
        The place, or the largest integer where no prediction reaches the threshold.
    """
    prediction, instance, value = pairs
    first = np.full((len(tious), instances), np.iinfo(np.int64).max, dtype=np.int64)
    for row, threshold in enumerate(tious):
        reached = value >= threshold
        np.minimum.at(first[row], instance[reached], place[prediction[reached]])
    return first


def repeated(keys: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """True for each item that came before."""
    _, first = np.unique(keys, return_index=True)
    mask = np.ones(len(keys), dtype=bool)
    mask[first] = False
    return mask
