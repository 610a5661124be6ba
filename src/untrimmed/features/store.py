"""The store of features: one folder a feature, one safetensors file a video.

Files appear complete or not at all, so that many processes and machines may write into one store and a killed run
loses only the video at hand. Every file says inside what it is: the video, the grid, the feature and the file that it
was measured from.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from untrimmed import __version__
from untrimmed.configs import to_plain
from untrimmed.features.feature import Feature, FeatureSequence, Measurement, Rows
from untrimmed.features.pictures import LARGEST_SIDE, CodedImages, check_offsets, encode_picture
from untrimmed.features.tensor_file import (
    TEMPORARY,
    Header,
    TensorFileWriter,
    read_header,
    read_tensor,
    remove_leftovers,
)
from untrimmed.files import write_text
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

ENDING = ".safetensors"
FAILED = ".failed.json"
LONGEST_ID = 500
LARGEST_JSON = 1 << 26
CHECKED_ROWS = 64
"""Rows looked at for numbers that are not finite at each load; at writing all of them are."""
_PLAIN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the store knows of one video's measurement without reading it.

    Attributes:
        kind: "rows" or "images".
        shape: of one row (dims,) or one picture (height, width, channels).
        grid: when.
        size: bytes of the file.
        source_bytes: size of the video that it was measured from; -1 if unknown.
        source_duration: seconds of that video; 0 if unknown.
        version: of the package that wrote it.
    """

    kind: str
    shape: tuple[int, ...]
    grid: TimeGrid
    size: int
    source_bytes: int
    source_duration: float
    version: str


