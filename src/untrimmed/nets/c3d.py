"""C3D, and its form for longer clips of fewer pixels (LTC)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone, load_weights
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class C3d:
    """Configuration of C3D: 78,409,573 parameters at 3 channels and 101 classes (report 06, table 1)."""

    frames: int = 16
    """Pictures in a clip; report 06, section 2, "Input"."""
    input_size: tuple[int, int] = (112, 112)
    """Height and width of a crop, pixels; the "112" of report 06's tables."""
    width: int = 64
    """Filters of the first layer; the others are 2, 4 and 8 times as many. The report's is 64."""
    hidden: int = 4096
    """Units of fc6 and fc7; report 06, section 2."""
    dropout: tuple[float, float] = (0.9, 0.8)
    """Shares dropped after fc6 and fc7 in training; report 06, section 2, "Regularization"."""
    weights: Path | None = None
    """Safetensors file to start from (Sports-1M in the paper); None starts at random."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net."""
        return _built(self, pool="flat", classes=classes, channels=channels)


@dataclass(frozen=True, kw_only=True)
class Ltc:
    """Configuration of long-term temporal convolutions: C3D's layers on longer clips.

    The submitted model of report 06 is "rgb-LTC-maxpool-size112-len32", the default here.
    """

    frames: int = 32
    """Pictures in a clip; report 06, section 3."""
    input_size: tuple[int, int] = (112, 112)
    """Height and width of a crop, pixels. Varol et al. use 58 or 71 with 60 to 100 frames."""
    pool: Literal["max", "flat"] = "max"
    """What becomes of the time left after pool5: its maximum, so that fc6 fits C3D's, or all of it to fc6. The report
    says "maxpool" in the model's name and no more."""
    width: int = 64
    """Filters of the first layer; the others are 2, 4 and 8 times as many. C3D's is 64."""
    hidden: int = 4096
    """Units of fc6 and fc7; as C3D."""
    dropout: tuple[float, float] = (0.9, 0.8)
    """Shares dropped after fc6 and fc7 in training; as C3D."""
    weights: Path | None = None
    """Safetensors file to start from; None starts at random. C3D's weights fit at 112 pixels with pool "max"."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net."""
        return _built(self, pool=self.pool, classes=classes, channels=channels)


def _built(config: C3d | Ltc, *, pool: Literal["max", "flat"], classes: int, channels: int) -> Backbone:
    net = _C3dNet(config, pool=pool, classes=classes, channels=channels)
    return net if config.weights is None else load_weights(net, config.weights, fresh=("classifier.",))


class _C3dNet(Backbone):
    """conv 64 P 128 P 256 256 P 512 512 P 512 512 P fc fc; 3x3x3 convolutions, 2x2x2 pooling but 1x2x2 at first."""

    def __init__(self, config: C3d | Ltc, *, pool: Literal["max", "flat"], classes: int, channels: int) -> None:
        super().__init__(
            dims=config.hidden,
            classes=classes,
            channels=channels,
            input_size=config.input_size,
            frames=config.frames,
            dropout=config.dropout[1],
            # The Caffe model takes bytes less the mean of Sports-1M, not scaled. Without batch norm that lets a random
            # start diverge, so bytes are scaled here; filters of the Caffe model's first layer go in times 58.
            mean=(101.0, 97.0, 90.0),
            std=(58.0, 58.0, 58.0),
        )
        layers: list[nn.Module] = []
        before = channels
        size: tuple[int, ...] = (config.frames, *config.input_size)
        for stage, (filters, count) in enumerate(((1, 1), (2, 1), (4, 2), (8, 2), (8, 2))):
            for _ in range(count):
                layer = nn.Conv3d(before, filters * config.width, 3, padding=1)
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
                layers += [layer, nn.ReLU(inplace=True)]
                before = filters * config.width
            window = (1, 2, 2) if stage == 0 else (2, 2, 2)
            # the Caffe model rounds up, so that 7 pixels become 4 and not 3
            layers.append(nn.MaxPool3d(window, window, ceil_mode=True))
            size = tuple(-(-length // step) for length, step in zip(size, window, strict=True))
        if min(config.input_size) < 16 or config.frames < 1:
            raise DataError(f"C3D needs 16x16 pixels and a frame, got {config.input_size} and {config.frames}")
        self.layers = nn.Sequential(*layers)
        self.time = 1 if pool == "max" else size[0]
        self.collapse = pool == "max"
        self.fc6 = nn.Linear(before * self.time * size[1] * size[2], config.hidden)
        self.fc7 = nn.Linear(config.hidden, config.hidden)
        self.drop6 = nn.Dropout(config.dropout[0])

    def pooled(self, x: Shaped[Tensor, "n channels time height width"]) -> Float[Tensor, "n dims"]:
        """fc7 after its ReLU: "C3D features"."""
        x = self.layers(self.prepared(x))
        if self.collapse:
            x = x.amax(2, keepdim=True)
        x = self.drop6(self.fc6(x.flatten(1)).relu())
        return self.fc7(x).relu()
