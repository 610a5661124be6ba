"""Video files in folders: which file belongs to which id, and folders of class/clip.

Ids from annotation files never become paths: the files that exist are listed once and looked up by name.
"""

import logging
import math
import os
from pathlib import Path

from untrimmed.data.raw import RawDataset, RawVideo, Span
from untrimmed.records import DataError

logger = logging.getLogger(__name__)

# fmt: off
ENDINGS = (
    ".3gp", ".asf", ".avi", ".flv", ".gif", ".h264", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
    ".ogv", ".ts", ".vob", ".webm", ".wmv",
)
# fmt: on
"""Endings that are taken for video files."""

_SUBSET_FOLDERS = {
    "training": "training",
    "train": "training",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "testing": "testing",
    "test": "testing",
}


def index(folder: Path) -> dict[str, Path]:
    """Id to file for every video under a folder; a name that begins with "v_" counts without it too.

    Raises:
        DataError: when the folder is not there, or two files have the same id.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} must be a folder of videos, it is not there")
    found: dict[str, Path] = {}
    for path in _videos(folder):
        if path.stem in found:
            raise DataError(f"two videos are called {path.stem}: {found[path.stem]} and {path}")
        found[path.stem] = path
    for stem in list(found):
        found.setdefault(stem.removeprefix("v_"), found[stem])
    return found


def attach(raw: RawDataset, folder: Path) -> None:
    """Give every video of a data set its file, where the folder has it."""
    files = index(folder)
    for video in raw.videos:
        video.path = files.get(video.video_id)


def measure(raw: RawDataset) -> None:
    """Read the duration of videos that have a file and no duration; one that cannot be read stays without."""
    from untrimmed.media.info import probe  # late: readers of annotations need no decoder

    for video in raw.videos:
        if video.path is not None and not math.isfinite(video.duration):
            try:
                video.duration = probe(video.path).duration
            except DataError as error:
                logger.warning("%s", error)
                continue
            if raw.trimmed:
                video.instances = [Span(0.0, video.duration, one.text) for one in video.instances]


def read_folder(folder: Path) -> RawDataset:
    """Trimmed clips in folders named by their class: class/clip.mp4, or subset/class/clip.mp4.

    Without folders of subsets every clip is in training. Durations are read from the files.

    Raises:
        DataError: when there is no such clip, or two clips have the same name.
    """
    videos: dict[str, RawVideo] = {}
    for path in _videos(folder):
        parts = path.relative_to(folder).parts
        subset = _SUBSET_FOLDERS.get(parts[0].lower()) if len(parts) == 3 else "training"
        if subset is None or len(parts) not in (2, 3):
            raise DataError(f"{path} must lie in class/ or in training/class/ (or validation, testing) under {folder}")
        if path.stem in videos:
            raise DataError(f"two clips are called {path.stem}: {videos[path.stem].path} and {path}")
        instances = [Span(0.0, math.nan, parts[-2])]
        videos[path.stem] = RawVideo(video_id=path.stem, subset=subset, instances=instances, path=path)
    if not videos:
        raise DataError(f"{folder} holds no video in folders named by their class")
    raw = RawDataset(name=folder.name, source=folder, videos=list(videos.values()), trimmed=True)
    measure(raw)
    return raw


def _videos(folder: Path) -> list[Path]:
    found = []
    for place, _, names in os.walk(folder):  # links to folders are not followed, so nothing outside is read
        found += [Path(place) / name for name in names if name.lower().endswith(ENDINGS) and name[0] != "."]
    return sorted(found)
