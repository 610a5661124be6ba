"""What a video will show, decided before anything is drawn: people, places, shots, and who does what when.

Plans are small frozen values. Every choice comes from a generator seeded by (seed, video id), and every class makes
the same draws in the same order, so that twins (see `classes`) differ in nothing but what the pair is about.
"""

import hashlib
from dataclasses import dataclass

from untrimmed.data.playground.motions import Motion
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
