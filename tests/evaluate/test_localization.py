"""Localization: the rules in plain loops, laws of mAP, options and words."""

import math

import numpy as np
import pytest
from columns_for_tests import said, truth
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.evaluate import localization, matching
from untrimmed.evaluate.average_precision import interpolated
from untrimmed.records import DataError, Task
from untrimmed.timeline import tiou

TIOUS = localization.TIOUS


def plain_tiou(p: tuple, g: tuple) -> float:
    i = max(0.0, min(p[1], g[1]) - max(p[0], g[0]))
    u = (g[1] - g[0]) + (p[1] - p[0]) - i
    return i / u if u else math.nan


def plain_ap(rows: list, predictions: list, label: str, threshold: float) -> float:
    """One class at one threshold, one prediction after the other, as the rules say it."""
    mine = [row for row in rows if row[3] == label]
    ranked = [row for _, row in sorted(enumerate(predictions), key=lambda pair: (pair[1][4], pair[0]))][::-1]
    ranked = [row for row in ranked if row[3] == label]
    free = [True] * len(mine)
    hits = []
    for row in ranked:
        tried = [(plain_tiou(row[1:3], g[1:3]), i) for i, g in enumerate(mine) if g[0] == row[0]]
        tried.sort(key=lambda pair: (math.inf if math.isnan(pair[0]) else pair[0], pair[1]))
        hit = False
        for value, index in tried[::-1]:
            if value < threshold:
                break
            if free[index]:
                free[index] = False
                hit = True
                break
        hits.append(hit)
    precision = [sum(hits[: n + 1]) / (n + 1) for n in range(len(hits))]
    return sum(max(precision[n:]) for n, hit in enumerate(hits) if hit) / len(mine)


times = st.integers(0, 6).map(float)
instances = st.tuples(st.sampled_from("abc"), times, times, st.sampled_from("xy"))
scored = st.tuples(st.sampled_from("abcd"), times, times, st.sampled_from("xy"), st.integers(0, 5).map(float))


@settings(max_examples=100, deadline=None)
@given(st.lists(instances, min_size=1, max_size=10), st.lists(scored, max_size=14))
def test_it_equals_the_rules_in_plain_loops(rows: list, predictions: list) -> None:
    labels = {row[3] for row in rows}
    predictions = [row for row in predictions if row[3] in labels]
    result = localization.evaluate(truth(rows), said(predictions))
    for label, found in zip(result.labels, result.ap, strict=True):
        expected = [plain_ap(rows, predictions, label, threshold) for threshold in TIOUS]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.lists(instances, min_size=1, max_size=10), st.lists(scored, max_size=14), st.integers(1, 5))
def test_pieces_of_the_pairs_change_nothing(rows: list, predictions: list, pieces: int) -> None:
    labels = {row[3] for row in rows}
    predictions = [row for row in predictions if row[3] in labels]
    whole = localization.evaluate(truth(rows), said(predictions)).ap
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "PAIRS_AT_ONCE", pieces)
        np.testing.assert_array_equal(localization.evaluate(truth(rows), said(predictions)).ap, whole)


def test_many_rivals_for_many_equal_instances_are_served_in_order() -> None:
    rows = [("v", 0.0, 10.0, "x")] * 40
    predictions = [("v", 0.0, 10.0, "x", float(score)) for score in range(60)]
    matches = localization.match(truth(rows), said(predictions))
    assert (matches.taken[0, :20] == -1).all()
    assert sorted(matches.taken[0, 20:].tolist()) == list(range(40))
    assert matches.taken[0, -1] == 39  # the best prediction takes the later one of equal instances


def test_perfect_predictions_have_map_one_also_with_zero_length() -> None:
    rows = [("a", 0.0, 4.0, "x"), ("a", 5.0, 5.0, "y"), ("b", 1.0, 3.0, "y")]
    result = localization.evaluate(truth(rows), said([(*row, 1.0) for row in rows]))
    assert result.average_map == 1.0
    assert result.figures["ap_by_class"]["y"] == [1.0] * 10


def test_scores_count_by_their_order_only() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"v{i % 5}", float(s), float(s + 3), "xy"[i % 2]) for i, s in enumerate(rng.integers(0, 20, 20))]
    predictions = [(r[0], r[1] + rng.normal(), r[2] + rng.normal(), r[3], float(rng.random())) for r in rows * 3]
    first = localization.evaluate(truth(rows), said(predictions)).ap
    second = localization.evaluate(truth(rows), said([(*p[:4], math.exp(5 * p[4]) - 3) for p in predictions])).ap
    np.testing.assert_array_equal(first, second)


def test_a_further_miss_never_helps_and_thresholds_only_lower() -> None:
    rng = np.random.default_rng(1)
    rows = [(f"v{i % 4}", float(s), float(s + 4), "x") for i, s in enumerate(rng.integers(0, 30, 16))]
    predictions = [(r[0], r[1] + rng.normal(), r[2] + rng.normal(), "x", float(rng.random())) for r in rows * 2]
    before = localization.evaluate(truth(rows), said(predictions)).map_by_tiou
    after = localization.evaluate(truth(rows), said([("v0", 90.0, 95.0, "x", 2.0), *predictions])).map_by_tiou
    assert (after <= before).all()
    assert (after < before).any()
    for column in range(9):
        strict = localization.match(truth(rows), said(predictions)).hits
        assert strict[column].sum() >= strict[column + 1].sum()


