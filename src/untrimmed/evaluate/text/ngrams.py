"""The n-grams of many sentences as numbers, so that scorers compare all pairs of sentences at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

ORDERS = 4
"""BLEU and CIDEr look at runs of 1 to 4 words."""


@dataclass(frozen=True, eq=False, kw_only=True)
class NGrams:
    """Which n-grams (n = 1 to 4) each sentence holds and how often.

    Attributes:
        lengths: tokens of each sentence.
        starts: where the rows of each sentence begin, and the end of the last.
        gram: rows: number of an n-gram, rising within a sentence; equal n-grams have equal numbers everywhere.
        count: rows: how often it occurs in the sentence.
        order: for each n-gram its n - 1.
    """

    lengths: Int64[np.ndarray, " sentences"]
    starts: Int64[np.ndarray, " past"]
    gram: Int64[np.ndarray, " rows"]
    count: Int64[np.ndarray, " rows"]
    order: Int64[np.ndarray, " grams"]

    @staticmethod
    def of(sentences: Sequence[Sequence[str]]) -> "NGrams":
        """Count the n-grams of tokenized sentences."""
        numbers: dict[str, int] = {}
        words = np.array(
            [numbers.setdefault(token, len(numbers)) for tokens in sentences for token in tokens], dtype=np.int64
        )
        lengths = np.array([len(tokens) for tokens in sentences], dtype=np.int64)
        ends = np.cumsum(lengths)
        sentence = np.repeat(np.arange(len(lengths)), lengths)
        left = np.repeat(ends, lengths) - np.arange(len(words))  # tokens from here to the end of the sentence
        parts, orders, owners = [words], [np.zeros(len(numbers), dtype=np.int64)], [sentence]
        codes, offset = words, len(numbers)
        for n in range(1, ORDERS):
            place = np.flatnonzero(left > n)
            joined = codes[place] * (len(numbers) + 1) + words[place + n]
            distinct, inverse = np.unique(joined, return_inverse=True)
            codes = np.zeros(len(words), dtype=np.int64)
            codes[place] = inverse.reshape(-1)
            parts.append(codes[place] + offset)
            owners.append(sentence[place])
            orders.append(np.full(len(distinct), n, dtype=np.int64))
            offset += len(distinct)
        grams = max(offset, 1)
        rows, count = np.unique(np.concatenate(owners) * grams + np.concatenate(parts), return_counts=True)
        return NGrams(
            lengths=lengths,
            starts=np.searchsorted(rows, np.arange(len(lengths) + 1) * grams).astype(np.int64),
            gram=rows % grams,
            count=count.astype(np.int64),
            order=np.concatenate(orders),
        )

    def rows_of(
        self, chosen: Int64[np.ndarray, " chosen"]
    ) -> tuple[Int64[np.ndarray, " found"], Int64[np.ndarray, " found"], Int64[np.ndarray, " found"]]:
        """The rows of some sentences one after the other.

        Args:
            chosen: sentence numbers, in any order and repeated as one likes.

        Returns:
            For each row the place of its sentence in chosen, its n-gram and its count.
        """
        sizes = self.starts[chosen + 1] - self.starts[chosen]
        owner = np.repeat(np.arange(len(chosen)), sizes)
        first = np.cumsum(sizes) - sizes
        row = np.arange(len(owner)) - np.repeat(first - self.starts[chosen], sizes)
        return owner, self.gram[row], self.count[row]


def find(keys: Int64[np.ndarray, " keys"], wanted: Int64[np.ndarray, " wanted"]) -> Int64[np.ndarray, " wanted"]:
    """Where each wanted number stands in rising keys, -1 where it does not."""
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)
