"""What a video will show, decided before anything is drawn: people, places, shots, and who does what when.

Plans are small frozen values. Every choice comes from a generator seeded by (seed, video id), and every class makes
the same draws in the same order, so that twins (see `classes`) differ in nothing but what the pair is about.
"""

import hashlib
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

import untrimmed.data.playground.motions as motions
from untrimmed.data.playground.classes import BY_LABEL, LABELS, ActionClass
from untrimmed.data.playground.config import PlaygroundConfig
from untrimmed.data.playground.motions import Motion
from untrimmed.data.playground.people import choose_look
from untrimmed.data.playground.pieces import Look
from untrimmed.data.playground.skeleton import STAND, Pose

RAMP = 0.7
"""Seconds that a body takes from one motion into the next; the annotated boundary is its middle."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Some seconds of one person doing one thing.

    Attributes:
        start, end: seconds in the video.
        motion: what.
        rounds: of the motion in the stretch; a fraction where the video's end cuts the action off.
        phase: rounds that were over before the stretch began, for actions that the video's beginning cuts off.
        label: the class if it is one, else "".
        yaw: degrees that the person is turned, 0 faces the camera, 90 the right of the picture.
        rest: the pose on which small motions are put, if it isn't plain standing.
    """

    start: float
    end: float
    motion: Motion
    rounds: float
    phase: float = 0.0
    label: str = ""
    yaw: float = 0.0
    rest: Pose = STAND


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Where the camera looks during a shot, in canvas units.

    Attributes:
        centre: of the view at the start of the shot.
        zoom: at the start and at the end of the shot; 1 shows one unit of height.
        pan: canvas units to the right and down over the shot.
        shake: size of the hand's tremor, canvas units.
        roll: degrees.
        seed: of the tremor.
    """

    centre: tuple[float, float]
    zoom: tuple[float, float]
    pan: tuple[float, float]
    shake: float
    roll: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A person in a shot.

    Attributes:
        look: clothes and colours.
        x: metres to the right of the canvas' origin at the start of the shot.
        distance: metres from the camera.
        stretches: what the person does.
        props: the objects the person has, by word.
        colour: of those objects.
        mirrored: whether left and right are exchanged (left-handed people).
        sway: degrees of unrest.
        seed: of the unrest.
        seen: False for the invisible owner of an object that only stands there.
    """

    look: Look
    x: float
    distance: float
    stretches: tuple[Stretch, ...]
    props: tuple[str, ...] = ()
    colour: tuple[float, float, float] = (200.0, 60.0, 60.0)
    mirrored: bool = False
    sway: float = 1.5
    seed: int = 0
    seen: bool = True


@dataclass(frozen=True, kw_only=True)
class Shot:
    """The frames between two cuts.

    Attributes:
        first, past: frames, half-open.
        place: the scene's word.
        place_seed: of its colours and furniture.
        light: factors of red, green and blue.
        camera: what it does.
        actors: the main person first.
        pole: metres to the right of the origin at which a pole hides what is behind it, or None.
        follow: whether the camera keeps the main person in the picture.
    """

    first: int
    past: int
    place: str
    place_seed: int
    light: tuple[float, float, float]
    camera: Camera
    actors: tuple[Actor, ...]
    pole: float | None
    follow: bool


@dataclass(frozen=True, kw_only=True)
class VideoPlan:
    """One video.

    Attributes:
        video_id: its name.
        subset: training, validation or testing.
        trimmed: whether it is a clip of one class.
        frames: how many.
        fps: frames a second.
        stretches: what the main person does.
        instances: (start, end, label, rounds) of the annotated actions.
        shots: in order, covering every frame.
        look: of the main person.
        place: the scene's word.
        seed: of sound and noise.
        noise: standard deviation of the picture's noise, grey levels.
    """

    video_id: str
    subset: str
    trimmed: bool
    frames: int
    fps: int
    stretches: tuple[Stretch, ...]
    instances: tuple[tuple[float, float, str, int], ...]
    shots: tuple[Shot, ...]
    look: Look
    place: str
    seed: int
    noise: float

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.frames / self.fps


