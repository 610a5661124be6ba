"""METEOR's alignment of a hypothesis and a reference, compiled: a beam search over candidates, and its statistics.

Reference words are gone through in order. Of every path as many go on as there are candidates at the word whose
hypothesis words it has not used, and one that skips the word. Paths with more matched words come first, then those with
fewer chunks, then those with less distance; the best WIDTH stay. Three habits of METEOR 1.5 decide many pairs: matched
words are counted in whole numbers, so that a match of one word counts only if it is exact; a chunk counts when it is
closed; the distance of a match is charged not to the path that takes it but to those that branch off after it.

The tests' type checker must leave what numba compiles alone, hence no_type_check on each.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from typing import no_type_check

import numpy as np
from numba import njit

from untrimmed.evaluate.text import meteor_candidates_kernels as listed

WIDTH = 40
"""Paths kept at each reference word."""

_SKIP, _INSIDE = -1, -2
_CLOSED = -2  # no chunk is open
_ONE = np.uint64(1)


@njit(cache=True)
@no_type_check
def _insert(paths, size, parent, candidate, said, given, chunks, distance, last, until):
    """Put a path where it belongs: more words, fewer chunks, less distance, behind its equals; WIDTH are kept."""
    total = said + given
    place = size
    while place > 0:
        row = paths[place - 1]
        other = row[2] + row[3]
        if other > total or (other == total and (row[4] < chunks or (row[4] == chunks and row[5] <= distance))):
            break
        place -= 1
    if place >= WIDTH:
        return size
    for row in range(min(size, WIDTH - 1), place, -1):
        paths[row] = paths[row - 1]
    row = paths[place]
    row[0], row[1], row[2], row[3] = parent, candidate, said, given
    row[4], row[5], row[6], row[7] = chunks, distance, last, until
    return min(size + 1, WIDTH)


@njit(cache=True)
@no_type_check
def _taken(used, first, words):
    found = False
    for word in range(first, first + words):
        found |= bool(used[word >> 6] >> np.uint64(word & 63) & _ONE)
    return found


@njit(cache=True)
@no_type_check
def _search(order, starts, fixed, paths, used, history):
    """The beam search; leaves each level's parents and candidates in history and returns the best path and its chunks.

    Args:
        order, starts, fixed: the candidates.
        paths: (2, WIDTH, 8) of this and the next level: parent, candidate, matched words of the hypothesis and of the
            reference as the search counts them, chunks, distance, last matched word of an open chunk, first reference
            word after a longer match.
        used: (2, WIDTH, n) bits of the hypothesis words that are taken.
        history: (levels, WIDTH, 2).
    """
    now, size = 0, 1
    paths[0, 0] = 0
    paths[0, 0, 6] = _CLOSED
    used[0, 0] = 0
    for j in range(len(starts) - 1):
        then, count = 1 - now, 0
        for parent in range(size):
            path = paths[now, parent]
            said, given, chunks, distance = path[2], path[3], path[4], path[5]
            last, until = path[6], path[7]
            if until > j:
                count = _insert(paths[then], count, parent, _INSIDE, said, given, chunks, distance, last, until)
                continue
            for place in range(starts[j], starts[j + 1]):
                one = order[place]
                if _taken(used[now, parent], one[2], one[3]):
                    continue
                apart = abs(one[2] - j)
                more_said, more_given = one[3], one[1]
                if one[4] != listed.EXACT:
                    more_said, more_given = more_said // 2, more_given // 2
                closed = last != _CLOSED and last + 1 != one[2]
                end = one[2] + one[3] - 1
                count = _insert(
                    paths[then],
                    count,
                    parent,
                    place,
                    said + more_said,
                    given + more_given,
                    chunks + closed,
                    distance,
                    end,
                    j + one[1],
                )
                distance += apart
            if fixed[j] < 0:
                count = _insert(
                    paths[then], count, parent, _SKIP, said, given, chunks + (last != _CLOSED), distance, _CLOSED, j + 1
                )
        for row in range(count):
            path = paths[then, row]
            parent, place = path[0], path[1]
            used[then, row] = used[now, parent]
            if place >= 0:
                for word in range(order[place, 2], order[place, 2] + order[place, 3]):
                    used[then, row, word >> 6] |= _ONE << np.uint64(word & 63)
            history[j, row, 0] = parent
            history[j, row, 1] = place
        now, size = then, count
    best = most = fewest = least = -1
    for row in range(size):
        path = paths[now, row]
        total, chunks = path[2] + path[3], path[4] + (path[6] != _CLOSED)
        fewer = chunks < fewest or (chunks == fewest and path[5] < least)
        if best < 0 or total > most or (total == most and fewer):
            best, most, fewest, least = row, total, chunks, path[5]
    return best, fewest


@njit(cache=True)
@no_type_check
def statistics(
    pairs,
    starts,
    words,
    stems,
    function,
    synonym_starts,
    synonyms,
    span_starts,
    spans,
    row_starts,
    row_targets,
    found,
):
    """The 23 statistics of pairs of sentences.

    Args:
        pairs: (pairs, 2) numbers of hypothesis and reference sentence.
        starts, words: where each sentence begins among the word numbers, and these.
        stems, function, synonym_starts, synonyms: what is known of the words.
        span_starts, spans: where each sentence's spans begin, and these: start, length, phrase.
        row_starts, row_targets: for each phrase the phrases it may become.
        found: (pairs, 23) to write to.
    """
    longest = 1
    for sentence in range(len(starts) - 1):
        longest = max(longest, starts[sentence + 1] - starts[sentence])
    most = 1
    for sentence in range(len(span_starts) - 1):
        most = max(most, span_starts[sentence + 1] - span_starts[sentence])
    candidates = np.empty((64, 5), np.int64)
    head, following = np.full(max(len(row_starts) - 1, 1), -1, np.int64), np.empty(most, np.int64)
    paths = np.empty((2, WIDTH, 8), np.int64)
    used = np.empty((2, WIDTH, (longest + 63) // 64), np.uint64)
    history = np.empty((longest, WIDTH, 2), np.int64)
    for number in range(len(pairs)):
        one, other = pairs[number]
        said, given = words[starts[one] : starts[one + 1]], words[starts[other] : starts[other + 1]]
        candidates, size, equal = listed.single_words(said, given, stems, synonym_starts, synonyms, candidates)
        if not equal:
            own = spans[span_starts[one] : span_starts[one + 1]]
            theirs = spans[span_starts[other] : span_starts[other + 1]]
            candidates, size = listed.paraphrases(
                theirs, own, True, row_starts, row_targets, head, following, candidates, size
            )
            candidates, size = listed.paraphrases(
                own, theirs, False, row_starts, row_targets, head, following, candidates, size
            )
        row = found[number]
        row[:] = 0
        row[0], row[1] = len(said), len(given)
        for word in said:
            row[2] += function[word]
        for word in given:
            row[3] += function[word]
        if size == 0:
            continue
        order, first = listed.by_reference(candidates, size, len(given))
        fixed = listed.fixed(order, first, len(said))
        path, row[20] = _search(order, first, fixed, paths, used, history)
        for j in range(len(given) - 1, -1, -1):
            place = history[j, path, 1]
            path = history[j, path, 0]
            if place < 0:
                continue
            stage = 4 + 4 * order[place, 4]
            for word in range(order[place, 2], order[place, 2] + order[place, 3]):
                row[stage + 2 * function[said[word]]] += 1
            for word in range(order[place, 0], order[place, 0] + order[place, 1]):
                row[stage + 1 + 2 * function[given[word]]] += 1
            row[21] += order[place, 3]
            row[22] += order[place, 1]
