"""Streaming frames: all of them, in order, at their true times; resampling follows its definition."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.pictures import number_of, numbered, written
from untrimmed.media.reader import DecodeReport, dense_clips, probe, read_frames
from untrimmed.media.stream import Clock
from untrimmed.records import DataError


def test_every_frame_comes_once_in_order_at_its_time(tmp_path: Path) -> None:
    path = written(tmp_path, 60, sound=True)
    stream = read_frames(path)
    assert stream.report == DecodeReport()
    frames = list(stream)
    assert [number_of(frame.image) for frame in frames] == list(range(60))
    assert [frame.index for frame in frames] == list(range(60))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(60) / 25, atol=1e-9)
    assert stream.report == DecodeReport(decoded=60)
    info = probe(path)
    assert (info.width, info.height, info.frames, info.codec, info.rotation) == (64, 48, 60, "h264", 0)
    assert (info.has_audio, info.audio_rate) == (True, 16000)
    assert info.duration == pytest.approx(2.4)
    assert info.fps == pytest.approx(25)


def test_images_are_the_callers_own(tmp_path: Path) -> None:
    path = written(tmp_path, 30)
    for colour in ("rgb", "luma"):
        kept = [(frame.image, frame.image.copy()) for frame in read_frames(path, colour=colour)]
        assert all(image.flags.writeable and np.array_equal(image, copy) for image, copy in kept)
        spoilt = read_frames(path, colour=colour)
        for frame, (image, _) in zip(spoilt, kept, strict=True):
            np.testing.assert_array_equal(frame.image, image)
            frame.image[:] = 0  # must not reach the decoder's own memory


def test_the_size_is_height_and_width_and_shrinking_keeps_the_picture(tmp_path: Path) -> None:
    import cv2

    path = written(tmp_path, 10)
    full = [frame.image for frame in read_frames(path)]
    for size in ((24, 33), (17, 64), (96, 128), (48, 40), (1, 1)):
        small = [frame.image for frame in read_frames(path, size=size)]
        assert {image.shape for image in small} == {(*size, 3)}
        wanted = [cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR) for image in full]
        assert np.abs(np.float64(small) - wanted).mean() < 4  # the order of resizing and conversion, at sharp colours


def test_luma_is_the_grey_of_the_picture(tmp_path: Path) -> None:
    import cv2

    path = written(tmp_path, 10)
    for size in (None, (20, 30)):
        colours, greys = read_frames(path, size=size), read_frames(path, size=size, colour="luma")
        for colour, grey in zip(colours, greys, strict=True):
            wanted = cv2.cvtColor(colour.image, cv2.COLOR_RGB2GRAY)
            assert np.abs(wanted.astype(int) - grey.image).mean() < 2


def _variable(path: Path, milliseconds: list[int]) -> Path:
    """A file whose frame i appears at a time of its own."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1000, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for stamp, image in zip(milliseconds, numbered(len(milliseconds)), strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@settings(max_examples=12, deadline=None)
@given(gaps=st.lists(st.integers(5, 900), min_size=1, max_size=12), per_second=st.sampled_from([0.7, 1.0, 5.0, 30.0]))
def test_resampling_shows_the_last_frame_at_each_instant(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[int], per_second: float
) -> None:
    path = _variable(tmp_path_factory.mktemp("vfr") / "vfr.mkv", np.cumsum([0, *gaps]).tolist())
    true = [frame.seconds for frame in read_frames(path)]
    np.testing.assert_allclose(true, np.cumsum([0, *gaps]) / 1000, atol=1e-9)
    even = list(read_frames(path, per_second=per_second))
    assert [frame.index for frame in even] == list(range(len(even)))
    np.testing.assert_allclose([frame.seconds for frame in even], np.arange(len(even)) / per_second)
    for frame in even:
        assert number_of(frame.image) == max(i for i, start in enumerate(true) if start <= frame.seconds + 1e-6)
    assert (len(even) - 1) / per_second <= true[-1] + 1 / probe(path).fps
    assert len(even) / per_second > true[-1]