def derive(seed: int, *words: str) -> int:
    """A seed that depends on a seed and some words, and on nothing else."""
    return int.from_bytes(hashlib.sha256("/".join([str(seed), *words]).encode()).digest()[:6], "big")


def plan_video(video_id: str, subset: str, labels: tuple[str, ...], config: PlaygroundConfig) -> VideoPlan:
    """An untrimmed video.

    Args:
        video_id: decides, with the seed, every choice.
        subset: training, validation or testing.
        labels: the class of each instance, in order; one to four.
        config: sizes and difficulty.
    """
    rng = np.random.default_rng(derive(config.seed, video_id))
    frames = round(float(rng.uniform(config.shortest, config.longest)) * config.fps)
    spans = _timeline(rng, frames / config.fps, len(labels), cut=0.35 * config.difficulty)
    return _plan(rng, video_id, subset, False, frames, spans, labels, config)


def plan_clip(video_id: str, subset: str, label: str, config: PlaygroundConfig) -> VideoPlan:
    """A trimmed clip of 2 to 6 seconds that shows one class from beginning to end."""
    rng = np.random.default_rng(derive(config.seed, video_id))
    low = 2.0 if rng.random() < 0.3 else 3.0
    frames = round(float(rng.uniform(low, 6.0)) * config.fps)
    return _plan(rng, video_id, subset, True, frames, [(0.0, frames / config.fps)], (label,), config)


def _timeline(rng: np.random.Generator, duration: float, count: int, *, cut: float) -> list[tuple[float, float]]:
    """Where the actions are: spread lengths and gaps; by the chance `cut` the first begins and the last ends with the
    video.
    """
    low, high = {1: (0.12, 0.85), 2: (0.35, 0.8), 3: (0.4, 0.8), 4: (0.45, 0.8)}[count]
    share = rng.uniform(low, high)
    least = min(2.6, 0.6 * share * duration / count)
    lengths = least + (share * duration - least * count) * rng.dirichlet(np.full(count, 2.5))
    gap = min(1.2, 0.5 * (1 - share) * duration / (count + 1))
    gaps = gap + ((1 - share) * duration - gap * (count + 1)) * rng.dirichlet(np.full(count + 1, 1.6))
    early, late = rng.random(2) < cut
    if early:
        gaps[-1], gaps[0] = gaps[-1] + gaps[0], 0.0
    elif late:
        gaps[0], gaps[-1] = gaps[0] + gaps[-1], 0.0
    starts = np.cumsum(gaps[:-1]) + np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    return [(float(start), min(duration, float(start + length))) for start, length in zip(starts, lengths, strict=True)]


def _plan(
    rng: np.random.Generator,
    video_id: str,
    subset: str,
    trimmed: bool,
    frames: int,
    spans: list[tuple[float, float]],
    labels: tuple[str, ...],
    config: PlaygroundConfig,
) -> VideoPlan:
    place_share = rng.random()
    places = BY_LABEL[labels[0]].places
    place = places[int(place_share * len(places))]
    look = choose_look(rng)
    mirrored = bool(rng.random() < 0.5)
    stretches, instances, forced = _stretches(rng, frames / config.fps, spans, labels, config, trimmed=trimmed)
    cuts = _cuts(rng, frames, config.fps, forced, spans)
    seeds = {"place": int(rng.integers(2**31)), "look": int(rng.integers(2**31)), "sound": int(rng.integers(2**31))}
    colour = tuple(float(c) for c in PROP_COLOURS[int(rng.integers(len(PROP_COLOURS)))])
    light = rng.uniform(0.82, 1.12) * rng.uniform(0.95, 1.05, 3)
    shots = tuple(
        _shot(
            np.random.default_rng(derive(config.seed, video_id, f"shot {index}")),
            (first, past),
            tuple(s for s in stretches if s.start < past / config.fps - 1e-6 and s.end > first / config.fps + 1e-6),
            place=place,
            place_seed=seeds["place"],
            light=(float(light[0]), float(light[1]), float(light[2])),
            look=look,
            mirrored=mirrored,
            colour=(colour[0], colour[1], colour[2]),
            labels=labels,
            config=config,
        )
        for index, (first, past) in enumerate(pairwise(cuts))
    )
    return VideoPlan(
        video_id=video_id,
        subset=subset,
        trimmed=trimmed,
        frames=frames,
        fps=config.fps,
        stretches=tuple(stretches),
        instances=tuple(instances),
        shots=shots,
        look=look,
        place=place,
        seed=seeds["sound"],
        noise=0.6 + 4.0 * config.difficulty * float(rng.uniform(0.3, 1.0)),
    )


