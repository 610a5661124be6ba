"""How bodies move: key poses in time with smooth interpolation.

A motion runs through its key poses once a round. Between two keys the pose moves along the smoothstep curve
3s^2 - 2s^3, so that it rests at every key as limbs do when they turn round.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from untrimmed.data.playground.skeleton import SIZE, Pose


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Key poses at shares of a round.

    Attributes:
        name: one word.
        keys: (share of the round in [0, 1], pose), in order, first at 0 and last at 1.
        period: seconds that a round usually takes.
        once: whether a round cannot follow another without a cut (a door that is open cannot be opened).
        speed: metres per second ahead while it lasts.
        side_view: whether the person is seen from the side.
        any_side: whether it is seen from all around; else mostly from the front.
        beats: shares of the round at which it makes its sound.
    """

    name: str
    keys: tuple[tuple[float, Pose], ...]
    period: float
    once: bool = False
    speed: float = 0.0
    side_view: bool = False
    any_side: bool = False
    beats: tuple[float, ...] = ()

    def at(self, share: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n angles"]:
        """Poses at shares of a round in [0, 1]."""
        times = np.array([time for time, _ in self.keys])
        poses = np.stack([key.array for _, key in self.keys])
        low = np.clip(np.searchsorted(times, share, side="right") - 1, 0, len(times) - 2)
        x = np.clip((share - times[low]) / (times[low + 1] - times[low]), 0.0, 1.0)
        weight = (x * x * (3 - 2 * x))[:, None]
        return np.asarray(poses[low] * (1 - weight) + poses[low + 1] * weight)

    @property
    def start(self) -> Pose:
        """The first key."""
        return self.keys[0][1]

    @property
    def end(self) -> Pose:
        """The last key."""
        return self.keys[-1][1]

    def reversed(self, name: str) -> "Motion":
        """The same motion run backwards."""
        keys = tuple((1 - time, key) for time, key in reversed(self.keys))
        return replace(self, name=name, keys=keys, beats=tuple(1 - beat for beat in reversed(self.beats)))

    def mirrored(self) -> "Motion":
        """The same motion with left and right exchanged."""
        return replace(self, keys=tuple((time, key.mirrored()) for time, key in self.keys))


def smoothstep(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """3x^2 - 2x^3 on [0, 1], constant outside."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)


def sway(seconds: Float[np.ndarray, " n"], *, seed: int, size: float) -> Float[np.ndarray, "n angles"]:
    """Small slow movements of everything, so that nobody stands like a statue.

    Args:
        seconds: when.
        seed: of the phases.
        size: of the angles, degrees.
    """
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, (2, SIZE))
    rate = rng.uniform(0.9, 2.2, (2, SIZE))
    out = size * (np.sin(seconds[:, None] * rate[0] + phase[0]) + 0.5 * np.sin(seconds[:, None] * 1.7 * rate[1]))
    out[:, :3] = 0.0  # no lift, step or state
    return np.asarray(out)
