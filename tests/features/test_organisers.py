"""The organisers' three features: their sizes, and their files in place of measuring."""

from pathlib import Path

import pytest

from untrimmed.configs import from_plain, to_plain
from untrimmed.features import organisers
from untrimmed.features.learned import StreamFeature
from untrimmed.features.sequences import Projection, SequenceSource
from untrimmed.features.tables import FeatureTable
from untrimmed.features.trajectories.learning import TrajectoryEncoding
from untrimmed.records import DataError
from untrimmed.systems.frame_votes import FrameVotesConfig
from untrimmed.systems.multitask_lstm import MultitaskLstmConfig
from untrimmed.systems.three_features import ThreeFeaturesConfig


def test_sizes_as_the_reports_print_them() -> None:
    assert organisers.C3D.projection == Projection(dims=500)
    rows = organisers.C3D.rows
    assert isinstance(rows, StreamFeature)
    assert (rows.stream.sampling.frames, rows.stride) == (16, 8)
    assert rows.stream.build(classes=1).dims == 4096
    frames = organisers.SHUFFLE.rows
    assert isinstance(frames, StreamFeature)
    assert (frames.stream.images.per_second, frames.stride) == (2, 1)
    mbh = organisers.MBH.rows
    assert isinstance(mbh, TrajectoryEncoding)
    assert 2 * mbh.codebook.words * mbh.codebook.kept(192) == 65_536
    assert organisers.MBH.projection == Projection(share=0.98)


@pytest.mark.parametrize("config", [ThreeFeaturesConfig(), FrameVotesConfig(), MultitaskLstmConfig()])
def test_files_take_the_place_of_measuring(config: object) -> None:
    changed = organisers.from_files(config, {"c3d": Path("c.hdf5"), "mbh": Path("m.hdf5"), "shuffle": Path("s.hdf5")})
    assert type(changed) is type(config)
    found = {}

    def walk(value: object) -> None:
        if isinstance(value, SequenceSource):
            assert isinstance(value.rows, FeatureTable)
            found[str(value.rows.path)] = (value.rows.window_steps, value.projection)
        elif hasattr(value, "__dataclass_fields__"):
            for name in value.__dataclass_fields__:
                walk(getattr(value, name))

    walk(changed)
    assert found == {"c.hdf5": (2.0, None), "m.hdf5": (1.0, Projection(share=0.98)), "s.hdf5": (1.0, None)}
    assert from_plain(type(config), to_plain(changed)) == changed
    assert organisers.from_files(config, {}) == config


def test_words() -> None:
    with pytest.raises(DataError, match=r"Projection has no feature c3d that a file could give, got c.hdf5"):
        organisers.from_files(Projection(dims=1), {"c3d": Path("c.hdf5")})
    with pytest.raises(DataError, match="a projection needs either dims or share, got None and None"):
        Projection()
    with pytest.raises(DataError, match="a projection needs rows >= 2 to learn from, got 1"):
        Projection(dims=1, rows=1)
