"""A body of 18 joints: a pose is 23 numbers, forward kinematics turns poses into joints in metres.

A pose holds three positions (lift above the ground, a step ahead, the state of the thing being handled), four angles of
trunk and head, and two angles for each of eight limb segments. The angles of a limb are absolute in the body's frame
(x to the person's left, y up, z ahead): `swing` turns it from hanging down (0) over pointing ahead (90) to pointing up
(180), `spread` turns it outwards. Absolute angles keep key poses readable and make blends of two poses well behaved.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from untrimmed.records import DataError

SINGLE = ("lift", "ahead", "state", "lean", "tilt", "nod", "turn")
LIMBS = (
    "left_arm",
    "left_forearm",
    "right_arm",
    "right_forearm",
    "left_thigh",
    "left_shin",
    "right_thigh",
    "right_shin",
)
SIZE = len(SINGLE) + 2 * len(LIMBS)
LIFT, AHEAD, STATE, LEAN, TILT, NOD, TURN = range(len(SINGLE))

KEY_POINTS = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
)
"""The 18 key points in OpenPose's COCO order."""

EXTRA = ("hip", "head", "left_hand", "right_hand", "left_toe", "right_toe", "hair", "bun", "fringe", "mouth")
JOINTS = (*KEY_POINTS, *EXTRA)
INDEX = {name: index for index, name in enumerate(JOINTS)}

SHIN, THIGH, TRUNK, UPPER_ARM, FOREARM, FOOT = 0.42, 0.43, 0.52, 0.28, 0.25, 0.17
HIP_HALF, SHOULDER_HALF, ANKLE_HEIGHT, HAND = 0.10, 0.19, 0.07, 0.07
HEAD_ABOVE_NECK, HEAD_RADIUS = 0.22, 0.135


def limb(name: str) -> slice:
    """Where the swing and spread of a limb stand in a pose."""
    first = len(SINGLE) + 2 * LIMBS.index(name)
    return slice(first, first + 2)


@dataclass(frozen=True)
class Pose:
    """One key pose: metres and degrees by name; build it with `pose`."""

    values: tuple[float, ...]

    @property
    def array(self) -> Float[np.ndarray, " angles"]:
        """The 23 numbers."""
        return np.array(self.values, dtype=np.float64)

    def but(self, changes: dict[str, float | tuple[float, float]]) -> "Pose":
        """The same pose with some entries replaced; limbs take (swing, spread) in degrees."""
        values = self.array
        for name, value in changes.items():
            if name in SINGLE:
                values[SINGLE.index(name)] = value
            elif name in LIMBS:
                values[limb(name)] = value
            else:
                raise DataError(f"a pose has the entries {', '.join(SINGLE + LIMBS)}, got {name!r}")
        return Pose(tuple(values.tolist()))

    def mirrored(self) -> "Pose":
        """Left and right exchanged."""
        return Pose(tuple(mirror(self.array[None])[0].tolist()))


def mirror(poses: Float[np.ndarray, "n angles"]) -> Float[np.ndarray, "n angles"]:
    """Left and right exchanged in many poses; its own inverse."""
    out = poses.copy()
    out[:, [TILT, TURN]] *= -1
    for name in LIMBS:
        other = name.replace("left", "right") if name.startswith("left") else name.replace("right", "left")
        out[:, limb(name)] = poses[:, limb(other)]
    return out


def _direction(angles: Float[np.ndarray, "n 2"], side: float) -> Float[np.ndarray, "n 3"]:
    swing, spread = np.radians(angles[:, 0]), np.radians(angles[:, 1])
    return np.stack([side * np.sin(spread), -np.cos(swing) * np.cos(spread), np.sin(swing) * np.cos(spread)], axis=1)