def test_times_rise_whatever_the_stamps_say() -> None:
    clock = Clock(Fraction(1, 10), origin=0.0, period=0.1, longest_gap=600.0)
    given_stamps = [None, 2, 1, 4, None, 10**9, 8]
    times = [clock.at(stamp) for stamp in given_stamps]
    np.testing.assert_allclose(times, [0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8])


def test_swapped_stamps_of_packed_frames_become_even() -> None:
    clock = Clock(Fraction(1, 10), origin=0.0, period=0.1, longest_gap=600.0, packed=True)
    times = [clock.at(stamp) for stamp in (0, 3, 2, 5, 4, 7, 60, 63, 62)]
    np.testing.assert_allclose(times, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 6.0, 6.1, 6.2])


def test_a_file_without_time_stamps_has_even_times(tmp_path: Path) -> None:
    source, raw = written(tmp_path, 20), tmp_path / "raw.h264"
    with av.open(str(source)) as given_file, av.open(str(raw), "w", format="h264") as container:
        stream = container.add_stream_from_template(given_file.streams.video[0])
        for packet in given_file.demux(given_file.streams.video[0]):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    frames = list(read_frames(raw))
    assert [number_of(frame.image) for frame in frames] == list(range(20))
    np.testing.assert_allclose(np.diff([frame.seconds for frame in frames]), 1 / 25)
    assert probe(raw).duration == pytest.approx(0.8)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize(("mirrored", "upside_down"), [(False, False), (True, False), (False, True)])
def test_pictures_are_turned_as_they_are_meant(tmp_path: Path, degrees: int, mirrored: bool, upside_down: bool) -> None:
    path = tmp_path / "turned.mp4"
    image = next(numbered(1))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.set_display_rotation(degrees, hflip=mirrored, vflip=upside_down)
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    wanted = np.rot90(image, degrees // 90)  # against the clock, then mirrored
    wanted = wanted[:, ::-1] if mirrored else wanted
    wanted = wanted[::-1] if upside_down else wanted
    shown = next(iter(read_frames(path))).image
    assert shown.shape == wanted.shape
    assert np.abs(shown.astype(int) - wanted).mean() < 6
    info = probe(path)
    assert (info.height, info.width) == wanted.shape[:2]


def test_pixels_are_made_square(tmp_path: Path) -> None:
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        for image in numbered(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    assert {frame.image.shape for frame in read_frames(path)} == {(48, 96, 3)}
    assert (probe(path).height, probe(path).width) == (48, 96)


@pytest.mark.parametrize(
    ("frames", "stride", "thin", "count"), [(16, 8, 1, 60), (4, 1, 3, 20), (7, 9, 2, 33), (16, 8, 1, 5)]
)
def test_clips_are_windows_of_the_stream(tmp_path: Path, frames: int, stride: int, thin: int, count: int) -> None:
    path = written(tmp_path, count)
    linear = [frame.image for frame in read_frames(path, size=(24, 32))]
    kept = list(range(0, count, thin))
    starts = range(0, max(1, len(kept) - frames + 1), stride)
    clips = list(dense_clips(path, frames=frames, stride=stride, size=(24, 32), thin=thin))
    assert [first for _, first, _ in clips] == [kept[start] for start in starts]
    for (images, first, seconds), start in zip(clips, starts, strict=True):
        numbers = (kept[start : start + frames] + [kept[-1]] * frames)[:frames]
        np.testing.assert_array_equal(images, [linear[number] for number in numbers])
        assert seconds == pytest.approx(first / 25)


def test_arguments_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    with pytest.raises(DataError, match=r"frames of x.mp4 must be positive \(height, width\), got \(0, 4\)"):
        read_frames(path, size=(0, 4))
    with pytest.raises(DataError, match=r"per_second of x.mp4 must be in \(0, 1000\], got 0"):
        read_frames(path, per_second=0)
    with pytest.raises(DataError, match=r"clips of x.mp4 need frames, stride and thin >= 1, got frames 16, stride 0"):
        dense_clips(path, frames=16, stride=0, size=None)
