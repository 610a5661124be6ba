"""Labelling: equal to brute force, its limits, its invariances, and the stretches that come of it."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.propose.labelling import Labelling, active_runs, label_steps, top_mean
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid


def _worth(gains: np.ndarray, labels: np.ndarray, cost: float) -> float:
    return float(gains[np.arange(len(gains)), labels].sum() - cost * (np.diff(labels) != 0).sum())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    steps=st.integers(1, 6),
    count=st.integers(1, 4),
    cost=st.sampled_from([0.0, 0.1, 0.7, 1.0, 3.0]),
    whole=st.booleans(),
)
def test_it_is_the_best_of_all_labellings(seed: int, steps: int, count: int, cost: float, whole: bool) -> None:
    gains = np.random.default_rng(seed).normal(size=(steps, count))
    gains = gains.round() if whole else gains  # many ways of equal worth
    best = max(_worth(gains, np.array(way), cost) for way in product(range(count), repeat=steps))
    labels = label_steps(gains, switch_cost=cost)
    assert _worth(gains, labels, cost) == pytest.approx(best, abs=1e-12)


def test_without_a_cost_each_step_takes_its_best_and_at_a_high_one_all_take_the_same() -> None:
    gains = np.random.default_rng(0).random((50, 7))
    assert label_steps(gains, switch_cost=0.0).tolist() == gains.argmax(axis=1).tolist()
    assert label_steps(gains, switch_cost=1e6).tolist() == [int(gains.sum(axis=0).argmax())] * 50


def test_what_a_step_gains_with_any_label_and_the_unit_change_nothing() -> None:
    rng = np.random.default_rng(1)
    gains = rng.normal(size=(80, 5))
    labels = label_steps(gains, switch_cost=1.5)
    assert (label_steps(gains + rng.normal(size=(80, 1)), switch_cost=1.5) == labels).all()
    assert (label_steps(3 * gains, switch_cost=4.5) == labels).all()
    assert (label_steps(gains[:, ::-1].copy(), switch_cost=1.5) == 4 - labels).all()
    backwards = label_steps(gains[::-1], switch_cost=1.5)
    assert _worth(gains[::-1], backwards, 1.5) == pytest.approx(_worth(gains, labels, 1.5))


def test_a_higher_cost_never_means_more_changes() -> None:
    gains = np.random.default_rng(2).normal(size=(300, 4))
    changes = [int((np.diff(label_steps(gains, switch_cost=cost)) != 0).sum()) for cost in (0, 0.2, 0.5, 1, 2, 4, 8)]
    assert changes == sorted(changes, reverse=True)


def test_single_precision_is_summed_in_double() -> None:
    gains = np.random.default_rng(3).random((2000, 3)).astype(np.float32)
    assert (label_steps(gains, switch_cost=0.4) == label_steps(gains.astype(np.float64), switch_cost=0.4)).all()


def test_nothing_has_no_labels() -> None:
    assert label_steps(np.zeros((0, 3)), switch_cost=1.0).tolist() == []


def _grid(steps: int, per_second: float) -> TimeGrid:
    return TimeGrid(start=0.0, stride=1 / per_second, window=1 / per_second, steps=steps)


ABSOLUTE = Labelling(zero_level=0.5, relative=False, switch_cost_seconds=0.6)


def test_bridges_of_less_than_the_cost_are_crossed_and_blips_dropped() -> None:
    # 2 s of 1, 1 s of 0, 2 s of 1: the gap loses 0.5 s, two more changes would cost 1.2; then one step alone
    curve = np.array([1, 1, 0, 1, 1, 0, 0, 0, 1, 0], dtype=np.float64)
    found = active_runs(curve, _grid(10, 1.0), 10.0, ABSOLUTE)
    assert found.segments.tolist() == [[0, 5]]
    assert found.scores.tolist() == [0.8]
    cheap = active_runs(curve, _grid(10, 1.0), 10.0, Labelling(zero_level=0.5, relative=False, switch_cost_seconds=0.1))
    assert cheap.segments.tolist() == [[0, 2], [3, 5], [8, 9]]


def test_how_often_scores_are_taken_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    curve = np.convolve(rng.random(60), np.ones(4) / 4, mode="same")
    rule = Labelling(zero_level=0.9, switch_cost_seconds=0.05)
    coarse = active_runs(curve, _grid(60, 2.0), 30.0, rule)
    fine = active_runs(np.repeat(curve, 5), _grid(300, 10.0), 30.0, rule)
    assert len(coarse.segments) > 1
    np.testing.assert_allclose(fine.segments, coarse.segments, atol=1e-9)
    np.testing.assert_allclose(fine.scores, coarse.scores)


def test_relative_levels_do_not_see_the_scale_of_the_curve() -> None:
    curve = np.random.default_rng(5).random(100)
    rule = Labelling(zero_level=0.7, switch_cost_seconds=0.5)
    one, other = (active_runs(part, _grid(100, 4.0), 25.0, rule) for part in (curve, 0.01 * curve))
    np.testing.assert_array_equal(one.segments, other.segments)
    np.testing.assert_allclose(other.scores, 0.01 * one.scores)


def test_stretches_are_apart_within_the_video_and_in_falling_score() -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        grid = TimeGrid(start=-0.3, stride=0.5, window=1.0, steps=60)
        found = active_runs(rng.random(60), grid, 28.0, Labelling(zero_level=0.8, switch_cost_seconds=0.2))
        assert (np.diff(found.scores) <= 0).all()
        by_start = found.segments[np.argsort(found.segments[:, 0])]
        assert (by_start[:, 0] < by_start[:, 1]).all()
        assert (by_start[1:, 0] > by_start[:-1, 1]).all()
        assert by_start.min() >= 0
        assert by_start.max() <= 28


def test_a_curve_of_zeros_or_nothing_has_no_stretch() -> None:
    for steps in (0, 5):
        found = active_runs(np.zeros(steps), _grid(steps, 1.0), 5.0, Labelling())
        assert found.segments.shape == (0, 2)
        assert found.scores.shape == (0,)


def test_mean_of_the_highest_share() -> None:
    curve = np.array([1.0, 4.0, 2.0, 3.0])
    assert top_mean(curve, 0.5) == 3.5
    assert top_mean(curve, 1.0) == 2.5
    assert top_mean(curve, 0.01) == 4.0
    table = np.random.default_rng(7).random((9, 3))
    assert top_mean(table, 0.5).tolist() == [float(np.sort(column)[-4:].mean()) for column in table.T]


def test_words_of_errors() -> None:
    with pytest.raises(
        DataError, match=r"labelling needs finite gains of at least one label .* got 2 labels and cost -1"
    ):
        label_steps(np.zeros((3, 2)), switch_cost=-1.0)
    with pytest.raises(DataError, match="got 0 labels"):
        label_steps(np.zeros((3, 0)), switch_cost=1.0)
    with pytest.raises(DataError, match="labelling needs finite gains"):
        label_steps(np.full((3, 2), np.nan), switch_cost=1.0)
    with pytest.raises(
        DataError, match="a labelling needs a finite zero level and a finite switching cost >= 0 seconds"
    ):
        Labelling(switch_cost_seconds=-2.0)
    with pytest.raises(DataError, match="a curve must have one score for each of the grid's 4 steps, got 3"):
        active_runs(np.zeros(3), _grid(4, 1.0), 4.0, Labelling())
