"""The feature files that came with ActivityNet, in HDF5.

- C3D, PCA to 500 numbers: group `v_ID` with data set `c3d_features` (steps, 500), one row each 8 frames of 16.
- MBH and ImageNetShuffle: one vector a video, either `features` (videos, dims) beside `names` or one data set `v_ID`.

Other files of a group or a data set for each video are read too. An HDF5 file can point to other files; such links
are refused.

Source: http://activity-net.org/challenges/2016/download.html, "Features".
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from untrimmed.data.opening import shown
from untrimmed.data.video_ids import bare_captions
from untrimmed.records import DataError

if TYPE_CHECKING:
    import h5py

MAX_NUMBERS = 1 << 28
"""Most numbers that are read for one video: 1 GiB of float32."""

_TABLES = (("features", "names"), ("features", "video_ids"), ("data", "names"))


class FeatureFile:
    """One HDF5 file of features, read a video at a time.

    Args:
        path: the file.

    Raises:
        DataError: when it is no HDF5 file, or has links that point to other files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as file:
            self._table = next((pair for pair in _TABLES if set(pair) <= set(file.keys())), None)
            keys = self._names(file) if self._table else sorted(file.keys())
        self._keys = dict(zip(bare_captions(keys), keys, strict=True))
        self._rows = {key: row for row, key in enumerate(keys)}
        if not self._keys:
            raise DataError(f"{path} holds no features")

    @property
    def video_ids(self) -> tuple[str, ...]:
        """The videos of the file, without "v_", in its order."""
        return tuple(self._keys)

    def load(self, video_id: str) -> Float32[np.ndarray, "steps dims"]:
        """The rows of one video; a vector for the whole video is one row.

        Raises:
            DataError: when the file does not have the video, or what it has is no table of finite numbers.
        """
        if video_id not in self._keys:
            raise DataError(f"{self.path} has no features of video {shown(video_id)}; it has {len(self._keys)} videos")
        key = self._keys[video_id]
        with self._open() as file:
            self._refuse_links(file, [self._table[0] if self._table else key])
            if self._table:
                return self._checked(file[self._table[0]], key, row=self._rows[key])
            node = file[key]
            if hasattr(node, "keys"):
                names = sorted(node.keys())
                if len(names) != 1:
                    raise DataError(f"{self.path} at {shown(key)}: wanted one data set, got {shown(', '.join(names))}")
                self._refuse_links(node, names)
                node = node[names[0]]
            return self._checked(node, key)

    def _checked(self, node: Any, key: str, row: int | None = None) -> Float32[np.ndarray, "steps dims"]:
        shape = getattr(node, "shape", None) if row is None else node.shape[1:]
        if shape is None or len(shape) not in (1, 2) or node.dtype.kind not in "fiu":
            raise DataError(f"{self.path} at {shown(key)}: wanted a table of numbers, got shape {shape}")
        if int(np.prod(shape, dtype=np.float64)) > MAX_NUMBERS:
            raise DataError(f"{self.path} at {shown(key)}: {shape} is more than the limit of {MAX_NUMBERS} numbers")
        values = np.asarray(node[...] if row is None else node[row], dtype=np.float32)
        values = values.reshape(1, -1) if values.ndim == 1 else values
        if not np.isfinite(values).all():
            raise DataError(f"{self.path} at {shown(key)}: wanted finite numbers, got NaN or infinity")
        return values

    @contextmanager
    def _open(self) -> Iterator["h5py.File"]:
        os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")  # files on read-only and network disks
        import h5py  # late: it takes a tenth of a second

        try:
            with h5py.File(self.path, "r") as file:
                yield file
        except (OSError, RuntimeError, KeyError) as error:
            raise DataError(f"{self.path} cannot be read as HDF5: {' '.join(str(error).split())[:200]}") from error

    def _refuse_links(self, group: Any, names: list[str]) -> None:
        import h5py

        for name in names:
            if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
                raise DataError(f"{self.path} at {shown(name)} is a link to another file, which is not followed")
            if isinstance(group.get(name), h5py.Dataset) and (group[name].external or group[name].is_virtual):
                raise DataError(
                    f"{self.path} at {shown(name)} keeps its numbers in another file, which is not followed"
                )

    def _names(self, file: Any) -> list[str]:
        assert self._table is not None, "called for tables only"
        self._refuse_links(file, list(self._table))
        values, names = file[self._table[0]], file[self._table[1]]
        if names.ndim != 1 or values.ndim not in (2, 3) or len(names) != len(values):
            raise DataError(f"{self.path} must have one name for each row, got {names.shape} and {values.shape}")
        return [name.decode() if isinstance(name, bytes) else str(name) for name in names[...]]
