"""TAG equals the recorded program and the plain loops, and keeps its laws."""

import gzip
import json
from dataclasses import replace

import numpy as np
import plain_tag
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_folder import shared
from untrimmed.propose.suppress import HardNms
from untrimmed.propose.tag import PAPER, RELEASED, RELEASED_BY_MEAN, TagRule, foreground, group, tag
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid, runs


def wave(seed: int, steps: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([np.zeros(steps), np.cumsum(rng.normal(0, 0.7, steps)) - 1], axis=1).round(4)


@pytest.mark.parametrize("case", range(3))
def test_recorded_program(case: int) -> None:
    item = json.loads(gzip.decompress(shared("reference/tag/expected.json.gz").read_bytes()))[case]
    scores = np.array(item["scores"])
    curve = foreground(scores)
    free = group(curve, replace(RELEASED, suppression=None), raw=scores[:, 1])
    assert free.steps.tolist() == item["unique_boxes"]
    one = replace(RELEASED, thresholds=(0.4,), tolerances=(0.2,), suppression=None)
    some = group(curve, one, raw=scores[:, 1])
    best: dict[tuple[int, int], float] = {}
    for start, end, score in item["boxes_thr0.4_tol0.2"]:
        best[start, end] = max(score, best.get((start, end), -np.inf))
    assert {tuple(box) for box in some.steps.tolist()} == set(best)
    for box, score in zip(some.steps.tolist(), some.scores, strict=True):
        assert score == pytest.approx(best[tuple(box)], abs=1e-4)
    kept = group(curve, RELEASED, raw=scores[:, 1])
    wanted = np.array(item["after_nms_0.9"])
    np.testing.assert_array_equal(kept.steps, wanted[:, :2])
    np.testing.assert_allclose(kept.scores, wanted[:, 2], rtol=0, atol=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_released_grouping_is_that_of_the_plain_loops(seed: int) -> None:
    scores = wave(seed, (1, 2, 30, 90, 200, 333)[seed])
    wanted = plain_tag.released(scores.tolist(), RELEASED.thresholds, RELEASED.tolerances)
    got = group(foreground(scores), RELEASED, raw=scores[:, 1])
    assert got.steps.tolist() == [[start, end] for start, end, _ in wanted]
    np.testing.assert_allclose(got.scores, [score for *_, score in wanted], rtol=0, atol=1e-9)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.sampled_from([0, 5, 25, 50, 75, 95, 100]))
@settings(deadline=None, max_examples=150)
def test_paper_grouping_is_that_of_the_plain_loops(levels: list[int], percent: int) -> None:
    curve = np.array(levels) / 4
    for threshold in (0.1, 0.5, 0.9):
        rule = TagRule(thresholds=(threshold,), tolerances=(percent / 100,), suppression=None)
        wanted = sorted(set(plain_tag.paper_boxes(curve.tolist(), threshold, percent)))
        assert [tuple(box) for box in group(curve, rule).steps.tolist()] == wanted


@given(st.lists(st.integers(0, 20), min_size=1, max_size=80), st.sampled_from([PAPER, RELEASED]))
@settings(deadline=None, max_examples=80)
def test_every_maximal_run_is_the_start_of_a_group_that_holds_it(levels: list[int], rule: TagRule) -> None:
    curve = np.array(levels) / 20
    rule = replace(rule, sigma_steps=0.0, suppression=None)
    for threshold in rule.thresholds:
        for tolerance in rule.tolerances[::4]:
            boxes = group(curve, replace(rule, thresholds=(threshold,), tolerances=(tolerance,))).steps
            for first, past in runs(curve > threshold):
                assert ((boxes[:, 0] == first) & (boxes[:, 1] >= past)).any()


def test_no_tolerance_gives_the_runs_and_full_tolerance_reaches_the_last_run() -> None:
    curve = foreground(wave(3, 500))
    bare = group(curve, TagRule(thresholds=(0.5,), tolerances=(0.0,), suppression=None)).steps
    np.testing.assert_array_equal(bare, runs(curve > 0.5))
    full = group(curve, TagRule(thresholds=(0.5,), tolerances=(1.0,), suppression=None)).steps
    assert set(full[:, 1].tolist()) == {runs(curve > 0.5)[-1, 1]}


@pytest.mark.parametrize("tolerance", [0.1, 0.5])
def test_paper_groups_hold_no_more_inactive_steps_than_allowed(tolerance: float) -> None:
    curve = foreground(wave(11, 800))
    boxes = group(curve, TagRule(thresholds=(0.4,), tolerances=(tolerance,), suppression=None)).steps
    assert len(boxes) > 3
    for start, end in boxes:
        assert (curve[start:end] <= 0.4).mean() <= tolerance + 1e-12


def test_scores_are_sums_or_means_and_rank_the_groups() -> None:
    curve = foreground(wave(2, 400))
    sums = group(curve, replace(PAPER, score="sum", suppression=None))
    means = group(curve, replace(PAPER, suppression=None))
    for (start, end), total, mean in zip(sums.steps, sums.scores, means.scores, strict=True):
        assert total == pytest.approx(curve[start:end].sum())
        assert mean == pytest.approx(curve[start:end].mean())
    lengths = [np.diff(group(curve, rule).steps[:5], axis=1).mean() for rule in (RELEASED, RELEASED_BY_MEAN)]
    assert lengths[0] > lengths[1]
    ranked = group(curve, PAPER)
    assert (np.diff(ranked.scores) <= 0).all()
    assert len(ranked.steps) < len(means.steps)


def test_seconds_follow_the_grid_and_stay_in_the_video() -> None:
    grid = TimeGrid(start=0.0, stride=0.5, window=0.5, steps=8)
    curve = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    rule = TagRule(thresholds=(0.5,), tolerances=(0.0,), suppression=HardNms(tiou=0.9))
    segments, scores = tag(curve, grid, 3.8, rule)
    assert sorted(map(tuple, segments.tolist())) == [(1.0, 2.0), (3.5, 3.8)]
    assert scores.tolist() == [1.0, 1.0]


def test_a_flat_or_empty_curve_gives_one_or_no_group() -> None:
    assert group(np.ones(9), PAPER).steps.tolist() == [[0, 9]]
    assert len(group(np.zeros(9), PAPER).steps) == 0
    assert len(group(np.zeros(0), PAPER).steps) == 0


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match="actionness must be finite"):
        group(np.array([0.1, np.nan]), PAPER)
    with pytest.raises(DataError, match=r"a TAG rule needs thresholds and tolerances in \[0, 1\]"):
        TagRule(tolerances=(1.5,))
