"""The compiled walk down the trees of forests.

The tests' type checker must leave what numba compiles alone, hence no_type_check.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
@no_type_check
def walk(rows, left, right, feature, threshold, value, trees, forests, empty, scores):
    """Mean value of the leaves that a row reaches, for each row and forest.

    Args:
        rows: (n, dims) float32.
        left: (nodes) int32, the child where the feature is at most the threshold; -1 at a leaf.
        right: (nodes) int32, the other child.
        feature: (nodes) int32.
        threshold: (nodes) float64.
        value: (nodes) float64.
        trees: (trees + 1) int64, first node of each.
        forests: (forests + 1) int64, first tree of each.
        empty: (forests) float64, the score of a forest without trees.
        scores: (n, forests) float64, written.
    """
    for forest in range(len(forests) - 1):
        count = forests[forest + 1] - forests[forest]
        for row in range(len(rows)):
            if count == 0:
                scores[row, forest] = empty[forest]
                continue
            total = 0.0
            for tree in range(forests[forest], forests[forest + 1]):
                node = trees[tree]
                while left[node] >= 0:
                    node = left[node] if np.float64(rows[row, feature[node]]) <= threshold[node] else right[node]
                total += value[node]
            scores[row, forest] = total / count
