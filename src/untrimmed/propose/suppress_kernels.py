"""Compiled loops of suppression.

The tests' type checker must leave what numba compiles alone, hence no_type_check on each.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from typing import no_type_check

import numpy as np
from numba import njit

GAUSSIAN, LINEAR = 0, 1
BLOCK = 64  # segments that are brought up to date together; 32 to 128 measured alike


@njit(cache=True)
@no_type_check
def overlap(start, end, length, other_start, other_end, other_length):
    """Intersection over union of two segments whose lengths are given; 0 where the union is not positive."""
    intersection = min(end, other_end) - max(start, other_start)
    if intersection <= 0:
        return intersection * 0
    union = length + other_length - intersection
    if union <= 0:
        return intersection * 0
    return intersection / union


@njit(cache=True)
@no_type_check
def hard(starts, ends, order, by_start, tiou, drop_equal, extra):
    """Greedy suppression: which segments stay.

    A kept segment of length L can only suppress segments that start in [s - (1-t) L / t, s + (1-t) L], so the walk
    over the living ones in order of start is short; each is met by few kept segments a scale, since kept ones do not
    overlap more than t themselves. n log n in all, where comparing all pairs is n times the number kept.

    Args:
        starts, ends: (n), one unit, same float type.
        order: indices in falling score, ties settled.
        by_start: indices in rising start.
        tiou: threshold of that type.
        drop_equal: drop at overlap >= tiou instead of > tiou.
        extra: added to each length in the union, of that type.

    Returns:
        (n) bool.
    """
    n = len(starts)
    keep = np.zeros(n, np.bool_)
    alive = np.ones(n, np.bool_)
    left = np.arange(-1, n - 1)  # neighbours among the living, as places in by_start; -1 and n end the walk
    right = np.arange(1, n + 1)
    place = np.empty(n, np.int64)
    sorted_starts = np.empty(n, np.float64)
    longest = 0.0
    for position in range(n):
        place[by_start[position]] = position
        sorted_starts[position] = starts[by_start[position]]
        longest = max(longest, float(ends[by_start[position]] - starts[by_start[position]]))
    for chosen in order:
        if not alive[chosen]:
            continue
        keep[chosen] = True
        start, end = starts[chosen], ends[chosen]
        length = end - start + extra
        slack = 1e-5 * (abs(float(start)) + float(length))  # more than single precision can be wrong by
        reach = longest if tiou <= 0 else min(longest, float(length) / tiou)
        first = float(start) - (1 - tiou) * reach - slack
        last = float(start) + (1 - tiou) * float(length) + slack
        for forward in range(2):
            position = right[place[chosen]] if forward else left[place[chosen]]
            while 0 <= position < n:
                if (forward and sorted_starts[position] > last) or (not forward and sorted_starts[position] < first):
                    break
                other = by_start[position]
                shared = overlap(start, end, length, starts[other], ends[other], ends[other] - starts[other] + extra)
                following = right[position] if forward else left[position]
                if shared > tiou or (drop_equal and shared >= tiou):
                    alive[other] = False
                    _unlink(left, right, position)
                position = following
        alive[chosen] = False
        _unlink(left, right, place[chosen])
    return keep


@njit(cache=True)
@no_type_check
def _unlink(left, right, position):
    before, after = left[position], right[position]
    if before >= 0:
        right[before] = after
    if after < len(left):
        left[after] = before


@njit(cache=True, error_model="numpy")
@no_type_check
def soft(starts, ends, scores, ranks, decay, sigma, low, slope, extra, least, most, lose_last):
    """Greedy choice under decaying scores, each block of scores brought up to date only when it may hold the highest.

    Decay never raises a score, so a stale maximum of a block is an upper bound: a block whose bound is not the highest
    needs no look. Kept segments act on a block in the order they were kept, so every product is that of the plain loop.

    Args:
        starts, ends: (n) in rising start, one float type; overwritten.
        scores: (n) of that type, >= 0; overwritten.
        ranks: (n) places in the input, which settle equal scores; overwritten.
        decay: GAUSSIAN, exp(-overlap^2 / sigma), or LINEAR, 1 - overlap.
        sigma: of the Gaussian.
        low, slope: a kept segment touches those that overlap it more than low + slope * its length.
        extra: added to each length in the union, of the float type.
        least: stop below this score; the very first is kept in any case.
        most: stop after so many.
        lose_last: stop when one segment is left, and lose it.

    Returns:
        Kept places in the input in the order they were kept, and their scores at that moment.
    """
    n = len(starts)
    most = min(most, n)
    blocks = (n + BLOCK - 1) // BLOCK
    living = np.full(blocks, BLOCK)  # living ones stand at the front of their block
    if n:
        living[blocks - 1] = n - BLOCK * (blocks - 1)
    applied = np.zeros(blocks, np.int64)  # how many of the kept have acted on each block
    best = np.empty(blocks, np.int64)
    bound = np.empty(blocks, np.float64)
    reach = np.empty(blocks, np.float64)  # where the last of a block ends
    for block in range(blocks):
        best[block] = _best(scores, ranks, block * BLOCK, living[block])
        bound[block] = scores[best[block]]
        reach[block] = ends[block * BLOCK : block * BLOCK + living[block]].max()
    kept = np.empty(most, np.int64)
    kept_scores = np.empty(most, scores.dtype)
    kept_starts = np.empty(most, starts.dtype)
    kept_ends = np.empty(most, starts.dtype)
    factors = np.empty(BLOCK, np.float64)
    halvings = max(0, int(np.ceil(np.log2(2 / float(sigma)))))  # so that the series sees 0.5 at most
    scale = 1.0 / (float(sigma) * 2.0**halvings)
    count = 0
    while count < most and not (lose_last and count == n - 1):
        chosen = -1
        for block in range(blocks):
            if living[block] > 0 and (
                chosen < 0
                or bound[block] > bound[chosen]
                or (bound[block] == bound[chosen] and _first(block, chosen, applied, count, ranks, best))
            ):
                chosen = block
        if chosen < 0:
            break
        begin = chosen * BLOCK
        if applied[chosen] < count:
            touched = False
            for number in range(applied[chosen], count):
                start, end = kept_starts[number], kept_ends[number]
                threshold = low + slope * (end - start)
                past = begin + living[chosen]
                if end <= starts[begin] or start >= reach[chosen]:
                    continue
                if threshold > 0:  # what overlaps more than that starts near, as in hard
                    length = (float(end - start) + extra) * (1 - threshold) * 1.00001
                    if starts[begin] > start + length or starts[past - 1] < start - length / threshold:
                        continue
                touched = True
                if decay == GAUSSIAN:
                    _gaussian(
                        starts[begin:past], ends[begin:past], start, end, extra, threshold, scale, halvings, factors
                    )
                else:
                    _linear(starts[begin:past], ends[begin:past], start, end, extra, threshold, factors)
                for place in range(living[chosen]):
                    scores[begin + place] *= factors[place]
            applied[chosen] = count
            if touched:
                _bury(starts, ends, scores, ranks, begin, living, chosen, least)
                if living[chosen] == 0:
                    continue
                best[chosen] = _best(scores, ranks, begin, living[chosen])
                bound[chosen] = scores[best[chosen]]
            continue
        place = best[chosen]
        if count > 0 and scores[place] < least:
            break
        kept[count], kept_scores[count] = ranks[place], scores[place]
        kept_starts[count], kept_ends[count] = starts[place], ends[place]
        count += 1
        scores[place] = -1
        _bury(starts, ends, scores, ranks, begin, living, chosen, scores.dtype.type(0))
        if living[chosen] > 0:
            best[chosen] = _best(scores, ranks, begin, living[chosen])
            bound[chosen] = scores[best[chosen]]
    return kept[:count], kept_scores[:count]


@njit(cache=True)
@no_type_check
def _first(block, chosen, applied, count, ranks, best):
    """Of two blocks with equal bounds: the stale one before the fresh one, then the earlier in the input."""
    if (applied[block] < count) != (applied[chosen] < count):
        return applied[block] < count
    return ranks[best[block]] < ranks[best[chosen]]


@njit(cache=True)
@no_type_check
def _best(scores, ranks, begin, size):
    best = begin
    for place in range(begin + 1, begin + size):
        if scores[place] > scores[best] or (scores[place] == scores[best] and ranks[place] < ranks[best]):
            best = place
    return best


@njit(cache=True)
@no_type_check
def _bury(starts, ends, scores, ranks, begin, living, block, least):
    """Move those of a block that score at least so much to its front, in order."""
    free = begin
    for place in range(begin, begin + living[block]):
        if scores[place] >= least:
            if free != place:
                starts[free], ends[free] = starts[place], ends[place]
                scores[free], ranks[free] = scores[place], ranks[place]
            free += 1
    living[block] = free - begin


@njit(cache=True, error_model="numpy")
@no_type_check
def _gaussian(starts, ends, start, end, extra, threshold, scale, halvings, factors):
    """exp(-overlap^2 / sigma) by its series on [0, 0.5] and squarings: loops without calls, which become vectors."""
    length = end - start + extra
    for place in range(len(starts)):
        shared = min(end, ends[place]) - max(start, starts[place])
        shared = shared if shared > 0 else shared * 0
        overlap_here = float(shared / (length + (ends[place] - starts[place] + extra) - shared))
        overlap_here = overlap_here if overlap_here > threshold and shared > 0 else 0.0
        x = -overlap_here * overlap_here * scale
        y = 1 + x * (1 / 9.0 + x * (1 / 90.0 + x * (1 / 990.0 + x / 11880.0)))
        y = 1 + x * (1 / 5.0 + x * (1 / 30.0 + x * (1 / 210.0 + x / 1680.0 * y)))
        factors[place] = 1 + x * (1 + x * (1 / 2.0 + x * (1 / 6.0 + x / 24.0 * y)))
    for _ in range(halvings):
        for place in range(len(starts)):
            factors[place] *= factors[place]


@njit(cache=True, error_model="numpy")
@no_type_check
def _linear(starts, ends, start, end, extra, threshold, factors):
    length = end - start + extra
    for place in range(len(starts)):
        shared = min(end, ends[place]) - max(start, starts[place])
        shared = shared if shared > 0 else shared * 0
        overlap_here = float(shared / (length + (ends[place] - starts[place] + extra) - shared))
        factors[place] = 1 - overlap_here if overlap_here > threshold and shared > 0 else 1.0
