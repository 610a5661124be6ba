"""Depth and motion of report 16: a ResNet on what a two-frame net says, that net's features put into its blocks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone, load_weights
from untrimmed.nets.positions import SolidBackbone
from untrimmed.nets.solid_resnet import Bottleneck, SolidResnet, fill_inflated
from untrimmed.nets.trunks import HALF, TrunkName, file_weights, library_weights
from untrimmed.nets.two_frame import CHANNELS, Answer, TwoFrame, as_channels
from untrimmed.records import DataError, MissingExtra

_PUBLISHED: dict[tuple[int, int, int, int], TrunkName] = {(3, 4, 6, 3): "resnet50_v2", (3, 4, 23, 3): "resnet101_v2"}
SCALE = 127 / 57.63
"""From [-1, 1] to what a backbone makes of the stored bytes of these channels: 127 over the mean of ImageNet's stds."""


@dataclass(frozen=True, kw_only=True)
class TwoStarts:
    """Weights that the two nets start from."""

    two_frame: Path | None = None
    """Safetensors file of the two-frame net, as learn_depth_net writes it; None starts at random."""
    resnet: Literal["imagenet"] | Path | None = None
    """Of a 2-D ResNet v2, inflated: timm's own, a file of timm's names, or None for Xavier's rule. Report 16 speaks of
    "transfer learning from ImageNet ... as well as from the DeMoN-Network"."""


@dataclass(frozen=True, kw_only=True)
class DepthMotionResnet:
    """Configuration of a net on RGB clips that looks at pairs of frames and sees depth and motion.

    A clip of pairs + apart frames gives pairs (i, i + apart). A two-frame net says depth, normals, flow and confidence
    of each, which together are the input of a 3-D ResNet v2; features of the two-frame net are added inside it.
    """

    layers: tuple[int, int, int, int] = (3, 4, 6, 3)
    """Units of each block: ResNet-v2-50's (report 16, section 2.3)."""
    width: int = 64
    """Filters of the first layer and of the first block's narrow maps."""
    pairs: int = 16
    """Temporal length of the ResNet's input; report 16, section 2.3."""
    apart: int = 20
    """Frames from the first to the second of a pair; report 16, section 2.3."""
    two_frame: TwoFrame = field(default_factory=TwoFrame)
    """The net that sees pairs. Its last three widths are those of the narrow maps in blocks 2, 3 and 4, "where the
    number of channels ... are equal"."""
    injected: bool = True
    """Whether its features are added inside the ResNet, or only its answers enter."""
    start: Literal["zero", "xavier"] = "zero"
    """How the last injection units begin: at zero the net is at first the one without them. The paper does not say."""
    learns_two_frame: bool = False
    """Whether the two-frame net is trained along; report 16 takes it pre-trained and does not say."""
    dropout: float = 0.5
    """Share of the pooled feature that is dropped in training. The paper does not say."""
    weights: TwoStarts | Path | None = None
    """What the two nets start from, or a safetensors file of the whole that save_weights wrote; None starts at
    random."""

    def __post_init__(self) -> None:
        if self.pairs < 1 or self.apart < 1 or self.width < 1:
            raise DataError(f"a depth-and-motion net needs pairs, apart and width >= 1, got {self}")
        if min(self.layers) < 1 or (self.injected and min(self.layers[1:]) < 2):
            raise DataError(f"injection needs blocks of at least 1, 2, 2 and 2 units, got {self.layers}")

    @property
    def frames(self) -> int:
        """Pictures in a clip."""
        return self.pairs + self.apart

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of a crop, pixels."""
        return self.two_frame.input_size

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net.

        Raises:
            DataError: when the input is not RGB, or weights do not fit.
            MissingExtra: when ImageNet weights are wanted that nobody publishes or that cannot be had.
        """
        if channels != 3:
            raise DataError(f"a depth-and-motion net looks at RGB clips, got {channels} channels")
        starts = self.weights if isinstance(self.weights, TwoStarts) else TwoStarts()
        net = _DepthMotionNet(self, starts, classes=classes)
        return load_weights(net, self.weights, fresh=("classifier.",)) if isinstance(self.weights, Path) else net


