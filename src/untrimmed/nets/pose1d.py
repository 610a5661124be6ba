"""Pose CNN: 1-D convolutions over the key points of a body in time, flat or with body parts first (report 08, 2.3)."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from untrimmed.aggregate.padding import own_steps
from untrimmed.data.skeletons import PARTS, LayoutName, layout_of
from untrimmed.nets.pose_rows import Shaking, prepared, shaken, with_motion
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class PoseConvolutions:
    """The shared trunk of table 4: five units after the first, then average, dropout and one linear layer."""

    channels: tuple[tuple[int, int], ...] = ((256, 256), (256, 256), (256, 256), (512, 1024), (1024, 1024))
    """Filters, 3 steps wide, of the two convolutions of conv2 to conv6. Report 08, table 4."""
    strides: tuple[int, ...] = (1, 2, 2, 2, 1)
    """Of the first convolution of each. Report 08, table 4."""
    pool: int = 6
    """Steps of the last unit that are averaged before the linear layer: all that 48 steps leave. A longer sequence is
    averaged at every place, classified at each, and the logits are averaged. Report 08, table 4 and section 2.3."""
    dropout: float = 0.5
    """Share of the average that is dropped in training. The paper does not say how much."""

    def __post_init__(self) -> None:
        sizes = [*self.strides, self.pool, *(size for pair in self.channels for size in pair)]
        if len(self.channels) != len(self.strides) or not self.channels or min(sizes) < 1 or not 0 <= self.dropout < 1:
            raise DataError(
                f"a pose net needs a stride a unit, sizes >= 1 and a dropout in [0, 1), got {self.channels}, "
                f"{self.strides}, {self.pool} and {self.dropout}"
            )


@dataclass(frozen=True, kw_only=True)
class FlatPose:
    """The whole body through one trunk: 20.13 % top-1 on Kinetics in report 08, table 5."""

    layout: LayoutName = "openpose18"
    """Order of the joints in a row: x, y, score of each joint of each person."""
    first: tuple[int, int] = (128, 256)
    """Filters of the two convolutions of conv1. Report 08, table 4."""
    trunk: PoseConvolutions = field(default_factory=PoseConvolutions)
    """conv2 to conv6."""
    centre: Literal["sequence", "step"] = "sequence"
    """Where the origin lies, see pose_rows.prepared. "The normalized feature", says the paper."""
    motion: bool = False
    """Whether a joint's way since the step before stands beside its place. The paper does not say so."""
    shaking: Shaking = field(default_factory=Shaking)
    """Random changes in training."""

    def __post_init__(self) -> None:
        _check_first(self.first)

    def build(self, dims: int, classes: int) -> "PoseSequenceNet":
        """The net for rows of one or several people.

        Raises:
            DataError: when the dims are no multiple of three numbers a joint.
        """
        return PoseSequenceNet(self, dims, classes)


@dataclass(frozen=True, kw_only=True)
class HierarchicalPose:
    """The whole body and its five parts through a unit of their own, joined before conv2: 24.11 % in table 5."""

    layout: LayoutName = "openpose18"
    """Order of the joints in a row: x, y, score of each joint of each person."""
    first: tuple[int, int] = (128, 256)
    """Filters of the two convolutions of conv1 for the whole body. Report 08, table 4, "full pose"."""
    part: tuple[int, int] = (128, 256)
    """The same for each of the five parts; "concatenated after two convolutional units". The paper does not say."""
    trunk: PoseConvolutions = field(default_factory=PoseConvolutions)
    """conv2 to conv6."""
    centre: Literal["sequence", "step"] = "sequence"
    """Where the origin lies, see pose_rows.prepared. "The normalized feature", says the paper."""
    motion: bool = False
    """Whether a joint's way since the step before stands beside its place. The paper does not say so."""
    shaking: Shaking = field(default_factory=Shaking)
    """Random changes in training."""

    def __post_init__(self) -> None:
        _check_first(self.first)
        _check_first(self.part)

    def build(self, dims: int, classes: int) -> "PoseSequenceNet":
        """The net for rows of one or several people.

        Raises:
            DataError: when the dims are no multiple of three numbers a joint.
        """
        return PoseSequenceNet(self, dims, classes)


