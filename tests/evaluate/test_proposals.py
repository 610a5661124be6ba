"""Proposals: the rules in plain loops, both arithmetics, random proposals on real annotations, words."""

import gzip

import numpy as np
import pytest
from columns_for_tests import said, truth
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_folder import shared
from untrimmed.columns import GroundTruth, Predictions
from untrimmed.data import read_ground_truth
from untrimmed.data.durations import read_durations
from untrimmed.data.tag_proposals import read_tag_proposals
from untrimmed.evaluate import proposals
from untrimmed.records import DataError, Task


def plain(rows: list, predictions: list, most: float | None) -> tuple[list, list]:
    """Average recall and number of proposals at 100 steps, video by video, as the rules say it."""
    videos = list(dict.fromkeys(row[0] for row in rows))
    most = len(predictions) / len(videos) if most is None else most
    ratio = most * len(videos) / len(predictions)
    tables, together = [], 0
    for video in videos:
        wanted = [row[1:3] for row in rows if row[0] == video]
        mine = [(row[4], place, row[1:3]) for place, row in enumerate(predictions) if row[0] == video]
        mine = [row[2] for row in sorted(mine)[::-1]]
        count = min(int(len(mine) * ratio), len(mine))
        together += count
        tables.append((wanted, mine[:count]))
    recall, numbers = [], []
    for step in range(1, 101):
        share = step / 100.0 * (most * float(len(videos)) / together)
        found = np.zeros(10)
        for wanted, mine in tables:
            used = mine[: min(int(len(mine) * share), len(mine))]
            for g in wanted:
                best = 0.0
                for p in used:
                    i = max(0.0, min(p[1], g[1]) - max(p[0], g[0]))
                    u = (g[1] - g[0]) + (p[1] - p[0]) - i
                    best = max(best, i / u if u else 0.0)
                found += best >= proposals.TIOUS
        recall.append(found.mean() / len(rows))
        numbers.append(share * together / len(videos))
    return recall, numbers


times = st.integers(0, 6).map(float)
instances = st.tuples(st.sampled_from("abc"), times, times, st.just("x"))
scored = st.tuples(st.sampled_from("abcd"), times, times, st.just("x"), st.integers(0, 5).map(float))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(instances, min_size=1, max_size=8),
    st.lists(scored, min_size=1, max_size=20),
    st.sampled_from([None, 1, 3.5, 100]),
)
def test_it_equals_the_rules_in_plain_loops(rows: list, predictions: list, most: float | None) -> None:
    try:
        recall, numbers = plain(rows, predictions, most)
    except ZeroDivisionError:
        with pytest.raises(DataError, match="no proposal is left"):
            proposals.evaluate(truth(rows), said(predictions, Task.PROPOSALS), max_average=most)
        return
    result = proposals.evaluate(truth(rows), said(predictions, Task.PROPOSALS), max_average=most)
    np.testing.assert_allclose(result.average_recall, recall, rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.numbers, numbers, rtol=0, atol=1e-12)
    area = sum((recall[k] + recall[k - 1]) / 2 * (numbers[k] - numbers[k - 1]) for k in range(1, 100))
    assert result.area == pytest.approx(area, abs=1e-12)
    assert result.auc == pytest.approx(100 * area / numbers[-1], abs=1e-10)


def perfect(count: int) -> tuple[GroundTruth, Predictions]:
    rows = [(f"v{i}", 0.0, 10.0, "x") for i in range(4)]
    hundred = [
        (row[0], *((0.0, 10.0) if n == 0 else (50.0, 60.0)), "x", -float(n)) for row in rows for n in range(count)
    ]
    return truth(rows), said(hundred, Task.PROPOSALS)


def test_perfect_recall_gives_99_percent_officially_and_100_when_corrected() -> None:
    ground_truth, predictions = perfect(100)
    assert proposals.evaluate(ground_truth, predictions).auc == pytest.approx(99.0)
    corrected = proposals.evaluate(ground_truth, predictions, mode=proposals.Mode.CORRECTED)
    assert corrected.auc == pytest.approx(100.0)
    assert "mode:corrected" in corrected.signature