class FeatureStore:
    """Features of many videos under one folder."""

    def __init__(self, root: Path) -> None:
        """Name the folder; it is made when something is written."""
        self.root = root

    def features(self) -> tuple[str, ...]:
        """The keys of the features that something was written of, sorted."""
        return tuple(sorted(path.parent.name for path in self.root.glob("*/feature.json")))

    def folder(self, feature: Feature | str) -> Path:
        """The folder of one feature, which may be given by its key."""
        return self.root / (feature if isinstance(feature, str) else feature.key)

    def path(self, feature: Feature, video_id: str) -> Path:
        """The file of one video, whether it is there or not."""
        return self.folder(feature) / f"{file_name(video_id)}{ENDING}"

    def has(self, feature: Feature, video_id: str, *, source: Path | None = None) -> bool:
        """Whether a measurement is there.

        Args:
            feature: what.
            video_id: of which video.
            source: the video file; where it is given and has another size than the file that was measured, the
                measurement is stale and counts as absent.
        """
        path = self.path(feature, video_id)
        if not path.is_file():
            return False
        if source is None:
            return True
        known = entry(read_header(path)).source_bytes
        return known < 0 or known == _bytes(source) or not source.is_file()

    def load(self, feature: Feature, video_id: str) -> Measurement:
        """The measurement of one video; large ones are mapped into memory, pictures are decoded when asked for.

        Raises:
            DataError: when it is absent or damaged; the message names the remedy.
        """
        path = self.path(feature, video_id)
        if not path.is_file():
            reason = self.failure(feature, video_id)
            why = f"; its extraction failed: {reason}" if reason else ""
            raise DataError(
                f"feature {feature.key} of video {video_id} is not in the store {self.root}{why}; "
                f"measure it with: untrimmed extract VIDEO --store {self.root} --feature {feature.name}"
            )
        header = read_header(path)
        if header.metadata.get("video_id") != video_id:
            raise DataError(f"{path} must hold video {video_id}, got {header.metadata.get('video_id')}")
        known = entry(header)
        if known.kind == "images":
            return images(header, known)
        tensor = header.tensor("values", dimensions=2, dtypes=(np.float32, np.float16, np.float64))
        values = read_tensor(header, tensor)
        looked = np.linspace(0, max(0, len(values) - 1), min(CHECKED_ROWS, len(values))).astype(np.int64)
        if not np.isfinite(values[looked]).all():
            raise DataError(f"{path} holds numbers that are not finite; delete it and extract it again")
        return FeatureSequence(values, known.grid)

    def write(
        self,
        feature: Feature,
        video_id: str,
        rows: Rows,
        *,
        source: Path | None = None,
        duration: float = 0.0,
    ) -> Path:
        """Write a measurement as it comes, in constant memory; it appears when it is complete.

        Args:
            feature: what.
            video_id: of which video.
            rows: blocks of rows (n, dims) or of pictures (n, height, width, channels) uint8.
            source: the video file; its size is kept so that a stale measurement can be told.
            duration: of the video in seconds, kept beside it.

        Raises:
            DataError: when nothing comes, rows differ in shape, are not finite or do not fit the grid.
        """
        path = self.path(feature, video_id)
        self._make(feature)
        with TensorFileWriter(path) as file:
            stream = _PictureStream(file) if (first := _first(rows))[0].ndim == 4 else _RowStream(file)
            for block in first[1]:
                stream.add(block, whose=f"{feature.key} of video {video_id}")
            grid = rows.grid()
            if grid.steps != stream.count:
                raise DataError(
                    f"{feature.key} of video {video_id} must have one row a step, got {stream.count} for {grid.steps}"
                )
            stream.close()
            file.finish(
                {
                    "video_id": video_id,
                    "feature": feature.key,
                    "kind": stream.kind,
                    "shape": json.dumps(stream.shape),
                    "grid": json.dumps([grid.start, grid.stride, grid.window, grid.steps]),
                    "source_bytes": str(_bytes(source)),
                    "source_duration": repr(float(duration)),
                    "untrimmed": __version__,
                }
            )
        self._failure_path(feature, video_id).unlink(missing_ok=True)
        return path

    def write_failure(self, feature: Feature, video_id: str, reason: str, *, source: Path | None = None) -> None:
        """Remember why a video could not be measured: it is not tried again unasked while its file is the same."""
        self._make(feature)
        plain = {"video_id": video_id, "reason": reason, "source_bytes": _bytes(source)}
        write_json(self._failure_path(feature, video_id), plain)

    def failures(self, feature: Feature | str) -> dict[str, str]:
        """Reasons by video_id, in order of file name."""
        found = {}
        for path in sorted(self.folder(feature).glob(f"*{FAILED}")):
            plain = _failure(path)
            found[plain["video_id"]] = plain["reason"]
        return found

    def failure(self, feature: Feature, video_id: str, *, source: Path | None = None) -> str | None:
        """Why one video could not be measured; None if it did not fail, or its file has another size since."""
        path = self._failure_path(feature, video_id)
        if not path.is_file():
            return None
        plain = _failure(path)
        known = plain.get("source_bytes", -1)
        return plain["reason"] if source is None or known in (-1, _bytes(source)) else None

    def video_ids(self, feature: Feature) -> tuple[str, ...]:
        """The videos whose measurement is there, sorted."""
        return tuple(sorted(self.index(feature)))

    def index(self, feature: Feature | str) -> dict[str, Entry]:
        """What is there, by video_id. Headers of files not seen before are read; index.json only saves time."""
        folder = self.folder(feature)
        place = folder / "index.json"
        try:
            plain = read_json(place) if place.is_file() else {}
            known = {name: (tuple(stamp), str(video_id), _entry(values)) for name, stamp, video_id, values in plain}
        except (DataError, TypeError, ValueError, KeyError):
            known = {}  # it can always be built again
        found: dict[str, tuple[tuple[int, int], str, Entry]] = {}
        for path in sorted(folder.glob(f"*{ENDING}")):
            if path.name.startswith(TEMPORARY):
                continue
            stat = path.stat()
            stamp = (stat.st_size, stat.st_mtime_ns)
            if path.name in known and known[path.name][0] == stamp:
                found[path.name] = known[path.name]
            else:
                header = read_header(path)
                found[path.name] = (stamp, header.metadata.get("video_id", ""), entry(header))
        if found != known and folder.is_dir():
            write_json(place, [[name, stamp, video, _plain(e)] for name, (stamp, video, e) in found.items()])
        return {video_id: values for _, video_id, values in found.values()}

    def clean(self, feature: Feature) -> int:
        """Delete unfinished files that killed processes left a day ago or earlier, and say how many there were."""
        return remove_leftovers(self.folder(feature))

    def pack(self, feature: Feature, video_ids: Sequence[str]) -> Path:
        """Join the measurements of some videos in one file that is mapped into memory as a whole.

        Returns:
            The file, to be read with `untrimmed.features.pack.PackedFeatures`; its name follows from the videos.
        """
        from untrimmed.features.pack import write_pack

        return write_pack(self, feature, video_ids)

    def _make(self, feature: Feature) -> None:
        folder = self.folder(feature)
        if not (folder / "feature.json").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "feature.json", {"name": feature.name, "key": feature.key, "config": to_plain(feature)})

    def _failure_path(self, feature: Feature, video_id: str) -> Path:
        return self.folder(feature) / f"{file_name(video_id)}{FAILED}"


