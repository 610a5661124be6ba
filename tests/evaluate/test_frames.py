"""Charades and MultiTHUMOS: a second writing in plain loops, the instants, words."""

import math

import numpy as np
import pytest
from columns_for_tests import truth

from shared_folder import shared
from untrimmed.data import read_ground_truth
from untrimmed.evaluate import frames
from untrimmed.records import DataError


def plain_ap(scores: list[float], holds: list[bool]) -> float:
    ranked = sorted(range(len(scores)), key=lambda i: -scores[i])
    right, total = 0, 0.0
    for place, index in enumerate(ranked, start=1):
        if holds[index]:
            right += 1
            total += right / place
    return total / right if right else math.nan


def test_average_precision_is_the_mean_over_positives_and_equal_scores_stay_in_order() -> None:
    rng = np.random.default_rng(0)
    scores, holds = rng.integers(0, 5, (60, 4)).astype(float), rng.random((60, 4)) < 0.3
    holds[:, 3] = False
    found = frames.average_precision(scores, holds, absent=0.0)
    expected = [plain_ap(scores[:, i].tolist(), holds[:, i].tolist()) for i in range(3)]
    np.testing.assert_allclose(found[:3], expected, rtol=0, atol=1e-12)
    assert found[3] == 0.0
    assert np.isnan(frames.average_precision(scores, holds, absent=np.nan)[3])


ROWS = [("a", 0.0, 40.0, "c000"), ("a", 8.0, 12.0, "c001"), ("b", 50.0, 100.0, "c001")]
LABELS = ("c000", "c001")


def test_charades_looks_at_25_instants_and_actions_hold_at_both_ends() -> None:
    ground_truth = truth(ROWS)  # both videos last 100 seconds, so instant j is at 4 j seconds
    ids = [video for video in "ab" for _ in range(25)]
    instants = np.tile(np.arange(25), 2)
    holds = np.array(
        [
            [any(r[0] == v and r[3] == c and r[1] <= 4.0 * j <= r[2] for r in ROWS) for c in LABELS]
            for v, j in zip(ids, instants, strict=True)
        ]
    )
    assert holds[:, 0].sum() == 11  # 0, 4 ... 40
    assert holds[:, 1].sum() == 2 + 12  # 8 and 12; 52 ... 96
    perfect = frames.evaluate_charades_localization(ground_truth, LABELS, ids, instants, holds.astype(float))
    assert perfect.figures["mAP"] == 1.0
    assert perfect.positives.tolist() == [11, 14]
    assert perfect.signature.endswith("rules:charades-25|untrimmed:0.1.0")
    rng = np.random.default_rng(0)
    scores = rng.random((50, 2))
    result = frames.evaluate_charades_localization(ground_truth, LABELS, ids, instants, scores)
    expected = [plain_ap(scores[:, i].tolist(), holds[:, i].tolist()) for i in range(2)]
    np.testing.assert_allclose(result.ap, expected, rtol=0, atol=1e-12)
    weighted = sum(ap * n for ap, n in zip(expected, (11, 14), strict=True)) / 25
    assert result.figures["wAP"] == pytest.approx(weighted)


def test_missing_instants_come_last_and_unknown_videos_are_left_out() -> None:
    result = frames.evaluate_charades_localization(
        truth(ROWS), LABELS, ["z", "a"], np.array([0, 2]), np.array([[9.0, 9.0], [1.0, 1.0]])
    )
    assert result.rows == 50
    assert result.ap[0] > 0.2  # instant 2 of a is right and first


def test_charades_classification_puts_videos_without_labels_last() -> None:
    ground_truth = truth(ROWS, videos=("n",))
    result = frames.evaluate_charades_classification(
        ground_truth, LABELS, ["n", "a", "b"], np.array([[9.0, 9.0], [1.0, 1.0], [0.0, 2.0]])
    )
    assert result.figures["mAP"] == 1.0
    assert np.isnan(
        frames.evaluate_charades_classification(ground_truth, (*LABELS, "c002"), ["a"], np.ones((1, 3))).figures["mAP"]
    )


def test_multithumos_on_its_real_annotations() -> None:
    ground_truth = read_ground_truth(shared("data/thumos14/multithumos.json.gz"), "testing")
    assert len(ground_truth.labels) == 65
    ids = [video for video in ground_truth.video_ids for _ in range(20)]
    video = np.repeat(np.arange(len(ground_truth.video_ids)), 20)
    seconds = np.tile(np.linspace(0, 0.99, 20), len(ground_truth.video_ids)) * ground_truth.durations[video]
    holds = frames.truth_at(ground_truth, ground_truth.labels, video, seconds)
    some = holds.any(axis=0)
    perfect = frames.evaluate_multithumos(ground_truth, ground_truth.labels, ids, seconds, holds.astype(float))
    assert perfect.ap[some].tolist() == [1.0] * int(some.sum())
    assert perfect.ap[~some].sum() == 0
    chance = frames.evaluate_multithumos(
        ground_truth, ground_truth.labels, ids, seconds, np.random.default_rng(0).random(holds.shape)
    )
    assert chance.figures["mAP"] == pytest.approx(holds.mean(), abs=0.02)


def test_words_of_errors() -> None:
    ground_truth = truth(ROWS)
    with pytest.raises(DataError, match="scores must have one column for each of 2 classes, got 3"):
        frames.evaluate_charades_classification(ground_truth, LABELS, ["a"], np.ones((1, 3)))
    with pytest.raises(DataError, match="scores must not be NaN, row 0 is"):
        frames.evaluate_charades_classification(ground_truth, LABELS, ["a"], np.full((1, 2), np.nan))
    with pytest.raises(DataError, match="class 'c001' of ground-truth is none of the 1 columns of scores"):
        frames.evaluate_charades_classification(ground_truth, ("c000",), ["a"], np.ones((1, 1)))
    with pytest.raises(DataError, match="instants must be 0 to 24, got 25 to 25"):
        frames.evaluate_charades_localization(ground_truth, LABELS, ["a"], np.array([25]), np.ones((1, 2)))
