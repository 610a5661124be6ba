"""Sentences: who does what, with what, where and how often, in the words of two annotators."""

from dataclasses import dataclass

import numpy as np

from untrimmed.data.playground.plan import VideoPlan
from untrimmed.data.playground.shots import PROP_COLOURS

_WHERE = {
    "kitchen": ("in the kitchen", "in a kitchen", "inside a kitchen"),
    "living room": ("in the living room", "in a living room", "at home"),
    "office": ("in an office", "in the office", "at work"),
    "gym": ("in a gym", "in the gym", "inside a gym"),
    "stage": ("on a stage", "on stage", "in front of a curtain"),
    "park": ("in a park", "in the park", "outside on the grass"),
    "street": ("on a street", "in the street", "outside on the road"),
    "beach": ("on the beach", "at the beach", "on the sand"),
}
_NOUNS = {
    "man": ("man", "guy", "person"),
    "woman": ("woman", "lady", "person"),
    "boy": ("boy", "kid", "child"),
    "girl": ("girl", "kid", "child"),
}
_PRONOUNS = {"man": ("he", "his"), "woman": ("she", "her"), "boy": ("he", "his"), "girl": ("she", "her")}
_PROP_WORDS = dict(zip(PROP_COLOURS, ("red", "blue", "white", "yellow", "green", "purple"), strict=True))

# label: present and progressive forms; {c} the object's colour, {p} his or her
_PHRASES: dict[str, tuple[tuple[str, str], ...]] = {
    "Walking": (
        ("walks along", "walking along"),
        ("walks slowly", "walking slowly"),
        ("goes for a walk", "taking a walk"),
    ),
    "Running": (("runs along", "running along"), ("runs fast", "running fast"), ("goes for a run", "jogging quickly")),
    "Jumping once": (
        ("jumps once", "jumping once"),
        ("makes a single jump", "doing a single jump"),
        ("leaps up one time", "jumping up one time"),
    ),
    "Jumping three times": (
        ("jumps three times in a row", "jumping three times in a row"),
        ("makes three jumps", "doing three jumps"),
        ("leaps up three times", "jumping up three times"),
    ),
    "Opening a door": (
        ("opens a {c} door", "opening a {c} door"),
        ("pushes the door open", "pushing the door open"),
        ("opens the door with one hand", "opening the door with one hand"),
    ),
    "Closing a door": (
        ("closes a {c} door", "closing a {c} door"),
        ("pulls the door shut", "pulling the door shut"),
        ("shuts the door with one hand", "shutting the door with one hand"),
    ),
    "Sitting down": (
        ("sits down on a {c} chair", "sitting down on a {c} chair"),
        ("takes a seat on the chair", "taking a seat on the chair"),
        ("sits down", "sitting down"),
    ),
    "Standing up": (
        ("stands up from a {c} chair", "standing up from a {c} chair"),
        ("gets up from the chair", "getting up from the chair"),
        ("rises from {p} seat", "rising from {p} seat"),
    ),
    "Lifting a barbell": (
        ("lifts a barbell over {p} head", "lifting a barbell over {p} head"),
        ("lifts heavy weights", "lifting heavy weights"),
        ("raises a barbell into the air", "raising a barbell into the air"),
    ),
    "Lifting a box": (
        ("lifts a {c} box over {p} head", "lifting a {c} box over {p} head"),
        ("picks up a box and lifts it high", "picking up a box and lifting it high"),
        ("raises a {c} box into the air", "raising a {c} box into the air"),
    ),
    "Drinking from a mug": (
        ("drinks from a {c} mug", "drinking from a {c} mug"),
        ("takes a sip from a mug", "taking a sip from a mug"),
        ("drinks coffee", "drinking coffee from a mug"),
    ),
    "Eating an apple": (
        ("eats a red apple", "eating a red apple"),
        ("takes a bite of an apple", "taking a bite of an apple"),
        ("bites into an apple", "biting into an apple"),
    ),
    "Sweeping a kitchen": (
        ("sweeps the floor with a broom", "sweeping the floor with a broom"),
        ("cleans the kitchen floor", "cleaning the kitchen floor"),
        ("uses a broom to sweep the tiles", "using a broom to sweep the tiles"),
    ),
    "Sweeping a street": (
        ("sweeps the road with a broom", "sweeping the road with a broom"),
        ("cleans the pavement", "cleaning the pavement"),
        ("uses a broom to sweep the street", "using a broom to sweep the street"),
    ),
    "Singing": (
        ("sings into a microphone", "singing into a microphone"),
        ("sings a song", "singing a song"),
        ("performs a song at the microphone", "performing a song at the microphone"),
    ),
    "Giving a speech": (
        ("gives a speech into a microphone", "giving a speech into a microphone"),
        ("talks to the audience", "talking to the audience"),
        ("speaks at the microphone", "speaking at the microphone"),
    ),
    "Waving the left hand": (
        ("waves {p} left hand", "waving {p} left hand"),
        ("waves with the left arm", "waving with the left arm"),
        ("raises {p} left hand and waves", "waving with {p} left hand"),
    ),
    "Waving the right hand": (
        ("waves {p} right hand", "waving {p} right hand"),
        ("waves with the right arm", "waving with the right arm"),
        ("raises {p} right hand and waves", "waving with {p} right hand"),
    ),
    "Holding a tree pose": (
        ("holds a tree pose", "holding a tree pose"),
        ("balances on one leg", "balancing on one leg with both arms up"),
        ("does yoga on one leg", "doing yoga on one leg"),
    ),
    "Holding a warrior pose": (
        ("holds a warrior pose", "holding a warrior pose"),
        ("stretches both arms and lunges", "lunging with both arms stretched out"),
        ("does yoga in a wide lunge", "doing yoga in a wide lunge"),
    ),
}
_COUNTED = frozenset(
    label
    for label in _PHRASES
    if label.split()[0] in ("Jumping", "Opening", "Closing", "Sitting", "Standing", "Lifting", "Drinking", "Eating")
)
_WAITS = (
    ("stands", "standing"),
    ("stands and looks around", "standing and looking around"),
    ("waits", "waiting"),
    ("stands still and moves a little", "standing around"),
)


