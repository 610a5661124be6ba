"""VLAD: what remains of the rows of a set once the nearest word of each is taken away, summed word by word."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from untrimmed.aggregate.normalise import signed_power, unit_length
from untrimmed.aggregate.words import nearest_word
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class VladRule:
    """How the sums are made comparable: powers, then each word, then the whole."""

    power: float = 1.0
    """Of each number, its sign kept; 0.5 in Jegou et al. 2012, section 3.3, 1 in Arandjelovic and Zisserman 2013."""
    intra: bool = True
    """Scale each word's sum to length 1; Arandjelovic and Zisserman 2013, section 3.2."""
    unit: bool = True
    """Scale the vector to length 1 at last; all of them."""

    def __post_init__(self) -> None:
        if not 0 < self.power <= 1:
            raise DataError(f"power of a VLAD must be in (0, 1], got {self.power}")


INTRA = VladRule()
"""Arandjelovic and Zisserman, All about VLAD, CVPR 2013."""
SQUARE_ROOT = VladRule(power=0.5, intra=False)
"""Jegou et al., Aggregating local image descriptors into compact codes, PAMI 2012."""
RAW = VladRule(intra=False, unit=False)
"""The sums as they are."""


class VladSums:
    """A VLAD in the making: rows come in blocks, in any order, and memory stays what it is."""

    def __init__(self, words: Float[np.ndarray, "words dims"]) -> None:
        """Begin with no rows; words are those of `untrimmed.aggregate.words.fit_words`."""
        if not words.size or not np.isfinite(words).all():
            raise DataError(f"words of a VLAD must be finite and not empty, got shape {words.shape}")
        self.words = words
        self.count = 0
        self._remainders = np.zeros(words.shape)

    def add(self, rows: Float[np.ndarray, "n dims"]) -> None:
        """Add some rows.

        Raises:
            DataError: when rows have another width than the words or are not finite.
        """
        if rows.shape[1] != self.words.shape[1]:
            raise DataError(f"rows for a VLAD of {self.words.shape[1]} dims must be as wide, got {rows.shape[1]}")
        if not np.isfinite(rows).all():
            raise DataError("rows for a VLAD must be finite numbers")
        from scipy.sparse import csr_array

        place = nearest_word(rows, self.words)
        picks = csr_array((np.ones(len(rows)), place, np.arange(len(rows) + 1)), shape=(len(rows), len(self.words)))
        self._remainders += picks.T @ (rows - self.words[place])
        self.count += len(rows)

    def vector(self, rule: VladRule = INTRA) -> Float[np.ndarray, " size"]:
        """The vector of all rows so far, words * dims numbers; zeros if there were none.

        For each word the sum of x - word over the rows x that it is nearest to.

        Source: Jegou et al. 2012, section 3.2.
        """
        sums = signed_power(self._remainders, rule.power)
        flat = (unit_length(sums) if rule.intra else sums).ravel()
        return (unit_length(flat) if rule.unit else flat).astype(self.words.dtype)


def vlad(
    rows: Float[np.ndarray, "n dims"], words: Float[np.ndarray, "words dims"], *, rule: VladRule = INTRA
) -> Float[np.ndarray, " size"]:
    """The VLAD of some rows at once; see VladSums.vector."""
    sums = VladSums(words)
    sums.add(rows)
    return sums.vector(rule)
