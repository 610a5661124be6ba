"""A recurrent aggregator: a sequence of steps in, the memory of a long short-term memory net at its last step out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig:
    """The aggregator."""

    cells: int = 1024
    """Cells of each layer, the dims of what comes out. Report 02, section 1."""
    layers: int = 2
    """Layers, one on top of the other. Report 02, section 1."""
    dropout: float = 0.0
    """Share dropped between two layers in training; the paper does not say."""
    memory: Literal["cell", "hidden"] = "cell"
    """What is taken of the last layer at the last step: its cell state, which is the memory by name ("we use last
    layer's memory as the aggregated feature"), or its output, which lies in (-1, 1)."""

    def __post_init__(self) -> None:
        if self.cells < 1 or self.layers < 1 or not 0 <= self.dropout < 1:
            raise DataError(f"a recurrent aggregator needs cells and layers >= 1 and dropout in [0, 1), got {self}")

    def build(self, dims: int) -> "RecurrentAggregate":
        """The aggregator for steps of so many dims."""
        return RecurrentAggregate(self, dims)


class RecurrentAggregate(nn.Module):
    """Steps to one row a video; what pads a short sequence is never looked at.

    Source: report 02, section 1 ("the LSTM has 2 layers with 1024 cells each"); Hochreiter and Schmidhuber, Long
    Short-Term Memory, Neural Computation 9(8), 1997.
    """

    def __init__(self, config: RecurrentConfig, dims: int) -> None:
        super().__init__()
        self.config, self.dims = config, config.cells
        between = config.dropout if config.layers > 1 else 0.0  # torch warns of dropout without a second layer
        self.lstm = nn.LSTM(dims, config.cells, config.layers, batch_first=True, dropout=between)

    def forward(self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"]) -> Float[Tensor, "n cells"]:
        """The last layer's memory after the last of each sequence's own steps.

        Args:
            rows: sequences, padded at the end with anything.
            lengths: steps of each, from 1 to the steps of rows.

        Raises:
            DataError: on a length outside that range.
        """
        check_lengths(lengths, rows.shape[1])
        # lengths must lie on the CPU, and the order of the batch stays as it is
        packed = pack_padded_sequence(rows, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (hidden, cell) = self.lstm(packed)
        return cell[-1] if self.config.memory == "cell" else hidden[-1]


def padded(
    sequences: Sequence[Float[Tensor, "_ dims"]],
) -> tuple[Float[Tensor, "n steps dims"], Int[Tensor, " n"]]:
    """Sequences of different lengths as one batch with zeros at the ends, and their lengths."""
    lengths = torch.tensor([len(rows) for rows in sequences])
    return pad_sequence(list(sequences), batch_first=True), lengths


def check_lengths(lengths: Int[Tensor, " n"], steps: int) -> None:
    """Raise DataError unless every length is from 1 to steps."""
    if len(lengths) and not (int(lengths.min()) >= 1 and int(lengths.max()) <= steps):
        raise DataError(
            f"a recurrent net needs lengths from 1 to {steps} steps, got {int(lengths.min())} to {int(lengths.max())}"
        )
