"""Tracks that ended, as arrays: where each was, how it moved, and its four descriptors."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int

Descriptor = Literal["trajectory", "hog", "hof", "mbh"]

DESCRIPTORS: dict[Descriptor, int] = {"trajectory": 30, "hog": 96, "hof": 108, "mbh": 192}
"""Numbers of each descriptor; mbh is the 96 of the horizontal flow, then the 96 of the vertical."""


@dataclass(frozen=True, eq=False)
class TrajectoryBlock:
    """Tracks that ended, in the order of their ends.

    Attributes:
        ends: number of the frame where each track ends.
        mean: x and y, pixels of the full picture.
        variance: standard deviation of x and of y about the mean, pixels (the published program calls it variance).
        length: of the path, pixels.
        scale: of the picture the point was tracked in: 1, then its multiples.
        trajectory: displacements x, y of each step, divided by the sum of their lengths.
        hog: gradients, as the square root of shares.
        hof: flow without the camera's motion, as the square root of shares.
        mbh: gradients of the horizontal flow, then of the vertical, as the square root of shares.
    """

    ends: Int[np.ndarray, " n"]
    mean: Float32[np.ndarray, "n 2"]
    variance: Float32[np.ndarray, "n 2"]
    length: Float32[np.ndarray, " n"]
    scale: Float32[np.ndarray, " n"]
    trajectory: Float32[np.ndarray, "n 30"]
    hog: Float32[np.ndarray, "n 96"]
    hof: Float32[np.ndarray, "n 108"]
    mbh: Float32[np.ndarray, "n 192"]

    def __len__(self) -> int:
        return len(self.ends)

    def descriptor(self, name: Descriptor) -> Float32[np.ndarray, "n dims"]:
        """The rows of one descriptor, by its name."""
        rows = {"trajectory": self.trajectory, "hog": self.hog, "hof": self.hof, "mbh": self.mbh}
        return rows[name]
