"""Compiled loops of Farneback's flow at one scale: expand both pictures, then solve for the displacement.

The tests' type checker must leave what numba compiles alone, hence no_type_check on each.

Source: Farneback, Two-frame motion estimation based on polynomial expansion, SCIA 2003; the treatment of edges and
the damping are those of OpenCV, whose answers these loops give.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from typing import no_type_check

import numpy as np
from numba import njit

EDGE = (0.14, 0.14, 0.4472, 0.4472, 0.4472)
"""Weight of the equations of the outermost pixels."""
DAMPING = 1e-3
"""Added to the determinant."""


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def expand(picture, weights, first, second, inverse, out):
    """Fit a quadratic to the neighbourhood of each pixel.

    Args:
        picture: (height, width) float32.
        weights, first, second: (n + 1) float32; Gaussian weight, times distance, times its square.
        inverse: (4) float32; the entries of the inverse of the normal matrix that are not zero.
        out: (5, height, width) float32, written: y, x, yy, xx, xy coefficients.
    """
    height, width = picture.shape
    reach = len(weights) - 1
    rows = np.empty((3, width + 2 * reach), np.float32)
    sums = np.empty((6, width), np.float32)
    for y in range(height):
        _expand_down(picture, y, weights, first, second, rows)
        for row in range(3):
            rows[row, :reach] = rows[row, reach]
            rows[row, reach + width :] = rows[row, reach + width - 1]
        _expand_across(rows, weights, first, second, sums)
        by_y, by_x, by_yy, by_xx, by_xy = out[0, y], out[1, y], out[2, y], out[3, y], out[4, y]
        for x in range(width):
            by_y[x] = sums[2, x] * inverse[0]
            by_x[x] = sums[1, x] * inverse[0]
            by_yy[x] = sums[0, x] * inverse[1] + sums[4, x] * inverse[2]
            by_xx[x] = sums[0, x] * inverse[1] + sums[3, x] * inverse[2]
            by_xy[x] = sums[5, x] * inverse[3]


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _expand_down(picture, y, weights, first, second, rows):
    height, width = picture.shape
    reach = len(weights) - 1
    smooth = rows[0][reach : reach + width]
    slope = rows[1][reach : reach + width]
    curve = rows[2][reach : reach + width]
    middle = picture[y]
    for x in range(width):
        smooth[x] = middle[x] * weights[0]
        slope[x] = 0.0
        curve[x] = 0.0
    for k in range(1, reach + 1):
        above, below = picture[max(y - k, 0)], picture[min(y + k, height - 1)]
        w, f, s = weights[k], first[k], second[k]
        for x in range(width):
            both, apart = above[x] + below[x], below[x] - above[x]
            smooth[x] += w * both
            slope[x] += f * apart
            curve[x] += s * both


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _expand_across(rows, weights, first, second, sums):
    width = sums.shape[1]
    reach = len(weights) - 1
    smooth, slope, curve = rows[0], rows[1], rows[2]
    one, by_x, by_y, by_xx, by_yy, by_xy = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    for x in range(width):
        one[x] = smooth[reach:][x] * weights[0]
        by_x[x] = 0.0
        by_y[x] = slope[reach:][x] * weights[0]
        by_xx[x] = 0.0
        by_yy[x] = curve[reach:][x] * weights[0]
        by_xy[x] = 0.0
    for k in range(1, reach + 1):
        w, f, s = weights[k], first[k], second[k]
        # slices, not indices with an offset: numba would test each for being negative
        smooth_right, smooth_left = smooth[reach + k :], smooth[reach - k :]
        slope_right, slope_left = slope[reach + k :], slope[reach - k :]
        curve_right, curve_left = curve[reach + k :], curve[reach - k :]
        for x in range(width):
            both, apart = smooth_right[x] + smooth_left[x], smooth_right[x] - smooth_left[x]
            one[x] += w * both
            by_xx[x] += s * both
            by_x[x] += f * apart
            by_y[x] += w * (slope_right[x] + slope_left[x])
            by_xy[x] += f * (slope_right[x] - slope_left[x])
            by_yy[x] += w * (curve_right[x] + curve_left[x])


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def equations(one, other, u, v, edge, out):
    """Normal equations of the displacement at each pixel, for the present flow.

    Args:
        one, other: (5, height, width) float32 from `expand`.
        u, v: (height, width) float32, the present flow.
        edge: (5) float32, weights of the outermost pixels.
        out: (5, height, width) float32, written: xx, xy, yy, x, y.
    """
    height, width = u.shape
    planes = other.reshape(5, height * width)
    share, inside = np.empty((4, width), np.float32), np.empty(width, np.float32)
    places, there = np.empty(width, np.uint32), np.empty((5, width), np.float32)
    for y in range(height):
        _locate(u[y], v[y], y, height, share, inside, places)
        for k in range(5):
            _between(planes[k], places, share, there[k])
        _equate(one, there, inside, y, u[y], v[y], out)
        _fade(out, y, edge)


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _fade(out, y, edge):
    """Weigh the equations of a row down where it is at an edge of the picture."""
    _, height, width = out.shape
    weight = np.float32(1.0)
    if y < 5:
        weight *= edge[y] * edge[y]
    if y >= height - 5:
        weight *= edge[height - 1 - y] * edge[height - 1 - y]
    for k in range(5):
        row = out[k, y]
        if weight != np.float32(1.0):
            for x in range(width):
                row[x] *= weight
        for x in range(5):
            row[x] *= edge[x] * edge[x]
            row[width - 1 - x] *= edge[x] * edge[x]


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _locate(u, v, y, height, share, inside, places):
    """Where the pixels of a row are in the other picture: the pixel up and left, and the shares of the four about."""
    width = len(u)
    one, right, down, both = share[0], share[1], share[2], share[3]
    unit, zero = np.float32(1.0), np.float32(0.0)
    last, lowest = np.float32(width - 2), np.float32(height - 2)
    for x in range(width):
        across, along = np.float32(x) + u[x], np.float32(y) + v[x]
        left, top = np.floor(across), np.floor(along)
        across -= left
        along -= top
        inside[x] = unit if (left >= zero) & (left <= last) & (top >= zero) & (top <= lowest) else zero
        left, top = min(max(left, zero), last), min(max(top, zero), lowest)
        places[x] = np.int32(top) * np.int32(width) + np.int32(left)
        both[x] = across * along
        right[x], down[x] = across - across * along, along - across * along
        one[x] = unit - across - along + across * along


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _between(everywhere, places, share, out):
    """A plane of the other picture at each place, between its pixels."""
    width = len(places)
    beside, below, across = everywhere[1:], everywhere[width:], everywhere[width + 1 :]
    one, right, down, both = share[0], share[1], share[2], share[3]
    for x in range(width):
        place = np.uint32(places[x])
        out[x] = (
            one[x] * everywhere[place] + right[x] * beside[place] + down[x] * below[place] + both[x] * across[place]
        )


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _equate(one, there, inside, y, u, v, out):
    half = np.float32(0.5)
    y0, x0, yy0, xx0, xy0 = one[0, y], one[1, y], one[2, y], one[3, y], one[4, y]
    y1, x1, yy1, xx1, xy1 = there[0], there[1], there[2], there[3], there[4]
    xx, xy, yy, by_x, by_y = out[0, y], out[1, y], out[2, y], out[3, y], out[4, y]
    for x in range(len(u)):
        seen = inside[x]
        a = yy0[x] + seen * half * (yy1[x] - yy0[x])
        d = xx0[x] + seen * half * (xx1[x] - xx0[x])
        b = half * (xy0[x] + seen * half * (xy1[x] - xy0[x]))
        p = half * (y0[x] - seen * y1[x]) + a * v[x] + b * u[x]
        q = half * (x0[x] - seen * x1[x]) + b * v[x] + d * u[x]
        xx[x] = a * a + b * b
        xy[x] = (a + d) * b
        yy[x] = d * d + b * b
        by_x[x] = a * p + b * q
        by_y[x] = b * p + d * q


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def solve(matrices, weights, u, v):
    """Average the equations over a Gaussian window and solve them.

    Args:
        matrices: (5, height, width) float32 from `equations`.
        weights: (n + 1) float32, the window from its middle outwards.
        u, v: (height, width) float32, written.
    """
    _, height, width = matrices.shape
    reach = len(weights) - 1
    rows = np.empty((5, width + 2 * reach), np.float32)
    sums = np.empty((5, width), np.float32)
    damping = np.float32(DAMPING)
    for y in range(height):
        for k in range(5):
            _blur(matrices[k], y, weights, rows[k], sums[k])
        for x in range(width):
            scale = np.float32(1.0) / (sums[0, x] * sums[2, x] - sums[1, x] * sums[1, x] + damping)
            u[y, x] = (sums[0, x] * sums[4, x] - sums[1, x] * sums[3, x]) * scale
            v[y, x] = (sums[2, x] * sums[3, x] - sums[1, x] * sums[4, x]) * scale


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _blur(plane, y, weights, row, out):
    """One row of a plane, averaged down into the row and then across; the edges are repeated."""
    height, width = plane.shape
    reach = len(weights) - 1
    inner, middle = row[reach : reach + width], plane[y]
    for x in range(width):
        inner[x] = middle[x] * weights[0]
    for away in range(1, reach + 1):
        w, above, below = weights[away], plane[max(y - away, 0)], plane[min(y + away, height - 1)]
        for x in range(width):
            inner[x] += w * (above[x] + below[x])
    row[:reach] = row[reach]
    row[reach + width :] = row[reach + width - 1]
    for x in range(width):
        out[x] = inner[x] * weights[0]
    for away in range(1, reach + 1):
        w, right, left = weights[away], row[reach + away :], row[reach - away :]
        for x in range(width):
            out[x] += w * (right[x] + left[x])
