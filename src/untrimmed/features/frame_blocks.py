"""A feature measured from the frames of a file, some frames at a time, with the grid that their times make."""

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from untrimmed.features.feature import Rows
from untrimmed.media.reader import read_frames
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

log = logging.getLogger(__name__)

TOGETHER = 16
"""Frames measured at once."""
USUAL_RATE = 25
"""Frames a second of a video that has one frame; FFmpeg's own guess for raw streams."""
UNEVEN = 0.5
"""Seconds by which a frame may leave the even grid before the log says so."""

Measure = Callable[[UInt8[np.ndarray, "n height width 3"]], np.ndarray]
"""From pictures to as many rows."""


class FrameRows(Rows):
    """Rows of the frames of one video."""

    def __init__(
        self,
        video: Path,
        begin: Callable[[], Measure],
        *,
        size: tuple[int, int] | None,
        every: int = 1,
        per_second: float | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            video: the file.
            begin: gives what measures blocks of frames, from the first on; called at each pass through the video.
            size: height and width that frames are read at; None leaves them.
            every: take one of so many frames.
            per_second: take so many frames a second instead, the last shown at each instant.
        """
        self._video, self._begin = video, begin
        self._size, self._every, self._per_second = size, every, per_second
        self._seconds: list[float] = []

    def __iter__(self) -> Iterator[np.ndarray]:
        self._seconds = []
        measure = self._begin()
        stream = read_frames(self._video, size=self._size, per_second=self._per_second)
        frames = iter(stream if self._per_second is not None or self._every == 1 else stream.thinned(self._every))
        while block := list(islice(frames, TOGETHER)):
            self._seconds += [frame.seconds for frame in block]
            yield measure(np.stack([frame.image for frame in block]))

    def grid(self) -> TimeGrid:
        """Even steps through the times of the frames."""
        return even_grid(self._seconds, video=self._video, every=self._every, per_second=self._per_second)


def even_grid(times: Sequence[float], *, video: Path, every: int = 1, per_second: float | None = None) -> TimeGrid:
    """The grid through the times of frames; the log says where they leave it by far.

    Args:
        times: seconds, rising.
        video: whose, for the log.
        every: frames of the video from one to the next.
        per_second: of frames that were taken by the clock; their grid begins at 0.
    """
    seconds, count = np.array(times), len(times)
    if per_second is not None:
        return TimeGrid(start=0.0, stride=1 / per_second, window=1 / per_second, steps=count)
    stride = float(seconds[-1] - seconds[0]) / (count - 1) if count > 1 else 0.0
    stride = stride if stride > 0 else every / USUAL_RATE
    off = float(np.abs(seconds - (seconds[0] + stride * np.arange(count))).max())
    if off > UNEVEN:
        log.warning("%s: frames are up to %.1f s off an even grid; set per_second to resample", video, off)
    return TimeGrid(start=float(seconds[0]), stride=stride, window=stride, steps=count)


def stacked(pictures: Iterator[np.ndarray], together: int) -> Iterator[np.ndarray]:
    """Pictures in blocks of so many, the last of what is left."""
    while block := list(islice(pictures, together)):
        yield np.stack(block)


def check_rate(whose: str, *, every: int, per_second: float | None) -> None:
    """Raise DataError unless one of so many frames, or so many frames a second, can be taken."""
    if every < 1 or (per_second is not None and not 0 < per_second <= 1000):
        raise DataError(f"{whose} need every >= 1 and per_second in (0, 1000] or None, got {every} and {per_second}")
