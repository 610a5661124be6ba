"""Published figures of published captions, to the last digit that was printed.

METEOR times 100. The figures were computed with the Java tokenizer over whole files, where the last abbreviation of one
sentence depends on the next one; ours looks at each sentence alone, which moves one sentence and the sixth digit.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from meteor_for_tests import as_tokens, own_segment_pairs

from shared_folder import shared
from untrimmed.columns import Sentences
from untrimmed.data import captions, raw, submissions
from untrimmed.evaluate import captioning, floors, soda
from untrimmed.evaluate.dense_pairs import RULES
from untrimmed.evaluate.text import backends, meteor

pytestmark = pytest.mark.slow

FOLDER = "data/activitynet_captions"


@cache
def references_in(path: Path) -> Sentences:
    return raw.to_references(captions.read(path))[0]


@pytest.fixture(scope="module")
def truth() -> Sentences:
    return references_in(shared(f"{FOLDER}/val_1.json.gz"))


def said(name: str) -> Sentences:
    return submissions.read_captions(shared(f"{FOLDER}/predictions/{name}_gtprops_val_1.json.gz"))


def only(sentences: Sentences, kept: Sentences) -> Sentences:
    """The sentences of the videos that the other side has."""
    wanted = set(kept.video_ids)
    mask = np.array([sentences.video_ids[video] in wanted for video in sentences.video.tolist()])
    return Sentences(
        name=sentences.name,
        video_ids=sentences.video_ids,
        durations=sentences.durations,
        video=sentences.video[mask],
        segments=sentences.segments[mask],
        sentences=tuple(text for text, stays in zip(sentences.sentences, mask.tolist(), strict=True) if stays),
    )


def by_start_and_end(sentences: Sentences) -> Sentences:
    order = np.lexsort((sentences.segments[:, 1], sentences.segments[:, 0], sentences.video))
    return Sentences(
        name=sentences.name,
        video_ids=sentences.video_ids,
        durations=sentences.durations,
        video=sentences.video[order],
        segments=sentences.segments[order],
        sentences=tuple(sentences.sentences[place] for place in order.tolist()),
    )


@pytest.mark.parametrize(
    ("name", "whole", "present", "by_tiou"),
    [
        ("mdvc", 9.940734, 10.903098, (10.8781, 10.9018, 10.9184, 10.9141)),
        ("bmt", 9.794206, 10.742385, (10.7050, 10.7377, 10.7567, 10.7702)),
    ],
)
def test_captions_of_true_segments(
    name: str, whole: float, present: float, by_tiou: tuple[float, ...], truth: Sentences
) -> None:
    predictions = said(name)
    assert len(predictions) == 15_921
    for rules in RULES:  # every segment is a reference's own, so nothing is charged
        found = captioning.evaluate([truth], predictions, rules=rules.name, scorers=("METEOR",))
        assert 100 * found.average("METEOR") == pytest.approx(whole, abs=1e-5)
    found = captioning.evaluate([only(truth, predictions)], predictions, scorers=("METEOR", "Bleu"))
    assert len(found.video_ids) == 4483
    assert 100 * found.average("METEOR") == pytest.approx(present, abs=1e-5)
    assert 100 * found.by_tiou("METEOR") == pytest.approx(by_tiou, abs=6e-5)
    blue = {"mdvc": (21.89, 10.47, 4.65, 2.17), "bmt": (21.79, 10.56, 4.68, 2.07)}[name]
    for n, value in enumerate(blue, start=1):
        assert 100 * found.average(f"Bleu_{n}") == pytest.approx(value, abs=0.0051)


@pytest.mark.parametrize(("name", "aggregate", "mean"), [("mdvc", 10.330213, 10.793146), ("bmt", 10.147686, 10.559269)])
def test_own_segments_only(name: str, aggregate: float, mean: float, truth: Sentences) -> None:
    pairs = as_tokens(own_segment_pairs(([truth], said(name))))
    assert len(pairs) == 15_921
    statistics = backends.shared().statistics(pairs)
    assert 100 * meteor.scores(statistics).mean() == pytest.approx(mean, abs=2e-5)
    total = meteor.summands(statistics).sum(axis=0, keepdims=True)
    assert 100 * meteor.scores(total)[0] == pytest.approx(aggregate, abs=2e-5)


@pytest.mark.parametrize(("name", "released", "natural"), [("mdvc", 11.1898, 11.0839), ("bmt", 11.1540, 10.8901)])
def test_stories_in_both_orders(name: str, released: float, natural: float, truth: Sentences) -> None:
    """The recorded figures put the shorter of two events that start together first; the released program does not."""
    predictions, truth = by_start_and_end(said(name)), by_start_and_end(truth)
    for order, value in (("released", released), ("natural", natural)):
        found = soda.evaluate([truth], predictions, order=order).figures  # type: ignore[arg-type]
        assert 100 * found["soda_c_pdvc_mean_f1"] == pytest.approx(value, abs=5.1e-5)


def test_predicted_segments_of_timechat_in_all_rule_sets() -> None:
    truth = references_in(shared("data/youcook2/yc2_val_gt.json"))
    predictions = submissions.read_captions(shared("data/youcook2/timechat_val_predictions.json"))
    wanted = {"2017-06": 1.566037, "2017-11": 0.754015, "2018-05": 0.754015, "2019-06": 1.081282}
    for rules in RULES:
        found = captioning.evaluate([truth], predictions, rules=rules.name, scorers=("METEOR",))
        assert len(found.video_ids) == 290
        assert 100 * found.average("METEOR") == pytest.approx(wanted[rules.name], abs=1e-6)
        if rules.name == "2017-06":
            assert 100 * found.by_tiou("METEOR") == pytest.approx((3.5765, 2.0853, 0.5633, 0.0390), abs=5.1e-5)
        if rules.name == "2018-05":
            assert 100 * found.by_tiou("METEOR") == pytest.approx((2.0198, 0.8266, 0.1580, 0.0117), abs=5.1e-5)
            assert 100 * found.average("Recall") == pytest.approx(13.1430, abs=5.1e-5)
            assert 100 * found.average("Precision") == pytest.approx(12.7201, abs=5.1e-5)
    for order, value in (("released", 0.8539), ("natural", 0.9540)):
        figures = soda.evaluate([truth], predictions, order=order).figures  # type: ignore[arg-type]
        assert 100 * figures["soda_c_pdvc_mean_f1"] == pytest.approx(value, abs=5.1e-5)


def test_even_segments(truth: Sentences) -> None:
    """The published 97.71 / 94.02 / 77.91 want the second reference file; with it beside the first they come out."""
    second = shared(f"{FOLDER}/val_2.json.gz")
    files = [truth, references_in(second)]
    durations = dict(zip(truth.video_ids, truth.durations.tolist(), strict=True))
    even = floors.even_segments(tuple(durations), np.array(list(durations.values())))
    found = captioning.evaluate(files, even, scorers=())
    assert 100 * found.by_tiou("Recall")[:3] == pytest.approx((97.67, 93.98, 77.62), abs=0.0051)
    assert 100 * found.by_tiou("Precision")[:3] == pytest.approx((91.42, 52.30, 24.14), abs=0.0051)
