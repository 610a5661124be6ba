"""Precision over recall for plots of detections (task T4)."""

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.evaluate.localization import Matches

RECALL: Float64[np.ndarray, " points"] = np.linspace(0, 1, 101)


def precision_over_recall(
    matches: Matches, positives: Int64[np.ndarray, " classes"]
) -> Float64[np.ndarray, "thresholds points"]:
    """Interpolated precision at each recall of RECALL, the mean over classes, for each threshold.

    Precision at a recall is the best at this or any higher one, and 0 where the recall is not reached.

    Args:
        matches: what localization.match gave.
        positives: instances of each class.
    """
    found = np.zeros((len(matches.hits), len(RECALL)))
    for row, hits in enumerate(matches.hits):
        for index, count in enumerate(positives.tolist()):
            places = np.flatnonzero(hits[matches.starts[index] : matches.starts[index + 1]])
            if len(places):
                best = np.maximum.accumulate((np.arange(1, len(places) + 1) / (places + 1.0))[::-1])[::-1]
                number = np.ceil(RECALL * count - 1e-9).astype(np.int64)  # true positives needed for each recall
                reached = number <= len(places)
                found[row, reached] += best[np.maximum(number[reached], 1) - 1]
    return found / max(len(positives), 1)
