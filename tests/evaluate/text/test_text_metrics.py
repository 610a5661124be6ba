"""BLEU, ROUGE-L, CIDEr-D and METEOR equal coco-caption's recorded figures, and obey their definitions."""

import gzip
import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_folder import shared
from untrimmed.evaluate.text import backends, bleu, cider, meteor, rouge
from untrimmed.evaluate.text.items import Items
from untrimmed.evaluate.text.ngrams import NGrams, find

WORDS = st.lists(st.sampled_from(["a", "man", "runs", "the", "dog", "eats", "and", "then", "sits"]), max_size=9)


def words_of(text: str) -> list[str]:
    return text.split(" ") if text else []


@pytest.fixture(scope="module", params=["first_reference", "all_references"])
def recorded(request: pytest.FixtureRequest) -> tuple[list[str], list[list[str]], dict[str, Any]]:
    case = json.loads(gzip.decompress(shared("reference/text-metrics/expected.json.gz").read_bytes()))
    references = case["references"]
    if request.param == "first_reference":
        references = [own[:1] for own in references]
    return case["hypotheses"], references, case[request.param]


def table_of(hypotheses: list[str], references: list[list[str]]) -> tuple[list[list[str]], Items]:
    owners = [(place, text) for place, own in enumerate(references) for text in own]
    sentences = [words_of(text) for text in (*hypotheses, *(text for _, text in owners))]
    items = Items(
        hypothesis=np.arange(len(hypotheses)),
        reference=np.arange(len(hypotheses), len(sentences)),
        item=np.array([place for place, _ in owners]),
    )
    return sentences, items


def test_bleu_equals_the_record(recorded: tuple[list[str], list[list[str]], dict[str, Any]]) -> None:
    hypotheses, references, expected = recorded
    sentences, items = table_of(hypotheses, references)
    rows = bleu.statistics(NGrams.of(sentences), items)
    np.testing.assert_allclose(bleu.scores(rows.sum(axis=0, keepdims=True))[0], expected["bleu"], atol=1e-9)
    np.testing.assert_allclose(bleu.scores(rows).T, expected["bleu_each"], atol=1e-9)


def test_rouge_equals_the_record(recorded: tuple[list[str], list[list[str]], dict[str, Any]]) -> None:
    hypotheses, references, expected = recorded
    sentences, items = table_of(hypotheses, references)
    found = rouge.scores(sentences, items)
    np.testing.assert_allclose(found, expected["rouge_l_each"], atol=1e-9)
    assert found.mean() == pytest.approx(expected["rouge_l"], abs=1e-9)


def test_cider_equals_the_record(recorded: tuple[list[str], list[list[str]], dict[str, Any]]) -> None:
    hypotheses, references, expected = recorded
    sentences, items = table_of(hypotheses, references)
    found = cider.scores(NGrams.of(sentences), items)
    np.testing.assert_allclose(found, expected["cider_each"], atol=1e-9)
    assert found.mean() == pytest.approx(expected["cider"], abs=1e-9)


def test_meteor_formula_equals_the_record(recorded: tuple[list[str], list[list[str]], dict[str, Any]]) -> None:
    rows = np.array(recorded[2]["meteor_stats"], dtype=np.int64)
    np.testing.assert_allclose(meteor.scores(rows), recorded[2]["meteor"], atol=1e-9)
    corpus = meteor.scores(meteor.summands(rows).sum(axis=0, keepdims=True))[0]
    assert corpus == pytest.approx(recorded[2]["meteor_aggregate"], abs=1e-9)


@pytest.mark.parametrize("backend", ["python", "java"])
def test_both_backends_give_the_recorded_statistics(
    backend: backends.Name, recorded: tuple[list[str], list[list[str]], dict[str, Any]]
) -> None:
    hypotheses, references, expected = recorded
    _, items = table_of(hypotheses, references)
    pairs = [(hypothesis, text) for hypothesis, own in zip(hypotheses, references, strict=True) for text in own]
    best = meteor.best(backends.shared(backend).statistics(pairs), items)
    np.testing.assert_array_equal(best, expected["meteor_stats"])


# --- definitions, word by word ---------------------------------------------------------------------------------------


