"""Rows of key points made ready for a net: centred on the body, scaled by the torso, shaken in training."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from untrimmed.data.skeletons import Layout
from untrimmed.records import DataError

TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


@dataclass(frozen=True, kw_only=True)
class Shaking:
    """Random changes of poses in training; one draw a sequence, but for the jitter. Report 08 crops time alone."""

    mirror: bool = False
    """Exchange left and right in half of the sequences; not for classes that a mirror turns into each other."""
    jitter: float = 0.0
    """Deviation of Gaussian noise on each joint of each step, in lengths of the torso."""
    turn_degrees: float = 0.0
    """Largest turn in the plane of the picture to either side."""
    stretch: float = 0.0
    """Deviation of the logarithms of the factors along x and along y."""
    lost: float = 0.0
    """Share of the joints that count as not found throughout a sequence."""

    def __post_init__(self) -> None:
        numbers = (self.jitter, self.turn_degrees, self.stretch, self.lost)
        if min(numbers) < 0 or self.lost >= 1 or not all(map(math.isfinite, numbers)):
            raise DataError(f"shaking of poses needs numbers >= 0 and a lost share below 1, got {self}")


def prepared(
    points: Float[Tensor, "n steps joints 3"],
    layout: Layout,
    *,
    own: Bool[Tensor, "n steps"],
    centre: Literal["sequence", "step"] = "sequence",
) -> Float[Tensor, "n steps joints 3"]:
    """x and y from the middle of the body in lengths of the torso; scores as they are; zero where not found.

    The middle of a step is the mean of the shoulders and hips that were found, else of all joints that were. The torso
    reaches from the middle of the shoulders to that of the hips; its length is the mean over the steps that have all
    four, else the joints' root mean square distance from the middle stands for it. Moving or enlarging the input
    changes nothing.

    Args:
        points: x, y and score in any unit; a score of 0 or below means not found.
        layout: their layout.
        own: which steps are the sequence's own.
        centre: "sequence" sets the origin once, to the mean of the middles of its steps, and keeps how the body moves
            through the picture; "step" sets it anew in every step.

    Raises:
        DataError: when the points are not of this layout.
    """
    if points.shape[2] != len(layout.joints):
        raise DataError(f"key points of {layout.name} have {len(layout.joints)} joints, got {points.shape[2]}")
    found = (points[..., 2] > 0) & own[..., None]
    places = points[..., :2].masked_fill(~found[..., None], 0.0)
    trunk = [layout.index(joint) for joint in TRUNK]
    on_trunk = torch.zeros_like(found)
    on_trunk[..., trunk] = found[..., trunk]
    counted = torch.where(on_trunk.any(2, keepdim=True), on_trunk, found)
    middle = _mean(places, counted, 2)
    seen = found.any(2)
    if centre == "sequence":
        middle = _mean(middle, seen, 1)[:, None].expand_as(middle)
    whole = found[..., trunk].all(2)
    torso = places[:, :, trunk[:2]].mean(2) - places[:, :, trunk[2:]].mean(2)
    from_middle = places - _mean(places, counted, 2)[:, :, None]
    spread = _mean(from_middle.square().sum(3, keepdim=True).flatten(1, 2), found.flatten(1), 1)[:, 0].sqrt()
    length = _mean(torso.square().sum(2, keepdim=True).sqrt(), whole, 1)[:, 0]
    length = torch.where(length > 0, length, spread)
    length = torch.where(length > 0, length, torch.ones_like(length))
    out = (places - middle[:, :, None]) / length[:, None, None, None]
    return torch.cat([out, points[..., 2:]], dim=3).masked_fill(~found[..., None], 0.0)


def shaken(
    points: Float[Tensor, "n steps joints 3"], layout: Layout, how: Shaking
) -> Float[Tensor, "n steps joints 3"]:
    """Prepared poses changed at random, by torch's CPU generator; joints not found stay zero."""
    count = len(points)
    found = points[..., 2:] > 0
    places, scores = points[..., :2], points[..., 2:]
    if how.mirror:
        flipped = (torch.rand(count) < 0.5).to(points.device)[:, None, None, None]
        other = list(layout.mirror)
        sides = torch.tensor([-1.0, 1.0], dtype=points.dtype, device=points.device)
        places = torch.where(flipped, places[:, :, other] * sides, places)
        scores = torch.where(flipped, scores[:, :, other], scores)
        found = torch.where(flipped, found[:, :, other], found)
    if how.turn_degrees or how.stretch:
        angle = torch.deg2rad((2 * torch.rand(count) - 1) * how.turn_degrees)
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(count, 2, 2)
        turn = turn * (torch.randn(count, 2, 1) * how.stretch).exp()
        places = torch.einsum("nij,nsgj->nsgi", turn.to(places), places)
    if how.jitter:
        places = places + (torch.randn(places.shape) * how.jitter).to(places)
    if how.lost:
        found = found & (torch.rand(count, 1, points.shape[2], 1) >= how.lost).to(points.device)
    return torch.cat([places, scores], dim=3).masked_fill(~found, 0.0)


def with_motion(points: Float[Tensor, "n steps joints 3"]) -> Float[Tensor, "n steps joints 5"]:
    """Each joint beside how far it went since the step before; 0 in the first step and where it was lost in either."""
    moved = torch.zeros_like(points[..., :2])
    both = (points[:, 1:, :, 2:] > 0) & (points[:, :-1, :, 2:] > 0)
    moved[:, 1:] = (points[:, 1:, :, :2] - points[:, :-1, :, :2]).masked_fill(~both, 0.0)
    return torch.cat([points, moved], dim=3)


def _mean(values: Tensor, counted: Tensor, axis: int) -> Tensor:
    """The mean along an axis over what counts; 0 where nothing does. The last axis of values is not in counted."""
    weights = counted.to(values.dtype)[..., None]
    return (values * weights).sum(axis) / weights.sum(axis).clamp(min=1)
