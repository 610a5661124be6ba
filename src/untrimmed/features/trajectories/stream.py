"""Improved dense trajectories of a video, frame by frame, in memory that does not grow with its length."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8

from untrimmed.features.trajectories.block import TrajectoryBlock
from untrimmed.features.trajectories.camera import (
    KeyPoints,
    camera_homography,
    corners,
    find_key_points,
    matches,
    turned_back,
)
from untrimmed.features.trajectories.config import Trajectories
from untrimmed.features.trajectories.flows import flows
from untrimmed.features.trajectories.people import background
from untrimmed.features.trajectories.scales import pyramid, sizes
from untrimmed.features.trajectories.tracks import ScaleTracks
from untrimmed.features.trajectories.verdict import judged
from untrimmed.media.reader import read_frames
from untrimmed.records import DataError

Boxes = Callable[[int], Float[np.ndarray, "people 4"]]
"""From the number of a frame to the left, top, right and bottom of each person in it, pixels."""


def track(
    frames: Iterable[UInt8[np.ndarray, "height width"]],
    config: Trajectories | None = None,
    *,
    people: Boxes | None = None,
) -> Iterator[TrajectoryBlock]:
    """Follow points through grey frames and describe what is around them.

    Args:
        frames: grey pictures of one size, in order.
        config: what to track; the published values by default.
        people: where people are, if the caller knows; instead of the configuration's detector.

    Returns:
        One block for each frame in which tracks end, in order.

    Raises:
        DataError: when a frame has another size than the first, or is smaller than the least side.

    Source: Wang and Schmid, Action recognition with improved trajectories, ICCV 2013.
    """
    tracker: _Tracker | None = None
    for number, frame in enumerate(frames):
        if tracker is None:
            tracker = _Tracker(frame, config or Trajectories(), people)
            continue
        block = tracker.step(number, frame)
        if len(block):
            yield block


def track_video(
    path: Path,
    config: Trajectories | None = None,
    *,
    size: tuple[int, int] | None = None,
    per_second: float | None = None,
    people: Boxes | None = None,
) -> Iterator[TrajectoryBlock]:
    """Follow points through a video file.

    Frames are converted to RGB and from there to grey, as the published program did. The file's luma is the same but
    for one level of rounding, yet tracks magnify that: of the 2,001 tracks of the program's own test only 40 % come
    out the same from luma, 99.7 % from this grey.

    Args:
        path: any file that FFmpeg reads.
        config: what to track; the published values by default.
        size: height and width to resize to; None keeps the size as displayed.
        per_second: frames a second to resample to; None takes every frame.
        people: where people are, if the caller knows.

    Raises:
        DataError: when the file cannot be read, or its frames are too small.
    """
    stream = read_frames(path, size=size, per_second=per_second, colour="rgb")
    return track((_grey(frame.image) for frame in stream), config, people=people)


def _grey(image: np.ndarray) -> np.ndarray:
    import cv2

    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


class _Tracker:
    """What is remembered from one frame to the next."""

    def __init__(self, frame: np.ndarray, config: Trajectories, people: Boxes | None) -> None:
        self._config, self._people = config, people
        self._levels = sizes(frame.shape[0], frame.shape[1], config)
        if not self._levels:
            raise DataError(
                f"frames to track in must have at least {config.least_side} pixels a side, "
                f"got {frame.shape[0]} x {frame.shape[1]}"
            )
        self._flows = flows(self._levels, config)
        self._tracks = [ScaleTracks(height, width, config) for _, height, width in self._levels]
        self._outside = np.ones(frame.shape, bool)
        self._number = 0
        self._look(frame)
        self._key_points = self._find_key_points(frame)
        self._prepared = self._flows.prepare(frame)

    def step(self, number: int, frame: np.ndarray) -> TrajectoryBlock:
        """Go on to the next frame; the tracks that end in it."""
        if frame.shape != self._frame.shape:
            wanted, got = (" x ".join(map(str, shape)) for shape in (self._frame.shape, frame.shape))
            raise DataError(f"frame {number} to track in must be {wanted} as the first, got {got}")
        prepared, key_points = self._flows.prepare(frame), self._find_key_points(frame)
        flow = self._flows.between(self._prepared, prepared)
        own = self._own_flow(frame, key_points, flow)
        finished = []
        for (factor, _, _), tracks, picture, all_of_it, left in zip(
            self._levels, self._tracks, self._pictures, flow, own, strict=True
        ):
            finished.append((factor, tracks.follow(picture, all_of_it, left)))
        self._number, self._prepared, self._key_points = number, prepared, key_points
        self._look(frame)
        return judged(number, finished, self._config)

    def _look(self, frame: np.ndarray) -> None:
        """Take a frame in: its pyramid, its people, and new tracks."""
        self._frame = frame
        self._pictures = pyramid(frame, self._levels)
        if self._config.compensated:
            height, width = frame.shape
            if self._people is not None:
                self._outside = background(height, width, self._people(self._number))
            elif self._config.people is not None and self._number % self._config.people.every == 0:
                self._outside = background(height, width, self._config.people.boxes(frame))
        for tracks, picture in zip(self._tracks, self._pictures, strict=True):
            tracks.begin(picture)

    def _find_key_points(self, frame: np.ndarray) -> KeyPoints | None:
        return find_key_points(frame, self._config) if self._config.compensated else None

    def _own_flow(
        self, frame: np.ndarray, key_points: KeyPoints | None, flow: list[Float32[np.ndarray, "2 _ _"]]
    ) -> list[Float32[np.ndarray, "2 _ _"]]:
        """Flow without the camera's motion; the flow itself where the camera stands still."""
        if key_points is None or self._key_points is None:
            return flow
        matched = matches(self._key_points, key_points, within=self._config.match_pixels)
        moving = corners(self._frame, flow[0], self._config.corner_quality)
        places, moved = (np.concatenate(parts) for parts in zip(matched, moving, strict=True))
        homography = camera_homography(places, moved, self._outside)
        if homography is None:
            return flow
        back = turned_back(self._frame, frame, homography)
        return self._flows.between(self._prepared, self._flows.prepare(back))