def grams(words: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


@given(st.lists(WORDS, min_size=1, max_size=6))
def test_ngrams_are_those_one_counts_by_hand(sentences: list[list[str]]) -> None:
    table = NGrams.of(sentences)
    owner, gram, count = table.rows_of(np.arange(len(sentences)))
    for n in range(1, 5):
        for place, words in enumerate(sentences):
            here = (owner == place) & (table.order[gram] == n - 1)
            assert sorted(count[here].tolist()) == sorted(grams(words, n).values())
    for first in range(len(sentences)):
        for second in range(len(sentences)):
            both = set(gram[owner == first].tolist()) & set(gram[owner == second].tolist())
            wanted = sum(
                len(grams(sentences[first], n).keys() & grams(sentences[second], n).keys()) for n in range(1, 5)
            )
            assert len(both) == wanted


@given(WORDS, WORDS)
def test_common_length_is_the_dynamic_programs(first: list[str], second: list[str]) -> None:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, word in enumerate(first):
        for j, other in enumerate(second):
            table[i + 1][j + 1] = table[i][j] + 1 if word == other else max(table[i][j + 1], table[i + 1][j])
    assert rouge.common_length(first, second) == table[-1][-1]


@given(st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3)), min_size=1, max_size=5))
@settings(max_examples=50)
def test_cider_is_its_definition(cases: list[tuple[list[str], list[list[str]]]]) -> None:
    sentences, items = table_of([" ".join(said) for said, _ in cases], [[" ".join(r) for r in own] for _, own in cases])
    found = cider.scores(NGrams.of(sentences), items)
    documents = [{gram for words in own for n in range(1, 5) for gram in grams(words, n)} for _, own in cases]

    def vector(words: list[str], n: int) -> dict[tuple[str, ...], float]:
        return {
            gram: count * (math.log(len(cases)) - math.log(max(1, sum(gram in one for one in documents))))
            for gram, count in grams(words, n).items()
        }

    for (said, own), score in zip(cases, found.tolist(), strict=True):
        each = []
        for words in own:
            total = 0.0
            for n in range(1, 5):
                one, other = vector(said, n), vector(words, n)
                norm = math.sqrt(sum(v * v for v in one.values())) * math.sqrt(sum(v * v for v in other.values()))
                dot = sum(min(v, other.get(gram, 0.0)) * other.get(gram, 0.0) for gram, v in one.items())
                total += dot / norm if norm else 0.0
            apart = max(len(said) - 1, 0) - max(len(words) - 1, 0)
            each.append(10 * total / 4 * math.exp(-(apart**2) / 72))
        assert score == pytest.approx(sum(each) / len(each), abs=1e-9)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=8), st.integers(1, 8))
def test_items_in_parts_are_the_items(cases: list[tuple[list[str], list[str]]], size: int) -> None:
    sentences, items = table_of([" ".join(said) for said, _ in cases], [[" ".join(own)] for _, own in cases])
    table = NGrams.of(sentences)
    whole = bleu.statistics(table, items)
    parts = np.concatenate([bleu.statistics(table, part) for part in items.parts(size)])
    np.testing.assert_array_equal(whole, parts)


def test_a_corpus_of_one_item_has_cider_zero_and_corpora_do_not_mix() -> None:
    sentences, items = table_of(
        ["a man runs", "a man runs", "the dog eats"], [["a man runs"], ["a man runs"], ["the dog eats"]]
    )
    table = NGrams.of(sentences)
    found = cider.scores(table, items, corpus=np.array([0, 1, 1]))
    assert found[0] == 0
    assert found[1] > 0
    larger = cider.scores(table, items, corpus=np.array([0, 1, 1]), sizes=np.array([1, 5]))
    assert larger[0] == 0
    assert larger[1] == pytest.approx(7.5)  # equal sentences of three words: no 4-gram, so 3 of 4 orders are full


def test_nothing_at_all_scores_nothing() -> None:
    empty = Items.pairs(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    table = NGrams.of([])
    assert bleu.statistics(table, empty).shape == (0, 10)
    assert rouge.scores([], empty).shape == (0,)
    assert cider.scores(table, empty).shape == (0,)
    assert find(np.zeros(0, dtype=np.int64), np.array([3])).tolist() == [-1]
