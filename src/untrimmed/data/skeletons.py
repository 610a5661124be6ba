"""Skeletons: what the joints of a pose are called, which are joined by limbs, and how one layout becomes another.

Joints have the same name in every layout, so that layouts are mapped by name. Left and right are the person's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from untrimmed.records import DataError

LayoutName = Literal["openpose18", "body25", "coco17", "jhmdb15", "mpi15"]
PartName = Literal["upper", "lower", "head", "arms", "limbs"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The joints of a pose in order.

    Attributes:
        name: of the layout.
        joints: their names; "left_" and "right_" come in pairs.
        limbs: pairs of joints that are drawn as a line.
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        known = set(self.joints)
        strangers = {joint for limb in self.limbs for joint in limb} - known
        strangers |= {opposite(joint) for joint in self.joints} - known
        if strangers or len(known) < len(self.joints):
            found = ", ".join(sorted(strangers)) or "a joint twice"
            raise DataError(
                f"layout {self.name} must name each joint, both of a pair and the ends of limbs once: {found}"
            )

    def index(self, joint: str) -> int:
        """Where a joint stands.

        Raises:
            DataError: when the layout does not have it.
        """
        if joint not in self.joints:
            raise DataError(f"layout {self.name} has no joint {joint!r}; it has {', '.join(self.joints)}")
        return self.joints.index(joint)

    @property
    def limb_indices(self) -> tuple[tuple[int, int], ...]:
        """The limbs as pairs of places."""
        return tuple((self.index(first), self.index(second)) for first, second in self.limbs)

    @property
    def mirror(self) -> tuple[int, ...]:
        """Whose place each joint takes in a mirror: left and right exchanged; its own inverse."""
        return tuple(self.index(opposite(joint)) for joint in self.joints)

    def part(self, name: PartName) -> tuple[int, ...]:
        """The places of the joints of one body part, rising; see PARTS."""
        return tuple(index for index, joint in enumerate(self.joints) if joint.split("_", 1)[-1] in PARTS[name])


def opposite(joint: str) -> str:
    """The joint of the other side; a joint of the middle is its own."""
    if joint.startswith("left_"):
        return "right_" + joint.removeprefix("left_")
    if joint.startswith("right_"):
        return "left_" + joint.removeprefix("right_")
    return joint


_HEAD = frozenset({"nose", "eye", "ear", "face", "head", "neck"})
_ARMS = frozenset({"shoulder", "elbow", "wrist"})
_LEGS = frozenset({"hip", "knee", "ankle", "big_toe", "small_toe", "heel"})
_MIDDLE = frozenset({"chest", "belly"})

PARTS: Mapping[PartName, frozenset[str]] = MappingProxyType(
    {
        "upper": _HEAD | _ARMS | _MIDDLE,
        "lower": _LEGS | {"mid_hip"},
        "head": _HEAD,
        "arms": _ARMS,
        "limbs": _ARMS | _LEGS,
    }
)
"""The five body parts of report 08, section 2.3, by joints without their side. The paper names the parts and no joint:
here upper and lower body share out all of them, and the limbs are arms and legs."""

DERIVED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "neck": ("left_shoulder", "right_shoulder"),
        "mid_hip": ("left_hip", "right_hip"),
        "chest": ("left_shoulder", "right_shoulder", "left_hip", "right_hip"),
        "belly": ("left_shoulder", "right_shoulder", "left_hip", "right_hip"),
        "face": ("nose",),
        "head": ("nose",),
        "nose": ("face",),
    }
)
"""Joints that a layout without them can make: the mean of others, where all of them are found."""

_SIDES = tuple(
    limb
    for side in ("right", "left")
    for limb in (
        (f"{side}_shoulder", f"{side}_elbow"),
        (f"{side}_elbow", f"{side}_wrist"),
        (f"{side}_hip", f"{side}_knee"),
        (f"{side}_knee", f"{side}_ankle"),
    )
)
_SHOULDERS = (("neck", "right_shoulder"), ("neck", "left_shoulder"))
_EYES = (("nose", "right_eye"), ("right_eye", "right_ear"), ("nose", "left_eye"), ("left_eye", "left_ear"))
_RIGHT_ARM = ("right_shoulder", "right_elbow", "right_wrist")
_LEFT_ARM = ("left_shoulder", "left_elbow", "left_wrist")
_RIGHT_LEG = ("right_hip", "right_knee", "right_ankle")
_LEFT_LEG = ("left_hip", "left_knee", "left_ankle")
_ARMS_DOWN = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")

OPENPOSE18 = Layout(
    name="openpose18",
    joints=(
        *("nose", "neck", *_RIGHT_ARM, *_LEFT_ARM, *_RIGHT_LEG, *_LEFT_LEG),
        *("right_eye", "left_eye", "right_ear", "left_ear"),
    ),
    limbs=(*_SHOULDERS, *_SIDES, ("neck", "right_hip"), ("neck", "left_hip"), ("neck", "nose"), *_EYES),
)
"""OpenPose's COCO model: COCO's 17 and a neck. The playground's key points stand in this order too."""

