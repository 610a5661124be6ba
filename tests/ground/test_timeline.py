"""Laws of segments, grids, runs and windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.records import DataError
from untrimmed.timeline import (
    TimeGrid,
    clip_segments,
    coverage,
    even_segments,
    runs,
    tiou,
    to_seconds,
    to_shares,
    windows,
)

times = st.floats(0, 1000, allow_nan=False, width=32)


@st.composite
def some_segments(draw: st.DrawFn, max_size: int = 8) -> np.ndarray:
    count = draw(st.integers(0, max_size))
    pairs = [sorted((draw(times), draw(times))) for _ in range(count)]
    return np.array([[a, b + 0.5] for a, b in pairs], dtype=np.float64).reshape(-1, 2)


def tiou_by_hand(a: np.ndarray, b: np.ndarray) -> float:
    inter = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return inter / (a[1] - a[0] + b[1] - b[0] - inter)


@given(some_segments(), some_segments())
def test_tiou_equals_the_formula_is_symmetric_and_bounded(first: np.ndarray, second: np.ndarray) -> None:
    matrix = tiou(first, second)
    assert matrix.shape == (len(first), len(second))
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            assert matrix[i, j] == pytest.approx(tiou_by_hand(a, b), abs=1e-12)
    np.testing.assert_array_equal(matrix, tiou(second, first).T)
    assert ((matrix >= 0) & (matrix <= 1)).all()
    np.testing.assert_allclose(np.diag(tiou(first, first)), 1.0)


@given(some_segments(), some_segments(), st.floats(-50, 50), st.floats(0.1, 10))
def test_tiou_does_not_change_when_time_is_moved_or_scaled(
    first: np.ndarray, second: np.ndarray, shift: float, scale: float
) -> None:
    np.testing.assert_allclose(tiou(first, second), tiou(first * scale + shift, second * scale + shift), atol=1e-6)


def test_tiou_of_two_points_is_not_a_number() -> None:
    point = np.array([[3.0, 3.0]])
    assert np.isnan(tiou(point, np.array([[7.0, 7.0]]))).all()
    assert tiou(point, np.array([[2.0, 4.0]])) == 0


def test_coverage_is_the_share_of_the_inner_segment() -> None:
    inner = np.array([[0.0, 4.0], [1.0, 2.0], [9.0, 9.0]])
    np.testing.assert_allclose(coverage(inner, np.array([[1.0, 3.0]])), [[0.5], [1.0], [0.0]])


@given(some_segments(), st.floats(1, 500))
def test_clipped_segments_stay_inside_and_keep_what_was_inside(segments: np.ndarray, duration: float) -> None:
    clipped, kept = clip_segments(segments, duration)
    assert ((clipped >= 0) & (clipped <= duration)).all()
    assert (clipped[:, 0] < clipped[:, 1]).all()
    lost = np.setdiff1d(np.arange(len(segments)), kept)
    assert (segments[lost, 0] >= duration).all()


@given(st.lists(st.booleans(), max_size=60))
def test_runs_rebuild_the_mask_and_never_touch(mask: list[bool]) -> None:
    found = runs(np.array(mask, dtype=bool))
    rebuilt = np.zeros(len(mask), dtype=bool)
    for first, past in found:
        rebuilt[first:past] = True
    np.testing.assert_array_equal(rebuilt, np.array(mask, dtype=bool))
    assert (found[1:, 0] > found[:-1, 1]).all()


@given(st.integers(1, 400), st.integers(1, 100), st.data())
def test_windows_cover_every_position_for_any_length_overlap_and_stride(
    length: int, size: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, size))
    found = windows(length, size=size, stride=stride)
    covered = np.zeros(length, dtype=bool)
    for first, past in found:
        assert past - first == min(size, length)
        covered[first:past] = True
    assert covered.all()
    assert found[0, 0] == 0
    assert found[-1, 1] == length
    assert (np.diff(found[:, 0]) > 0).all()


@pytest.mark.parametrize(("length", "size", "stride"), [(0, 4, 2), (5, 0, 1), (5, 4, 5), (5, 4, 0)])
def test_windows_that_cannot_cover_are_refused(length: int, size: int, stride: int) -> None:
    with pytest.raises(DataError, match=rf"got length {length}, size {size}, stride {stride}"):
        windows(length, size=size, stride=stride)


def test_even_segments_of_five_levels_are_fifteen() -> None:
    segments = even_segments(60.0, 5)
    assert len(segments) == 15
    np.testing.assert_allclose(segments[0], [0, 60])
    np.testing.assert_allclose(segments[1:3], [[0, 30], [30, 60]])
    np.testing.assert_allclose((segments[:, 1] - segments[:, 0]).sum(), 5 * 60)


grids = st.builds(
    lambda start, stride, window, steps: TimeGrid(start=start, stride=stride, window=window, steps=steps),
    st.floats(0, 10),
    st.floats(0.05, 3),
    st.floats(0.05, 6),
    st.integers(1, 200),
)


@given(grids, st.floats(-20, 500))
def test_seconds_and_steps_are_inverse(grid: TimeGrid, seconds: float) -> None:
    there = grid.to_steps(np.array([seconds]))
    np.testing.assert_allclose(grid.to_seconds(there), [seconds], atol=1e-6)


@given(grids)
def test_cells_touch_and_their_edges_are_whole_steps(grid: TimeGrid) -> None:
    np.testing.assert_allclose(grid.cells[1:, 0], grid.cells[:-1, 1])
    np.testing.assert_allclose(grid.to_steps(grid.cells[:, 0]), np.arange(grid.steps), atol=1e-6)
    np.testing.assert_allclose(grid.cells.mean(axis=1), grid.centres)


@given(grids, st.floats(0, 100), st.floats(0.01, 100))
def test_step_range_holds_exactly_the_centres_inside(grid: TimeGrid, start: float, length: float) -> None:
    first, past = grid.step_range((start, start + length))
    assert 0 <= first < past <= grid.steps
    inside = (grid.centres >= start) & (grid.centres < start + length)
    if inside.any() and np.abs(grid.centres[:, None] - [start, start + length]).min() > 1e-6:
        np.testing.assert_array_equal(np.flatnonzero(inside), np.arange(first, past))


@given(grids, st.integers(1, 300))
def test_a_resized_grid_spans_the_same_cells(grid: TimeGrid, steps: int) -> None:
    other = grid.resized(steps)
    np.testing.assert_allclose(other.cells[0, 0], grid.cells[0, 0], atol=1e-6)
    np.testing.assert_allclose(other.cells[-1, 1], grid.cells[-1, 1], rtol=1e-6, atol=1e-6)


def test_shares_and_seconds_are_inverse() -> None:
    segments = np.array([[1.0, 5.0], [0.0, 8.0]])
    np.testing.assert_allclose(to_seconds(to_shares(segments, 8.0), 8.0), segments)


def test_a_grid_without_stride_is_refused() -> None:
    with pytest.raises(DataError, match="stride > 0"):
        TimeGrid(start=0.0, stride=0.0, window=1.0, steps=3)
