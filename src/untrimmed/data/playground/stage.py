"""From a shot's plan to geometry: where every joint, disc and camera is in every frame."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

import untrimmed.data.playground.props as props
import untrimmed.data.playground.skeleton as skeleton
from untrimmed.data.playground.motions import smoothstep, sway
from untrimmed.data.playground.pieces import SCALE, Pieces, body, join, project, thing
from untrimmed.data.playground.plan import RAMP, Actor, Camera, Shot


@dataclass(frozen=True)
class Motions:
    """One person over the frames of a shot.

    Attributes:
        poses: rows of 23 numbers.
        yaw: degrees.
        x: metres to the right.
    """

    poses: Float[np.ndarray, "frames angles"]
    yaw: Float[np.ndarray, " frames"]
    x: Float[np.ndarray, " frames"]


@dataclass(frozen=True)
class Staged:
    """Everything of a shot that can be drawn.

    Attributes:
        pieces: of all people and things.
        joints: world coordinates of each visible person's joints, the main person first.
        yaw: degrees of each visible person.
        distances: metres of each visible person.
        people: owner numbers of the visible persons, as in pieces.
        things: (owner number, word) of the objects.
        views: matrices from canvas units to pixels.
        feet: canvas units of the place under each visible person, for the shadow.
    """

    pieces: Pieces
    joints: Float[np.ndarray, "people frames joints 3"]
    yaw: Float[np.ndarray, "people frames"]
    distances: Float[np.ndarray, " people"]
    people: tuple[int, ...]
    things: tuple[tuple[int, str], ...]
    views: Float[np.ndarray, "frames 2 3"]
    feet: Float[np.ndarray, "people frames 2"]


def perform(actor: Actor, seconds: Float[np.ndarray, " frames"], fps: float) -> Motions:
    """What one person does, stretches blended into each other over RAMP seconds."""
    total = np.zeros(len(seconds))
    poses, yaw, speed = np.zeros((len(seconds), skeleton.SIZE)), np.zeros(len(seconds)), np.zeros(len(seconds))
    for index, stretch in enumerate(actor.stretches):
        weight = np.ones(len(seconds))
        if index > 0:
            weight *= smoothstep((seconds - stretch.start) / RAMP + 0.5)
        if index + 1 < len(actor.stretches):
            weight *= 1 - smoothstep((seconds - stretch.end) / RAMP + 0.5)
        over = np.clip((seconds - stretch.start) / (stretch.end - stretch.start), 0.0, 1.0)
        rounds = stretch.phase + over * stretch.rounds
        # the end of the last round is its last pose, not the first of another
        share = rounds - np.minimum(np.floor(rounds), np.ceil(stretch.phase + stretch.rounds - 1e-9) - 1)
        rows = stretch.motion.at(share) + (stretch.rest.array - skeleton.STAND.array if not stretch.label else 0.0)
        rows = skeleton.mirror(rows) if actor.mirrored else rows
        poses += weight[:, None] * rows
        yaw += weight * stretch.yaw
        speed += weight * stretch.motion.speed
        total += weight
    poses, yaw, speed = poses / total[:, None], yaw / total, speed / total
    poses = poses + sway(seconds, seed=actor.seed, size=actor.sway)
    step = speed * np.sin(np.radians(yaw)) / fps
    return Motions(poses, yaw, actor.x + np.cumsum(step) - step)


def _world(
    points: Float[np.ndarray, "frames n 3"], moves: Motions, size: float, distance: float
) -> Float[np.ndarray, "frames n 3"]:
    turn = np.radians(moves.yaw)[:, None]
    x, y, z = points[..., 0] * size, points[..., 1] * size, points[..., 2] * size
    return np.stack(
        [x * np.cos(turn) + z * np.sin(turn) + moves.x[:, None], y, x * np.sin(turn) - z * np.cos(turn) + distance],
        axis=-1,
    )


def _holder(joints: Float[np.ndarray, "frames joints 3"], actor: Actor, moves: Motions) -> props.Holder:
    turn = np.radians(moves.yaw)
    flat = np.zeros(len(turn))
    size = actor.look.size
    return props.Holder(
        joints,
        np.stack([np.sin(turn), flat, -np.cos(turn)], axis=1) * size,
        np.stack([np.cos(turn), flat, np.sin(turn)], axis=1) * size,
        np.stack([moves.x, flat, np.full(len(turn), actor.distance)], axis=1),
        np.clip(moves.poses[:, skeleton.STATE], 0.0, 1.0),
        "left" if actor.mirrored else "right",
    )


def views(
    camera: Camera, x: Float[np.ndarray, " frames"], *, follow: bool, fps: float, height: int, width: int
) -> Float[np.ndarray, "frames 2 3"]:
    """Matrices from canvas units to pixels.

    Args:
        camera: what it does.
        x: canvas units of the main person.
        follow: whether the view goes with the main person.
        fps: frames a second.
        height, width: of the picture.
    """
    count = len(x)
    share = np.arange(count) / max(1, count - 1)
    seconds = np.arange(count) / fps
    rng = np.random.default_rng(camera.seed)
    phase, rate = rng.uniform(0, 2 * np.pi, (2, 4)), rng.uniform(2.0, 9.0, (2, 4))
    tremor = camera.shake * np.sin(seconds[:, None, None] * rate + phase).sum(axis=2) / 2
    middle = np.stack([camera.centre[0] + camera.pan[0] * share, camera.centre[1] + camera.pan[1] * share], axis=1)
    if follow:
        middle[:, 0] += x - x[0]
    middle = middle + tremor
    zoom = height * (camera.zoom[0] * (1 - share) + camera.zoom[1] * share)
    roll = np.radians(camera.roll)
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    linear = zoom[:, None, None] * turn
    shift = np.array([width / 2, height / 2]) - np.einsum("fij,fj->fi", linear, middle)
    return np.concatenate([linear, shift[:, :, None]], axis=2)


def stage(shot: Shot, *, fps: int, height: int, width: int) -> Staged:
    """Put people and things of a shot on the stage.

    Args:
        shot: the plan.
        fps: frames a second.
        height, width: pixels of the picture.
    """
    seconds = np.arange(shot.first, shot.past) / fps
    groups: list[Pieces] = []
    joints, yaws, distances, people, feet = [], [], [], [], []
    things: list[tuple[int, str]] = []
    main = np.zeros(len(seconds))
    for number, actor in enumerate(shot.actors):
        moves = perform(actor, seconds, fps)
        world = _world(skeleton.joints(moves.poses), moves, actor.look.size, actor.distance)
        if number == 0:
            main = moves.x * SCALE / actor.distance
        if actor.seen:
            owner = 2 * number
            groups.append(body(world, actor.look, owner=owner, distance=actor.distance))
            joints.append(world)
            yaws.append(moves.yaw)
            distances.append(actor.distance)
            people.append(owner)
            ground = world[:, skeleton.INDEX["hip"]].copy()
            ground[:, 1] = 0.0
            feet.append(project(ground, actor.distance))
        for word in actor.props:
            holder = _holder(world, actor, moves)
            groups.append(props.build(word, holder, owner=2 * number + 1, distance=actor.distance, colour=actor.colour))
            things.append((2 * number + 1, word))
    if shot.pole is not None:
        foot = np.tile(np.array([shot.pole, 0.0, 2.6]), (len(seconds), 1))
        top = foot + np.array([0.0, 3.0, 0.0])
        number = 2 * len(shot.actors) + 1
        groups.append(thing([([foot, top], [0.07, 0.07], (74.0, 76.0, 84.0), 0.0)], owner=number, distance=2.6))
        things.append((number, "pole"))
    matrices = views(shot.camera, main, follow=shot.follow, fps=fps, height=height, width=width)
    return Staged(
        join(groups),
        np.stack(joints),
        np.stack(yaws),
        np.array(distances),
        tuple(people),
        tuple(things),
        matrices,
        np.stack(feet),
    )
