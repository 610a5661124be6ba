"""The sizes a picture is looked at: each smaller than the one before by a constant factor."""

import numpy as np
from jaxtyping import UInt8

from untrimmed.features.trajectories.config import Trajectories

Sizes = list[tuple[float, int, int]]


def sizes(height: int, width: int, config: Trajectories) -> Sizes:
    """Factor, height and width of each scale, largest first; none if the picture itself is too small."""
    found: Sizes = []
    for number in range(config.scales):
        factor = config.scale_factor**number
        small = round(height / factor), round(width / factor)
        if min(small) < config.least_side:
            break
        found.append((factor, *small))
    return found


def pyramid(picture: UInt8[np.ndarray, "height width"], levels: Sizes) -> list[np.ndarray]:
    """The picture at each scale, each resized from the one before."""
    import cv2

    found = [np.ascontiguousarray(picture)]
    for _, height, width in levels[1:]:
        found.append(cv2.resize(found[-1], (width, height), interpolation=cv2.INTER_LINEAR))
    return found
