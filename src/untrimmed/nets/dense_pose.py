"""A pose net that is also taught what is dense: the body part of every cell, where on the part, and the body's shape.

The three are auxiliary tasks on the trunk of the pose net: they are known in training alone and make its training
easier, and what they say at test describes people more finely than joints do.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, smooth_l1_loss

from untrimmed.nets.pose_net import Maps, PoseNet, pose_loss
from untrimmed.records import DataError

PARTS = 24
"""Of DensePose: the patches of the body's surface; 0 stands for what is no body, so that there are 25 classes."""


@dataclass(frozen=True, kw_only=True)
class NarrowDensePose:
    """The size of the net; this package's own. Report 21 does not say what its net is."""

    width: int = 16
    """Of the trunk, see pose_net.NarrowPose."""
    shapes: int = 4
    """Support-vector-shape maps: report 21, section 3.1, has C = 3, 6, 12 and 24."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.shapes < 1:
            raise DataError(f"a dense pose net needs width and shapes >= 1, got {self.width} and {self.shapes}")

    def build(self) -> "DensePoseNet":
        """The net, untrained."""
        return DensePoseNet(self.width, self.shapes)


class DenseMaps(NamedTuple):
    """What the net says of pictures, a cell for 4 x 4 pixels.

    Attributes:
        pose: joints and their field.
        parts: logits of no body and of the 24 parts.
        places: U and V on each part, in (0, 1).
        shapes: the body's support vector shapes.
    """

    pose: Maps
    parts: Float[Tensor, "n 25 rows columns"]
    places: Float[Tensor, "n 24 2 rows columns"]
    shapes: Float[Tensor, "n shapes rows columns"]


class DensePoseNet(nn.Module):
    """The trunk of the pose net with four heads: joints, parts, places on the parts, shapes.

    Source: report 21, section 3 (DenseReg Pose), with a trunk of this package.
    """

    def __init__(self, width: int, shapes: int) -> None:
        super().__init__()
        self.pose = PoseNet(width)
        self.parts = nn.Conv2d(2 * width, PARTS + 1, 1)
        self.places = nn.Conv2d(2 * width, 2 * PARTS, 1)
        self.shapes = nn.Conv2d(2 * width, shapes, 1)

    def forward(self, pictures: Shaped[Tensor, "n 3 height width"]) -> DenseMaps:
        """Maps of pictures whose sides are any; bytes are shifted and scaled, floats are taken as prepared."""
        trunk = self.pose.trunk(pictures)
        places = self.places(trunk).sigmoid().unflatten(1, (PARTS, 2))
        return DenseMaps(self.pose.maps(trunk), self.parts(trunk), places, self.shapes(trunk))


@dataclass(frozen=True, kw_only=True)
class DenseWeights:
    """Of the auxiliary losses beside that of the joints, which counts 1; 0 leaves one out. The paper does not say."""

    parts: float = 0.5
    """Of the index I."""
    places: float = 0.5
    """Of U and V."""
    shapes: float = 0.5
    """Of the support vector shapes."""


NOT_DENSE = DenseWeights(parts=0.0, places=0.0, shapes=0.0)
"""Joints alone: the net without its teacher."""


class DenseTruth(NamedTuple):
    """What is to be learnt: the three of pose_loss, and the dense maps.

    Attributes:
        maps: of joints, 0 to 1.
        field: of joints, cells.
        near: 1 where the field counts.
        part: 0 to 24.
        place: U and V in [0, 1], where there is a part.
        shapes: support vector shapes.
    """

    maps: Float[Tensor, "n joints rows columns"]
    field: Float[Tensor, "n 2 rows columns"]
    near: Float[Tensor, "n rows columns"]
    part: Int[Tensor, "n rows columns"]
    place: Float[Tensor, "n 2 rows columns"]
    shapes: Float[Tensor, "n shapes rows columns"]


def dense_pose_loss(found: DenseMaps, truth: DenseTruth, weights: DenseWeights) -> Float[Tensor, ""]:
    """pose_loss, and the auxiliary losses: each a mean over what it is about.

    I is classified, body and the rest weighing alike however many cells they have; U and V are regressed on the cell's
    own part alone; shapes are regressed everywhere.

    Source: report 21, section 3.2: "a pixel-wise classification problem" and "pixel-wise continuous regression".
    """
    loss = pose_loss(found.pose, truth.maps, truth.field, truth.near)
    body = (truth.part > 0).to(found.parts.dtype)
    cells = body.sum().clamp(min=1.0)
    if weights.parts:
        each = cross_entropy(found.parts, truth.part, reduction="none")
        rest = ((1 - body) * each).sum() / (1 - body).sum().clamp(min=1.0)
        loss = loss + weights.parts * ((body * each).sum() / cells + rest) / 2
    if weights.places:
        own = (truth.part - 1).clamp(min=0)[:, None, None].expand(-1, 1, 2, -1, -1)
        said = found.places.gather(1, own)[:, 0]
        missed = smooth_l1_loss(said, truth.place, reduction="none", beta=0.1).sum(dim=1)
        loss = loss + weights.places * (missed * body).sum() / cells
    if weights.shapes:
        loss = loss + weights.shapes * smooth_l1_loss(found.shapes, truth.shapes)
    return loss


def part_probabilities(parts: Float[Tensor, "n 25 rows columns"]) -> Float[Tensor, "n 24 rows columns"]:
    """Probability of each part at each cell; together that of a body."""
    return torch.softmax(parts, dim=1)[:, 1:]
