"""Windows cover every second; random proposals are the challenge's; perfect ones are the annotation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.propose.windows import perfect, scales, sliding_windows, uniform_random
from untrimmed.records import DataError

SECONDS = st.floats(0.01, 500, allow_nan=False)


@given(SECONDS, SECONDS, st.floats(0.05, 1.0))
@settings(deadline=None)
def test_sliding_windows_cover_every_second_and_stay_inside(duration: float, size: float, share: float) -> None:
    found = sliding_windows(duration, size=size, stride=size * share)
    assert found[0, 0] == 0.0
    assert found[-1, 1] == duration
    assert (found[1:, 0] <= found[:-1, 1] + 1e-9 * duration).all()  # no gap between neighbours
    assert (np.diff(found[:, 0]) > 0).all()
    assert (found >= 0).all()
    assert (found <= duration).all()
    np.testing.assert_allclose(found[:, 1] - found[:, 0], min(size, duration), rtol=1e-9)
    assert (np.diff(found[:, 0]) <= size * share * (1 + 1e-9)).all()


def test_scales_reach_from_the_shortest_to_the_whole() -> None:
    found = scales(100.0, shortest=10.0)
    lengths = found[:, 1] - found[:, 0]
    assert sorted(set(lengths.round(6))) == [10, 20, 40, 80, 100]
    assert (found[-1] == [0, 100]).all()


def test_uniform_random_has_the_moments_of_its_law() -> None:
    segments, scores = uniform_random(10.0, 200_000, rng=np.random.default_rng(0))
    centre, length = segments.mean(axis=1), segments[:, 1] - segments[:, 0]
    assert centre.mean() == pytest.approx(5, abs=0.05)
    assert length.mean() == pytest.approx(5, abs=0.05)
    assert length.max() <= 10
    assert (segments[:, 0] < 0).mean() == pytest.approx(0.25, abs=0.01)  # not cut: P(2 c < l)
    assert (np.diff(scores) <= 0).all()
    assert scores.mean() == pytest.approx(0.5, abs=0.01)
    cut, _ = uniform_random(10.0, 1000, rng=np.random.default_rng(0), clip=True)
    assert (cut >= 0).all()
    assert (cut <= 10).all()
    assert (cut[:, 0] < cut[:, 1]).all()


def test_the_same_seed_gives_the_same_proposals() -> None:
    first, second = (uniform_random(7.0, 5, rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])


def test_perfect_proposals_are_the_distinct_instances_inside_the_video() -> None:
    segments, scores = perfect(np.array([[1.0, 2.0], [0.5, 1.0], [1.0, 2.0], [4.0, 6.0]]), 5.0)
    assert segments.tolist() == [[0.5, 1.0], [1.0, 2.0], [4.0, 5.0]]
    assert scores.tolist() == [1.0, 1.0, 1.0]
    assert perfect(np.zeros((0, 2)), 5.0)[0].shape == (0, 2)


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match="sliding windows need duration > 0 and 0 < stride <= size, got duration 9"):
        sliding_windows(9.0, size=2.0, stride=3.0)
    with pytest.raises(DataError, match=r"scales need shortest > 0, growth > 1 and overlap in \[0, 1\)"):
        scales(9.0, shortest=1.0, growth=1.0)
