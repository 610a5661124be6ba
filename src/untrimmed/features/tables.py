"""Features that came as a file: rows of each video in HDF5, as the organisers of ActivityNet gave them."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from untrimmed.data.feature_files import FeatureFile
from untrimmed.features.feature import FeatureSequence
from untrimmed.records import DataError, Video
from untrimmed.timeline import TimeGrid


@dataclass(frozen=True, kw_only=True)
class FeatureTable:
    """Rows of many videos in one HDF5 file, read a video at a time; the videos themselves are not needed.

    Such a file does not say when its rows were measured. They are laid evenly over the video: with n rows that look
    at `window_steps` steps each, a step is duration / (n + window_steps - 1), so that the first window begins with the
    video and the last one ends with it.
    """

    path: Path
    """The file; see data.feature_files for its forms."""
    window_steps: float = 1.0
    """How many steps a row looks at, >= 1: 2 for C3D, 16 frames every 8; 1 for a row that stands for its step or for
    the whole video."""

    def __post_init__(self) -> None:
        if not self.window_steps >= 1:
            raise DataError(f"window_steps of a feature table must be at least 1, got {self.window_steps}")

    def has(self, video: Video) -> bool:
        """Whether the file holds rows of a video.

        Raises:
            DataError: when the file cannot be read.
        """
        return video.video_id in _known(self.path)

    def load(self, video: Video) -> FeatureSequence:
        """The rows of a video.

        Raises:
            DataError: when the file cannot be read or lacks the video.
        """
        values = _opened(self.path).load(video.video_id)
        if not len(values):
            raise DataError(f"{self.path} has no rows of video {video.video_id}")
        stride = video.duration / (len(values) + self.window_steps - 1)
        grid = TimeGrid(start=0.0, stride=stride, window=stride * self.window_steps, steps=len(values))
        return FeatureSequence(values, grid)


@lru_cache(maxsize=16)
def _opened(path: Path) -> FeatureFile:
    if not path.is_file():
        raise DataError(f"feature file {path} is not there; download it or measure the feature from the videos")
    return FeatureFile(path)


@lru_cache(maxsize=16)
def _known(path: Path) -> frozenset[str]:
    return frozenset(_opened(path).video_ids)