COUNTED = ("Jumping once", "Jumping three times")
PROP_COLOURS = ((214, 62, 58), (58, 110, 190), (240, 240, 236), (236, 184, 60), (70, 150, 96), (150, 86, 160))


def _stretches(
    rng: np.random.Generator,
    duration: float,
    spans: list[tuple[float, float]],
    labels: tuple[str, ...],
    config: PlaygroundConfig,
    *,
    trimmed: bool,
) -> tuple[list[Stretch], list[tuple[float, float, str, int]], list[float]]:
    """The main person's doings, the instances, and the times at which there must be a cut."""
    stretches: list[Stretch] = []
    instances: list[tuple[float, float, str, int]] = []
    forced: list[float] = []
    now = 0.0
    for index, ((start, end), label) in enumerate(zip(spans, labels, strict=True)):
        _fill(rng, stretches, now, start, config)
        motion = BY_LABEL[label].motion
        tempo = float(rng.uniform(0.82, 1.22))
        rounds = max(1, round((end - start) / (motion.period * tempo)))
        missing = float(rng.uniform(0.2, 0.7))
        if motion.once:
            edges = np.linspace(start, end, rounds + 1)
            forced += [float(edge) for edge in edges[1:-1]]
            for low, high in pairwise(edges):
                stretches.append(Stretch(start=float(low), end=float(high), motion=motion, rounds=1, label=label))
        else:
            # a cut round could not be counted, so what is told by its count is whole
            part = not trimmed and label not in COUNTED and rounds > 1
            phase = missing if part and start == 0 else 0.0
            less = missing if part and end >= duration - 1e-6 else phase
            stretches.append(
                Stretch(start=start, end=end, motion=motion, rounds=rounds - less, phase=phase, label=label)
            )
        instances.append((start, end, label, rounds))
        separate = motion.once or (index + 1 < len(labels) and labels[index + 1] != label)
        share = float(rng.uniform(0.35, 0.65))
        if index + 1 < len(labels) and separate:
            forced.append(end + share * (spans[index + 1][0] - end))
        now = end
    _fill(rng, stretches, now, duration, config)
    return stretches, instances, forced


def _fill(
    rng: np.random.Generator, stretches: list[Stretch], start: float, end: float, config: PlaygroundConfig
) -> None:
    """Time between actions: motions that are no class, a few seconds each."""
    while end - start > 1e-9:
        length = float(rng.uniform(2.6, 5.0))
        if end - start - length < 1.5:
            length = end - start
        near = rng.random() < 0.1 + 0.5 * config.difficulty
        pool = motions.NEAR_MISSES if near else motions.BETWEEN
        motion = pool[int(rng.integers(len(pool)))]
        stretches.append(Stretch(start=start, end=start + length, motion=motion, rounds=1))
        start += length


def _cuts(
    rng: np.random.Generator, frames: int, fps: int, forced: list[float], spans: list[tuple[float, float]]
) -> list[int]:
    """Frames at which shots begin, and the end: forced cuts, some at boundaries of actions, others at random."""
    cuts = {0, frames, *(round(at * fps) for at in forced)}
    for start, end in spans:
        for at, chance in ((start, 0.2), (end, 0.15)):
            if rng.random() < chance:
                cuts.add(round(at * fps))
    at = float(rng.uniform(5.0, 14.0))
    while at * fps < frames:
        frame = round(at * fps)
        if min(abs(frame - cut) for cut in cuts) > 1.5 * fps:
            cuts.add(frame)
        at += float(rng.uniform(5.0, 14.0))
    kept = sorted(cut for cut in cuts if 0 <= cut <= frames)
    return [cut for i, cut in enumerate(kept) if i == 0 or cut == frames or (frames - cut >= 3 and cut >= 3)]


