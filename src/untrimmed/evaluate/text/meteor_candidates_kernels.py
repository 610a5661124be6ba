"""What of a hypothesis may match what of a reference: METEOR's candidates, compiled.

A candidate is a row: first word in the reference, how many, first word in the hypothesis, how many, stage. The tests'
type checker must leave what numba compiles alone, hence no_type_check on each.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from typing import no_type_check

import numpy as np
from numba import njit

EXACT, STEM, SYNONYM, PARAPHRASE = 0, 1, 2, 3


@njit(cache=True)
@no_type_check
def _room(candidates, size):
    """The table, twice as large if it is full."""
    if size < len(candidates):
        return candidates
    more = np.empty((2 * len(candidates), 5), np.int64)
    more[:size] = candidates
    return more


@njit(cache=True)
@no_type_check
def single_words(said, given, stems, synonym_starts, synonyms, found):
    """Candidates of one word: equal, of one stem, synonyms; equal ones only if the sentences are equal.

    Returns:
        The table, how many of its rows are filled, whether the sentences are equal.
    """
    size = 0
    equal = len(said) == len(given)
    for j in range(len(given)):
        for i in range(len(said)):
            if said[i] == given[j]:
                found = _room(found, size)
                found[size] = (j, 1, i, 1, EXACT)
                size += 1
            elif i == j:
                equal = False
    if equal:
        return found, size, True
    for j in range(len(given)):
        for i in range(len(said)):
            if said[i] != given[j] and stems[said[i]] == stems[given[j]]:
                found = _room(found, size)
                found[size] = (j, 1, i, 1, STEM)
                size += 1
    for j in range(len(given)):
        low, high = synonym_starts[given[j]], synonym_starts[given[j] + 1]
        if low == high:
            continue
        own = synonyms[low:high]
        for i in range(len(said)):
            place = np.searchsorted(own, said[i])
            if place < len(own) and own[place] == said[i]:
                found = _room(found, size)
                found[size] = (j, 1, i, 1, SYNONYM)
                size += 1
    return found, size, False


@njit(cache=True)
@no_type_check
def paraphrases(sources, others, from_reference, row_starts, row_targets, head, following, found, size):
    """Rows whose source is among one side's spans and whose target is among the other's."""
    for place in range(len(others) - 1, -1, -1):
        following[place] = head[others[place, 2]]
        head[others[place, 2]] = place
    for source in range(len(sources)):
        phrase = sources[source, 2]
        for row in range(row_starts[phrase], row_starts[phrase + 1]):
            place = head[row_targets[row]]
            while place >= 0:
                found = _room(found, size)
                if from_reference:
                    found[size, :2] = sources[source, :2]
                    found[size, 2:4] = others[place, :2]
                else:
                    found[size, :2] = others[place, :2]
                    found[size, 2:4] = sources[source, :2]
                found[size, 4] = PARAPHRASE
                size += 1
                place = following[place]
    for place in range(len(others)):
        head[others[place, 2]] = -1
    return found, size


@njit(cache=True)
@no_type_check
def by_reference(found, size, words):
    """Candidates in the order of their reference position, otherwise as they were, and where each position begins."""
    starts = np.zeros(words + 1, np.int64)
    for place in range(size):
        starts[found[place, 0] + 1] += 1
    for j in range(words):
        starts[j + 1] += starts[j]
    free = starts[:-1].copy()
    order = np.empty((size, 5), np.int64)
    for place in range(size):
        j = found[place, 0]
        order[free[j]] = found[place]
        free[j] += 1
    return order, starts


@njit(cache=True)
@no_type_check
def fixed(order, starts, said):
    """For each reference position its candidate if it is the only one there and alone on all its words; else -1."""
    words = len(starts) - 1
    over_given, over_said = np.zeros(words, np.int64), np.zeros(said, np.int64)
    for place in range(len(order)):
        for word in range(order[place, 0], order[place, 0] + order[place, 1]):
            over_given[word] += 1
        for word in range(order[place, 2], order[place, 2] + order[place, 3]):
            over_said[word] += 1
    found = np.full(words, -1, np.int64)
    for j in range(words):
        place = starts[j]
        if starts[j + 1] == place + 1:
            first, last = order[place, 0], order[place, 0] + order[place, 1]
            start, end = order[place, 2], order[place, 2] + order[place, 3]
            if (over_given[first:last] == 1).all() and (over_said[start:end] == 1).all():
                found[j] = place
    return found
