"""Fully connected heads on the mean of a video's rows, with maxout units or with parametric rectifiers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class MaxoutHeadConfig:
    """Hidden layers of maxout units."""

    hidden: tuple[int, ...] = (1024,)
    """Units of each hidden layer. Report 14 does not say."""
    pieces: int = 2
    """Linear pieces of a unit, whose maximum it gives. Report 14 does not say; Goodfellow et al. take 2 to 5."""
    dropout: float = 0.5
    """Share of hidden units that is dropped in training. Report 14 does not say; the share of Goodfellow et al."""

    def __post_init__(self) -> None:
        _check(self.hidden, self.dropout)
        if self.pieces < 1:
            raise DataError(f"maxout units need at least one piece, got {self.pieces}")

    def build(self, dims: int, classes: int) -> "MeanHead":
        """The head for rows of so many dims."""
        return MeanHead([Maxout(*sizes, pieces=self.pieces) for sizes in _pairs(dims, self.hidden)], self, classes)


@dataclass(frozen=True, kw_only=True)
class PreluHeadConfig:
    """Hidden layers with parametric rectifiers."""

    hidden: tuple[int, ...] = (1024,)
    """Units of each hidden layer. Report 14 does not say."""
    dropout: float = 0.5
    """Share of hidden units that is dropped in training. Report 14 does not say."""

    def __post_init__(self) -> None:
        _check(self.hidden, self.dropout)

    def build(self, dims: int, classes: int) -> "MeanHead":
        """The head for rows of so many dims."""
        return MeanHead([_Prelu(*sizes) for sizes in _pairs(dims, self.hidden)], self, classes)


class Maxout(nn.Module):
    """Units that give the largest of several linear functions of what comes in: h_i = max_j (x . w_ij + b_ij).

    Source: Goodfellow et al., Maxout Networks, ICML 2013, section 3.
    """

    def __init__(self, dims: int, units: int, *, pieces: int) -> None:
        super().__init__()
        self.units, self.pieces = units, pieces
        self.linear = nn.Linear(dims, units * pieces)

    def forward(self, rows: Float[Tensor, "n dims"]) -> Float[Tensor, "n units"]:
        """The maxima."""
        return self.linear(rows).view(len(rows), self.units, self.pieces).amax(2)


class MeanHead(nn.Module):
    """The mean over a video's own rows, hidden layers with dropout, a linear layer.

    Source: report 14, section 2.1 ("we pool the features by averaging them and train a MLP on top of it").
    """

    def __init__(self, layers: Sequence[nn.Module], config: MaxoutHeadConfig | PreluHeadConfig, classes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.hidden[-1], classes)

    def classify(self, vectors: Float[Tensor, "n dims"]) -> Float[Tensor, "n classes"]:
        """Logits of one vector a video."""
        for layer in self.layers:
            vectors = self.dropout(layer(vectors))
        return self.output(vectors)

    def forward(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n classes"]:
        """Logits.

        Args:
            rows: sequences, padded at the end with anything.
            lengths: steps of each; None where nothing is padded.

        Raises:
            DataError: on a length below 1 or above the steps of rows.
        """
        return self.classify(mean_of_own(rows, lengths))


def mean_of_own(
    rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
) -> Float[Tensor, "n dims"]:
    """The mean over each sequence's own rows, whatever pads it.

    Raises:
        DataError: on a length below 1 or above the steps of rows.
    """
    count, steps, _ = rows.shape
    if lengths is None:
        lengths = torch.full((count,), steps, device=rows.device)
    if count and not (int(lengths.min()) >= 1 and int(lengths.max()) <= steps):
        got = f"{int(lengths.min())} to {int(lengths.max())}"
        raise DataError(f"a mean over rows needs lengths from 1 to {steps}, got {got}")
    lengths = lengths.to(rows.device)
    padding = torch.arange(steps, device=rows.device) >= lengths[:, None]
    return rows.masked_fill(padding[..., None], 0.0).sum(1) / lengths[:, None]


class _Prelu(nn.Module):
    """A linear layer drawn as He et al. do (Delving deep into rectifiers, ICCV 2015, section 2.2), and its PReLU."""

    def __init__(self, dims: int, units: int) -> None:
        super().__init__()
        self.linear, self.rectify = nn.Linear(dims, units), nn.PReLU(units)
        nn.init.kaiming_normal_(self.linear.weight, a=0.25)
        nn.init.zeros_(self.linear.bias)

    def forward(self, rows: Float[Tensor, "n dims"]) -> Float[Tensor, "n units"]:
        return self.rectify(self.linear(rows))


def _pairs(dims: int, hidden: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(pairwise((dims, *hidden)))


def _check(hidden: tuple[int, ...], dropout: float) -> None:
    if not hidden or min(hidden) < 1 or not 0 <= dropout < 1:
        raise DataError(f"a head needs hidden layers of units and a dropout in [0, 1), got {hidden} and {dropout}")