BODY25 = Layout(
    name="body25",
    joints=(
        *("nose", "neck", *_RIGHT_ARM, *_LEFT_ARM, "mid_hip", *_RIGHT_LEG, *_LEFT_LEG),
        *("right_eye", "left_eye", "right_ear", "left_ear"),
        *("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel"),
    ),
    limbs=(
        *(*_SHOULDERS, *_SIDES, ("neck", "mid_hip"), ("mid_hip", "right_hip"), ("mid_hip", "left_hip")),
        *(("neck", "nose"), *_EYES),
        *(("left_ankle", "left_big_toe"), ("left_big_toe", "left_small_toe"), ("left_ankle", "left_heel")),
        *(("right_ankle", "right_big_toe"), ("right_big_toe", "right_small_toe"), ("right_ankle", "right_heel")),
    ),
)
"""OpenPose's BODY_25 model: with the middle of the hips and six points of the feet."""

COCO17 = Layout(
    name="coco17",
    joints=(
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
        *(f"{side}_{joint}" for joint in _ARMS_DOWN for side in ("left", "right")),
    ),
    limbs=(
        *(*_SIDES, ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")),
        *(("left_shoulder", "left_hip"), ("right_shoulder", "right_hip")),
        *(("left_ear", "left_shoulder"), ("right_ear", "right_shoulder"), ("left_eye", "right_eye"), *_EYES),
    ),
)
"""COCO's own 17 key points."""

JHMDB15 = Layout(
    name="jhmdb15",
    joints=(
        *("neck", "belly", "face"),
        *(
            f"{side}_{joint}"
            for joint in ("shoulder", "hip", "elbow", "knee", "wrist", "ankle")
            for side in ("right", "left")
        ),
    ),
    limbs=(*_SHOULDERS, *_SIDES, ("neck", "face"), ("neck", "belly"), ("belly", "right_hip"), ("belly", "left_hip")),
)
"""The 15 joints of J-HMDB (Jhuang et al., Towards Understanding Action Recognition, ICCV 2013)."""

MPI15 = Layout(
    name="mpi15",
    joints=("head", "neck", *_RIGHT_ARM, *_LEFT_ARM, *_RIGHT_LEG, *_LEFT_LEG, "chest"),
    limbs=(*_SHOULDERS, *_SIDES, ("neck", "head"), ("neck", "chest"), ("chest", "right_hip"), ("chest", "left_hip")),
)
"""OpenPose's MPI model, 15 joints."""

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {one.name: one for one in (OPENPOSE18, BODY25, COCO17, JHMDB15, MPI15)}
)
"""Every layout by its name."""


def layout_of(name: str) -> Layout:
    """The layout of that name; a DataError lists them where there is none."""
    if name not in LAYOUTS:
        raise DataError(f"layout of key points must be one of {', '.join(get_args(LayoutName))}, got {name!r}")
    return LAYOUTS[name]


def mapped(
    points: Float[np.ndarray, "*frames joints 3"], source: Layout, target: Layout
) -> Float[np.ndarray, "*frames others 3"]:
    """Key points of one layout in another, joint by joint by name.

    A joint that the source does not have is made from others where it can be (DERIVED; the score is the least of
    theirs), and is 0, 0 with score 0 otherwise.

    Args:
        points: x, y and score; a score of 0 means not found.
        source: their layout.
        target: the layout wanted.

    Raises:
        DataError: when the points are not of the source's layout.
    """
    if points.shape[-2] != len(source.joints):
        raise DataError(f"key points of {source.name} have {len(source.joints)} joints, got {points.shape[-2]}")
    out = np.zeros((*points.shape[:-2], len(target.joints), 3), dtype=points.dtype)
    for place, joint in enumerate(target.joints):
        names = (joint,) if joint in source.joints else DERIVED.get(joint, ())
        if not names or not set(names) <= set(source.joints):
            continue
        given = points[..., [source.index(name) for name in names], :]
        score = given[..., 2].min(axis=-1)
        found = score > 0
        out[..., place, :2] = np.where(found[..., None], given[..., :2].mean(axis=-2), 0)
        out[..., place, 2] = np.where(found, score, 0)
    return out


def mirrored(
    points: Float[np.ndarray, "*frames joints 3"], layout: Layout, *, width: float = 0.0
) -> Float[np.ndarray, "*frames joints 3"]:
    """The poses in a mirror: x becomes width - x and left becomes right; joints not found stay 0. Its own inverse.

    Args:
        points: x, y and score.
        layout: their layout.
        width: of the picture in the unit of x; 0 for coordinates around a middle.

    Raises:
        DataError: when the points are not of this layout.
    """
    if points.shape[-2] != len(layout.joints):
        raise DataError(f"key points of {layout.name} have {len(layout.joints)} joints, got {points.shape[-2]}")
    out = points[..., list(layout.mirror), :].copy()
    out[..., 0] = np.where(out[..., 2] > 0, width - out[..., 0], out[..., 0])
    return out
