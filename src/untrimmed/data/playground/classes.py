"""The twenty classes, in pairs that one kind of stream tells apart and the others cannot.

| pair | same | what differs | told by |
|---|---|---|---|
| Walking, Running | key poses, clothes, places | tempo | flow, motion; not single frames |
| Jumping once, Jumping three times | poses, length of a round | how often | long temporal context, counting |
| Opening a door, Closing a door | every frame, as a set | order | temporal order |
| Sitting down, Standing up | every frame, as a set | order | temporal order |
| Lifting a barbell, Lifting a box | motion, places | object (large) | RGB, object features |
| Drinking from a mug, Eating an apple | motion, places | object (small), its sound | RGB, boxes; audio |
| Sweeping a kitchen, Sweeping a street | motion, object | place | scene features, depth, ambient sound |
| Singing, Giving a speech | every pixel | sound | audio alone |
| Waving the left hand, Waving the right hand | motion, seen from all sides | which arm | key points, I-U-V maps |
| Holding a tree pose, Holding a warrior pose | no motion, places, clothes | held pose | pose; RGB shape; not flow |
"""

from dataclasses import dataclass

import untrimmed.data.playground.repertoire as repertoire
from untrimmed.data.playground.motions import Motion
from untrimmed.data.playground.skeleton import STAND, Pose

ANYWHERE = ("kitchen", "living room", "office", "gym", "stage", "park", "street", "beach")
OPEN_AIR = ("park", "street", "beach", "gym")
INDOORS = ("kitchen", "living room", "office", "gym")


@dataclass(frozen=True, kw_only=True)
class ActionClass:
    """One class of the playground.

    Attributes:
        label: its name in every annotation file.
        parent: its parent in the taxonomy.
        motion: what the body does.
        places: where it happens.
        prop: the word of the object it needs, or "".
        sound: the word of its sound, or "".
        told_by: what kind of stream tells it from its twin.
    """

    label: str
    parent: str
    motion: Motion
    places: tuple[str, ...]
    prop: str = ""
    sound: str = ""
    told_by: str

    @property
    def rest(self) -> Pose:
        """How people stand before it begins."""
        return self.motion.start if self.prop else STAND

    @property
    def rest_after(self) -> Pose:
        """How they stand when it is over."""
        return self.motion.end if self.prop else STAND


def _pair(
    parent: str,
    first: tuple[str, Motion],
    second: tuple[str, Motion],
    told_by: str,
    *,
    places: tuple[tuple[str, ...], tuple[str, ...]],
    props: tuple[str, str] = ("", ""),
    sounds: tuple[str, str] = ("", ""),
) -> tuple[ActionClass, ActionClass]:
    made = [
        ActionClass(label=label, parent=parent, motion=motion, places=where, prop=prop, sound=sound, told_by=told_by)
        for (label, motion), where, prop, sound in zip((first, second), places, props, sounds, strict=True)
    ]
    return made[0], made[1]


_PAIRS = (
    _pair(
        "Getting about",
        ("Walking", repertoire.WALK),
        ("Running", repertoire.RUN),
        "speed of motion",
        places=(OPEN_AIR, OPEN_AIR),
        sounds=("steps", "steps"),
    ),
    _pair(
        "Jumping",
        ("Jumping once", repertoire.JUMP_ONCE),
        ("Jumping three times", repertoire.JUMP_THRICE),
        "count",
        places=(OPEN_AIR, OPEN_AIR),
        sounds=("landing", "landing"),
    ),
    _pair(
        "Using a door",
        ("Opening a door", repertoire.OPEN),
        ("Closing a door", repertoire.CLOSE),
        "order",
        places=(INDOORS, INDOORS),
        props=("door", "door"),
        sounds=("creak", "creak"),
    ),
    _pair(
        "Using a chair",
        ("Sitting down", repertoire.SIT),
        ("Standing up", repertoire.RISE),
        "order",
        places=(INDOORS, INDOORS),
        props=("chair", "chair"),
        sounds=("chair", "chair"),
    ),
    _pair(
        "Lifting",
        ("Lifting a barbell", repertoire.LIFT_HIGH),
        ("Lifting a box", repertoire.LIFT_HIGH),
        "object",
        places=(("gym", "park", "stage", "living room"), ("gym", "park", "stage", "living room")),
        props=("barbell", "box"),
        sounds=("thud", "thud"),
    ),
    _pair(
        "Eating and drinking",
        ("Drinking from a mug", repertoire.CONSUME),
        ("Eating an apple", repertoire.CONSUME),
        "small object",
        places=(("kitchen", "office", "park", "living room"), ("kitchen", "office", "park", "living room")),
        props=("mug", "apple"),
        sounds=("gulp", "crunch"),
    ),
    _pair(
        "Cleaning",
        ("Sweeping a kitchen", repertoire.SWEEP),
        ("Sweeping a street", repertoire.SWEEP),
        "place",
        places=(("kitchen",), ("street",)),
        props=("broom", "broom"),
        sounds=("swish", "swish"),
    ),
    _pair(
        "Performing",
        ("Singing", repertoire.PERFORM),
        ("Giving a speech", repertoire.PERFORM),
        "sound",
        places=(("stage", "park", "living room", "office"), ("stage", "park", "living room", "office")),
        props=("microphone", "microphone"),
        sounds=("song", "speech"),
    ),
    _pair(
        "Greeting",
        ("Waving the left hand", repertoire.WAVE_LEFT),
        ("Waving the right hand", repertoire.WAVE_RIGHT),
        "which arm",
        places=(ANYWHERE, ANYWHERE),
    ),
    _pair(
        "Yoga",
        ("Holding a tree pose", repertoire.TREE),
        ("Holding a warrior pose", repertoire.WARRIOR),
        "held pose",
        places=(("gym", "beach", "park", "living room"), ("gym", "beach", "park", "living room")),
    ),
)

CLASSES: tuple[ActionClass, ...] = tuple(action for pair in _PAIRS for action in pair)
"""Twenty classes; 2k and 2k + 1 are twins."""

BY_LABEL = {action.label: action for action in CLASSES}
LABELS = tuple(BY_LABEL)


def twin(label: str) -> str:
    """The class that differs in one thing only."""
    return LABELS[LABELS.index(label) ^ 1]
