"""Temporal heads: features of overlapping sub-sequences of frames to logits, by 1-D convolutions or an LSTM."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from untrimmed.aggregate.padding import blanked, own_steps
from untrimmed.records import DataError


def subsequence_starts(frames: int = 128, *, length: int = 32, stride: int = 16) -> list[int]:
    """First frames of the sub-sequences that fit into a sequence; the published numbers give seven.

    Raises:
        DataError: on sizes below 1, or a sub-sequence longer than the sequence.

    Source: report 16, section 2.2 and figure 1.
    """
    if length < 1 or stride < 1 or frames < length:
        got = f"{length} frames every {stride} of {frames}"
        raise DataError(f"sub-sequences need a length, a stride and a sequence that holds one, got {got}")
    return list(range(0, frames - length + 1, stride))


@dataclass(frozen=True, kw_only=True)
class ConvolutionHeadConfig:
    """1-D convolutions of several widths."""

    widths: tuple[int, ...] = (7, 5, 3, 1)
    """Steps each set of filters sees at once. Report 16, section 2.2."""
    channels: int = 512
    """Filters of each width. Report 16, section 2.2."""
    rectify: bool = False
    """Whether negative answers count as 0. Figure 1 calls the convolutions linear; the paper it follows rectifies."""
    hold: bool = False
    """Whether a sequence shorter than the widest filter stands still at its last step until it fits; else it is an
    error. The paper has seven steps always."""

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths) < 1 or self.channels < 1:
            raise DataError(f"a convolution head needs widths and channels >= 1, got {self}")

    def build(self, dims: int, classes: int) -> "ConvolutionHead":
        """The head for steps of so many dims."""
        return ConvolutionHead(self, dims, classes)


class ConvolutionHead(nn.Module):
    """Steps to logits: for each width the highest answer of each filter over time, side by side, then a linear layer.

    The sequence is not padded: of 7 steps the widths 7, 5, 3, 1 leave 1, 3, 5, 7 answers, and 4 * 512 maxima. A
    sequence shorter than the widest filter has no answer, and is an error unless the configuration holds its last step.

    Source: report 16, section 2.2 and figure 1; Kim, Convolutional neural networks for sentence classification, 2014.
    """

    def __init__(self, config: ConvolutionHeadConfig, dims: int, classes: int) -> None:
        super().__init__()
        self.config, self.dims = config, config.channels * len(config.widths)
        self.filters = nn.ModuleList(nn.Conv1d(dims, config.channels, width) for width in config.widths)
        self.classify = nn.Linear(self.dims, classes)

    def pooled(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n channels"]:
        """The maxima over time, width by width in the order of the config.

        Args:
            rows: sequences, padded at the end with anything.
            lengths: steps of each; None where nothing is padded.

        Raises:
            DataError: on a length below the widest filter's (below 1 where the last step is held) or above the steps
                of rows.
        """
        if self.config.hold:
            rows, lengths = held(rows, lengths, steps=max(self.config.widths))
        own = own_steps(rows, lengths, least=max(self.config.widths))
        across = blanked(rows, own).transpose(1, 2)
        # the answer that starts at a step counts where the last step it sees is the sequence's own
        parts = [
            convolve(across).masked_fill(~own[:, None, width - 1 :], -torch.inf).amax(2)
            for convolve, width in zip(self.filters, self.config.widths, strict=True)
        ]
        joined = torch.cat(parts, dim=1)
        return joined.relu() if self.config.rectify else joined  # the maximum of rectified answers, in one place

    def forward(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n classes"]:
        """Logits; arguments and errors as in pooled."""
        return self.classify(self.pooled(rows, lengths))


def held(
    rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None, *, steps: int
) -> tuple[Float[Tensor, "n more dims"], Int[Tensor, " n"]]:
    """Sequences that stand still at their last step until they have `steps` of them; longer ones stay as they are.

    Raises:
        DataError: on a length below 1 or above the steps of rows.
    """
    counts = own_steps(rows, lengths).sum(1)
    place = torch.arange(max(steps, rows.shape[1]), device=rows.device)
    longer = rows[torch.arange(len(rows), device=rows.device)[:, None], torch.minimum(place, counts[:, None] - 1)]
    return longer, counts.clamp_min(steps)


@dataclass(frozen=True, kw_only=True)
class LstmHeadConfig:
    """A long short-term memory net over the sub-sequences."""

    cells: int = 1024
    """Neurons of the hidden state. Report 16, section 2.2."""

    def __post_init__(self) -> None:
        if self.cells < 1:
            raise DataError(f"an LSTM head needs cells >= 1, got {self.cells}")

    def build(self, dims: int, classes: int) -> "LstmHead":
        """The head for steps of so many dims."""
        return LstmHead(self, dims, classes)


class LstmHead(nn.Module):
    """Steps to logits: the hidden state of one layer after each sequence's own last step, then a linear layer.

    How many layers, and which state is classified, the paper does not say.

    Source: report 16, section 2.2.
    """

    def __init__(self, config: LstmHeadConfig, dims: int, classes: int) -> None:
        super().__init__()
        self.config, self.dims = config, config.cells
        self.lstm = nn.LSTM(dims, config.cells, batch_first=True)
        self.classify = nn.Linear(config.cells, classes)

    def pooled(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n cells"]:
        """The hidden state after the last step, in (-1, 1).

        Args:
            rows: sequences, padded at the end with anything.
            lengths: steps of each; None where nothing is padded.

        Raises:
            DataError: on a length below 1 or above the steps of rows.
        """
        counts = own_steps(rows, lengths).sum(1).cpu()  # packing wants them on the CPU
        packed = pack_padded_sequence(rows, counts, batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.lstm(packed)
        return hidden[-1]

    def forward(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n classes"]:
        """Logits; arguments and errors as in pooled."""
        return self.classify(self.pooled(rows, lengths))


def snippet_mean(
    logits: Sequence[Float[Tensor, "n classes"]], *, of: Literal["probabilities", "logits"] = "probabilities"
) -> Float[Tensor, "n classes"]:
    """Predictions of several snippets of each video, averaged: 3 of 128 frames under a head (report 16, section 2.2).

    Whether probabilities or logits are averaged the paper does not say.

    Raises:
        DataError: without a snippet.
    """
    if not logits:
        raise DataError("the mean over snippets needs at least one, got none")
    together = torch.stack(list(logits))
    return (together.softmax(dim=2) if of == "probabilities" else together).mean(dim=0)
