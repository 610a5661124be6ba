"""What bodies do: the key poses of the classes, of the time between them, and of what looks like their beginning."""

from dataclasses import replace

from untrimmed.data.playground.motions import Motion
from untrimmed.data.playground.skeleton import STAND, Pose, pose


def _gait() -> tuple[tuple[float, Pose], ...]:
    stride = pose(
        {
            "lean": 5,
            "left_thigh": (32, 2),
            "left_shin": (12, 0),
            "right_thigh": (-22, 2),
            "right_shin": (-42, 0),
            "left_arm": (-32, 8),
            "left_forearm": (-2, 4),
            "right_arm": (30, 8),
            "right_forearm": (58, 4),
        }
    )
    passing = pose(
        {
            "lean": 5,
            "lift": 0.01,
            "left_thigh": (2, 2),
            "left_shin": (-4, 0),
            "right_thigh": (24, 2),
            "right_shin": (-48, 0),
            "left_arm": (0, 8),
            "left_forearm": (25, 4),
            "right_arm": (0, 8),
            "right_forearm": (25, 4),
        }
    )
    return (
        (0.0, stride),
        (0.25, passing),
        (0.5, stride.mirrored()),
        (0.75, passing.mirrored()),
        (1.0, stride),
    )


WALK = Motion(name="walk", keys=_gait(), period=1.15, speed=1.1, side_view=True, beats=(0.0, 0.5))
RUN = Motion(name="run", keys=_gait(), period=0.52, speed=2.6, side_view=True, beats=(0.0, 0.5))

_CROUCH = pose(
    {
        "lean": 30,
        "left_thigh": (62, 6),
        "right_thigh": (62, 6),
        "left_shin": (-38, 4),
        "right_shin": (-38, 4),
        "left_arm": (-45, 12),
        "right_arm": (-45, 12),
        "left_forearm": (-25, 8),
        "right_forearm": (-25, 8),
        "ahead": -0.05,
    }
)
_FLIGHT = pose(
    {
        "lift": 0.38,
        "left_arm": (165, 18),
        "right_arm": (165, 18),
        "left_forearm": (175, 12),
        "right_forearm": (175, 12),
        "left_shin": (-18, 2),
        "right_shin": (-18, 2),
    }
)
_LANDING = _CROUCH.but({"lean": 18, "left_arm": (20, 20), "right_arm": (20, 20), "left_thigh": (45, 6)}).but(
    {"right_thigh": (45, 6), "left_shin": (-28, 4), "right_shin": (-28, 4)}
)


def _jumps(count: int) -> tuple[tuple[float, Pose], ...]:
    keys = [(0.0, STAND)]
    spacing = 0.27
    first = 0.5 - spacing * count / 2
    if first > 0.1:
        keys.append((first - 0.05, STAND))
    for jump in range(count):
        at = first + jump * spacing
        keys += [(at + 0.06, _CROUCH), (at + 0.15, _FLIGHT), (at + 0.23, _LANDING)]
    keys += [(first + count * spacing + 0.04, STAND), (1.0, STAND)]
    return tuple(keys)


JUMP_ONCE = Motion(name="jump once", keys=_jumps(1), period=3.4, beats=(0.58,))
JUMP_THRICE = Motion(name="jump three times", keys=_jumps(3), period=3.4, beats=(0.31, 0.58, 0.85))

_REACH = pose({"right_arm": (42, 4), "right_forearm": (92, -4), "lean": 4, "left_arm": (-8, 8)})
_PUSH = pose(
    {
        "right_arm": (78, 4),
        "right_forearm": (86, -2),
        "lean": 12,
        "ahead": 0.38,
        "left_thigh": (24, 3),
        "left_shin": (4, 0),
        "right_thigh": (-18, 3),
        "right_shin": (-28, 0),
        "left_arm": (-20, 8),
    }
)
_HALF = _PUSH.but({"right_arm": (58, 4), "right_forearm": (90, -2), "ahead": 0.16, "state": 0.4, "lean": 8})
OPEN = Motion(
    name="open",
    keys=(
        (0.0, STAND),
        (0.12, STAND),
        (0.32, _REACH),
        (0.52, _HALF),
        (0.72, _PUSH.but({"state": 1.0})),
        (0.9, STAND.but({"state": 1.0, "ahead": 0.2})),
        (1.0, STAND.but({"state": 1.0, "ahead": 0.2})),
    ),
    period=3.4,
    once=True,
    side_view=True,
    beats=(0.45, 0.55),
)
CLOSE = OPEN.reversed("close")

