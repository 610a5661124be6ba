"""Log-mel patches of the sound, as VGGish takes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from untrimmed.features.feature import Feature, Measurement, Rows
from untrimmed.media.audio import audio_blocks
from untrimmed.timeline import TimeGrid

RATE = 16000
"""Samples a second."""
WINDOW, HOP, FFT = 400, 160, 512
"""Samples in a spectral window (25 ms), from one to the next (10 ms), and in the transform."""
BANDS, LOWEST, HIGHEST = 64, 125.0, 7500.0
"""Mel bands and the hertz they span."""
OFFSET = 0.01
"""Added before the logarithm."""
PATCH = 96
"""Spectra in a patch: 0.96 s."""


@dataclass(frozen=True, kw_only=True)
class LogMel(Feature):
    """Patches of 96 x 64 log-mel energies, one each 0.96 s, flattened time by time.

    log(0.01 + mel bands of the magnitude spectrum), periodic Hann window, 64 HTK bands from 125 to 7500 Hz at
    16 kHz. The rest behind the last whole patch is left out; a sound shorter than a patch is followed by silence.

    Source: Hershey et al., CNN architectures for large-scale audio classification, ICASSP 2017; VGGish's parameters.
    """

    name = "audio"

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Rows (n, 6144)."""
        return _PatchRows(video)


class _PatchRows(Rows):
    def __init__(self, video: Path) -> None:
        self._video = video
        self._count = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        self._count = 0
        size = PATCH * HOP
        waiting = np.zeros(0, np.float32)
        for block in audio_blocks(self._video, rate=RATE, seconds=10 * size / RATE):
            waiting = np.concatenate([waiting, block])
            patches = max(0, (len(waiting) - (WINDOW - HOP)) // size)
            if patches:
                yield self._patches(waiting[: patches * size + WINDOW - HOP])
                waiting = waiting[patches * size :]
        if self._count == 0:
            yield self._patches(np.pad(waiting, (0, size + WINDOW - HOP - len(waiting))))

    def _patches(self, samples: np.ndarray) -> np.ndarray:
        patches = log_mel(samples).reshape(-1, PATCH * BANDS)
        self._count += len(patches)
        return patches

    def grid(self) -> TimeGrid:
        seconds = PATCH * HOP / RATE
        return TimeGrid(start=0.0, stride=seconds, window=seconds, steps=self._count)


def log_mel(samples: Float[np.ndarray, " samples"]) -> Float[np.ndarray, "spectra bands"]:
    """Log-mel energies of sound at 16 kHz: one spectrum each 10 ms for as long as a window of 25 ms fits."""
    count = 1 + (len(samples) - WINDOW) // HOP
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP][:count]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    spectrum = np.abs(np.fft.rfft(frames * hann, FFT))
    return np.log(spectrum @ mel_weights() + OFFSET).astype(np.float32)


def mel_weights() -> Float[np.ndarray, "bins bands"]:
    """Triangles with straight sides on the HTK mel scale, 1127 ln(1 + hertz / 700); bin 0 counts nowhere."""
    bins = _mel(np.linspace(0, RATE / 2, FFT // 2 + 1))[:, None]
    lowest, highest = _mel(np.array([LOWEST, HIGHEST])).tolist()
    edges = np.linspace(lowest, highest, BANDS + 2)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0.0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    weights[0] = 0.0
    return weights


def _mel(hertz: np.ndarray) -> np.ndarray:
    return 1127.0 * np.log1p(hertz / 700.0)
