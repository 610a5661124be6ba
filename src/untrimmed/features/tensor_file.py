"""Safetensors files that are written as a stream, appear complete or not at all, and are read without trust.

The format is 8 bytes (length of the header, little endian), a JSON header that may end in spaces, and the data of all
tensors one after the other. Room for the header is kept free at the start, so that rows can be appended before their
number is known.

Source: the format section of the safetensors README.
"""

import json
import math
import os
import struct
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from untrimmed.records import DataError

HEADER_BYTES = 4096
"""Kept free for the header; data begins at this byte, which is a page on all common systems."""
LARGEST_HEADER = 1 << 20
"""A header this long is no header of ours; the format itself allows 100 MB."""
DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "U8": np.uint8}
CODES = {np.dtype(dtype): code for code, dtype in DTYPES.items()}
TEMPORARY = ".tmp-"
"""How the names of unfinished files begin; no video's file name begins with a dot."""
MAPPED_BYTES = 1 << 20
"""Tensors below this are read outright: a map costs an open file for as long as it lives, and those are limited."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """Where one tensor lies in a file: its type, its shape and its bytes [start, end) from the file's beginning."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file holds."""

    path: Path
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]

    def tensor(self, name: str, *, dimensions: int, dtypes: tuple[type, ...]) -> Tensor:
        """The place of one tensor, checked for its type and its number of axes."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise DataError(f"{self.path} must hold a tensor {name!r}, got {', '.join(self.tensors) or 'none'}")
        if len(tensor.shape) != dimensions or tensor.dtype not in [np.dtype(dtype) for dtype in dtypes]:
            wanted = " or ".join(np.dtype(dtype).name for dtype in dtypes)
            raise DataError(
                f"tensor {name!r} must have {dimensions} axes of {wanted}, "
                f"got shape {tensor.shape} of {tensor.dtype.name} ({self.path})"
            )
        return tensor


class TensorFileWriter:
    """Appends bytes to an unfinished file beside `path` and moves it there when it is finished.

    Use it in a `with` block; a block left without `finish` leaves nothing behind.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
        self._file = self._temporary.open("wb", buffering=1 << 18)
        self._file.write(b" " * HEADER_BYTES)
        self._tensors: dict[str, tuple[str, tuple[int, ...], int]] = {}
        self._begin = 0
        self._end = 0

    def append(self, data: bytes | memoryview) -> None:
        """Append bytes of the tensor under way."""
        self._end += self._file.write(data)

    def close_tensor(self, name: str, *, shape: tuple[int, ...], dtype: type) -> None:
        """Name what was appended since the last tensor was closed."""
        wanted = math.prod(shape) * np.dtype(dtype).itemsize
        if self._end - self._begin != wanted:
            raise ValueError(f"tensor {name!r} of shape {shape} needs {wanted} bytes, got {self._end - self._begin}")
        self._tensors[name] = (CODES[np.dtype(dtype)], shape, self._begin)
        self._begin = self._end

    def add(self, name: str, values: np.ndarray) -> None:
        """Append a whole tensor."""
        self.append(np.ascontiguousarray(values).tobytes())
        self.close_tensor(name, shape=values.shape, dtype=values.dtype.type)

    def finish(self, metadata: Mapping[str, str]) -> None:
        """Write the header and let the file appear under its name, with its bytes on disk.

        Raises:
            DataError: when the metadata is longer than the room kept for it.
        """
        ends = [*[begin for _, _, begin in self._tensors.values()][1:], self._end]
        header = {
            "__metadata__": dict(metadata),
            **{
                name: {"dtype": code, "shape": list(shape), "data_offsets": [begin, end]}
                for (name, (code, shape, begin)), end in zip(self._tensors.items(), ends, strict=True)
            },
        }
        text = json.dumps(header).encode()
        room = HEADER_BYTES - 8
        if len(text) > room:
            raise DataError(f"the header of {self._path.name} must fit in {room} bytes, got {len(text)}")
        self._file.seek(0)
        self._file.write(struct.pack("<Q", room) + text.ljust(room))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._temporary, self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def read_header(path: Path) -> Header:
    """Read and check what a file says it holds, without reading the data.

    Raises:
        DataError: when the file is not a complete safetensors file of plain numbers.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = struct.unpack("<Q", file.read(8))[0] if size >= 8 else 0
        if not 2 <= length <= min(LARGEST_HEADER, max(0, size - 8)):
            raise DataError(
                f"{path} is not a complete safetensors file: its header must have 2 to "
                f"{LARGEST_HEADER} bytes inside the file's {size}, got {length}"
            )
        text = file.read(length)
    try:
        plain = json.loads(text)
        metadata = plain.pop("__metadata__", {})
        tensors = {str(name): _tensor(value, 8 + length) for name, value in plain.items()}
        if not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError("metadata must be text")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} is not a safetensors file: its header cannot be read ({error})") from error
    begin = 8 + length
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].start):
        wanted = math.prod(tensor.shape) * tensor.dtype.itemsize
        if tensor.start != begin or tensor.end - tensor.start != wanted:
            raise DataError(f"{path} is not a valid safetensors file: bytes of tensor {name!r} do not fit its shape")
        begin = tensor.end
    if begin != size:
        raise DataError(f"{path} is damaged: it must have {begin} bytes, got {size}")
    return Header(path=path, tensors=tensors, metadata=metadata)


def read_tensor(header: Header, tensor: Tensor) -> np.ndarray:
    """The values of one tensor, read only; large ones stay in the file and are mapped into memory."""
    size = tensor.end - tensor.start
    if size >= MAPPED_BYTES:
        mapped = np.memmap(header.path, tensor.dtype, mode="r", offset=tensor.start, shape=tensor.shape)
        return mapped.view(np.ndarray)
    with header.path.open("rb") as file:
        file.seek(tensor.start)
        data = file.read(size)
    if len(data) != size:
        raise DataError(f"{header.path} is damaged: it ended while it was read")
    return np.frombuffer(data, tensor.dtype).reshape(tensor.shape)


def remove_leftovers(folder: Path, *, older: float = 86400.0) -> int:
    """Delete unfinished files that nobody has written to for some time: a killed process left them.

    Args:
        folder: where to look.
        older: seconds since the last write; a day, since other machines may be writing at this moment.

    Returns:
        How many were deleted.
    """
    count = 0
    for path in folder.glob(f"{TEMPORARY}*"):
        try:
            if time.time() - path.stat().st_mtime > older:
                path.unlink()
                count += 1
        except FileNotFoundError:  # another process was faster, or its owner finished
            continue
    return count


def _tensor(plain: dict[str, Any], data: int) -> Tensor:
    shape = tuple(plain["shape"])
    start, end = plain["data_offsets"]
    if not all(type(number) is int and 0 <= number < 1 << 60 for number in (*shape, start, end)):
        raise ValueError("sizes must be whole numbers")
    if plain["dtype"] not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}")
    return Tensor(dtype=np.dtype(DTYPES[plain["dtype"]]), shape=shape, start=data + start, end=data + end)
