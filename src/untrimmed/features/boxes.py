"""People and objects of every frame as rows of the store, and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from untrimmed.features.detectors import AnyDetector, Detections, PosePeople, detector, words_of
from untrimmed.features.feature import Feature, FeatureSequence, Measurement, Rows
from untrimmed.features.frame_blocks import FrameRows, Measure, check_rate
from untrimmed.records import DataError

NUMBERS = 6
"""Of one box in a row: left, top, right, bottom, score, 1 + label; all are 0 where there is no box."""


@dataclass(frozen=True, kw_only=True)
class Boxes(Feature):
    """The boxes of the highest scores in every frame, as shares of the picture's sides.

    A row is (most, 6) flattened: left, top, right, bottom, score, and 1 + the index of the word; 0 for no box. What
    `detections` reads back are pixels of a picture of any size.
    """

    name = "boxes"

    detector: AnyDetector = field(default_factory=PosePeople)
    """What finds them."""
    weights: Path | None = None
    """Of the detector; see detectors.detector."""
    most: int = 8
    """Boxes kept a frame."""
    every: int = 5
    """One of so many frames."""
    per_second: float | None = None
    """Frames a second instead of `every`; None takes `every`."""

    def __post_init__(self) -> None:
        check_rate("boxes", every=self.every, per_second=self.per_second)
        if self.most < 1:
            raise DataError(f"boxes need most >= 1, got {self.most}")

    @property
    def words(self) -> tuple[str, ...]:
        """What labels stand for."""
        return words_of(self.detector)

    @property
    def dims(self) -> int:
        """Of a row."""
        return self.most * NUMBERS

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Rows (n, most * 6)."""
        return FrameRows(video, self._begin, size=self.detector.size, every=self.every, per_second=self.per_second)

    def _begin(self) -> Measure:
        finder = detector(self.detector, self.weights)

        def measure(pictures: UInt8[np.ndarray, "n height width 3"]) -> Float[np.ndarray, "n dims"]:
            height, width = pictures.shape[1:3]
            found = finder.found(pictures)
            return np.stack([to_row(frame, most=self.most, size=(height, width)) for frame in found])

        return measure


def to_row(frame: Detections, *, most: int, size: tuple[int, int]) -> Float[np.ndarray, " dims"]:
    """The detections of highest score as one row; see Boxes.

    Args:
        frame: what was found.
        most: boxes kept.
        size: height and width of the picture that they lie in, pixels.
    """
    out = np.zeros((most, NUMBERS), np.float32)
    count = min(most, len(frame))
    height, width = size
    out[:count, :4] = frame.boxes[:count] / (width, height, width, height)
    out[:count, 4], out[:count, 5] = frame.scores[:count], 1 + frame.labels[:count]
    return out.reshape(-1)


def from_row(row: Float[np.ndarray, " dims"], *, size: tuple[int, int] = (1, 1)) -> Detections:
    """The detections of a row; inverse of to_row for the boxes that were kept.

    Args:
        row: of Boxes.
        size: height and width of the picture that the boxes are to lie in; (1, 1) leaves shares.
    """
    table = np.asarray(row, np.float64).reshape(-1, NUMBERS)
    table = table[table[:, 5] > 0]
    height, width = size
    return Detections(
        table[:, :4] * (width, height, width, height), table[:, 4], np.rint(table[:, 5]).astype(np.int64) - 1
    )


def detections(sequence: FeatureSequence, *, size: tuple[int, int] = (1, 1)) -> tuple[Detections, ...]:
    """What was found at every step of a stored sequence of Boxes.

    Raises:
        DataError: when rows are not of that feature.
    """
    if sequence.values.shape[1] % NUMBERS:
        raise DataError(f"rows of boxes must have a multiple of {NUMBERS} numbers, got {sequence.values.shape[1]}")
    return tuple(from_row(row, size=size) for row in np.asarray(sequence.values))
