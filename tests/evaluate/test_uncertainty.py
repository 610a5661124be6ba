"""Weighing videos is duplicating them, intervals hold what they should, and comparisons are paired."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from columns_for_tests import said, truth
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.columns import GroundTruth, Predictions, Sentences
from untrimmed.evaluate import captioning, classification, localization, proposals, soda, uncertainty
from untrimmed.evaluate.text.meteor import Meteor, Statistics
from untrimmed.records import DataError, Task

VIDEOS = ("a", "b", "c", "d")


def world(seed: int, task: Task) -> tuple[GroundTruth, Predictions]:
    random = np.random.default_rng(seed)
    rows = [(video, 0.0, 10.0 + i, str(random.choice(["run", "sit", "eat"]))) for i, video in enumerate(VIDEOS)]
    rows += [(str(random.choice(VIDEOS)), 20.0, 30.0 + i, str(random.choice(["run", "sit"]))) for i in range(4)]
    labels = sorted({row[3] for row in rows})
    found = []
    for _ in range(40):
        start = float(random.choice([0.0, 5.0, 20.0, 22.0]))
        end = start + float(random.integers(3, 15))
        video = str(random.choice([*VIDEOS, "elsewhere"]))
        found.append((video, start, end, str(random.choice(labels)), float(random.random())))
    return truth(rows, videos=VIDEOS), said(found, task)


def copied(ground_truth: GroundTruth, predictions: Predictions, weights: list[int]) -> tuple[GroundTruth, Predictions]:
    """Each video as many times as its weight says; predictions of other videos once."""
    parts, found = [], []
    for row, video in enumerate(ground_truth.video.tolist()):
        video_id = ground_truth.video_ids[video]
        for copy in range(weights[video]):
            segment = ground_truth.segments[row]
            label = ground_truth.labels[ground_truth.label_index[row]]
            parts.append((f"{video_id}{copy}", float(segment[0]), float(segment[1]), label))
    for row, video in enumerate(predictions.video.tolist()):
        video_id = predictions.video_ids[video]
        names = [video_id]
        if video_id in VIDEOS:
            names = [f"{video_id}{copy}" for copy in range(weights[VIDEOS.index(video_id)])]
        label = predictions.labels[predictions.label_index[row]] if predictions.label_index is not None else ""
        times = predictions.segments[row] if predictions.segments is not None else (0.0, 1.0)
        found += [(name, float(times[0]), float(times[1]), label, float(predictions.scores[row])) for name in names]
    return truth(parts), said(found, predictions.task)


@given(st.integers(0, 200), st.lists(st.integers(0, 3), min_size=4, max_size=4).filter(any))
@settings(max_examples=40, deadline=None)
def test_weighing_detections_is_duplicating_videos(seed: int, weights: list[int]) -> None:
    ground_truth, predictions = world(seed, Task.LOCALIZATION)
    table = uncertainty.weigh_detections(ground_truth, predictions).figures(np.array([weights]))
    plain = localization.evaluate(*copied(ground_truth, predictions, weights), ignore_unknown=True)
    assert table["average_mAP"][0] == pytest.approx(plain.average_map, abs=1e-12)
    assert table["mAP@0.50"][0] == pytest.approx(plain.map_by_tiou[0], abs=1e-12)


@given(st.integers(0, 200), st.lists(st.integers(0, 3), min_size=4, max_size=4).filter(any))
@settings(max_examples=40, deadline=None)
def test_weighing_classes_is_duplicating_videos(seed: int, weights: list[int]) -> None:
    ground_truth, predictions = world(seed, Task.CLASSIFICATION)
    table = uncertainty.weigh_classes(ground_truth, predictions).figures(np.array([weights]))
    drawn, found = copied(ground_truth, predictions, weights)
    plain = classification.evaluate(drawn, found, ignore_unknown=True)
    assert table["mAP"][0] == pytest.approx(plain.map, abs=1e-12)
    if drawn.labels != ground_truth.labels:
        return  # a class that no drawn video has is still a wrong answer, but the copy leaves it out as unknown
    assert table["hit@1"][0] == pytest.approx(plain.hit[0], abs=1e-12)
    assert table["hit@3"][0] == pytest.approx(plain.hit[1], abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_weights_of_one_give_the_plain_figures(seed: int) -> None:
    ones = np.ones((1, len(VIDEOS)), dtype=np.int64)
    ground_truth, predictions = world(seed, Task.PROPOSALS)
    table = uncertainty.weigh_proposals(ground_truth, predictions, max_average=10.0).figures(ones)
    plain = proposals.evaluate(ground_truth, predictions, max_average=10.0)
    assert table["auc_percent"][0] == pytest.approx(plain.auc)
    for name, value in plain.figures.items():
        if name.startswith("AR@"):
            assert table[name][0] == pytest.approx(value)


def no_meteor(pairs: Any) -> Statistics:
    return np.zeros((len(pairs), 23), dtype=np.int64)


def captions(seed: int) -> tuple[Sentences, Sentences]:
    random = np.random.default_rng(seed)
    words = ["a", "man", "runs", "the", "dog", "eats", "fast"]
    parts = []
    for _ in range(2):
        parts.append(
            Sentences(
                video_ids=VIDEOS,
                durations=np.full(4, 60.0),
                video=np.repeat(np.arange(4), 3),
                segments=np.stack([np.arange(12) * 5.0, np.arange(12) * 5.0 + random.integers(3, 9, 12)], axis=1),
                sentences=tuple(" ".join(random.choice(words, 6)) for _ in range(12)),
            )
        )
    return parts[0], parts[1]


def test_captions_and_stories_are_means_over_videos() -> None:
    reference, prediction = captions(0)
    scored = Meteor(no_meteor)
    result = captioning.evaluate([reference], prediction, scored=scored)
    intervals = uncertainty.bootstrap(uncertainty.weigh_captions(result), draws=50)
    assert intervals.keys() == result.per_video.keys()
    assert intervals["Recall"].figure == pytest.approx(result.average("Recall"))
    stories = soda.evaluate([reference], prediction, scored=scored)
    table = uncertainty.bootstrap(uncertainty.weigh_stories(stories), draws=50)
    assert table["soda_d_merged"].figure == pytest.approx(stories.figures["soda_d_merged"]["f1"])


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    random = np.random.default_rng(0)
    values = random.random(400)
    weighed = uncertainty.Weighed(
        video_ids=tuple(map(str, range(400))), figures=lambda weights: {"mean": weights @ values / weights.sum(axis=1)}
    )
    found = uncertainty.bootstrap(weighed, draws=4000)["mean"]
    error = values.std() / np.sqrt(400)
    assert found.figure == pytest.approx(values.mean())
    assert found.deviation == pytest.approx(error, rel=0.05)
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_the_same_seed_gives_the_same_interval_and_another_does_not() -> None:
    weighed = uncertainty.weigh_detections(*world(1, Task.LOCALIZATION))
    first, again = (uncertainty.bootstrap(weighed, draws=100, seed=3) for _ in range(2))
    assert first == again
    assert uncertainty.bootstrap(weighed, draws=100, seed=4) != first
    seen: list[tuple[int, int]] = []
    uncertainty.bootstrap(weighed, draws=100, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(64, 100), (100, 100)]


def test_comparing_a_submission_with_itself_and_with_a_better_one() -> None:
    ground_truth, predictions = world(2, Task.LOCALIZATION)
    weighed = uncertainty.weigh_detections(ground_truth, predictions)
    same = uncertainty.compare(weighed, weighed, draws=100)["average_mAP"]
    assert (same.difference.figure, same.difference.low, same.difference.high, same.chance) == (0, 0, 0, 1)
    perfect = said(
        [
            (ground_truth.video_ids[video], *segment, ground_truth.labels[label], 1.0)
            for video, segment, label in zip(
                ground_truth.video.tolist(),
                ground_truth.segments.tolist(),
                ground_truth.label_index.tolist(),
                strict=True,
            )
        ]
    )
    better = uncertainty.compare(weighed, uncertainty.weigh_detections(ground_truth, perfect), draws=100)["average_mAP"]
    assert better.second == pytest.approx(1.0)
    assert better.difference.low > 0
    assert better.chance == pytest.approx(1 / 100)


def test_what_cannot_be_drawn_is_said() -> None:
    ground_truth, predictions = world(3, Task.LOCALIZATION)
    weighed = uncertainty.weigh_detections(ground_truth, predictions)
    with pytest.raises(DataError, match=r"^a bootstrap needs at least 2 draws .*, got 1 and 0.95$"):
        uncertainty.bootstrap(weighed, draws=1)
    other = replace(weighed, video_ids=("x",))
    with pytest.raises(DataError, match=r"^two submissions can be compared only on the same ground truth"):
        uncertainty.compare(weighed, other)