class InjectionUnits(nn.Module):
    """Bottleneck units that halve time `halvings` times and leave height and width.

    Source: report 16, section 2.3: "a sequence of n ResNet bottleneck-v2 units, where the temporal length of the ResNet
    feature maps at the point that the DeMoN features will be injected is 16/2^n".
    """

    def __init__(self, before: int, after: int, *, halvings: int, start: Literal["zero", "xavier"] = "zero") -> None:
        super().__init__()
        self.units = nn.Sequential(
            *(
                Bottleneck(before if place == 0 else after, max(1, after // 4), after, stride=(2, 1, 1))
                for place in range(halvings)
            )
        )
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.xavier_uniform_(module.weight)
        if start == "zero":
            last = self.units[-1]
            assert isinstance(last, Bottleneck)
            assert last.downsample is not None  # it halves time, so its shortcut has weights
            nn.init.zeros_(last.conv3.weight)
            nn.init.zeros_(last.downsample.conv.weight)

    def forward(self, x: Float[Tensor, "n before time height width"]) -> Float[Tensor, "n after _time height width"]:
        """What is added to the ResNet."""
        return self.units(x)


class _OfBoth(nn.Module):
    """The units of a level: "the respective optical flow and depth estimation" nets each have their own."""

    def __init__(self, before: int, after: int, *, halvings: int, start: Literal["zero", "xavier"]) -> None:
        super().__init__()
        self.flow = InjectionUnits(before, after, halvings=halvings, start=start)
        self.depth = InjectionUnits(before, after, halvings=halvings, start=start)

    def forward(self, flow: Tensor, depth: Tensor) -> Tensor:
        return self.flow(flow) + self.depth(depth)


class _DepthMotionNet(SolidBackbone):
    def __init__(self, config: DepthMotionResnet, starts: TwoStarts, *, classes: int) -> None:
        resnet = SolidResnet(channels=CHANNELS, layers=config.layers, width=config.width)
        super().__init__(
            dims=resnet.dims,
            classes=classes,
            channels=3,
            input_size=config.input_size,
            frames=config.frames,
            dropout=config.dropout,
            mean=HALF,
            std=(255.0, 255.0, 255.0),  # bytes to [-0.5, 0.5], as the two-frame net wants them
        )
        if starts.resnet is not None:
            fill_inflated(resnet, _flat_weights(config, starts.resnet), where=str(starts.resnet))
        self.config, self.resnet = config, resnet
        self.two_frame = config.two_frame.build(starts.two_frame)
        self.two_frame.requires_grad_(config.learns_two_frame)
        self.injection = nn.ModuleList()
        for place in range(3 if config.injected else 0):
            before, after = config.two_frame.widths[2 + place], config.width * 2 ** (place + 1)
            self.injection.append(_OfBoth(before, after, halvings=place + 1, start=config.start))

    def feature_map(self, x: Shaped[Tensor, "n 3 time height width"]) -> Float[Tensor, "n dims *positions"]:
        apart = self.config.apart
        if x.shape[2] <= apart:
            raise DataError(f"clips of pairs {apart} frames apart must have more than {apart} frames, got {x.shape[2]}")
        frames = self.prepared(x).transpose(1, 2)
        first, second = frames[:, :-apart], frames[:, apart:]
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.learns_two_frame):
            answer: Answer = self.two_frame(first.flatten(0, 1), second.flatten(0, 1))
            maps = SCALE * as_channels(answer, self.config.two_frame)
        shape = first.shape[:2]
        added = [
            units(*(_in_time(level, shape) for level in levels))
            for units, levels in zip(self.injection, answer.levels, strict=False)  # no units where nothing is injected
        ]
        return self.resnet(_in_time(maps, shape), added)


def _in_time(maps: Tensor, shape: torch.Size) -> Tensor:
    return maps.reshape(*shape, *maps.shape[1:]).transpose(1, 2)


def _flat_weights(config: DepthMotionResnet, given: Literal["imagenet"] | Path) -> dict[str, Tensor]:
    if isinstance(given, Path):
        return file_weights(given)
    name = _PUBLISHED.get(config.layers)
    if name is None or config.width != 64:
        raise MissingExtra(
            f"nobody publishes ImageNet weights of a ResNet v2 of {config.layers} units and width {config.width}: give "
            "a file as weights, or None"
        )
    return library_weights(name)
