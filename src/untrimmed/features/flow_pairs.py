"""Optical flow between a frame and the next one, measured once in so many frames (report 12)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from untrimmed.features.feature import Feature, Measurement, Rows
from untrimmed.features.flow.tvl1 import TvL1
from untrimmed.features.frame_blocks import TOGETHER, check_rate, even_grid, stacked
from untrimmed.features.images import ZERO, FlowMethod, flow_to_bytes
from untrimmed.media.reader import read_frames
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid


@dataclass(frozen=True, kw_only=True)
class FlowPairs(Feature):
    """Flow as bytes on the pairs of frames (0, 1), (10, 11), (20, 21) ...; 128 for no motion.

    The bytes are those of images.FlowImages. Where the last pair lacks its second frame the picture before it is
    repeated, so that there is one for each tenth frame.
    """

    name = "flowpairs"

    size: tuple[int, int] = (256, 256)
    """Height and width, pixels; report 12, section 2.1.1."""
    every: int = 10
    """Frames from one pair to the next; report 12, section 2.1.2."""
    method: FlowMethod = field(default_factory=TvL1)
    """How flow is measured; report 12 takes FlowNet 2.0."""
    bound: float = 20.0
    """Displacement in pixels at which the bytes end; TSN's value. The paper does not say."""

    def __post_init__(self) -> None:
        check_rate("pairs of frames", every=self.every, per_second=None)
        if min(self.size) < 1 or max(self.size) > 4096 or not self.bound > 0:
            raise DataError(
                f"pairs of frames need a size of 1 to 4096 pixels and a bound above 0, got {self.size} and {self.bound}"
            )

    @property
    def channels(self) -> int:
        """Of one picture: motion along x and along y."""
        return 2

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Pictures (n, height, width, 2) at the times of the first frames of the pairs."""
        return _PairRows(video, self)


class _PairRows(Rows):
    def __init__(self, video: Path, feature: FlowPairs) -> None:
        self._video, self._feature = video, feature
        self._seconds: list[float] = []

    def __iter__(self) -> Iterator[np.ndarray]:
        self._seconds = []
        yield from stacked(self._pictures(), TOGETHER)

    def grid(self) -> TimeGrid:
        return even_grid(self._seconds, video=self._video, every=self._feature.every)

    def _pictures(self) -> Iterator[np.ndarray]:
        feature = self._feature
        picture = np.full((*feature.size, 2), ZERO, np.uint8)
        first: np.ndarray | None = None
        for frame in read_frames(self._video, size=feature.size, colour="luma"):
            if first is not None:
                picture = flow_to_bytes(feature.method.flow(first, frame.image), feature.bound)
                yield picture
                first = None
            if frame.index % feature.every == 0:
                first = frame.image
                self._seconds.append(frame.seconds)
        if first is not None:
            yield picture
