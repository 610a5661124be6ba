"""Dense captions equal the official programs in all four rule sets, and SODA the released one."""

import itertools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_folder import shared
from untrimmed.columns import Sentences
from untrimmed.data import captions, raw, submissions
from untrimmed.evaluate import captioning, floors, paragraphs, soda
from untrimmed.evaluate.dense_pairs import RULES, dense_tiou, find_rules, pair
from untrimmed.evaluate.story import best_sum, traced
from untrimmed.records import DataError

CASES = ("cap-corners", "cap-jitter", "cap-gt-proposals")


def case_of(name: str) -> tuple[list[Sentences], Sentences, dict[str, Any]]:
    folder = shared(f"reference/{name}")
    references = [raw.to_references(captions.read(folder / f"ref_{i}.json.gz"))[0] for i in (1, 2)]
    predictions = submissions.read_captions(folder / "pred.json.gz")
    return references, predictions, json.loads((folder / "expected.json").read_text())


@pytest.mark.parametrize("name", CASES)
def test_all_four_rule_sets_equal_the_official_programs(name: str) -> None:
    references, predictions, case = case_of(name)
    assert len(case["expected"]) == 4
    for version, expected in case["expected"].items():
        found = captioning.evaluate(references, predictions, rules=version).figures
        for metric, values in expected.items():
            np.testing.assert_allclose(found[metric], values, atol=1e-9, err_msg=f"{version} {metric}")


@pytest.mark.parametrize("name", CASES[1:])
def test_soda_equals_the_released_program(name: str) -> None:
    references, predictions, case = case_of(name)
    found = soda.evaluate(references, predictions).figures
    assert found.keys() == case["soda"].keys()
    for key, expected in case["soda"].items():
        assert found[key] == pytest.approx(expected, abs=1e-9), key


def sentences(rows: list[tuple[str, float, float, str]], *, name: str = "mine") -> Sentences:
    ids = tuple(dict.fromkeys(row[0] for row in rows))
    return Sentences(
        name=name,
        video_ids=ids,
        durations=np.full(len(ids), 60.0),
        video=np.array([ids.index(row[0]) for row in rows], dtype=np.int64),
        segments=np.array([row[1:3] for row in rows], dtype=np.float64).reshape(-1, 2),
        sentences=tuple(row[3] for row in rows),
    )


def test_the_charges_of_the_rule_sets() -> None:
    first = sentences([("v", 0, 10, "a man runs"), ("w", 0, 10, "a dog")])
    second = sentences([("v", 20, 30, "a man sits")])
    said = sentences([("v", 0, 10, "x"), ("v", 20, 30, "x"), ("v", 40, 50, "x"), ("w", 40, 50, "x")])
    pairs = pair([first, second], said, tious=captioning.TIOUS)
    charges = {rules.name: pairs.charges(rules, 0.5).tolist() for rules in RULES}
    assert charges["2017-06"] == [0, 0, 1, 1]  # the last of each video, if it matches nothing
    assert charges["2017-11"] == [0, 1, 2, 1]  # once for each file that has the video, up to the first that matches
    assert charges["2018-05"] == charges["2019-06"] == [0, 0, 1, 1]
    swapped = pair([second, first], said, tious=captioning.TIOUS)
    assert swapped.charges(find_rules("2017-11"), 0.5).tolist() == [1, 0, 2, 1]  # the order of the files matters


def test_rule_sets_have_their_usual_names() -> None:
    assert find_rules("METEOR2018").name == find_rules("v2018_05").name == find_rules("2018").name == "2018-05"
    assert find_rules("meteor2021").name == find_rules("2021").name == "2019-06"
    assert find_rules("challenge").name == find_rules("2017").name == "2017-06"
    with pytest.raises(DataError, match=r"^rules of dense captioning must be one of 2017-06 = 2017 = .*; got '2016'$"):
        find_rules("2016")


