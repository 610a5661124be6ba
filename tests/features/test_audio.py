"""Log-mel patches: the definition written out, the borders of blocks, and sound too short."""

from pathlib import Path

import numpy as np
import pytest

from shared_folder import shared
from untrimmed.features.audio import LogMel, log_mel, mel_weights
from untrimmed.features.store import FeatureStore
from untrimmed.media.audio import read_audio
from untrimmed.media.writer import write_video
from untrimmed.records import DataError


def mel(hertz: float) -> float:
    return 1127.0 * np.log(1.0 + hertz / 700.0)


def spectrum_by_definition(samples: np.ndarray) -> np.ndarray:
    """One spectrum of 400 samples, in sums and loops."""
    n = np.arange(400)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 400)
    bands = np.zeros(64)
    edges = [mel(125) + (mel(7500) - mel(125)) * i / 65 for i in range(66)]
    for k in range(1, 257):
        magnitude = abs(np.sum(samples * window * np.exp(-2j * np.pi * k * n / 512)))
        place = mel(k * 16000 / 512)
        for band in range(64):
            rising = (place - edges[band]) / (edges[band + 1] - edges[band])
            falling = (edges[band + 2] - place) / (edges[band + 2] - edges[band + 1])
            bands[band] += magnitude * max(0.0, min(rising, falling))
    return np.log(bands + 0.01)


def test_energies_follow_the_definition() -> None:
    samples = np.random.default_rng(0).normal(size=400 + 160 * 2).astype(np.float32) * 0.3
    got = log_mel(samples)
    assert got.shape == (3, 64)
    for step in range(3):
        np.testing.assert_allclose(got[step], spectrum_by_definition(samples[160 * step : 160 * step + 400]), atol=1e-4)


def test_a_tone_is_heard_in_its_band() -> None:
    centres = mel_weights().argmax(axis=0) * 16000 / 512
    for hertz in (300.0, 1000.0, 4000.0):
        tone = np.sin(2 * np.pi * hertz * np.arange(16000) / 16000).astype(np.float32)
        loudest = centres[log_mel(tone).mean(axis=0).argmax()]
        assert abs(loudest - hertz) < 0.06 * hertz + 20


def test_silence_is_the_offset() -> None:
    np.testing.assert_allclose(log_mel(np.zeros(4000, np.float32)), np.log(0.01), rtol=1e-6)


def with_sound(path: Path, seconds: float) -> Path:
    pictures = [np.zeros((16, 16, 3), np.uint8)] * max(1, round(seconds * 5))
    sound = np.random.default_rng(1).normal(size=round(seconds * 16000)).astype(np.float32) * 0.1
    write_video(path, pictures, fps=5, audio=sound, audio_rate=16000)
    return path


@pytest.mark.parametrize("seconds", [0.3, 2.0, 23.0])
def test_patches_do_not_depend_on_the_blocks_they_came_in(tmp_path: Path, seconds: float) -> None:
    path = with_sound(tmp_path / "v.mp4", seconds)
    store = FeatureStore(tmp_path / "store")
    store.write(LogMel(), "v", LogMel().rows(path, {}))
    patches = store.load(LogMel(), "v")
    samples = read_audio(path, rate=16000)
    count = max(1, (len(samples) - 240) // (96 * 160))
    assert patches.values.shape == (count, 96 * 64)
    assert patches.grid.stride == pytest.approx(0.96)
    whole = log_mel(np.pad(samples, (0, max(0, 96 * 160 + 240 - len(samples)))))[: count * 96]
    np.testing.assert_allclose(patches.values.reshape(-1, 64), whole, atol=1e-5)


def test_a_video_without_sound_says_so(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    write_video(path, [np.zeros((16, 16, 3), np.uint8)], fps=5)
    with pytest.raises(DataError, match="has no sound"):
        FeatureStore(tmp_path).write(LogMel(), "v", LogMel().rows(path, {}))


def test_real_sound(tmp_path: Path) -> None:
    path = shared("video/untrimmed/v_GGSY1Qvo990.mp4")
    store = FeatureStore(tmp_path)
    store.write(LogMel(), "v", LogMel().rows(path, {}))
    assert store.load(LogMel(), "v").grid.steps == 18
