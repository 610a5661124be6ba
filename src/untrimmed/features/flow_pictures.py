"""Optical flow as colour pictures: its direction as hue and its magnitude as brightness, or x, y and magnitude."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from untrimmed.features.feature import Feature, ImageSequence, Measurement, Rows
from untrimmed.features.flow.farneback import Farneback
from untrimmed.features.images import BLOCK, FlowImages, bytes_to_flow, flow_to_bytes
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

Layout = Literal["hue", "xy-magnitude"]


@dataclass(frozen=True, kw_only=True)
class PolarFlow(Feature):
    """Pictures of three channels that show flow.

    A mirrored picture is not the picture of the mirrored motion, so nets that learn from them must not mirror.
    """

    name = "polarflow"

    flow: FlowImages = field(default_factory=lambda: FlowImages(method=Farneback(), compensated=False))
    """The flow. Report 14, section 2.2, and report 09, section 2.1, footnote 1: Farneback's, in OpenCV."""
    layout: Layout = "hue"
    """hue: report 14, "magnitude and direction ... stored them as RGB images", read as the colour circle of OpenCV's
    own example. xy-magnitude: report 09, "(fx, fy, m) per pixel"."""
    bound: float = 20.0
    """Magnitude in pixels that is brightest. The papers do not say; the bound of the flow's own bytes."""

    def __post_init__(self) -> None:
        if not self.bound > 0:
            raise DataError(f"bound of flow pictures must be positive pixels, got {self.bound}")

    @property
    def channels(self) -> int:
        """Of one picture."""
        return 3

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.flow.size

    @property
    def requires(self) -> tuple[Feature, ...]:
        """The flow."""
        return (self.flow,)

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Pictures (n, height, width, 3) at the times of the flow."""
        images = given[self.flow]
        if not isinstance(images, ImageSequence):
            raise DataError(f"flow pictures of {video} must be made from pictures of flow, got rows")
        return _PolarRows(images, self)


def hue_pictures(
    flow: Float[np.ndarray, "*pictures height width 2"], *, bound: float
) -> UInt8[np.ndarray, "*pictures height width 3"]:
    """Direction as hue, magnitude as value, at full saturation, in red, green, blue.

    The hue is the angle from right (red, 0 degrees) through down (120, green) on; the value min(|flow| / bound, 1).
    What stands still is black, and directions that are near have colours that are near, all around the circle.
    """
    along, down = flow[..., 0].astype(np.float64), flow[..., 1].astype(np.float64)
    sixth = np.degrees(np.arctan2(down, along)) % 360 / 60
    value = np.minimum(np.hypot(along, down) / bound, 1)
    # each colour is full for 120 degrees around its own hue and falls to nothing over the 60 degrees beside
    apart = np.stack([np.abs((sixth - own + 3) % 6 - 3) for own in (0, 2, 4)], axis=-1)
    return np.rint(255 * value[..., None] * np.clip(2 - apart, 0, 1)).astype(np.uint8)


def xy_magnitude_pictures(
    flow: Float[np.ndarray, "*pictures height width 2"], *, bound: float
) -> UInt8[np.ndarray, "*pictures height width 3"]:
    """Motion along x and y as the bytes of flow_to_bytes, and the magnitude from 0 to 255 at the bound."""
    magnitude = np.minimum(np.linalg.norm(flow, axis=-1, keepdims=True) / bound, 1)
    return np.concatenate([flow_to_bytes(flow, bound), np.rint(255 * magnitude).astype(np.uint8)], axis=-1)


class _PolarRows(Rows):
    def __init__(self, images: ImageSequence, feature: PolarFlow) -> None:
        self._images, self._feature = images, feature

    def __iter__(self) -> Iterator[np.ndarray]:
        feature = self._feature
        for first in range(0, len(self._images), BLOCK):
            coded = self._images.frames(np.arange(first, min(first + BLOCK, len(self._images))))
            flow = bytes_to_flow(coded, feature.flow.bound)
            if feature.layout == "hue":
                yield hue_pictures(flow, bound=feature.bound)
            else:
                yield xy_magnitude_pictures(flow, bound=feature.bound)

    def grid(self) -> TimeGrid:
        return self._images.grid
