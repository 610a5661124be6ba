"""METEOR in Python equals its Java program: words, synonyms, alignments, statistics of real and of made pairs."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from meteor_for_tests import Pairs, as_tokens, equal_to_java, pairs_within_videos, published

from untrimmed.evaluate.text import meteor_normal, meteor_python
from untrimmed.evaluate.text.meteor_index import cache_folder, open_index
from untrimmed.evaluate.text.meteor_jar import find_jar
from untrimmed.evaluate.text.meteor_words import Words

# --- real sentences; all of them are in test_meteor_every_pair.py ----------------------------------------------------


@pytest.mark.parametrize("name", ["bmt", "mdvc"])
def test_some_thousand_real_pairs(name: str) -> None:
    equal_to_java(as_tokens(random.Random(0).sample(pairs_within_videos(published(name)), 2000)))


@pytest.mark.slow
def test_many_real_pairs_as_written_with_capitals_and_signs() -> None:
    pairs = pairs_within_videos(published("bmt")) + pairs_within_videos(published("mdvc"))
    equal_to_java(random.Random(2).sample(pairs, 8000))


def test_real_paragraphs() -> None:
    (given,), _ = published("bmt")
    whole: dict[int, list[str]] = {}
    for video, text in zip(given.video.tolist(), given.sentences, strict=True):
        whole.setdefault(video, []).append(text)
    texts = random.Random(3).sample([" ".join(own) for own in whole.values()], 400)
    equal_to_java(as_tokens(list(itertools.pairwise(texts))))


# --- made sentences --------------------------------------------------------------------------------------------------

WORDS = tuple(
    word
    for line in (
        "a man the woman person people walks walking walked dog dogs car automobile runs running ran in of front and",
        "big large little kid child children boy is are seen shown begins to starts down up on he she her his zebroid",
        "'s n't don't u.s. e.g. 3.5 1,000 t-shirt white-t-shirt end. -lrb- ??? kid's it's no. 5 mr. smith ... ",
        ", ! better best",
    )
    for word in line.split()
)
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=16).map(" ".join)
ODD = st.text(alphabet="aAbs1 2.,'`-\"!?&_/\u2019\u2013\u00e9\u03a9\u00a0\u2003\x1f", max_size=14)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(SENTENCES, SENTENCES), min_size=10, max_size=60))
@example([("", ""), ("a man", ""), ("", "a man"), ("dogs", "dog"), ("man", "person"), ("a man\nruns ||| x", "a man")])
def test_made_pairs(pairs: Pairs) -> None:
    equal_to_java(pairs)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(ODD, ODD), min_size=10, max_size=60))
@example([("", "1.\u2003a"), ("can't. \u00a0 a", "a. a"), ("Out-N-Back", "---"), ("d\u0130. s", "No. 5")])
def test_odd_characters(pairs: Pairs) -> None:
    equal_to_java(pairs)
    equal_to_java([(first, first + second) for first, second in pairs])


def test_repeated_words_fill_the_beam() -> None:
    """Few different words: far more than forty alignments, so that ties and what is dropped decide."""
    draw = random.Random(4)
    pairs: Pairs = []
    for _ in range(1500):
        some = draw.sample(WORDS[:33], draw.randint(2, 7))
        said, given = ([draw.choice(some) for _ in range(draw.randint(2, 22))] for _ in range(2))
        pairs.append((" ".join(said), " ".join(given)))
    equal_to_java(pairs)


def test_sentences_longer_than_a_machine_word() -> None:
    draw = random.Random(5)
    equal_to_java([tuple(" ".join(draw.choices(WORDS, k=150)) for _ in range(2)) for _ in range(20)])  # type: ignore[misc]


# --- laws that need no Java ------------------------------------------------------------------------------------------

UNKNOWN = [f"qz{letter}" for letter in "abcd"]


def fewest_chunks(said: list[str], given: list[str]) -> tuple[int, int]:
    """Most matched words and, among those alignments, fewest chunks, by trying all of them."""
    best = (0, 0)
    for chosen in itertools.product([None, *range(len(said))], repeat=len(given)):
        used = [i for i in chosen if i is not None]
        if len(set(used)) < len(used) or any(i is not None and said[i] != given[j] for j, i in enumerate(chosen)):
            continue
        chunks = sum(
            i is not None and (j == 0 or chosen[j - 1] is None or chosen[j - 1] + 1 != i)  # type: ignore[operator]
            for j, i in enumerate(chosen)
        )
        best = min(best, (-len(used), chunks))
    return -best[0], best[1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(UNKNOWN), max_size=4), st.lists(st.sampled_from(UNKNOWN), max_size=4))
def test_short_sentences_get_most_words_in_fewest_chunks(said: list[str], given: list[str]) -> None:
    row = meteor_python.statistics([(" ".join(said), " ".join(given))])[0]
    words, chunks = fewest_chunks(said, given)
    assert words == sum((Counter(said) & Counter(given)).values())
    assert row[20:].tolist() == [chunks, words, words]
    assert row[4:8].tolist() == [words, words, 0, 0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=8))
def test_the_statistics_add_up(pairs: Pairs) -> None:
    rows = meteor_python.statistics(pairs)
    stages = rows[:, 4:20].reshape(-1, 4, 2, 2)
    np.testing.assert_array_equal(stages.sum(axis=(1, 2)), rows[:, 21:23])
    assert (rows[:, 21:23] <= rows[:, :2]).all()
    assert (stages[:, :, 1].sum(axis=1) <= rows[:, 2:4]).all()
    assert (rows[:, 20] <= rows[:, 21:23].min(axis=1)).all()
    np.testing.assert_array_equal(rows, np.concatenate([meteor_python.statistics([pair]) for pair in pairs]))


def test_synonyms_are_mutual_and_never_of_a_word_itself() -> None:
    words = tuple(dict.fromkeys(word for word in WORDS if word.isalpha()))
    found = Words.of(words, open_index(find_jar(), cache_folder()))
    pairs = {
        (place, other)
        for place in range(len(words))
        for other in found.synonyms[found.synonym_starts[place] : found.synonym_starts[place + 1]].tolist()
    }
    assert all((other, place) in pairs and other != place for place, other in pairs)
    known = {(words[place], words[other]) for place, other in pairs}
    assert {("car", "automobile"), ("ran", "running"), ("child", "kid"), ("children", "kid")} <= known
    assert ("better", "best") in known
    assert found.stems[words.index("walked")] == found.stems[words.index("walking")]
    assert found.function[words.index("the")]
    assert not found.function[words.index("dog")]


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("Don't stop, U.S. dogs' toys!", ["don", "'t", "stop", ",", "us", "dogs", "'", "toys", "!"]),
        ("a white-t-shirt -- 3,5 or 1.5.", ["a", "white", "t-shirt", "-", "3,5", "or", "1.5", "."]),
        ("No. 5 and No. one", ["no.", "5", "and", "no.", "one"]),
        ("the ``end'' ... 90's", ["the", '"', "end", '"', "...", "90", "'s"]),
        ("caf\u00e9 \u03a9mega 7\u00a01/2", ["caf\u00e9", "\u03c9", "mega", "7", "1", "/", "2"]),
        ("", []),
    ],
)
def test_words_of_a_sentence(sentence: str, words: list[str]) -> None:
    index = open_index(find_jar(), cache_folder())
    assert meteor_normal.words(sentence, abbreviations=index.abbreviations) == words


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meteor_python, "AT_ONCE", 2)
    told: list[tuple[int, int]] = []
    meteor_python.statistics([("a man", "a dog")] * 5, progress=lambda done, of: told.append((done, of)))
    assert told == [(2, 5), (4, 5), (5, 5)]
