"""Compiled loops of the descriptors: directions of a plane summed over cells, then patches read from the sums.

A pixel's direction is shared by its two nearest bins, weighted by its length. Each bin is a plane of its own. Across,
its numbers are summed over the width of a cell; down, from the top of the picture: a cell is then the difference of
two numbers, every pixel of a row is independent, so that all loops turn into vector code, and the sums stay small
enough for float32.

The tests' type checker must leave what numba compiles alone, hence no_type_check on each.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from typing import no_type_check

import numpy as np
from numba import njit

# The odd polynomial of the arc tangent in degrees that OpenCV's fastAtan2 has; largest error 0.01 degrees.
P1 = np.float32(0.9997878412794807 * 180 / np.pi)
P3 = np.float32(-0.3258083974640975 * 180 / np.pi)
P5 = np.float32(0.1555786518463281 * 180 / np.pi)
P7 = np.float32(-0.04432655552792128 * 180 / np.pi)
TINY = np.float32(np.finfo(np.float64).eps)
PER_BIN = np.float32(1 / 45)


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _direction(x, y, lengths, places):
    """Length of each vector and its direction in bins, in [0, 8]."""
    for k in range(len(x)):
        across, down = abs(x[k]), abs(y[k])
        more, less = max(across, down), min(across, down)
        ratio = less / (more + TINY)
        square = ratio * ratio
        angle = (((P7 * square + P5) * square + P3) * square + P1) * ratio
        angle = np.float32(90.0) - angle if down > across else angle
        angle = np.float32(180.0) - angle if x[k] < 0 else angle
        angle = np.float32(360.0) - angle if y[k] < 0 else angle
        lengths[k] = np.sqrt(x[k] * x[k] + y[k] * y[k])
        places[k] = angle * PER_BIN


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def direction_sums(picture, u, v, still, side, sums):
    """Directions of a picture's gradient, of the flow, and of the gradients of the flow's planes, summed over cells.

    A gradient is right minus left and below minus above; there is none across the edge.

    Args:
        picture: (height, width) uint8.
        u, v: (height, width) float32, flow without the camera's motion.
        still: flow up to this length counts as none.
        side: of a cell, pixels.
        sums: (height + 1, 33, width) float32, written. Planes: 8 bins of the picture, of the flow, of u, of v, and the
            pixels without flow. In row y and column x stand the sums of the rows before y and the columns x to
            x + side; the last columns hold nothing of use.
    """
    height, width = u.shape
    gx, gy = np.zeros(width, np.float32), np.zeros(width, np.float32)
    length, place = np.empty(width, np.float32), np.empty(width, np.float32)
    buffers = np.zeros((3, 8 * width), np.float32)
    shares, other, work = buffers[0], buffers[1], buffers[2]
    sums[0] = 0.0
    for y in range(height):
        before, after = sums[y].ravel(), sums[y + 1].ravel()
        for part in range(4):
            if part == 0:
                _gradient(picture, y, gx, gy)
            elif part == 2:
                _gradient(u, y, gx, gy)
            elif part == 3:
                _gradient(v, y, gx, gy)
            if part == 1:
                _direction(u[y], v[y], length, place)
                _take_still(length, still, shares)
                count = shares[:width]
                _add_across(count, side, other[:width], work[:width], before[32 * width :], after[32 * width :])
            else:
                _direction(gx, gy, length, place)
            _share(length, place, shares)
            _add_across(shares, side, other, work, before[8 * part * width :], after[8 * part * width :])


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _gradient(plane, y, gx, gy):
    height, width = plane.shape
    row = plane[y]
    middle, right = gx[1:], row[2:]
    for x in range(width - 2):
        middle[x] = np.float32(right[x]) - np.float32(row[x])
    if 0 < y < height - 1:
        up, down = plane[y - 1], plane[y + 1]
        for x in range(width):
            gy[x] = np.float32(down[x]) - np.float32(up[x])
    else:
        gy[:] = 0.0


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _take_still(length, still, found):
    for x in range(len(length)):
        none = length[x] <= still
        found[x] = np.float32(1.0) if none else np.float32(0.0)
        length[x] = np.float32(0.0) if none else length[x]


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _share(length, place, shares):
    """What each pixel of a row gives to each bin: (8 width), bin by bin."""
    width = len(length)
    for k in range(8):
        row = shares[k * width : (k + 1) * width]
        for x in range(width):
            apart = abs(place[x] - np.float32(k))
            apart = min(apart, np.float32(8.0) - apart)
            row[x] = length[x] * max(np.float32(1.0) - apart, np.float32(0.0))


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _add_across(row, side, other, work, before, after):
    """after = before + the sum of side neighbours from each entry on, made of sums of 1, 2, 4, 8 ...

    Bins that follow each other flow into each other in the last columns of each. The row is overwritten, with two more
    of its size. Each loop is a function of its own, or it would not turn into vector code.
    """
    work[:] = 0.0
    power, offset, swapped = 1, 0, False
    while power <= side:
        now, later = (other, row) if swapped else (row, other)
        if side & power:
            if 2 * power > side and not offset:
                _plus(before, now, after)
                return
            _increase(work, now[offset:])
            offset += power
        if 2 * power <= side:
            _double(now, now[power:], later)
        swapped = not swapped
        power *= 2
    _plus(before, work, after)


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _double(row, ahead, out):
    for x in range(len(ahead)):
        out[x] = row[x] + ahead[x]


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _increase(row, other):
    for x in range(len(other)):
        row[x] += other[x]


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _plus(before, row, after):
    for x in range(len(row)):
        after[x] = before[x] + row[x]


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def describe(points, slots, ages, side, epsilon, sums, out):
    """Add this frame's four normalised histograms of each track to what it has.

    A patch that would reach over the edge is moved inside.

    Args:
        points: (capacity, steps + 1, 2) float32, places of each track.
        slots: (n) int64, the tracks.
        ages: (capacity) int64, steps made so far: the place looked at.
        side: of a cell, pixels.
        epsilon: added to each entry before the division.
        sums: from `direction_sums`.
        out: (capacity, spans, 132) float32: 32 of the picture, 36 of the flow, 32 and 32 of the flow's gradients for
            each span of time.
    """
    height, width = sums.shape[0] - 1, sums.shape[2]
    span = (points.shape[1] - 1) // out.shape[1]
    share = np.float32(1.0) / np.float32(span)
    found = np.empty(132, np.float32)
    for slot in slots:
        age = ages[slot]
        left = int(np.rint(points[slot, age, 0])) - side
        top = int(np.rint(points[slot, age, 1])) - side
        left, top = min(max(left, 0), width - 2 * side), min(max(top, 0), height - 2 * side)
        for cell in range(4):
            y, x = top + (cell & 1) * side, left + (cell >> 1) * side
            upper, lower = sums[y], sums[y + side]
            for k in range(8):
                found[8 * cell + k] = lower[k, x] - upper[k, x]
                found[32 + 9 * cell + k] = lower[8 + k, x] - upper[8 + k, x]
                found[68 + 8 * cell + k] = lower[16 + k, x] - upper[16 + k, x]
                found[100 + 8 * cell + k] = lower[24 + k, x] - upper[24 + k, x]
            found[40 + 9 * cell] = lower[32, x] - upper[32, x]
        rows = out[slot, age // span]
        _add_normalised(found[:32], epsilon, share, rows[:32])
        _add_normalised(found[32:68], epsilon, share, rows[32:68])
        _add_normalised(found[68:100], epsilon, share, rows[68:100])
        _add_normalised(found[100:132], epsilon, share, rows[100:132])


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _add_normalised(found, epsilon, share, out):
    total = np.float32(0.0)
    for k in range(len(found)):
        total += found[k] + epsilon
    scale = np.float32(1.0) / total
    for k in range(len(found)):
        out[k] += np.sqrt((found[k] + epsilon) * scale) * share
