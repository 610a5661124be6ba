"""The sound of a video as spectra: grey pictures of patches, which a net under TSN sees as frames, and plain rows."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from untrimmed.features import audio
from untrimmed.features.feature import Feature, Measurement, Rows
from untrimmed.media.audio import audio_blocks
from untrimmed.media.info import probe
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

log = logging.getLogger(__name__)

BLOCK = 10.0
"""Seconds of sound at once."""
LONGEST_SILENCE = 86_400.0
"""Seconds of silence at most for a video without sound, whatever length its container claims."""
FULL = 255
"""The byte of the loudest."""

Spectra = Callable[[Float[np.ndarray, " samples"]], Float[np.ndarray, "spectra bins"]]
"""From samples to one spectrum each hop, for as long as a window fits."""


@dataclass(frozen=True, kw_only=True)
class SpectrogramImages(Feature):
    """Patches of a log spectrogram as grey pictures: time to the right, low frequencies at the bottom.

    A byte is the power of a band in decibels, cut to a fixed range and spread over 0 to 255, so that the same sound
    gives the same picture in every video. Patches follow each other each `stride` columns; what is left behind the
    last whole patch is left out, and a sound shorter than a patch is followed by silence. A video without sound is
    silence for as long as it lasts, and a warning says so: the other streams of a system still see it.

    Source: report 08, section 2.4; it names the rate and that the spectrogram is log-scaled and grey, nothing else.
    """

    name = "spectrogram"

    rate: int = 44100
    """Samples a second, mono; report 08, section 2.4."""
    window_samples: int = 1024
    """In a spectral window (23 ms); the paper does not say."""
    hop_samples: int = 441
    """From one column to the next (10 ms); the paper does not say."""
    size: tuple[int, int] = (256, 256)
    """Bands and columns of a patch: 256 columns are 2.56 s; the paper does not say. A band is the mean power of equally
    many bins, that of no frequency left out, so bands must divide half the window."""
    stride: int = 64
    """Columns from one patch to the next; the paper does not say. Patches overlap so that training draws them at many
    places."""
    decibels: tuple[float, float] = (-90.0, 0.0)
    """Of a full-scale sine wave, where bytes begin and end; the paper does not say."""

    def __post_init__(self) -> None:
        _check_windows(self.rate, self.window_samples, self.hop_samples)
        bands, columns = self.size
        if bands < 1 or (self.window_samples // 2) % bands or not 1 <= self.stride <= columns:
            raise DataError(
                f"a spectrogram needs bands that divide half the window {self.window_samples} and a stride from 1 to "
                f"its columns, got size {self.size} and stride {self.stride}"
            )
        _check_range(self.decibels)

    @property
    def channels(self) -> int:
        """Of one picture: grey."""
        return 1

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Pictures (n, bands, columns, 1)."""
        return _PatchRows(video, self, self._spectra, columns=self.size[1], stride=self.stride, picture=self._picture)

    def _spectra(self, samples: Float[np.ndarray, " samples"]) -> Float[np.ndarray, "spectra bins"]:
        power = power_spectra(samples, window=self.window_samples, hop=self.hop_samples)[:, 1:]
        return to_decibels(power.reshape(len(power), self.size[0], -1).mean(2), floor=self.decibels[0])

    def _picture(self, patches: Float[np.ndarray, "n columns bands"]) -> UInt8[np.ndarray, "n bands columns"]:
        return to_bytes(patches, self.decibels).swapaxes(1, 2)[:, ::-1]


