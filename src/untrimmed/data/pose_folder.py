"""A folder of key points beside videos: which file is a video's, and its poses frame by frame."""

from pathlib import Path
from typing import Literal

from untrimmed.data.opening import shown
from untrimmed.data.pose_clips import read_jhmdb
from untrimmed.data.pose_files import KeyPoints, read_coco_frames, read_openpose
from untrimmed.data.skeletons import OPENPOSE18
from untrimmed.records import DataError

PoseForm = Literal["openpose", "coco", "jhmdb"]
"""How files are laid out: OpenPose's JSON of 18, 25 or 15 joints, COCO's results of 17, or J-HMDB's 15 joints."""


def find_poses(folder: Path, name: str) -> Path:
    """The key points of one video: NAME.json, NAME.json.gz, or a folder NAME with a JSON file a frame.

    Args:
        folder: of all videos.
        name: of the video's file, without its ending.

    Raises:
        DataError: when there is none or more than one, or it lies outside the folder.
    """
    if not folder.is_dir():
        raise DataError(f"folder of key points {folder} is not there")
    if name in ("", ".", "..") or Path(name).name != name:
        raise DataError(f"name of a video must be that of a file in {folder}, got {shown(name)!r}")
    files = [folder / f"{name}{ending}" for ending in (".json", ".json.gz")]
    there = [path for path in files if path.is_file()] + [path for path in (folder / name,) if path.is_dir()]
    if not there:
        raise DataError(f"{folder} has no key points of video {name}: wanted {name}.json, {name}.json.gz or {name}/")
    if len(there) > 1:
        names = " and ".join(path.name for path in there)
        raise DataError(f"{folder} has key points of video {name} more than once: {names}")
    if not there[0].resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{there[0]} is a link that leads out of {folder}")
    return there[0]


def read_video_poses(path: Path, *, form: PoseForm, frames: int) -> KeyPoints:
    """The poses of one video, in the layout and the unit of the file; nobody may be there.

    Args:
        path: what find_poses found.
        form: of the file.
        frames: of the video, for COCO's results, which leave frames out in which nobody was found.

    Raises:
        DataError: when the file is not in this form, or holds several clips.
    """
    if form == "openpose":
        return read_openpose(path, nobody=OPENPOSE18)
    if form == "coco":
        return read_coco_frames(path, frames=frames)
    clips = read_jhmdb(path)
    if len(clips) != 1:
        raise DataError(f"{path} must hold the one clip of its video, got {len(clips)}")
    return clips[0].key_points
