"""Residual nets from torchvision and timm behind the backbone's interface."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone, cross_modality, load_weights
from untrimmed.nets.published_weights import imagenet_weights, weights_from_file
from untrimmed.records import MissingExtra

IN_TORCHVISION = (18, 34, 50, 101, 152)


@dataclass(frozen=True, kw_only=True)
class Resnet:
    """Configuration of a 2-D ResNet."""

    depth: Literal[18, 34, 50, 101, 152, 200] = 50
    """Layers; 200 comes from timm (which has no pretrained weights for it), the others from torchvision."""
    weights: Literal["imagenet"] | Path | None = None
    """"imagenet": torchvision's own weights, from its cache or the network; a path: a safetensors file of torchvision's
    names (or written by save_weights), or a .pth file as torchvision publishes it; None starts at random."""
    dropout: float = 0.5
    """Share of the pooled feature that is dropped in training."""
    input_size: tuple[int, int] = (224, 224)
    """Height and width of a crop, pixels."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net; a first layer for other than 3 channels starts from the RGB filters' mean."""
        if isinstance(self.weights, Path) and self.weights.suffix == ".safetensors":
            net = _ResnetNet(self, _trunk(self.depth, None), classes=classes, channels=channels)
            return load_weights(net, self.weights, fresh=("classifier.",))
        return _ResnetNet(self, _trunk(self.depth, self.weights), classes=classes, channels=channels)


class _ResnetNet(Backbone):
    def __init__(self, config: Resnet, trunk: nn.Module, *, classes: int, channels: int) -> None:
        dims: int = trunk.fc.in_features  # type: ignore[union-attr, assignment]
        super().__init__(
            dims=dims,
            classes=classes,
            channels=channels,
            input_size=config.input_size,
            frames=None,
            dropout=config.dropout,
        )
        trunk.fc = nn.Identity()
        if channels != 3:
            first = trunk.conv1
            assert isinstance(first, nn.Conv2d)
            other = nn.Conv2d(channels, first.out_channels, 7, stride=2, padding=3, bias=False)
            other.weight = nn.Parameter(cross_modality(first.weight.detach(), channels))
            trunk.conv1 = other
        self.trunk = trunk

    def pooled(self, x: Shaped[Tensor, "n channels height width"]) -> Float[Tensor, "n dims"]:
        return self.trunk(self.prepared(x))


def _trunk(depth: int, weights: str | Path | None) -> Any:
    if depth not in IN_TORCHVISION:
        if weights == "imagenet":
            raise MissingExtra(f"nobody publishes ImageNet weights of ResNet-{depth}: give a file as weights, or None")
        import timm  # late: 3.8 s, and only this depth needs it

        trunk = timm.create_model(f"resnet{depth}", pretrained=False)
    else:
        import torchvision

        trunk = torchvision.models.get_model(f"resnet{depth}", weights=None)
        if weights == "imagenet":
            trunk.load_state_dict(imagenet_weights(f"resnet{depth}", title=f"ResNet-{depth}"))
    if isinstance(weights, Path):
        trunk.load_state_dict(weights_from_file(weights))
    return trunk
