"""The deeper 2-D nets of the reports on single frames or stacked flow, behind the backbone's interface."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone
from untrimmed.nets.trunks import TRUNKS, TrunkName, file_weights, fill, library_weights, trunk


@dataclass(frozen=True, kw_only=True)
class FrameNet:
    """Configuration of a 2-D net of torchvision or timm.

    Reports 03 and 08 tried Inception-v3, Inception-v4, Inception-ResNet-v2, ResNet-200 and ResNet-269 on frames; report
    13 found Inception-ResNet-v2 best.
    """

    net: TrunkName = "inception_resnet_v2"
    """Which; "v2" ResNets normalise before they convolve. ResNet-269 has 3, 30, 48 and 8 blocks."""
    weights: Literal["imagenet"] | Path | None = None
    """"imagenet": the library's own weights, from its cache or the network; a path: a .pth or safetensors file of the
    library's names, or one written by save_weights; None starts at random."""
    dropout: float = 0.8
    """Share of the pooled feature that is dropped in training; TSN's value for RGB. The reports do not say."""
    input_size: tuple[int, int] = (299, 299)
    """Height and width of a crop, pixels; what the Inceptions from v3 on are made for, 224 for the others. The reports
    do not say."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net; a first layer for other than 3 channels starts from the RGB filters' mean."""
        made = trunk(self.net, channels=channels)
        if self.weights is not None:
            given = file_weights(self.weights) if isinstance(self.weights, Path) else library_weights(self.net)
            fill(made, given, where=str(self.weights))
        return _FrameNet(self, made, classes=classes, channels=channels)


class _FrameNet(Backbone):
    def __init__(self, config: FrameNet, made: nn.Module, *, classes: int, channels: int) -> None:
        facts = TRUNKS[config.net]
        super().__init__(
            dims=facts.dims,
            classes=classes,
            channels=channels,
            input_size=config.input_size,
            frames=None,
            dropout=config.dropout,
            mean=facts.mean,
            std=facts.std,
        )
        self.trunk = made

    def pooled(self, x: Shaped[Tensor, "n channels height width"]) -> Float[Tensor, "n dims"]:
        return self.trunk(self.prepared(x))
