"""Spectra of sound: scipy's and Parseval's, tones in their bins, blocks that do not show, and silence."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import spectrogram

from shared_folder import shared
from untrimmed.configs import from_plain, to_plain
from untrimmed.features import spectrograms
from untrimmed.features.audio import LogMel, log_mel
from untrimmed.features.feature import Feature, FeatureSequence, ImageSequence
from untrimmed.features.spectrograms import (
    LogMelImages,
    SpectrogramImages,
    SpectrumRows,
    power_spectra,
    to_bytes,
    to_decibels,
)
from untrimmed.features.store import FeatureStore
from untrimmed.media.audio import read_audio
from untrimmed.media.writer import write_video
from untrimmed.records import DataError

SMALL = SpectrogramImages(rate=8000, window_samples=256, hop_samples=200, size=(64, 40), stride=10)
"""40 columns are a second."""
FEATURES = (SMALL, LogMelImages(stride=24), SpectrumRows(rate=8000, window_samples=256, hop_samples=160))


def noise(count: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=count).astype(np.float32) * 0.1


def tone(hertz: float, *, rate: int, seconds: float, amplitude: float = 1.0) -> np.ndarray:
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)
    return wave.astype(np.float32)


def video(path: Path, *, seconds: float, sound: np.ndarray | None = None, rate: int = 16000) -> Path:
    pictures = [np.zeros((16, 16, 3), np.uint8)] * max(1, round(seconds * 5))
    write_video(path, pictures, fps=5, audio=sound, audio_rate=rate)
    return path


def measured(feature: Feature, path: Path) -> np.ndarray:
    """All rows as they come, before the store codes pictures."""
    rows = feature.rows(path, {})
    found = np.concatenate(list(rows))
    assert rows.grid().steps == len(found)
    return found


@pytest.mark.parametrize(("window", "hop"), [(256, 200), (256, 256), (64, 7)])
def test_power_is_that_of_scipy(window: int, hop: int) -> None:
    """Scipy adds the negative frequencies as power, here they double the amplitude: twice as much between the ends."""
    samples = noise(3000).astype(np.float64)
    _, _, want = spectrogram(
        samples, window="hann", nperseg=window, noverlap=window - hop, detrend=False, scaling="spectrum"
    )
    got = power_spectra(samples, window=window, hop=hop)
    assert got.shape == (1 + (3000 - window) // hop, window // 2 + 1)
    factor = np.full(window // 2 + 1, 2.0)
    factor[[0, -1]] = 4.0
    np.testing.assert_allclose(got, want.T * factor, rtol=1e-9)


def test_parseval() -> None:
    """The power of all frequencies is the energy of the windowed samples."""
    samples = noise(128).astype(np.float64)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(128) / 128)
    power = power_spectra(samples, window=128, hop=128)[0] * (hann.sum() / 2) ** 2
    both_sides = 2 * power.sum() - power[0] - power[-1]
    assert both_sides / 128 == pytest.approx(np.sum((samples * hann) ** 2))


@given(bin_=st.integers(2, 126), decibels=st.floats(-60, 0))
@settings(max_examples=20, deadline=None)
def test_a_tone_has_its_level_in_its_bin(bin_: int, decibels: float) -> None:
    wave = tone(bin_ * 8000 / 256, rate=8000, seconds=0.1, amplitude=10 ** (decibels / 20)).astype(np.float64)
    spectra = to_decibels(power_spectra(wave, window=256, hop=200), floor=-200.0)
    assert set(spectra.argmax(axis=1)) == {bin_}
    np.testing.assert_allclose(spectra[:, bin_], decibels, atol=1e-3)
    assert spectra[:, np.abs(np.arange(129) - bin_) > 1].max() < decibels - 60  # a Hann window leaks into neighbours


def test_bytes_fill_the_range() -> None:
    values = np.array([-1000.0, -90.0, -45.0, 0.0, 50.0], np.float32)
    assert to_bytes(values, (-90.0, 0.0)).tolist() == [0, 0, 128, 255, 255]
    assert to_decibels(np.array([0.0, 1e-3, 1.0]), floor=-90.0).tolist() == [-90.0, -30.0, 0.0]


def test_a_tone_is_a_line_at_its_height(tmp_path: Path) -> None:
    """63 bands of 62.5 hertz each: 1000 hertz lie in the 16th, counted from the bottom, 3000 in the 48th."""
    for hertz, band in ((1000.0, 15), (3000.0, 47)):
        path = video(tmp_path / "tone.mp4", seconds=3, sound=tone(hertz + 10, rate=8000, seconds=3), rate=8000)
        pictures = measured(SMALL, path)
        assert pictures.shape[1:] == (64, 40, 1)
        assert pictures.dtype == np.uint8
        rows = pictures[1:-1, :, :, 0].argmax(axis=1)
        assert np.mean(np.abs(rows - (63 - band)) <= 1) > 0.99


def test_time_runs_to_the_right(tmp_path: Path) -> None:
    sound = np.concatenate([np.zeros(8000, np.float32), noise(8000)])
    picture = measured(SMALL, video(tmp_path / "late.mp4", seconds=2, sound=sound, rate=8000))[2, :, :, 0]
    loud = picture.mean(axis=0) > 60  # the picture begins at half a second
    assert not loud[:17].any()
    assert loud[23:].all()


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("seconds", [0.3, 2.0, 7.3])
def test_blocks_do_not_show(feature: Feature, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = video(tmp_path / "v.mp4", seconds=seconds, sound=noise(round(seconds * 16000)))
    whole = measured(feature, path)
    for block in (0.011, 0.5, 1.7):
        monkeypatch.setattr(spectrograms, "BLOCK", block)
        np.testing.assert_array_equal(measured(feature, path), whole)


def test_patches_are_cut_from_the_whole(tmp_path: Path) -> None:
    path = video(tmp_path / "v.mp4", seconds=5, sound=noise(5 * 16000))
    samples = read_audio(path, rate=8000)
    power = power_spectra(samples, window=256, hop=200)[:, 1:].reshape(-1, 64, 2).mean(axis=2)
    levels = to_decibels(power, floor=-90.0)
    rows = SMALL.rows(path, {})
    pictures = np.concatenate(list(rows))
    assert len(pictures) == 1 + (len(levels) - 40) // 10
    for number, picture in enumerate(pictures):
        want = to_bytes(levels[10 * number : 10 * number + 40].T[::-1], (-90.0, 0.0))
        np.testing.assert_array_equal(picture[:, :, 0], want)
    grid = rows.grid()
    assert (grid.start, grid.stride, grid.window) == (0.0, pytest.approx(0.25), pytest.approx(1.0))


def test_log_mel_pictures_are_the_rows_of_vggish(tmp_path: Path) -> None:
    path = video(tmp_path / "v.mp4", seconds=4, sound=noise(4 * 16000))
    rows = LogMel().rows(path, {})
    patches = np.concatenate(list(rows)).reshape(-1, 96, 64)
    feature = LogMelImages()
    of_pictures = feature.rows(path, {})
    pictures = np.concatenate(list(of_pictures))
    assert of_pictures.grid() == rows.grid()
    assert pictures.shape == (len(patches), 96, 64, 1)
    low, high = feature.energies
    assert low < patches.min()
    assert patches.max() < high
    back = low + pictures[..., 0] / 255 * (high - low)
    assert np.abs(back - patches).max() <= (high - low) / 510 + 1e-6


def test_the_range_of_log_mel_holds_silence_and_noise_at_full_scale() -> None:
    low, high = LogMelImages().energies
    assert np.allclose(log_mel(np.zeros(400, np.float32)), low, atol=0.01)
    assert log_mel(noise(16000) * 10).max() < high


def test_rows_of_a_tone(tmp_path: Path) -> None:
    feature = SpectrumRows()
    path = video(tmp_path / "tone.mp4", seconds=2, sound=tone(1000, rate=16000, seconds=2, amplitude=0.5))
    store = FeatureStore(tmp_path / "store")
    store.write(feature, "v", feature.rows(path, {}))
    found = store.load(feature, "v")
    assert isinstance(found, FeatureSequence)
    assert found.values.shape == (1 + (len(read_audio(path, rate=16000)) - 320) // 160, 161)
    assert (found.grid.stride, found.grid.window) == (0.01, 0.02)
    middle = np.asarray(found.values[20:-20])
    assert set(middle.argmax(axis=1)) == {20}
    assert np.median(middle[:, 20]) == pytest.approx(-6.0, abs=0.3)  # half of full scale


@pytest.mark.parametrize(("feature", "steps"), [(FEATURES[0], 12), (FEATURES[1], 13), (FEATURES[2], 199)])
def test_a_video_without_sound_is_silent_for_as_long_as_it_lasts(
    feature: Feature, steps: int, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = video(tmp_path / "mute.mp4", seconds=4)
    with caplog.at_level(logging.WARNING):
        rows = measured(feature, path)
    assert "silence stands for the sound of video mute.mp4" in caplog.text
    assert "has no sound" in caplog.text
    assert len(rows) == steps
    assert np.all(rows == (0 if rows.dtype == np.uint8 else -100.0))
    monkeypatch.setattr(spectrograms, "BLOCK", 0.7)
    np.testing.assert_array_equal(measured(feature, path), rows)
    monkeypatch.setattr(spectrograms, "LONGEST_SILENCE", 2.0)
    assert len(measured(feature, path)) < steps


def test_short_sound_is_followed_by_silence(tmp_path: Path) -> None:
    path = video(tmp_path / "short.mp4", seconds=0.4, sound=noise(6400))
    rows = SMALL.rows(path, {})
    (picture,) = np.concatenate(list(rows))
    assert rows.grid().steps == 1
    assert picture[:, 3:10].mean() > 60
    assert picture[:, 30:].max() == 0


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    for feature in FEATURES:
        with pytest.raises(DataError, match=r"broken\.mp4"):
            list(feature.rows(broken, {}))


def test_pictures_survive_the_store(tmp_path: Path) -> None:
    path = video(tmp_path / "v.mp4", seconds=4, sound=tone(700, rate=16000, seconds=4))
    store = FeatureStore(tmp_path / "store")
    for feature in (SMALL, LogMelImages()):
        store.write(feature, "v", feature.rows(path, {}))
        found = store.load(feature, "v")
        assert isinstance(found, ImageSequence)
        assert found.shape[2] == feature.channels == 1
        kept = found.frames(np.arange(len(found))).astype(int)
        assert np.abs(kept - measured(feature, path)).mean() < 2  # JPEG


def test_published_values() -> None:
    feature = SpectrogramImages()
    assert feature.rate == 44100
    assert feature.size[1] * feature.hop_samples / feature.rate == pytest.approx(2.56)
    for config in (feature, LogMelImages(), SpectrumRows(), *FEATURES):
        assert from_plain(type(config), to_plain(config)) == config


def test_real_sound(tmp_path: Path) -> None:
    path = shared("video/untrimmed/v_GGSY1Qvo990.mp4")
    seconds = len(read_audio(path, rate=16000)) / 16000
    pictures = measured(SpectrogramImages(), path)
    assert len(pictures) == pytest.approx((seconds - 2.56) / 0.64, abs=1)
    lower = pictures[:, 70:]  # up to 16 kHz; codecs cut off what is above
    assert np.mean(lower == 0) < 0.4  # the range holds what is heard
    assert np.mean(lower == 255) < 0.001
    assert lower.std() > 20


def test_words() -> None:
    with pytest.raises(DataError, match=r"bands that divide half the window 1024 .* got size \(100, 256\)"):
        SpectrogramImages(size=(100, 256))
    with pytest.raises(DataError, match=r"a stride from 1 to its columns, got .* stride 300"):
        SpectrogramImages(stride=300)
    with pytest.raises(DataError, match=r"an even window and a hop from 1 to the window, got .* hop 400"):
        SpectrumRows(hop_samples=400)
    with pytest.raises(DataError, match="stride of log-mel pictures must be 1 to 96 spectra, got 0"):
        LogMelImages(stride=0)
    with pytest.raises(DataError, match=r"a range that rises, got \(0.0, -90.0\)"):
        SpectrogramImages(decibels=(0.0, -90.0))
