"""A narrow BesNet that trains on a laptop's cores: bottlenecks that look along time in 3x1x1 and at space in 1x3x3."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone, load_weights
from untrimmed.nets.besnet import DrawnDilation
from untrimmed.nets.solid_layers import SolidConv
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class SmallBesNet:
    """The separable 3-D net with random dilation of report 14 in small; no paper's."""

    frames: int = 8
    """Pictures in a clip; others are taken too, since time is never strided."""
    width: int = 32
    """Filters of the first layer; doubled at each of three halvings. Bottlenecks are a quarter as wide."""
    input_size: tuple[int, int] = (56, 56)
    """Height and width of a crop, pixels."""
    dilations: tuple[int, ...] = (1, 2)
    """What each temporal layer draws its dilation from in training."""
    dropout: float = 0.3
    """Share of the pooled feature that is dropped in training."""
    weights: Path | None = None
    """Safetensors file to start from, of a net of the same size; None starts at random."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net.

        Raises:
            DataError: when there are no frames or dilations, one is < 1, or the width cannot be quartered.
        """
        if self.frames < 1 or not self.dilations or min(self.dilations) < 1 or self.width < 4 or self.width % 4:
            raise DataError(
                "a small BesNet needs frames and dilations >= 1 and a width in fours, got "
                f"{self.frames}, {self.dilations} and {self.width}"
            )
        net = _SmallBesNet(self, classes=classes, channels=channels)
        return net if self.weights is None else load_weights(net, self.weights, fresh=("classifier.",))


class _SmallBesNet(Backbone):
    def __init__(self, config: SmallBesNet, *, classes: int, channels: int) -> None:
        width = config.width
        super().__init__(
            dims=8 * width,
            classes=classes,
            channels=channels,
            input_size=config.input_size,
            frames=config.frames,
            dropout=config.dropout,
        )
        first = nn.Conv3d(channels, width, (1, 5, 5), stride=(1, 2, 2), padding=(0, 2, 2), bias=False)
        pool = nn.MaxPool3d((1, 2, 2))
        blocks = [_Bottleneck(width, width, 1, config.dilations)]
        blocks += [_Bottleneck(width * 2**level, width * 2 ** (level + 1), 2, config.dilations) for level in range(3)]
        self.layers = nn.Sequential(first, nn.BatchNorm3d(width), nn.ReLU(), pool, *blocks)
        for layer in self.layers.modules():
            if isinstance(layer, nn.Conv3d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        # colours innermost train faster on CPUs, as in the other small nets
        self.layers.to(memory_format=torch.channels_last_3d)

    def pooled(self, x: Shaped[Tensor, "n channels time height width"]) -> Float[Tensor, "n dims"]:
        """The mean over space, then the maximum over time."""
        maps = self.layers(self.prepared(x).contiguous(memory_format=torch.channels_last_3d))
        return maps.mean((3, 4)).amax(2)


class _Bottleneck(nn.Module):
    def __init__(self, before: int, after: int, stride: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        narrow = after // 4
        self.narrow, self.widen = (
            DrawnDilation(SolidConv(into, out, (3, 1, 1), stride=(1, 1, 1), bias=False), dilations=dilations, at_test=1)
            for into, out in ((before, narrow), (narrow, after))
        )
        self.space = nn.Conv3d(narrow, narrow, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False)
        last = nn.BatchNorm3d(after)
        nn.init.zeros_(last.weight)  # a block starts as its shortcut
        self.norms = nn.ModuleList([nn.BatchNorm3d(narrow), nn.BatchNorm3d(narrow), last])
        self.shortcut: nn.Module = nn.Identity()
        if before != after or stride > 1:
            self.shortcut = nn.Conv3d(before, after, 1, stride=(1, stride, stride), bias=False)

    def forward(self, x: Float[Tensor, "n before time height width"]) -> Float[Tensor, "n after time *positions"]:
        inner = self.norms[0](self.narrow(x)).relu()
        inner = self.norms[1](self.space(inner)).relu()
        return (self.norms[2](self.widen(inner)) + self.shortcut(x)).relu()