SEGMENT = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda pair: (float(min(pair)), float(max(pair)) + 1))
ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), SEGMENT), min_size=1, max_size=12)


@given(ROWS, ROWS, ROWS, st.integers(1, 4))
@settings(max_examples=60)
def test_recall_precision_and_pairs_are_those_of_plain_loops(
    first: list[Any], second: list[Any], said: list[Any], most: int
) -> None:
    files = [sentences([(video, *segment, "x") for video, segment in rows]) for rows in (first, second)]
    submission = sentences([(video, *segment, "y") for video, segment in said])
    tious = np.array([0.3, 0.7])
    pairs = pair(files, submission, tious=tious, max_captions=most)
    kept = {video: [segment for own, segment in said if own == video][:most] for video in "abc"}

    def tiou(one: Any, other: Any) -> float:
        return float(dense_tiou(np.array([one]), np.array([other]))[0])

    count = 0
    for place, video in enumerate(pairs.video_ids):
        lists = [[segment for own, segment in rows if own == video] for rows in (first, second)]
        count += sum(tiou(p, r) >= 0.3 for p in kept[video] for own in lists for r in own)
        for column, threshold in enumerate(tious.tolist()):
            recalls = [
                sum(any(tiou(p, r) > threshold for p in kept[video]) for r in own) / len(own) for own in lists if own
            ]
            hits = [sum(any(tiou(p, r) > threshold for r in own) for p in kept[video]) for own in lists]
            assert pairs.recall[place, column] == pytest.approx(max(recalls))
            assert pairs.matched[place, column] == max(hits)
    assert len(pairs.tiou) == count


def test_many_pairs_are_compared_in_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    references, predictions, _ = case_of("cap-corners")
    whole = pair(references, predictions, tious=captioning.TIOUS)
    monkeypatch.setattr("untrimmed.evaluate.dense_pairs._AT_ONCE", 7)
    parts = pair(references, predictions, tious=captioning.TIOUS)
    np.testing.assert_array_equal(whole.tiou, parts.tiou)
    np.testing.assert_array_equal(whole.recall, parts.recall)


def test_a_perfect_submission_is_perfect_and_signed() -> None:
    truth = sentences(
        [("v", 0, 10, "a man runs fast"), ("v", 20, 30, "the dog eats food"), ("w", 0, 5, "a cat sits down")]
    )
    result = captioning.evaluate([truth], truth, scorers=("Bleu", "ROUGE_L", "CIDEr"), dataset="mine")
    assert result.average("Bleu_4") == pytest.approx(1.0, abs=1e-6)
    assert result.average("ROUGE_L") == result.average("Recall") == result.average("Precision") == 1.0
    assert result.figures["CIDEr"] == pytest.approx([5.0] * 4)  # w has a single item and scores 0
    assert result.signature.startswith(
        "Bleu_1+Bleu_2+Bleu_3+Bleu_4+ROUGE_L+CIDEr+Recall+Precision|mine|validation|videos:2"
    )
    assert "|tiou:0.30,0.50,0.70,0.90|rules:2018-05|references:1|" in result.signature


def test_a_video_without_a_sentence_does_not_count() -> None:
    truth = sentences([("v", 0, 10, "a man runs fast"), ("w", 0, 10, "a dog")])
    part = replace(truth, video=truth.video[:1], segments=truth.segments[:1], sentences=truth.sentences[:1])
    assert captioning.evaluate([part], truth, scorers=()).video_ids == ("v",)


def test_no_captions_at_all_score_zero_in_every_rule_set() -> None:
    truth = sentences([("v", 0, 10, "a man runs fast")])
    nothing = sentences([("unknown", 0, 10, "a man runs fast")])
    for rules in RULES:
        figures = captioning.evaluate([truth], nothing, rules=rules.name).figures
        assert all(value == 0 for value in figures["average"].values()), rules.name


