"""Sequence models of several streams: recurrent nets with attention side by side, and a deep stack with fast paths."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from untrimmed.aggregate.padding import blanked, own_steps
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class MultiStream:
    """The multi-stream sequence model; sizes as released with the YouTube-8M report, which report 13 refers to for it
    (two_stream_lstm, where pictures and sound are the streams)."""

    embedding: int = 512
    """Dims that the rows of each stream are first brought to; the released configuration's."""
    cells: int = 1024
    """Cells of each direction of a stream's recurrent net; the released configuration's."""
    hidden: tuple[int, int] = (8192, 4096)
    """Units of the two layers before the logits; the released configuration's."""
    dropout: float = 0.5
    """Share of the recurrent nets' answers that is dropped in training; the released configuration's."""

    def __post_init__(self) -> None:
        if min(self.embedding, self.cells, *self.hidden) < 1 or not 0 <= self.dropout < 1:
            raise DataError(f"a multi-stream sequence model needs sizes >= 1 and dropout in [0, 1), got {self}")

    def build(self, dims: Sequence[int], classes: int) -> "MultiStreamNet":
        """The net for streams of so many dims each."""
        return MultiStreamNet(self, dims, classes)


class AttendedStream(nn.Module):
    """Rows of one stream to one vector: tanh layer, LSTM in both directions, and attention over what it answers.

        h = BiLSTM(tanh(W x + b)),  lambda = softmax over the own steps of (v h),  sum over steps of lambda h

    Source: Li et al., Temporal modeling approaches for large-scale YouTube-8M video understanding, 2017, section 3.1.
    """

    def __init__(self, config: MultiStream, dims: int) -> None:
        super().__init__()
        self.dims = 2 * config.cells
        self.embed = nn.Linear(dims, config.embedding)
        self.lstm = nn.LSTM(config.embedding, config.cells, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(config.dropout)
        self.score = nn.Linear(self.dims, 1, bias=False)

    def forward(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n twice"]:
        """One vector a sequence; what pads a sequence is never looked at.

        Raises:
            DataError: on a length below 1 or above the steps of rows.
        """
        own = own_steps(rows, lengths)
        embedded = self.embed(blanked(rows, own)).tanh()
        # packed, or the backward direction would begin in the padding; lengths must lie on the CPU
        packed = pack_padded_sequence(embedded, own.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False)
        answers, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=rows.shape[1])
        answers = self.dropout(answers)
        shares = self.score(answers).masked_fill(~own[..., None], -torch.inf).softmax(dim=1)
        return (shares * answers).sum(dim=1)


class MultiStreamNet(nn.Module):
    """Streams of one video to logits: each attended by itself, side by side, a ReLU and a tanh layer, linear.

    Source: as AttendedStream; report 13, section 3, for the name and for more than two streams.
    """

    def __init__(self, config: MultiStream, dims: Sequence[int], classes: int) -> None:
        super().__init__()
        if not dims:
            raise DataError("a sequence model needs at least one stream, got none")
        self.config = config
        self.streams = nn.ModuleList(AttendedStream(config, size) for size in dims)
        wide, narrow = config.hidden
        self.wide = nn.Linear(2 * config.cells * len(dims), wide)
        self.narrow = nn.Linear(wide, narrow)
        self.classify = nn.Linear(narrow, classes)

    def forward(
        self, sets: Sequence[Float[Tensor, "n _ _"]], lengths: Sequence[Int[Tensor, " n"]] | None = None
    ) -> Float[Tensor, "n classes"]:
        """Logits.

        Args:
            sets: the rows of each stream, in the order of build; streams may differ in steps and dims.
            lengths: the steps of each sequence of each stream; None where nothing is padded.

        Raises:
            DataError: on another number of sets than of streams, or on a length out of range.
        """
        _check(len(self.streams), sets, lengths)
        known = lengths if lengths is not None else [None] * len(sets)
        parts = [stream(rows, own) for stream, rows, own in zip(self.streams, sets, known, strict=True)]
        return self.classify(self.narrow(self.wide(torch.cat(parts, dim=1)).relu()).tanh())


@dataclass(frozen=True, kw_only=True)
class FastForward:
    """The fast-forward sequence model; sizes as released with the YouTube-8M report, which report 13 refers to for it
    (fast_forward_lstm_depth7)."""

    layers: int = 7
    """Recurrent layers, one on top of the other; the YouTube-8M report's depth."""
    cells: int = 512
    """Cells of each layer; the released configuration's."""
    columns: Literal[1, 2] = 1
    """Stacks side by side: 1 is the released configuration of seven layers; the second begins with the other direction,
    as in Zhou et al., section 3.1.2, and the released configuration of two layers."""
    hidden: int = 2048
    """Units of the linear layer before the logits; the released configuration's."""
    fast_forward: bool = True
    """Whether the fast paths are there; without them the model is a plain stack."""
    dropout: float = 0.0
    """Share of what enters the layer before the logits that is dropped in training; the released one drops nothing."""

    def __post_init__(self) -> None:
        if min(self.layers, self.cells, self.hidden) < 1 or not 0 <= self.dropout < 1:
            raise DataError(f"a fast-forward sequence model needs sizes >= 1 and dropout in [0, 1), got {self}")

    def build(self, dims: Sequence[int], classes: int) -> "FastForwardNet":
        """The net for streams of so many dims each."""
        return FastForwardNet(self, dims, classes)


class FastForwardStack(nn.Module):
    """One column: recurrent layers that read to and fro, and beside them a path without recurrence or squashing.

        f1 = W1 x,  fk = Wk [f(k-1), h(k-1)],  hk = LSTM(fk)

    f holds what is added to the gates from outside, 4 numbers a cell, so that an LSTM has no input weights but Wk. Each
    layer reads against the direction of the one below. Without fast paths fk = Wk h(k-1), a plain stack.

    Attributes:
        top: dims of the two answers of the last layer together, f (if there are fast paths) and h.

    Source: Zhou et al., Deep recurrent models with fast-forward connections for neural machine translation, TACL 4,
    2016, sections 3.1.1 and 3.1.2 ("interleaved bi-directional"); Li et al. 2017, as above, section 3.2.
    """

    def __init__(self, config: FastForward, dims: int, *, backward: bool) -> None:
        super().__init__()
        self.config, self.backward = config, backward
        above = (5 if config.fast_forward else 1) * config.cells
        sizes = [dims] + [above] * (config.layers - 1)
        self.layers: nn.ModuleList = nn.ModuleList(nn.LSTM(size, config.cells, batch_first=True) for size in sizes)
        self.top = above

    def forward(self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"]) -> Float[Tensor, "n steps top"]:
        """The last layer's [f, h] at every step; what follows a sequence's own steps has no meaning there."""
        below, back = rows, self.backward
        for lstm in self.layers:
            assert isinstance(lstm, nn.LSTM)
            answer, _ = lstm(turned(below, lengths) if back else below)
            answer = turned(answer, lengths) if back else answer
            if self.config.fast_forward:
                # the LSTM computes the same within and does not hand it out
                weight, bias = (lstm.get_parameter(name) for name in ("weight_ih_l0", "bias_ih_l0"))
                passed = functional.linear(below, weight, bias)
                answer = torch.cat([passed, answer], dim=2)
            below, back = answer, not back
        return below


class FastForwardNet(nn.Module):
    """Streams of one video to logits: side by side step by step, the stack, its maximum over time, two linear layers.

    The streams of a video have different numbers of steps here and had equal ones on YouTube-8M: the shorter ones are
    stretched (`side_by_side`). Two departures from the released configuration: its recurrent layers answer by ReLU in
    place of tanh and their gates also see the cell; torch's are the usual ones.

    Source: as FastForwardStack.
    """

    def __init__(self, config: FastForward, dims: Sequence[int], classes: int) -> None:
        super().__init__()
        if not dims:
            raise DataError("a sequence model needs at least one stream, got none")
        self.config, self.sources = config, len(dims)
        self.columns = nn.ModuleList(
            FastForwardStack(config, sum(dims), backward=column == 1) for column in range(config.columns)
        )
        self.dropout = nn.Dropout(config.dropout)
        top = config.columns * (5 if config.fast_forward else 1) * config.cells
        self.hidden = nn.Linear(top, config.hidden)
        self.classify = nn.Linear(config.hidden, classes)

    def forward(
        self, sets: Sequence[Float[Tensor, "n _ _"]], lengths: Sequence[Int[Tensor, " n"]] | None = None
    ) -> Float[Tensor, "n classes"]:
        """Logits; arguments and errors as in MultiStreamNet."""
        _check(self.sources, sets, lengths)
        rows, steps = side_by_side(sets, lengths)
        tops = torch.cat([column(rows, steps) for column in self.columns], dim=2)
        highest = tops.masked_fill(~own_steps(rows, steps)[..., None], -torch.inf).amax(dim=1)
        return self.classify(self.hidden(self.dropout(highest)))


def turned(rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"]) -> Float[Tensor, "n steps dims"]:
    """Every sequence from its last own step to its first; what pads it stays where it is."""
    steps = torch.arange(rows.shape[1], device=rows.device)
    last = lengths.to(rows.device)[:, None] - 1
    place = torch.where(steps <= last, last - steps, steps)
    return rows.gather(1, place[..., None].expand_as(rows))


def side_by_side(
    sets: Sequence[Float[Tensor, "n _ _"]], lengths: Sequence[Int[Tensor, " n"]] | None = None
) -> tuple[Float[Tensor, "n steps dims"], Int[Tensor, " n"]]:
    """Streams of the same videos as one sequence each, as long as the longest stream of the video.

    Streams span the same time. Step i of L takes from a stream of M steps the one that its middle lies in,
    floor((2 i + 1) M / (2 L)), so that every step of a stream is taken floor(L / M) or ceil(L / M) times.

    Args:
        sets: the rows of each stream, padded at the end with anything.
        lengths: the steps of each sequence of each stream, >= 1; None where nothing is padded.

    Returns:
        The rows, zeros where a video is padded, and the steps of each video.
    """
    known = lengths if lengths is not None else [None] * len(sets)
    owned = [own_steps(rows, each) for rows, each in zip(sets, known, strict=True)]
    counts = [own.sum(dim=1) for own in owned]
    longest = torch.stack(counts).amax(dim=0)
    steps = torch.arange(int(longest.max()) if len(longest) else 0, device=sets[0].device)
    parts = []
    for rows, count in zip(sets, counts, strict=True):
        place = (2 * steps + 1) * count[:, None] // (2 * longest[:, None])
        place = place.minimum(count[:, None] - 1)  # beyond the end of the video; blanked below
        parts.append(rows.gather(1, place[..., None].expand(-1, -1, rows.shape[2])))
    rows = torch.cat(parts, dim=2)
    return blanked(rows, own_steps(rows, longest)), longest


def _check(streams: int, sets: Sequence[Tensor], lengths: Sequence[Tensor] | None) -> None:
    if len(sets) != streams or (lengths is not None and len(lengths) != len(sets)):
        got = f"{len(sets)} sets" if lengths is None else f"{len(sets)} sets and {len(lengths)} lengths"
        raise DataError(f"a sequence model of {streams} streams needs a set a stream, got {got}")
