"""Compiled loops of the tracks: a step along the flow, and new tracks where there are none.

The tests' type checker must leave what numba compiles alone, hence no_type_check on each.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True)
@no_type_check
def advance(points, moves, slots, ages, flow, own):
    """Move each track by the flow at its nearest pixel; keep what it moved by beside the camera.

    Args:
        points: (capacity, steps + 1, 2) float32, written.
        moves: (capacity, steps, 2) float32, written.
        slots: (n) int64, the tracks.
        ages: (capacity) int64, steps made so far; raised by one.
        flow: (2, height, width) float32.
        own: (2, height, width) float32, flow without the camera's motion.

    Returns:
        (n) bool, whether the track is still inside the picture.
    """
    _, height, width = flow.shape
    inside = np.empty(len(slots), np.bool_)
    for number in range(len(slots)):
        slot = slots[number]
        age = ages[slot]
        x, y = points[slot, age, 0], points[slot, age, 1]
        column = min(max(int(np.rint(x)), 0), width - 1)
        row = min(max(int(np.rint(y)), 0), height - 1)
        x += flow[0, row, column]
        y += flow[1, row, column]
        points[slot, age + 1, 0], points[slot, age + 1, 1] = x, y
        moves[slot, age, 0], moves[slot, age, 1] = own[0, row, column], own[1, row, column]
        ages[slot] = age + 1
        inside[number] = 0 < x < width and 0 < y < height
    return inside


@njit(cache=True)
@no_type_check
def free_places(strength, least, step, points, slots, ages):
    """Middles of the squares of the grid that hold no track and are strong enough to follow.

    Args:
        strength: (height, width) float32.
        least: strength that must be exceeded.
        step: side of a square.
        points, slots, ages: the tracks there are.

    Returns:
        (n, 2) float32, x and y, row by row.
    """
    rows, columns = strength.shape[0] // step, strength.shape[1] // step
    taken = np.zeros((rows, columns), np.bool_)
    for slot in slots:
        column = int(np.floor(points[slot, ages[slot], 0])) // step
        row = int(np.floor(points[slot, ages[slot], 1])) // step
        if 0 <= row < rows and 0 <= column < columns:
            taken[row, column] = True
    found = np.empty((rows * columns, 2), np.float32)
    count = 0
    for row in range(rows):
        for column in range(columns):
            y, x = row * step + step // 2, column * step + step // 2
            if not taken[row, column] and strength[y, x] > least:
                found[count, 0], found[count, 1] = x, y
                count += 1
    return found[:count]
