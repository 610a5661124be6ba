"""Clips of a sliding window over a video, each frame decoded once."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from untrimmed.media.stream import read_frames
from untrimmed.records import DataError


class Clip(NamedTuple):
    """Consecutive frames.

    Attributes:
        images: (frames, height, width, 3) RGB.
        first: number in the file of the first of them.
        seconds: when the first appears.
    """

    images: UInt8[np.ndarray, "frames height width 3"]
    first: int
    seconds: float


def dense_clips(path: Path, *, frames: int, stride: int, size: tuple[int, int] | None, thin: int = 1) -> Iterator[Clip]:
    """All clips of a window that slides over a video.

    Clip i begins at frame i * stride of the thinned video. Frames behind the last whole window are in no clip. A
    video shorter than one window gives one clip that repeats its last frame. The memory is that of one clip.

    Args:
        path: any video file.
        frames: in a clip, e.g. 16 for C3D.
        stride: thinned frames from the start of one clip to that of the next.
        size: height and width, e.g. (128, 171) for C3D.
        thin: keep one frame of so many; the others are decoded but not converted.

    Raises:
        DataError: for arguments below 1 and, when iterated, for a file that cannot be read.
    """
    if min(frames, stride, thin) < 1:
        raise DataError(
            f"clips of {path.name} need frames, stride and thin >= 1, got frames {frames}, stride {stride}, thin {thin}"
        )
    return _clips(path, frames, stride, size, thin)


def _clips(path: Path, frames: int, stride: int, size: tuple[int, int] | None, thin: int) -> Iterator[Clip]:
    ring: deque[tuple[np.ndarray, int, float]] = deque(maxlen=frames)
    count = 0
    for frame in read_frames(path, size=size).thinned(thin):
        ring.append((frame.image, frame.index, frame.seconds))
        count += 1
        if count >= frames and (count - frames) % stride == 0:
            yield _clip(ring)
    if count < frames:
        while len(ring) < frames:
            ring.append(ring[-1])
        yield _clip(ring)


def _clip(ring: deque[tuple[np.ndarray, int, float]]) -> Clip:
    return Clip(np.stack([image for image, _, _ in ring]), ring[0][1], ring[0][2])
