"""Buffers: long runs of stored pictures that a detector sees at once, one after the other over a whole video."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from untrimmed.features.clip_sets import crop_edge, middle
from untrimmed.features.feature import ImageSequence
from untrimmed.media.transforms import crop, random_flip, resize
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid, windows


@dataclass(frozen=True, kw_only=True)
class Buffering:
    """How a video becomes buffers. Report 20 (R-C3D) is quoted by section; the released code is the authors'."""

    frames: int = 768
    """In a buffer; sections 4.1 to 4.3."""
    every: int = 1
    """Stored pictures from one frame to the next; 1 where pictures are stored at the wanted rate."""
    stride_frames: int = 192
    """From one training buffer to the next; the paper does not say, the released code takes a quarter of the buffer."""
    test_stride_frames: int = 768
    """The same at test; section 3.5: "break long videos into buffers". Less than a buffer makes them overlap."""
    two_way: bool = True
    """Take training buffers from the end to the beginning too; section 4.1, "two-way buffer"."""
    least_inside: float = 0.7
    """Share of an instance that must lie in a training buffer to count there; the released code's."""
    least_frames: int = 3
    """Frames of it that must; the released code's."""
    padding: Literal["blank", "last"] = "blank"
    """What follows a video that is shorter than a buffer: section 3.5, "blank frames" (zeros); the released code
    repeats the last."""
    whole: bool = False
    """Scale whole pictures to the net's size instead of cutting out a square: in training at a random place, at test
    in the middle. The paper does not say; the released code cuts."""
    flips: bool = True
    """Mirror every other training buffer left and right; section 4.2."""

    def __post_init__(self) -> None:
        strides = (self.stride_frames, self.test_stride_frames)
        if min(self.frames, self.every, *strides) < 1 or max(strides) > self.frames:
            raise DataError(
                "buffers need frames and every >= 1 and strides in [1, frames] (a larger one would leave gaps), "
                f"got {self.frames}, {self.every} and {strides}"
            )

    def length(self, pictures: int) -> int:
        """Frames of a video of so many stored pictures."""
        return -(-pictures // self.every)

    def to_seconds(self, frames: Float[np.ndarray, "*shape"], grid: TimeGrid) -> Float[np.ndarray, "*shape"]:
        """When frames begin, for the grid of the stored pictures; fractions are allowed."""
        return grid.to_seconds(frames * self.every)

    def to_frames(self, seconds: Float[np.ndarray, "*shape"], grid: TimeGrid) -> Float[np.ndarray, "*shape"]:
        """Inverse of to_seconds."""
        return grid.to_steps(seconds) / self.every


def buffer_windows(length: int, *, size: int, stride: int, two_way: bool = False) -> Int[np.ndarray, "n 2"]:
    """Buffers that cover every frame of [0, length).

    One-way buffers start at 0, stride, 2 * stride ..., the last ends at the length. Two-way buffers are these and their
    mirror images, which slide from the end to the beginning; none comes twice. Every run of at most size - stride
    frames lies in one buffer as a whole.

    Args:
        length: frames of the video, >= 1.
        size: frames in a buffer, >= 1; a shorter video is one buffer.
        stride: in [1, size].
        two_way: whether the mirror images come too.

    Source: report 20 (R-C3D), section 4.1.
    """
    forward = windows(length, size=size, stride=stride)
    if not two_way:
        return forward
    found, first = np.unique(np.concatenate([forward, length - forward[:, ::-1]]), axis=0, return_index=True)
    return found[np.argsort(first)]


def read_buffer(
    images: ImageSequence,
    window: tuple[int, int],
    buffering: Buffering,
    *,
    size: tuple[int, int],
    generator: np.random.Generator | None = None,
) -> UInt8[np.ndarray, "channels frames height width"]:
    """The frames [first, past) of a video as a net sees them, padded to a whole buffer.

    Args:
        images: the stored pictures.
        window: first and past, in frames.
        buffering: how.
        size: height and width, pixels.
        generator: of the random place and mirroring in training; None takes the middle as it is.
    """
    pictures = images.frames(np.arange(*window) * buffering.every)
    if buffering.whole:
        pass
    elif generator is None:
        pictures = middle(pictures)
    else:
        edge = crop_edge(pictures)
        top, left = (int(generator.integers(side - edge + 1)) for side in pictures.shape[1:3])
        pictures = crop(pictures, top=top, left=left, size=(edge, edge))
    pictures = resize(np.ascontiguousarray(pictures), size)
    if buffering.flips and generator is not None:
        pictures = random_flip(pictures, generator=generator, flow=pictures.shape[3] == 2)
    frames = np.zeros((pictures.shape[3], buffering.frames, *size), np.uint8)
    frames[:, : len(pictures)] = pictures.transpose(3, 0, 1, 2)
    if buffering.padding == "last":
        frames[:, len(pictures) :] = frames[:, len(pictures) - 1, None]
    return frames


def video_buffers(
    images: ImageSequence, buffering: Buffering, *, size: tuple[int, int], at_once: int = 1
) -> Iterator[tuple[Int[np.ndarray, "n 2"], UInt8[np.ndarray, "n channels frames height width"]]]:
    """The buffers of a whole video, some at a time: their windows in frames and their frames.

    No more than `at_once` buffers are in memory, however long the video.
    """
    spans = buffer_windows(buffering.length(len(images)), size=buffering.frames, stride=buffering.test_stride_frames)
    for begin in range(0, len(spans), at_once):
        part = spans[begin : begin + at_once]
        yield (
            part,
            np.stack([read_buffer(images, (first, past), buffering, size=size) for first, past in part.tolist()]),
        )
