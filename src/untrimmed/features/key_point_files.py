"""Key points that another program found: read from files beside the videos instead of being measured."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from untrimmed.data.pose_files import MAX_FRAMES, KeyPoints
from untrimmed.data.pose_folder import PoseForm, find_poses, read_video_poses
from untrimmed.data.skeletons import Layout
from untrimmed.features.feature import Rows
from untrimmed.features.frame_blocks import TOGETHER
from untrimmed.media.info import VideoInfo, probe
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

log = logging.getLogger(__name__)

LARGEST_SHARE = 2.0
"""A place that lies farther than this is no share of a picture's side; joints may lie somewhat outside."""

People = list[Float[np.ndarray, "_ joints 3"]]
"""Of some frames: x and y as shares of the picture's sides, and the score."""


@dataclass(frozen=True, kw_only=True)
class PoseFiles:
    """Files of key points, one of each video in one folder, e.g. what OpenPose wrote.

    A video NAME.mp4 takes NAME.json, NAME.json.gz, or a folder NAME with one JSON file a frame (OpenPose's own
    --write_json). The frames of a file are laid evenly over the video, so that OpenPose may have skipped some.
    """

    folder: str
    """Where they lie. A text and no path: what was measured is known by the folder's name, whatever lies in it, so
    that files which change need a folder or a store of another name."""
    form: PoseForm = "openpose"
    """openpose (18, 25 or 15 joints), coco (results of 17 joints, image_id is the frame) or jhmdb (15 joints)."""
    shares: bool = False
    """Whether places are shares of the picture's sides (OpenPose's --keypoint_scale 3) instead of its pixels."""
    sigma_share: float = 0.02
    """Standard deviation of a joint's confidence map as a share of the picture's height: 7 of 368 pixels in OpenPose's
    training."""

    def __post_init__(self) -> None:
        if not self.folder or not self.sigma_share > 0:
            raise DataError(
                "files of key points need a folder and sigma_share above 0, "
                f"got {self.folder!r:.60} and {self.sigma_share}"
            )


class PoseFileRows(Rows):
    """What is made of the people of one video, frame after frame, without decoding it."""

    def __init__(
        self,
        video: Path,
        files: PoseFiles,
        begin: Callable[[], Callable[[People], np.ndarray]],
        *,
        layout: Layout,
        every: int = 1,
        per_second: float | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            video: the file whose key points are wanted.
            files: where they are.
            begin: gives what makes rows of the people of some frames, called at each pass.
            layout: of the people it gets.
            every: take one of so many frames of the file.
            per_second: take so many frames a second instead, the last shown at each instant.
        """
        self._video, self._files, self._begin = video, files, begin
        self._layout, self._every, self._per_second = layout, every, per_second
        self._grid: TimeGrid | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        info = probe(self._video)
        found = self._read(info)
        frames = self._chosen(len(found.points), info.duration)
        measure = self._begin()
        for first in range(0, len(frames), TOGETHER):
            yield measure([found.points[frame].astype(np.float64) for frame in frames[first : first + TOGETHER]])

    def grid(self) -> TimeGrid:
        """Even steps through the video."""
        assert self._grid is not None, "the rows come first"
        return self._grid

    def _read(self, info: VideoInfo) -> KeyPoints:
        """The people in the layout wanted, as shares of the picture."""
        path = find_poses(Path(self._files.folder), self._video.stem)
        claimed = info.frames or max(1, round(info.duration * info.fps))
        found = read_video_poses(path, form=self._files.form, frames=claimed).to(self._layout)
        count = len(found.points)
        if count > claimed + max(2, claimed // 10):
            log.warning("%s has %d frames, its video %s only %d", path, count, self._video, claimed)
        places = found.points[found.points[..., 2] > 0][:, :2]
        farthest = float(np.abs(places).max(initial=0.0))
        if self._files.shares:
            if farthest > LARGEST_SHARE:
                raise DataError(
                    f"{path}: places must be shares of the picture's sides, got {farthest:g}; leave shares out"
                )
            return found
        if len(places) and farthest <= 1:
            raise DataError(f"{path}: places must be pixels, got none beyond {farthest:g}; set shares")
        return KeyPoints(points=found.points / np.array([info.width, info.height, 1], np.float32), layout=self._layout)

    def _chosen(self, count: int, duration: float) -> Int64[np.ndarray, " steps"]:
        """Which frames of a file, and when they are."""
        stride = duration / count
        if self._per_second is None:
            chosen = np.arange(0, count, self._every, dtype=np.int64)
            stride *= self._every
        else:
            steps = max(1, int(np.ceil(min(duration * self._per_second, MAX_FRAMES + 1.0))))
            if steps > MAX_FRAMES:
                raise DataError(f"{self._video} must have at most {MAX_FRAMES} steps, but claims {duration:g} s")
            instants = np.arange(steps) / self._per_second
            chosen = np.minimum(instants / stride + 1e-6, count - 1).astype(np.int64)
            stride = 1 / self._per_second
        self._grid = TimeGrid(start=0.0, stride=stride, window=stride, steps=len(chosen))
        return chosen
