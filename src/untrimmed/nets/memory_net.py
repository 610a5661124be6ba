"""A 2-D net whose feature maps at three depths, of many frames of a video at once, go into one memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from untrimmed.aggregate.memory import MemoryConfig, sampled_positions
from untrimmed.nets.backbone import Backbone
from untrimmed.nets.resnet import Resnet
from untrimmed.nets.small import SmallNet
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class MemoryNet:
    """Configuration of the multi-scale attention model.

    It is given clips like a 3-D net, whose pictures are a video's frames at even distances, and folds their time into
    the batch of a 2-D net. In training it draws frames and positions at random; at test it looks at all of both, as
    the memory adds up over positions and its length is taken out.
    """

    trunk: Resnet | SmallNet = Resnet(depth=101, dropout=0.0)  # noqa: RUF009
    """The 2-D net; section 2 takes the maps from ResNet-101. Its own weights must be None and its dropout does not
    count."""
    memory: MemoryConfig = MemoryConfig()  # noqa: RUF009
    """The memory and its attention."""
    frames: int = 32
    """Pictures it is given of a video; the paper does not say what it draws from."""
    drawn: int = 16
    """Of those, drawn at random in training; section 2: "we randomly sample 16 frames from a video"."""
    weights: Literal["imagenet"] | Path | None = None
    """What the trunk starts from: "imagenet", or a file as `Resnet` or `SmallNet` takes it, for example of the RGB net
    that was trained first; None starts at random. The paper starts its RGB net from ImageNet and does not say more."""
    dropout: float = 0.0
    """Share of the final memory that is dropped in training; the paper does not say."""

    def __post_init__(self) -> None:
        if not 1 <= self.drawn <= self.frames:
            raise DataError(f"a memory net draws from 1 to {self.frames} of its frames, got {self.drawn}")
        if self.trunk.weights is not None:
            raise DataError(f"weights of a memory net belong to itself and not to its trunk, got {self.trunk.weights}")
        if isinstance(self.trunk, SmallNet) and self.weights == "imagenet":
            raise DataError("nobody has trained a small net on ImageNet: give a file as weights, or None")

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net; a first layer for other than 3 channels starts from the RGB filters' mean."""
        # the trunk's rules for weights are its own; its classifier is not used
        start = replace(self.trunk, weights=self.weights)  # type: ignore[arg-type] # checked above
        trunk = start.build(classes=1, channels=channels)
        return _MemoryNet(self, trunk, classes=classes)


class _MemoryNet(Backbone):
    """The stages of a trunk, and the memory on the maps of the last three.

    Source: report 05, sections 1 and 2 ("activations from block 2, block 3, and block 4").
    """

    def __init__(self, config: MemoryNet, trunk: Backbone, *, classes: int) -> None:
        super().__init__(
            dims=config.memory.slots * config.memory.size,
            classes=classes,
            channels=trunk.channels,
            input_size=trunk.input_size,
            frames=config.frames,
            dropout=config.dropout,
        )
        self.drawn = config.drawn
        first, *blocks = _stages(trunk)
        self.first, self.blocks = first, nn.ModuleList(blocks)
        # each block has twice the channels of the one before
        self.memory = config.memory.build([trunk.dims // 4, trunk.dims // 2, trunk.dims], classes)
        self.memory.classify = nn.Identity()  # type: ignore[assignment] # the backbone's own takes its place

    def pooled(self, x: Shaped[Tensor, "n channels time height width"]) -> Float[Tensor, "n dims"]:
        """The final memory, flattened."""
        if self.training and self.drawn < x.shape[2]:
            x = drawn_frames(x, self.drawn)
        n, _, time = x.shape[:3]
        maps = self._maps(self.prepared(x.transpose(1, 2).flatten(0, 1)))
        rows = [self._positions(part.reshape(n, time, *part.shape[1:])) for part in maps]
        return self.memory.remember(rows).flatten(1)

    def _maps(self, x: Float[Tensor, "frames channels height width"]) -> list[Float[Tensor, "frames _ _ _"]]:
        x = self.first(x)
        found = []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return found

    def _positions(self, maps: Float[Tensor, "n frames channels k k"]) -> Float[Tensor, "n positions channels"]:
        return sampled_positions(maps) if self.training else maps.movedim(2, 4).flatten(1, 3)


def drawn_frames(
    x: Shaped[Tensor, "n channels time *positions"], count: int
) -> Shaped[Tensor, "n channels _ *positions"]:
    """So many of each clip's pictures, drawn at random without repeats, each clip its own; in the order of time."""
    n, time = x.shape[0], x.shape[2]
    chosen = (
        torch.rand(n, time).argsort(dim=1)[:, :count].sort(dim=1).values
    )  # on the CPU, where the step's seed counts
    return torch.stack([clip[:, each] for clip, each in zip(x, chosen.to(x.device), strict=True)])


def _stages(trunk: Backbone) -> Sequence[nn.Module]:
    """All up to block 1, then blocks 2, 3 and 4."""
    if isinstance(layers := getattr(trunk, "layers", None), nn.Sequential):
        return [layers[:-3], *layers[-3:]]
    parts = dict(trunk.get_submodule("trunk").named_children())
    names = list(parts)
    first = [parts[name] for name in names[: names.index("layer2")]]
    return [nn.Sequential(*first), parts["layer2"], parts["layer3"], parts["layer4"]]
