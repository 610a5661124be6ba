"""Sentences as numbers in a padded batch: what goes in, what has to come out, and where there is a word."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from untrimmed.caption.vocabulary import END, START


class Sentences(NamedTuple):
    """A batch for teacher forcing.

    Attributes:
        inputs: the start sign and the words.
        targets: the words and the end sign; END where there is padding.
        mask: True where a target counts.
    """

    inputs: Int[Tensor, "sentences words"]
    targets: Int[Tensor, "sentences words"]
    mask: Bool[Tensor, "sentences words"]

    def to(self, device: torch.device | str) -> "Sentences":
        """The same on another device."""
        return Sentences(*(tensor.to(device) for tensor in self))


def pad_sentences(encoded: Sequence[Sequence[int]], *, most_words: int | None = None) -> Sentences:
    """One row a sentence.

    Args:
        encoded: numbers of the words, without start and end.
        most_words: longer sentences are cut; the end sign of a cut sentence is no target, since it does not end there.
    """
    rows = [list(numbers) for numbers in encoded]
    targets = [row[:most_words] if most_words is not None and len(row) > most_words else [*row, END] for row in rows]
    longest = max(map(len, targets), default=0)
    inputs = torch.full((len(rows), longest), END, dtype=torch.int64)
    wanted = torch.full((len(rows), longest), END, dtype=torch.int64)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for i, target in enumerate(targets):
        inputs[i, : len(target)] = torch.tensor([START, *target[:-1]])
        wanted[i, : len(target)] = torch.tensor(target)
        mask[i, : len(target)] = True
    return Sentences(inputs, wanted, mask)
