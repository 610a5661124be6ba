# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""The loops of TV-L1 optical flow: float32, one thread, no allocation inside the iterations.

One iteration is a single sweep over the rows: the flow of row y is renewed from its dual variables, and the dual
variables of row y - 1, which wait for that flow, follow at once while both rows are still in the cache. Row functions
are written so that the compiler turns them into vector code: no branches, one written array group, neighbours as
shifted views.

Source: Zach, Pock and Bischof, A duality based approach for realtime TV-L1 optical flow, DAGM 2007; Sanchez,
Meinhardt-Llopis and Facciolo, TV-L1 optical flow estimation, IPOL 2013 (discretisation, warps, median).
"""

from typing import no_type_check  # the type checker of the tests must leave what numba compiles alone

import numpy as np
from numba import njit

from untrimmed.features.flow.median_kernels import median5

PAD = 4
"""Zeros about a picture: motion that leaves the frame meets them, as with a constant border."""


@njit(cache=True, fastmath=True, forceinline=True)
@no_type_check
def _least(a, b):
    return a if a < b else b


@njit(cache=True, fastmath=True, forceinline=True)
@no_type_check
def _most(a, b):
    return a if a > b else b


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def resize(source, target, scale_y, scale_x, factor):
    """Bilinear, centres aligned, edges repeated: target(y) = factor * source((y + 0.5) * scale - 0.5)."""
    height, width = source.shape
    for y in range(target.shape[0]):
        sy = min(max((y + 0.5) * scale_y - 0.5, 0.0), height - 1.0)
        y0 = int(sy)
        y1 = min(y0 + 1, height - 1)
        wy = np.float32(sy - y0)
        for x in range(target.shape[1]):
            sx = min(max((x + 0.5) * scale_x - 0.5, 0.0), width - 1.0)
            x0 = int(sx)
            x1 = min(x0 + 1, width - 1)
            wx = np.float32(sx - x0)
            top = source[y0, x0] + wx * (source[y0, x1] - source[y0, x0])
            bottom = source[y1, x0] + wx * (source[y1, x1] - source[y1, x0])
            target[y, x] = factor * (top + wy * (bottom - top))


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def pad_with_gradients(image, padded):
    """Picture, its central differences along x and y, and nothing, four numbers side by side, zeros about them."""
    height, width = image.shape
    padded[:PAD] = 0
    padded[height + PAD : height + 2 * PAD] = 0
    half = np.float32(0.5)
    for y in range(height):
        padded[y + PAD, :PAD] = 0
        padded[y + PAD, width + PAD : width + 2 * PAD] = 0
        up, down = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            padded[y + PAD, x + PAD, 0] = image[y, x]
            padded[y + PAD, x + PAD, 1] = half * (image[y, right] - image[y, left])
            padded[y + PAD, x + PAD, 2] = half * (image[down, x] - image[up, x])
            padded[y + PAD, x + PAD, 3] = 0


@njit(cache=True, fastmath=True, forceinline=True)
@no_type_check
def _cubic(t):
    """Weights of the four taps about a position, a = -0.75."""
    a = np.float32(-0.75)
    one = np.float32(1)
    w0 = ((a * (t + one) - np.float32(5) * a) * (t + one) + np.float32(8) * a) * (t + one) - np.float32(4) * a
    w1 = ((a + np.float32(2)) * t - (a + np.float32(3))) * t * t + one
    r = one - t
    w2 = ((a + np.float32(2)) * r - (a + np.float32(3))) * r * r + one
    return w0, w1, w2, one - w0 - w1 - w2


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def warp(first, padded, u1, u2, state):
    """The second picture and its gradients, moved back along the flow by bicubic interpolation.

    Fills the planes 0 to 3 of state: gradient x, gradient y, 1 / |gradient|^2 (0 where it is flat) and the part of
    the residual that does not change with the flow: I1w - <gradient, u> - I0.
    """
    height, width = first.shape
    low, high_x, high_y = np.float32(1 - PAD), np.float32(width + PAD - 3), np.float32(height + PAD - 3)
    for y in range(height):
        for x in range(width):
            px = _least(_most(np.float32(x) + u1[y, x], low), high_x)
            py = _least(_most(np.float32(y) + u2[y, x], low), high_y)
            fx, fy = np.floor(px), np.floor(py)
            ix, iy = int(fx) + PAD - 1, int(fy) + PAD - 1
            x0, x1, x2, x3 = _cubic(px - fx)
            y0, y1, y2, y3 = _cubic(py - fy)
            s0 = np.float32(0)
            s1 = np.float32(0)
            s2 = np.float32(0)
            for row, wy in ((0, y0), (1, y1), (2, y2), (3, y3)):
                p = padded[iy + row]
                a, b, c, d = p[ix], p[ix + 1], p[ix + 2], p[ix + 3]
                s0 += wy * (x0 * a[0] + x1 * b[0] + x2 * c[0] + x3 * d[0])
                s1 += wy * (x0 * a[1] + x1 * b[1] + x2 * c[1] + x3 * d[1])
                s2 += wy * (x0 * a[2] + x1 * b[2] + x2 * c[2] + x3 * d[2])
            grad = s1 * s1 + s2 * s2
            state[0, y, x] = s1
            state[1, y, x] = s2
            state[2, y, x] = np.float32(1) / grad if grad > np.float32(1.2e-7) else np.float32(0)
            state[3, y, x] = s0 - s1 * u1[y, x] - s2 * u2[y, x] - first[y, x]


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _renew_flow(u1, u2, ix, iy, inverse, rho, p11, p12, p12_up, p21, p22, p22_up, bound, theta):
    """Renew one row of the flow; returns the sum of squared changes."""
    width = u1.shape[0]
    error = np.float32(0)
    for x in range(width):
        r = (rho[x] + ix[x] * u1[x] + iy[x] * u2[x]) * inverse[x]
        d = -_least(_most(r, -bound), bound)
        n1 = u1[x] + d * ix[x] + theta * (p11[x + 1] - p11[x] + p12[x] - p12_up[x])
        n2 = u2[x] + d * iy[x] + theta * (p21[x + 1] - p21[x] + p22[x] - p22_up[x])
        e1, e2 = n1 - u1[x], n2 - u2[x]
        error += e1 * e1 + e2 * e2
        u1[x] = n1
        u2[x] = n2
    return error


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _renew_dual(u, u_down, p1, p2, taut):
    """Renew one row of the dual variables of one component of the flow."""
    last = u.shape[0] - 1
    one = np.float32(1)
    for x in range(last):
        gx = u[x + 1] - u[x]
        gy = u_down[x] - u[x]
        scale = one / (one + taut * np.sqrt(gx * gx + gy * gy))
        p1[x + 1] = (p1[x + 1] + taut * gx) * scale
        p2[x] = (p2[x] + taut * gy) * scale
    gy = u_down[last] - u[last]
    scale = one / (one + taut * abs(gy))
    p1[last + 1] *= scale
    p2[last] = (p2[last] + taut * gy) * scale


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def iterate(u1, u2, state, dual, bound, theta, taut):
    """One iteration of the whole field; returns the sum of squared changes of the flow.

    dual holds four planes at least one row and one column larger than the flow: those along x, which keep a column of
    zeros on the left, and those along y, which keep a row of zeros on top. Whole planes are passed, since only rows
    that the compiler knows to be contiguous become vector code (slices of planes were 5 times slower).
    """
    height = u1.shape[0]
    p11, p21, p12, p22 = dual[0], dual[1], dual[2], dual[3]
    error = 0.0
    for y in range(height):
        error += _renew_flow(
            u1[y], u2[y], state[0, y], state[1, y], state[2, y], state[3, y],
            p11[y], p12[y + 1], p12[y], p21[y], p22[y + 1], p22[y], bound, theta,
        )  # fmt: skip
        if y:
            _renew_dual(u1[y - 1], u1[y], p11[y - 1], p12[y], taut)
            _renew_dual(u2[y - 1], u2[y], p21[y - 1], p22[y], taut)
    last = height - 1
    _renew_dual(u1[last], u1[last], p11[last], p12[last + 1], taut)
    _renew_dual(u2[last], u2[last], p21[last], p22[last + 1], taut)
    return error


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def solve_scale(first, padded, u1, u2, state, dual, spare, columns, warps, outer, inner, lamda, theta, tau, epsilon):
    """The flow of one scale, renewed in place.

    Returns:
        How many iterations were done.
    """
    height, width = first.shape
    dual[:, : height + 1, : width + 1] = 0
    bound, theta, taut = np.float32(lamda * theta), np.float32(theta), np.float32(tau / theta)
    enough = epsilon * epsilon * height * width
    done = 0
    out = spare[:height, :width]
    for _ in range(warps):
        warp(first, padded, u1, u2, state)
        error = np.inf
        for _ in range(outer):
            if error <= enough:
                break
            median5(u1, out, columns)
            u1[:] = out
            median5(u2, out, columns)
            u2[:] = out
            for _ in range(inner):
                if error <= enough:
                    break
                error = iterate(u1, u2, state, dual, bound, theta, taut)
                done += 1
    return done
