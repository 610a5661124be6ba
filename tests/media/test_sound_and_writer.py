"""What is written is read back: pictures, sound, time; the same input gives the same bytes."""

from pathlib import Path

import numpy as np
import pytest

from media.pictures import numbered, written
from shared_folder import shared
from untrimmed.media.audio import audio_blocks, read_audio
from untrimmed.media.reader import probe, read_frames
from untrimmed.media.writer import write_video
from untrimmed.records import DataError


def test_the_same_input_gives_the_same_bytes_and_no_leftovers(tmp_path: Path) -> None:
    first, second = (written(tmp_path, 20, name=name, sound=True) for name in ("a.mp4", "b.mp4"))
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_pictures_survive_the_encoder(tmp_path: Path) -> None:
    path = tmp_path / "fine.mp4"
    assert write_video(path, numbered(20), fps=29.97, crf=4) == 20
    assert probe(path).fps == pytest.approx(30000 / 1001)
    grey = [np.float64(image).mean(2) for image in numbered(20)]
    for frame, wanted in zip(read_frames(path), grey, strict=True):
        assert np.abs(frame.image.mean(2) - wanted).mean() < 4


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_tone_comes_back_at_its_height_and_time(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "tone.mp4"
    times = np.arange(3 * 44100) / 44100
    tone = np.where(times >= 1, np.sin(2 * np.pi * 440 * times) / 2, 0).astype(np.float32)
    write_video(path, numbered(75), fps=25, audio=tone)
    heard = read_audio(path, rate=rate)
    assert heard.dtype == np.float32
    assert abs(len(heard) / rate - 3) < 0.05
    onset = np.flatnonzero(np.abs(heard) > 0.2)[0] / rate
    assert abs(onset - 1) < 0.01
    middle = heard[int(1.5 * rate) : int(2.5 * rate)]
    height = np.argmax(np.abs(np.fft.rfft(middle * np.hanning(len(middle))))) * rate / len(middle)
    assert abs(height - 440) < 2
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.05)


def test_blocks_join_to_the_whole(tmp_path: Path) -> None:
    path = written(tmp_path, 50, sound=True)
    whole = read_audio(path, rate=16000)
    blocks = list(audio_blocks(path, rate=16000, seconds=0.3))
    assert {len(block) for block in blocks[:-1]} == {4800}
    assert 0 < len(blocks[-1]) <= 4800
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_sound_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    path = written(tmp_path, 5)
    with pytest.raises(DataError, match=r"clip.mp4 has no sound: there is no audio track that can be decoded"):
        read_audio(path, rate=16000)
    assert not probe(path).has_audio
    assert probe(path).audio_rate is None
    with pytest.raises(DataError, match=r"sound of clip.mp4 must be 1000 to 384000 samples a second, got 5"):
        read_audio(path, rate=5)
    with pytest.raises(DataError, match=r"blocks of the sound of clip.mp4 must hold at least one sample, got 0"):
        next(audio_blocks(path, rate=16000, seconds=0))


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("untrimmed/v_GGSY1Qvo990.mp4", 18.16),
        ("odd/video_with_failing_audio.mp4", 11.2),
        ("odd/crunching.mp3", 8.3),
        ("odd/issue55.flv", 1.08),
        ("odd/MOV00006.3gp", 15.2),
        ("odd/Test.ogv", 29.5),
    ],
)
def test_real_sound_has_its_length(name: str, seconds: float) -> None:
    assert len(read_audio(shared(f"video/{name}"), rate=16000)) / 16000 == pytest.approx(seconds, abs=0.1)


def test_encrypted_sound_is_said_so() -> None:
    with pytest.raises(DataError, match=r"has no sound: its audio track holds no sample that decodes"):
        read_audio(shared("video/odd/test_case_1185230.mp4"), rate=16000)


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    black = np.zeros((48, 64, 3), np.uint8)

    def refused(frames: list[np.ndarray], words: str, fps: float = 25.0, audio: np.ndarray | None = None) -> None:
        with pytest.raises(DataError, match=words):
            write_video(path, iter(frames), fps=fps, audio=audio)
        assert list(tmp_path.iterdir()) == []

    refused([], "x.mp4 needs at least one frame, got none")
    refused([black[:47]], "frames of x.mp4 must have even height and width, got 47 x 64")
    refused([black, black[:24]], r"frame 1 of x.mp4 must be \(48, 64, 3\) like the first, got \(24, 64, 3\)")
    refused([black[..., :1]], r"frames of x.mp4 must be \(height, width, 3\), got \(48, 64, 1\)")
    refused([black], r"fps of x.mp4 must be in \(0, 1000\], got 0", fps=0)
    refused([black], "audio of x.mp4 must be finite samples", audio=np.full(9, np.nan, np.float32))


def test_a_failed_writing_keeps_the_old_file(tmp_path: Path) -> None:
    path = written(tmp_path, 5)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"needs at least one frame"):
        write_video(path, [], fps=25)
    assert path.read_bytes() == before
