"""Structured pyramid pooling: stages and parts by hand, ranges by brute force, means that scores pass through."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.localize.structured import (
    PAPER,
    RELEASED,
    Pyramid,
    part_bounds,
    part_scales,
    range_means,
    snippet_parts,
    stage_snippets,
    stages,
    step_ranges,
)
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

GRID = TimeGrid(start=0.0, stride=0.5, window=0.5, steps=24)


def test_stages_touch_and_are_half_as_long() -> None:
    found = stages(np.array([[4.0, 8.0], [0.0, 2.0]]))
    assert found.tolist() == [[[2, 4], [4, 8], [8, 10]], [[-1, 0], [0, 2], [2, 3]]]


def test_parts_of_the_paper_and_of_the_program() -> None:
    found = stages(np.array([[4.0, 8.0]]))
    assert PAPER.parts == 5
    assert RELEASED.parts == 3
    assert part_bounds(found, PAPER).tolist() == [[[2, 4], [4, 8], [4, 6], [6, 8], [8, 10]]]
    assert part_bounds(found, RELEASED).tolist() == [[[2, 4], [4, 8], [8, 10]]]


def test_what_lies_outside_the_video_scales_its_stage_down() -> None:
    found = stages(np.array([[0.0, 4.0], [1.0, 5.0], [4.0, 8.0]]))
    scales = part_scales(found, 9.0, PAPER)
    np.testing.assert_allclose(scales, [[0, 1, 0.5, 0.5, 1], [0.5, 1, 0.5, 0.5, 1], [1, 1, 0.5, 0.5, 0.5]])
    np.testing.assert_allclose(part_scales(found, 9.0, RELEASED), scales[:, [0, 1, 4]])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-5, 20), st.floats(0.01, 10)), min_size=1, max_size=6),
    st.floats(-1, 1),
    st.floats(0.1, 2),
    st.integers(1, 30),
)
def test_ranges_are_those_of_the_grid_one_by_one(
    given_segments: list[tuple[float, float]], start: float, stride: float, steps: int
) -> None:
    grid = TimeGrid(start=start, stride=stride, window=1.0, steps=steps)
    bounds = np.array([(begin, begin + length) for begin, length in given_segments])
    ranges = step_ranges(bounds, grid)
    inside = [
        np.flatnonzero((grid.centres >= begin - 1e-9 * stride) & (grid.centres < end - 1e-9 * stride))
        for begin, end in bounds
    ]
    for (first, past), own in zip(ranges, inside, strict=True):
        assert 0 <= first < past <= steps
        if len(own):
            assert (first, past) == (own[0], own[-1] + 1)
        else:
            assert past == first + 1
    assert step_ranges(bounds[:, None], grid).tolist() == ranges[:, None].tolist()


def test_a_stretch_beyond_the_video_takes_the_nearest_step() -> None:
    bounds = np.array([[-9.0, -8.0], [0.3, 0.4], [50.0, 51.0]])
    assert step_ranges(bounds, GRID).tolist() == [[0, 1], [0, 1], [23, 24]]


def test_means_are_those_of_the_rows_and_linear_maps_pass_through_them() -> None:
    generator = np.random.default_rng(0)
    rows, map_ = generator.normal(size=(24, 7)), generator.normal(size=(7, 3))
    bounds = part_bounds(stages(np.array([[1.3, 4.2], [2.0, 11.5], [-1.0, 3.0]])), PAPER).reshape(-1, 2)
    ranges = step_ranges(bounds, GRID)
    means = range_means(rows, ranges)
    np.testing.assert_allclose(means, [rows[first:past].mean(axis=0) for first, past in ranges])
    np.testing.assert_allclose(range_means(rows @ map_, ranges), means @ map_)


@pytest.mark.parametrize("pyramid", [PAPER, RELEASED, Pyramid(start=(1, 2), course=(1, 2, 4), end=(1,))])
def test_the_matrix_of_snippets_takes_means(pyramid: Pyramid) -> None:
    matrix = snippet_parts((2, 5, 2), pyramid)
    assert matrix.shape == (pyramid.parts, 9)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    row = 0
    for stage, levels in enumerate(pyramid.levels):
        own = [slice(0, 2), slice(2, 7), slice(7, 9)][stage]
        for count in levels:
            part = matrix[row : row + count]
            assert ((part[:, own] > 0).sum(axis=0) == 1).all()  # each snippet of the stage in one part of a level
            assert part.sum() == pytest.approx(part[:, own].sum())
            row += count
    halves = snippet_parts((2, 5, 2), PAPER)[2:4]
    np.testing.assert_allclose(halves[:, 2:7], [[1 / 2, 1 / 2, 0, 0, 0], [0, 0, 1 / 3, 1 / 3, 1 / 3]])


def test_snippets_come_from_their_stages_in_order() -> None:
    found = stages(np.array([[3.0, 8.0], [0.0, 0.2]]))
    ranges = step_ranges(found, GRID)
    for generator in (None, *map(np.random.default_rng, range(20))):
        drawn = stage_snippets(found, GRID, (2, 5, 2), generator=generator)
        for stage, own in enumerate((slice(0, 2), slice(2, 7), slice(7, 9))):
            for number in range(2):
                steps = drawn[number, own]
                assert (np.diff(steps) >= 0).all()
                assert ranges[number, stage, 0] <= steps.min() <= steps.max() < ranges[number, stage, 1]


def test_training_and_test_pool_alike_where_snippets_are_all_the_steps() -> None:
    rows = np.random.default_rng(1).normal(size=(24, 4))
    found = stages(np.array([[2.0, 4.0]]))  # 2, 4 and 2 steps
    counts = (2, 4, 2)
    drawn = stage_snippets(found, GRID, counts)
    by_snippets = snippet_parts(counts, PAPER) @ rows[drawn[0]]
    ranges = step_ranges(part_bounds(found, PAPER)[0], GRID)
    np.testing.assert_allclose(by_snippets, range_means(rows, ranges))


def test_words() -> None:
    with pytest.raises(DataError, match="a pyramid needs one part or more at every level of each stage"):
        Pyramid(start=(0,))
    with pytest.raises(DataError, match="stages of a proposal need an extension above 0, got 0"):
        stages(np.zeros((1, 2)), extension=0.0)
    with pytest.raises(DataError, match="pooling needs a sequence of one step or more, got none"):
        step_ranges(np.zeros((1, 2)), TimeGrid(start=0.0, stride=1.0, window=1.0, steps=0))
    with pytest.raises(DataError, match="needs a snippet a part in each of 3 stages"):
        snippet_parts((2, 1, 2), PAPER)
