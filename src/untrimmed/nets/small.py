"""Narrow residual nets, 2-D and 3-D, that train on a laptop's cores in about a minute; no paper's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone, load_weights


@dataclass(frozen=True, kw_only=True)
class SmallNet:
    """A 2-D residual net of ten layers for pictures of 64 pixels or so."""

    width: int = 16
    """Filters of the first layer; doubled at each of three halvings."""
    input_size: tuple[int, int] = (56, 56)
    """Height and width of a crop, pixels."""
    dropout: float = 0.3
    """Share of the pooled feature that is dropped in training."""
    weights: Path | None = None
    """Safetensors file to start from, of a net of the same size; None starts at random."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net."""
        return _built(self, frames=None, classes=classes, channels=channels)


@dataclass(frozen=True, kw_only=True)
class Small3d:
    """A 3-D residual net of ten layers for clips of 8 to 32 small pictures."""

    frames: int = 16
    """Pictures in a clip."""
    width: int = 8
    """Filters of the first layer; doubled at each of three halvings."""
    input_size: tuple[int, int] = (56, 56)
    """Height and width of a crop, pixels."""
    dropout: float = 0.3
    """Share of the pooled feature that is dropped in training."""
    weights: Path | None = None
    """Safetensors file to start from, of a net of the same size; None starts at random."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net."""
        return _built(self, frames=self.frames, classes=classes, channels=channels)


def _built(config: SmallNet | Small3d, *, frames: int | None, classes: int, channels: int) -> Backbone:
    net = _SmallResnet(
        channels=channels,
        classes=classes,
        width=config.width,
        input_size=config.input_size,
        frames=frames,
        dropout=config.dropout,
    )
    return net if config.weights is None else load_weights(net, config.weights, fresh=("classifier.",))


class _SmallResnet(Backbone):
    def __init__(
        self,
        *,
        channels: int,
        classes: int,
        width: int,
        input_size: tuple[int, int],
        frames: int | None,
        dropout: float,
    ) -> None:
        super().__init__(
            dims=8 * width,
            classes=classes,
            channels=channels,
            input_size=input_size,
            frames=frames,
            dropout=dropout,
        )
        solid = frames is not None
        first = _convolution(solid, channels, width, 5, stride=(1, 2, 2) if solid else (2, 2))
        norm = nn.BatchNorm3d(width) if solid else nn.BatchNorm2d(width)
        # halved twice before the first block: most of the time would be spent there otherwise
        pool = nn.MaxPool3d((1, 2, 2)) if solid else nn.MaxPool2d(2)
        blocks = [_Residual(solid, width, width, (1, 1, 1))]
        blocks += [_Residual(solid, width * 2**level, width * 2 ** (level + 1), (2, 2, 2)) for level in range(3)]
        # colours innermost train 1.2 to 1.7 times as fast on CPUs
        self.order = torch.channels_last_3d if solid else torch.channels_last
        self.layers = nn.Sequential(first, norm, nn.ReLU(), pool, *blocks).to(memory_format=self.order)

    def pooled(self, x: Shaped[Tensor, "n channels *positions"]) -> Float[Tensor, "n dims"]:
        return self.layers(self.prepared(x).contiguous(memory_format=self.order)).flatten(2).mean(2)


class _Residual(nn.Module):
    def __init__(self, solid: bool, before: int, after: int, stride: tuple[int, ...]) -> None:
        super().__init__()
        stride = stride if solid else stride[-2:]
        self.first = _convolution(solid, before, after, 3, stride=stride)
        self.first_norm = nn.BatchNorm3d(after) if solid else nn.BatchNorm2d(after)
        self.second = _convolution(solid, after, after, 3, stride=(1,) * len(stride))
        self.second_norm = nn.BatchNorm3d(after) if solid else nn.BatchNorm2d(after)
        nn.init.zeros_(self.second_norm.weight)  # a block starts as its shortcut
        self.shortcut: nn.Module = nn.Identity()
        if before != after or max(stride) > 1:
            self.shortcut = _convolution(solid, before, after, 1, stride=stride)

    def forward(self, x: Any) -> Any:  # a proxy while it is traced, else (n, channels, *positions)
        inner = self.first_norm(self.first(x)).relu()
        return (self.second_norm(self.second(inner)) + self.shortcut(x)).relu()


def _convolution(solid: bool, before: int, after: int, size: int, *, stride: tuple[int, ...]) -> nn.Module:
    layer: nn.Conv2d | nn.Conv3d
    if solid:
        depth = min(size, 3)
        kernel, padding = (depth, size, size), (depth // 2, size // 2, size // 2)
        layer = nn.Conv3d(before, after, kernel, stride=(stride[0], stride[1], stride[2]), padding=padding, bias=False)
    else:
        layer = nn.Conv2d(before, after, size, stride=(stride[0], stride[1]), padding=size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer
