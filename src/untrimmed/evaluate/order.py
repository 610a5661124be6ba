"""The order of predictions: by falling score, and among equal scores the one that comes later in the file first.

The official programs sort with an unstable quicksort and reverse the result, so with equal scores their figures depend
on the version of numpy and on the processor. A stable ascending sort that is then reversed is one of their possible
answers, and always the same one.
"""

import numpy as np
from jaxtyping import Float64, Int64


def falling(scores: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Indices in falling score; equal scores in reversed order of the file."""
    return np.ascontiguousarray(np.argsort(scores, kind="stable")[::-1])


def falling_within(groups: Int64[np.ndarray, " n"], scores: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Indices sorted by rising group, and by falling score in each group."""
    order = falling(scores)
    return order[np.argsort(groups[order], kind="stable")]


def starts_of(groups: Int64[np.ndarray, " n"], count: int) -> Int64[np.ndarray, " past"]:
    """Where each of the groups 0 to count - 1 begins in a rising sequence of group numbers, and its end at last."""
    return np.searchsorted(groups, np.arange(count + 1))


def places_within(groups: Int64[np.ndarray, " n"], count: int) -> Int64[np.ndarray, " n"]:
    """The place of each item in its group, from 0, for a rising sequence of group numbers."""
    return np.arange(len(groups)) - starts_of(groups, count)[groups]
