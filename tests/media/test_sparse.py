"""Single frames are the same bytes as those of decoding in order."""

from pathlib import Path

import numpy as np
import pytest

from media.pictures import written
from shared_folder import shared
from untrimmed.media.index import packet_index
from untrimmed.media.reader import read_at, read_at_seconds, read_frames
from untrimmed.records import DataError


def test_frames_equal_those_of_the_stream(tmp_path: Path) -> None:
    path = written(tmp_path, 60)
    index = packet_index(path)
    assert index is not None
    assert len(index.key_places) >= 5
    linear = list(read_frames(path))
    np.testing.assert_array_equal(index.seconds, [frame.seconds for frame in linear])
    rng = np.random.default_rng(0)
    for numbers in ([0], [59], [59, 0, 30, 30], list(range(60)), rng.integers(0, 60, 9).tolist()):
        np.testing.assert_array_equal(read_at(path, numbers), [linear[number].image for number in numbers])
    times = np.array([-1.0, 0.0, 0.0399, 0.04, 1.0, 99.0])
    np.testing.assert_array_equal(
        read_at_seconds(path, times), [linear[number].image for number in (0, 0, 0, 1, 25, 59)]
    )
    assert read_at(path, [3, 4], size=(10, 20)).shape == (2, 10, 20, 3)
    assert read_at(path, []).shape[0] == 0


def test_an_index_is_built_anew_when_the_file_changes(tmp_path: Path) -> None:
    before, after = packet_index(written(tmp_path, 20)), packet_index(written(tmp_path, 31))
    assert before is not None
    assert after is not None
    assert (len(before.seconds), len(after.seconds)) == (20, 31)


def test_numbers_and_times_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, 20)
    with pytest.raises(DataError, match=r"frame numbers of clip.mp4 must be below 20, its number of frames, got 20"):
        read_at(path, [3, 20])
    with pytest.raises(DataError, match=r"frame numbers of clip.mp4 must be 0 or more, got -1"):
        read_at(path, [-1])
    with pytest.raises(DataError, match=r"times of frames of clip.mp4 must be finite seconds, got"):
        read_at_seconds(path, [float("nan")])
    with pytest.raises(DataError, match=r"there is no such file"):
        read_at(tmp_path / "absent.mp4", [0])


@pytest.mark.parametrize(
    "name",
    [
        "untrimmed/v_GGSY1Qvo990.mp4",  # h264 with B-frames
        "odd/h265_video.mp4",
        "odd/video.webm",  # vp9, variable rate
        "odd/av1_video.mkv",
        "odd/sideways movie.mov",  # turned
        "odd/unordered.mov",
        "odd/part_0.mp4",  # a frame is missing, pixels are not square
        "odd/sample.3gp",  # mpeg4: no index
        "odd/count.h264",  # no time stamps
        "odd/weird_aspect.small.mpg",  # cut off
        "odd/corrupted.mp4",
        "odd/newtonscradle.gif",
    ],
)
def test_frames_of_real_files_equal_those_of_the_stream(name: str) -> None:
    path = shared(f"video/{name}")
    linear = [(frame.image, frame.seconds) for frame in read_frames(path, size=(36, 48))]
    numbers = np.random.default_rng(0).integers(0, len(linear), 7)
    wanted = np.stack([linear[number][0] for number in numbers])
    np.testing.assert_array_equal(read_at(path, numbers, size=(36, 48)), wanted)
    times = [linear[number][1] for number in numbers]
    np.testing.assert_array_equal(read_at_seconds(path, times, size=(36, 48)), wanted)
