"""Basins are what water fills, whoever pours it; dams stand where the waters of two peaks meet."""

import time
from dataclasses import replace
from heapq import heappop, heappush

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.propose.tag import PAPER, RELEASED_BY_MEAN, TagRule, group, tag
from untrimmed.propose.watershed import BasinRule, basins, candidates, dams, group_basins
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid, runs

CURVES = st.lists(st.integers(0, 6), min_size=1, max_size=24).map(lambda items: np.array(items, np.float64) / 6)
DAMMED = BasinRule(dams=True)


def flooded(curve: np.ndarray) -> list[int]:
    """Which peak the water of each step comes from: the queue of Meyer's flooding, step by step."""
    steps = len(curve)
    owner, left = [-1] * steps, 0
    queue: list[tuple[float, int, int, int]] = []
    order = 0
    peaks = 0
    while left < steps:  # flat stretches; one that is higher than both sides is a peak
        past = left
        while past < steps and curve[past] == curve[left]:
            past += 1
        if (left == 0 or curve[left - 1] < curve[left]) and (past == steps or curve[past] < curve[left]):
            for step in range(left, past):
                owner[step] = peaks
            for step in (left - 1, past):
                if 0 <= step < steps:
                    order += 1
                    heappush(queue, (-curve[step], order, step, peaks))
            peaks += 1
        left = past
    while queue:  # the highest first, among equals who came first
        level, _, step, peak = heappop(queue)
        if owner[step] >= 0:
            continue
        owner[step] = peak
        for other in (step - 1, step + 1):
            if 0 <= other < steps and owner[other] < 0:
                order += 1
                heappush(queue, (max(level, -curve[other]), order, other, peak))
    return owner


@given(CURVES)
@settings(deadline=None, max_examples=150, derandomize=True)
def test_dams_stand_where_waters_that_are_poured_step_by_step_meet(curve: np.ndarray) -> None:
    owner = flooded(curve)
    borders = [step for step in range(1, len(curve)) if owner[step] != owner[step - 1]]
    found = dams(curve).tolist()
    assert len(found) == len(borders) == owner[-1]
    for mine, poured in zip(found, borders, strict=True):
        # on a flat bottom of an odd number of steps the middle one goes to whoever was quicker at a higher level
        assert abs(mine - poured) <= 1
        assert curve[mine] == curve[poured] or curve[mine - 1] == curve[poured]


def test_a_dam_on_a_flat_bottom_is_in_its_middle() -> None:
    assert dams(np.array([3.0, 1, 1, 1, 1, 2])).tolist() == [3]
    assert dams(np.array([3.0, 1, 1, 1, 2])).tolist() == [3]  # the odd step goes to the earlier peak
    assert dams(np.array([1.0, 2, 2, 1])).tolist() == []
    assert dams(np.zeros(5)).tolist() == []


@given(CURVES, st.integers(-1, 6))
@settings(deadline=None, max_examples=150, derandomize=True)
def test_basins_cover_the_steps_above_the_threshold_and_hold_one_peak_each(curve: np.ndarray, level: int) -> None:
    threshold = level / 6
    for dammed in (False, True):
        found = basins(curve, threshold, dammed=dammed)
        covered = np.zeros(len(curve), int)
        for start, past in found:
            covered[start:past] += 1
        np.testing.assert_array_equal(covered, curve > threshold)
    assert basins(curve, threshold).tolist() == runs(curve > threshold).tolist()
    for start, past in found:
        piece = curve[start:past]
        change = np.sign(np.diff(piece))
        change = change[change != 0]
        assert (np.diff(change) <= 0).all()  # up, then down: one peak


@given(CURVES)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_basins_of_a_higher_threshold_lie_in_those_of_a_lower_one(curve: np.ndarray) -> None:
    low, high = basins(curve, 0.3, dammed=True), basins(curve, 0.6, dammed=True)
    for start, past in high:
        assert ((low[:, 0] <= start) & (past <= low[:, 1])).sum() == 1


@given(CURVES)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_proposals_hold_every_maximal_run_and_every_basin_of_each_level(curve: np.ndarray) -> None:
    rule = BasinRule(dams=True, tag=replace(PAPER, suppression=None))
    found = {tuple(box) for box in group_basins(curve, rule).steps.tolist()}
    for threshold in rule.tag.thresholds:
        assert found >= {tuple(box) for box in runs(curve > threshold).tolist()}
        assert found >= {tuple(box) for box in basins(curve, threshold, dammed=True).tolist()}
    plain = {tuple(box) for box in group(curve, rule.tag).steps.tolist()}
    assert plain <= found


@pytest.mark.parametrize("settings_of_tag", [PAPER, RELEASED_BY_MEAN, replace(PAPER, score="sum")])
def test_without_dams_it_is_tag(settings_of_tag: TagRule) -> None:
    curve = np.random.default_rng(0).random(60)
    mine = group_basins(curve, BasinRule(tag=settings_of_tag))
    wanted = group(curve, settings_of_tag)
    np.testing.assert_array_equal(mine.steps, wanted.steps)
    np.testing.assert_array_equal(mine.scores, wanted.scores)


def test_scores_are_means_or_sums_and_fall() -> None:
    curve = np.random.default_rng(1).random(80)
    for score in ("mean", "sum"):
        found = group_basins(curve, BasinRule(dams=True, tag=replace(PAPER, score=score)))
        assert (np.diff(found.scores) <= 0).all()
        for (start, past), value in zip(found.steps, found.scores, strict=True):
            assert value == pytest.approx(getattr(curve[start:past], score)())


def test_seconds_are_cut_to_the_video() -> None:
    curve = np.array([0.9, 0.9, 0.1, 0.8])
    grid = TimeGrid(start=-0.5, stride=1.0, window=1.0, steps=4)
    segments, scores = candidates(curve, grid, 3.2, BasinRule())
    wanted, same = tag(curve, grid, 3.2, PAPER)
    np.testing.assert_array_equal(segments, wanted)
    np.testing.assert_array_equal(scores, same)
    assert segments.min() == 0.0
    assert segments.max() == 3.2
    assert len(candidates(np.zeros(0), replace(grid, steps=0), 3.0, DAMMED)[0]) == 0


def test_three_hours_of_snippets_take_less_than_a_second() -> None:
    rng = np.random.default_rng(0)
    curve = np.clip(np.repeat(rng.random(400), 51)[:20250] + rng.normal(0, 0.15, 20250), 0, 1)
    group_basins(curve, DAMMED)
    start = time.process_time()
    group_basins(curve, BasinRule())
    assert time.process_time() - start < 1.0


def test_words_of_errors() -> None:
    for call in (dams, lambda curve: basins(curve, 0.5)):
        with pytest.raises(DataError, match="a watershed needs a curve of finite numbers"):
            call(np.array([0.5, np.nan]))
