"""Key points with a class: J-HMDB's joints and a table of labelled poses, what a net on poses learns from."""

import zipfile
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float

from untrimmed.data.opening import decode, read_bytes, shown
from untrimmed.data.pose_files import KeyPoints, key_points_of
from untrimmed.data.skeletons import JHMDB15, OPENPOSE18
from untrimmed.data.tables import number, rows_of
from untrimmed.records import DataError

MAX_ARCHIVE_BYTES = 1 << 26
"""Most bytes of an archive after unpacking; J-HMDB's 19,071 frames have 2.3 MB."""

_ARRAYS = ("poses", "offsets", "labels", "classes", "split")


@dataclass(frozen=True, kw_only=True, eq=False)
class PoseClip:
    """Key points with one class.

    Attributes:
        key_points: of one person over time.
        label: the class.
        subset: as the file says, "" where it does not.
    """

    key_points: KeyPoints
    label: str
    subset: str = ""


def read_jhmdb(path: Path) -> tuple[PoseClip, ...]:
    """J-HMDB's joints, 15 a person, all with score 1.

    Args:
        path: an .npz file of `poses` (frames, 15, 2), `offsets` (clip i has the frames from offsets[i] to
            offsets[i + 1]), `labels`, `classes` and `split`; or JSON, plain or gzip, a list of
            {label, pose: frames x 15 x 2}.

    Raises:
        DataError: when the file is not in this layout.
    """
    if zipfile.is_zipfile(path):
        return _from_arrays(path)
    clips: list[_Labelled] = decode(read_bytes(path), list[_Labelled], path=path)
    found = []
    for place, clip in enumerate(clips):
        if not clip.pose or {len(frame) for frame in clip.pose} != {len(JHMDB15.joints)}:
            raise DataError(f"{path} at $[{place}].pose: wanted frames of {len(JHMDB15.joints)} joints")
        found.append(PoseClip(key_points=_certain(np.array(clip.pose)), label=clip.label))
    return tuple(found)


def read_pose_table(path: Path) -> tuple[PoseClip, ...]:
    """A table with a frame a line: x and y of 18 joints in OpenPose's order, 0 where not found, and a column `class`.

    Returns:
        One clip for each run of lines of the same class; scores are 1 where a joint was found.

    Raises:
        DataError: when the table has other columns or a field is no number.
    """
    clips: list[tuple[str, list[list[float]]]] = []
    for line, row in rows_of(path):
        label = row.get("class", "")
        fields = [text for name, text in row.items() if name != "class"]
        if not label or len(fields) != 2 * len(OPENPOSE18.joints):
            got = f"{len(fields)} fields and the class {shown(label)!r}"
            raise DataError(
                f"{path} line {line}: wanted {2 * len(OPENPOSE18.joints)} coordinates and a class, got {got}"
            )
        if not clips or clips[-1][0] != label:
            clips.append((label, []))
        clips[-1][1].append([number(text, what="a coordinate", path=path, line=line) for text in fields])
    if not clips:
        raise DataError(f"{path} has no poses")
    found = []
    for label, rows in clips:
        places = np.array(rows).reshape(len(rows), 1, len(OPENPOSE18.joints), 2)
        points = np.concatenate([places, places.any(axis=-1, keepdims=True)], axis=-1)
        found.append(PoseClip(key_points=key_points_of(points, OPENPOSE18), label=label))
    return tuple(found)


class _Labelled(msgspec.Struct):
    label: str
    pose: list[list[tuple[float, float]]]


def _from_arrays(path: Path) -> tuple[PoseClip, ...]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size > MAX_ARCHIVE_BYTES:
            raise DataError(f"{path} unpacks to {size} bytes, the limit is {MAX_ARCHIVE_BYTES}")
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in _ARRAYS if name not in file.files]
            if missing:
                raise DataError(f"{path} has no array {', '.join(missing)}; it has {shown(', '.join(file.files))}")
            given = {name: file[name] for name in _ARRAYS}
    except (OSError, EOFError, KeyError, MemoryError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not a readable .npz file: {shown(error)}") from error
    return _clips(given, path)


def _clips(given: dict[str, np.ndarray], path: Path) -> tuple[PoseClip, ...]:
    poses, offsets, labels, classes, split = (given[name] for name in _ARRAYS)
    shapes = {name: array.shape for name, array in given.items()}
    fits = (
        (poses.ndim == 3 and poses.shape[1:] == (len(JHMDB15.joints), 2) and poses.dtype.kind == "f")
        and (offsets.ndim == 1 and offsets.dtype.kind in "iu" and labels.dtype.kind in "iu" and classes.ndim == 1)
        and (labels.shape == split.shape == (len(offsets) - 1,) and classes.dtype.kind == split.dtype.kind == "U")
    )
    if not fits:
        raise DataError(f"{path} must hold poses (frames, 15, 2), offsets, and a label and split a clip, got {shapes}")
    if offsets[0] != 0 or offsets[-1] != len(poses) or (np.diff(offsets.astype(np.int64)) < 1).any():
        raise DataError(f"offsets of {path} must rise from 0 to its {len(poses)} frames")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        raise DataError(f"labels of {path} must be from 0 to {len(classes) - 1}, got {labels.min()} to {labels.max()}")
    return tuple(
        PoseClip(key_points=_certain(poses[first:past]), label=str(classes[label]), subset=str(subset))
        for (first, past), label, subset in zip(pairwise(offsets), labels, split, strict=True)
    )


def _certain(places: Float[np.ndarray, "frames 15 2"]) -> KeyPoints:
    points = np.concatenate([places, np.ones((*places.shape[:2], 1))], axis=-1)
    return key_points_of(points[:, None], JHMDB15)