def test_a_single_caption_under_the_rules_of_2017_divides_by_one() -> None:
    truth = sentences([("v", 0, 10, "a man runs fast")])
    result = captioning.evaluate([truth], truth, rules="2017-06", scorers=())
    assert result.average("Recall") == result.average("Precision") == 1.0


def test_what_cannot_be_scored_is_said() -> None:
    truth = sentences([("v", 0, 10, "a man")])
    empty = sentences([])
    with pytest.raises(DataError, match=r"^dense captioning needs at least one reference sentence, got none$"):
        captioning.evaluate([empty], truth)
    with pytest.raises(DataError, match=r"^tIoU thresholds must be in \(0, 1\], got \[0.0\]$"):
        captioning.evaluate([truth], truth, tious=np.array([0.0]))
    with pytest.raises(DataError, match=r"^scorers must be among Bleu, METEOR, ROUGE_L, CIDEr, got 'SPICE'$"):
        captioning.evaluate([truth], truth, scorers=("SPICE",))
    with pytest.raises(DataError, match=r"^SODA needs at least one reference sentence, got none$"):
        soda.evaluate([empty], truth)
    with pytest.raises(DataError, match=r"^paragraphs need a video with both captions and references, got none$"):
        paragraphs.evaluate([truth], empty)
    with pytest.raises(DataError, match=r"^random sentences need a pool to draw from, got an empty one$"):
        floors.random_sentence(truth, [])


@given(st.integers(1, 5), st.integers(1, 5), st.data())
def test_best_sum_is_the_best_of_all_ordered_matchings(rows: int, columns: int, data: st.DataObject) -> None:
    gains = np.array([[data.draw(st.integers(0, 5)) for _ in range(columns)] for _ in range(rows)], dtype=np.float64)

    def best(i: int, j: int) -> float:
        if i == rows or j == columns:
            return 0.0
        return max(best(i + 1, j), best(i, j + 1), gains[i, j] + best(i + 1, j + 1))

    assert best_sum(gains) == best(0, 0)
    cells = traced(gains)
    assert all(a < c and b < d for (a, b), (c, d) in itertools.pairwise(cells))
    assert sum(gains[cell] for cell in cells) <= best_sum(gains)


def test_paragraphs_are_read_in_order_of_time_and_repetition_is_counted() -> None:
    truth = sentences([("v", 0, 10, "A man runs."), ("v", 20, 30, "He sits down."), ("w", 0, 9, "A cat.")])
    said = sentences([("v", 20, 30, "He sits down."), ("v", 0, 10, "A man runs.")])
    assert paragraphs.joined(said) == {"v": "A man runs. He sits down."}
    result = paragraphs.evaluate([truth], said)
    assert result.figures["METEOR"] == pytest.approx(1.0)
    assert result.figures["Bleu_4"] == pytest.approx(1.0, abs=1e-6)
    assert (result.figures["n_videos"], result.figures["n_missing"], result.figures["RE_4"]) == (1, 1, 0.0)
    again = sentences([("v", 0, 10, "the man runs fast"), ("v", 2, 12, "the man runs fast")])
    # 8 words hold 5 4-grams, of which one comes twice
    assert paragraphs.evaluate([truth], again).figures["RE_4"] == pytest.approx(1 / 5)
    assert paragraphs.evaluate([truth], again).figures["distinct_1"] == pytest.approx(4 / 8)


def test_floors_keep_the_segments() -> None:
    truth = sentences([("v", 0, 10, "a man runs"), ("v", 20, 30, "he sits")])
    assert set(floors.constant(truth).sentences) == {floors.CONSTANT}
    drawn = floors.random_sentence(truth, ["x", "y"], seed=1)
    assert drawn.sentences == floors.random_sentence(truth, ["x", "y"], seed=1).sentences
    np.testing.assert_array_equal(drawn.segments, truth.segments)
    even = floors.even_segments(["v"], np.array([60.0]))
    assert len(even) == 15
    assert even.segments[1].tolist() == [0, 30]
    assert even.segments[-1].tolist() == [48, 60]
