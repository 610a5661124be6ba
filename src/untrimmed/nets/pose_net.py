"""A narrow net from a picture to confidence maps of joints and a field that points from each joint to its person.

A peak of a map is a joint of somebody; the two planes of the field at that place say where this body's chest is, so
that several people come apart (see pose_peaks).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

from untrimmed.data.skeletons import OPENPOSE18, Layout
from untrimmed.nets.backbone import IMAGENET_MEAN, IMAGENET_STD
from untrimmed.records import DataError

LAYOUT = Layout(name="openpose18 and chest", joints=(*OPENPOSE18.joints, "chest"), limbs=OPENPOSE18.limbs)
"""Of the maps, in order: OpenPose's 18 key points, and the mean of shoulders and hips, which stands for a person."""
CHEST = LAYOUT.index("chest")
STRIDE = 4
"""Pixels of the picture a cell of the maps."""
REACH = 8.0
"""Cells that 1 stands for in the field, so that its values are of the size of the logits."""
RARE = -4.0
"""Logit that all maps start at: hardly a cell shows a joint."""


@dataclass(frozen=True, kw_only=True)
class NarrowPose:
    """The size of the net; this package's own, made to train on two cores within minutes."""

    width: int = 16
    """Filters at a quarter of the picture's size; twice, three and four times as many at the three halvings after."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise DataError(f"width of a pose net must be at least 1, got {self.width}")

    def build(self) -> "PoseNet":
        """The net, untrained."""
        return PoseNet(self.width)


class Maps(NamedTuple):
    """What the net says of pictures; one cell stands for 4 x 4 pixels.

    Attributes:
        logits: of each joint being in each cell.
        field: cells from here to the chest of the person whose joint is here, along x and along y.
    """

    logits: Float[Tensor, "n joints rows columns"]
    field: Float[Tensor, "n 2 rows columns"]


class PoseNet(nn.Module):
    """Fully convolutional: halved five times, and back to a quarter of the size by sums with what was there before."""

    mean: Tensor
    std: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        widths, both = [width * level for level in (1, 2, 3, 4)], 2 * width
        self.stem = nn.Sequential(_step(3, width, 5, stride=2), _step(width, width, 3, stride=2))
        self.down = nn.ModuleList(
            [_Block(before, after, 1 if level == 0 else 2) for level, (before, after) in enumerate(_pairs(widths))]
        )
        self.across = nn.ModuleList([nn.Conv2d(size, both, 1) for size in widths])
        self.smooth = nn.ModuleList([_step(both, both, 3, stride=1) for _ in widths[:-1]])
        self.last = nn.Conv2d(both, len(LAYOUT.joints) + 2, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]
        nn.init.constant_(self.last.bias[: len(LAYOUT.joints)], RARE)  # type: ignore[index]

    def forward(self, pictures: Shaped[Tensor, "n 3 height width"]) -> Maps:
        """Maps of pictures whose sides are any; bytes are shifted and scaled, floats are taken as prepared."""
        return self.maps(self.trunk(pictures))

    def trunk(self, pictures: Shaped[Tensor, "n 3 height width"]) -> Float[Tensor, "n width_2 rows columns"]:
        """What the maps are made of; other maps may be made of it too."""
        x = pictures if pictures.dtype != torch.uint8 else (pictures.float() - self.mean) / self.std
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        levels = []
        for block in self.down:
            x = block(x)
            levels.append(x)
        up = self.across[-1](levels[-1])
        for level in reversed(range(len(levels) - 1)):
            wider = interpolate(up, size=levels[level].shape[2:], mode="bilinear", align_corners=False)
            up = self.smooth[level](wider + self.across[level](levels[level]))
        return up

    def maps(self, trunk: Float[Tensor, "n width_2 rows columns"]) -> Maps:
        """Joints and field."""
        out = self.last(trunk).contiguous()
        return Maps(out[:, : len(LAYOUT.joints)], out[:, len(LAYOUT.joints) :] * REACH)


def pose_loss(
    found: Maps,
    maps: Float[Tensor, "n joints rows columns"],
    field: Float[Tensor, "n 2 rows columns"],
    near: Float[Tensor, "n rows columns"],
) -> Float[Tensor, ""]:
    """The mean over joints of what their maps miss, and of how far the field points astray about them.

    |wanted - sigmoid|^2 times the binary cross-entropy, which is least where the sigmoid is what is wanted, also
    between 0 and 1, and pays little heed to the many cells that are empty and known to be; |difference| of the
    field, in units of 8 cells, where a joint is near.

    Args:
        found: what the net says.
        maps: wanted confidences, 0 to 1, a bump of height 1 at each joint.
        field: wanted displacements in cells.
        near: 1 where the field counts, else 0.

    Source: Li et al., Generalized Focal Loss, NeurIPS 2020, equation 3 (beta = 2), for the maps.
    """
    cross = binary_cross_entropy_with_logits(found.logits, maps, reduction="none")
    missed = ((maps - found.logits.sigmoid()) ** 2 * cross).sum()
    astray = (((found.field - field).abs().sum(1) / REACH) * near).sum()
    return missed / maps.sum().clamp(min=1.0) + astray / near.sum().clamp(min=1.0)


class _Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = _step(before, after, 3, stride=stride)
        self.second = nn.Sequential(nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after))
        self.shortcut = (
            nn.Identity() if before == after and stride == 1 else nn.Conv2d(before, after, 1, stride=stride, bias=False)
        )

    def forward(self, x: Float[Tensor, "n before rows columns"]) -> Float[Tensor, "n after rows_out columns_out"]:
        return (self.second(self.first(x)) + self.shortcut(x)).relu()


def _step(before: int, after: int, size: int, *, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, size, stride=stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())


def _pairs(widths: list[int]) -> list[tuple[int, int]]:
    return list(zip([widths[0], *widths[:-1]], widths, strict=True))
