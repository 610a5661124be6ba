"""VGG16 on the log-mel pictures of sound, as report 13 uses it."""

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone, load_weights
from untrimmed.records import DataError

STAGES = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))
"""Filters as multiples of the width, and layers, of each stage: configuration D of VGG. A pool of 2 x 2 ends each."""


@dataclass(frozen=True, kw_only=True)
class VggAudio:
    """Configuration of VGG16 for patches of sound.

    Source: report 13, section 2.2; Simonyan and Zisserman, Very deep convolutional networks, ICLR 2015, table 1, D;
    Hershey et al., CNN architectures for large-scale audio classification, ICASSP 2017, section 3.
    """

    width: int = 64
    """Filters of the first stage; VGG's."""
    hidden: int = 4096
    """Neurons of each of the two layers before the last; VGG's."""
    batch_norm: bool = True
    """Normalise after every convolution, as Hershey et al. do; the paper does not say."""
    dropout: float = 0.5
    """Share dropped after both of those layers in training; VGG's."""
    weights: Path | None = None
    """Safetensors file to start from; None starts at random. The paper does not say what it started from."""
    input_size: tuple[int, int] = (96, 64)
    """Spectra and bands of a patch; report 13, section 2.2."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.hidden < 1 or min(self.input_size) < 32:
            raise DataError(f"VGG16 for sound needs width and hidden >= 1 and patches of 32 x 32 or more, got {self}")

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net; a first layer for other channels than the file's starts from the RGB filters' mean."""
        net = _VggNet(self, classes=classes, channels=channels)
        return net if self.weights is None else load_weights(net, self.weights, fresh=("classifier.",))


class _VggNet(Backbone):
    def __init__(self, config: VggAudio, *, classes: int, channels: int) -> None:
        super().__init__(
            dims=config.hidden,
            classes=classes,
            channels=channels,
            input_size=config.input_size,
            frames=None,
            dropout=config.dropout,
        )
        layers: list[nn.Module] = []
        before = channels
        for multiple, count in STAGES:
            for _ in range(count):
                layers += _convolution(before, multiple * config.width, norm=config.batch_norm)
                before = multiple * config.width
            layers.append(nn.MaxPool2d(2))
        self.layers = nn.Sequential(*layers)
        # pictures of another size are pooled to the same number of places; of input_size nothing is pooled
        grid = (config.input_size[0] // 32, config.input_size[1] // 32)
        self.grid = nn.AdaptiveAvgPool2d(grid)
        self.hidden = nn.Sequential(
            nn.Flatten(),
            _linear(before * grid[0] * grid[1], config.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            _linear(config.hidden, config.hidden),
            nn.ReLU(inplace=True),
        )

    def pooled(self, x: Shaped[Tensor, "n channels height width"]) -> Float[Tensor, "n dims"]:
        return self.hidden(self.grid(self.layers(self.prepared(x))))


def _convolution(before: int, after: int, *, norm: bool) -> list[nn.Module]:
    layer = nn.Conv2d(before, after, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return [layer, nn.BatchNorm2d(after), nn.ReLU(inplace=True)] if norm else [layer, nn.ReLU(inplace=True)]


def _linear(before: int, after: int) -> nn.Linear:
    layer = nn.Linear(before, after)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer
