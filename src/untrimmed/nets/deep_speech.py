"""The net of Deep Speech 2 as a head over spectra: convolutions over time and frequency, then recurrent layers."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from untrimmed.aggregate.padding import blanked, own_steps
from untrimmed.records import DataError

CUT = 20.0
"""Where rectified answers of convolutions are cut, as in Deep Speech 2."""
LEAST_SPREAD = 1e-3
"""Decibels; a silent video is not divided by less."""


@dataclass(frozen=True, kw_only=True)
class DeepSpeech:
    """Configuration of the head. Report 14 names the architecture alone; the sizes are those of Deep Speech 2.

    Source: report 14, section 2.3; Amodei et al., Deep Speech 2, ICML 2016, section 3.
    """

    filters: int = 32
    """Of each of the two convolutions."""
    windows: tuple[tuple[int, int], tuple[int, int]] = ((11, 41), (11, 21))
    """Rows and bins that a convolution sees, odd."""
    strides: tuple[tuple[int, int], tuple[int, int]] = ((2, 2), (1, 2))
    """Of each in time and in frequency."""
    layers: int = 5
    """Bidirectional recurrent layers; Deep Speech 2 compares 1 to 7."""
    cells: int = 800
    """Gated recurrent units a direction; Deep Speech 2 chooses them by a budget of parameters."""
    dropout: float = 0.0
    """Share of the mean hidden state that is dropped in training; report 14 does not say."""
    normalised: bool = True
    """Whether each sequence is shifted and scaled to mean 0 and variance 1, so that loudness does not count: Deep
    Speech 2 normalises the power of a sound."""

    def __post_init__(self) -> None:
        odd = all(side > 0 and side % 2 for window in self.windows for side in window)
        strides = min(side for stride in self.strides for side in stride)
        if not odd or strides < 1 or min(self.filters, self.layers, self.cells) < 1 or not 0 <= self.dropout < 1:
            raise DataError(
                "a Deep Speech head needs odd windows, strides, filters, layers and cells >= 1 and dropout in [0, 1), "
                f"got {self}"
            )

    def build(self, dims: int, classes: int) -> "DeepSpeechHead":
        """The head for spectra of so many bins."""
        return DeepSpeechHead(self, dims, classes)


class DeepSpeechHead(nn.Module):
    """Spectra to logits: the mean over time of the last recurrent layer's hidden states, then a linear layer.

    The two directions of a layer are added up. Batch normalisation takes its moments over the own steps of all
    sequences of a batch; between recurrent layers it stands before the input weights, where Deep Speech 2 has it right
    behind them. What pads a short sequence is never looked at, in training neither.

    Source: report 14, section 2.3; Amodei et al., Deep Speech 2, ICML 2016, sections 3.1 to 3.4.
    """

    def __init__(self, config: DeepSpeech, dims: int, classes: int) -> None:
        super().__init__()
        self.config = config
        convolutions, norms, before, bins = [], [], 1, dims
        for window, stride in zip(config.windows, config.strides, strict=True):
            layer = nn.Conv2d(
                before, config.filters, window, stride, padding=(window[0] // 2, window[1] // 2), bias=False
            )
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            convolutions.append(layer)
            norms.append(OwnNorm(config.filters))
            before, bins = config.filters, -(-bins // stride[1])
        self.convolutions, self.convolution_norms = nn.ModuleList(convolutions), nn.ModuleList(norms)
        widths = [before * bins] + [config.cells] * (config.layers - 1)
        # what comes from the convolutions is normalised there
        self.norms = nn.ModuleList(OwnNorm(config.cells) if number else nn.Identity() for number in range(len(widths)))
        self.recurrent = nn.ModuleList(
            nn.GRU(width, config.cells, batch_first=True, bidirectional=True) for width in widths
        )
        self.dropout = nn.Dropout(config.dropout)
        self.classify = nn.Linear(config.cells, classes)

    def pooled(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n cells"]:
        """The mean hidden state of each sequence.

        Args:
            rows: spectra, padded at the end with anything.
            lengths: steps of each; None where nothing is padded.

        Raises:
            DataError: on a length below 1 or above the steps of rows.
        """
        own = own_steps(rows, lengths)
        x = blanked(rows, own)
        x = blanked(_normalised(x, own), own) if self.config.normalised else x
        picture = x[:, None]  # n, filters, steps, bins
        for layer, norm, stride in zip(self.convolutions, self.convolution_norms, self.config.strides, strict=True):
            picture = layer(picture)
            own = own[:, :: stride[0]]
            across = norm(picture.transpose(1, 2), own).clamp(0.0, CUT)
            picture = across.transpose(1, 2)
        x = picture.transpose(1, 2).flatten(2)
        counts = own.sum(1)
        on_cpu = counts.cpu()  # packing wants them there
        for norm, layer in zip(self.norms, self.recurrent, strict=True):
            x = norm(x, own) if isinstance(norm, OwnNorm) else x
            packed = pack_padded_sequence(x, on_cpu, batch_first=True, enforce_sorted=False)
            both, _ = pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=x.shape[1])
            x = both[..., : self.config.cells] + both[..., self.config.cells :]  # zeros behind the own steps
        return x.sum(1) / counts[:, None]

    def forward(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n classes"]:
        """Logits; arguments and errors as in pooled."""
        return self.classify(self.dropout(self.pooled(rows, lengths)))


class OwnNorm(nn.Module):
    """Batch normalisation over the own steps of padded sequences: the moments are those of all of them together.

    Source: Amodei et al., Deep Speech 2, ICML 2016, section 3.2, "sequence-wise".
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(
        self, x: Float[Tensor, "n steps channels *bins"], own: Bool[Tensor, "n steps"]
    ) -> Float[Tensor, "n steps channels *bins"]:
        """The normalised steps, zeros elsewhere."""
        given, answer = x[own], torch.zeros_like(x)
        norm = self.norm
        if self.training and given.numel() == given.shape[1]:  # one number a channel has no variance
            found = nn.functional.batch_norm(
                given, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
            )
        else:
            found = norm(given)
        answer[own] = found.to(answer.dtype)
        return answer


def _normalised(rows: Float[Tensor, "n steps dims"], own: Bool[Tensor, "n steps"]) -> Float[Tensor, "n steps dims"]:
    """Mean 0 and variance 1 over all own numbers of each sequence; the rows must be blank elsewhere."""
    count = own.sum(1)[:, None, None] * rows.shape[2]
    away = rows - rows.sum((1, 2), keepdim=True) / count
    spread = (away.square() * own[..., None]).sum((1, 2), keepdim=True) / count
    return away / spread.sqrt().clamp(min=LEAST_SPREAD)


SMALL_DEEP_SPEECH = DeepSpeech(filters=8, strides=((2, 4), (2, 2)), layers=2, cells=64, dropout=0.3)
"""A head for two cores; no paper's."""