def _shot(
    rng: np.random.Generator,
    span: tuple[int, int],
    stretches: tuple[Stretch, ...],
    *,
    place: str,
    place_seed: int,
    light: tuple[float, float, float],
    look: Look,
    mirrored: bool,
    colour: tuple[float, float, float],
    labels: tuple[str, ...],
    config: PlaygroundConfig,
) -> Shot:
    hard = config.difficulty
    acting = [stretch.label for stretch in stretches if stretch.label]
    keep, other = rng.random() < 0.5, int(rng.integers(len(labels)))
    # between actions the object may stay in hand or be gone
    about = BY_LABEL[acting[0]] if acting else (BY_LABEL[labels[other]] if keep else None)
    side = 1.0 if rng.random() < 0.5 else -1.0
    turn, back, done = rng.uniform(-1, 1, 3), bool(rng.random() < 0.5), bool(rng.random() < 0.5)
    doing = tuple(
        _posed(stretch, stretches, about, side, turn, back, None if acting else done) for stretch in stretches
    )
    centre = (float(rng.uniform(0.3, 1.05)), float(rng.uniform(0.5, 0.56)))
    zoom = float(rng.uniform(0.95, 1.22))
    moving = rng.random() < 0.3 + 0.6 * hard
    drift = rng.normal(0, 1, 3) * (0.03 + 0.1 * hard) * moving
    camera = Camera(
        centre=centre,
        zoom=(zoom, zoom * float(np.clip(1 + 1.2 * drift[0], 0.85, 1.2))),
        pan=(float(drift[1]), 0.25 * float(drift[2])),
        shake=float(rng.uniform(0.0, 0.002 + 0.012 * hard)),
        roll=float(rng.normal(0, 0.6 + 2.0 * hard)),
        seed=int(rng.integers(2**31)),
    )
    metres = 4.0 / 1.46
    distance = float(rng.uniform(3.8, 4.4))
    main = Actor(
        look=look,
        x=(centre[0] + float(rng.uniform(-0.22, 0.22))) * distance / 1.46,
        distance=distance,
        stretches=doing,
        props=(about.prop,) if about and about.prop else (),
        colour=colour,
        mirrored=mirrored and not (about and about.label.startswith("Waving")),
        sway=float(rng.uniform(0.8, 1.6 + 2.0 * hard)),
        seed=int(rng.integers(2**31)),
    )
    others = tuple(
        _other(rng, span, centre[0] * metres, look, config) for _ in range(int(rng.poisson(0.4 + 2.2 * hard)))
    )
    statics = tuple(_static(rng, span, centre[0] * metres, config) for _ in range(int(rng.random() < 0.2 + 0.4 * hard)))
    hidden = rng.random() < 0.35 * hard
    pole = (centre[0] + float(rng.uniform(-0.4, 0.4))) * 2.6 / 1.46
    return Shot(
        first=span[0],
        past=span[1],
        place=place,
        place_seed=place_seed,
        light=light,
        camera=camera,
        actors=(main, *others, *statics),
        pole=pole if hidden else None,
        follow=any(stretch.motion.speed for stretch in stretches),
    )


def _posed(
    stretch: Stretch,
    stretches: tuple[Stretch, ...],
    about: ActionClass | None,
    side: float,
    turn: np.ndarray,
    back: bool,
    done: bool | None,
) -> Stretch:
    """A stretch with the direction and the pose of rest that its shot gives it.

    Without an action in the shot, `done` says whether the door is as after it or as before: by chance, so that a door
    that stands open tells nothing.
    """
    motion = about.motion if about and (about.prop or stretch.label) else stretch.motion
    if motion.side_view:
        yaw = side * 90.0 + 16.0 * turn[0]
    elif motion.any_side:
        yaw = 38.0 * turn[0] + 180.0 * back
    else:
        yaw = 45.0 * turn[0] if about and about.prop else 42.0 * turn[1]
    if stretch.label:
        return replace(stretch, yaw=float(yaw))
    if about is None or not about.prop:
        return replace(stretch, yaw=float(55.0 * turn[2]))
    first = min((other.start for other in stretches if other.label), default=stretch.end + 1)
    after = done if done is not None else stretch.start >= first
    rest = about.rest_after if after else about.rest
    # hands are full: the head looks about, the rest waits
    quiet = motions.BETWEEN[int(stretch.start * 7.3) % 3]
    return replace(stretch, motion=quiet, yaw=float(yaw), rest=rest)


