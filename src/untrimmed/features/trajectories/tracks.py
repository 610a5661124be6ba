"""The tracks of one scale: begun, followed, described, and handed over when they have made their steps."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from untrimmed.features.trajectories.config import BINS, CELLS, LENGTH, SPANS, Trajectories
from untrimmed.features.trajectories.histogram_kernels import describe, direction_sums
from untrimmed.features.trajectories.track_kernels import advance, free_places

NUMBERS = CELLS * CELLS * (4 * BINS + 1)
"""Of the four histograms of one frame: 32 of HOG, 36 of HOF, 32 and 32 of MBH."""


@dataclass(frozen=True, eq=False)
class Finished:
    """Tracks of one scale that have made their steps.

    Attributes:
        points: places, pixels of the scale.
        moves: steps without the camera's motion, pixels of the scale.
        sums: histograms of each span of time.
    """

    points: Float32[np.ndarray, "n places 2"]
    moves: Float32[np.ndarray, "n steps 2"]
    sums: Float32[np.ndarray, "n spans numbers"]


class ScaleTracks:
    """The living tracks of one scale; their arrays grow when they are full and are used again.

    Args:
        height, width: of the scale.
        config: what to track.
    """

    def __init__(self, height: int, width: int, config: Trajectories) -> None:
        self._config = config
        self._planes = np.empty((height + 1, 4 * BINS + 1, width), np.float32)
        squares = (height // config.grid_step) * (width // config.grid_step)
        self._points = np.empty((squares, LENGTH + 1, 2), np.float32)
        self._moves = np.empty((squares, LENGTH, 2), np.float32)
        self._sums = np.empty((squares, SPANS, NUMBERS), np.float32)
        self._ages = np.zeros(squares, np.int64)
        self._living = np.zeros(0, np.int64)
        self._free = np.arange(squares)[::-1].copy()

    def begin(self, picture: UInt8[np.ndarray, "height width"]) -> None:
        """Start a track in each square of the grid that has none and has something to follow."""
        import cv2

        strength = cv2.cornerMinEigenVal(picture, 3, ksize=3)
        least = np.float32(strength.max() * self._config.corner_quality)
        places = free_places(strength, least, self._config.grid_step, self._points, self._living, self._ages)
        while len(self._free) < len(places):
            self._grow()
        slots = self._free[len(self._free) - len(places) :][::-1]
        self._free = self._free[: len(self._free) - len(places)]
        self._points[slots, 0] = places
        self._sums[slots] = 0.0
        self._ages[slots] = 0
        self._living = np.concatenate([self._living, slots])

    def follow(
        self,
        picture: UInt8[np.ndarray, "height width"],
        flow: Float32[np.ndarray, "2 height width"],
        own: Float32[np.ndarray, "2 height width"],
    ) -> Finished:
        """Describe each track where it is, then move it to the next frame.

        Args:
            picture: the frame the tracks are in.
            flow: from it to the next.
            own: the same without the camera's motion.

        Returns:
            The tracks that made their last step, in the order they began.
        """
        side, still = self._config.patch // CELLS, np.float32(self._config.still_flow)
        epsilon = np.float32(self._config.epsilon)
        direction_sums(picture, own[0], own[1], still, side, self._planes)
        describe(self._points, self._living, self._ages, side, epsilon, self._planes, self._sums)
        inside = advance(self._points, self._moves, self._living, self._ages, flow, own)
        done = inside & (self._ages[self._living] == LENGTH)
        slots = self._living[done]
        finished = Finished(self._points[slots], self._moves[slots], self._sums[slots])
        self._drop(~inside | done)
        return finished

    def _drop(self, gone: Bool[np.ndarray, " living"]) -> None:
        self._free = np.concatenate([self._free, self._living[gone]])
        self._living = self._living[~gone]

    def _grow(self) -> None:
        size = len(self._ages)
        self._points = np.concatenate([self._points, np.empty_like(self._points)])
        self._moves = np.concatenate([self._moves, np.empty_like(self._moves)])
        self._sums = np.concatenate([self._sums, np.empty_like(self._sums)])
        self._ages = np.concatenate([self._ages, np.zeros_like(self._ages)])
        self._free = np.concatenate([np.arange(size, 2 * size)[::-1], self._free])
