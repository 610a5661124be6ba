"""Small videos, pictures and features that the tests of this folder draw for themselves."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from untrimmed.features.feature import Feature, Measurement, Rows
from untrimmed.media.writer import write_video
from untrimmed.records import DataError, Video
from untrimmed.timeline import TimeGrid


def texture(height: int, width: int, *, seed: int = 0, smooth: float = 2.0) -> np.ndarray:
    """A grey picture with detail everywhere, float32 in 0 to 255."""
    import cv2

    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), smooth) + 0.5 * cv2.GaussianBlur(noise, (0, 0), 4 * smooth)
    return ((blurred - blurred.min()) / (blurred.max() - blurred.min()) * 255).astype(np.float32)


def view(canvas: np.ndarray, matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    """What a camera sees of a canvas: pixel p shows the canvas at matrix @ p."""
    import cv2

    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.clip(np.rint(cv2.warpPerspective(canvas, matrix, (width, height), flags=flags)), 0, 255).astype(np.uint8)


def write_clip(
    path: Path, *, frames: int = 12, size: tuple[int, int] = (48, 64), seed: int = 0, fps: float = 10
) -> Video:
    """A moving texture as a video file."""
    height, width = size
    canvas = texture(height + 2 * frames, width + 2 * frames, seed=seed).astype(np.uint8)
    pictures = (np.repeat(canvas[i : i + height, i : i + width, None], 3, axis=2) for i in range(frames))
    write_video(path, pictures, fps=fps)
    return Video(video_id=path.stem, duration=frames / fps, path=path)


class GivenRows(Rows):
    """Blocks that are known beforehand."""

    def __init__(self, blocks: list[np.ndarray], *, stride: float = 0.5, steps: int | None = None) -> None:
        self._blocks = blocks
        self._stride = stride
        self._steps = sum(map(len, blocks)) if steps is None else steps

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self._blocks)

    def grid(self) -> TimeGrid:
        return TimeGrid(start=0.25, stride=self._stride, window=1.0, steps=self._steps)


@dataclass(frozen=True, kw_only=True)
class Numbers(Feature):
    """Rows that follow from the size of the video file; slow on purpose, and some videos do harm."""

    name = "numbers"
    dims: int = 3
    pause: float = 0.0
    of: Feature | None = None

    @property
    def requires(self) -> tuple[Feature, ...]:
        return () if self.of is None else (self.of,)

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        if "bad" in video.name:
            raise DataError(f"{video.name} cannot be read: it is bad")
        if "bug" in video.name:
            raise ZeroDivisionError("a mistake\nin the program")
        if "crash" in video.name:
            import os

            os.abort()
        blocks = [np.full((2, self.dims), video.stat().st_size % 97 + k, np.float32) for k in range(5)]
        return _SlowRows(blocks, self.pause)


class _SlowRows(GivenRows):
    def __init__(self, blocks: list[np.ndarray], pause: float) -> None:
        super().__init__(blocks)
        self._pause = pause

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in super().__iter__():
            time.sleep(self._pause)
            yield block


def write_files(folder: Path, names: list[str]) -> list[Video]:
    """Files that are no videos, for features that do not look inside."""
    folder.mkdir(exist_ok=True)
    videos = []
    for place, name in enumerate(names):
        path = folder / f"{name}.bin"
        path.write_bytes(b"x" * (10 + place))
        videos.append(Video(video_id=name, duration=1.0 + place, path=path))
    return videos