@dataclass(frozen=True, kw_only=True)
class LogMelImages(Feature):
    """The 96 x 64 log-mel patches of features.audio as grey pictures: time downwards, low frequencies to the left.

    Sound that is too short or absent is treated as in SpectrogramImages.

    Source: report 13, section 2.2; Hershey et al., CNN architectures for large-scale audio classification, ICASSP 2017.
    """

    name = "logmel"

    stride: int = audio.PATCH
    """Spectra from one patch to the next, 1 to 96; report 13 divides the sound "into 960ms frames"."""
    energies: tuple[float, float] = (-4.6, 6.0)
    """Natural logarithms where bytes begin and end: silence is log(0.01), noise at full scale about 5.1 in the widest
    band. The paper does not say."""

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= audio.PATCH:
            raise DataError(f"stride of log-mel pictures must be 1 to {audio.PATCH} spectra, got {self.stride}")
        _check_range(self.energies)

    @property
    def rate(self) -> int:
        """Samples a second."""
        return audio.RATE

    @property
    def window_samples(self) -> int:
        """In a spectral window."""
        return audio.WINDOW

    @property
    def hop_samples(self) -> int:
        """From one spectrum to the next."""
        return audio.HOP

    @property
    def channels(self) -> int:
        """Of one picture: grey."""
        return 1

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Pictures (n, 96, 64, 1)."""
        return _PatchRows(video, self, audio.log_mel, columns=audio.PATCH, stride=self.stride, picture=self._picture)

    def _picture(self, patches: Float[np.ndarray, "n spectra bands"]) -> UInt8[np.ndarray, "n spectra bands"]:
        return to_bytes(patches, self.energies)


@dataclass(frozen=True, kw_only=True)
class SpectrumRows(Feature):
    """Rows of a log spectrogram in decibels of a full-scale sine wave, low frequencies first.

    Sound that is absent is treated as in SpectrogramImages; one shorter than a window is followed by silence.

    Source: report 14, section 2.3, by way of Amodei et al., Deep Speech 2, ICML 2016: log spectra of 20 ms windows.
    """

    name = "spectrum"

    rate: int = 16000
    """Samples a second, mono; the paper does not say."""
    window_samples: int = 320
    """In a spectral window: the 20 ms of Deep Speech 2, 161 bins."""
    hop_samples: int = 160
    """From one row to the next (10 ms); the paper does not say."""
    floor: float = -100.0
    """Decibels that silence counts as; the paper does not say."""

    def __post_init__(self) -> None:
        _check_windows(self.rate, self.window_samples, self.hop_samples)

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Rows (n, window_samples // 2 + 1)."""
        return _SpectrumRows(video, self, self._spectra)

    def _spectra(self, samples: Float[np.ndarray, " samples"]) -> Float[np.ndarray, "spectra bins"]:
        return to_decibels(power_spectra(samples, window=self.window_samples, hop=self.hop_samples), floor=self.floor)


