"""Files of key points: OpenPose's JSON and COCO's results.

Coordinates stay in the unit of the file (pixels or shares of the picture). People stand in the order of
the file, which follows nobody through time; frames with fewer people are filled up with zeros. Whoever writes 0, -1 or
a score of 0 for a joint that was not found, here it is 0, 0 with score 0.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float, Float32

from untrimmed.data.opening import decode, read_bytes, shown
from untrimmed.data.skeletons import COCO17, LAYOUTS, Layout, mapped
from untrimmed.records import DataError

MAX_NUMBERS = 1 << 26
"""Most numbers of one sequence: 256 MiB, 12 hours of 25 frames a second and one person of 18 joints."""

MAX_BYTES = 1 << 26
"""Most bytes of one file of frames after unpacking, and of all files of a folder."""

MAX_PEOPLE = 500
"""Most people in one frame."""

MAX_FILES = 200_000
"""Most files of a folder of frames: two hours of 25 frames a second."""

MAX_FRAMES = MAX_NUMBERS // 54
"""Most frames of one video: as many as one person of 18 joints may have."""

_BY_NUMBERS = {len(LAYOUTS[name].joints) * 3: name for name in ("openpose18", "body25", "mpi15")}


@dataclass(frozen=True, kw_only=True, eq=False)
class KeyPoints:
    """Poses of one video over time.

    Attributes:
        points: x, y and score of each joint; finite; 0, 0, 0 where it was not found.
        layout: what the joints are called; see skeletons.
    """

    points: Float32[np.ndarray, "frames people joints 3"]
    layout: Layout

    def __post_init__(self) -> None:
        joints = len(self.layout.joints)
        if self.points.shape[2] != joints:
            raise DataError(f"key points of {self.layout.name} have {joints} joints, got {self.points.shape[2]}")
        if not (np.isfinite(self.points).all() and (self.points[..., 2] >= 0).all()):
            raise DataError(f"key points of {self.layout.name} must be finite and their scores >= 0")
        if self.points[self.points[..., 2] == 0].any():
            raise DataError(f"key points of {self.layout.name} that were not found must be 0, 0 with score 0")

    def to(self, layout: Layout) -> "KeyPoints":
        """The same poses in another layout, by the names of the joints."""
        return KeyPoints(points=mapped(self.points, self.layout, layout), layout=layout)

    @property
    def rows(self) -> Float32[np.ndarray, "frames dims"]:
        """A row a frame: x, y, score of each joint of each person."""
        return self.points.reshape(len(self.points), -1)


def key_points_of(points: Float[np.ndarray, "frames people joints 3"], layout: Layout) -> KeyPoints:
    """Key points from numbers as files have them: what has no score above 0 or is no number counts as not found."""
    with np.errstate(over="ignore"):
        small = points.astype(np.float32)
    found = np.isfinite(small).all(axis=-1) & (small[..., 2] > 0)
    return KeyPoints(points=np.where(found[..., None], small, np.float32(0)), layout=layout)


class _Person(msgspec.Struct):
    pose_keypoints_2d: list[float] | None = None
    pose_keypoints: list[float] | None = None

    @property
    def numbers(self) -> list[float]:
        """Under the name of version 1.2 or the one before."""
        return self.pose_keypoints_2d or self.pose_keypoints or []


class _Frame(msgspec.Struct):
    people: list[_Person]


class _Whole(msgspec.Struct):
    people: list[_Person] | None = None
    pose_sequence: list[_Frame] | None = None


class _Result(msgspec.Struct):
    image_id: int | str
    keypoints: list[float]
    score: float = 1.0


def read_openpose(path: Path, *, nobody: Layout | None = None) -> KeyPoints:
    """Poses as OpenPose writes them: 18 (COCO), 25 (BODY_25) or 15 (MPI) joints a person.

    Args:
        path: a folder with one JSON file a frame, in the order of the last number of their names; or one JSON file
            (plain or gzip) with one frame, a list of frames, or a list named `pose_sequence`.
        nobody: the layout of the answer where no frame has anybody; None refuses such files.

    Raises:
        DataError: when a file is not in this layout, people have different numbers of joints, nobody is there, or a
            file of the folder is a link that leads out of it.
    """
    if path.is_dir():
        frames = [_frames(file)[0] for file in _numbered(path)]
    else:
        frames = _frames(path)
    sizes = {len(person.numbers) for frame in frames for person in frame.people}
    if nobody is not None and not sizes:
        return _stacked([[] for _ in frames], nobody, path=path)
    if len(sizes) != 1 or not sizes <= set(_BY_NUMBERS):
        wanted = ", ".join(map(str, _BY_NUMBERS))
        got = ", ".join(map(str, sorted(sizes))) or "no person"
        raise DataError(f"{path}: people of OpenPose all have one of {wanted} numbers, got {got}")
    people = [[person.numbers for person in frame.people] for frame in frames]
    return _stacked(people, LAYOUTS[_BY_NUMBERS[sizes.pop()]], path=path)


def read_coco_results(path: Path, *, images: Sequence[int | str] | None = None) -> KeyPoints:
    """Poses as COCO's key-point results: a list of {image_id, keypoints: 51 numbers, score}, one a person.

    Args:
        path: a JSON file, plain or gzip.
        images: ids of the video's frames in order. Without it the ids that the file names, rising; frames in which
            nobody was found are then missing.

    Returns:
        17 joints; the people of a frame by falling score.

    Raises:
        DataError: when the file is not in this layout or names none of the images.
    """
    grouped: dict[int | str, list[_Result]] = {}
    for result in _results(path):
        grouped.setdefault(result.image_id, []).append(result)
    order = sorted(grouped, key=lambda name: (isinstance(name, str), name)) if images is None else images
    if not any(name in grouped for name in order):
        raise DataError(f"{path} has key points of {len(grouped)} images, none of the {len(order)} wanted")
    return _stacked([_ranked(grouped.get(name, [])) for name in order], COCO17, path=path)


def read_coco_frames(path: Path, *, frames: int) -> KeyPoints:
    """Poses of a whole video as COCO's key-point results, in which an image_id is the number of a frame, from 0.

    Args:
        path: a JSON file, plain or gzip; an image_id may be a name too, whose last number counts (12.jpg).
        frames: of the video, >= 1, as its container claims: up to a tenth more are taken.

    Returns:
        17 joints, at least as many frames; the people of a frame by falling score.

    Raises:
        DataError: when the file is not in this layout, or names frames that the video does not have.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise DataError(f"frames of the video of {path} must be 1 to {MAX_FRAMES}, got {frames}")
    grouped: dict[int, list[_Result]] = {}
    for result in _results(path):
        digits = re.findall(r"[0-9]{1,18}", str(result.image_id))
        if not digits:
            raise DataError(f"{path}: image_id must be the number of a frame, got {shown(str(result.image_id))!r}")
        grouped.setdefault(int(digits[-1]), []).append(result)
    last = max(grouped, default=0)
    if last >= frames + max(2, frames // 10):
        raise DataError(f"{path} has key points of frame {last}, its video has {frames} frames")
    return _stacked([_ranked(grouped.get(n, [])) for n in range(max(frames, last + 1))], COCO17, path=path)


def _results(path: Path) -> list[_Result]:
    found: list[_Result] = decode(read_bytes(path, limit=MAX_BYTES), list[_Result], path=path)
    for place, result in enumerate(found):
        if len(result.keypoints) != 3 * len(COCO17.joints):
            raise DataError(f"{path} at $[{place}]: wanted 51 numbers of key points, got {len(result.keypoints)}")
    return found


def _ranked(people: list[_Result]) -> list[list[float]]:
    return [result.keypoints for result in sorted(people, key=lambda result: -result.score)]


def _frames(path: Path) -> list[_Frame]:
    content = read_bytes(path, limit=MAX_BYTES)
    if content.lstrip().startswith(b"["):
        frames: list[_Frame] = decode(content, list[_Frame], path=path)
    else:
        whole: _Whole = decode(content, _Whole, path=path)
        if whole.pose_sequence is not None:
            frames = whole.pose_sequence
        elif whole.people is not None:
            frames = [_Frame(whole.people)]
        else:
            raise DataError(f"{path} at $: wanted `people` or `pose_sequence`")
    if not frames:
        raise DataError(f"{path} has no frames")
    return frames


def _numbered(folder: Path) -> list[Path]:
    """JSON files of a folder by the last number of their names."""
    found: list[tuple[int, str, Path]] = []
    size = 0
    for file in folder.glob("*.json"):
        if file.is_symlink() and not file.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{file} is a link that leads out of {folder}")
        digits = re.findall(r"[0-9]{1,18}", file.stem)
        found.append((int(digits[-1]) if digits else -1, file.name, file))
        size += file.stat().st_size
        if len(found) > MAX_FILES or size > MAX_BYTES:
            raise DataError(f"{folder} has more than the limit of {MAX_FILES} files and {MAX_BYTES} bytes of poses")
    if not found:
        raise DataError(f"{folder} has no .json file")
    return [file for _, _, file in sorted(found)]


def _stacked(frames: list[list[list[float]]], layout: Layout, *, path: Path) -> KeyPoints:
    people = max(map(len, frames))
    size = len(frames) * people * len(layout.joints) * 3
    if people > MAX_PEOPLE or size > MAX_NUMBERS:
        raise DataError(f"{path} has {len(frames)} frames of up to {people} people, more than the limit")
    points = np.zeros((len(frames), people, len(layout.joints), 3))
    for frame, found in enumerate(frames):
        points[frame, : len(found)] = np.reshape(found, (len(found), *points.shape[2:]))
    return key_points_of(points, layout)
