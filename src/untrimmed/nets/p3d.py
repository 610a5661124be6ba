"""P3D ResNet: residual nets whose 3x3x3 convolution is one over space and one over time (pseudo-3D)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone, load_weights
from untrimmed.nets.positions import SolidBackbone
from untrimmed.nets.solid_layers import SolidPool
from untrimmed.records import DataError

Order = Literal["A", "B", "C"]

BLOCKS: dict[int, tuple[int, int, int, int]] = {63: (3, 4, 6, 3), 131: (3, 4, 23, 3), 199: (3, 8, 36, 3)}
"""Blocks of the four stages by depth: those of ResNet-50, -101 and -152, whose first three stages gain a layer a
block."""


@dataclass(frozen=True, kw_only=True)
class P3d:
    """Configuration of P3D ResNet on clips of 16 pictures."""

    depth: Literal[63, 131, 199] = 199
    """Layers. Report 17 does not say; the net of its reference [15] grows from ResNet-152."""
    orders: tuple[Order, ...] = ("A", "B", "C")
    """How space and time follow each other in the blocks, taken in turn: A time after space, B side by side, C time
    after space with space added; report 17, figure 1, and "interleaved" in [15]."""
    frames: int = 16
    """Pictures in a clip; report 17, section 2, "Short clip"."""
    input_size: tuple[int, int] = (160, 160)
    """Height and width of a crop, pixels; as in [15]. Report 17 does not say."""
    width: int = 64
    """Filters of the first layer; the stages have 4, 8, 16 and 32 times as many. A ResNet's is 64."""
    dropout: float = 0.5
    """Share of the pooled feature that is dropped in training. Report 17 does not say."""
    weights: Path | None = None
    """Safetensors file to start from (Sports-1M or Kinetics in the report); None starts at random."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net.

        Raises:
            DataError: when there are no frames or no orders.
        """
        if self.frames < 1 or not self.orders:
            raise DataError(f"P3D needs frames >= 1 and orders of its blocks, got {self.frames} and {self.orders}")
        net = _P3dNet(self, classes=classes, channels=channels)
        return net if self.weights is None else load_weights(net, self.weights, fresh=("classifier.",))


class _P3dNet(SolidBackbone):
    """Stem 1x7x7, pool 2x3x3; after each of the first three stages time is halved; the last stage is flat."""

    def __init__(self, config: P3d, *, classes: int, channels: int) -> None:
        super().__init__(
            dims=32 * config.width,
            classes=classes,
            channels=channels,
            input_size=config.input_size,
            frames=config.frames,
            dropout=config.dropout,
        )
        before = config.width
        layers: list[nn.Module] = [
            *_convolution(channels, before, (1, 7, 7), stride=2),
            nn.ReLU(inplace=True),
            SolidPool(nn.MaxPool2d(3, 2, padding=1), kind="max", kernel=2, stride=2),
        ]
        count = 0
        for stage, blocks in enumerate(BLOCKS[config.depth]):
            inner = config.width * 2**stage
            for block in range(blocks):
                order = config.orders[count % len(config.orders)] if stage < 3 else None
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(PseudoSolidBlock(before, inner, order=order, stride=stride))
                before, count = 4 * inner, count + 1
            if stage < 3:
                layers.append(SolidPool(nn.Identity(), kind="max", kernel=2, stride=2))
        self.layers = nn.Sequential(*layers)

    def feature_map(self, x: Shaped[Tensor, "n channels time height width"]) -> Float[Tensor, "n dims *positions"]:
        return self.layers(self.prepared(x))


class PseudoSolidBlock(nn.Module):
    """A bottleneck whose middle is S (1x3x3) and T (3x1x1), each with batch norm and ReLU.

    A: T(S(x)). B: S(x) + T(x). C: S(x) + T(S(x)). Without an order: S(x), the block of a 2-D ResNet on each picture.

    Source: Qiu et al., Learning Spatio-Temporal Representation with Pseudo-3D Residual Networks, ICCV 2017, section
    3.2; report 17, figure 1.
    """

    def __init__(self, before: int, inner: int, *, order: Order | None, stride: int = 1) -> None:
        """`before` filters to 4 * `inner`; `stride` of height and width, in the first 1x1x1 as in the first ResNet."""
        super().__init__()
        self.order = order
        self.reduce = _convolution(before, inner, (1, 1, 1), stride=stride)
        self.space = _convolution(inner, inner, (1, 3, 3))
        self.time = None if order is None else _convolution(inner, inner, (3, 1, 1))
        self.expand = _convolution(inner, 4 * inner, (1, 1, 1))
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != 4 * inner:
            self.shortcut = _convolution(before, 4 * inner, (1, 1, 1), stride=stride)

    def forward(self, x: Float[Tensor, "n before time height width"]) -> Float[Tensor, "n after *positions"]:
        """The block."""
        inner = torch.relu(self.reduce(x))
        space = torch.relu(self.space(inner))
        if self.time is None:
            middle = space
        elif self.order == "B":
            middle = space + torch.relu(self.time(inner))
        else:
            time = torch.relu(self.time(space))
            middle = time if self.order == "A" else space + time
        return torch.relu(self.expand(middle) + self.shortcut(x))


def _convolution(before: int, after: int, kernel: tuple[int, int, int], *, stride: int = 1) -> nn.Sequential:
    """Convolution of pictures' stride, then batch norm."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    layer = nn.Conv3d(before, after, kernel, stride=(1, stride, stride), padding=padding, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(layer, nn.BatchNorm3d(after))
