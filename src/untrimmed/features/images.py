"""Small pictures of a whole video, RGB and optical flow, kept as JPEG: what nets are trained on and measured with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from untrimmed.features.feature import Feature, Measurement, Rows
from untrimmed.features.flow.camera import camera_motion, compensated
from untrimmed.features.flow.dis import Dis
from untrimmed.features.flow.farneback import Farneback
from untrimmed.features.flow.tvl1 import TvL1
from untrimmed.features.frame_blocks import even_grid, stacked
from untrimmed.media.reader import Frame, FrameStream, read_frames
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

BLOCK = 32
"""Pictures handed on at once."""
ZERO = 128
"""The byte that stands for no motion."""

FlowMethod = TvL1 | Dis | Farneback


@dataclass(frozen=True, kw_only=True)
class RgbImages(Feature):
    """Frames of a video, made small."""

    name = "rgb"

    size: tuple[int, int] = (128, 171)
    """Height and width, pixels; report 06, section 2, "Input"."""
    per_second: float | None = None
    """Pictures a second; None keeps every frame (then a variable rate is laid on an even grid)."""

    def __post_init__(self) -> None:
        _check(self.size, self.per_second)

    @property
    def channels(self) -> int:
        """Of one picture: red, green, blue."""
        return 3

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Pictures (n, height, width, 3), as they are decoded."""
        return _RgbRows(read_frames(video, size=self.size, per_second=self.per_second), self.per_second)


@dataclass(frozen=True, kw_only=True)
class FlowImages(Feature):
    """Optical flow from each picture to the next as bytes, 128 for no motion.

    A byte is 128 + round(127 * u / bound), u cut to [-bound, bound]. Flow is measured between pictures of the stored
    size; the last picture has no next one and repeats the flow before it, so that flow and RGB have equal counts.
    """

    name = "flow"

    size: tuple[int, int] = (128, 171)
    """Height and width, pixels; report 06, section 2, "Input"."""
    per_second: float | None = None
    """Pictures a second; None keeps every frame."""
    method: FlowMethod = field(default_factory=TvL1)
    """How flow is measured; report 06 uses OpenCV's TV-L1."""
    compensated: bool = True
    """Whether the camera's own motion is taken away; report 06, section 2: "have been compensated"."""
    bound: float = 20.0
    """Displacement in pixels at which the bytes end; TSN's value."""

    def __post_init__(self) -> None:
        _check(self.size, self.per_second)
        if not self.bound > 0:
            raise DataError(f"bound of flow must be positive pixels, got {self.bound}")

    @property
    def channels(self) -> int:
        """Of one picture: motion along x and along y."""
        return 2

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Pictures (n, height, width, 2), as they are measured."""
        stream = read_frames(video, size=self.size, per_second=self.per_second, colour="luma")
        return _FlowRows(stream, self)


def flow_to_bytes(flow: Float[np.ndarray, "*shape"], bound: float) -> UInt8[np.ndarray, "*shape"]:
    """128 + round(127 * flow / bound), flow cut to [-bound, bound]."""
    return (ZERO + np.rint(np.clip(flow, -bound, bound) * (127 / bound))).astype(np.uint8)


def bytes_to_flow(values: UInt8[np.ndarray, "*shape"], bound: float) -> Float[np.ndarray, "*shape"]:
    """Pixels of displacement; inverse of flow_to_bytes within bound / 254."""
    return ((values.astype(np.float32) - ZERO) * (bound / 127)).astype(np.float32)


class _RgbRows(Rows):
    def __init__(self, stream: FrameStream, per_second: float | None) -> None:
        self._stream = stream
        self._clock = _Clock(stream.path, per_second)

    def __iter__(self) -> Iterator[np.ndarray]:
        yield from stacked((frame.image for frame in self._clock.timed(self._stream)), BLOCK)

    def grid(self) -> TimeGrid:
        return self._clock.grid()


class _FlowRows(Rows):
    def __init__(self, stream: FrameStream, feature: FlowImages) -> None:
        self._stream = stream
        self._feature = feature
        self._clock = _Clock(stream.path, feature.per_second)

    def __iter__(self) -> Iterator[np.ndarray]:
        yield from stacked(self._pictures(), BLOCK)

    def _pictures(self) -> Iterator[np.ndarray]:
        feature = self._feature
        before: np.ndarray | None = None
        picture = np.full((*feature.size, 2), ZERO, np.uint8)
        for frame in self._clock.timed(self._stream):
            if before is not None:
                flow = feature.method.flow(before, frame.image)
                if feature.compensated:
                    flow = compensated(flow, camera_motion(before, flow))
                picture = flow_to_bytes(flow, feature.bound)
                yield picture
            before = frame.image
        if before is not None:
            yield picture

    def grid(self) -> TimeGrid:
        return self._clock.grid()


class _Clock:
    """Notes when frames appear and lays an even grid through them."""

    def __init__(self, path: Path, per_second: float | None) -> None:
        self._path = path
        self._per_second = per_second
        self._seconds: list[float] = []

    def timed(self, stream: FrameStream) -> Iterator[Frame]:
        self._seconds = []
        for frame in stream:
            self._seconds.append(frame.seconds)
            yield frame

    def grid(self) -> TimeGrid:
        return even_grid(self._seconds, video=self._path, per_second=self._per_second)


def _check(size: tuple[int, int], per_second: float | None) -> None:
    if min(size) < 1 or max(size) > 4096:
        raise DataError(f"size of pictures must be 1 to 4096 pixels high and wide, got {size}")
    if per_second is not None and not 0 < per_second <= 1000:
        raise DataError(f"pictures a second must be in (0, 1000], got {per_second}")
