"""Where people are, so that their motion is not taken for the camera's."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from untrimmed.records import DataError, MissingExtra


@dataclass(frozen=True, kw_only=True)
class PeopleDetector:
    """OpenCV's pedestrian detector: histograms of gradients and a linear SVM, whose weights come with OpenCV.

    OpenCV 5 no longer has it in its main package; with OpenCV 4 it is there.

    Source: Dalal and Triggs, Histograms of oriented gradients for human detection, CVPR 2005. The published program
    was given the boxes of a stronger detector; this one finds upright people of 100 pixels or more.
    """

    every: int = 5
    """Frames from one detection to the next, >= 1; the boxes stay in between. A detection takes longer than all the
    rest of a frame."""
    stride: int = 8
    """Pixels from one window to the next; a multiple of 8."""
    scale: float = 1.05
    """Ratio of neighbouring sizes, above 1."""
    hit: float = 0.0
    """Least distance from the SVM's plane."""

    def __post_init__(self) -> None:
        if self.every < 1 or self.stride < 8 or self.stride % 8 or not self.scale > 1:
            raise DataError(
                "a people detector needs every >= 1, a stride in multiples of 8 and a scale above 1, got "
                f"{self.every}, {self.stride} and {self.scale}"
            )

    def boxes(self, picture: UInt8[np.ndarray, "height width"]) -> Float[np.ndarray, "people 4"]:
        """Left, top, right and bottom of each person found, pixels.

        Raises:
            MissingExtra: when the installed OpenCV has no such detector.
        """

        if picture.shape[0] < 128 or picture.shape[1] < 64:  # the detector's window; up to there it sees nobody
            return np.zeros((0, 4))
        found, _ = _detector().detectMultiScale(
            np.ascontiguousarray(picture),
            hitThreshold=self.hit,
            winStride=(self.stride, self.stride),
            scale=self.scale,
        )
        corners = np.asarray(found, np.float64).reshape(-1, 4)
        return np.column_stack([corners[:, :2], corners[:, :2] + corners[:, 2:]])


def background(height: int, width: int, boxes: Float[np.ndarray, "people 4"]) -> Bool[np.ndarray, "height width"]:
    """True at the pixels that no box covers."""
    outside = np.ones((height, width), bool)
    for left, top, right, bottom in boxes:
        rows = slice(max(int(np.floor(top)), 0), max(int(np.ceil(bottom)), 0))
        columns = slice(max(int(np.floor(left)), 0), max(int(np.ceil(right)), 0))
        outside[rows, columns] = False
    return outside


@lru_cache(maxsize=1)
def _detector() -> Any:
    import cv2

    if not hasattr(cv2, "HOGDescriptor"):
        raise MissingExtra(
            f"the people detector needs OpenCV 4, got {cv2.__version__} without HOGDescriptor: "
            "pip install 'opencv-python-headless<5', or give the boxes of people yourself"
        )
    detector = cv2.HOGDescriptor()
    detector.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())  # type: ignore[attr-defined]
    return detector
