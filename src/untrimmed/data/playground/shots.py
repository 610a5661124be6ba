"""Decides what a shot shows: the main person, the camera, people behind, and objects that mean nothing."""

from dataclasses import replace

import numpy as np

import untrimmed.data.playground.repertoire as repertoire
from untrimmed.data.playground.classes import BY_LABEL, ActionClass
from untrimmed.data.playground.config import PlaygroundConfig
from untrimmed.data.playground.people import choose_look
from untrimmed.data.playground.pieces import Look
from untrimmed.data.playground.plan import Actor, Camera, Shot, Stretch

PROP_COLOURS = ((214, 62, 58), (58, 110, 190), (240, 240, 236), (236, 184, 60), (70, 150, 96), (150, 86, 160))
"""Of mugs, boxes, doors, chairs and brooms."""


def fill(
    rng: np.random.Generator, stretches: list[Stretch], start: float, end: float, config: PlaygroundConfig
) -> None:
    """Time between actions: motions that are no class, a few seconds each."""
    while end - start > 1e-9:
        length = float(rng.uniform(2.6, 5.0))
        if end - start - length < 1.5:
            length = end - start
        near = rng.random() < 0.1 + 0.5 * config.difficulty
        pool = repertoire.NEAR_MISSES if near else repertoire.BETWEEN
        motion = pool[int(rng.integers(len(pool)))]
        stretches.append(Stretch(start=start, end=start + length, motion=motion, rounds=1))
        start += length


def compose(
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
    quiet = repertoire.BETWEEN[int(stretch.start * 7.3) % 3]
    return replace(stretch, motion=quiet, yaw=float(yaw), rest=rest)


def _other(rng: np.random.Generator, span: tuple[int, int], x: float, look: Look, config: PlaygroundConfig) -> Actor:
    """Somebody behind the main person: idle, or in motions that are no class, or passing by."""
    start, end = span[0] / config.fps, span[1] / config.fps
    stretches: list[Stretch] = []
    fill(rng, stretches, start, end, config)
    yaw = float(rng.uniform(-180, 180))
    distance = float(rng.uniform(5.2, 7.8))
    passing = rng.random() < 0.12 + 0.2 * config.difficulty
    if passing:
        side = 1.0 if rng.random() < 0.5 else -1.0
        walk = replace(repertoire.WALK, speed=0.8 * repertoire.WALK.speed)
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
        motion=repertoire.BETWEEN[0],
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
