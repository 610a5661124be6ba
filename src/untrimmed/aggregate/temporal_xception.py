"""Temporal Xception network: steps pooled to a few pieces of time, separable convolutions over them, streams joined."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from untrimmed.aggregate.padding import blanked, own_steps
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class TemporalXceptionConfig:
    """The network. Report 13, section 3.2, names its parts and none of their sizes."""

    pieces: int = 16
    """Pieces of time each video is pooled to (the paper's n segments). The paper does not say."""
    width: int = 3
    """Pieces a convolution sees at once, odd. The paper does not say; the width of Xception."""
    blocks: int = 1
    """Blocks of two separable convolutions, >= 1. The paper speaks of "a Temporal Convolutional block"."""

    def __post_init__(self) -> None:
        if self.pieces < 1 or self.blocks < 1 or self.width < 1 or self.width % 2 == 0:
            raise DataError(f"a temporal Xception needs pieces and blocks >= 1 and an odd width >= 1, got {self}")

    def build(self, dims: Sequence[int], classes: int) -> "TemporalXception":
        """The network for streams of so many dims each."""
        return TemporalXception(self, dims, classes)


class SeparableConvolution(nn.Module):
    """A convolution over time in two: each dim by itself, then all dims at each place; as long as what goes in.

    It is the full convolution whose kernel is a product: K[o, i, t] = pointwise[o, i] depthwise[i, t]. Of d dims and
    w pieces it has d w + d d weights, where a full one has d d w. What lies beyond the ends is 0.

    Source: Chollet, Xception: Deep learning with depthwise separable convolutions, CVPR 2017.
    """

    def __init__(self, dims: int, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(dims, dims, width, padding=width // 2, groups=dims, bias=False)
        self.pointwise = nn.Conv1d(dims, dims, 1, bias=False)

    def forward(self, x: Float[Tensor, "n dims pieces"]) -> Float[Tensor, "n dims pieces"]:
        """What both convolutions give, nothing between them."""
        return self.pointwise(self.depthwise(x))


class TemporalBlock(nn.Module):
    """x + separable(ReLU(batch norm(separable(x)))): two separable convolutions and a shortcut around them.

    The paper's words are "a stack of 2 Seperable convolutional layers connected by batch norm and activation with a
    shortcut connection": what connects stands between the two. Which activation it is, is not said: ReLU, as in
    Xception. A block keeps the dims of its stream, so that the shortcut adds what goes in as it is.

    Source: report 13, section 3.2.
    """

    def __init__(self, dims: int, width: int) -> None:
        super().__init__()
        self.first = SeparableConvolution(dims, width)
        self.norm = nn.BatchNorm1d(dims)
        self.second = SeparableConvolution(dims, width)

    def forward(self, x: Float[Tensor, "n dims pieces"]) -> Float[Tensor, "n dims pieces"]:
        """As long as x."""
        return x + self.second(self.norm(self.first(x)).relu())


def adaptive_maxima(
    rows: Float[Tensor, "n steps dims"], pieces: int, *, lengths: Int[Tensor, " n"] | None = None
) -> Float[Tensor, "n dims pieces"]:
    """The maximum over each of so many pieces of time, whatever the length of a sequence.

    Piece i of p takes steps floor(i L / p) to ceil((i + 1) L / p) of L: neighbours share a step where an edge cuts
    it, and no piece is empty.

    Args:
        rows: sequences.
        pieces: >= 1.
        lengths: L of each sequence, what lies after it is not looked at; None where L is all the steps of rows, and
            what pads them counts.

    Raises:
        DataError: on a length below 1 or above the steps of rows, or on pieces < 1.
    """
    if pieces < 1:
        raise DataError(f"adaptive pooling needs pieces >= 1, got {pieces}")
    own = own_steps(rows, lengths)
    rows, counts = blanked(rows, own), own.sum(dim=1)[:, None]
    steps = torch.arange(rows.shape[1], device=rows.device)
    found = []
    for piece in range(pieces):
        # one piece at a time: all at once would hold the batch once for each piece
        first, after = piece * counts // pieces, -(-(piece + 1) * counts // pieces)
        inside = (steps >= first) & (steps < after)
        found.append(rows.masked_fill(~inside[..., None], -torch.inf).amax(dim=1))
    return torch.stack(found, dim=2)


class TemporalXception(nn.Module):
    """Steps of several streams to logits: pooled to pieces, blocks, the mean over the pieces, streams joined, linear.

    The report fills short sequences with zeros and pools what results: pass no lengths for that. With lengths each
    sequence is pooled over its own steps, and what pads it has no effect. How the pieces become one row the paper does
    not say: their mean.

    Source: report 13, section 3.2 and figure 2.
    """

    def __init__(self, config: TemporalXceptionConfig, dims: Sequence[int], classes: int) -> None:
        super().__init__()
        if not dims:
            raise DataError("a temporal Xception needs at least one stream, got none")
        self.config, self.dims = config, sum(dims)
        self.streams = nn.ModuleList(
            nn.Sequential(*(TemporalBlock(size, config.width) for _ in range(config.blocks))) for size in dims
        )
        self.classify = nn.Linear(self.dims, classes)

    def represent(
        self, sets: Sequence[Float[Tensor, "n _ _"]], lengths: Sequence[Int[Tensor, " n"]] | None = None
    ) -> Float[Tensor, "n dims"]:
        """The row of each video before the linear layer, stream by stream.

        Args:
            sets: the steps of each stream, in the order of build; streams may differ in steps and dims.
            lengths: the steps of each sequence of each stream; None where what pads counts, or nothing does.

        Raises:
            DataError: on another number of sets than of streams, or on a length out of range.
        """
        if len(sets) != len(self.streams) or (lengths is not None and len(lengths) != len(sets)):
            got = f"{len(sets)} sets" if lengths is None else f"{len(sets)} sets and {len(lengths)} lengths"
            raise DataError(f"a temporal Xception of {len(self.streams)} streams needs a set a stream, got {got}")
        known = lengths if lengths is not None else [None] * len(sets)
        parts = [
            stream(adaptive_maxima(rows, self.config.pieces, lengths=own)).mean(dim=2)
            for stream, rows, own in zip(self.streams, sets, known, strict=True)
        ]
        return torch.cat(parts, dim=1)

    def forward(
        self, sets: Sequence[Float[Tensor, "n _ _"]], lengths: Sequence[Int[Tensor, " n"]] | None = None
    ) -> Float[Tensor, "n classes"]:
        """Logits; arguments and errors as in represent."""
        return self.classify(self.represent(sets, lengths))
