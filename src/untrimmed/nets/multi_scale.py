"""The nets of report 07: a ResNet-34 in 3-D, and one 3-D net for each length of clip under a joint output."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone, fill, load_weights, without_weights
from untrimmed.nets.c3d import C3d
from untrimmed.nets.inflate import inflate
from untrimmed.nets.inflated import Inflated
from untrimmed.nets.inflation_rules import rule
from untrimmed.nets.p3d import P3d
from untrimmed.nets.positions import SolidBackbone
from untrimmed.nets.small import Small3d
from untrimmed.nets.solid_layers import SolidConv
from untrimmed.propose.temporal_anchors import POSITIVE
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class Resnet3d:
    """Configuration of ResNet-34 with N x N x N for N x N: "we changed the 2D convolution kernels to 3D ones".

    Time is halved with the picture, but not by the first convolution. Where a block changes its width its shortcut is
    a convolution.
    """

    frames: int = 16
    """Pictures in a clip; report 07, section 3. Others are taken too: the net ends in a mean over time."""
    input_size: tuple[int, int] = (112, 112)
    """Height and width of a crop, pixels; report 07, section 3."""
    dropout: float = 0.0
    """Share of the pooled feature that is dropped in training; the report does not say, a ResNet's."""
    weights: Path | None = None
    """Safetensors file to start from (Kinetics in the report); None starts at random."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net."""
        net = _Resnet3dNet(self, classes=classes, channels=channels)
        return net if self.weights is None else load_weights(net, self.weights, fresh=("classifier.",))


class _Resnet3dNet(SolidBackbone):
    def __init__(self, config: Resnet3d, *, classes: int, channels: int) -> None:
        import torchvision  # late: it takes seconds

        super().__init__(
            dims=512,
            classes=classes,
            channels=channels,
            input_size=config.input_size,
            frames=config.frames,
            dropout=config.dropout,
        )
        flat: Any = torchvision.models.resnet34(weights=None)
        flat.fc = nn.Identity()
        if channels != 3:
            flat.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        self.trunk = inflate(flat, rule("cubes", strides=(1, 2, 2, 2, 2)), pooled=False)
        self.trunk.maxpool = nn.MaxPool3d(3, 2, padding=1)  # windows about the even pictures, as torch's 3-D nets have
        for layer in self.trunk.modules():
            if isinstance(layer, SolidConv):  # its filters were drawn in 2-D
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def feature_map(self, x: Shaped[Tensor, "n channels time height width"]) -> Float[Tensor, "n dims *positions"]:
        return self.trunk(self.prepared(x))


ClipNet = C3d | Inflated | P3d | Resnet3d | Small3d
"""The 3-D nets that may look at the clips."""


@dataclass(frozen=True, kw_only=True)
class MultiScale:
    """The joint net and its loss."""

    backbone: ClipNet = C3d(dropout=(0.5, 0.5))  # noqa: RUF009
    """What looks at a clip; section 3 of report 07. Of C3D's dropout it does not tell, this is C3D's own."""
    shared: bool = False
    """One set of weights for all scales instead of one each; the report does not say."""
    trade_off: float = 1.0
    """Weight of the localization loss; the report does not say, Faster R-CNN's lambda with its own normalisation."""

    def build(self, *, scales: int, channels: int, pretrained: bool = True) -> "MultiScaleNet":
        """The net.

        Args:
            scales: clips about each centre, >= 1.
            channels: of one picture.
            pretrained: start from the weights that the backbone's configuration names, if it names any.
        """
        return MultiScaleNet(self, scales=scales, channels=channels, pretrained=pretrained)


class MultiScaleNet(nn.Module):
    """A 3-D net looks at each of several clips about one centre; what they see, side by side, gives one answer.

    Source: report 07, section 2 and figure 1.
    """

    def __init__(self, config: MultiScale, *, scales: int, channels: int, pretrained: bool) -> None:
        """Build the backbones; see MultiScale.build."""
        super().__init__()
        if scales < 1:
            raise DataError(f"a net over several scales needs at least one, got {scales}")
        self.config, self.scales = config, scales
        made = config.backbone if pretrained else without_weights(config.backbone)
        nets = [made.build(classes=1, channels=channels) for _ in range(1 if config.shared else scales)]
        for net in nets:
            del net.classifier  # the joint output is in its place
        self.backbones = nn.ModuleList(nets)
        dims = nets[0].dims * scales
        self.input_size, self.frames = nets[0].input_size, nets[0].frames
        self.actionness = nn.Linear(dims, 2)
        self.told = nn.Linear(dims, 2)

    def start_from(self, backbone: Backbone) -> None:
        """Take the layers of a net that has learnt to classify clips, at every scale.

        Raises:
            DataError: when its layers are others.
        """
        learnt = {key: value for key, value in backbone.state_dict().items() if not key.startswith("classifier.")}
        for net in self.backbones:
            fill(net, learnt, where=f"a {type(backbone).__name__}")

    def forward(
        self, clips: Shaped[Tensor, "n scales channels frames height width"]
    ) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 2"]]:
        """Logits (nothing, something), and what is told of the action about the centre; see propose.centred.

        Args:
            clips: from the smallest scale to the largest; bytes are prepared, floats are taken as prepared.

        Raises:
            DataError: when there are more or fewer scales than the net has.
        """
        if clips.shape[1] != self.scales:
            raise DataError(f"a net over {self.scales} scales needs as many clips a sample, got {clips.shape[1]}")
        seen = []
        for number in range(self.scales):
            net = self.backbones[0 if self.config.shared else number]
            assert isinstance(net, Backbone)
            seen.append(net.dropout(net.pooled(clips[:, number])))
        joint = torch.cat(seen, dim=1)
        return self.actionness(joint), self.told(joint)


def joint_loss(model: nn.Module, batch: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Cross-entropy + trade_off * smooth L1 of both numbers of the positive samples, each over the batch's size.

    Args:
        model: a MultiScaleNet.
        batch: clips, kind (1 for something), what is told.

    Source: report 07, section 2; Girshick, Fast R-CNN, ICCV 2015, equations 1 to 3.
    """
    assert isinstance(model, MultiScaleNet)
    clips, kind, target = batch
    logits, told = model(clips)
    each = nn.functional.smooth_l1_loss(told, target.to(told.dtype), reduction="none").sum(dim=1)
    localization = (each * (kind == POSITIVE)).sum() / len(kind)
    return nn.functional.cross_entropy(logits, kind) + model.config.trade_off * localization