_SEATED = pose(
    {
        "left_thigh": (84, 6),
        "right_thigh": (84, 6),
        "left_shin": (4, 2),
        "right_shin": (4, 2),
        "left_arm": (18, 10),
        "right_arm": (18, 10),
        "left_forearm": (72, 0),
        "right_forearm": (72, 0),
        "ahead": -0.40,
        "state": 1.0,
    }
)
_BEND = pose(
    {
        "lean": 34,
        "left_thigh": (42, 6),
        "right_thigh": (42, 6),
        "left_shin": (-14, 3),
        "right_shin": (-14, 3),
        "left_arm": (35, 8),
        "right_arm": (35, 8),
        "left_forearm": (55, 2),
        "right_forearm": (55, 2),
        "ahead": -0.24,
        "state": 0.5,
    }
)
SIT = Motion(
    name="sit",
    keys=((0.0, STAND), (0.15, STAND), (0.45, _BEND), (0.75, _SEATED), (1.0, _SEATED)),
    period=3.2,
    once=True,
    beats=(0.5,),
)
RISE = SIT.reversed("rise")

_LOW = pose(
    {
        "lean": 42,
        "left_thigh": (70, 10),
        "right_thigh": (70, 10),
        "left_shin": (-36, 6),
        "right_shin": (-36, 6),
        "left_arm": (22, 6),
        "right_arm": (22, 6),
        "left_forearm": (24, 2),
        "right_forearm": (24, 2),
    }
)
_CHEST = pose(
    {
        "left_arm": (28, 10),
        "right_arm": (28, 10),
        "left_forearm": (140, 4),
        "right_forearm": (140, 4),
        "left_thigh": (4, 8),
        "right_thigh": (4, 8),
    }
)
_OVERHEAD = pose(
    {
        "left_arm": (162, 10),
        "right_arm": (162, 10),
        "left_forearm": (172, 4),
        "right_forearm": (172, 4),
        "left_thigh": (4, 8),
        "right_thigh": (4, 8),
        "nod": -10,
    }
)
_CARRY = pose({"left_arm": (14, 8), "right_arm": (14, 8), "left_forearm": (30, 2), "right_forearm": (30, 2)})
LIFT_HIGH = Motion(
    name="lift",
    keys=(
        (0.0, _CARRY),
        (0.18, _LOW),
        (0.38, _CHEST),
        (0.55, _OVERHEAD),
        (0.68, _OVERHEAD),
        (0.82, _CHEST),
        (1.0, _CARRY),
    ),
    period=4.2,
    beats=(0.2,),
)

_HOLD = pose({"right_arm": (12, 12), "right_forearm": (78, -14)})
_TO_MOUTH = _HOLD.but({"right_arm": (48, 22), "right_forearm": (148, -42), "nod": -6})
CONSUME = Motion(
    name="bring to the mouth",
    keys=((0.0, _HOLD), (0.12, _HOLD), (0.38, _TO_MOUTH), (0.7, _TO_MOUTH.but({"nod": -14})), (1.0, _HOLD)),
    period=3.0,
    beats=(0.42, 0.56),
)

_SWEEP = pose(
    {
        "lean": 18,
        "right_arm": (38, 2),
        "right_forearm": (96, -34),
        "left_arm": (28, 4),
        "left_forearm": (40, -18),
        "left_thigh": (16, 6),
        "left_shin": (-6, 2),
        "right_thigh": (-8, 6),
        "right_shin": (-16, 2),
        "nod": 14,
    }
)
SWEEP = Motion(
    name="sweep",
    keys=(
        (0.0, _SWEEP.but({"left_forearm": (22, -8), "left_arm": (14, 6)})),
        (0.5, _SWEEP.but({"left_forearm": (66, -24), "left_arm": (48, 2), "lean": 26, "turn": 10})),
        (1.0, _SWEEP.but({"left_forearm": (22, -8), "left_arm": (14, 6)})),
    ),
    period=1.5,
    beats=(0.2, 0.7),
)

