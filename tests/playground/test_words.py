"""Sentences: English, two an event, saying who does what where and how often."""

import re

import pytest

from untrimmed.data.playground.classes import LABELS
from untrimmed.data.playground.grammar import _PHRASES, _WHERE, Told, how_often, tell
from untrimmed.data.playground.plan import VideoPlan
from untrimmed.data.playground.scenes import PAINTERS


@pytest.fixture(scope="module")
def told(plans: list[VideoPlan]) -> list[tuple[VideoPlan, tuple[tuple[Told, ...], tuple[Told, ...]]]]:
    return [(plan, tell(plan, seed=number)) for number, plan in enumerate(plans)]


def test_two_annotators_tell_the_same_events(
    told: list[tuple[VideoPlan, tuple[tuple[Told, ...], tuple[Told, ...]]]],
) -> None:
    differing = 0
    for plan, (first, second) in told:
        assert len(first) == len(second) >= len(plan.instances)
        for one, other in zip(first, second, strict=True):
            overlap = min(one.end, other.end) - max(one.start, other.start)
            assert overlap / (max(one.end, other.end) - min(one.start, other.start)) > 0.4
            differing += one.sentence != other.sentence
            for event in (one, other):
                assert 0 <= event.start < event.end <= plan.duration
    assert differing > 0.9 * sum(len(first) for _, (first, _) in told)


def test_there_are_about_three_events_a_video(
    told: list[tuple[VideoPlan, tuple[tuple[Told, ...], tuple[Told, ...]]]],
) -> None:
    mean = sum(len(first) for _, (first, _) in told) / len(told)
    assert 2.5 < mean < 4.2


def test_sentences_are_whole(told: list[tuple[VideoPlan, tuple[tuple[Told, ...], tuple[Told, ...]]]]) -> None:
    sentences = {event.sentence for _, both in told for events in both for event in events}
    assert len(sentences) > 300
    for sentence in sentences:
        assert re.fullmatch(r"[A-Z][a-z, ]+\.", sentence), sentence
        assert not re.search(r"  | ,|\ba [aeiou]", sentence), sentence
        assert 4 <= len(sentence.split()) <= 32


def test_every_instance_is_told_with_words_of_its_class(
    told: list[tuple[VideoPlan, tuple[tuple[Told, ...], tuple[Told, ...]]]],
) -> None:
    for plan, (first, _) in told:
        for start, end, label, _ in plan.instances:
            sentences = [event.sentence for event in first if (event.start, event.end) == (start, end)]
            parts = [re.split(r"\{[cp]\}", form) for forms in _PHRASES[label] for form in forms]
            assert any(all(part in sentence for part in split) for sentence in sentences for split in parts)


def test_every_class_and_place_has_words() -> None:
    assert set(_PHRASES) == set(LABELS)
    assert set(_WHERE) == set(PAINTERS)


def test_counts_have_words() -> None:
    assert [how_often(count, annotator=0) for count in (1, 2, 3, 4, 9)] == [
        "",
        "twice",
        "three times",
        "four times",
        "many times",
    ]
    assert [how_often(count, annotator=1) for count in (1, 2, 3, 4, 9)] == [
        "",
        "twice",
        "three times",
        "several times",
        "again and again",
    ]
