"""Compiled loops of temporal actionness grouping.

The tests' type checker must leave what numba compiles alone, hence no_type_check on each.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from typing import no_type_check

import numpy as np
from numba import njit

WHOLE = 1_000_000  # tolerances count in millionths, so that shares compare exactly


@njit(cache=True)
@no_type_check
def group(curve, raw, thresholds, tolerances, released):
    """Groups of runs at every threshold and tolerance, each box once with its highest sum.

    Args:
        curve: (steps) float64, actionness.
        raw: (steps) float64, what is summed over a box.
        thresholds: (n) float64; a step is active above it.
        tolerances: (m) float64, share of inactive steps a group may hold.
        released: whether to group as the released program does, or as the paper says.

    Returns:
        (boxes, 2) half-open steps, and (boxes) sums.
    """
    steps = len(curve)
    starts = np.empty((len(thresholds), steps // 2 + 1), np.int64)
    ends = np.empty((len(thresholds), steps // 2 + 1), np.int64)
    counts = np.zeros(len(thresholds), np.int64)
    for level in range(len(thresholds)):
        counts[level] = _runs(curve, thresholds[level], starts[level], ends[level])
    size = 64
    while size < 4 * len(tolerances) * counts.sum() + 2:
        size *= 2
    keys = np.full(size, -1, np.int64)
    sums = np.empty(size, np.float64)
    total = np.zeros(steps + 1, np.float64)
    total[1:] = np.cumsum(raw)
    idle = np.empty(steps + 1, np.int64)  # inactive steps before each
    stack = np.empty(counts.max() + 1, np.int64)
    marks = np.empty(counts.max() + 1, np.float64)
    found = 0
    for level in range(len(thresholds)):
        idle[0] = 0
        for step in range(steps):
            idle[step + 1] = idle[step] + (not curve[step] > thresholds[level])
        up, down = starts[level, : counts[level]], ends[level, : counts[level]]
        for tolerance in tolerances:
            if released:
                found += _forward(up, down, idle, tolerance, total, stack, marks, keys, sums)
                found += _backward(up, down, idle, tolerance, total, stack, marks, keys, sums)
            else:
                found += _seeded(up, down, idle, tolerance, total, stack, keys, sums)
    boxes, scores = np.empty((found, 2), np.int64), np.empty(found, np.float64)
    place = 0
    for slot in range(size):
        if keys[slot] >= 0:
            boxes[place, 0], boxes[place, 1] = keys[slot] // (steps + 2), keys[slot] % (steps + 2)
            scores[place] = sums[slot]
            place += 1
    return boxes, scores


@njit(cache=True)
@no_type_check
def _runs(curve, threshold, starts, ends):
    count, inside = 0, False
    for step in range(len(curve)):
        active = curve[step] > threshold
        if active and not inside:
            starts[count] = step
        elif inside and not active:
            ends[count] = step
            count += 1
        inside = active
    if inside:
        ends[count] = len(curve)
        count += 1
    return count


@njit(cache=True)
@no_type_check
def _add(start, end, score, steps, keys, sums):
    """Enter a box into the table; 1 if it is new. The higher score of a box stays."""
    key = start * (steps + 2) + end
    mask = len(keys) - 1
    slot = (key * 0x9E3779B97F4A7C1 >> 20) & mask
    while keys[slot] >= 0 and keys[slot] != key:
        slot = (slot + 1) & mask
    if keys[slot] == key:
        sums[slot] = max(sums[slot], score)
        return 0
    keys[slot], sums[slot] = key, score
    return 1


@njit(cache=True)
@no_type_check
def _forward(up, down, idle, tolerance, total, stack, marks, keys, sums):
    """From each start to the run before the first later start whose signal is higher; ends are one step late."""
    steps, found, height = len(idle) - 1, 0, 0
    for run in range(len(up)):
        marks[run] = idle[up[run] + 1] - tolerance * up[run]
    for run in range(len(up) - 1, -1, -1):
        while height and marks[stack[height - 1]] <= marks[run]:
            height -= 1
        last = stack[height - 1] - 1 if height else len(up) - 1
        end = down[last] + 1
        found += _add(up[run], end, total[min(end, steps)] - total[up[run]], steps, keys, sums)
        stack[height] = run
        height += 1
    return found


@njit(cache=True)
@no_type_check
def _backward(up, down, idle, tolerance, total, stack, marks, keys, sums):
    """From each end back to the run after the first earlier end whose signal is lower; ends are one step late.

    Where there is none, the released program sums from step 0 and one step further.
    """
    steps, found, height = len(idle) - 1, 0, 0
    for run in range(len(up)):
        if down[run] == steps:
            marks[run] = idle[steps] - tolerance * (steps - 1) - tolerance
        else:
            marks[run] = idle[down[run] + 1] - tolerance * down[run]
        while height and marks[stack[height - 1]] >= marks[run]:
            height -= 1
        end = down[run] + 1
        if height:
            start = up[stack[height - 1] + 1]
            score = total[min(end, steps)] - total[start]
        else:
            start = up[0]
            score = total[min(end + 1, steps)]
        found += _add(start, end, score, steps, keys, sums)
        stack[height] = run
        height += 1
    return found


@njit(cache=True)
@no_type_check
def _seeded(up, down, idle, tolerance, total, stack, keys, sums):
    """Each run as a seed absorbs the next ones until the share of inactive steps would exceed the tolerance."""
    steps, found, height = len(idle) - 1, 0, 0
    allowed = round(tolerance * WHOLE)
    for run in range(len(up) - 1, -1, -1):
        # the first later run y whose surplus at its end exceeds that at this start; the stack holds rising surpluses
        mine = idle[up[run]] * WHOLE - allowed * up[run]
        low, high = 0, height
        while low < high:
            middle = (low + high) // 2
            if idle[down[stack[middle]]] * WHOLE - allowed * down[stack[middle]] > mine:
                low = middle + 1
            else:
                high = middle
        last = stack[low - 1] - 1 if low else len(up) - 1
        found += _add(up[run], down[last], total[down[last]] - total[up[run]], steps, keys, sums)
        surplus = idle[down[run]] * WHOLE - allowed * down[run]
        while height and idle[down[stack[height - 1]]] * WHOLE - allowed * down[stack[height - 1]] <= surplus:
            height -= 1
        stack[height] = run
        height += 1
    return found
