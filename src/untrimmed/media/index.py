"""Which packet of a file holds which frame: the map that makes exact sparse reading possible without decoding."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from jaxtyping import Float, Int

from untrimmed.media.source import Tally, packets
from untrimmed.media.stream import Clock, playing

_ONE_FRAME_A_PACKET = {"h264", "hevc", "vp9", "av1", "mjpeg"}
"""Codecs whose every packet gives one frame. Others hide pictures (vp8), repeat them by empty packets (theora), or
pack two into one packet and leave the next one empty (mpeg4 in AVI)."""


@dataclass(frozen=True, kw_only=True)
class PacketIndex:
    """The frames of a file in the order they are shown.

    Attributes:
        seconds: when each appears.
        stamps: its time stamp in units of the stream.
        places: number of its packet in the order of the file.
        key_places: numbers of the packets from which decoding can begin, rising.
        key_stamps: their time stamps.
        key_seeks: what to seek to in order to land on them (decoding time stamps where there are any).
    """

    seconds: Float[np.ndarray, " frames"]
    stamps: Int[np.ndarray, " frames"]
    places: Int[np.ndarray, " frames"]
    key_places: Int[np.ndarray, " keys"]
    key_stamps: Int[np.ndarray, " keys"]
    key_seeks: Int[np.ndarray, " keys"]

    def key_of(self, frame: int) -> int:
        """The last key packet from which the frame can be decoded exactly.

        A picture that is shown before the key frame in front of it refers to the group before (open groups): it
        needs the key frame before that one.
        """
        before = (self.key_places <= self.places[frame]) & (self.key_stamps <= self.stamps[frame])
        return int(np.flatnonzero(before)[-1])


def packet_index(path: Path) -> PacketIndex | None:
    """The index of a file's video, or None where packets do not tell its frames and it must be decoded in order.

    One walk through the packets, a few milliseconds for minutes of video; the last 128 indices are kept.

    Raises:
        DataError: when the file cannot be read.
    """
    if not path.is_file():
        return _build(path)  # raises, in words
    state = path.stat()
    return _kept(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=128)
def _kept(path: Path, modified: int, size: int) -> PacketIndex | None:
    return _build(path)


def _build(path: Path) -> PacketIndex | None:
    with playing(path) as (container, stream):
        if stream.codec_context.name not in _ONE_FRAME_A_PACKET:
            return None
        return _walk(container, stream)


def _walk(container: InputContainer, stream: VideoStream) -> PacketIndex | None:
    tally = Tally()
    stamps: list[int] = []
    shown: list[bool] = []
    keys: list[tuple[int, int, int]] = []
    for packet in packets(container, stream, tally):
        if packet.size == 0:
            continue
        if packet.pts is None or packet.is_corrupt:
            return None
        if packet.is_keyframe:
            keys.append((len(stamps), packet.pts, packet.pts if packet.dts is None else packet.dts))
        stamps.append(packet.pts)
        shown.append(not packet.is_discard)
    if tally.error or not keys or keys[0][0] != 0 or min(stamps) < keys[0][1] or len(set(stamps)) < len(stamps):
        return None
    every, visible = np.array(stamps, np.int64), np.array(shown)
    order = np.argsort(every)
    order = order[visible[order]]
    if len(order) == 0:
        return None
    clock = Clock.of(container, stream)
    seconds = np.array([clock.at(int(stamp)) for stamp in every[order]])
    places, key_stamps, seeks = np.array(keys, np.int64).T
    return PacketIndex(
        seconds=seconds,
        stamps=every[order],
        places=order.astype(np.int64),
        key_places=places,
        key_stamps=key_stamps,
        key_seeks=seeks,
    )


def seek(container: InputContainer, stream: VideoStream, stamp: int) -> bool:
    """Go to the last key packet at or before a time stamp; False where the container cannot."""
    try:
        container.seek(stamp, stream=stream, backward=True)
    except (av.error.FFmpegError, OSError):
        return False
    stream.codec_context.flush_buffers()
    return True
