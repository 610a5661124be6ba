"""Pure functions on time: segments (n, 2) in seconds, the grid of a feature sequence, runs and windows.

Everything is vectorised numpy in float64; nothing here knows of files or nets.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from untrimmed.records import DataError

Segments = Float[np.ndarray, "n 2"]


def tiou(first: Float[np.ndarray, "n 2"], second: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "n m"]:
    """Temporal intersection over union of every segment with every other.

    intersection = max(0, min(ends) - max(starts)); union = sum of lengths - intersection. No epsilon and no clipping,
    so two zero-length segments give NaN, as in the official ActivityNet evaluators.

    Args:
        first: segments in any unit.
        second: segments in the same unit.

    Returns:
        One row for each of first, one column for each of second, in [0, 1] for segments with start < end.

    Source: Heilbron et al., ActivityNet, CVPR 2015, section 5; the evaluators' rule for corners.
    """
    start = np.maximum(first[:, None, 0], second[None, :, 0])
    end = np.minimum(first[:, None, 1], second[None, :, 1])
    intersection = np.maximum(0.0, end - start)
    lengths = (first[:, 1] - first[:, 0])[:, None] + (second[:, 1] - second[:, 0])[None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(intersection / (lengths - intersection), dtype=np.float64)


def coverage(inner: Float[np.ndarray, "n 2"], outer: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "n m"]:
    """Share of each inner segment that lies inside each outer one; 0 for a zero-length inner segment."""
    start = np.maximum(inner[:, None, 0], outer[None, :, 0])
    end = np.minimum(inner[:, None, 1], outer[None, :, 1])
    intersection = np.maximum(0.0, end - start)
    length = (inner[:, 1] - inner[:, 0])[:, None]
    return np.divide(intersection, length, out=np.zeros_like(intersection), where=length > 0)


def clip_segments(
    segments: Float[np.ndarray, "n 2"], duration: float
) -> tuple[Float[np.ndarray, "m 2"], Int[np.ndarray, " m"]]:
    """Cut segments to [0, duration] and drop those of which nothing is left.

    Returns:
        The kept segments and their indices in the input, in order.
    """
    clipped = np.clip(segments, 0.0, duration)
    kept = np.flatnonzero(clipped[:, 0] < clipped[:, 1])
    return clipped[kept], kept


def runs(mask: Bool[np.ndarray, " steps"]) -> Int[np.ndarray, "n 2"]:
    """Maximal runs of True as half-open step intervals [first, past), in order.

    >>> runs(np.array([True, True, False, True])).tolist()
    [[0, 2], [3, 4]]
    """
    padded = np.concatenate(([False], mask, [False])).astype(np.int8)
    change = np.diff(padded)
    return np.stack([np.flatnonzero(change == 1), np.flatnonzero(change == -1)], axis=1)


def windows(length: int, *, size: int, stride: int) -> Int[np.ndarray, "n 2"]:
    """Windows of one size that cover every position of [0, length).

    They start at 0, stride, 2 * stride ...; the last one is moved back so that it ends at length exactly. A sequence
    shorter than a window gets the one window [0, length).

    Args:
        length: positions to cover, >= 1.
        size: positions in a window, >= 1.
        stride: step from one start to the next, in [1, size] (a larger one would leave gaps).

    Raises:
        DataError: when the arguments cannot give coverage.

    >>> windows(10, size=4, stride=4).tolist()
    [[0, 4], [4, 8], [6, 10]]
    """
    if length < 1 or size < 1 or not 1 <= stride <= size:
        raise DataError(
            f"windows need length >= 1 and 1 <= stride <= size, got length {length}, size {size}, stride {stride}"
        )
    if length <= size:
        return np.array([[0, length]])
    starts = np.append(np.arange(0, length - size, stride), length - size)
    return np.stack([starts, starts + size], axis=1)


def even_segments(duration: float, levels: int) -> Segments:
    """Split [0, duration) into 1, 2 ... levels equal parts, coarsest first: levels * (levels + 1) / 2 segments.

    Source: report 22, "Temporal Proposals" (five levels, 15 segments).

    >>> even_segments(6.0, 2).tolist()
    [[0.0, 6.0], [0.0, 3.0], [3.0, 6.0]]
    """
    parts = [np.linspace(0.0, duration, count + 1) for count in range(1, levels + 1)]
    return np.concatenate([np.stack([edges[:-1], edges[1:]], axis=1) for edges in parts])


@dataclass(frozen=True, kw_only=True)
class TimeGrid:
    """When each step of a feature sequence was measured.

    Step i looks at [start + i * stride, start + i * stride + window) seconds.

    Attributes:
        start: seconds at which the window of step 0 begins.
        stride: seconds from one step to the next, > 0.
        window: seconds that one step looks at, > 0.
        steps: how many steps there are.
    """

    start: float
    stride: float
    window: float
    steps: int

    def __post_init__(self) -> None:
        good = math.isfinite(self.start) and self.stride > 0 and self.window > 0 and self.steps >= 0
        if not (good and math.isfinite(self.stride) and math.isfinite(self.window)):
            raise DataError(f"a time grid needs stride > 0, window > 0 and steps >= 0, got {self}")

    @property
    def centres(self) -> Float[np.ndarray, " steps"]:
        """Seconds at the middle of each step's window."""
        return self.start + self.window / 2 + self.stride * np.arange(self.steps)

    @property
    def cells(self) -> Float[np.ndarray, "steps 2"]:
        """The stretch of time each step stands for: stride seconds about its centre; neighbours touch."""
        return np.stack([self.centres - self.stride / 2, self.centres + self.stride / 2], axis=1)

    def to_steps(self, seconds: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Seconds to fractional steps: the left edge of cell i is i, its right edge i + 1."""
        return (seconds - self.start - self.window / 2) / self.stride + 0.5

    def to_seconds(self, steps: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Fractional steps to seconds; inverse of to_steps."""
        return (steps - 0.5) * self.stride + self.start + self.window / 2

    def step_range(self, segment: tuple[float, float]) -> tuple[int, int]:
        """Half-open range of the steps whose centres lie in a segment; at least the nearest one if there are steps."""
        low, high = self.to_steps(np.asarray(segment, dtype=np.float64)) - 0.5
        first, past = max(0, math.ceil(low - 1e-9)), min(self.steps, math.ceil(high - 1e-9))
        if first >= past and self.steps:
            first = int(np.clip(round((low + high) / 2), 0, self.steps - 1))
            past = first + 1
        return first, past

    def resized(self, steps: int) -> "TimeGrid":
        """The grid of the same span of cells cut into another number of equal steps."""
        stride = self.stride * self.steps / steps
        begin = float(self.to_seconds(np.zeros(1))[0])
        return TimeGrid(start=begin, stride=stride, window=stride, steps=steps)


def to_shares(segments: Float[np.ndarray, "n 2"], duration: float) -> Float[np.ndarray, "n 2"]:
    """Seconds to shares of the video's duration."""
    return segments / duration


def to_seconds(segments_share: Float[np.ndarray, "n 2"], duration: float) -> Float[np.ndarray, "n 2"]:
    """Shares of the video's duration to seconds."""
    return segments_share * duration
