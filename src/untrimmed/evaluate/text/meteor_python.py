"""METEOR 1.5 without Java as a backend: the same 23 statistics of a pair as its own program gives.

Only its tables are needed, which come with the package pycocoevalcap. On first use they are written as arrays into the
user's cache folder, once, in about 15 seconds; see meteor_index.py.
"""

from collections.abc import Sequence

import numpy as np

from untrimmed.evaluate.text import meteor_align_kernels, meteor_normal
from untrimmed.evaluate.text import meteor_index_kernels as kernels
from untrimmed.evaluate.text.meteor import COLUMNS, Progress, Statistics
from untrimmed.evaluate.text.meteor_index import Index, cache_folder, open_index
from untrimmed.evaluate.text.meteor_jar import find_jar
from untrimmed.evaluate.text.meteor_words import Words

AT_ONCE = 10_000
"""Pairs worked on at once, which bounds the memory and the steps of the progress."""


def statistics(pairs: Sequence[tuple[str, str]], *, progress: Progress | None = None) -> Statistics:
    """Statistics of (hypothesis, reference) pairs.

    Args:
        pairs: tokens joined by blanks; line breaks count as blanks, the separator ||| is left out.
        progress: told now and then how many pairs are done and how many there are.

    Raises:
        MissingExtra: when METEOR's tables are not installed.
        DataError: when the cache folder cannot be written.
    """
    index = open_index(find_jar(), cache_folder())
    found = np.zeros((len(pairs), COLUMNS), dtype=np.int64)
    for start in range(0, len(pairs), AT_ONCE):
        part = pairs[start : start + AT_ONCE]
        _fill(part, index, found[start : start + AT_ONCE])
        if progress is not None:
            progress(start + len(part), len(pairs))
    return found


def _fill(pairs: Sequence[tuple[str, str]], index: Index, found: Statistics) -> None:
    sentences = {sentence: place for place, sentence in enumerate(dict.fromkeys(one for pair in pairs for one in pair))}
    numbers = np.array([(sentences[hypothesis], sentences[reference]) for hypothesis, reference in pairs])
    split = [
        meteor_normal.words(meteor_normal.one_line(sentence), abbreviations=index.abbreviations)
        for sentence in sentences
    ]
    distinct = {word: place for place, word in enumerate(dict.fromkeys(word for one in split for word in one))}
    starts = np.cumsum([0, *map(len, split)])
    words = np.fromiter((distinct[word] for one in split for word in one), dtype=np.int64, count=int(starts[-1]))
    known = Words.of(tuple(distinct), index)
    span_starts, spans = kernels.spans(starts, words, known.keys, known.known, index.phrases, index.phrase_buckets)
    phrases, number = np.unique(spans[:, 2], return_inverse=True)
    spans[:, 2] = number
    row_starts, row_targets = kernels.rows_among(phrases, index.row_starts, index.row_targets)
    meteor_align_kernels.statistics(
        numbers,
        starts,
        words,
        known.stems,
        known.function,
        known.synonym_starts,
        known.synonyms,
        span_starts,
        spans,
        row_starts,
        row_targets,
        found,
    )
