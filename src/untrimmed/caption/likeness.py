"""CIDEr-D between all pairs of sentences at once, with document frequencies that were counted beforehand.

A sentence is a vector g of count * idf for each n = 1 to 4, with idf = log(documents) - log(max(1, df)). CIDEr-D of a
hypothesis h against a reference r is
    10 * mean over n of [sum min(g_h, g_r) * g_r / (|g_h| |g_r|)] * exp(-d^2 / (2 * 6^2))
where d is the difference in the number of bigrams. Since min(a, b) = sum over k >= 1 of [a >= k] [b >= k], an n-gram
that occurs several times is written as several columns, one a repetition. The hypothesis has idf in each, the reference
count * idf, and the whole sum is one product of two sparse matrices.

Source: Vedantam et al., CIDEr, CVPR 2015, sections 4 and 5 (CIDEr-D).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import scipy.sparse
from jaxtyping import Float64, Int64

from untrimmed.records import DataError

ORDERS = 4
SIGMA = 6.0
HIGHEST = 10.0
"""CIDEr-D of a sentence with itself; the range is [0, 10]."""

_BASE = 1 << 24  # an n-gram is its first n - 1 words' number times this, plus its last word's


class _Vectors(NamedTuple):
    """Sentences as rows; both matrices are divided by the norm of each order."""

    said: scipy.sparse.csr_matrix
    given: scipy.sparse.csr_matrix
    bigrams: Int64[np.ndarray, " sentences"]


@dataclass(frozen=True, eq=False, kw_only=True)
class CiderD:
    """CIDEr-D under the document frequencies of given sentences, one document a sentence.

    Attributes:
        words: numbers of the known words.
        keys: for n = 2, 3, 4 the known n-grams as rising keys; an n-gram's number is its place.
        idf: for n = 1 to 4, of each known n-gram.
        unknown: idf of an n-gram that is in no document: log(documents).
    """

    words: dict[str, int]
    keys: tuple[Int64[np.ndarray, " _grams"], ...]
    idf: tuple[Float64[np.ndarray, " _grams"], ...]
    unknown: float

    @classmethod
    def of(cls, documents: Sequence[Sequence[str]]) -> Self:
        """Count document frequencies.

        Args:
            documents: tokens of sentences; those of the training subset, never those that are scored.

        Raises:
            DataError: when there is no document.
        """
        if not documents:
            raise DataError("document frequencies of CIDEr-D need a document, got none")
        nothing = cls(words={}, keys=(np.zeros(0, np.int64),) * (ORDERS - 1), idf=(np.zeros(0),) * ORDERS, unknown=0.0)
        words: dict[str, int] = {}
        found, keys = nothing._grams(documents, words)
        unknown = float(np.log(len(documents)))
        idf = []
        for owner, gram in found:
            size = int(gram.max(initial=-1)) + 1
            frequency = np.bincount(np.unique(owner * max(size, 1) + gram) % max(size, 1), minlength=size)
            idf.append(unknown - np.log(frequency))
        return cls(words=words, keys=tuple(keys), idf=tuple(idf), unknown=unknown)

    def all_pairs(
        self, hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]] | None = None
    ) -> Float64[np.ndarray, "hypotheses references"]:
        """CIDEr-D of every hypothesis (tokens) against every reference; None compares the hypotheses with themselves.

        It is not symmetric where a word is repeated.
        """
        count = len(hypotheses)
        vectors = self._vectors([*hypotheses, *(references if references is not None else ())])
        other = slice(0, count) if references is None else slice(count, None)
        product = (vectors.said[:count] @ vectors.given[other].T).toarray()
        return np.asarray(product * _length_factor(vectors.bigrams[:count, None] - vectors.bigrams[None, other]))

    def pairs(
        self, hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
    ) -> Float64[np.ndarray, " pairs"]:
        """CIDEr-D of each hypothesis against the reference at its place."""
        count = len(hypotheses)
        if len(references) != count:
            raise DataError(f"pairs need one reference a hypothesis, got {count} and {len(references)}")
        vectors = self._vectors([*hypotheses, *references])
        product = np.asarray(vectors.said[:count].multiply(vectors.given[count:]).sum(axis=1)).reshape(-1)
        return np.asarray(product * _length_factor(vectors.bigrams[:count] - vectors.bigrams[count:]))

    def _vectors(self, sentences: Sequence[Sequence[str]]) -> _Vectors:
        found, _ = self._grams(sentences, {})
        rows, columns, said, given = [], [], [], []
        past = 0
        for (owner, gram), idf in zip(found, self.idf, strict=True):
            size = int(gram.max(initial=-1)) + 1
            cells, count = np.unique(owner * max(size, 1) + gram, return_counts=True)
            row, gram = cells // max(size, 1), cells % max(size, 1)
            known = gram < len(idf)
            weight = np.full(len(gram), self.unknown)
            weight[known] = idf[gram[known]]
            norm = np.sqrt(np.bincount(row, weights=(count * weight) ** 2, minlength=len(sentences)))[row]
            share = np.divide(weight, norm, out=np.zeros(len(weight)), where=norm > 0)
            ends = np.cumsum(count)
            turn = np.arange(len(owner)) - np.repeat(ends - count, count)  # which repetition, from 0
            most = int(count.max(initial=0))
            columns.append(past + np.repeat(gram, count) * most + turn)
            past += size * most
            rows.append(np.repeat(row, count))
            said.append(np.repeat(share, count))
            given.append(np.repeat(share * count, count))
        names, column = np.unique(np.concatenate(columns), return_inverse=True)
        where = (np.concatenate(rows), column.reshape(-1))
        shape = (len(sentences), len(names))
        lengths = np.array([len(tokens) for tokens in sentences], dtype=np.int64)
        return _Vectors(
            scipy.sparse.csr_matrix((np.concatenate(said), where), shape=shape),
            scipy.sparse.csr_matrix((np.concatenate(given), where), shape=shape),
            np.maximum(lengths - 1, 0),
        )

    def _grams(
        self, sentences: Sequence[Sequence[str]], new: dict[str, int]
    ) -> tuple[list[tuple[Int64[np.ndarray, " _rows"], Int64[np.ndarray, " _rows"]]], list[np.ndarray]]:
        """For n = 1 to 4 the sentence and the number of every n-gram; and the keys of those that are not known.

        Numbers of unknown ones follow those of the known ones; unknown words are noted in `new`.
        """
        known = self.words
        flat = [
            known[token] if token in known else new.setdefault(token, len(known) + len(new))
            for tokens in sentences
            for token in tokens
        ]
        words = np.array(flat, dtype=np.int64)
        lengths = np.array([len(tokens) for tokens in sentences], dtype=np.int64)
        owner = np.repeat(np.arange(len(lengths)), lengths)
        left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(words))  # tokens from here to the sentence's end
        found, unknown, codes = [(owner, words)], [], words
        for n, keys in enumerate(self.keys, 1):
            place = np.flatnonzero(left > n)
            joined = codes[place] * _BASE + words[place + n]
            number = np.searchsorted(keys, joined).astype(np.int64)
            if len(keys):
                there = keys[np.minimum(number, len(keys) - 1)] == joined
            else:
                there = np.zeros(len(joined), dtype=bool)
            distinct, inverse = np.unique(joined[~there], return_inverse=True)
            number[~there] = len(keys) + inverse.reshape(-1)
            unknown.append(distinct)
            codes = np.zeros(len(words), dtype=np.int64)
            codes[place] = number
            found.append((owner[place], number))
        return found, unknown


def _length_factor(apart: Int64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    return np.asarray(HIGHEST / ORDERS * np.exp(-(apart.astype(np.float64) ** 2) / (2 * SIGMA**2)))
