"""Sections: a sequence cut into equal pieces, each averaged, the means side by side: a vector with some order in it."""

import numpy as np
from jaxtyping import Float

from untrimmed.records import DataError


def section_means(rows: Float[np.ndarray, "steps dims"], sections: int) -> Float[np.ndarray, " sections_dims"]:
    """The means of equal pieces of a sequence, stacked in order of time.

    Section i of K is [i n / K, (i + 1) n / K) of the n rows; a row that lies across an edge counts in both by its
    share, so that a sequence of any length gives K means, and twice the sequence slowed down gives the same.

    Args:
        rows: at least one.
        sections: K >= 1; 1 is the plain mean.

    Returns:
        K * dims numbers.

    Raises:
        DataError: without rows, or on sections < 1.

    Source: report 01, section 2.1.2 (3 sections; how uneven lengths are cut is not said).
    """
    if sections < 1 or not len(rows):
        raise DataError(f"section means need sections >= 1 and rows, got {sections} sections of {len(rows)} rows")
    count = len(rows)
    edges = np.arange(sections + 1) * (count / sections)
    steps = np.arange(count)
    overlap = np.minimum(edges[1:, None], steps + 1) - np.maximum(edges[:-1, None], steps)
    weights = np.maximum(overlap, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray((weights @ rows.astype(np.float64)).ravel())
