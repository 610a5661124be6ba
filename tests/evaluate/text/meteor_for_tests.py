"""METEOR beside its Java program: real sentence pairs, and the comparison of all 23 statistics."""

import functools

import numpy as np
import pytest

from shared_folder import shared
from untrimmed.columns import Sentences
from untrimmed.data import captions, raw, submissions
from untrimmed.evaluate.text import backends, meteor_python
from untrimmed.evaluate.tokens import tokenize
from untrimmed.records import MissingExtra

Pairs = list[tuple[str, str]]
Case = tuple[list[Sentences], Sentences]

CASES = ("cap-corners", "cap-jitter", "cap-gt-proposals")
"""The recorded cases of dense captions."""

AT_ONCE = 50_000


@functools.cache
def java_stands() -> bool:
    """Whether the Java program can be asked here."""
    try:
        backends.shared("java").score("a man runs", ["a man runs"])
    except MissingExtra:
        return False
    return True


def needs_java() -> None:
    """Skip the test where the Java program cannot be asked."""
    if not java_stands():
        pytest.skip("needs Java")


def equal_to_java(pairs: Pairs) -> None:
    """All 23 statistics of every pair are those of the Java program."""
    needs_java()
    for start in range(0, len(pairs), AT_ONCE):
        part = pairs[start : start + AT_ONCE]
        expected = backends.shared("java").statistics(part)
        found = meteor_python.statistics(part)
        odd = np.flatnonzero((found != expected).any(axis=1))
        told = [(part[place], found[place].tolist(), expected[place].tolist()) for place in odd[:3].tolist()]
        assert not len(odd), f"{len(odd)} of {len(part)} pairs differ, e.g. {told}"


def as_tokens(pairs: Pairs) -> Pairs:
    """The pairs as the evaluators hand them to METEOR."""
    first, second = (tokenize([pair[side] for pair in pairs]) for side in (0, 1))
    return [(" ".join(one), " ".join(other)) for one, other in zip(first, second, strict=True)]


def recorded_case(name: str) -> Case:
    """References and captions of a recorded case."""
    folder = shared(f"reference/{name}")
    references = [raw.to_references(captions.read(folder / f"ref_{i}.json.gz"))[0] for i in (1, 2)]
    return references, submissions.read_captions(folder / "pred.json.gz")


def published(name: str) -> Case:
    """References and captions of a published system: bmt or mdvc on true segments, timechat on its own."""
    if name == "timechat":
        truth, said = "data/youcook2/yc2_val_gt.json", "data/youcook2/timechat_val_predictions.json"
    else:
        folder = "data/activitynet_captions"
        truth, said = f"{folder}/val_1.json.gz", f"{folder}/predictions/{name}_gtprops_val_1.json.gz"
    return [raw.to_references(captions.read(shared(truth)))[0]], submissions.read_captions(shared(said))


def pairs_within_videos(case: Case) -> Pairs:
    """Every caption with every reference sentence of its video, raw; those of one segment are among them."""
    references, predictions = case
    own: dict[str, list[str]] = {}
    for one in references:
        for video, text in zip(one.video.tolist(), one.sentences, strict=True):
            own.setdefault(one.video_ids[video], []).append(text)
    return [
        (text, other)
        for video, text in zip(predictions.video.tolist(), predictions.sentences, strict=True)
        for other in own.get(predictions.video_ids[video], [])
    ]


def own_segment_pairs(case: Case) -> Pairs:
    """Every caption with the reference sentence of the very segment it was told to describe, raw."""
    (truth,), predictions = case
    own: dict[tuple[str, float, float], list[str]] = {}
    for video, (start, end), text in zip(truth.video.tolist(), truth.segments.tolist(), truth.sentences, strict=True):
        own.setdefault((truth.video_ids[video], start, end), []).append(text)
    rows = zip(predictions.video.tolist(), predictions.segments.round(2).tolist(), predictions.sentences, strict=True)
    return [(text, own[predictions.video_ids[video], start, end].pop(0)) for video, (start, end), text in rows]


def distinct(pairs: Pairs) -> Pairs:
    """The pairs that differ as tokens, as tokens."""
    return list(dict.fromkeys(as_tokens(pairs)))
