"""Inception-v1 (GoogLeNet) from torchvision behind the backbone's interface."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone, cross_modality, load_weights
from untrimmed.nets.published_weights import imagenet_weights, weights_from_file


@dataclass(frozen=True, kw_only=True)
class GoogLeNet:
    """Configuration of Inception-v1; its pooled feature, 1,024 numbers, is "pool5" of reports 01, 02, 04, 10 and 11.

    The reports' net has learnt a shuffled ImageNet of 12,988 classes (Mettes et al., The ImageNet Shuffle, ICMR 2016),
    which is published for Caffe only: convert it to a file, or take torchvision's of 1,000 classes.
    """

    weights: Literal["imagenet"] | Path | None = None
    """"imagenet": torchvision's own weights, from its cache or the network; a path: a safetensors file written by
    save_weights, or a .pth file as torchvision publishes it; None starts at random."""
    dropout: float = 0.4
    """Share of the pooled feature that is dropped in training; Szegedy et al., CVPR 2015, section 5."""
    input_size: tuple[int, int] = (224, 224)
    """Height and width of a crop, pixels."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net; a first layer for other than 3 channels starts from the RGB filters' mean."""
        if isinstance(self.weights, Path) and self.weights.suffix == ".safetensors":
            net = _GoogLeNet(self, _trunk(None), classes=classes, channels=channels)
            return load_weights(net, self.weights, fresh=("classifier.",))
        return _GoogLeNet(self, _trunk(self.weights), classes=classes, channels=channels)


class _GoogLeNet(Backbone):
    def __init__(self, config: GoogLeNet, trunk: Any, *, classes: int, channels: int) -> None:
        super().__init__(
            dims=1024,
            classes=classes,
            channels=channels,
            input_size=config.input_size,
            frames=None,
            dropout=config.dropout,
        )
        trunk.fc = trunk.dropout = nn.Identity()  # the backbone has its own
        if channels != 3:
            first = trunk.conv1.conv
            other = nn.Conv2d(channels, first.out_channels, 7, stride=2, padding=3, bias=False)
            other.weight = nn.Parameter(cross_modality(first.weight.detach(), channels))
            trunk.conv1.conv = other
        self.trunk: nn.Module = trunk

    def pooled(self, x: Shaped[Tensor, "n channels height width"]) -> Float[Tensor, "n dims"]:
        return self.trunk(self.prepared(x))


def _trunk(weights: str | Path | None) -> Any:
    import torchvision

    trunk = torchvision.models.googlenet(weights=None, aux_logits=False, transform_input=False, init_weights=True)
    if weights is not None:
        published = (
            weights_from_file(weights)
            if isinstance(weights, Path)
            else imagenet_weights("googlenet", title="GoogLeNet")
        )
        # the two side classifiers help training alone
        trunk.load_state_dict({name: value for name, value in published.items() if not name.startswith("aux")})
    return trunk
