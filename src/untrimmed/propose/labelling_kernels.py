"""Compiled loops of labelling.

The tests' type checker must leave what numba compiles alone, hence no_type_check on each.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True)
@no_type_check
def best_labels(gains, cost):
    """Labels of the highest sum of gains less cost a change, in O(steps * labels).

    The best way to end in a label either stays in it or comes from the best label of all before: two candidates, not
    one a pair of labels. Kept are one byte a step and label (whether it came from elsewhere) and that best label.

    Args:
        gains: (steps, labels) float64 or float32.
        cost: of a change, >= 0.

    Returns:
        (steps) int64 and the sum.
    """
    steps, count = gains.shape
    labels = np.zeros(steps, np.int64)
    value = np.empty(count, np.float64)
    changed = np.zeros((steps, count), np.uint8)
    best_before = np.zeros(steps, np.int64)
    for label in range(count):
        value[label] = gains[0, label]
    for step in range(1, steps):
        best = 0
        for label in range(1, count):
            if value[label] > value[best]:
                best = label
        best_before[step] = best
        least = value[best] - cost
        for label in range(count):
            # at equality it stays, so that a curve that decides nothing is one piece
            if least > value[label]:
                changed[step, label] = 1
                value[label] = least + gains[step, label]
            else:
                value[label] += gains[step, label]
    label = 0
    for other in range(1, count):
        if value[other] > value[label]:
            label = other
    total = value[label]
    for step in range(steps - 1, -1, -1):
        labels[step] = label
        if changed[step, label]:
            label = best_before[step]
    return labels, total
