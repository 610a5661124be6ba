"""The small 2-D net inflated to clips, by the same code and rules as the published nets; no paper's."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone
from untrimmed.nets.inflate import inflate
from untrimmed.nets.inflation_rules import Strides, Which, rule
from untrimmed.nets.positions import SolidBackbone
from untrimmed.nets.small import SmallNet
from untrimmed.nets.solid_layers import Init


@dataclass(frozen=True, kw_only=True)
class SmallInflated:
    """SmallNet on clips: what the findings on inflation are measured with on two cores."""

    frames: int = 8
    """Pictures in a clip."""
    flat: SmallNet = SmallNet(width=8)  # noqa: RUF009
    """The 2-D net."""
    which: Which = "cubes"
    """What is inflated, as in nets.inflated.Inflated."""
    strides: Strides = (1, 1, 2, 2, 2)
    """Of time where the picture is halved for the first, ..., fifth time, as in Small3d."""
    init: Init = "centre"
    """How 3-D filters come from the 2-D weights."""
    weights: Path | None = None
    """Safetensors file of the 2-D net to start from; without one its filters are drawn in 2-D and inflated."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net."""
        return _SmallInflatedNet(self, classes=classes, channels=channels)


class _SmallInflatedNet(SolidBackbone):
    def __init__(self, config: SmallInflated, *, classes: int, channels: int) -> None:
        flat: Any = replace(config.flat, weights=config.weights).build(classes=1, channels=channels)
        super().__init__(
            dims=flat.dims,
            classes=classes,
            channels=channels,
            input_size=config.flat.input_size,
            frames=config.frames,
            dropout=config.flat.dropout,
        )
        layers = nn.Sequential(*flat.layers, nn.AdaptiveAvgPool2d(1))
        reach = rule(config.which, strides=config.strides)
        self.trunk = inflate(layers, reach, init=config.init, pooled=False)

    def feature_map(self, x: Shaped[Tensor, "n channels time height width"]) -> Float[Tensor, "n dims *positions"]:
        return self.trunk(self.prepared(x))
