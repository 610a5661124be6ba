"""Classification and recognition: the rules in plain loops, options, the published figures, words."""

import gzip
import json
from functools import cache

import numpy as np
import pytest
from columns_for_tests import said, truth
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_folder import shared
from untrimmed.columns import GroundTruth, Predictions
from untrimmed.data import read_ground_truth, read_predictions
from untrimmed.evaluate import classification, recognition
from untrimmed.records import DataError, Task

OFFICIAL = "data/activitynet/activity_net.v1-3.json.gz"


@cache
def official() -> GroundTruth:
    return read_ground_truth(shared(OFFICIAL))


def plain(rows: list, predictions: list, k: int) -> tuple[dict, float, float]:
    """AP by class, hit@k and average hit@k, one prediction after the other."""
    wanted = {(row[0], row[3]) for row in rows}
    ranked = [row for _, row in sorted(enumerate(predictions), key=lambda pair: (pair[1][4], pair[0]))][::-1]
    ap = {}
    for label in sorted({pair[1] for pair in wanted}):
        found: set = set()
        hits = []
        for row in [row for row in ranked if row[3] == label]:
            hits.append((row[0], label) in wanted and row[0] not in found)
            found.add(row[0])
        precision = [sum(hits[: n + 1]) / (n + 1) for n in range(len(hits))]
        total = sum(1 for pair in wanted if pair[1] == label)
        ap[label] = sum(max(precision[n:]) for n, hit in enumerate(hits) if hit) / total
    shares = []
    for video in dict.fromkeys(row[0] for row in rows):
        labels = {pair[1] for pair in wanted if pair[0] == video}
        best = {row[3] for row in [row for row in ranked if row[0] == video][:k]}
        shares.append(len(labels & best) / len(labels))
    return ap, sum(share > 0 for share in shares) / len(shares), sum(shares) / len(shares)


instances = st.tuples(st.sampled_from("abcde"), st.just(0.0), st.just(1.0), st.sampled_from("xyz"))
scored = st.tuples(
    st.sampled_from("abcdef"), st.just(0.0), st.just(1.0), st.sampled_from("xyz"), st.integers(0, 5).map(float)
)


@settings(max_examples=100, deadline=None)
@given(st.lists(instances, min_size=1, max_size=10), st.lists(scored, max_size=16), st.integers(1, 3))
def test_it_equals_the_rules_in_plain_loops(rows: list, predictions: list, k: int) -> None:
    labels = {row[3] for row in rows}
    predictions = [row for row in predictions if row[3] in labels]
    result = classification.evaluate(truth(rows), said(predictions, Task.CLASSIFICATION), top=(k,))
    ap, hit, average = plain(rows, predictions, k)
    np.testing.assert_allclose(result.ap, list(ap.values()), rtol=0, atol=1e-12)
    assert result.hit[0] == pytest.approx(hit)
    assert result.average_hit[0] == pytest.approx(average)
    assert result.error[0] == pytest.approx(1 - hit)


PUBLISHED = {
    "upc2016_cls_val_submission": (0.5885, 0.5927, 0.7502),
    "upc2016_cls_val_lstm09_e150": (0.5783, 0.5873, 0.7369),
    "upc2016_cls_val_lstm12_e030": (0.5580, 0.5572, 0.7364),
    "upc2016_cls_val_windows01_e100": (0.5224, 0.5682, 0.7370),
    "upc2016_cls_val_audiovisual04_e100": (0.5695, 0.5682, 0.7266),
    "upc2016_cls_val_audioonly03_e100": (0.0370, 0.0694, 0.1257),
    "official_sample_classification_prediction": (1.0, 0.9993, 1.0),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_have_their_figures(name: str) -> None:
    ground_truth = official()
    path = shared(f"data/activitynet/predictions/{name}.json.gz")
    result = classification.evaluate(ground_truth, read_predictions(path, Task.CLASSIFICATION))
    found = (result.map, *result.average_hit)
    assert found == pytest.approx(PUBLISHED[name], abs=5e-5)


def test_the_strong_classifiers_best_label() -> None:
    ground_truth = official()
    path = shared("data/activitynet/predictions/cuhk_style_top1_val.json.gz")
    rows = json.loads(gzip.decompress(path.read_bytes()))
    labels = tuple(dict.fromkeys(row["class"] for row in rows.values()))
    predictions = Predictions(
        task=Task.CLASSIFICATION,
        video_ids=tuple(video_id.removeprefix("v_") for video_id in rows),
        video=np.arange(len(rows)),
        scores=np.array([row["score"] for row in rows.values()]),
        label_index=np.array([labels.index(row["class"]) for row in rows.values()]),
        labels=labels,
    )
    result = classification.evaluate(ground_truth, predictions, top=(1,))
    assert result.map == pytest.approx(0.8644, abs=5e-5)
    assert result.average_hit[0] == pytest.approx(0.8846, abs=5e-5)


ROWS = [("a", 0.0, 1.0, "x"), ("b", 0.0, 1.0, "y"), ("c", 0.0, 1.0, "y")]


def test_recognition_adds_the_mean_error_and_names_confused_pairs() -> None:
    predictions = said(
        [
            ("a", 0.0, 1.0, "x", 0.9),
            ("b", 0.0, 1.0, "x", 0.9),
            ("b", 0.0, 1.0, "y", 0.1),
            ("c", 0.0, 1.0, "x", 0.9),
        ],
        Task.RECOGNITION,
    )
    result = recognition.evaluate(truth(ROWS), predictions)
    assert result.error == pytest.approx((2 / 3, 1 / 3))
    assert result.mean_error == pytest.approx(0.5)
    assert result.figures["average_error"] == pytest.approx(0.5)
    assert result.confused == (("y", "x", 2),)
    assert result.signature.startswith("error|ground-truth|validation|videos:3|top:1,5|")
    easy, hard = result.extremes(1)
    assert easy[0][1] == result.ap.max()
    assert hard[0][1] == result.ap.min()


def test_a_trimmed_clip_has_one_label() -> None:
    with pytest.raises(DataError, match="a trimmed clip must have one label, clip a of ground-truth has several"):
        recognition.evaluate(truth([*ROWS, ("a", 0.0, 1.0, "y")]), said([(*ROWS[0], 1.0)], Task.RECOGNITION))


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match="predictions must be for classification or recognition, got localization"):
        classification.evaluate(truth(ROWS), said([(*ROWS[0], 1.0)]))
    with pytest.raises(DataError, match=r"k of hit@k must be at least 1, got \[0\]"):
        classification.evaluate(truth(ROWS), said([(*ROWS[0], 1.0)], Task.CLASSIFICATION), top=(0,))
    with pytest.raises(DataError, match=r"label 'q' of video a is none of the 2 classes .*1 unknown labels, 1 predict"):
        classification.evaluate(truth(ROWS), said([("a", 0.0, 1.0, "q", 1.0)], Task.CLASSIFICATION))


def test_without_any_prediction_everything_is_missed() -> None:
    result = classification.evaluate(truth(ROWS), said([], Task.CLASSIFICATION))
    assert result.map == 0.0
    assert result.hit == (0.0, 0.0)
    assert result.confused == ()
