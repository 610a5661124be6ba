"""From a decoded frame to an array: colour, size, rotation and the shape of its pixels."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Literal, Self

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

Colour = Literal["rgb", "luma"]

# Planar formats of 8 bits whose first plane is luma, with the range their luma spans unless the frame says otherwise.
_STUDIO = {"yuv420p", "yuv422p", "yuv444p", "yuv410p", "yuv411p", "yuv440p"}
_FULL = {"yuvj420p", "yuvj422p", "yuvj444p", "yuvj440p"}
_PLANAR = _STUDIO | _FULL
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG

_SQUARE = 0.02
"""Pixels within 2 % of square count as square: headers round (340 x 256 of a 4:3 video says 256:255)."""


def pixel_aspect(aspect: Fraction | None) -> float:
    """Width over height of one pixel as the header claims it; 1 if it claims nothing or nonsense."""
    value = float(aspect) if aspect else 1.0
    if abs(value - 1.0) <= _SQUARE or not 0.1 <= value <= 10.0:
        return 1.0
    return value


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored picture is turned to be seen: rows and columns swapped first, then mirrored."""

    swapped: bool = False
    mirrored: bool = False
    upside_down: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Self:
        """As the display matrix of the frame says; upright without one, or with one that makes no sense.

        The matrix (a b u; c d v; x y w) of ISO 14496-12 takes column x and row y to column ax + cy and row bx + dy.
        """
        data: Any = frame.side_data.get("DISPLAYMATRIX")
        if data is None:
            return cls()
        a, b, _, c, d, *_ = np.frombuffer(memoryview(data), np.int32).tolist()
        if a and d:
            return cls(mirrored=a < 0, upside_down=d < 0)
        if b and c:
            return cls(swapped=True, mirrored=c < 0, upside_down=b < 0)
        return cls()

    @property
    def degrees(self) -> int:
        """The turn against the clock, 0, 90, 180 or 270; a mirror image counts as before it was mirrored."""
        if self.swapped:
            return 90 if self.upside_down else 270
        return 180 if self.upside_down else 0

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The picture as it is meant to be seen, contiguous."""
        if self.swapped:
            image = image.swapaxes(0, 1)
        if self.mirrored:
            image = image[:, ::-1]
        if self.upside_down:
            image = image[::-1]
        return np.ascontiguousarray(image)


def display_size(frame: VideoFrame, aspect: float) -> tuple[int, int]:
    """Height and width as the frame is meant to be seen: pixels made square by their width, then turned."""
    height, width = frame.height, max(1, round(frame.width * aspect))
    return (width, height) if Orientation.of(frame).swapped else (height, width)


class PictureMaker:
    """Makes arrays of one size from the frames of one stream.

    One swscale context is kept for the whole stream and runs on one thread; a context a frame costs as much as the
    decoding itself (0.75 against 0.49 ms a frame on 640 x 360).

    Args:
        size: height and width of the arrays; None keeps the size of the first frame as displayed.
        colour: "rgb" gives (height, width, 3); "luma" gives (height, width), full range, the grey of the picture
            without a conversion of colours.
        aspect: width over height of a pixel.
    """

    def __init__(self, *, size: tuple[int, int] | None, colour: Colour, aspect: float) -> None:
        self.size = size
        self._colour = colour
        self._aspect = aspect
        self._reformatter = VideoReformatter()
        self._rotation: int | None = None
        self._turn = Orientation()
        _keep_freed_memory()

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """The picture of one frame, uint8, contiguous, owned by the caller."""
        if self.size is None:
            self.size = display_size(frame, self._aspect)
        turn = self._orientation(frame)
        height, width = self.size[::-1] if turn.swapped else self.size
        image = self._luma(frame, height, width) if self._colour == "luma" else self._rgb(frame, height, width)
        return turn.apply(image)

    def _orientation(self, frame: VideoFrame) -> Orientation:
        # Reading the matrix ties the frame into a circle that only the garbage collector frees, hundreds of frames
        # late; the angle does not, and a matrix never changes without it in practice.
        if frame.rotation != self._rotation:
            self._rotation, self._turn = frame.rotation, Orientation.of(frame)
        return self._turn

    def _rgb(self, frame: VideoFrame, height: int, width: int) -> np.ndarray:
        if height < frame.height and width <= frame.width and frame.format.name in _PLANAR:
            return _shrunk_rgb(frame, height, width)
        # FAST_BILINEAR gives the same bytes as the default where chroma is merely doubled, and is faster; elsewhere
        # it is up to 56 levels off.
        fast = frame.format.name in ("yuv420p", "yuvj420p")
        converted = self._reformatter.reformat(
            frame, format="rgb24", interpolation="FAST_BILINEAR" if fast else None, threads=1
        )
        image = _resized(_plane(converted, 0, channels=3), height, width)
        # What needs no conversion is still the decoder's own memory, from which the next frames are predicted.
        return image.copy() if converted is frame else image

    def _luma(self, frame: VideoFrame, height: int, width: int) -> np.ndarray:
        import cv2

        if frame.format.name in _PLANAR:
            grey = _resized(_plane(frame, 0), height, width)
            return grey.copy() if _is_full_range(frame) else cv2.LUT(grey, _STRETCH)
        return cv2.cvtColor(self._rgb(frame, height, width), cv2.COLOR_RGB2GRAY)


@cache
def _keep_freed_memory() -> None:
    """Let the C library keep the memory of a picture for the next one instead of giving it back each time.

    glibc raises its limits to the largest block that was ever freed (at most 32 MiB). Without this, every other frame
    is faulted in anew, which costs 0.1 ms at 640 x 360, a fifth of decoding. Elsewhere this does nothing.
    """
    np.empty(31 << 20, np.uint8)


_STRETCH = np.clip(np.round((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)


def _is_full_range(frame: VideoFrame) -> bool:
    return frame.format.name in _FULL or frame.color_range == _FULL_RANGE


def _plane(frame: VideoFrame, number: int, *, channels: int = 1) -> np.ndarray:
    """A plane of a frame without copying; the array keeps the plane alive."""
    plane = frame.planes[number]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    image = rows[:, : plane.width * channels]
    return image.reshape(plane.height, plane.width, channels) if channels > 1 else image


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    import cv2

    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def _shrunk_rgb(frame: VideoFrame, height: int, width: int) -> np.ndarray:
    """Shrink the three planes first and convert the few pixels that are left: half the cost of the other order.

    R, G, B are linear in Y, U, V (BT.601), so the order does not matter but for rounding and the place of chroma
    samples: 1 level in the mean against the other order, of which swscale's own rounding is the larger part.
    """
    import cv2

    planes = [_resized(_plane(frame, number), height, width) for number in range(3)]
    return cv2.transform(cv2.merge(planes), _YUV_TO_RGB[_is_full_range(frame)])


def _yuv_to_rgb(full: bool) -> np.ndarray:
    """BT.601, as swscale uses it when it is told nothing: the 3 x 4 matrix from (Y, U, V, 1) to (R, G, B)."""
    red, blue = 0.299, 0.114
    green = 1 - red - blue
    luma, chroma, black = (1.0, 1.0, 0.0) if full else (255 / 219, 255 / 224, 16.0)
    matrix = np.array(
        [
            [luma, 0.0, 2 * (1 - red) * chroma],
            [luma, -2 * (1 - blue) * blue / green * chroma, -2 * (1 - red) * red / green * chroma],
            [luma, 2 * (1 - blue) * chroma, 0.0],
        ]
    )
    return np.column_stack([matrix, -matrix @ np.array([black, 128.0, 128.0])])


_YUV_TO_RGB = {False: _yuv_to_rgb(False), True: _yuv_to_rgb(True)}
