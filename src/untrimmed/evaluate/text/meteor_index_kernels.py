"""Compiled loops over METEOR's tables: keys of words and phrases, rows of the paraphrase table, look-ups.

A word is known by a 64-bit key of its bytes, a phrase by a 64-bit key of its words' keys. The tests' type checker must
leave what numba compiles alone, hence no_type_check on each.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from typing import no_type_check

import numpy as np
from numba import njit

LONGEST_PHRASE = 7
BUCKET_BITS = 20

_FNV_START = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_ODD_1 = np.uint64(0xBF58476D1CE4E5B9)
_ODD_2 = np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)
_BUCKET_SHIFT = np.uint64(64 - BUCKET_BITS)


@njit(cache=True)
@no_type_check
def _mixed(value):
    value = (value ^ (value >> _30)) * _ODD_1
    value = (value ^ (value >> _27)) * _ODD_2
    return value ^ (value >> _31)


@njit(cache=True)
@no_type_check
def _longer(phrase, word):
    """The key of a phrase and one more word."""
    return _mixed((phrase + _STEP) ^ word)


@njit(cache=True)
@no_type_check
def word_keys(text, count):
    """Keys of words, given as bytes with a line break behind each."""
    found = np.empty(count, np.uint64)
    key, place = _FNV_START, 0
    for byte in text:
        if byte == 10:
            found[place] = _mixed(key)
            key = _FNV_START
            place += 1
        else:
            key = (key ^ np.uint64(byte)) * _FNV_PRIME
    return found


@njit(cache=True)
@no_type_check
def read_rows(text):
    """Rows of the paraphrase table: three lines each, a probability, the source phrase and the target phrase.

    Args:
        text: (bytes) uint8, from the start of a row.

    Returns:
        Keys of the phrases, (rows, 2); keys of their words, as often as they occur; how many bytes the whole rows have.
    """
    lines = 0
    for byte in text:
        lines += byte == 10
    rows = lines // 3
    phrases = np.empty((rows, 2), np.uint64)
    words = np.empty(len(text) // 2 + 1, np.uint64)
    line = seen = place = 0
    key, phrase = _FNV_START, np.uint64(0)
    while line < 3 * rows:
        byte = text[place]
        place += 1
        if byte == 10 or byte == 32:
            if line % 3:
                word = _mixed(key)
                words[seen] = word
                seen += 1
                phrase = _longer(phrase, word)
                if byte == 10:
                    phrases[line // 3, line % 3 - 1] = phrase
            key = _FNV_START
            if byte == 10:
                phrase = np.uint64(0)
                line += 1
        else:
            key = (key ^ np.uint64(byte)) * _FNV_PRIME
    return phrases, words[:seen], place


@njit(cache=True)
@no_type_check
def places(keys, wanted):
    """Where each wanted key stands in rising keys, -1 for nowhere."""
    found = np.full(len(wanted), -1, np.int32)
    if len(keys):
        for number in range(len(wanted)):
            place = np.searchsorted(keys, wanted[number])
            if place < len(keys) and keys[place] == wanted[number]:
                found[number] = place
    return found


@njit(cache=True)
@no_type_check
def buckets(keys):
    """For each value of the first bits of a key where its keys begin among rising keys, and the end."""
    found = np.zeros((1 << BUCKET_BITS) + 1, np.int32)
    for key in keys:
        found[np.int64(key >> _BUCKET_SHIFT) + 1] += 1
    total = 0
    for place in range(len(found)):
        total += found[place]
        found[place] = total
    return found


@njit(cache=True)
@no_type_check
def spans(starts, words, keys, known, phrase_keys, phrase_buckets):
    """All phrases of the table that occur in sentences, by start, then length.

    Args:
        starts: (sentences + 1) where each sentence begins among the words.
        words: (all) numbers of words.
        keys: of each word number.
        known: whether each word number occurs in the table at all.
        phrase_keys, phrase_buckets: of the table.

    Returns:
        Where each sentence's spans begin, (sentences + 1); (spans, 3): start, length, number of the phrase.
    """
    where = np.zeros(len(starts), np.int64)
    found = np.empty((4 * len(words) + 16, 3), np.int64)
    size = 0
    for sentence in range(len(starts) - 1):
        for first in range(starts[sentence], starts[sentence + 1]):
            phrase = np.uint64(0)
            for last in range(first, min(first + LONGEST_PHRASE, starts[sentence + 1])):
                word = words[last]
                if not known[word]:
                    break
                phrase = _longer(phrase, keys[word])
                bucket = np.int64(phrase >> _BUCKET_SHIFT)
                for place in range(phrase_buckets[bucket], phrase_buckets[bucket + 1]):
                    if phrase_keys[place] == phrase:
                        if size == len(found):
                            more = np.empty((2 * size, 3), np.int64)
                            more[:size] = found
                            found = more
                        found[size, 0] = first - starts[sentence]
                        found[size, 1] = last - first + 1
                        found[size, 2] = place
                        size += 1
                        break
        where[sentence + 1] = size
    return where, found[:size]


@njit(cache=True)
@no_type_check
def rows_among(phrases, row_starts, row_targets):
    """The rows of the table whose source and target are both among rising phrases, as numbers into these.

    Returns:
        Where each phrase's rows begin, (phrases + 1); the targets, in the order of the table.
    """
    starts = np.zeros(len(phrases) + 1, np.int64)
    targets = np.empty(64, np.int64)
    size = 0
    for number in range(len(phrases)):
        source = phrases[number]
        for row in range(row_starts[source], row_starts[source + 1]):
            target = np.int64(row_targets[row])
            place = np.searchsorted(phrases, target)
            if place < len(phrases) and phrases[place] == target:
                if size == len(targets):
                    more = np.empty(2 * size, np.int64)
                    more[:size] = targets
                    targets = more
                targets[size] = place
                size += 1
        starts[number + 1] = size
    return starts, targets[:size]


@njit(cache=True)
@no_type_check
def pairs_inside(groups, members):
    """All ordered pairs of different members of a group, from members sorted by group."""
    total = first = 0
    for place in range(1, len(groups) + 1):
        if place == len(groups) or groups[place] != groups[first]:
            total += (place - first) * (place - first - 1)
            first = place
    found = np.empty((total, 2), np.int64)
    size = first = 0
    for place in range(1, len(groups) + 1):
        if place == len(groups) or groups[place] != groups[first]:
            for one in range(first, place):
                for other in range(first, place):
                    if members[one] != members[other]:
                        found[size, 0] = members[one]
                        found[size, 1] = members[other]
                        size += 1
            first = place
    return found[:size]