_AT_MICROPHONE = pose({"left_arm": (30, 10), "left_forearm": (100, -18)})
PERFORM = Motion(
    name="perform",
    keys=(
        (0.0, _AT_MICROPHONE),
        (0.25, _AT_MICROPHONE.but({"right_arm": (35, 30), "right_forearm": (95, 30), "turn": 12, "tilt": 4})),
        (0.5, _AT_MICROPHONE.but({"right_arm": (20, 20), "right_forearm": (70, 10), "nod": 8})),
        (0.75, _AT_MICROPHONE.but({"right_arm": (50, 45), "right_forearm": (110, 50), "turn": -12, "tilt": -4})),
        (1.0, _AT_MICROPHONE),
    ),
    period=3.6,
)

_RAISED = pose({"left_arm": (100, 62), "left_forearm": (172, 5)})
WAVE_LEFT = Motion(
    name="wave left",
    keys=(
        (0.0, _RAISED.but({"left_forearm": (175, 38)})),
        (0.5, _RAISED.but({"left_forearm": (175, -28)})),
        (1.0, _RAISED.but({"left_forearm": (175, 38)})),
    ),
    period=0.95,
    any_side=True,
)
WAVE_RIGHT = replace(WAVE_LEFT.mirrored(), name="wave right")

_TREE = pose(
    {
        "left_arm": (172, 14),
        "right_arm": (172, 14),
        "left_forearm": (178, -24),
        "right_forearm": (178, -24),
        "left_thigh": (38, 46),
        "left_shin": (-20, -52),
        "right_thigh": (0, -8),
        "right_shin": (0, -4),
    }
)
TREE = Motion(name="tree", keys=((0.0, _TREE), (0.5, _TREE.but({"tilt": 2})), (1.0, _TREE)), period=4.0)
_WARRIOR = pose(
    {
        "left_arm": (5, 88),
        "right_arm": (5, 88),
        "left_forearm": (5, 90),
        "right_forearm": (5, 90),
        "left_thigh": (20, 62),
        "left_shin": (-6, 4),
        "right_thigh": (0, 38),
        "right_shin": (0, 40),
        "turn": 40,
    }
)
WARRIOR = Motion(name="warrior", keys=((0.0, _WARRIOR), (0.5, _WARRIOR.but({"tilt": 2})), (1.0, _WARRIOR)), period=4.0)


def _there_and_back(name: str, to: Pose, period: float) -> Motion:
    return Motion(
        name=name, keys=((0.0, STAND), (0.15, STAND), (0.4, to), (0.7, to), (0.95, STAND), (1.0, STAND)), period=period
    )


_HIPS = pose({"left_arm": (-25, 42), "right_arm": (-25, 42), "left_forearm": (20, -50), "right_forearm": (20, -50)})
BETWEEN = (
    Motion(name="idle", keys=((0.0, STAND), (0.5, pose({"tilt": 3, "turn": 10})), (1.0, STAND)), period=4.0),
    _there_and_back("look around", pose({"turn": 55}), 3.2),
    _there_and_back("look the other way", pose({"turn": -55, "tilt": -3}), 3.2),
    _there_and_back("scratch the head", pose({"right_arm": (120, 40), "right_forearm": (165, -60)}), 3.4),
    _there_and_back("hands on hips", _HIPS, 4.4),
    _there_and_back("check the watch", pose({"left_arm": (30, 10), "left_forearm": (85, -50), "nod": 22}), 3.0),
    _there_and_back("bend down", _LOW.but({"lean": 50}), 3.4),
    _there_and_back("stretch ahead", pose({"left_arm": (92, 6), "right_arm": (92, 6), "left_forearm": (95, 0)}), 3.6),
)
"""Motions that are no class: what people do between actions."""

NEAR_MISSES = (
    _there_and_back("raise an arm", _RAISED.but({"left_forearm": (175, 5)}), 3.2),
    _there_and_back("raise the other arm", _RAISED.mirrored(), 3.2),
    _there_and_back("half crouch", _LANDING, 3.0),
    _there_and_back("reach out", _REACH, 3.0),
    _there_and_back("hand to the face", _TO_MOUTH, 2.8),
    _there_and_back("arms up", _OVERHEAD, 3.2),
)
"""Motions that look like the beginning of a class; they are mixed in as difficulty grows."""
