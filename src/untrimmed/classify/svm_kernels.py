"""Compiled loops of the linear SVM: dual coordinate descent on a kernel matrix or on rows, and a line search.

Both descents minimise 1/2 a' (Q + D) a - sum a over 0 <= a <= U, where Q_ij = y_i y_j (k_ij + 1): for the hinge loss
D = 0 and U = C, for the squared hinge D = 1 / (2 C) and U is infinite. The + 1 is the bias, held back like any other
weight.

The tests' type checker must leave what numba compiles alone, hence no_type_check on each.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from typing import no_type_check

import numpy as np
from numba import njit

GREED = 0.3  # a pass leaves alone what is violated less than this share of the last pass's worst: half the time
SUMS = {"reassoc", "contract"}  # lets sums run in vector registers; the order is fixed by the compiled code


@njit(cache=True, nogil=True, fastmath=SUMS)
@no_type_check
def solve_kernel(kernel, signs, kept, cost, squared, tolerance, passes, seed, alpha, margins):
    """One class on a kernel matrix. The margins of all rows are kept up to date, so that a look costs nothing.

    Args:
        kernel: (n, n) float32 or float64, symmetric, without the + 1.
        signs: (n) float64, +1 for members and -1 for others.
        kept: (n) bool; the others are not learnt from, but their margins are right at the end.
        cost: C.
        squared: whether the loss is squared.
        tolerance: relative duality gap to reach.
        passes: at most so many.
        seed: of the order of the rows.
        alpha: (n) float64, where to start and what is found.
        margins: (n) float64, (K + 1) (alpha * signs); kept up to date.

    Returns:
        Passes made and the relative gap.
    """
    np.random.seed(seed)
    ridge, most = (0.5 / cost, np.inf) if squared else (0.0, cost)
    order = np.flatnonzero(kept)
    worst, gap = np.inf, np.inf
    for turn in range(passes):
        least = GREED * worst if worst < np.inf else 0.0
        worst = 0.0
        for place in range(len(order)):
            other = np.random.randint(place, len(order))
            order[place], order[other] = order[other], order[place]
            row = order[place]
            slope = signs[row] * margins[row] - 1.0 + ridge * alpha[row]
            if (alpha[row] <= 0.0 and slope > 0.0) or (alpha[row] >= most and slope < 0.0):
                continue
            worst = max(worst, abs(slope))
            if abs(slope) <= least or slope == 0.0:
                continue
            curve = kernel[row, row] + 1.0 + ridge
            moved = min(max(alpha[row] - slope / curve, 0.0), most) - alpha[row]
            alpha[row] += moved
            step = moved * signs[row]
            for column in range(len(margins)):
                margins[column] += step * (kernel[row, column] + 1.0)
        gap = _gap(signs, kept, cost, squared, alpha, margins)
        if gap <= tolerance:
            return turn + 1, gap
    return passes, gap


@njit(cache=True, nogil=True, fastmath=SUMS)
@no_type_check
def _gap(signs, kept, cost, squared, alpha, margins):
    """Duality gap as a share of the primal objective."""
    length, loss, total, held = 0.0, 0.0, 0.0, 0.0
    for row in range(len(signs)):
        if kept[row]:
            length += alpha[row] * signs[row] * margins[row]
            miss = max(0.0, 1.0 - signs[row] * margins[row])
            loss += miss * miss if squared else miss
            total += alpha[row]
            held += alpha[row] * alpha[row]
    primal = 0.5 * length + cost * loss
    dual = total - 0.5 * length - (held / (4 * cost) if squared else 0.0)
    return (primal - dual) / primal if primal > 0 else 0.0


@njit(cache=True, nogil=True, fastmath=SUMS)
@no_type_check
def solve_rows(rows, signs, cost, squared, tolerance, passes, seed, alpha, weight):
    """One class on rows of features, by the weight; an update costs as much as a row is long.

    Rows that have been at a bound and clearly want to stay there are left out until the others are done.

    Args:
        rows: (n, dims) float32 or float64, without the constant 1.
        signs: (n) float64, +1 for members and -1 for others.
        cost: C.
        squared: whether the loss is squared.
        tolerance: relative duality gap to reach.
        passes: at most so many.
        seed: of the order of the rows.
        alpha: (n) float64, zeros; changed.
        weight: (dims + 1) float64, zeros; becomes the weight and, last, the bias.

    Returns:
        Passes made and the relative gap.
    """
    np.random.seed(seed)
    count, dims = rows.shape
    ridge, most = (0.5 / cost, np.inf) if squared else (0.0, cost)
    curves, margins, kept = np.empty(count), np.empty(count), np.ones(count, np.bool_)
    for row in range(count):
        curves[row] = 1.0 + ridge
        for dim in range(dims):
            curves[row] += np.float64(rows[row, dim]) * np.float64(rows[row, dim])
    order = np.arange(count)
    active = count
    high, low, enough, gap = np.inf, -np.inf, 0.1, np.inf
    for turn in range(passes):
        top, bottom, place = -np.inf, np.inf, 0
        for index in range(active):
            other = np.random.randint(index, active)
            order[index], order[other] = order[other], order[index]
        while place < active:
            row = order[place]
            slope = signs[row] * _margin(rows, row, weight) - 1.0 + ridge * alpha[row]
            if (alpha[row] <= 0.0 and slope > high) or (alpha[row] >= most and slope < low):
                active -= 1
                order[place], order[active] = order[active], order[place]
                continue
            place += 1
            if (alpha[row] <= 0.0 and slope > 0.0) or (alpha[row] >= most and slope < 0.0):
                slope = 0.0
            top, bottom = max(top, slope), min(bottom, slope)
            if slope == 0.0:
                continue
            moved = min(max(alpha[row] - slope / curves[row], 0.0), most) - alpha[row]
            alpha[row] += moved
            step = moved * signs[row]
            for dim in range(dims):
                weight[dim] += step * rows[row, dim]
            weight[dims] += step
        high, low = top if top > 0 else np.inf, bottom if bottom < 0 else -np.inf
        if active == 0 or top - bottom <= enough:
            if active == count:
                for row in range(count):
                    margins[row] = _margin(rows, row, weight)
                gap = _gap(signs, kept, cost, squared, alpha, margins)
                if gap <= tolerance:
                    return turn + 1, gap
                enough *= 0.3
            active, high, low = count, np.inf, -np.inf
    for row in range(count):
        margins[row] = _margin(rows, row, weight)
    return passes, _gap(signs, kept, cost, squared, alpha, margins)


@njit(cache=True, nogil=True, fastmath=SUMS)
@no_type_check
def _margin(rows, row, weight):
    total = 0.0
    for dim in range(rows.shape[1]):
        total += weight[dim] * rows[row, dim]
    return total + weight[rows.shape[1]]


@njit(cache=True, nogil=True, fastmath=SUMS)
@no_type_check
def best_step(margins, change, signs, cost, inner, length):
    """How far to go for the least squared hinge objective on a line, by Newton's method kept within a bracket.

    The slope is piecewise linear and rising, so few looks suffice.

    Args:
        margins: (n) float64 at the start.
        change: (n) float64, of the margins for a step of 1.
        signs: (n) float64, +1 and -1.
        cost: C.
        inner: weight times direction at the start.
        length: direction times direction.

    Returns:
        The step, 0 or more.
    """
    low, high, step, start = 0.0, np.inf, 1.0, 0.0
    for look in range(100):
        slope, curve = inner + step * length, length
        for row in range(len(margins)):
            now = margins[row] + step * change[row]
            if signs[row] * now < 1.0:
                slope += 2 * cost * (now - signs[row]) * change[row]
                curve += 2 * cost * change[row] * change[row]
        if look == 0:
            start = abs(slope) + curve
        if abs(slope) <= 1e-14 * start:
            return step
        if slope > 0:
            high = step
        else:
            low = step
        ahead = step - slope / curve
        if not low < ahead < high:
            ahead = 0.5 * (low + high) if high < np.inf else 2 * step
        if ahead == step:
            return step
        step = ahead
    return step
