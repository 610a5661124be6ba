"""Pictures as JPEG: coding one by one, and a sequence of them in a file that decodes what is asked for.

Three channels are one colour picture; any other number of them (sound 1, flow 2, depth and motion 8, joints 15) are
grey planes side by side in one grey picture, so that none borrows from another as colour channels would.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from untrimmed.features.feature import ImageSequence
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

QUALITY = 95
"""JPEG quality, 0 to 100. TSN's released tools keep frames and flow as JPEG of OpenCV's default quality, 95."""
LARGEST_SIDE = 1 << 14
MOST_CHANNELS = 32


def encode_picture(picture: UInt8[np.ndarray, "height width channels"], *, quality: int = QUALITY) -> bytes:
    """One picture of 1 to 32 channels as JPEG."""
    import cv2

    channels = picture.shape[2]
    if channels == 3:
        plane = picture[:, :, ::-1]  # OpenCV codes blue, green, red
    elif 1 <= channels <= MOST_CHANNELS:
        plane = np.concatenate([picture[:, :, channel] for channel in range(channels)], axis=1)
    else:
        raise DataError(f"a picture must have 1 to {MOST_CHANNELS} channels, got {channels}")
    done, code = cv2.imencode(".jpg", np.ascontiguousarray(plane), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise DataError(f"a picture of shape {picture.shape} could not be coded as JPEG")
    return bytes(code)


def decode_picture(
    code: bytes, *, shape: tuple[int, int, int], whose: str
) -> UInt8[np.ndarray, "height width channels"]:
    """The picture that encode_picture coded.

    Args:
        code: the JPEG.
        shape: height, width, channels that it must have.
        whose: what the message calls it.

    Raises:
        DataError: when the bytes are no JPEG or one of another shape.
    """
    import cv2

    height, width, channels = shape
    flag = cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE
    plane = cv2.imdecode(np.frombuffer(code, np.uint8), flag) if code else None
    wanted = (height, width, 3) if channels == 3 else (height, width * channels)
    if plane is None or plane.shape != wanted:
        got = "bytes that are no JPEG" if plane is None else f"one of shape {plane.shape}"
        raise DataError(f"{whose} must be a picture of shape {wanted}, got {got}")
    if channels == 3:
        return np.ascontiguousarray(plane[:, :, ::-1])
    # five times as fast as a transposed copy
    return np.stack([plane[:, channel * width : (channel + 1) * width] for channel in range(channels)], axis=2)


class CodedImages(ImageSequence):
    """Pictures of a file, decoded when asked for. It keeps no file open and can be sent to other processes."""

    def __init__(
        self,
        path: Path,
        *,
        data: int,
        offsets: Int[np.ndarray, " past"],
        shape: tuple[int, int, int],
        grid: TimeGrid,
        video_id: str,
    ) -> None:
        """Describe where the pictures lie.

        Args:
            path: the file.
            data: its byte at which offset 0 lies.
            offsets: picture i is [offsets[i], offsets[i + 1]).
            shape: height, width, channels.
            grid: one step a picture.
            video_id: for messages.
        """
        self.grid = grid
        self.shape = shape
        self._path, self._data, self._offsets, self._video_id = path, data, offsets, video_id

    def frames(self, indices: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n height width channels"]:
        """The pictures at these indices, in the order asked for."""
        if len(indices) and not (indices.min() >= 0 and indices.max() < len(self)):
            raise DataError(
                f"pictures of video {self._video_id} have indices 0 to {len(self) - 1}, "
                f"got {indices.min()} to {indices.max()} ({self._path})"
            )
        pictures = np.empty((len(indices), *self.shape), np.uint8)
        decoded: dict[int, int] = {}
        with self._path.open("rb", buffering=0) as file:
            read = _reader(file.fileno())
            for place, index in enumerate(indices.tolist()):
                if index in decoded:  # samplers repeat pictures of short videos
                    pictures[place] = pictures[decoded[index]]
                    continue
                begin, end = int(self._offsets[index]), int(self._offsets[index + 1])
                whose = f"picture {index} of video {self._video_id} in {self._path}"
                pictures[place] = decode_picture(read(end - begin, self._data + begin), shape=self.shape, whose=whose)
                decoded[index] = place
        return pictures


def check_offsets(offsets: Shaped[np.ndarray, "..."], size: int, *, where: Path) -> None:
    """Raise DataError unless offsets rise from 0 and end inside `size` bytes."""
    if len(offsets) < 1 or offsets[0] != 0 or offsets[-1] > size or np.any(np.diff(offsets) < 0):
        raise DataError(f"{where} is damaged: offsets of its pictures must rise from 0 to at most {size}")


def _reader(descriptor: int) -> Callable[[int, int], bytes]:
    if hasattr(os, "pread"):
        return lambda size, offset: os.pread(descriptor, size, offset)

    def read(size: int, offset: int) -> bytes:  # Windows has no pread
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, size)

    return read
