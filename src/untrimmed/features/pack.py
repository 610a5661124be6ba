"""Measurements of many videos in one file: one memory map for training, one file to move.

A data loader that opens one file a video is bound by opening; one map is read at the speed of memory and shared by all
processes of a machine.
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from untrimmed import __version__
from untrimmed.features.feature import Feature, FeatureSequence, ImageSequence, Measurement
from untrimmed.features.pictures import CodedImages, check_offsets
from untrimmed.features.store import FeatureStore, entry
from untrimmed.features.tensor_file import Header, Tensor, TensorFileWriter, read_header, read_tensor
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

BLOCK = 1 << 22


def write_pack(store: FeatureStore, feature: Feature, video_ids: Sequence[str]) -> Path:
    """Join what the store holds of some videos; FeatureStore.pack is the way to call it."""
    if not video_ids:
        raise DataError("a pack needs at least one video, got none")
    if len(set(video_ids)) != len(video_ids):
        raise DataError("a pack needs each video once, got one twice")
    headers = []
    for video_id in video_ids:
        store.load(feature, video_id)  # says what is wrong, if anything is
        headers.append(read_header(store.path(feature, video_id)))
    known = [entry(header) for header in headers]
    kind, shape = known[0].kind, known[0].shape
    for video_id, one in zip(video_ids, known, strict=True):
        if (one.kind, one.shape) != (kind, shape):
            raise DataError(
                f"video {video_id} must be {kind} of shape {shape} as the first, got {one.kind} {one.shape}"
            )
    path = store.folder(feature) / "packs" / f"{_name(headers, video_ids)}.safetensors"
    if path.is_file():
        return path
    path.parent.mkdir(exist_ok=True)
    with TensorFileWriter(path) as file:
        if kind == "rows":
            _copy(file, [(header, header.tensors["values"]) for header in headers])
            dtype = headers[0].tensors["values"].dtype.type
            file.close_tensor("values", shape=(sum(one.grid.steps for one in known), *shape), dtype=dtype)
        else:
            _copy(file, [(header, header.tensors["codes"]) for header in headers])
            sizes = [header.tensors["codes"].shape[0] for header in headers]
            file.close_tensor("codes", shape=(sum(sizes),), dtype=np.uint8)
            starts = np.cumsum([0, *sizes[:-1]])
            file.add("places", starts.astype(np.int64))
            _copy(file, [(header, header.tensors["offsets"]) for header in headers])
            file.close_tensor("offsets", shape=(sum(one.grid.steps + 1 for one in known),), dtype=np.int64)
        file.add("grids", np.array([(one.grid.start, one.grid.stride, one.grid.window) for one in known]))
        file.add("steps", np.array([one.grid.steps for one in known], np.int64))
        names = json.dumps(list(video_ids)).encode()
        file.add("names", np.frombuffer(names, np.uint8))
        file.finish({"feature": feature.key, "kind": kind, "shape": json.dumps(shape), "untrimmed": __version__})
    return path


class PackedFeatures:
    """What a pack holds.

    Attributes:
        video_ids: in the order of packing.
    """

    def __init__(self, path: Path) -> None:
        """Open a pack.

        Raises:
            DataError: when the file is no pack or damaged.
        """
        header = read_header(path)
        try:
            names = header.tensor("names", dimensions=1, dtypes=(np.uint8,))
            self.video_ids: tuple[str, ...] = tuple(map(str, json.loads(read_tensor(header, names).tobytes())))
            self._shape = tuple(int(size) for size in json.loads(header.metadata["shape"]))
            self._kind = header.metadata["kind"]
        except (ValueError, KeyError) as error:
            raise error if isinstance(error, DataError) else DataError(f"{path} is not a pack: {error}") from error
        self._grids = read_tensor(header, header.tensor("grids", dimensions=2, dtypes=(np.float64,)))
        self._steps = read_tensor(header, header.tensor("steps", dimensions=1, dtypes=(np.int64,)))
        self._header = header
        counts = self._steps if self._kind == "rows" else self._steps + 1
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        if self._kind == "rows":
            tensor = header.tensor("values", dimensions=2, dtypes=(np.float32, np.float16, np.float64))
            self.values = read_tensor(header, tensor)
        else:
            tensor = header.tensor("offsets", dimensions=1, dtypes=(np.int64,))
            self.values = read_tensor(header, tensor)
            header.tensor("codes", dimensions=1, dtypes=(np.uint8,))
            self._places = read_tensor(header, header.tensor("places", dimensions=1, dtypes=(np.int64,)))
        videos = len(self.video_ids)
        if not (len(self._grids) == len(self._steps) == videos and self._starts[-1] == len(self.values)):
            raise DataError(f"{path} is damaged: its {videos} videos do not fit its {len(self.values)} rows")
        self._order = {video_id: place for place, video_id in enumerate(self.video_ids)}

    def __len__(self) -> int:
        return len(self.video_ids)

    def load(self, video_id: str) -> Measurement:
        """The measurement of one video, a view of the map.

        Raises:
            DataError: when the pack does not hold it.
        """
        place = self._order.get(video_id)
        if place is None:
            raise DataError(f"video {video_id} is not in the pack {self._header.path}")
        start, stride, window = self._grids[place].tolist()
        grid = TimeGrid(start=start, stride=stride, window=window, steps=int(self._steps[place]))
        part = self.values[self._starts[place] : self._starts[place + 1]]
        return FeatureSequence(part, grid) if self._kind == "rows" else self._images(place, part, grid)

    def _images(self, place: int, offsets: np.ndarray, grid: TimeGrid) -> ImageSequence:
        codes = self._header.tensors["codes"]
        begin = int(self._places[place])
        check_offsets(offsets, codes.end - codes.start - begin, where=self._header.path)
        height, width, channels = self._shape
        return CodedImages(
            self._header.path,
            data=codes.start + begin,
            offsets=offsets,
            shape=(height, width, channels),
            grid=grid,
            video_id=self.video_ids[place],
        )


def _copy(file: TensorFileWriter, parts: list[tuple[Header, Tensor]]) -> None:
    for header, tensor in parts:
        with header.path.open("rb") as source:
            source.seek(tensor.start)
            left = tensor.end - tensor.start
            while left:
                data = source.read(min(left, BLOCK))
                if not data:
                    raise DataError(f"{header.path} is damaged: it ended while it was read")
                file.append(data)
                left -= len(data)


def _name(headers: list[Header], video_ids: Sequence[str]) -> str:
    """A name that changes with the videos, their order and their files."""
    stamps = [(header.path.stat().st_size, header.path.stat().st_mtime_ns) for header in headers]
    return sha256(json.dumps([list(video_ids), stamps]).encode()).hexdigest()[:16]