def test_pairs_have_the_tiou_of_the_timeline() -> None:
    rng = np.random.default_rng(2)
    first, second = np.sort(rng.normal(size=(30, 2)), axis=1), np.sort(rng.normal(size=(30, 2)), axis=1)
    np.testing.assert_array_equal(matching.tiou_of_pairs(first, second), np.diag(tiou(first, second)))


def test_interpolated_precision_is_the_running_maximum() -> None:
    assert interpolated(np.array([], dtype=np.int64), 3) == 0.0
    assert interpolated(np.array([0, 2]), 2) == pytest.approx((1 + 2 / 3) / 2)
    assert interpolated(np.array([1, 2]), 2) == pytest.approx(2 / 3)  # the later, better precision counts for both


def test_equal_scores_take_the_later_one_first() -> None:
    rows = [("a", 0.0, 10.0, "x")]
    wrong_last = said([("a", 0.0, 10.0, "x", 0.5), ("a", 50.0, 60.0, "x", 0.5)])
    right_last = said([("a", 50.0, 60.0, "x", 0.5), ("a", 0.0, 10.0, "x", 0.5)])
    assert localization.evaluate(truth(rows), wrong_last).average_map == 0.5
    assert localization.evaluate(truth(rows), right_last).average_map == 1.0


def test_blocked_videos_leave_both_sides() -> None:
    rows = [("a", 0.0, 10.0, "x"), ("b", 0.0, 10.0, "y")]
    predictions = said([("a", 0.0, 10.0, "x", 0.5), ("b", 50.0, 60.0, "y", 0.9)])
    result = localization.evaluate(truth(rows), predictions, blocked=["b"], ignore_unknown=True)
    assert result.labels == ("x",)
    assert result.average_map == 1.0
    assert "|videos:1|" in result.signature
    assert "blocked:1" in result.signature
    with pytest.raises(DataError, match="has no instance left once the 2 blocked videos go"):
        localization.evaluate(truth(rows), predictions, blocked=["a", "b"])


def test_dedup_drops_what_newer_toolkits_drop() -> None:
    rows = [
        ("a", 0.0, 10.0, "x"),
        ("a", 0.0005, 10.0005, "x"),
        ("a", 0.0, 10.0, "y"),
        ("a", 3.0, 3.0, "y"),
        ("b", 0.0, 10.0, "x"),
    ]
    predictions = said([("a", 0.0, 10.0, "x", 0.5), ("a", 0.0, 10.0, "y", 0.5), ("b", 0.0, 10.0, "x", 0.5)])
    assert localization.evaluate(truth(rows), predictions).instances.tolist() == [3, 2]
    result = localization.evaluate(truth(rows), predictions, dedup=True)
    assert result.instances.tolist() == [2, 1]
    assert result.average_map == 1.0
    assert "instances:dedup" in result.signature


def test_map_by_number_of_proposals_ends_at_the_whole_file() -> None:
    rows = [("a", 0.0, 10.0, "x"), ("a", 20.0, 30.0, "x"), ("b", 0.0, 10.0, "y")]
    predictions = said(
        [
            ("a", 0.0, 10.0, "x", 0.9),
            ("a", 20.0, 30.0, "x", 0.8),
            ("b", 40.0, 50.0, "y", 0.9),
            ("b", 0.0, 10.0, "y", 0.7),
        ]
    )
    found = localization.by_number(truth(rows), predictions, numbers=(1, 2, 100))
    assert list(found) == [1, 2, 100]
    assert found[1] == pytest.approx(0.25)
    assert found[2] == found[100] == pytest.approx(localization.evaluate(truth(rows), predictions).average_map)


def test_extremes_name_the_easiest_and_the_hardest_class() -> None:
    rows = [("a", 0.0, 10.0, "x"), ("b", 0.0, 10.0, "y")]
    easy, hard = localization.evaluate(truth(rows), said([("a", 0.0, 10.0, "x", 1.0)])).extremes(1)
    assert easy == [("x", 1.0)]
    assert hard == [("y", 0.0)]


def test_the_signature_says_how_it_was_computed() -> None:
    rows = [("a", 0.0, 10.0, "x")]
    assert localization.evaluate(truth(rows), said([(*rows[0], 1.0)])).signature == (
        "mAP|ground-truth|validation|videos:1|tiou:0.50:0.05:0.95|untrimmed:0.1.0"
    )


def test_words_of_errors() -> None:
    rows = [("a", 0.0, 10.0, "x")]
    good = said([(*rows[0], 1.0)])
    with pytest.raises(DataError, match="predictions must be for localization, got classification"):
        localization.evaluate(truth(rows), said([(*rows[0], 1.0)], Task.CLASSIFICATION))
    with pytest.raises(DataError, match=r"tIoU thresholds must be in \(0, 1\], got \[0.0\]"):
        localization.evaluate(truth(rows), good, tious=np.array([0.0]))
    with pytest.raises(DataError, match="has no annotated instance in subset validation"):
        localization.evaluate(truth([], videos=("a",)), good)
    with pytest.raises(DataError, match="scores must be finite, those of video a are not"):
        localization.evaluate(truth(rows), said([(*rows[0], math.nan)]))