def file_name(video_id: str) -> str:
    """A file name for a video_id: itself where it is harmless, else with bytes as %XX; long ones end in their hash.

    No two ids share a name, and no name leaves its folder, hides itself or looks like an option.

    Raises:
        DataError: for an empty id, one over 500 characters or one that is not text.
    """
    if not 1 <= len(video_id) <= LONGEST_ID:
        raise DataError(f"video_id must have 1 to {LONGEST_ID} characters, got {len(video_id)}")
    if _PLAIN_ID.fullmatch(video_id):
        return video_id
    try:
        code = video_id.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"video_id must be valid text, got {video_id!r}") from error
    safe = "".join(_escaped(byte, first=place == 0) for place, byte in enumerate(code))
    if len(safe) <= 160:
        return safe
    return f"{safe[:100]}%{sha256(code).hexdigest()}"  # "%" and 64 digits: never the escape of anything


def video_id_of(name: str) -> str | None:
    """The video_id that gave a file name; None where only the file itself knows it (it is too long)."""
    if len(name) >= 165 and name[100] == "%" and len(name) == 165:
        return None
    return unquote(name, errors="strict")


def entry(header: Header) -> Entry:
    """What a file's metadata says, checked.

    Raises:
        DataError: when it is missing or makes no sense.
    """
    metadata = header.metadata
    try:
        start, stride, window, steps = json.loads(metadata["grid"])
        grid = TimeGrid(start=float(start), stride=float(stride), window=float(window), steps=int(steps))
        shape = tuple(int(size) for size in json.loads(metadata["shape"]))
        known = Entry(
            kind=metadata["kind"],
            shape=shape,
            grid=grid,
            size=max((tensor.end for tensor in header.tensors.values()), default=0),
            source_bytes=int(metadata["source_bytes"]),
            source_duration=float(metadata["source_duration"]),
            version=metadata["untrimmed"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{header.path} is not a file of this store: {type(error).__name__} {error}") from error
    if known.kind == "rows":
        tensor = header.tensor("values", dimensions=2, dtypes=(np.float32, np.float16, np.float64))
        fits = len(shape) == 1 and tensor.shape == (grid.steps, *shape)
    elif known.kind == "images":
        offsets = header.tensor("offsets", dimensions=1, dtypes=(np.int64,))
        header.tensor("codes", dimensions=1, dtypes=(np.uint8,))
        fits = (
            len(shape) == 3 and all(1 <= side <= LARGEST_SIDE for side in shape) and offsets.shape[0] == grid.steps + 1
        )
    else:
        raise DataError(f"{header.path} must hold rows or images, got {known.kind!r}")
    if not fits:
        raise DataError(f"{header.path} is damaged: its shape {shape} and {grid.steps} steps do not fit what it holds")
    return known


def images(header: Header, known: Entry) -> CodedImages:
    """The pictures of one file."""
    codes = header.tensors["codes"]
    offsets = read_tensor(header, header.tensors["offsets"])
    check_offsets(offsets, codes.end - codes.start, where=header.path)
    height, width, channels = known.shape
    return CodedImages(
        header.path,
        data=codes.start,
        offsets=offsets,
        shape=(height, width, channels),
        grid=known.grid,
        video_id=header.metadata["video_id"],
    )


def write_json(path: Path, plain: Any) -> None:
    """Write a JSON file that appears complete or not at all."""
    write_text(path, json.dumps(plain))


def read_json(path: Path) -> Any:
    """Read a small JSON file.

    Raises:
        DataError: when it is not JSON or too large.
    """
    if path.stat().st_size > LARGEST_JSON:
        raise DataError(f"{path} must have at most {LARGEST_JSON} bytes, got {path.stat().st_size}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error


class _RowStream:
    """Rows of numbers on their way into a file."""

    kind = "rows"

    def __init__(self, file: TensorFileWriter) -> None:
        self._file = file
        self.count = 0
        self.shape: tuple[int, ...] = ()

    def add(self, block: np.ndarray, *, whose: str) -> None:
        if block.ndim != 2 or (self.count and block.shape[1:] != self.shape):
            raise DataError(f"rows of {whose} must have one shape (n, dims), got {block.shape} after {self.shape}")
        if not np.isfinite(block).all():
            bad = self.count + int(np.argmin(np.isfinite(block).all(axis=1)))
            raise DataError(f"rows of {whose} must be finite numbers, row {bad} is not")
        self._file.append(np.ascontiguousarray(block, np.float32).tobytes())
        self.shape = block.shape[1:]
        self.count += len(block)

    def close(self) -> None:
        self._file.close_tensor("values", shape=(self.count, *self.shape), dtype=np.float32)


class _PictureStream:
    """Pictures on their way into a file."""

    kind = "images"

    def __init__(self, file: TensorFileWriter) -> None:
        self._file = file
        self._offsets = [0]
        self.count = 0
        self.shape: tuple[int, ...] = ()

    def add(self, block: np.ndarray, *, whose: str) -> None:
        if block.ndim != 4 or block.dtype != np.uint8 or (self.count and block.shape[1:] != self.shape):
            raise DataError(
                f"pictures of {whose} must have one shape (n, height, width, channels) of uint8, "
                f"got {block.shape} of {block.dtype} after {self.shape}"
            )
        for picture in block:
            code = encode_picture(picture)
            self._file.append(code)
            self._offsets.append(self._offsets[-1] + len(code))
        self.shape = block.shape[1:]
        self.count += len(block)

    def close(self) -> None:
        padding = -self._offsets[-1] % 8  # the offsets behind it begin at a multiple of their size
        self._file.append(b"\0" * padding)
        self._file.close_tensor("codes", shape=(self._offsets[-1] + padding,), dtype=np.uint8)
        self._file.add("offsets", np.array(self._offsets, np.int64))


def _first(rows: Rows) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    """The first block, and all blocks with it."""
    blocks = iter(rows)
    first = next(blocks, None)
    if first is None:
        raise DataError("a measurement must have at least one row, got none")

    def every() -> Iterator[np.ndarray]:
        yield first
        yield from blocks

    return first, every()


def _escaped(byte: int, *, first: bool) -> str:
    character = chr(byte)
    harmless = character.isascii() and (character.isalnum() or character == "_" or (character in ".-" and not first))
    return character if harmless else f"%{byte:02X}"


def _bytes(source: Path | None) -> int:
    return source.stat().st_size if source is not None and source.is_file() else -1


def _failure(path: Path) -> dict[str, Any]:
    plain = read_json(path)
    if not isinstance(plain, dict) or not all(isinstance(plain.get(key), str) for key in ("video_id", "reason")):
        raise DataError(f"{path} must hold a video_id and a reason; delete it and extract again")
    return plain


def _plain(known: Entry) -> dict[str, Any]:
    grid = known.grid
    return {**known.__dict__, "grid": [grid.start, grid.stride, grid.window, grid.steps]}


def _entry(plain: Mapping[str, Any]) -> Entry:
    start, stride, window, steps = plain["grid"]
    grid = TimeGrid(start=start, stride=stride, window=window, steps=steps)
    return Entry(**{**plain, "grid": grid, "shape": tuple(plain["shape"])})
