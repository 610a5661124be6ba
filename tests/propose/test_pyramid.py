"""The pyramid: where candidates are, their context and steps, quotas, and the bound that the grid puts on recall."""

import numpy as np
import pytest

from untrimmed.propose.pyramid import Pyramid, RecallBound, recall_bound, sampled_steps, with_context, within_quotas
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid


def test_candidates_of_the_released_program() -> None:
    anchors = Pyramid().anchors()
    wanted = []
    for place in range(1, 63):
        for level in range(6):
            half = 2**level / 64
            wanted.append([max(0.0, place / 64 - half), min(1.0, place / 64 + half)])
    assert anchors.tolist() == wanted
    assert len(Pyramid(last_centre=True).anchors()) == 63 * 6
    assert Pyramid().levels()[:7].tolist() == [0, 1, 2, 3, 4, 5, 0]


def test_the_pyramid_is_its_own_mirror_image_with_the_last_centre() -> None:
    pyramid = Pyramid(lengths=(0.1, 0.3, 1.0), centres=20, last_centre=True)
    anchors = pyramid.anchors()
    mirrored = 1 - anchors[:, ::-1]
    assert sorted(map(tuple, anchors.round(9).tolist())) == sorted(map(tuple, mirrored.round(9).tolist()))
    assert anchors.min() == 0
    assert anchors.max() == 1
    assert (anchors[:, 0] < anchors[:, 1]).all()


def test_context_has_the_same_centre_and_twice_the_length() -> None:
    anchors = Pyramid().anchors()
    pairs = with_context(anchors)
    np.testing.assert_array_equal(pairs[:, 0], anchors)
    np.testing.assert_allclose(pairs[:, 1].sum(axis=1), anchors.sum(axis=1))
    np.testing.assert_allclose(np.diff(pairs[:, 1], axis=1), 2 * np.diff(anchors, axis=1))


def test_steps_lie_in_their_segments_and_outside_the_video_there_are_none() -> None:
    grid = TimeGrid(start=-0.1, stride=0.2, window=0.4, steps=100)  # cell i is [0.2 i, 0.2 (i + 1))
    pairs = with_context(Pyramid().anchors())
    steps = sampled_steps(pairs, grid, 20.0, samples=12)
    assert steps.shape == (62 * 6, 2, 12)
    assert (steps[:, 0] >= 0).all()
    places = pairs[..., :1] + np.diff(pairs, axis=2) * (np.arange(12) + 0.5) / 12
    outside = (places < 0) | (places > 1)
    assert outside.any()
    assert (steps[outside] == -1).all()
    cells = grid.cells[steps[~outside]] / 20
    assert (cells[:, 0] <= places[~outside] + 1e-9).all()
    assert (places[~outside] <= cells[:, 1] + 1e-9).all()


def test_steps_do_not_see_the_length_of_the_video() -> None:
    segments = Pyramid().anchors()
    slow = sampled_steps(segments, TimeGrid(start=0, stride=1.0, window=1.0, steps=80), 80.0, samples=5)
    fast = sampled_steps(segments, TimeGrid(start=0, stride=0.25, window=0.25, steps=80), 20.0, samples=5)
    assert (slow == fast).all()


def test_a_video_whose_steps_end_early_takes_the_last_and_one_without_has_none() -> None:
    whole = np.array([[0.0, 1.0]])
    short = sampled_steps(whole, TimeGrid(start=0, stride=1.0, window=1.0, steps=3), 10.0, samples=10)
    assert short.tolist() == [[0, 1, 2, 2, 2, 2, 2, 2, 2, 2]]
    none = sampled_steps(whole, TimeGrid(start=0, stride=1.0, window=1.0, steps=0), 10.0, samples=4)
    assert none.tolist() == [[-1] * 4]


def test_quotas_keep_the_best_of_each_level() -> None:
    levels = np.array([2, 0, 0, 2, 1, 0, 2])
    assert within_quotas(levels, (2, 0, 1), levels_in_all=3).tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert within_quotas(levels, None, levels_in_all=3).all()
    assert within_quotas(levels, (7, 7, 7), levels_in_all=3).all()


def test_a_candidate_can_be_found_always_and_more_candidates_never_find_less() -> None:
    anchors = Pyramid().anchors()
    assert recall_bound(anchors, anchors).average == 1.0
    rng = np.random.default_rng(0)
    instances = np.sort(rng.random((300, 2)), axis=1)
    few, many = recall_bound(anchors, instances), recall_bound(Pyramid(centres=256).anchors(), instances)
    finer = recall_bound(np.concatenate([anchors, Pyramid(centres=256).anchors()]), instances)
    for bound in (few, many):
        assert (np.diff(bound.recall) <= 0).all()
        assert (finer.recall >= bound.recall).all()
        assert 0 < bound.average < 1
    for instance, best in zip(instances[:20].tolist(), few.best, strict=False):
        assert best == pytest.approx(max(_overlap(instance, anchor) for anchor in anchors.tolist()))
    assert few.recall.tolist() == [(few.best >= level).mean() for level in np.linspace(0.5, 0.95, 10)]


def _overlap(one: list[float], other: list[float]) -> float:
    shared = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    return shared / (one[1] - one[0] + other[1] - other[0] - shared)


def test_nothing_of_less_than_a_sixty_fourth_can_be_found() -> None:
    starts = np.arange(200) / 210
    short = np.stack([starts, starts + 0.99 / 64], axis=1)
    bound = recall_bound(Pyramid().anchors(), short)
    assert isinstance(bound, RecallBound)
    assert bound.best.max() < 0.5
    assert bound.average == 0


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match=r"a pyramid needs rising lengths in \(0, 1\] and at least 3 centres, got"):
        Pyramid(lengths=(0.5, 0.2))
    with pytest.raises(DataError, match="a pyramid needs rising lengths"):
        Pyramid(centres=2)
    with pytest.raises(DataError, match=r"quotas must be one number >= 0 for each of 3 levels, got \(1, 2\)"):
        within_quotas(np.array([0]), (1, 2), levels_in_all=3)
    with pytest.raises(DataError, match="a bound on recall needs at least one instance"):
        recall_bound(Pyramid().anchors(), np.zeros((0, 2)))
