"""Flow of a frame and the next one, once in so many frames."""

from pathlib import Path

import numpy as np
import pytest
from drawn import write_clip

from untrimmed.configs import from_plain, to_plain
from untrimmed.features.flow.dis import Dis
from untrimmed.features.flow_pairs import FlowPairs
from untrimmed.features.images import FlowImages
from untrimmed.records import DataError

SIZE = (48, 64)


@pytest.mark.parametrize(
    ("frames", "every", "pairs"),
    [(12, 10, [0, 10]), (12, 5, [0, 5, 10]), (11, 5, [0, 5, 5]), (7, 1, [0, 1, 2, 3, 4, 5, 5]), (1, 10, [0])],
)
def test_pairs_are_some_of_all_flow(tmp_path: Path, frames: int, every: int, pairs: list[int]) -> None:
    video = write_clip(tmp_path / "clip.mp4", frames=frames, size=SIZE)
    assert video.path is not None
    every_flow = FlowImages(size=SIZE, method=Dis(), compensated=False)
    wanted = np.concatenate(list(every_flow.rows(video.path, {})))
    rows = FlowPairs(size=SIZE, method=Dis(), every=every).rows(video.path, {})
    found = np.concatenate(list(rows))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, wanted[pairs])
    grid = rows.grid()
    assert grid.steps == len(found) == -(-frames // every)
    np.testing.assert_allclose(grid.cells[:, 0], np.arange(grid.steps) * every / 10, atol=1e-6)
    again = np.concatenate(list(rows))
    np.testing.assert_array_equal(again, found)
    assert rows.grid() == grid


def test_defaults_and_words() -> None:
    assert (FlowPairs().size, FlowPairs().every, FlowPairs().channels) == ((256, 256), 10, 2)
    assert from_plain(FlowPairs, to_plain(FlowPairs(method=Dis()))) == FlowPairs(method=Dis())
    with pytest.raises(DataError, match="pairs of frames need every >= 1"):
        FlowPairs(every=0)
    for wrong in ({"size": (0, 4)}, {"bound": 0.0}):
        with pytest.raises(DataError, match="pairs of frames need a size of 1 to 4096 pixels and a bound above 0, got"):
            FlowPairs(**wrong)
