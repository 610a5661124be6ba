"""THUMOS'14 rules: the official MATLAB program's figures, published detectors, and a plain second writing."""

import csv
import gzip
import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_folder import SHARED, shared
from untrimmed.columns import GroundTruth, Predictions
from untrimmed.data import read_ground_truth, read_predictions
from untrimmed.data.thumos import read_class_list
from untrimmed.evaluate import proposals, thumos
from untrimmed.evaluate.frames import average_precision
from untrimmed.records import DataError, Task


@cache
def real_truth() -> GroundTruth:
    return read_ground_truth(shared("data/thumos14/annotations_test"), "testing")


def synthetic() -> tuple[GroundTruth, Predictions, dict]:
    folder = shared("reference/thumos-synthetic")
    record = json.loads((folder / "expected.json").read_text())
    truth = json.loads(gzip.decompress((folder / "gt.json.gz").read_bytes()))
    said = json.loads(gzip.decompress((folder / "pred.json.gz").read_bytes()))
    labels = tuple(record["class_order"])
    rows = [(label, *row) for label in labels for row in truth[label]]
    unsure = truth["Ambiguous"]
    videos = tuple(dict.fromkeys([row[1] for row in rows] + [row[0] for row in unsure]))
    place = {video_id: index for index, video_id in enumerate(videos)}
    ground_truth = GroundTruth(
        video_ids=videos,
        durations=np.full(len(videos), np.nan),
        video=np.array([place[row[1]] for row in rows]),
        segments=np.array([row[2:4] for row in rows], dtype=float),
        label_index=np.array([labels.index(row[0]) for row in rows]),
        labels=labels,
        ambiguous_video=np.array([place[row[0]] for row in unsure]),
        ambiguous_segments=np.array([row[1:3] for row in unsure], dtype=float),
    )
    names = dict(zip(record["class_ids"], labels, strict=True))
    said = [row for row in said if row[3] in names]
    said_videos = tuple(dict.fromkeys(row[0] for row in said))
    predictions = Predictions(
        task=Task.LOCALIZATION,
        video_ids=said_videos,
        video=np.array([said_videos.index(row[0]) for row in said]),
        scores=np.array([row[4] for row in said], dtype=float),
        segments=np.array([row[1:3] for row in said], dtype=float),
        label_index=np.array([labels.index(names[row[3]]) for row in said]),
        labels=labels,
    )
    return ground_truth, predictions, record


