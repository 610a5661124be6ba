"""Read what a playground wrote of the geometry it drew: key points, body-part maps, depth and boxes of each video."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Float32, Float64, Int64, UInt8
from safetensors import SafetensorError, safe_open

from untrimmed.media.sparse import read_at_seconds
from untrimmed.records import SUBSETS, DataError

LARGEST_FILE = 1 << 31
"""Bytes; the truth of ten minutes of the default playground, twice a second, takes 60 MB."""
_SHAPES = {
    "seconds": ("F64", ("n",)),
    "key_points": ("F32", ("n", "people", "18", "3")),
    "iuv": ("U8", ("n", "height", "width", "3")),
    "depth": ("F16", ("n", "height", "width")),
    "boxes": ("F32", ("n", "objects", "4")),
    "boxes_word": ("I64", ("n", "objects")),
}


@dataclass(frozen=True, eq=False)
class VideoTruth:
    """What is true of some frames of one drawn video.

    Attributes:
        video_id: whose.
        seconds: when each frame appears.
        key_points: x and y in pixels of the whole picture, and 1 where a joint is seen, 0.5 where something hides it,
            0 outside the picture; OpenPose's order; people that do not exist are -1 throughout.
        iuv: DensePose part, U and V as 0 to 255, at every `shrink`-th pixel.
        depth: metres from the camera, at the same pixels.
        boxes: left, top, right, bottom in pixels of the whole picture, -1 where an object is not seen.
        boxes_word: index of each object's word in `words`; -1 where there is no object.
        words: what the objects are called.
    """

    video_id: str
    seconds: Float64[np.ndarray, " n"]
    key_points: Float32[np.ndarray, "n people 18 3"]
    iuv: UInt8[np.ndarray, "n height width 3"]
    depth: Float16[np.ndarray, "n height width"]
    boxes: Float32[np.ndarray, "n objects 4"]
    boxes_word: Int64[np.ndarray, "n objects"]
    words: tuple[str, ...]

    def people(self, index: int) -> Float32[np.ndarray, "people 18 3"]:
        """The key points of the people who are in the picture of one frame, the main person first."""
        points = self.key_points[index]
        return points[(points[:, :, 2] > 0).any(axis=1)]

    def objects(self, index: int) -> tuple[tuple[str, Float32[np.ndarray, " 4"]], ...]:
        """Word and box of each object that is seen in one frame."""
        seen = np.flatnonzero((self.boxes_word[index] >= 0) & (self.boxes[index, :, 2] > self.boxes[index, :, 0]))
        return tuple((self.words[int(self.boxes_word[index, i])], self.boxes[index, i]) for i in seen)


def truth_ids(folder: Path, *, subset: str | None = None) -> tuple[str, ...]:
    """The videos of a playground whose truth was written, sorted.

    Args:
        folder: of the playground.
        subset: "training", "validation" or "testing"; None gives all.

    Raises:
        DataError: when the folder has no truth, or the subset no such name.
    """
    if subset is not None and subset not in SUBSETS:
        raise DataError(f"subset of a playground must be one of {', '.join(SUBSETS)}, got {subset!r}")
    found = sorted(path.stem for path in (folder / "truth").glob("*.safetensors"))
    if not found:
        raise DataError(f"{folder} must be a playground with truth, got none; draw it with truth=True")
    return tuple(name for name in found if subset is None or name.removeprefix("clip_").startswith(f"{subset}_"))


def read_truth(folder: Path, video_id: str) -> VideoTruth:
    """The truth of one video.

    Raises:
        DataError: when it is absent, larger than 2 GiB, or damaged.
    """
    path = folder / "truth" / f"{video_id}.safetensors"
    if not path.is_file():
        raise DataError(f"truth of video {video_id} is not there: {path}")
    if path.stat().st_size > LARGEST_FILE:
        raise DataError(f"truth of video {video_id} must have at most {LARGEST_FILE} bytes ({path})")
    try:
        with safe_open(path, framework="numpy") as file:
            _check_shapes({name: _described(file, name) for name in file.keys()}, path)  # noqa: SIM118 (not a dict)
            arrays = {name: file.get_tensor(name) for name in _SHAPES}
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise DataError(f"truth of video {video_id} cannot be read: {error} ({path})") from error
    words = tuple(word for word in metadata.get("objects", "").split(",") if word)
    truth = VideoTruth(video_id, **arrays, words=words)
    _check_values(truth, path)
    return truth


def video_file(folder: Path, video_id: str) -> Path:
    """The file of one untrimmed video or trimmed clip of a playground.

    Raises:
        DataError: when it is not there.
    """
    whole = folder / "untrimmed" / "videos" / f"{video_id}.mp4"
    found = [whole] if whole.is_file() else sorted((folder / "trimmed" / "videos").glob(f"*/{video_id}.mp4"))
    if not found:
        raise DataError(f"video {video_id} is not in the playground {folder}")
    return found[0]


def truth_pictures(
    folder: Path, truth: VideoTruth, *, size: tuple[int, int] | None = None, later: float = 0.0
) -> UInt8[np.ndarray, "n height width 3"]:
    """The frames that the truth speaks of.

    Args:
        folder: of the playground.
        truth: of one of its videos.
        size: height and width; None gives the size that was drawn.
        later: seconds after the frames of the truth, for pairs of frames; behind the end the last frame stands still.
    """
    return read_at_seconds(video_file(folder, truth.video_id), truth.seconds + later, size=size)


def _described(file: safe_open, name: str) -> tuple[str, tuple[int, ...]]:
    part = file.get_slice(name)  # type: ignore[no-untyped-call, unused-ignore]
    return part.get_dtype(), tuple(part.get_shape())


def _check_shapes(found: dict[str, tuple[str, tuple[int, ...]]], path: Path) -> None:
    sizes: dict[str, int] = {}
    for name, (dtype, axes) in _SHAPES.items():
        got = found.get(name)
        fits = got is not None and got[0] == dtype and len(got[1]) == len(axes)
        for axis, size in zip(axes, got[1] if got else (), strict=False):
            fits = fits and size == (int(axis) if axis.isdigit() else sizes.setdefault(axis, size))
        if not fits:
            shown = "nothing" if got is None else f"{got[0]} {list(got[1])}"
            raise DataError(f"{path} must hold {name} of {dtype} ({', '.join(axes)}), got {shown}")


def _check_values(truth: VideoTruth, path: Path) -> None:
    whole = all(np.isfinite(part).all() for part in (truth.seconds, truth.key_points, truth.boxes))
    if not (whole and (np.diff(truth.seconds) >= 0).all()):
        raise DataError(f"{path} must hold finite numbers and times that rise")
    if truth.boxes_word.size and not -1 <= truth.boxes_word.min() <= truth.boxes_word.max() < len(truth.words):
        raise DataError(f"{path} must name its objects by indices of {len(truth.words)} words")
