"""Runs of winning categories: the report's example, brute force, what a larger distance may change, jitter, regions."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.propose.runs import LOCALIZATION, PROPOSALS, RunRule, category_runs, joined, regions, run_proposals
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid, runs

EXAMPLE = [9, 9, 9, 8, 6, 6, 9, 1, 1, 1, 1, 1]


def likely(winners: list[int], classes: int = 10, *, sure: float = 0.6) -> np.ndarray:
    """Probabilities under which these categories win."""
    table = np.full((len(winners), classes), (1 - sure) / (classes - 1))
    table[np.arange(len(winners)), winners] = sure
    return table


def grid_of(steps: int, *, stride: float = 0.5) -> TimeGrid:
    return TimeGrid(start=0.0, stride=stride, window=2 * stride, steps=steps)


def plain_runs(winners: list[int], category: int, distance: int) -> list[list[int]]:
    """One step after the other: a winning step joins the last run if it is closer to its last step."""
    found: list[list[int]] = []
    for step, winner in enumerate(winners):
        if winner == category:
            if found and (step == found[-1][1] or step - (found[-1][1] - 1) < distance):
                found[-1][1] = step + 1
            else:
                found.append([step, step + 1])
    return found


def test_the_reports_example() -> None:
    table = likely(EXAMPLE)
    table[:, 9] += 0.07  # "summed up probabilities of category 9 is greater than that of category 1"
    apart = category_runs(table, RunRule(categories=3, distance_steps=4))
    assert apart.category.tolist() == [9, 9, 1, 6]
    assert apart.steps.tolist() == [[0, 3], [6, 7], [7, 12], [4, 6]]
    close = category_runs(table, RunRule(categories=3, distance_steps=5))  # 4 is below 5
    assert close.category.tolist() == [9, 1, 6]
    assert close.steps.tolist() == [[0, 7], [7, 12], [4, 6]]
    assert category_runs(table, RunRule(categories=1)).category.tolist() == [9]


def test_published_values() -> None:
    assert (PROPOSALS.categories, PROPOSALS.distance_steps) == (12, 150)
    assert (LOCALIZATION.categories, LOCALIZATION.distance_steps) == (1, 60)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 12), st.integers(1, 4))
def test_it_equals_plain_loops(winners: list[int], distance: int, categories: int) -> None:
    table = likely(winners, 5)
    found = category_runs(table, RunRule(categories=categories, distance_steps=distance))
    ranked = sorted(range(5), key=lambda c: (-round(table[:, c].sum(), 9), c))[:categories]
    wanted = [(c, run) for c in sorted(ranked) for run in plain_runs(winners, c, distance)]
    pairs = sorted(zip(found.category.tolist(), found.steps.tolist(), strict=True))
    counts = [winners.count(c) for c in range(5)]
    if len(set(counts)) == 5 or categories >= 4:  # else rounding of sums may choose among equals
        assert [pair for pair in pairs if pair[0] < 4] == [pair for pair in wanted if pair[0] < 4]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.integers(1, 15))
def test_joined_runs_cover_every_step_and_fall_in_number(mask: list[bool], distance: int) -> None:
    pieces = runs(np.array(mask, dtype=bool))
    close = joined(pieces, distance)
    covered = np.zeros(len(mask), dtype=bool)
    for first, past in close:
        covered[first:past] = True
        assert mask[first]
        assert mask[past - 1]
    assert not (np.array(mask, dtype=bool) & ~covered).any()
    assert len(joined(pieces, distance + 1)) <= len(close) <= len(pieces)
    assert (close[1:, 0] - close[:-1, 1] + 1 >= distance).all()
    assert np.array_equal(joined(close, distance), close)
    if distance <= 2:
        assert np.array_equal(close, pieces)


@pytest.mark.parametrize("score", ["steps", "share", "sum"])
def test_proposals_are_in_seconds_and_ranked(score: Literal["steps", "share", "sum"]) -> None:
    table = likely(EXAMPLE)
    found = run_proposals(table, grid_of(12), 5.0, RunRule(categories=12, distance_steps=5, score=score))
    assert (np.diff(found.scores) <= 0).all()
    assert ((found.segments >= 0) & (found.segments <= 5.0)).all()
    assert (found.segments[:, 0] < found.segments[:, 1]).all()
    at = found.category.tolist().index(9)
    # step i stands for [0.25 + i / 2, 0.75 + i / 2)
    assert found.segments[at].tolist() == [0.25, 3.75]
    wanted = {"steps": 7.0, "share": 7 / 12, "sum": table[:7, 9].sum() / 12}
    assert found.scores[at] == pytest.approx(wanted[score])
    cut = run_proposals(table, grid_of(12), 2.0, RunRule(distance_steps=5, score=score))
    assert set(cut.category.tolist()) == {9, 8}  # the runs of 1 and of 6 lie behind the end
    assert cut.segments.max() == 2.0


def test_jitter_moves_both_ends_by_a_standard_normal_and_stays_valid() -> None:
    table, grid = likely([0] * 200 + [1] * 200, 2), grid_of(400, stride=1.0)
    moved = np.concatenate(
        [
            run_proposals(table, grid, 401.0, rng=np.random.default_rng(seed)).segments - [[0.5, 200.5], [200.5, 400.5]]
            for seed in range(300)
        ]
    ).reshape(-1, 2, 2)
    free = np.stack([moved[:, 0, 1], moved[:, 1, 0]])  # the ends that the video does not cut
    assert abs(free.mean()) < 0.15
    assert abs(free.std() - 1) < 0.1
    assert abs(np.corrcoef(free)[0, 1]) < 0.15
    assert moved[:, 0, 0].min() >= -0.5
    again = run_proposals(table, grid, 401.0, rng=np.random.default_rng(0)).segments
    assert np.array_equal(again, run_proposals(table, grid, 401.0, rng=np.random.default_rng(0)).segments)
    short = likely([0, 1] * 30, 2)  # runs far shorter than the jitter
    for seed in range(20):
        found = run_proposals(
            short, grid_of(60, stride=0.1), 6.0, RunRule(distance_steps=1), rng=np.random.default_rng(seed)
        )
        assert len(found.segments) == 60
        assert (found.segments[:, 0] < found.segments[:, 1]).all()
        assert ((found.segments >= 0) & (found.segments <= 6)).all()
    still = run_proposals(table, grid, 401.0, replace(PROPOSALS, jitter_seconds=0.0), rng=np.random.default_rng(0))
    assert np.array_equal(still.segments, run_proposals(table, grid, 401.0).segments)


def test_draws_copy_the_longest_runs_most() -> None:
    winners = [0] * 9 + [1] * 3 + [0] * 6 + [1] * 3 + [0] * 3
    rule = RunRule(distance_steps=1, draws=(3, 2, 1))
    found = run_proposals(likely(winners, 2), grid_of(24), 13.0, rule, rng=np.random.default_rng(0))
    assert found.scores.tolist() == [9.0] * 3 + [6.0] * 2 + [3.0] + [3.0] * 5
    assert len(np.unique(found.segments, axis=0)) == 11
    assert len(run_proposals(likely(winners, 2), grid_of(24), 13.0, rule).scores) == 5  # without jitter one each


def test_regions_are_joined_runs_scored_by_the_mean() -> None:
    curve = np.array([0.1, 0.9, 0.7, 0.2, 0.8, 0.1, 0.1, 0.6])
    grid = TimeGrid(start=0.0, stride=1.0, window=1.0, steps=8)
    segments, scores = regions(curve > 0.5, curve, grid, 8.0)
    assert segments.tolist() == [[1.0, 3.0], [4.0, 5.0], [7.0, 8.0]]
    assert scores.tolist() == pytest.approx([0.8, 0.8, 0.6])
    segments, scores = regions(curve > 0.5, curve, grid, 7.5, distance_steps=3)
    assert segments.tolist() == [[1.0, 5.0], [7.0, 7.5]]
    assert scores.tolist() == pytest.approx([2.6 / 4, 0.6])
    segments, scores = regions(np.zeros(8, dtype=bool), curve, grid, 8.0)
    assert segments.shape == (0, 2)
    assert scores.shape == (0,)


def test_nothing_gives_nothing() -> None:
    for table in (np.zeros((0, 3)), np.zeros((3, 0))):
        found = run_proposals(table, grid_of(len(table)), 3.0, rng=np.random.default_rng(0))
        assert found.segments.shape == (0, 2)
        assert found.scores.shape == found.category.shape == (0,)


def test_words() -> None:
    for changes in ({"categories": 0}, {"distance_steps": 0}, {"draws": ()}, {"draws": (1, 0)}):
        with pytest.raises(DataError, match="a run rule needs categories, distance_steps and draws >= 1, got RunRule"):
            replace(PROPOSALS, **changes)
    with pytest.raises(DataError, match=r"jitter_seconds of a run rule must be >= 0 and finite, got -1"):
        RunRule(jitter_seconds=-1.0)