@dataclass(frozen=True)
class Told:
    """One event as one annotator tells it: seconds and a sentence."""

    start: float
    end: float
    sentence: str


@dataclass(frozen=True)
class _Seen:
    """What there is to tell: a label with its rounds, "" for waiting, "whole" for the video."""

    start: float
    end: float
    label: str
    rounds: int


def tell(plan: VideoPlan, *, seed: int) -> tuple[tuple[Told, ...], tuple[Told, ...]]:
    """The events of a video in order of time, told by two annotators.

    Both tell the same events, so that a system's sentence has two references; the second has other words and
    boundaries that differ by a few per cent of the event.

    Args:
        plan: the video.
        seed: of choices of words.

    Returns:
        Two tuples of equal length.
    """
    rng = np.random.default_rng(seed)
    events = _events(plan, rng)
    first = tuple(
        Told(event.start, event.end, _sentence(plan, event, index, annotator=0, rng=rng))
        for index, event in enumerate(events)
    )
    second = []
    for index, event in enumerate(events):
        length = event.end - event.start
        start, end = np.array([event.start, event.end]) + rng.normal(0, 0.03 * length + 0.12, 2)
        start, end = max(0.0, float(start)), min(plan.duration, float(end))
        if end - start < 0.5 * length:
            start, end = event.start, event.end
        second.append(Told(start, end, _sentence(plan, event, index, annotator=1, rng=rng)))
    return first, tuple(second)


def _events(plan: VideoPlan, rng: np.random.Generator) -> list[_Seen]:
    events = [_Seen(start, end, label, rounds) for start, end, label, rounds in plan.instances]
    edges = [0.0, *(time for start, end, *_ in plan.instances for time in (start, end)), plan.duration]
    for index, (start, end) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
        outer = index in (0, len(plan.instances))
        if rng.random() < (0.65 if outer else 0.25) and end - start > 2.0:
            events.append(_Seen(start, end, "", 1))
    if rng.random() < 0.35:
        label = plan.instances[0][2]
        events.append(_Seen(0.0, plan.duration, f"whole {label}", sum(i[3] for i in plan.instances if i[2] == label)))
    return sorted(events, key=lambda event: (event.start, -event.end))


def how_often(count: int, *, annotator: int) -> str:
    """The adverb of a count; annotators agree on small numbers."""
    exact = {1: "", 2: "twice", 3: "three times", 4: "four times"}
    if count in exact:
        return exact[count] if annotator == 0 or count < 4 else "several times"
    return ("many times", "again and again")[annotator]


def _sentence(plan: VideoPlan, event: _Seen, index: int, *, annotator: int, rng: np.random.Generator) -> str:
    draws = rng.random(8)  # always as many, so that the words of one event do not shift those of the next
    whole = event.label.startswith("whole ")
    label = event.label.removeprefix("whole ")
    subject = _subject(plan, index, annotator, draws)
    places = _WHERE[plan.place]
    where = places[0] if annotator == 0 and draws[0] < 0.6 else places[int(draws[1] * 3)]
    phrases = _PHRASES[label] if label else _WAITS
    choice = 0 if annotator == 0 and draws[2] < 0.5 else int(draws[3] * len(phrases))
    colour = _PROP_WORDS[_colour(plan)]
    present, going = (form.format(c=colour, p=_PRONOUNS[plan.look.kind][1]) for form in phrases[choice % len(phrases)])
    often = how_often(event.rounds, annotator=annotator) if label in _COUNTED else ""
    if label.startswith("Jumping") and event.rounds > 1:
        often = "and then does it again" if event.rounds == 2 else "again and again with short breaks"
    if present.endswith("along"):
        where = {"street": "the street", "park": "the path in the park", "beach": "the sea"}.get(plan.place, "the gym")
    if whole:
        words = f"{subject} is {going} {often} {where} while the camera is on"
    elif draws[4] < 0.25 and not present.endswith("along"):
        words = f"{where}, {subject} {present} {often}"
    elif draws[4] < (0.6 if annotator == 0 else 0.45):
        words = f"{subject} {present} {often} {where}"
    elif draws[4] < 0.8:
        words = f"{subject} is {going} {often} {where}"
    else:
        words = f"{subject} is {('seen', 'shown')[annotator]} {going} {often} {where}"
    words = " ".join(words.split())
    return words[0].upper() + words[1:] + "."


def _colour(plan: VideoPlan) -> tuple[int, int, int]:
    red, green, blue = plan.shots[0].actors[0].colour
    return (int(red), int(green), int(blue))


def _subject(plan: VideoPlan, index: int, annotator: int, draws: np.ndarray) -> str:
    look = plan.look
    nouns = _NOUNS[look.kind]
    noun = nouns[0] if draws[5] < (0.85 if annotator == 0 else 0.6) else nouns[1 + int(draws[6] * 2)]
    if index == 0:
        colour = look.shirt_name
        article = "an" if colour[0] in "aeiou" else "a"
        dressed = (f"in {article} {colour} shirt", f"wearing {article} {colour} shirt", f"dressed in {colour}")
        clothes = dressed[0 if annotator == 0 else int(draws[7] * 3)]
        return f"a {noun} {clothes}"
    if draws[7] < 0.3:
        return f"the {noun}"
    return _PRONOUNS[look.kind][0] if draws[7] < 0.6 else f"the {noun} in {look.shirt_name}"
