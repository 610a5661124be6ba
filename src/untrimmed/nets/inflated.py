"""Inflated nets as backbones: the I3D nets of report 15, the ResNets of report 16 and the 3-D nets of report 08."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone, load_weights
from untrimmed.nets.bn_inception import BnInception
from untrimmed.nets.inflate import inflate
from untrimmed.nets.inflation_rules import Strides, Which, rule
from untrimmed.nets.positions import SolidBackbone
from untrimmed.nets.solid_layers import Ends, Init, SolidConv
from untrimmed.nets.trunks import TRUNKS, TrunkName, file_weights, fill, library_weights, trunk
from untrimmed.records import DataError, MissingExtra


@dataclass(frozen=True, kw_only=True)
class Inflated:
    """Configuration of a 2-D net inflated to clips; the default is the Inception-v1 of report 15, an I3D.

    INFLATED holds the published variants.
    """

    net: TrunkName | Literal["bn_inception"] = "inception_v1"
    """Which 2-D net."""
    frames: int = 96
    """Pictures in a clip; report 15, section 2: 96 in place of I3D's 64. Others are taken too: the net ends in a mean
    over time."""
    input_size: tuple[int, int] = (224, 224)
    """Height and width of a crop, pixels; report 15, table 2."""
    which: Which = "cubes"
    """What is inflated: every square window ("cubes"), the pools ("pools"), the pools and the first convolution
    ("stem"), or nothing ("flat"). 1x7 and 7x1 become 1x1x7 and 1x7x1. Report 15, section 2 and Observation 5."""
    strides: Strides = (2, 1, 1, 2, 2)
    """Strides of time where the picture is halved for the first, ..., fifth time; those of I3D, whose first two pools
    are 1x3x3."""
    init: Init = "centre"
    """How 3-D filters come from the 2-D weights: "replicate" divides them by their length in time, "centre" leaves
    zeros but in the middle, which report 15 found to converge sooner. Without weights filters are drawn in 3-D by
    Xavier's rule (report 16, section 3)."""
    ends: Ends = "zeros"
    """What convolutions see before the first and after the last picture. The reports do not say; I3D's zeros."""
    dropout: float = 0.5
    """Share of the pooled feature that is dropped in training; I3D's. The reports do not say."""
    weights: Literal["imagenet"] | Path | None = None
    """"imagenet": the 2-D net's, by its library, inflated; a path: a .pth or safetensors file of the 2-D net, or one
    written by save_weights of the 2-D or of this net; None starts at random."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net; a first layer for other than 3 channels starts from the RGB filters' mean.

        Raises:
            DataError: when frames < 1, or weights do not fit.
        """
        if self.frames < 1:
            raise DataError(f"an inflated net needs frames >= 1, got {self.frames}")
        given = self._given()
        flat = _bn_inception(channels) if self.net == "bn_inception" else trunk(self.net, channels=channels)
        # a file of this very net has filters of 3-D already
        inflated_before = given is not None and any(value.ndim == 5 for value in given.values())
        if given is not None and not inflated_before:
            fill(flat, given, where=str(self.weights))
        solid = inflate(flat, rule(self.which, strides=self.strides), init=self.init, ends=self.ends, pooled=False)
        if given is None:
            for layer in solid.modules():
                if isinstance(layer, SolidConv):
                    nn.init.xavier_uniform_(layer.weight)
        net = _InflatedNet(self, solid, classes=classes, channels=channels)
        if inflated_before and isinstance(self.weights, Path):
            load_weights(net, self.weights, fresh=("classifier.",))
        return net

    def _given(self) -> dict[str, Tensor] | None:
        if self.weights is None or isinstance(self.weights, Path):
            return None if self.weights is None else file_weights(self.weights)
        if self.net == "bn_inception":
            raise MissingExtra("no library publishes ImageNet weights of BN-Inception: give a file as weights, or None")
        return library_weights(self.net)


_STRIDES_OF_RESNET: Strides = (2, 1, 2, 2, 2)
# Report 15 names the stem and the first pool only; the later stages halve time with the picture, as in I3D.

INFLATED: dict[str, Inflated] = {
    "15 Inception-v1": Inflated(),
    "15 Inception-v3": Inflated(net="inception_v3", frames=64),
    "15 ResNet-50": Inflated(net="resnet50", frames=64, strides=_STRIDES_OF_RESNET),
    "15 ResNet-50, 1x3x3": Inflated(net="resnet50", frames=64, strides=_STRIDES_OF_RESNET, which="stem"),
    "15 ResNet-101": Inflated(net="resnet101", frames=64, strides=_STRIDES_OF_RESNET),
    # N x N x N also in the first pool, and every stride in time too (section 2.1: "a filter of size NxN becomes NxNxN")
    "16 ResNet-v2-50": Inflated(net="resnet50_v2", frames=32, strides=(2, 2, 2, 2, 2), init="replicate"),
    "16 ResNet-v2-101": Inflated(net="resnet101_v2", frames=32, strides=(2, 2, 2, 2, 2), init="replicate"),
    # Only the two pools before the blocks halve time: in the blocks a pool and a convolution halve the picture together
    "08 pools, 8 frames": Inflated(net="bn_inception", frames=8, which="pools", strides=(1, 2, 2, 1, 1)),
    "08 pools, 32 frames": Inflated(net="bn_inception", frames=32, which="pools", strides=(1, 2, 2, 1, 1)),
    "08 pools, Inception-v3": Inflated(
        net="inception_v3", frames=8, which="pools", strides=(1, 2, 2, 1, 1), input_size=(299, 299)
    ),
    "08 pools and convolutions, 8 frames": Inflated(net="bn_inception", frames=8, strides=(1, 2, 2, 1, 1)),
    "08 pools and convolutions, 32 frames": Inflated(net="bn_inception", frames=32, strides=(1, 2, 2, 1, 1)),
}
"""The nets of the reports, by report number and name. Frames of report 15 but Inception-v1's, and all strides of report
08, are not published: 64 as in I3D, and the strides above."""


class _InflatedNet(SolidBackbone):
    def __init__(self, config: Inflated, solid: nn.Module, *, classes: int, channels: int) -> None:
        facts = TRUNKS.get(config.net)
        super().__init__(
            dims=1024 if facts is None else facts.dims,
            classes=classes,
            channels=channels,
            input_size=config.input_size,
            frames=config.frames,
            dropout=config.dropout,
            # BN-Inception's are the Caffe model's
            mean=(123.0, 117.0, 104.0) if facts is None else facts.mean,
            std=(1.0, 1.0, 1.0) if facts is None else facts.std,
        )
        self.trunk = solid

    def feature_map(self, x: Shaped[Tensor, "n channels time height width"]) -> Float[Tensor, "n dims *positions"]:
        return self.trunk(self.prepared(x))


def _bn_inception(channels: int) -> nn.Module:
    net: Any = BnInception().build(classes=1, channels=channels)
    return _FlatBnInception(net.stem, net.blocks)


class _FlatBnInception(nn.Module):
    """The layers of BN-Inception under their own names, in a form that can be traced."""

    def __init__(self, stem: nn.Module, blocks: nn.ModuleDict) -> None:
        super().__init__()
        self.stem, self.blocks = stem, blocks

    def forward(self, x: Any) -> Any:  # a proxy while it is traced
        x = self.stem(x)
        block: Any
        for block in self.blocks.values():
            x = torch.cat([branch(x) for branch in block.branches], dim=1)
        return x.mean((2, 3))
