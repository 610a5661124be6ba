"""Confidence maps of joints as pictures of 15 channels, which a net of frames can learn from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from untrimmed.data.skeletons import MPI15, Layout
from untrimmed.features.feature import Feature, Measurement, Rows
from untrimmed.features.frame_blocks import FrameRows, Measure, check_rate
from untrimmed.features.key_point_files import People, PoseFileRows, PoseFiles
from untrimmed.features.pose_estimators import AnyPose, SmallPose, pose_estimator
from untrimmed.nets.pose_peaks import bumps
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class ConfidenceMaps(Feature):
    """Where each of 15 joints is in every frame, as bytes: 0 nowhere, 255 surely here.

    The joints are those of OpenPose's MPI model (head, neck, arms, legs, chest), the net that report 12 cites gives 15
    of; the report does not name them. SmallPose gives its own maps (the head is the highest of nose, eyes and ears),
    other estimators a Gaussian about each joint they find, as high as its score; where people overlap the higher
    value counts.
    """

    name = "joints"

    estimator: AnyPose | PoseFiles = field(default_factory=SmallPose)
    """What finds the joints, or where the files are in which they were found; report 12, section 2.1.3, takes the net
    of Cao et al., CVPR 2017."""
    weights: Path | None = None
    """Of the estimator: what learn_pose_net wrote, torchvision's .pth file or an ONNX file; see
    pose_estimators.pose_estimator."""
    size: tuple[int, int] = (256, 256)
    """Height and width of the maps, pixels; report 12, section 2.1.1, resizes its frames to 256 x 256."""
    every: int = 10
    """One of so many frames; report 12, section 2.1.1: a rate of 1/10 for the frames."""
    per_second: float | None = None
    """Frames a second instead of `every`; None takes `every`."""

    def __post_init__(self) -> None:
        check_rate("confidence maps", every=self.every, per_second=self.per_second)
        if min(self.size) < 1 or max(self.size) > 1024:
            raise DataError(f"size of confidence maps must be 1 to 1024 pixels high and wide, got {self.size}")
        if isinstance(self.estimator, PoseFiles) and self.weights is not None:
            raise DataError(f"maps of the files of {self.estimator.folder} need no weights, got {self.weights}")

    @property
    def layout(self) -> Layout:
        """What the channels stand for."""
        return MPI15

    @property
    def channels(self) -> int:
        """Of one picture: one a joint."""
        return len(self.layout.joints)

    @property
    def mirror(self) -> tuple[int, ...]:
        """The channels in the order they have in a mirror image: left and right exchanged."""
        return self.layout.mirror

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Pictures (n, height, width, 15)."""
        estimator, every, per_second = self.estimator, self.every, self.per_second
        if isinstance(estimator, PoseFiles):
            begin = partial(self._drawing, estimator.sigma_share)
            return PoseFileRows(video, estimator, begin, layout=self.layout, every=every, per_second=per_second)
        return FrameRows(
            video, partial(self._begin, estimator), size=estimator.size, every=every, per_second=per_second
        )

    def _drawing(self, sigma_share: float) -> Callable[[People], UInt8[np.ndarray, "n rows columns 15"]]:
        height, width = self.size
        cells = np.array([width, height, 1.0])

        def drawn(frames: People) -> UInt8[np.ndarray, "n rows columns 15"]:
            maps = [bumps(people * cells, self.size, sigma=sigma_share * height) for people in frames]
            return (np.stack(maps).clip(0, 1) * 255).round().astype(np.uint8).transpose(0, 2, 3, 1).copy()

        return drawn

    def _begin(self, config: AnyPose) -> Measure:
        estimator = pose_estimator(config, self.weights)

        def measure(pictures: UInt8[np.ndarray, "n height width 3"]) -> UInt8[np.ndarray, "n rows columns 15"]:
            maps = torch.from_numpy(estimator.maps(pictures))
            scaled = torch.nn.functional.interpolate(maps, size=self.size, mode="bilinear", align_corners=False)
            return (scaled.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()

        return measure
