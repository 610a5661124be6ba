"""Features that came as a file."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from untrimmed.features.tables import FeatureTable
from untrimmed.records import DataError, Video


@pytest.fixture
def c3d(tmp_path: Path) -> Path:
    path = tmp_path / "sub_activitynet_v1-3.c3d.hdf5"
    with h5py.File(path, "w") as file:
        file.create_group("v_one").create_dataset("c3d_features", data=np.arange(28, dtype=np.float32).reshape(7, 4))
        file.create_group("v_short").create_dataset("c3d_features", data=np.ones((1, 4), np.float32))
    return path


def test_rows_lie_evenly_over_the_video(c3d: Path) -> None:
    """16 frames every 8 of a video of 64 frames at 4 frames a second: 7 rows, a row each 2 s, 4 s long."""
    table = FeatureTable(path=c3d, window_steps=2)
    video = Video(video_id="one", duration=16.0)
    assert table.has(video)
    found = table.load(video)
    np.testing.assert_array_equal(found.values, np.arange(28, dtype=np.float32).reshape(7, 4))
    assert (found.grid.start, found.grid.stride, found.grid.window, found.grid.steps) == (0.0, 2.0, 4.0, 7)
    assert found.grid.centres[-1] + found.grid.window / 2 == 16.0
    one = table.load(Video(video_id="short", duration=3.0))
    assert (one.grid.stride, one.grid.window) == (1.5, 3.0)


def test_a_row_for_the_whole_video(c3d: Path) -> None:
    grid = FeatureTable(path=c3d).load(Video(video_id="short", duration=3.0)).grid
    assert (grid.start, grid.stride, grid.window, grid.steps) == (0.0, 3.0, 3.0, 1)


def test_words(c3d: Path, tmp_path: Path) -> None:
    table = FeatureTable(path=c3d)
    other = Video(video_id="other", duration=1.0)
    assert not table.has(other)
    with pytest.raises(DataError, match=r"v1-3.c3d.hdf5 has no features of video .*other.*; it has 2 videos"):
        table.load(other)
    with pytest.raises(DataError, match=r"feature file .*none.hdf5 is not there; download it or measure the feature"):
        FeatureTable(path=tmp_path / "none.hdf5").has(other)
    with pytest.raises(DataError, match="window_steps of a feature table must be at least 1, got 0"):
        FeatureTable(path=c3d, window_steps=0)
