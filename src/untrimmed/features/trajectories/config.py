"""The numbers of improved dense trajectories; the defaults are those of the published program."""

from dataclasses import dataclass, field
from typing import Literal

from untrimmed.features.flow.dis import Dis
from untrimmed.features.flow.farneback import Farneback
from untrimmed.features.trajectories.people import PeopleDetector
from untrimmed.records import DataError

LENGTH = 15
"""Steps of a track. With the cells and bins below it fixes the sizes of all descriptors, so it is no field: projections
and codebooks learnt on other sizes could not be used."""
CELLS, SPANS = 2, 3
"""A patch is cut into 2 x 2 cells; the 15 steps into 3 spans of 5."""
BINS = 8
"""Directions; HOF has a ninth bin for pixels that do not move."""

PUBLISHED_FLOW = Farneback(scale_step=2**-0.5, scales=8, window=10, iterations=2, neighbours=7, sigma=1.5)


@dataclass(frozen=True, kw_only=True)
class Trajectories:
    """What to track and when to drop it.

    Source: Wang and Schmid, Action recognition with improved trajectories, ICCV 2013; Wang, Klaeser, Schmid and Liu,
    Dense trajectories and motion boundary descriptors for action recognition, IJCV 2013. Where the papers are silent
    the values are those the published program was run with, found by comparison with its printed output.
    """

    scales: int = 8
    """Pictures of the pyramid at most (IJCV 3.1)."""
    scale_factor: float = 2**0.5
    """How much smaller each scale is than the one before (IJCV 3.1)."""
    least_side: int = 32
    """No scale whose shorter side is below this, pixels."""
    grid_step: int = 5
    """Side of the squares of which each should hold a track, pixels of the scale (IJCV 3.1)."""
    corner_quality: float = 0.001
    """A track starts where the lesser eigenvalue is above this share of the greatest of the picture (IJCV 3.1)."""
    patch: int = 32
    """Side of the square about a track that is described, pixels of the scale; even (IJCV 3.3)."""
    still_flow: float = 0.4
    """Flow up to this length counts as none in HOF, pixels of the scale. The paper does not say."""
    epsilon: float = 0.05
    """Added to each entry of a histogram before it is divided by its sum. The paper does not say."""
    least_spread: float = 3**0.5
    """A track is static if neither x nor y deviates by more than this from its mean, pixels (standard deviation). The
    paper does not say."""
    most_spread: float = 50.0
    """A track is erratic if x or y deviates by more than this, pixels (standard deviation). The paper does not say."""
    jump_pixels: float = 20.0
    """A track jumps if one step is longer than this, pixels, and ..."""
    jump_share: float = 0.7
    """... longer than this share of the whole (IJCV 3.2 has the share alone)."""
    camera_pixels: float = 1.0
    """A track belongs to the camera if no step is longer than this once the camera's motion is gone, pixels (ICCV
    3.2)."""
    flow: Farneback | Dis = PUBLISHED_FLOW
    """Optical flow. Farneback runs coarse to fine through the scales of the tracks (its own scale_step and scales are
    not used), each begun with the median of the flow below; DIS runs on the full picture and is shrunk for the other
    scales."""
    compensated: bool = True
    """Take the camera's motion away; False gives the dense trajectories of 2011."""
    key_points: Literal["sift", "orb"] | None = "sift"
    """What is matched between frames to find the camera's motion, beside corners that move with the flow. SIFT stands
    for SURF, which OpenCV's packages leave out; ORB is nine times faster; None trusts the corners alone."""
    key_points_limit: int = 1000
    """Strongest key points of a frame that are kept. Departs: the published program keeps all, so that its time on
    one frame has no bound; below this number nothing changes."""
    match_pixels: float = 25.0
    """How far apart in x and in y matched key points may lie, pixels (the program's; the paper does not say)."""
    people: PeopleDetector | None = field(default=None)
    """Finds people, whose points must not vote on the camera's motion (ICCV 3.1 uses a trained detector); None takes
    the boxes that the caller gives, if any."""

    def __post_init__(self) -> None:
        if self.scales < 1 or self.grid_step < 1 or self.key_points_limit < 1:
            raise DataError(
                "scales, grid_step and key_points_limit of trajectories must be at least 1, got "
                f"{self.scales}, {self.grid_step} and {self.key_points_limit}"
            )
        if not self.scale_factor > 1:
            raise DataError(f"scale_factor of trajectories must be above 1, got {self.scale_factor}")
        if self.patch < 2 or self.patch % 2:
            raise DataError(f"patch of trajectories must be an even number of pixels, got {self.patch}")
        if self.least_side < self.patch:
            raise DataError(
                f"least_side of trajectories must hold a patch of {self.patch} pixels, got {self.least_side}"
            )
        if not self.epsilon > 0:
            raise DataError(f"epsilon of trajectories must be positive, got {self.epsilon}")


FAST = Trajectories(flow=Dis(preset="fast"), key_points="orb")
"""About twice as fast: DIS flow and ORB key points; not the published numbers. DIS's "medium" is no faster than the
published flow."""
