"""Average precision from the places of the true positives in a ranking."""

import numpy as np
from jaxtyping import Bool, Float64, Int64


def interpolated(places: Int64[np.ndarray, " hits"], positives: int) -> float:
    """Average precision with precision replaced by its running maximum from the right.

    AP = sum over true positives of (1 / positives) * max of precision at this or any later place. Between two true
    positives precision only falls, so the maximum is taken over true positives. What is never found adds nothing.

    Args:
        places: 0-based places of the true positives in the ranking, rising.
        positives: how many there are to find, >= 1.

    Returns:
        In [0, 1].

    Source: the ActivityNet evaluators (interpolated_prec_rec); Everingham et al., The PASCAL VOC Challenge, 2010.
    """
    if len(places) == 0:
        return 0.0
    precision = np.arange(1, len(places) + 1) / (places + 1.0)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best.sum() / positives)


def plain(places: Int64[np.ndarray, " hits"], positives: int) -> float:
    """Average precision as the mean of the precision at each positive, not interpolated (THUMOS'14, Charades)."""
    if len(places) == 0:
        return 0.0
    return float((np.arange(1, len(places) + 1) / (places + 1.0)).sum() / positives)


def interpolated_by_class(
    hits: Bool[np.ndarray, "thresholds n"],
    starts: Int64[np.ndarray, " past"],
    positives: Int64[np.ndarray, " classes"],
) -> Float64[np.ndarray, "classes thresholds"]:
    """Interpolated AP of every class at every threshold.

    Args:
        hits: which predictions are true positives, sorted by class and then by falling score.
        starts: where each class begins in that order, and its end at last (classes + 1 numbers).
        positives: instances of each class, >= 1.
    """
    figures = np.zeros((len(positives), len(hits)))
    for threshold, row in enumerate(hits):
        found = np.flatnonzero(row)
        edges = np.searchsorted(found, starts)
        for index, count in enumerate(positives):
            places = found[edges[index] : edges[index + 1]] - starts[index]
            figures[index, threshold] = interpolated(places, int(count))
    return figures
