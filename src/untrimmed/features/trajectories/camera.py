"""The camera's motion from one frame to the next: matched key points and corners that move with the flow agree on a
homography, and the second frame is turned back by it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from untrimmed.features.flow.camera import CORNERS, LEAST_INLIERS, LEAST_POINTS, RANSAC_PIXELS
from untrimmed.features.trajectories.config import Trajectories
from untrimmed.features.trajectories.match_kernels import nearest_bits, nearest_numbers
from untrimmed.features.trajectories.warp_kernels import seen_through

CORNER_DISTANCE = 3.0
"""Least pixels between two corners."""


@dataclass(frozen=True, eq=False)
class KeyPoints:
    """Places of one frame that can be found again.

    Attributes:
        places: x and y, pixels.
        words: what is compared: 128 numbers of SIFT or 256 bits of ORB each.
    """

    places: Float32[np.ndarray, "points 2"]
    words: Float32[np.ndarray, "points 128"] | UInt8[np.ndarray, "points 32"]


def find_key_points(picture: UInt8[np.ndarray, "height width"], config: Trajectories) -> KeyPoints:
    """Key points of a frame; those on people are still among them."""
    if config.key_points is None:
        return KeyPoints(np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8))
    found, words = _detector(config.key_points, config.key_points_limit).detectAndCompute(picture, None)
    if words is None:
        words = np.zeros((0, 128), np.float32) if config.key_points == "sift" else np.zeros((0, 32), np.uint8)
    return KeyPoints(np.array([point.pt for point in found], np.float32).reshape(-1, 2), words)


def matches(
    first: KeyPoints, second: KeyPoints, *, within: float
) -> tuple[Float32[np.ndarray, "n 2"], Float32[np.ndarray, "n 2"]]:
    """Places in the first and the second frame of key points that are each other's nearest.

    Args:
        first: key points of a frame.
        second: key points of the next.
        within: greatest difference in x and in y, pixels.
    """
    measure = nearest_bits if first.words.dtype == np.uint8 else nearest_numbers
    if not len(first.places) or not len(second.places):
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    there, back = measure(first.places, second.places, first.words, second.words, np.float32(within))
    mutual = np.flatnonzero((there >= 0) & (back[there] == np.arange(len(there))))
    return first.places[mutual], second.places[there[mutual]]


def corners(
    picture: UInt8[np.ndarray, "height width"],
    flow: Float32[np.ndarray, "2 height width"],
    quality: float,
) -> tuple[Float32[np.ndarray, "n 2"], Float32[np.ndarray, "n 2"]]:
    """Places of strong corners in the first frame, and where the flow takes them.

    Args:
        picture: the first frame.
        flow: from the first frame to the second, pixels.
        quality: least strength of a corner as a share of the greatest.
    """
    import cv2

    found = cv2.goodFeaturesToTrack(picture, CORNERS, quality, CORNER_DISTANCE)
    places = np.zeros((0, 2), np.float32) if found is None else np.asarray(found, np.float32).reshape(-1, 2)
    x, y = np.rint(places).astype(np.int64).T
    return places, places + flow[:, y, x].T


def camera_homography(
    places: Float32[np.ndarray, "n 2"], moved: Float32[np.ndarray, "n 2"], outside: Bool[np.ndarray, "height width"]
) -> Float[np.ndarray, "3 3"] | None:
    """The homography from the first frame to the second that most points outside people agree on.

    Args:
        places: x and y in the first frame.
        moved: the same points in the second.
        outside: True where no person is in the first frame.

    Returns:
        The homography; None where points are too few or do not agree: the camera then counts as still.

    Source: Wang and Schmid, ICCV 2013, section 3.1; more than 50 points and 25 inliers are the program's.
    """
    import cv2

    height, width = outside.shape
    columns = np.clip(np.rint(places[:, 0]).astype(np.int64), 0, width - 1)
    rows = np.clip(np.rint(places[:, 1]).astype(np.int64), 0, height - 1)
    kept = outside[rows, columns]
    if np.count_nonzero(kept) <= LEAST_POINTS:
        return None
    # RANSAC that refines its best guess as it goes; plain RANSAC is 5.5e-4 from the published HOF, this one 4.8e-4.
    # USAC_ACCURATE is no nearer and takes five times as long in OpenCV 4
    matrix, agree = cv2.findHomography(places[kept], moved[kept], cv2.USAC_DEFAULT, RANSAC_PIXELS)
    if matrix is None or np.count_nonzero(agree) <= LEAST_INLIERS or not np.isfinite(matrix).all():
        return None
    return np.asarray(matrix, np.float64)


def turned_back(
    first: UInt8[np.ndarray, "height width"],
    second: UInt8[np.ndarray, "height width"],
    homography: Float[np.ndarray, "3 3"],
) -> UInt8[np.ndarray, "height width"]:
    """The second frame as the camera of the first would have seen it.

    What that camera saw and the second frame does not show is taken from the first, so that nothing moves there.
    """
    back = first.copy()
    seen_through(second, homography, back)
    return back


@lru_cache(maxsize=2)
def _detector(name: str, limit: int) -> Any:
    import cv2

    if name == "sift":
        return cv2.SIFT_create(nfeatures=limit)  # type: ignore[attr-defined]
    return cv2.ORB_create(nfeatures=limit)  # type: ignore[attr-defined]
