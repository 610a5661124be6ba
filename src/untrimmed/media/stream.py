"""Frames of a video in order, with true times, in constant memory."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

from untrimmed.media.picture import Colour, PictureMaker, pixel_aspect
from untrimmed.media.source import DecodeReport, Tally, decoded, open_media, prepare, video_streams
from untrimmed.records import DataError

logger = logging.getLogger(__name__)

USUAL_FPS = 25.0
"""Frames a second of a file that tells nothing about its rate (FFmpeg's own guess for raw streams)."""

SAME_INSTANT = 1e-6
"""Seconds within which two instants are one: time stamps are exact fractions, their floats are not."""

_MAX_FPS = 1000.0
_LONGEST_GAP = 600.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture.

    Attributes:
        image: (height, width, 3) RGB, or (height, width) luma.
        seconds: when it appears, from the start of the video.
        index: its number from 0: of the frame in the file, or of the instant if the stream is resampled.
    """

    image: UInt8[np.ndarray, "height width 3"] | UInt8[np.ndarray, "height width"]
    seconds: float
    index: int


class FrameStream:
    """The frames of one file; iterate it once or several times, each time is a pass through the file.

    Args:
        path: the file.
        size: height and width of the pictures; None is the size as displayed.
        per_second: instants a second to resample to; None gives every frame of the file.
        colour: "rgb" or "luma".
    """

    def __init__(self, path: Path, *, size: tuple[int, int] | None, per_second: float | None, colour: Colour) -> None:
        if size is not None and min(size) < 1:
            raise DataError(f"size of the frames of {path.name} must be positive (height, width), got {size}")
        if per_second is not None and not 0 < per_second <= _MAX_FPS:
            raise DataError(f"per_second of {path.name} must be in (0, {_MAX_FPS:g}], got {per_second}")
        self.path = path
        self._size = size
        self._per_second = per_second
        self._colour = colour
        self._report = DecodeReport()

    @property
    def report(self) -> DecodeReport:
        """What became of the last pass that came to its end; all zero before."""
        return self._report

    def __iter__(self) -> Iterator[Frame]:
        """Decode the file.

        Raises:
            DataError: when it cannot be read at all; the message says why.
        """
        return self.thinned(1)

    def thinned(self, step: int) -> Iterator[Frame]:
        """One frame of every step, from the first; the others are decoded but not converted.

        Raises:
            DataError: when the file cannot be read at all.
        """
        tally = Tally()
        with playing(self.path) as (container, stream):
            make = PictureMaker(size=self._size, colour=self._colour, aspect=pixel_aspect(stream.sample_aspect_ratio))
            clock = Clock.of(container, stream)
            frames = decoded(container, stream, tally)
            if self._per_second is None:
                for index, frame in enumerate(frames):
                    now = clock.seconds(frame)
                    if index % step == 0:
                        yield Frame(make(frame), now, index)
            else:
                resampled = _resampled(frames, clock, make, self._per_second)
                yield from (frame for frame in resampled if frame.index % step == 0)
        self._report = tally.report()
        if tally.decoded == 0:
            raise no_frames(self.path, tally)
        tally.warn(self.path, logger, unit="frames")


def read_frames(
    path: Path, *, size: tuple[int, int] | None = None, per_second: float | None = None, colour: Colour = "rgb"
) -> FrameStream:
    """The frames of a video in order, decoded as they are asked for, in memory that does not grow with its length.

    Times come from the packets, so that a variable rate keeps its true seconds; rotation and the shape of pixels are
    applied. A damaged file gives the frames that exist and one warning in the log; `FrameStream.report` counts
    what was wrong.

    Args:
        path: any file that FFmpeg reads.
        size: height and width to resize to (bilinear without low-pass, as the pipelines of 2017 did); None keeps the
            size as displayed.
        per_second: resample in time: picture k is the last one shown at k / per_second seconds, so that a variable
            rate becomes even. None gives each frame once.
        colour: "rgb", or "luma" for (height, width) grey at no cost of conversion.

    Raises:
        DataError: for arguments that make no sense; when iterated, for a file that cannot be read at all.
    """
    return FrameStream(path, size=size, per_second=per_second, colour=colour)


@contextmanager
def playing(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file, opened, and its first video stream that decodes, ready to be decoded from the start."""
    number = 0
    with open_media(path) as container:
        streams = video_streams(container, path)
        if len(streams) == 1:
            prepare(streams[0], path)
            yield container, streams[0]
            return
        number = _first_that_decodes(path, len(streams))
    with open_media(path) as container:
        stream = video_streams(container, path)[number]
        prepare(stream, path)
        yield container, stream


def _first_that_decodes(path: Path, streams: int) -> int:
    for number in range(streams):
        with open_media(path) as container:
            stream = video_streams(container, path)[number]
            prepare(stream, path)
            if next(decoded(container, stream, Tally()), None) is not None:
                return number
    return 0


def no_frames(path: Path, tally: Tally) -> DataError:
    """What to raise for a file of which not one frame came out."""
    why = f": {tally.error}" if tally.error else ""
    skipped = f" ({tally.bad_packets} bad packets{why})" if tally.bad_packets or why else ""
    return DataError(f"{path} cannot be read: it holds no frame that decodes{skipped}")


def frame_rate(stream: VideoStream) -> float | None:
    """Frames a second as the container tells or lets guess; None if it tells nothing that can be true."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= _MAX_FPS:
            return float(rate)
    return None


@dataclass
class Clock:
    """Gives each frame of a stream its seconds; they always rise.

    Time 0 is the start of the container, as players have it, so that sound and pictures share one clock. A frame
    without a time stamp, or whose time stamp does not rise, or jumps further than the whole video is long (a damaged
    packet), follows its predecessor by one frame duration. AVI stores B-frames without the order they are shown in,
    so that their stamps swap by up to two frames: there (packed) frames follow each other evenly until a stamp is four
    frames ahead.
    """

    time_base: Fraction
    origin: float
    period: float
    longest_gap: float
    packed: bool = False
    last: float | None = None

    @classmethod
    def of(cls, container: InputContainer, stream: VideoStream) -> Self:
        """The clock of a stream that is to be decoded from its start."""
        claimed = (container.duration or 0) / av.time_base
        origin = (container.start_time or 0) / av.time_base
        # A frame's own time base is missing on those that a flush brings out; the stream's is always there.
        base = stream.time_base or Fraction(1, av.time_base)
        period = 1 / (frame_rate(stream) or USUAL_FPS)
        packed = container.format.name == "avi" and bool(stream.codec_context.has_b_frames)
        return cls(base, origin, period, max(_LONGEST_GAP, claimed), packed)

    def seconds(self, frame: VideoFrame) -> float:
        """When the frame appears; call it once for every frame, in order."""
        return self.at(frame.pts)

    def at(self, pts: int | None) -> float:
        """When the next frame appears, given its time stamp in units of the stream."""
        stamp = None if pts is None else pts * self.time_base.numerator / self.time_base.denominator
        if self.last is None:
            # A first frame before the start of the container, or absurdly late, is itself the start.
            if stamp is None or not 0 <= stamp - self.origin <= self.longest_gap:
                self.origin = stamp or 0.0
            now = 0.0 if stamp is None else stamp - self.origin
        else:
            now = self.last + self.period
            least = 5 * self.period if self.packed else 0.0
            if stamp is not None and least < (stamp - self.origin) - self.last <= self.longest_gap:
                now = stamp - self.origin
        self.last = now
        return now


def _resampled(frames: Iterator[VideoFrame], clock: Clock, make: PictureMaker, per_second: float) -> Iterator[Frame]:
    """For k = 0, 1 ... the last frame shown at k / per_second, until the last frame's own duration has passed.

    Only frames that are shown at an instant are converted.
    """
    count = 0
    shown: VideoFrame | None = None
    for frame in frames:
        now = clock.seconds(frame)
        if shown is not None and count / per_second < now - SAME_INSTANT:
            image = make(shown)
            while count / per_second < now - SAME_INSTANT:
                yield Frame(image, count / per_second, count)
                count += 1
        shown = frame
    if shown is not None and clock.last is not None:
        image = make(shown)
        while count == 0 or count / per_second < clock.last + clock.period - SAME_INSTANT:
            yield Frame(image, count / per_second, count)
            count += 1