class PoseSequenceNet(nn.Module):
    """Rows of key points to logits. What pads a short sequence is never looked at, in training neither.

    Each person of a row is prepared and seen alone, by the same filters; the averages of those who are there are
    averaged. Their order has no effect, and a person who never appears has none. The paper does not say what it does
    with several people. Every convolution is followed by batch normalisation and a rectifier; the paper names neither.

    Source: report 08, section 2.3 and table 4.
    """

    def __init__(self, config: FlatPose | HierarchicalPose, dims: int, classes: int) -> None:
        super().__init__()
        self.config, self.layout = config, layout_of(config.layout)
        joints = len(self.layout.joints)
        if dims < 1 or dims % (3 * joints):
            raise DataError(f"rows of {self.layout.name} must have a multiple of {3 * joints} numbers, got {dims}")
        each = 5 if config.motion else 3
        self.people = dims // (3 * joints)
        groups = [tuple(range(joints))]
        if isinstance(config, HierarchicalPose):
            groups += [self.layout.part(name) for name in PARTS]
        self.groups = tuple(groups)
        sizes = (
            [config.first] + [config.part] * (len(groups) - 1)
            if isinstance(config, HierarchicalPose)
            else [config.first]
        )
        self.first = nn.ModuleList(
            _Unit(each * len(group), size, stride=1) for group, size in zip(groups, sizes, strict=True)
        )
        units, before = [], sum(size[1] for size in sizes)
        for size, stride in zip(config.trunk.channels, config.trunk.strides, strict=True):
            units.append(_Unit(before, size, stride=stride))
            before = size[1]
        self.trunk = nn.ModuleList(units)
        self.dropout = nn.Dropout(config.trunk.dropout)
        self.classify = nn.Linear(before, classes)

    def forward(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n classes"]:
        """Logits.

        Args:
            rows: x, y and score of each joint of each person, padded at the end with anything.
            lengths: steps of each; None where nothing is padded.

        Raises:
            DataError: on a length below 1 or above the steps of rows.
        """
        own = own_steps(rows, lengths)
        count, steps, _ = rows.shape
        # people are laid beside the videos: (n * people, steps, joints, 3)
        points = rows.view(count, steps, self.people, -1, 3).transpose(1, 2).flatten(0, 1)
        own = own.repeat_interleave(self.people, 0)
        points = prepared(points, self.layout, own=own, centre=self.config.centre)
        there = (points[..., 2] > 0).flatten(1).any(1).view(count, self.people)
        # where nobody is found the empty poses count, so that there are logits
        there = there | ~there.any(1, keepdim=True)
        points, own = points[there.flatten()], own[there.flatten()]
        if self.training:
            points = shaken(points, self.layout, self.config.shaking)
        weights = there.to(rows.dtype) / there.sum(1, keepdim=True)
        pooled = self._pooled(with_motion(points) if self.config.motion else points, own)
        means = pooled.new_zeros(there.numel(), pooled.shape[1])
        means[there.flatten()] = pooled
        mean = (means.view(count, self.people, -1) * weights[..., None].to(means)).sum(1)
        return self.classify(self.dropout(mean))

    def _pooled(
        self, points: Float[Tensor, "n steps joints numbers"], own: Bool[Tensor, "n steps"]
    ) -> Float[Tensor, "n dims"]:
        firsts = []
        for unit, group in zip(self.first, self.groups, strict=True):
            across, _ = unit(points[:, :, list(group)].flatten(2).transpose(1, 2), own)
            firsts.append(across)
        across = torch.cat(firsts, dim=1)
        for unit in self.trunk:
            across, own = unit(across, own)
        shares = window_shares(own, self.config.trunk.pool, dtype=across.dtype)
        return (across * shares[:, None]).sum(2)


def window_shares(
    own: Bool[Tensor, "n steps"], width: int, *, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "n steps"]:
    """How much each step counts in the mean over all windows of the means over each window's steps.

    A sequence shorter than a window is one. The linear layer and the average exchange, so that logits averaged over
    all places are the logits of this weighted mean.
    """
    lengths = own.sum(1, keepdim=True)
    wide = lengths.clamp(max=width)
    place = torch.arange(own.shape[1], device=own.device)[None]
    windows = torch.minimum(torch.minimum(place + 1, lengths - place), torch.minimum(wide, lengths - wide + 1))
    return windows.clamp(min=0).to(dtype) / (wide * (lengths - wide + 1))


class _Unit(nn.Module):
    """Two convolutions, 3 steps wide; the first may halve time. Steps that are padding are zero and count nowhere."""

    def __init__(self, before: int, size: tuple[int, int], *, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.convolutions = nn.ModuleList(
            [
                nn.Conv1d(before, size[0], 3, stride=stride, padding=1, bias=False),
                nn.Conv1d(size[0], size[1], 3, padding=1, bias=False),
            ]
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for channels in size)
        for layer in self.convolutions:
            assert isinstance(layer, nn.Conv1d)
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self, x: Float[Tensor, "n before steps"], own: Bool[Tensor, "n steps"]
    ) -> tuple[Float[Tensor, "n after fewer"], Bool[Tensor, "n fewer"]]:
        """The answers, zero where padded, and which of them are the sequence's own."""
        own = own[:, :: self.stride]
        for convolve, norm in zip(self.convolutions, self.norms, strict=True):
            x = convolve(x)
            kept = torch.zeros_like(x).transpose(1, 2)
            kept[own] = functional.relu(norm(x.transpose(1, 2)[own])).to(x.dtype)
            x = kept.transpose(1, 2)
        return x, own


def _check_first(first: tuple[int, int]) -> None:
    if min(first) < 1:
        raise DataError(f"the first convolutions of a pose net need sizes >= 1, got {first}")


SMALL_TRUNK = PoseConvolutions(channels=((64, 64), (64, 64), (64, 64), (128, 128), (128, 128)))
"""A trunk for two cores and some hundred sequences; no paper's."""
SMALL_FLAT = FlatPose(first=(32, 64), trunk=SMALL_TRUNK)
SMALL_HIERARCHICAL = HierarchicalPose(first=(32, 64), part=(16, 32), trunk=SMALL_TRUNK)
