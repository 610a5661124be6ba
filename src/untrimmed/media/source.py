"""Open a media file that nobody vouches for, and walk through its frames past whatever is broken in it."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from untrimmed.records import DataError

MAX_PIXELS = 2**26
"""Frames of more than 8192 x 8192 pixels are refused: a header of a few bytes must not claim gigabytes."""

# Formats that name other files or addresses, or that read any text as a picture. A video never comes in these.
_LISTS = {"concat", "dash", "ffmetadata", "hls", "image2", "imf", "rtsp", "sap", "sdp", "webm_dash_manifest"}
_TEXT_AND_DEVICES = {"adf", "alsa", "bin", "idf", "lavfi", "tty", "video4linux2,v4l2", "x11grab", "xbin"}

# A demuxer may fail in the middle and go on behind the damage; one that fails this often in a row is at its end.
_DEMUX_TRIALS = 16

av.logging.set_level(av.logging.PANIC)  # the decoders' own chatter; what counts is in the report


@dataclass(frozen=True, kw_only=True)
class DecodeReport:
    """What became of one pass through a file.

    Attributes:
        decoded: frames that came out (for audio: samples before resampling).
        corrupt: frames among them that the decoder marked as damaged.
        bad_packets: packets from which nothing could be decoded.
        error: the last error of demuxer or decoder in words; empty if there was none.
    """

    decoded: int = 0
    corrupt: int = 0
    bad_packets: int = 0
    error: str = ""

    @property
    def damaged(self) -> bool:
        """Whether anything was wrong."""
        return bool(self.corrupt or self.bad_packets or self.error)


@dataclass
class Tally:
    """A DecodeReport in the making."""

    decoded: int = 0
    corrupt: int = 0
    bad_packets: int = 0
    error: str = ""

    def report(self) -> DecodeReport:
        """The counts so far."""
        return DecodeReport(decoded=self.decoded, corrupt=self.corrupt, bad_packets=self.bad_packets, error=self.error)

    def warn(self, path: Path, logger: logging.Logger, *, unit: str) -> None:
        """Log one warning if anything was wrong."""
        if self.report().damaged:
            logger.warning(
                "%s is damaged: %d %s decoded, %d of them marked corrupt, %d bad packets skipped%s",
                path.name,
                self.decoded,
                unit,
                self.corrupt,
                self.bad_packets,
                f" ({self.error})" if self.error else "",
            )


def open_media(path: Path) -> InputContainer:
    """Open a file for reading. Close it, or use it with `with`: open containers keep their memory.

    Only this one file is opened whatever stands in it: playlists and lists of files are refused, and so is the
    network.

    Raises:
        DataError: when there is no such file, or it is no media file.
    """
    if not path.is_file():
        raise DataError(f"{path} cannot be read: {'it is a folder' if path.is_dir() else 'there is no such file'}")
    if path.stat().st_size == 0:
        raise DataError(f"{path} cannot be read: it is empty (0 bytes)")
    options = {"protocol_whitelist": "file", "format_whitelist": _allowed_formats()}
    try:
        # "file:" keeps names such as "-x.mp4" or "http:x.mp4" names of files.
        return av.open(f"file:{path}", options=options, metadata_errors="replace")
    except av.error.InvalidDataError as error:
        raise DataError(f"{path} cannot be read: it is no media file, or its header is damaged") from error
    except av.error.ArgumentError as error:
        raise DataError(f"{path} cannot be read: it is text or a playlist, not a media file") from error
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{path} cannot be read: {reason(error)}") from error


def reason(error: Exception) -> str:
    """An error of FFmpeg in a few words, without the file name it carries."""
    return str(getattr(error, "strerror", None) or error).splitlines()[0]


@cache
def _allowed_formats() -> str:
    return ",".join(sorted(name for name in av.formats_available if name not in _LISTS | _TEXT_AND_DEVICES))


def video_streams(container: InputContainer, path: Path) -> list[VideoStream]:
    """The streams that hold moving pictures, in order; cover art does not count.

    Raises:
        DataError: when there is none, or the first claims pictures of absurd size.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        what = "it holds sound but no video" if container.streams.audio else "it holds no video"
        raise DataError(f"{path} cannot be read: {what}")
    return streams


def prepare(stream: VideoStream, path: Path) -> None:
    """Set a stream to decode on one thread.

    Frame threads make no pass faster when every core has its own video, and breaking off a frame-threaded decoder
    can hang. Must be called before the first packet is decoded.

    Raises:
        DataError: when its header claims pictures of absurd size.
    """
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MAX_PIXELS:
        raise DataError(f"{path} cannot be read: frames must have at most {MAX_PIXELS} pixels, got {width} x {height}")
    stream.codec_context.thread_count = 1
    stream.codec_context.thread_type = "NONE"
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # a stream may change its size on the way


def packets(container: InputContainer, stream: av.stream.Stream, tally: Tally) -> Iterator[av.Packet]:
    """All packets of one stream, on past errors of the demuxer, and at the end one packet that flushes the decoder."""
    failures = 0
    while failures < _DEMUX_TRIALS:
        try:
            for packet in container.demux(stream):
                failures = 0
                yield packet
            return  # its last packet was the flushing one
        except av.error.EOFError:
            break
        except (av.error.FFmpegError, OSError) as error:
            failures += 1
            tally.error = reason(error)
    end = av.Packet()
    end.stream = stream
    yield end


def decoded(container: InputContainer, stream: VideoStream, tally: Tally) -> Iterator[VideoFrame]:
    """All frames of a stream in the order they are shown; a packet that cannot be decoded is counted and skipped."""
    for packet in packets(container, stream, tally):
        try:
            frames = stream.codec_context.decode(packet) if packet.size else stream.codec_context.decode(None)
        except av.error.EOFError:
            continue
        except (av.error.FFmpegError, OSError, MemoryError) as error:
            tally.bad_packets += 1
            tally.error = reason(error)
            continue
        for frame in frames:
            tally.decoded += 1
            if frame.is_corrupt:
                tally.corrupt += 1
            yield frame