def test_truncation_of_floats_shows_at_steps_29_57_and_58_and_is_corrected() -> None:
    rows = [("v", 0.0, 10.0, "x")]
    for step in (29, 57, 58):
        predictions = said(
            [("v", *((0.0, 10.0) if n == step - 1 else (50.0, 60.0)), "x", -float(n)) for n in range(100)],
            Task.PROPOSALS,
        )
        official = proposals.evaluate(truth(rows), predictions).average_recall
        corrected = proposals.evaluate(truth(rows), predictions, mode=proposals.Mode.CORRECTED).average_recall
        assert official[step - 1] == 0.0
        assert official[step] == 1.0
        assert corrected[step - 1] == 1.0
        assert corrected[step - 2] == 0.0


def test_ar_at_a_number_recall_and_precision() -> None:
    ground_truth, predictions = perfect(100)
    result = proposals.evaluate(ground_truth, predictions)
    assert result.at(1) == result.at(10) == 1.0
    assert result.figures["AR@100"] == 1.0
    assert result.precision.tolist() == [0.01] * 10
    assert proposals.recall_at(ground_truth, predictions).tolist() == [1.0] * 10
    with pytest.raises(DataError, match=r"AR@0.5 needs at least 1 proposals a video"):
        result.at(0.5)


def test_words_of_errors() -> None:
    ground_truth, predictions = perfect(2)
    with pytest.raises(DataError, match="the average number of proposals must be positive, got 0"):
        proposals.evaluate(ground_truth, predictions, max_average=0)
    with pytest.raises(DataError, match="predictions must be for proposals or localization, got recognition"):
        proposals.evaluate(ground_truth, said([("v", 0.0, 1.0, "x", 1.0)], Task.RECOGNITION))


def uniform(ground_truth: GroundTruth, seed: int) -> Predictions:
    """100 proposals a video: centre and length uniform in the duration, not clipped, random scores."""
    rng = np.random.default_rng(seed)
    count = len(ground_truth.video_ids)
    centre, length = rng.random((2, count * 100)) * np.repeat(ground_truth.durations, 100)
    return Predictions(
        task=Task.PROPOSALS,
        video_ids=ground_truth.video_ids,
        video=np.repeat(np.arange(count), 100),
        scores=rng.random(count * 100),
        segments=np.stack([centre - length / 2, centre + length / 2], axis=1),
    )


def test_uniform_random_proposals_reach_the_challenges_figures() -> None:
    whole = read_ground_truth(shared("data/activitynet/activity_net.v1-3.json.gz"))
    counted = read_durations(shared("data/activitynet/video_info.csv.gz"), name="num_frames")
    part = whole.without(set(whole.video_ids) - set(counted))
    assert len(part.video_ids) == 4728
    assert len(part.video) == 7293
    for seed in (0, 1, 2):
        result = proposals.evaluate(part, uniform(part, seed))
        assert 100 * result.at(10) == pytest.approx(29.05, abs=1.0)
        assert 100 * result.at(100) == pytest.approx(56.14, abs=0.9)
        assert result.auc == pytest.approx(44.90, abs=0.7)


def test_recall_of_all_tag_proposals() -> None:
    """Against the instances in the list itself, which are shares of the video like the proposals."""
    path = shared("data/activitynet/proposals/activitynet1.2_tag_val_normalized_proposal_list.txt.gz")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    rows, position = [], 0
    while position < len(lines):
        video_id, count = lines[position + 1], int(lines[position + 4])
        for line in lines[position + 5 : position + 5 + count]:
            rows.append((video_id, *map(float, line.split()[1:]), line.split()[0]))
        position += 6 + count + int(lines[position + 5 + count])
    assert len(rows) == 3582
    known = read_tag_proposals(path, dict.fromkeys({row[0] for row in rows}, 1.0))
    assert len(known) == 120148
    recall = proposals.recall_at(truth(rows), known)
    assert recall.mean() == pytest.approx(0.6422, abs=5e-5)
    at_three = proposals.recall_at(truth(rows), known, tious=np.array([0.5, 0.7, 0.9]))
    np.testing.assert_allclose(at_three, [0.8730, 0.7175, 0.4079], rtol=0, atol=5e-5)
    assert at_three[2] < recall[8]  # one instance has tIoU 0.9 in floats, and the ninth threshold is just below
