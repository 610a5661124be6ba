"""Items: a sentence, what it is compared with, and the corpus it counts in."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64


@dataclass(frozen=True, eq=False, kw_only=True)
class Items:
    """Hypotheses with their references, as numbers of sentences.

    Attributes:
        hypothesis: for each item its sentence.
        reference: the reference sentences of all items, those of an item together, in the order of the items.
        item: for each reference its item, rising; every item has at least one.
    """

    hypothesis: Int64[np.ndarray, " items"]
    reference: Int64[np.ndarray, " references"]
    item: Int64[np.ndarray, " references"]

    @staticmethod
    def pairs(hypothesis: Int64[np.ndarray, " items"], reference: Int64[np.ndarray, " items"]) -> "Items":
        """Items of one reference each."""
        return Items(hypothesis=hypothesis, reference=reference, item=np.arange(len(hypothesis)))

    def __len__(self) -> int:
        return len(self.hypothesis)

    def parts(self, size: int) -> Iterator["Items"]:
        """The items in runs of at most size, to bound the memory a scorer takes."""
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            low, high = np.searchsorted(self.item, (start, stop))
            yield Items(
                hypothesis=self.hypothesis[start:stop],
                reference=self.reference[low:high],
                item=self.item[low:high] - start,
            )

    @property
    def first(self) -> Int64[np.ndarray, " items"]:
        """For each item the place of its first reference."""
        return np.searchsorted(self.item, np.arange(len(self))).astype(np.int64)
