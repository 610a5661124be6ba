"""What a file says about itself, checked by decoding its first frame."""

from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from untrimmed.media.picture import Orientation, display_size, pixel_aspect
from untrimmed.media.source import Tally, decoded, packets
from untrimmed.media.stream import USUAL_FPS, frame_rate, no_frames, playing


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What is known of a video file without decoding it all.

    Attributes:
        path: the file.
        duration: seconds, as the container claims; where it claims nothing, from the packets.
        fps: mean frames a second.
        width: pixels as displayed, after rotation and with square pixels.
        height: likewise.
        frames: how many frames the container claims, which is often wrong; None if it claims nothing.
        rotation: degrees against the clock by which the stored pictures are turned: 0, 90, 180 or 270.
        codec: FFmpeg's name of the video codec, e.g. "h264".
        has_audio: whether there is a sound track.
        audio_rate: its samples a second; None without sound.
    """

    path: Path
    duration: float
    fps: float
    width: int
    height: int
    frames: int | None
    rotation: int
    codec: str
    has_audio: bool
    audio_rate: int | None


def probe(path: Path) -> VideoInfo:
    """Read the header and the first frame of a video.

    Raises:
        DataError: when the file cannot be read, or holds no frame; the message says why.
    """
    tally = Tally()
    with playing(path) as (container, stream):
        claimed = _claimed_duration(container, stream)
        first = next(decoded(container, stream, tally), None)
        if first is None:
            raise no_frames(path, tally)
        height, width = display_size(first, pixel_aspect(stream.sample_aspect_ratio))
        rotation = Orientation.of(first).degrees
        rate = frame_rate(stream)
        frames, codec = stream.frames or None, stream.codec_context.name
        tracks = [track.codec_context for track in container.streams.audio if track.codec_context is not None]
        audio_rates = [track.sample_rate or None for track in tracks]
    if claimed is None or rate is None:
        counted, length = _measured(path, rate)
        claimed = length if claimed is None else claimed
        rate = counted / claimed if rate is None else rate
    return VideoInfo(
        path=path,
        duration=claimed,
        fps=rate,
        width=width,
        height=height,
        frames=frames,
        rotation=rotation,
        codec=codec,
        has_audio=bool(audio_rates),
        audio_rate=audio_rates[0] if audio_rates else None,
    )


def _claimed_duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base and stream.duration > 0:
        late = float((stream.start_time or 0) * stream.time_base) - (container.start_time or 0) / av.time_base
        return float(stream.duration * stream.time_base) + max(0.0, late)  # pictures may start after the sound
    if container.duration and container.duration > 0:
        return container.duration / av.time_base
    return None


def _measured(path: Path, rate: float | None) -> tuple[int, float]:
    """Frames and seconds by walking through all packets, without decoding them."""
    count, first, last = 0, None, None
    with playing(path) as (container, stream):
        for packet in packets(container, stream, Tally()):
            if packet.size == 0:
                continue
            count += 1
            if packet.pts is not None:
                begin = float(packet.pts * packet.time_base)
                first = begin if first is None else min(first, begin)
                end = begin + float((packet.duration or 0) * packet.time_base)
                last = end if last is None else max(last, end)
    if first is not None and last is not None and last > first:
        return count, last - first
    return count, max(1, count) / (rate or USUAL_FPS)
