"""BN-Inception, the 2-D net of temporal segment networks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone, load_weights


@dataclass(frozen=True, kw_only=True)
class Block:
    """One Inception block: filters of its branches, 0 for a branch that is not there.

    A block with `stride` 2 has no 1x1 branch and passes its pooled input through.
    """

    one: int
    three: tuple[int, int]
    double: tuple[int, int]
    pool: Literal["average", "max"]
    project: int
    stride: int = 1


# Ioffe and Szegedy, Batch Normalization, ICML 2015, figure 5, in the sizes of the Caffe model that TSN uses:
# (1x1), (3x3 reduce, 3x3), (double 3x3 reduce, double 3x3), pooling, its projection.
BLOCKS: dict[str, Block] = {
    "3a": Block(one=64, three=(64, 64), double=(64, 96), pool="average", project=32),
    "3b": Block(one=64, three=(64, 96), double=(64, 96), pool="average", project=64),
    "3c": Block(one=0, three=(128, 160), double=(64, 96), pool="max", project=0, stride=2),
    "4a": Block(one=224, three=(64, 96), double=(96, 128), pool="average", project=128),
    "4b": Block(one=192, three=(96, 128), double=(96, 128), pool="average", project=128),
    "4c": Block(one=160, three=(128, 160), double=(128, 160), pool="average", project=128),
    "4d": Block(one=96, three=(128, 192), double=(160, 192), pool="average", project=128),
    "4e": Block(one=0, three=(128, 192), double=(192, 256), pool="max", project=0, stride=2),
    "5a": Block(one=352, three=(192, 320), double=(160, 224), pool="average", project=128),
    "5b": Block(one=352, three=(192, 320), double=(192, 224), pool="max", project=128),
}


@dataclass(frozen=True, kw_only=True)
class BnInception:
    """Configuration of BN-Inception: 10,373,765 parameters at 3 channels and 101 classes (report 06, table 1)."""

    dropout: float = 0.8
    """Share of the pooled feature that is dropped in training; TSN's value for RGB (flow: 0.7). Report 06, section 2,
    says "high"."""
    weights: Path | None = None
    """Safetensors file to start from (ImageNet in the paper), RGB order; None starts at random."""
    input_size: tuple[int, int] = (224, 224)
    """Height and width of a crop, pixels; TSN's value."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net; a first layer for other than 3 channels starts from the RGB filters' mean."""
        net = _BnInceptionNet(self, classes=classes, channels=channels)
        return net if self.weights is None else load_weights(net, self.weights, fresh=("classifier.",))


class _BnInceptionNet(Backbone):
    def __init__(self, config: BnInception, *, classes: int, channels: int) -> None:
        super().__init__(
            dims=1024,
            classes=classes,
            channels=channels,
            input_size=config.input_size,
            frames=None,
            dropout=config.dropout,
            mean=(123.0, 117.0, 104.0),  # the Caffe model's, byte values, not scaled
            std=(1.0, 1.0, 1.0),
        )
        self.stem = nn.Sequential(
            _convolution(channels, 64, 7, stride=2),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            _convolution(64, 64, 1),
            _convolution(64, 192, 3),
            nn.MaxPool2d(3, 2, ceil_mode=True),
        )
        self.blocks, width = nn.ModuleDict(), 192
        for name, block in BLOCKS.items():
            made = _InceptionBlock(block, width)
            self.blocks[name], width = made, made.width

    def pooled(self, x: Shaped[Tensor, "n channels height width"]) -> Float[Tensor, "n 1024"]:
        x = self.stem(self.prepared(x))
        for block in self.blocks.values():
            x = block(x)
        return x.mean((2, 3))


class _InceptionBlock(nn.Module):
    def __init__(self, block: Block, before: int) -> None:
        super().__init__()
        branches: list[nn.Module] = []
        if block.one:
            branches.append(_convolution(before, block.one, 1))
        reduce, out = block.three
        branches.append(
            nn.Sequential(_convolution(before, reduce, 1), _convolution(reduce, out, 3, stride=block.stride))
        )
        reduce, out = block.double
        branches.append(
            nn.Sequential(
                _convolution(before, reduce, 1),
                _convolution(reduce, out, 3),
                _convolution(out, out, 3, stride=block.stride),
            )
        )
        if block.stride == 2:
            branches.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        else:
            pool = nn.AvgPool2d(3, 1, padding=1) if block.pool == "average" else nn.MaxPool2d(3, 1, padding=1)
            branches.append(nn.Sequential(pool, _convolution(before, block.project, 1)))
        self.branches = nn.ModuleList(branches)
        self.width = block.one + block.three[1] + block.double[1] + (block.project or before)

    def forward(self, x: Float[Tensor, "n before height width"]) -> Float[Tensor, "n after height_out width_out"]:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def _convolution(before: int, after: int, size: int, *, stride: int = 1) -> nn.Sequential:
    """Convolution with bias (as in the Caffe model), batch norm, ReLU."""
    layer = nn.Conv2d(before, after, size, stride=stride, padding=size // 2)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return nn.Sequential(layer, nn.BatchNorm2d(after), nn.ReLU(inplace=True))
