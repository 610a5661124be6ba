"""ROUGE-L: the longest common subsequence of words, as an F score with beta 1.2.

F = (1 + beta^2) P R / (R + beta^2 P), with P and R the share of the candidate's and of the reference's words in the
subsequence, each the best over the references. The words are split at single blanks, so that an empty sentence is one
empty word, and two empty sentences are equal.

Source: Lin, ROUGE, 2004, section 3; coco-caption.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.evaluate.text.items import Items

BETA = 1.2


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence of words.

    The row of the dynamic program is kept as one whole number, a bit a word, so that a pair costs one addition for
    each word of the second.

    Source: Hyyrö, Bit-parallel LCS-length computation revisited, AWOCA 2004.
    """
    where: dict[str, int] = {}
    for place, word in enumerate(first):
        where[word] = where.get(word, 0) | 1 << place
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        shared = row & where.get(word, 0)
        row = ((row + shared) | (row - shared)) & full
    return len(first) - row.bit_count()


def scores(sentences: Sequence[Sequence[str]], items: Items) -> Float64[np.ndarray, " items"]:
    """ROUGE-L of each item, in [0, 1].

    Args:
        sentences: tokens of all sentences.
        items: which are compared; equal pairs are computed once.
    """
    words = [list(tokens) or [""] for tokens in sentences]
    size = max(len(words), 1)
    pairs, place = np.unique(items.hypothesis[items.item] * size + items.reference, return_inverse=True)
    common = np.array(
        [common_length(words[pair // size], words[pair % size]) for pair in pairs.tolist()], dtype=np.int64
    )
    common = common[place.reshape(-1)]
    lengths = np.array([len(tokens) for tokens in words], dtype=np.int64)
    precision = _best(common / lengths[items.hypothesis[items.item]], items.first)
    recall = _best(common / lengths[items.reference], items.first)
    both = (precision > 0) & (recall > 0)
    over = np.where(both, recall + BETA**2 * precision, 1.0)
    return np.where(both, (1 + BETA**2) * precision * recall / over, 0.0)


def _best(
    values: Float64[np.ndarray, " references"], first: Int64[np.ndarray, " items"]
) -> Float64[np.ndarray, " items"]:
    return np.maximum.reduceat(values, first) if len(first) else np.zeros(0)
