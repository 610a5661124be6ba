"""The camera's own motion: a homography that most of the picture agrees on, taken away from the flow."""

import numpy as np
from jaxtyping import Float, UInt8

CORNERS = 1000
"""Points at most that vote on the camera's motion."""
CORNER_QUALITY = 0.001
"""Least corner strength as a share of the greatest; that of improved trajectories."""
CORNER_DISTANCE = 4.0
"""Least pixels between two voters, so that one textured object does not outvote the rest."""
LEAST_POINTS, LEAST_INLIERS = 50, 25
"""With fewer, the camera counts as still."""
RANSAC_PIXELS = 1.0
"""How far from the homography a point may land and still agree."""
LARGEST_SHARE = 0.5
"""A homography that moves a corner of the picture by more than this share of its longer side is a wrong one."""


def camera_motion(
    picture: UInt8[np.ndarray, "height width"], flow: Float[np.ndarray, "height width 2"]
) -> Float[np.ndarray, "3 3"]:
    """The homography that maps points of the first picture to where the camera's motion puts them in the second.

    Corners of the picture are followed along the measured flow, and RANSAC finds the homography that most agree on.

    Args:
        picture: the first picture, grey.
        flow: from the first to the second, pixels.

    Returns:
        The homography, with 1 in its last corner; the identity where there are too few points or no agreement.

    Source: Wang and Schmid, Action recognition with improved trajectories, ICCV 2013, section 3.1 (corners, at least
    50 points and 25 inliers, 1 pixel). Report 06 says that flows are compensated and no more.
    """
    import cv2

    still = np.eye(3)
    found = cv2.goodFeaturesToTrack(np.ascontiguousarray(picture), CORNERS, CORNER_QUALITY, CORNER_DISTANCE)
    if found is None or len(found) < LEAST_POINTS:
        return still
    points = np.asarray(found, np.float32).reshape(-1, 2)
    places = np.round(points).astype(np.int64)
    moved = points + flow[places[:, 1], places[:, 0]].astype(np.float32)
    matrix, agree = cv2.findHomography(points, moved, cv2.RANSAC, RANSAC_PIXELS)
    if matrix is None or int(agree.sum()) < LEAST_INLIERS or not np.isfinite(matrix).all():
        return still
    height, width = picture.shape
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], np.float64)
    scale = np.column_stack([corners, np.ones(4)]) @ matrix[2]
    shift = np.abs(_moved(matrix, corners) - corners).max() if scale.min() > 0 else np.inf
    return np.asarray(matrix, np.float64) if shift <= LARGEST_SHARE * max(height, width) else still


def compensated(
    flow: Float[np.ndarray, "height width 2"], homography: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "height width 2"]:
    """The flow that is left when the motion of a homography is taken away: flow(p) - (H p - p)."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width]
    points = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
    camera = (_moved(homography, points) - points).reshape(height, width, 2)
    return (flow - camera).astype(np.float32)


def _moved(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return moved[:, :2] / moved[:, 2:]
