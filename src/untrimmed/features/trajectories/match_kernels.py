"""Compiled loops that find the nearest key point near by, in both directions at once.

The tests' type checker must leave what numba compiles alone, hence no_type_check on each.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from typing import no_type_check

import numpy as np
from numba import njit

BITS_OF = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)


@njit(cache=True, fastmath=True)
@no_type_check
def nearest_numbers(places, others, words, other_words, within):
    """For each point the nearest of the others in squared distance of words, and for each other the nearest point.

    Args:
        places, others: (n, 2) and (m, 2) float32, pixels.
        words, other_words: (n, dims) and (m, dims) float32.
        within: greatest difference in x and in y.

    Returns:
        (n) and (m) int64 numbers; -1 where nobody is near.
    """
    there, best_there, back, best_back = _empty(len(places), len(others))
    for i in range(len(places)):
        for j in range(len(others)):
            if abs(places[i, 0] - others[j, 0]) > within or abs(places[i, 1] - others[j, 1]) > within:
                continue
            total = np.float32(0.0)
            for k in range(words.shape[1]):
                apart = words[i, k] - other_words[j, k]
                total += apart * apart
            if total < best_there[i]:
                best_there[i], there[i] = total, j
            if total < best_back[j]:
                best_back[j], back[j] = total, i
    return there, back


@njit(cache=True)
@no_type_check
def nearest_bits(places, others, words, other_words, within):
    """The same for words that are compared bit by bit: (n, bytes) and (m, bytes) uint8."""
    there, best_there, back, best_back = _empty(len(places), len(others))
    for i in range(len(places)):
        for j in range(len(others)):
            if abs(places[i, 0] - others[j, 0]) > within or abs(places[i, 1] - others[j, 1]) > within:
                continue
            total = 0
            for k in range(words.shape[1]):
                total += BITS_OF[words[i, k] ^ other_words[j, k]]
            if total < best_there[i]:
                best_there[i], there[i] = total, j
            if total < best_back[j]:
                best_back[j], back[j] = total, i
    return there, back


@njit(cache=True)
@no_type_check
def _empty(n, m):
    largest = np.float32(np.inf)
    return (
        np.full(n, -1, np.int64),
        np.full(n, largest, np.float32),
        np.full(m, -1, np.int64),
        np.full(m, largest, np.float32),
    )