def joints(poses: Float[np.ndarray, "n angles"]) -> Float[np.ndarray, "n joints 3"]:
    """Forward kinematics: joints of the standard body (about 1.77 m) in its own frame, the lower ankle on the ground.

    Args:
        poses: rows of 23 numbers.

    Returns:
        In the order of JOINTS: the 18 key points, then hip centre, head centre, hands, toes, hair and mouth.
    """
    out = np.zeros((len(poses), len(JOINTS), 3))
    lean, tilt = np.radians(poses[:, LEAN]), np.radians(poses[:, TILT])
    up = np.stack([np.sin(tilt) * np.cos(lean), np.cos(tilt) * np.cos(lean), np.sin(lean)], axis=1)
    across = np.stack([np.cos(tilt), -np.sin(tilt), np.zeros_like(tilt)], axis=1)
    hip = np.zeros((len(poses), 3))
    neck = hip + TRUNK * up
    out[:, INDEX["hip"]], out[:, INDEX["neck"]] = hip, neck
    for side, word in ((1.0, "left"), (-1.0, "right")):
        shoulder = neck + side * SHOULDER_HALF * across - 0.03 * up
        elbow = shoulder + UPPER_ARM * _direction(poses[:, limb(f"{word}_arm")], side)
        along = _direction(poses[:, limb(f"{word}_forearm")], side)
        wrist = elbow + FOREARM * along
        root = hip + side * HIP_HALF * np.array([1.0, 0.0, 0.0])
        knee = root + THIGH * _direction(poses[:, limb(f"{word}_thigh")], side)
        shin = _direction(poses[:, limb(f"{word}_shin")], side)
        ankle = knee + SHIN * shin
        # the foot stands square on the shin: flat when the shin is upright, toes down when the leg swings back
        foot = np.stack([np.zeros(len(poses)), shin[:, 2], -shin[:, 1]], axis=1)
        foot /= np.maximum(1e-9, np.linalg.norm(foot, axis=1, keepdims=True))
        named = {"shoulder": shoulder, "elbow": elbow, "wrist": wrist, "hip": root, "knee": knee, "ankle": ankle}
        named |= {"hand": wrist + HAND * along, "toe": ankle + FOOT * foot - 0.03 * np.array([0, 1.0, 0])}
        for name, place in named.items():
            out[:, INDEX[f"{word}_{name}"]] = place
    _head(out, poses, neck, up)
    ankles = out[:, [INDEX["left_ankle"], INDEX["right_ankle"]], 1].min(axis=1)
    out[:, :, 1] += (ANKLE_HEIGHT - ankles + poses[:, LIFT])[:, None]
    out[:, :, 2] += poses[:, AHEAD][:, None]
    return out


def _head(
    out: Float[np.ndarray, "n joints 3"],
    poses: Float[np.ndarray, "n angles"],
    neck: Float[np.ndarray, "n 3"],
    up: Float[np.ndarray, "n 3"],
) -> None:
    head = neck + HEAD_ABOVE_NECK * (0.6 * up + 0.4 * np.array([0.0, 1.0, 0.0]))
    turn, nod = np.radians(poses[:, TURN]), np.radians(poses[:, NOD] + 0.4 * poses[:, LEAN])
    ahead = np.stack([np.sin(turn) * np.cos(nod), -np.sin(nod), np.cos(turn) * np.cos(nod)], axis=1)
    left = np.stack([np.cos(turn), np.zeros_like(turn), -np.sin(turn)], axis=1)
    crown = np.cross(ahead, left)
    r = HEAD_RADIUS
    out[:, INDEX["head"]] = head
    out[:, INDEX["nose"]] = head + r * 1.02 * ahead - 0.15 * r * crown
    for side, word in ((1.0, "left"), (-1.0, "right")):
        out[:, INDEX[f"{word}_eye"]] = head + r * (0.9 * ahead + side * 0.42 * left + 0.12 * crown)
        out[:, INDEX[f"{word}_ear"]] = head + r * (side * 0.98 * left)
    out[:, INDEX["hair"]] = head + r * (0.42 * crown - 0.32 * ahead)
    out[:, INDEX["fringe"]] = head + r * (0.7 * crown + 0.34 * ahead)
    out[:, INDEX["mouth"]] = head + r * (0.9 * ahead - 0.5 * crown)
    out[:, INDEX["bun"]] = head + r * (-0.9 * crown - 0.75 * ahead)


def pose(changes: dict[str, float | tuple[float, float]] | None = None) -> Pose:
    """Standing at ease, with some entries replaced."""
    return STAND.but(changes or {})


STAND = Pose(tuple(np.zeros(SIZE).tolist())).but(
    {
        "left_arm": (-2, 9),
        "right_arm": (-2, 9),
        "left_forearm": (12, 4),
        "right_forearm": (12, 4),
        "left_thigh": (2, 4),
        "right_thigh": (2, 4),
        "left_shin": (-3, 2),
        "right_shin": (-3, 2),
    }
)
