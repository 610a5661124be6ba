"""Objects that people handle, built from the joints that hold them or from the place where they stand."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from untrimmed.data.playground.pieces import Pieces, thing
from untrimmed.data.playground.skeleton import INDEX

Track = Float[np.ndarray, "frames 3"]
Shape = tuple[list[Track], list[float], tuple[float, float, float], float]

HELD = ("mug", "apple", "barbell", "box", "broom")
STANDING = ("door", "chair", "microphone")
STEEL, WOOD, DARK, PAPER = (150.0, 155.0, 165.0), (150.0, 105.0, 62.0), (45.0, 45.0, 52.0), (196.0, 158.0, 104.0)


@dataclass(frozen=True)
class Holder:
    """The person at whose hands or place an object is.

    Attributes:
        joints: world coordinates.
        ahead: unit vectors of where the person faces, in the world.
        left: unit vectors to the person's left.
        home: where the person's feet stand, without the steps that poses make.
        state: of the thing, in [0, 1].
        hand: the word of the hand that holds small things, "left" or "right".
    """

    joints: Float[np.ndarray, "frames joints 3"]
    ahead: Track
    left: Track
    home: Track
    state: Float[np.ndarray, " frames"]
    hand: str

    def at(self, name: str) -> Track:
        """The track of a joint."""
        return self.joints[:, INDEX[name]]


def _up(metres: float) -> Float[np.ndarray, " 3"]:
    return np.array([0.0, metres, 0.0])


def build(name: str, holder: Holder, *, owner: int, distance: float, colour: tuple[float, float, float]) -> Pieces:
    """The pieces of one object by its word.

    Args:
        name: one of HELD or STANDING.
        holder: the person who has it.
        owner: number of the object in the shot.
        distance: metres from the camera.
        colour: of the parts that vary from one mug, box or door to the next.
    """
    shapes = {
        "mug": _mug,
        "apple": _apple,
        "barbell": _barbell,
        "box": _box,
        "broom": _broom,
        "door": _door,
        "chair": _chair,
        "microphone": _microphone,
    }[name](holder, colour)
    return thing(shapes, owner=owner, distance=distance)


def _grip(holder: Holder) -> Track:
    return holder.at(f"{holder.hand}_hand") + 0.03 * holder.ahead


def _mug(holder: Holder, colour: tuple[float, float, float]) -> list[Shape]:
    grip = _grip(holder)
    side = 0.055 * holder.left
    corners = [grip + side + _up(0.075), grip - side + _up(0.075), grip - side - _up(0.06), grip + side - _up(0.06)]
    handle = grip + (0.1 if holder.hand == "left" else -0.1) * holder.left
    return [
        ([handle + _up(0.03), handle - _up(0.03)], [0.035, 0.035], tuple(0.7 * c for c in colour), -0.08),  # type: ignore[list-item]
        (corners, [0.022] * 4, colour, -0.09),
    ]


def _apple(holder: Holder, colour: tuple[float, float, float]) -> list[Shape]:
    grip = _grip(holder)
    return [
        ([grip], [0.082], (206.0, 36.0, 40.0), -0.09),
        ([grip + _up(0.1), grip + _up(0.13)], [0.016, 0.02], (70.0, 120.0, 40.0), -0.095),
    ]


def _between_hands(holder: Holder) -> tuple[Track, Track]:
    left, right = holder.at("left_hand"), holder.at("right_hand")
    return (left + right) / 2, holder.left


def _barbell(holder: Holder, colour: tuple[float, float, float]) -> list[Shape]:
    middle, along = _between_hands(holder)
    tips = [middle + side * 0.62 * along for side in (1.0, -1.0)]
    shapes: list[Shape] = [([tips[0], tips[1]], [0.022, 0.022], STEEL, -0.1)]
    for side, bias in ((1.0, -0.11), (-1.0, -0.11)):
        inner, outer = middle + side * 0.5 * along, middle + side * 0.57 * along
        shapes.append(
            ([inner + _up(0.09), inner - _up(0.09), outer - _up(0.09), outer + _up(0.09)], [0.07] * 4, DARK, bias)
        )
    return shapes


def _box(holder: Holder, colour: tuple[float, float, float]) -> list[Shape]:
    middle, along = _between_hands(holder)
    middle = middle + _up(0.04)
    across, high = 0.26 * along, _up(0.15)
    front = [middle + across + high, middle - across + high, middle - across - high, middle + across - high]
    deep = 0.1 * holder.ahead
    face = [corner + deep for corner in front]
    tape = [middle + deep + high, middle + deep - high]
    return [
        (front, [0.02] * 4, tuple(0.78 * c for c in colour), -0.08),  # type: ignore[list-item]
        (face, [0.02] * 4, colour, -0.1),
        (tape, [0.025] * 2, (226.0, 206.0, 160.0), -0.12),
    ]


def _broom(holder: Holder, colour: tuple[float, float, float]) -> list[Shape]:
    top, low = holder.at("right_hand"), holder.at("left_hand")
    along = low - top
    along[:, 1] = np.minimum(along[:, 1], -0.25)
    reach = (top[:, 1] - 0.06) / -along[:, 1]
    foot = top + np.clip(reach, 1.0, 4.5)[:, None] * along
    foot[:, 1] = 0.06
    back = top - 0.25 * along / np.linalg.norm(along, axis=1, keepdims=True)
    side = 0.15 * holder.left
    return [
        ([back, foot], [0.02, 0.02], WOOD, -0.09),
        (
            [foot + 0.5 * side + _up(0.08), foot - 0.5 * side + _up(0.08), foot - side, foot + side],
            [0.03] * 4,
            colour,
            -0.1,
        ),
    ]


def _door(holder: Holder, colour: tuple[float, float, float]) -> list[Shape]:
    # the leaf turns about the far post; the hand follows its edge, see the key poses of "open"
    width, height = 0.85, 2.05
    sign = np.sign(holder.ahead[:, :1] + 1e-9)
    flat = np.concatenate([sign, np.zeros_like(sign), np.zeros_like(sign)], axis=1)
    edge = holder.home + 0.5 * flat + np.array([0.0, 0.0, 0.12])
    edge[:, 1] = 0.0
    hinge = edge + width * flat
    angle = np.radians(72.0) * holder.state[:, None]
    tip = hinge - width * np.cos(angle) * flat - 0.30 * np.sin(angle) * np.array([0.0, 0.0, 1.0])
    drop = _up(0.16) * np.sin(angle)
    frame = (235.0, 230.0, 220.0)
    inside = (38.0, 44.0, 58.0)
    leaf = [hinge + _up(height), hinge + _up(0.02), tip - drop + _up(0.02), tip + 0.6 * drop + _up(height)]
    knob = tip + 0.09 * (hinge - tip) + _up(0.98)
    panel = [tip + share * (hinge - tip) + _up(h) for share in (0.25, 0.78) for h in (1.2, 1.75)]
    return [
        ([edge + _up(height), edge, hinge, hinge + _up(height)], [0.07] * 4, frame, 0.35),
        ([edge + _up(height), edge + _up(0.02), hinge + _up(0.02), hinge + _up(height)], [0.012] * 4, inside, 0.32),
        (leaf, [0.015] * 4, colour, 0.22),
        ([panel[0], panel[1], panel[3], panel[2]], [0.01] * 4, tuple(0.85 * c for c in colour), 0.2),  # type: ignore[list-item]
        ([knob], [0.045], (230.0, 196.0, 80.0), 0.18),
    ]


def _chair(holder: Holder, colour: tuple[float, float, float]) -> list[Shape]:
    seat = holder.home - 0.42 * holder.ahead
    seat[:, 1] = 0.40
    ahead, left = 0.2 * holder.ahead, 0.22 * holder.left
    corners = [seat + ahead + left, seat + ahead - left, seat - ahead - left, seat - ahead + left]
    shapes: list[Shape] = [(corners, [0.035] * 4, colour, 0.06)]
    for corner in corners:
        ground = corner.copy()
        ground[:, 1] = 0.03
        shapes.append(([corner, ground], [0.025, 0.02], tuple(0.6 * c for c in colour), 0.08))  # type: ignore[arg-type]
    back = [corners[2] + _up(0.5), corners[2] + _up(0.1), corners[3] + _up(0.1), corners[3] + _up(0.5)]
    shapes.append((back, [0.03] * 4, tuple(0.85 * c for c in colour), 0.02))  # type: ignore[arg-type]
    return shapes


def _microphone(holder: Holder, colour: tuple[float, float, float]) -> list[Shape]:
    foot = holder.home + 0.36 * holder.ahead + 0.04 * holder.left
    foot[:, 1] = 0.03
    head = foot + _up(1.36) - 0.1 * holder.ahead
    return [
        ([foot - 0.16 * holder.left, foot + 0.16 * holder.left], [0.03, 0.03], DARK, -0.02),
        ([foot, head], [0.018, 0.018], DARK, -0.02),
        ([head, head + _up(0.05)], [0.052, 0.052], (95.0, 98.0, 108.0), -0.03),
    ]
