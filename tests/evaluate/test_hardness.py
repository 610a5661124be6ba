"""Easiest and hardest classes: plain counting, the evaluator's own figures, the report's table, words."""

import numpy as np
import pytest
from columns_for_tests import said, truth
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.classify.refine import class_errors
from untrimmed.evaluate import classification
from untrimmed.evaluate.hardness import hardness
from untrimmed.records import DataError, Task

instances = st.tuples(st.sampled_from("abcdef"), st.just(0.0), st.just(1.0), st.sampled_from("xyz"))
scored = st.tuples(
    st.sampled_from("abcdefg"), st.just(0.0), st.just(1.0), st.sampled_from("xyz"), st.integers(0, 4).map(float)
)


@settings(deadline=None)
@given(st.lists(instances, min_size=1, max_size=10), st.lists(scored, max_size=20))
def test_it_equals_plain_counting(rows: list, predictions: list) -> None:
    labels = sorted({row[3] for row in rows})
    predictions = [row for row in predictions if row[3] in labels]
    found = hardness(truth(rows), said(predictions, Task.CLASSIFICATION))
    ranked = [row for _, row in sorted(enumerate(predictions), key=lambda pair: (pair[1][4], pair[0]))][::-1]
    best = {video: next((row[3] for row in ranked if row[0] == video), None) for video in "abcdef"}
    wanted = {(row[0], row[3]) for row in rows}
    assert [one.label for one in found.classes] == labels
    for one in found.classes:
        videos = {video for video, label in wanted if label == one.label}
        assert one.videos == len(videos)
        wrong = sum((video, best[video]) not in wanted for video in videos)
        assert one.error == pytest.approx(wrong / len(videos))


def single(seed: int, *, videos: int = 40, classes: int = 5) -> tuple[list, list, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, classes, videos), rng.random((videos, classes))
    rows = [(f"v{n:02d}", 0.0, 1.0, f"class {label}") for n, label in enumerate(labels)]
    predictions = [
        (f"v{n:02d}", 0.0, 1.0, f"class {k}", float(scores[n, k])) for n in range(videos) for k in range(classes)
    ]
    return rows, predictions, labels[:, None] == np.arange(classes), scores


@pytest.mark.parametrize("seed", range(5))
def test_with_one_class_a_video_the_weighted_mean_is_the_challenges_error(seed: int) -> None:
    rows, predictions, members, scores = single(seed)
    columns = truth(rows), said(predictions, Task.CLASSIFICATION)
    found, official = hardness(*columns), classification.evaluate(*columns, top=(1,))
    total = sum(one.error * one.videos for one in found.classes) / sum(one.videos for one in found.classes)
    assert total == pytest.approx(official.error[0])
    assert [one.ap for one in found.classes] == official.ap.tolist()
    np.testing.assert_allclose([one.error for one in found.classes], class_errors(scores, members))


def test_extremes_come_in_order_and_fill_the_table() -> None:
    rows, predictions, _, _ = single(9)
    found = hardness(truth(rows), said(predictions, Task.CLASSIFICATION))
    errors = [one.error for one in found.hardest()]
    assert errors == sorted(errors, reverse=True)
    assert len(errors) == 5
    aps = [(one.error, -one.ap) for one in found.easiest()]
    assert aps == sorted(aps)
    table = found.table(2)
    assert [row[0] for row in table] == [one.label for one in found.easiest(2)]
    assert [row[1:] for row in table] == [(one.label, 100 * one.error) for one in found.hardest(2)]
    assert found.signature.startswith("error@1 by class|ground-truth|validation|videos:40|top:1|untrimmed:")


def test_blocked_videos_and_unknown_classes() -> None:
    rows = [("a", 0.0, 1.0, "x"), ("b", 0.0, 1.0, "y"), ("c", 0.0, 1.0, "y")]
    predictions = [("a", 0.0, 1.0, "z", 0.9), ("a", 0.0, 1.0, "x", 0.5), ("b", 0.0, 1.0, "y", 0.4)]
    columns = truth(rows), said(predictions, Task.CLASSIFICATION)
    found = hardness(*columns, ignore_unknown=True)
    assert [(one.label, one.videos, one.error) for one in found.classes] == [("x", 1, 0.0), ("y", 2, 0.5)]
    left = hardness(*columns, blocked=("c",), ignore_unknown=True)
    assert [(one.label, one.videos, one.error) for one in left.classes] == [("x", 1, 0.0), ("y", 1, 0.0)]
    with pytest.raises(DataError, match="label 'z' of video a is none of the 2 classes"):
        hardness(*columns)
