"""Single frames of a video, exact to the byte, without decoding what lies between."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import Float, Int, UInt8

from untrimmed.media.index import PacketIndex, packet_index, seek
from untrimmed.media.picture import PictureMaker, pixel_aspect
from untrimmed.media.source import Tally, decoded, packets
from untrimmed.media.stream import SAME_INSTANT, Clock, no_frames, playing
from untrimmed.records import DataError

logger = logging.getLogger(__name__)

_SKIPS_EXACTLY = {"h264"}
"""Codecs whose decoder leaves out pictures that no other refers to, with no trace in the others."""


def read_at(
    path: Path, indices: Sequence[int] | Int[np.ndarray, " n"], *, size: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "n height width 3"]:
    """The frames with these numbers, the same bytes as `read_frames` gives, in the order asked for.

    One walk through the packets tells where each frame lies. Frames are grouped by the key frame they are decoded
    from, and on the way to them pictures that nothing refers to are not decoded. Files whose packets do not tell
    their frames are decoded from the start instead. In a damaged file the numbers count packets, of which some may
    give no frame; times (read_at_seconds) are the safer address there.

    Args:
        path: any video file.
        indices: frame numbers from 0, in any order, repeated or not.
        size: height and width to resize to; None is as displayed.

    Raises:
        DataError: when the file cannot be read, or has no frame of such a number.
    """
    wanted = np.asarray(indices, dtype=np.int64)
    if wanted.size and wanted.min() < 0:
        raise DataError(f"frame numbers of {path.name} must be 0 or more, got {wanted.min()}")
    index = packet_index(path)
    if index is not None:
        if wanted.size and wanted.max() >= len(index.seconds):
            raise _beyond(path, int(wanted.max()), len(index.seconds))
        found = _by_index(path, index, wanted, size)
        if found is not None:
            return found
    return _in_order(path, wanted, size)


def read_at_seconds(
    path: Path, seconds: Sequence[float] | Float[np.ndarray, " n"], *, size: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "n height width 3"]:
    """The frames on show at these times, in the order asked for.

    Args:
        path: any video file.
        seconds: from the start of the video; times before the first frame give the first, later than the last frame
            the last.
        size: height and width to resize to; None is as displayed.

    Raises:
        DataError: when the file cannot be read, or a time is not finite.
    """
    times = np.asarray(seconds, dtype=np.float64)
    if not np.isfinite(times).all():
        raise DataError(f"times of frames of {path.name} must be finite seconds, got {times.tolist()}"[:200])
    index = packet_index(path)
    if index is not None:
        found = _by_index(path, index, _on_show(index.seconds, times), size)
        if found is not None:
            return found
    return _in_order(path, _on_show(_all_times(path), times), size)


def _on_show(starts: np.ndarray, times: np.ndarray) -> np.ndarray:
    return np.maximum(np.searchsorted(starts, times + SAME_INSTANT, side="right") - 1, 0)


def _beyond(path: Path, wanted: int, frames: int) -> DataError:
    return DataError(f"frame numbers of {path.name} must be below {frames}, its number of frames, got {wanted}")


class _Gathering:
    """The result in the making: each wanted frame goes to all the rows that asked for it."""

    def __init__(self, wanted: np.ndarray, make: PictureMaker) -> None:
        self._rows: dict[int, list[int]] = {}
        for row, number in enumerate(wanted.tolist()):
            self._rows.setdefault(number, []).append(row)
        self._make = make
        self._count = len(wanted)
        self.images: np.ndarray | None = None

    @property
    def missing(self) -> set[int]:
        return set(self._rows)

    def take(self, number: int, frame: VideoFrame) -> None:
        rows = self._rows.pop(number, None)
        if rows is None:
            return
        image = self._make(frame)
        if self.images is None:
            self.images = np.empty((self._count, *image.shape), np.uint8)
        self.images[rows] = image


def _maker(stream: VideoStream, size: tuple[int, int] | None) -> PictureMaker:
    return PictureMaker(size=size, colour="rgb", aspect=pixel_aspect(stream.sample_aspect_ratio))


def _in_order(path: Path, wanted: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Decode from the start up to the last wanted frame."""
    tally = Tally()
    number = 0
    with playing(path) as (container, stream):
        make = _maker(stream, size)
        gathering = _Gathering(wanted, make)
        for number, frame in enumerate(decoded(container, stream, tally)):
            if number == 0 and make.size is None:
                make(frame)  # fixes the size to that of the first frame
            gathering.take(number, frame)
            if not gathering.missing:
                break
    if tally.decoded == 0:
        raise no_frames(path, tally)
    if gathering.missing:
        raise _beyond(path, max(gathering.missing), number + 1)
    if gathering.images is None:
        return np.empty((0, *(make.size or (0, 0)), 3), np.uint8)
    tally.warn(path, logger, unit="frames")
    return gathering.images


def _all_times(path: Path) -> np.ndarray:
    tally = Tally()
    with playing(path) as (container, stream):
        clock = Clock.of(container, stream)
        times = np.array([clock.seconds(frame) for frame in decoded(container, stream, tally)])
    if len(times) == 0:
        raise no_frames(path, tally)
    return times


def _by_index(path: Path, index: PacketIndex, wanted: np.ndarray, size: tuple[int, int] | None) -> np.ndarray | None:
    """The frames by seeking; None where the file does not keep what its packets promised."""
    if wanted.size == 0:
        return None
    groups: dict[int, list[int]] = {}
    for number in sorted(set(wanted.tolist())):
        groups.setdefault(index.key_of(number), []).append(number)
    with playing(path) as (container, stream):
        gathering = _Gathering(wanted, _maker(stream, size))
        for key, numbers in groups.items():
            targets = {int(index.stamps[number]): number for number in numbers}
            tally = Tally()
            for frame in _group(container, stream, index, key, set(targets), tally):
                if frame.pts in targets:
                    gathering.take(targets[frame.pts], frame)
            if tally.report().damaged or not gathering.missing.isdisjoint(numbers):
                logger.info("%s does not decode as its packets promise; reading it from the start", path.name)
                return None
    return gathering.images


def _group(
    container: InputContainer, stream: VideoStream, index: PacketIndex, key: int, targets: set[int], tally: Tally
) -> Iterator[VideoFrame]:
    """Decode from one key packet until the packets of all targets are in, leaving out what they do not need."""
    decoder = stream.codec_context
    start = int(index.key_stamps[key])
    if not seek(container, stream, int(index.key_seeks[key])):
        tally.error = "cannot seek"
        return
    left = set(targets)
    started = False
    for packet in packets(container, stream, tally):
        started = started or packet.pts == start
        if not started:
            continue
        if decoder.name in _SKIPS_EXACTLY:
            decoder.skip_frame = "DEFAULT" if packet.pts in left else "NONREF"
        left.discard(packet.pts)
        yield from _frames(decoder, packet, tally)
        if not left:
            break
    decoder.skip_frame = "DEFAULT"
    yield from _frames(decoder, None, tally)


def _frames(decoder: av.VideoCodecContext, packet: av.Packet | None, tally: Tally) -> list[VideoFrame]:
    try:
        frames = decoder.decode(packet)
    except av.error.EOFError:
        return []
    except (av.error.FFmpegError, OSError, MemoryError):
        tally.bad_packets += 1
        return []
    tally.corrupt += sum(frame.is_corrupt for frame in frames)
    return frames
