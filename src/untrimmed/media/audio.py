"""The sound of a file as mono samples at a rate, on the clock of its pictures."""

import logging
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from jaxtyping import Float32

from untrimmed.media.source import Tally, open_media, packets, reason
from untrimmed.records import DataError

logger = logging.getLogger(__name__)

_GAP = 0.05
"""Seconds by which a time stamp may run ahead of the samples before silence is put in; encoders round by a few ms."""

_LONGEST_SILENCE = 600.0
"""Seconds of silence at most in one place: a damaged time stamp must not claim gigabytes."""


def read_audio(path: Path, *, rate: int) -> Float32[np.ndarray, " samples"]:
    """The whole sound track, mixed to mono.

    Sample i is heard at i / rate seconds on the clock of the pictures: a track that starts later begins with
    silence, and silence stands where packets are missing or bad. Bad packets are skipped and make one warning.

    Args:
        path: a video or sound file.
        rate: samples a second to resample to, 1000 to 384000.

    Returns:
        Samples, mostly in [-1, 1].

    Raises:
        DataError: when the file cannot be read, has no sound, or none that decodes.
    """
    return np.concatenate(list(_pieces(path, rate)))


def audio_blocks(path: Path, *, rate: int, seconds: float) -> Iterator[Float32[np.ndarray, " samples"]]:
    """The sound track in blocks of equal length, in memory that does not grow with the length of the file.

    Joined together they are what read_audio gives; the last block is shorter.

    Args:
        path: a video or sound file.
        rate: samples a second to resample to, 1000 to 384000.
        seconds: length of a block, > 0.

    Raises:
        DataError: as read_audio, when iterated.
    """
    size = round(seconds * rate)
    if size < 1:
        raise DataError(f"blocks of the sound of {path.name} must hold at least one sample, got {seconds} seconds")
    waiting: list[np.ndarray] = []
    held = 0
    for piece in _pieces(path, rate):
        waiting.append(piece)
        held += len(piece)
        if held >= size:
            joined = np.concatenate(waiting)
            whole = held - held % size
            yield from joined[:whole].reshape(-1, size)
            waiting, held = [joined[whole:]], held % size
    if held:
        yield np.concatenate(waiting)


def _pieces(path: Path, rate: int) -> Iterator[np.ndarray]:
    if not 1000 <= rate <= 384000:
        raise DataError(f"rate of the sound of {path.name} must be 1000 to 384000 samples a second, got {rate}")
    tally = Tally()
    with open_media(path) as container:
        stream = next((track for track in container.streams.audio if track.codec_context is not None), None)
        if stream is None:
            raise DataError(f"{path} has no sound: there is no audio track that can be decoded")
        yield from _resampled(container, stream, rate, tally)
    if tally.decoded == 0:
        why = f" ({tally.bad_packets} bad packets: {tally.error})" if tally.error else ""
        raise DataError(f"{path} has no sound: its audio track holds no sample that decodes{why}")
    tally.warn(path, logger, unit="sound samples")


def _resampled(container: InputContainer, stream: AudioStream, rate: int, tally: Tally) -> Iterator[np.ndarray]:
    origin = (container.start_time or 0) / av.time_base
    resampler, layout = _mono(rate), None
    heard = 0.0  # seconds of input so far, silence included
    for frame in _decoded(container, stream, tally):
        seen = (frame.format.name, frame.layout.name, frame.sample_rate)
        if seen != layout:  # a stream may change its sound on the way
            if layout is not None:
                yield from _samples(resampler.resample(None))
            resampler, layout = _mono(rate), seen
        stamp = None if frame.time is None else frame.time - origin
        if stamp is not None and _GAP < stamp - heard <= _LONGEST_SILENCE:
            yield from _samples(resampler.resample(None))
            resampler = _mono(rate)
            yield np.zeros(round(stamp * rate) - round(heard * rate), np.float32)
            heard = stamp
        heard += frame.samples / frame.sample_rate
        frame.pts = None  # the resampler must not put in or drop samples on its own
        yield from _samples(resampler.resample(frame))
    if layout is not None:
        yield from _samples(resampler.resample(None))


def _mono(rate: int) -> AudioResampler:
    return AudioResampler(format="fltp", layout="mono", rate=rate)


def _samples(frames: list[AudioFrame]) -> Iterator[np.ndarray]:
    for frame in frames:
        if frame.samples:
            yield frame.to_ndarray()[0].astype(np.float32)


def _decoded(container: InputContainer, stream: AudioStream, tally: Tally) -> Iterator[AudioFrame]:
    for packet in packets(container, stream, tally):
        try:
            frames = stream.codec_context.decode(packet if packet.size else None)
        except av.error.EOFError:
            continue
        except (av.error.FFmpegError, OSError, MemoryError) as error:
            tally.bad_packets += 1
            tally.error = reason(error)
            continue
        for frame in frames:
            if frame.samples and frame.sample_rate:
                tally.decoded += frame.samples
                tally.corrupt += int(frame.is_corrupt)
                yield frame