def power_spectra(
    samples: Float[np.ndarray, " samples"], *, window: int, hop: int
) -> Float[np.ndarray, "spectra bins"]:
    """Power of every frequency, one spectrum each hop for as long as a window fits.

    |2 X / sum(w)|^2 with X the transform of the samples under a periodic Hann window w, so that a sine wave of
    amplitude 1 has power 1 in its bin, and bin k stands for k * rate / window hertz. The first and the last bin, which
    have no partner of negative frequency, come out four times as strong.

    Args:
        samples: at least a window of them.
        window: samples, even.
        hop: samples from one spectrum to the next, 1 to window.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    return np.asarray(np.abs(np.fft.rfft(frames * hann) * (2 / hann.sum())) ** 2, np.float64)


def to_decibels(power: Float[np.ndarray, "*shape"], *, floor: float) -> Float[np.ndarray, "*shape"]:
    """10 log10 of power, nothing below the floor."""
    return (10 * np.log10(np.maximum(power, 10 ** (floor / 10)))).astype(np.float32)


def to_bytes(values: Float[np.ndarray, "*shape"], span: tuple[float, float]) -> UInt8[np.ndarray, "*shape"]:
    """0 at the lower end of the span and below, 255 at the upper end and above, evenly between."""
    low, high = span
    return np.rint((np.clip(values, low, high) - low) * (FULL / (high - low))).astype(np.uint8)


Sound = SpectrogramImages | LogMelImages | SpectrumRows


def _spectra(video: Path, feature: Sound, measure: Spectra) -> Iterator[np.ndarray]:
    """The spectra of a sound track, block by block: the same as of the whole at once, at least one."""
    window, hop = feature.window_samples, feature.hop_samples
    waiting, found = np.zeros(0, np.float32), False
    for block in _sound(video, feature.rate):
        waiting = np.concatenate([waiting, block])
        count = (len(waiting) - window) // hop + 1
        if count > 0:
            yield measure(waiting[: (count - 1) * hop + window])
            waiting, found = waiting[count * hop :], True
    if not found:
        yield measure(np.pad(waiting, (0, window - len(waiting))))


def _sound(video: Path, rate: int) -> Iterator[np.ndarray]:
    """Blocks of samples; silence, and a warning, where there is no sound."""
    blocks = audio_blocks(video, rate=rate, seconds=BLOCK)
    try:
        first = next(blocks, np.zeros(0, np.float32))
    except DataError as error:
        duration = probe(video).duration  # says why, if it is the file that cannot be read
        log.warning("silence stands for the sound of video %s: %s", video.name, error)
        left = max(1, round(min(duration, LONGEST_SILENCE) * rate))
        block = round(BLOCK * rate)
        yield from (np.zeros(min(block, left - begin), np.float32) for begin in range(0, left, block))
        return
    yield from chain([first], blocks)


class _SpectrumRows(Rows):
    def __init__(self, video: Path, feature: SpectrumRows, measure: Spectra) -> None:
        self._video, self._feature, self._measure = video, feature, measure
        self._count = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        self._count = 0
        for spectra in _spectra(self._video, self._feature, self._measure):
            self._count += len(spectra)
            yield spectra

    def grid(self) -> TimeGrid:
        feature = self._feature
        stride, window = feature.hop_samples / feature.rate, feature.window_samples / feature.rate
        return TimeGrid(start=0.0, stride=stride, window=window, steps=self._count)


class _PatchRows(Rows):
    def __init__(
        self,
        video: Path,
        feature: SpectrogramImages | LogMelImages,
        measure: Spectra,
        *,
        columns: int,
        stride: int,
        picture: Callable[[Float[np.ndarray, "n columns bands"]], Shaped[np.ndarray, "n height width"]],
    ) -> None:
        self._video, self._feature, self._measure = video, feature, measure
        self._columns, self._stride, self._picture = columns, stride, picture
        self._count = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        self._count = 0
        waiting: np.ndarray | None = None
        for spectra in _spectra(self._video, self._feature, self._measure):
            waiting = spectra if waiting is None else np.concatenate([waiting, spectra])
            count = (len(waiting) - self._columns) // self._stride + 1
            if count > 0:
                yield self._pictures(waiting[: (count - 1) * self._stride + self._columns])
                waiting = waiting[count * self._stride :]
        if self._count == 0 and waiting is not None:
            silence = self._measure(np.zeros(self._feature.window_samples, np.float32))
            yield self._pictures(np.concatenate([waiting, silence.repeat(self._columns - len(waiting), axis=0)]))

    def _pictures(self, spectra: np.ndarray) -> np.ndarray:
        patches = np.lib.stride_tricks.sliding_window_view(spectra, self._columns, axis=0)[:: self._stride]
        self._count += len(patches)
        return np.ascontiguousarray(self._picture(patches.swapaxes(1, 2))[..., None])

    def grid(self) -> TimeGrid:
        second = self._feature.rate / self._feature.hop_samples  # columns in it
        return TimeGrid(start=0.0, stride=self._stride / second, window=self._columns / second, steps=self._count)


def _check_windows(rate: int, window: int, hop: int) -> None:
    if not 1000 <= rate <= 384_000 or window < 2 or window % 2 or not 1 <= hop <= window:
        raise DataError(
            "spectra need a rate of 1000 to 384000, an even window and a hop from 1 to the window, "
            f"got rate {rate}, window {window}, hop {hop}"
        )


def _check_range(span: tuple[float, float]) -> None:
    if not span[0] < span[1]:
        raise DataError(f"bytes of a spectrogram need a range that rises, got {span}")