def _other(rng: np.random.Generator, span: tuple[int, int], x: float, look: Look, config: PlaygroundConfig) -> Actor:
    """Somebody behind the main person: idle, or in motions that are no class, or passing by."""
    start, end = span[0] / config.fps, span[1] / config.fps
    stretches: list[Stretch] = []
    _fill(rng, stretches, start, end, config)
    yaw = float(rng.uniform(-180, 180))
    distance = float(rng.uniform(5.2, 7.8))
    passing = rng.random() < 0.12 + 0.2 * config.difficulty
    if passing:
        side = 1.0 if rng.random() < 0.5 else -1.0
        walk = replace(motions.WALK, speed=0.8 * motions.WALK.speed)
        stretches = [Stretch(start=start, end=end, motion=walk, rounds=max(1, round(end - start)), yaw=90.0 * side)]
    else:
        stretches = [replace(stretch, yaw=yaw) for stretch in stretches]
    own = choose_look(rng)
    same = rng.random() < 0.1 + 0.6 * config.difficulty
    wearing = replace(own, shirt=look.shirt, trousers=look.trousers, shirt_name=look.shirt_name) if same else own
    return Actor(
        look=wearing,
        x=x * distance / 4.0 + float(rng.uniform(-2.6, 2.6)),
        distance=distance,
        stretches=tuple(stretches),
        sway=float(rng.uniform(0.8, 2.5)),
        seed=int(rng.integers(2**31)),
    )


def _static(rng: np.random.Generator, span: tuple[int, int], x: float, config: PlaygroundConfig) -> Actor:
    """An object that stands there and means nothing."""
    start, end = span[0] / config.fps, span[1] / config.fps
    words = ("chair", "door", "microphone", "chair")
    distance = float(rng.uniform(5.6, 7.6))
    stretch = Stretch(
        start=start,
        end=end,
        motion=motions.BETWEEN[0],
        rounds=1,
        yaw=float(90.0 * rng.choice([-1, 1])) + 30 * rng.random(),
    )
    colour = PROP_COLOURS[int(rng.integers(len(PROP_COLOURS)))]
    return Actor(
        look=choose_look(rng),
        x=x * distance / 4.0 + float(rng.uniform(-2.4, 2.4)),
        distance=distance,
        stretches=(stretch,),
        props=(words[int(rng.integers(len(words)))],),
        colour=(float(colour[0]), float(colour[1]), float(colour[2])),
        sway=0.0,
        seed=0,
        seen=False,
    )


def choose_labels(index: int, video_id: str, config: PlaygroundConfig) -> tuple[str, ...]:
    """The classes of the instances of an untrimmed video: one to four, in four of five videos all of one class.

    Classes take turns over the videos, so that each subset holds every class about equally often.
    """
    rng = np.random.default_rng(derive(config.seed, video_id, "labels"))
    count = int(rng.choice([1, 2, 3, 4], p=[0.45, 0.25, 0.18, 0.12]))
    order = np.random.default_rng(derive(config.seed, f"turn {index // len(LABELS)}")).permutation(len(LABELS))
    label = LABELS[order[index % len(LABELS)]]
    if rng.random() >= 0.2:
        return (label,) * count
    # the second class must be at home in the same place
    home = set(BY_LABEL[label].places)
    others = [name for name in LABELS if name != label and home <= set(BY_LABEL[name].places)]
    if not others:
        return (label,) * count
    other = others[int(rng.integers(len(others)))]
    count = max(2, count)
    return tuple(label if i == 0 or (i < count - 1 and rng.random() < 0.5) else other for i in range(count))
