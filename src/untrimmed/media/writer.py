"""Write mp4 files: h264 pictures, aac sound, the same bytes for the same input."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import VideoReformatter
from jaxtyping import Float32, UInt8

from untrimmed.files import replacing
from untrimmed.records import DataError

_BITEXACT = 1 << 23  # AV_CODEC_FLAG_BITEXACT
_FRAME_SAMPLES = 1024  # an aac frame


def write_video(
    path: Path,
    frames: Iterable[UInt8[np.ndarray, "height width 3"]],
    *,
    fps: float,
    audio: Float32[np.ndarray, " samples"] | None = None,
    audio_rate: int = 44100,
    crf: int = 23,
    preset: str = "veryfast",
    keyframe_every: int = 250,
) -> int:
    """Encode RGB frames, and sound if there is any, into an mp4 file.

    The file appears complete or not at all. It holds no date and no version of this package, and the encoder runs on
    one thread, so that the same input gives the same bytes with the same build of FFmpeg.

    Args:
        path: where to; an existing file is replaced.
        frames: pictures of one size with even height and width, as h264 with 4:2:0 chroma wants it. Taken one by
            one, so a generator needs no memory.
        fps: frames a second, > 0.
        audio: mono samples in [-1, 1]; what lies outside is clipped.
        audio_rate: samples a second, e.g. 44100.
        crf: x264's quality, 0 (lossless) to 51; 23 is x264's own default.
        preset: x264's speed; "veryfast" since tests and playgrounds are written more often than they are stored.
        keyframe_every: most frames from one key frame to the next; 250 is x264's own default.

    Returns:
        The number of frames written.

    Raises:
        DataError: without a frame, for odd or changing sizes, and for sound that is not finite.
    """
    if not 0 < fps <= 1000:
        raise DataError(f"fps of {path.name} must be in (0, 1000], got {fps}")
    if audio is not None and not np.isfinite(audio).all():
        raise DataError(f"audio of {path.name} must be finite samples, got NaN or infinity")
    with (
        replacing(path) as part,
        av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        container.flags |= 0x0400  # AVFMT_FLAG_BITEXACT: no version, no date
        # x264's macroblock tree reads memory it has not set: with it 60 runs gave 4 different files, without it 1
        options = {"crf": str(crf), "preset": preset, "x264-params": "mbtree=0"}
        count = _encode(container, path, frames, _rate(fps), audio, audio_rate, options, keyframe_every)
    return count


def _rate(fps: float) -> Fraction:
    """The fraction a rate such as 29.97 stands for: over 1001 where that is nearer than 0.001, else as it is."""
    ntsc = Fraction(round(fps * 1.001) * 1000, 1001)
    return ntsc if fps != round(fps) and abs(float(ntsc) - fps) < 1e-3 else Fraction(fps).limit_denominator(10000)


def _encode(
    container: OutputContainer,
    path: Path,
    frames: Iterable[np.ndarray],
    rate: Fraction,
    audio: np.ndarray | None,
    audio_rate: int,
    options: dict[str, str],
    keyframe_every: int,
) -> int:
    video = container.add_stream("libx264", rate=rate, options=options)
    video.codec_context.thread_count = 1
    video.codec_context.gop_size = keyframe_every
    video.codec_context.flags |= _BITEXACT
    video.pix_fmt = "yuv420p"
    sound = None if audio is None else _Sound(container, audio, audio_rate)
    reformatter = VideoReformatter()
    size: tuple[int, ...] | None = None
    count = 0
    for image in frames:
        if size is None:
            size = image.shape
            _check_size(size, path)
            video.height, video.width = size[:2]
        elif image.shape != size:
            raise DataError(f"frame {count} of {path.name} must be {size} like the first, got {image.shape}")
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        picture = reformatter.reformat(rgb, format="yuv420p", threads=1)
        picture.pts, picture.time_base = count, 1 / rate
        container.mux(video.encode(picture))
        count += 1
        if sound is not None:
            sound.write_until(float(count / rate))
    if size is None:
        raise DataError(f"{path.name} needs at least one frame, got none")
    container.mux(video.encode(None))
    if sound is not None:
        sound.finish()
    return count


def _check_size(shape: tuple[int, ...], path: Path) -> None:
    if len(shape) != 3 or shape[2] != 3:
        raise DataError(f"frames of {path.name} must be (height, width, 3), got {shape}")
    if shape[0] % 2 or shape[1] % 2 or 0 in shape:
        raise DataError(f"frames of {path.name} must have even height and width, got {shape[0]} x {shape[1]}")


class _Sound:
    """The sound track in the making, written in step with the pictures."""

    def __init__(self, container: OutputContainer, samples: np.ndarray, rate: int) -> None:
        self._container = container
        self._stream = container.add_stream("aac", rate=rate, layout="mono")
        self._stream.codec_context.flags |= _BITEXACT
        self._samples = np.clip(samples, -1.0, 1.0).astype(np.float32)
        self._rate = rate
        self._written = 0

    def write_until(self, seconds: float) -> None:
        while self._written < min(len(self._samples), seconds * self._rate):
            block = self._samples[self._written : self._written + _FRAME_SAMPLES]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block[None]), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written, Fraction(1, self._rate)
            self._container.mux(self._stream.encode(frame))
            self._written += len(block)

    def finish(self) -> None:
        self.write_until(float("inf"))
        self._container.mux(self._stream.encode(None))