def test_the_synthetic_case_is_as_the_official_program_says() -> None:
    ground_truth, predictions, record = synthetic()
    figures = thumos.evaluate(ground_truth, predictions).figures["by_tiou"]
    assert set(figures) == set(record["expected"])
    for tiou, expected in record["expected"].items():
        np.testing.assert_allclose(figures[tiou]["ap"], expected["ap"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(figures[tiou]["mAP"], expected["mAP"], rtol=0, atol=1e-9)


TURN = json.loads((SHARED / "reference/thumos-turn/expected.json").read_text())["expected"] if SHARED.exists() else {}


PUBLISHED = dict(
    zip(
        ("0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7"),
        (0.5404, 0.5093, 0.4413, 0.3488, 0.2556, 0.1554, 0.0774),
        strict=True,
    )
)
"""TURN's paper, to the digits that its authors' files give."""


@pytest.mark.parametrize("name", TURN or ["absent"], ids=lambda name: Path(name).name)
def test_the_turn_detections_are_as_the_official_program_says(name: str) -> None:
    record = json.loads((shared("reference/thumos-turn") / "expected.json").read_text())
    ground_truth = real_truth()
    assert ground_truth.labels == tuple(record["class_order"])
    assert len(ground_truth.video) == 3358
    assert len(ground_truth.ambiguous_video) == 99
    classes = read_class_list(shared("data/thumos14/detclasslist.txt"))
    predictions = read_predictions(shared(name.removeprefix("shared/")), Task.LOCALIZATION, classes=classes)
    expected = record["expected"][name]
    figures = thumos.evaluate(ground_truth, predictions, tious=np.array([float(key) for key in expected])).figures
    for tiou, wanted in expected.items():
        np.testing.assert_allclose(figures["by_tiou"][tiou]["ap"], wanted["ap"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(figures["by_tiou"][tiou]["mAP"], wanted["mAP"], rtol=0, atol=1e-9)
    (tiou,) = expected
    published = 0.2249 if "C3D" in name else PUBLISHED[tiou]
    assert figures["by_tiou"][tiou]["mAP"] == pytest.approx(published, abs=5e-5)


def test_r_c3d() -> None:
    ground_truth = real_truth()
    names = list(read_class_list(shared("data/thumos14/detclasslist.txt")).values())
    classes = {str(index): name for index, name in enumerate(names, start=1)}
    path = shared("data/thumos14/rc3d_pytorch_results.json.gz")
    predictions = read_predictions(path, Task.LOCALIZATION, classes=classes)
    assert len(predictions) == 30481
    found = thumos.evaluate(ground_truth, predictions).map_by_tiou
    np.testing.assert_allclose(found, [0.4606, 0.4580, 0.4492, 0.4258, 0.3736, 0.2863, 0.1678], rtol=0, atol=5e-5)


def suppressed(start: np.ndarray, end: np.ndarray, score: np.ndarray, most: float) -> list[int]:
    """Greedy suppression as S-CNN ran it: keep what overlaps the kept ones by at most `most`; lengths exclusive."""
    left = list(np.argsort(score, kind="stable")[::-1])  # zero weights make equal scores: the later window first
    kept = []
    while left:
        best, *left = left
        kept.append(int(best))
        rest = np.array(left, dtype=int)
        shared_length = np.maximum(0.0, np.minimum(end[best], end[rest]) - np.maximum(start[best], start[rest]))
        union = (end[best] - start[best]) + (end[rest] - start[rest]) - shared_length
        left = list(rest[shared_length / union <= most])
    return kept


@pytest.mark.slow
def test_scnn_per_class_is_what_its_authors_stored() -> None:
    stored = json.loads(gzip.decompress(shared("data/thumos14/scnn/reference_metrics.json.gz").read_bytes()))
    text = gzip.decompress(shared("data/thumos14/scnn/localization_windows.csv.gz").read_bytes()).decode()
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["class_index"] != "0"]
    weight = np.array(stored["window_length_weight"]["weight"])
    lengths = [16, 32, 64, 128, 256, 512]
    ground_truth = real_truth()
    names = list(read_class_list(shared("data/thumos14/detclasslist.txt")).values())
    video = np.array([row["video"] for row in rows])
    label = np.array([int(row["class_index"]) - 1 for row in rows])
    window = np.array([lengths.index(int(row["window_frames"])) for row in rows])
    score = np.array([float(row["score"]) for row in rows]) * weight[window, label]
    start, end = (np.array([float(row[key]) for row in rows]) for key in ("t_start", "t_end"))
    key = np.unique(np.char.add(np.char.add(video, "/"), label.astype(str)), return_inverse=True)[1]
    groups = np.split(np.argsort(key, kind="stable"), np.flatnonzero(np.diff(np.sort(key))) + 1)
    for index, (tiou, kept_count) in enumerate(
        zip((0.1, 0.2, 0.3, 0.4, 0.5), (10285, 11294, 14350, 19025, 24244), strict=True)
    ):
        kept = np.concatenate(
            [group[suppressed(start[group], end[group], score[group], tiou - 0.1)] for group in groups]
        )
        assert len(kept) == kept_count
        videos, numbers = np.unique(video[kept], return_inverse=True)
        predictions = Predictions(
            task=Task.LOCALIZATION,
            video_ids=tuple(videos.tolist()),
            video=numbers.astype(np.int64),
            scores=np.array([float(f"{value:.5g}") for value in score[kept]]),
            segments=np.round(np.stack([start[kept], end[kept]], axis=1), 1),
            label_index=label[kept],
            labels=tuple(names),
        )
        found = thumos.evaluate(ground_truth, predictions, tious=np.array([tiou])).ap[:, 0]
        by_name = dict(zip(ground_truth.labels, found, strict=True))
        expected = np.array(stored["ap"][index])
        np.testing.assert_allclose([by_name[name] for name in names], expected, rtol=0, atol=1e-12)


def test_recall_of_the_turn_proposals() -> None:
    ground_truth = real_truth()
    rates = json.loads(shared("data/thumos14/proposals/test_fps.json").read_bytes())
    text = gzip.decompress(shared("data/thumos14/proposals/turn_test_proposals.txt.gz").read_bytes()).decode()
    rows = [line.split() for line in text.splitlines()]
    videos = tuple(dict.fromkeys(row[0] for row in rows))
    place = {video_id: index for index, video_id in enumerate(videos)}
    predictions = Predictions(
        task=Task.PROPOSALS,
        video_ids=videos,
        video=np.array([place[row[0]] for row in rows]),
        scores=np.ones(len(rows)),
        segments=np.array([[float(row[1]), float(row[2])] for row in rows])
        / np.array([rates[row[0]] for row in rows])[:, None],
    )
    found = proposals.recall_at(ground_truth, predictions, tious=np.array([0.5, 0.7, 0.9]))
    np.testing.assert_allclose(found, [0.8755, 0.7388, 0.1954], rtol=0, atol=5e-5)


def test_untrimmednet_scores_on_all_101_classes() -> None:
    classes = shared("data/thumos14/classes_101.txt").read_text().split()
    table = np.load(shared("data/thumos14/untrimmednet_cls_test_scores_0001_1100.npy"), allow_pickle=False)
    with shared("data/thumos14/video_labels_101.csv").open() as file:
        labels_of = {row["video"]: row["labels"].split(";") for row in csv.DictReader(file)}
    truth = np.zeros(table.shape, dtype=bool)
    for index in range(1, 1101):
        for name in labels_of[f"video_test_{index:07d}"]:
            truth[index - 1, classes.index(name)] = True
    found = average_precision(table.astype(np.float64), truth, absent=np.nan)
    assert found.mean() == pytest.approx(0.6876, abs=5e-5)
    assert truth[np.arange(1100), table.argmax(axis=1)].mean() == pytest.approx(0.6509, abs=5e-5)


def plain_ap(truth: list, said: list, unsure: list, threshold: float) -> float:
    """One class in plain Python: (video, start, end) to find and to leave open, (video, start, end, score) said."""

    def cover(a: tuple, b: tuple) -> float:
        (a0, a1), (b0, b1) = sorted(a), sorted(b)
        inside = min(a1, b1) - max(a0, b0)
        return inside / (max(a1, b1) - min(a0, b0)) if inside > 0 else 0.0

    rows = []
    for video in sorted({one[0] for one in said}):
        mine = sorted((one for one in said if one[0] == video), key=lambda one: -one[3])
        hit = [False] * len(mine)
        for other in truth:
            if other[0] != video:
                continue
            found = [(-1.0 if hit[i] else cover(other[1:3], one[1:3])) for i, one in enumerate(mine)]
            best = found.index(max(found))
            if found[best] > threshold:
                hit[best] = True
        for one, good in zip(mine, hit, strict=True):
            if good or not any(cover(one[1:3], other[1:3]) > 0 for other in unsure if other[0] == video):
                rows.append((one[3], good))
    rows.sort(key=lambda row: -row[0])
    total, right = 0.0, 0
    for place, (_, good) in enumerate(rows, start=1):
        right += good
        total += right / place if good else 0.0
    return total / len(truth)


spans = st.tuples(st.sampled_from("abc"), st.integers(0, 8), st.integers(0, 8))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(spans, min_size=1, max_size=6),
    st.lists(st.tuples(spans, st.integers(0, 4)), max_size=12),
    st.lists(spans, max_size=3),
)
def test_it_equals_a_plain_second_writing(truth: list, said: list, unsure: list) -> None:
    said = [(*span, score / 4) for span, score in said]
    ids = ("a", "b", "c")
    ground_truth = GroundTruth(
        video_ids=ids,
        durations=np.full(3, 8.0),
        video=np.array([ids.index(one[0]) for one in truth]),
        segments=np.array([one[1:3] for one in truth], dtype=float),
        label_index=np.zeros(len(truth), dtype=np.int64),
        labels=("x",),
        ambiguous_video=np.array([ids.index(one[0]) for one in unsure], dtype=np.int64),
        ambiguous_segments=np.array([one[1:3] for one in unsure], dtype=float).reshape(-1, 2),
    )
    predictions = Predictions(
        task=Task.LOCALIZATION,
        video_ids=("c", "a", "b"),
        video=np.array(["cab".index(one[0]) for one in said], dtype=np.int64),
        scores=np.array([one[3] for one in said], dtype=float),
        segments=np.array([one[1:3] for one in said], dtype=float).reshape(-1, 2),
        label_index=np.zeros(len(said), dtype=np.int64),
        labels=("x",),
    )
    result = thumos.evaluate(ground_truth, predictions, tious=np.array([0.0, 0.3, 0.5]))
    expected = [plain_ap(truth, said, unsure, threshold) for threshold in (0.0, 0.3, 0.5)]
    np.testing.assert_allclose(result.ap[0], expected, rtol=0, atol=1e-12)


def test_an_unknown_class_id_is_told() -> None:
    path = shared("data/thumos14/turn_scnn/TURN-C3D-16_SCNN_thumos14_iou0.5.txt.gz")
    with pytest.raises(DataError, match=r"line 1: class id 9 is none of the 1 ids"):
        read_predictions(path, Task.LOCALIZATION, classes={"7": "BaseballPitch"})
