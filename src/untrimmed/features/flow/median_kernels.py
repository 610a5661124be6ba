# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Median of 5 x 5 neighbours, as minima and maxima only, so that it turns into vector code.

The five columns of a neighbourhood are sorted; that work is shared by five neighbours. Then the rows of equal rank are
sorted. In a square sorted both ways the entry in row i, column j (from 1) has i * j - 1 entries at or below it and
(6 - i)(6 - j) - 1 at or above it; those with 13 or more on a side cannot be the median, which leaves 13 candidates.
Their median is found by forgetting: the least and the greatest of eight cannot be the seventh of thirteen, so both go
and one new candidate comes in, until one is left.

Source: the row and column argument is old lore; Blum et al. 1973 and Paeth, Graphics Gems 1990 ("forgetful selection").
"""

from typing import no_type_check  # the type checker of the tests must leave what numba compiles alone

from numba import njit


@njit(cache=True, fastmath=True, forceinline=True)
@no_type_check
def _sort2(a, b):
    return (a if a < b else b), (b if a < b else a)


@njit(cache=True, fastmath=True, forceinline=True)
@no_type_check
def _sort5(a, b, c, d, e):
    a, b = _sort2(a, b)
    d, e = _sort2(d, e)
    c, e = _sort2(c, e)
    c, d = _sort2(c, d)
    a, d = _sort2(a, d)
    a, c = _sort2(a, c)
    b, e = _sort2(b, e)
    b, d = _sort2(b, d)
    b, c = _sort2(b, c)
    return a, b, c, d, e


@njit(cache=True, fastmath=True, forceinline=True)
@no_type_check
def _median25(r0, r1, r2, r3, r4):
    """Median of 25 from rows of equal rank in sorted columns, each row in any order."""
    _, _, _, a4, a5 = _sort5(r0[0], r0[1], r0[2], r0[3], r0[4])
    _, _, b3, b4, b5 = _sort5(r1[0], r1[1], r1[2], r1[3], r1[4])
    _, c2, c3, c4, _ = _sort5(r2[0], r2[1], r2[2], r2[3], r2[4])
    d1, d2, d3, _, _ = _sort5(r3[0], r3[1], r3[2], r3[3], r3[4])
    e1, e2, _, _, _ = _sort5(r4[0], r4[1], r4[2], r4[3], r4[4])
    # eight: a4 b3 c2 d1 hold the least of all, b5 c4 d3 e2 the greatest
    a4, b3 = _sort2(a4, b3)
    a4, c2 = _sort2(a4, c2)
    a4, d1 = _sort2(a4, d1)
    b5, c4 = _sort2(b5, c4)
    c4, d3 = _sort2(c4, d3)
    d3, e2 = _sort2(d3, e2)
    # seven: b3 c2 d1 b5 c4 d3 and a5
    p, q = _sort2(b3, b5)
    r, s = _sort2(c2, c4)
    t, u = _sort2(d1, d3)
    v = a5
    p, r = _sort2(p, r)
    p, t = _sort2(p, t)
    p, v = _sort2(p, v)
    q, s = _sort2(q, s)
    s, u = _sort2(s, u)
    v, u = _sort2(v, u)
    # six: r t v q s and b4
    r, q = _sort2(r, q)
    t, s = _sort2(t, s)
    v, w = _sort2(v, b4)
    r, t = _sort2(r, t)
    r, v = _sort2(r, v)
    q, s = _sort2(q, s)
    s, w = _sort2(s, w)
    # five: t v q s and d2
    t, q = _sort2(t, q)
    v, s = _sort2(v, s)
    x = d2
    t, v = _sort2(t, v)
    t, x = _sort2(t, x)
    q, s = _sort2(q, s)
    x, s = _sort2(x, s)
    # four: v x q and c3
    v, q = _sort2(v, q)
    x, y = _sort2(x, c3)
    v, x = _sort2(v, x)
    q, y = _sort2(q, y)
    # three: x q and e1
    x, q = _sort2(x, q)
    q, e1 = _sort2(q, e1)
    x, q = _sort2(x, q)
    return q


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _sort_columns(a, b, c, d, e, columns):
    width = a.shape[0]
    for x in range(width):
        low, lower, middle, higher, high = _sort5(a[x], b[x], c[x], d[x], e[x])
        columns[0, x + 2] = low
        columns[1, x + 2] = lower
        columns[2, x + 2] = middle
        columns[3, x + 2] = higher
        columns[4, x + 2] = high
    for rank in range(5):
        columns[rank, 0] = columns[rank, 1] = columns[rank, 2]
        columns[rank, width + 2] = columns[rank, width + 3] = columns[rank, width + 1]


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def _merge(c0, c1, c2, c3, c4, out):
    for x in range(out.shape[0]):
        out[x] = _median25(
            (c0[x], c0[x + 1], c0[x + 2], c0[x + 3], c0[x + 4]),
            (c1[x], c1[x + 1], c1[x + 2], c1[x + 3], c1[x + 4]),
            (c2[x], c2[x + 1], c2[x + 2], c2[x + 3], c2[x + 4]),
            (c3[x], c3[x + 1], c3[x + 2], c3[x + 3], c3[x + 4]),
            (c4[x], c4[x + 1], c4[x + 2], c4[x + 3], c4[x + 4]),
        )


@njit(cache=True, fastmath=True, error_model="numpy")
@no_type_check
def median5(source, out, columns):
    """Median of 5 x 5 neighbours; the edge rows and columns are repeated. columns: (5, width + 4) to work in."""
    height, width = source.shape
    last = height - 1
    for y in range(height):
        _sort_columns(
            source[max(y - 2, 0)], source[max(y - 1, 0)], source[y], source[min(y + 1, last)], source[min(y + 2, last)],
            columns[:, : width + 4],
        )  # fmt: skip
        c = columns
        _merge(c[0], c[1], c[2], c[3], c[4], out[y])
