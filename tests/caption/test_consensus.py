"""CIDEr-D of all pairs against the evaluator's, and the ranking by consensus against its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float

from untrimmed.caption.consensus import ConsensusConfig, consensus, mean_likeness
from untrimmed.caption.likeness import CiderD
from untrimmed.evaluate.text import cider as official
from untrimmed.evaluate.text.items import Items
from untrimmed.evaluate.text.ngrams import NGrams
from untrimmed.records import DataError

SENTENCE = st.lists(st.sampled_from(["a", "man", "dog", "runs", "new", "odd"]), min_size=0, max_size=9)


def split(*texts: str) -> list[list[str]]:
    return [text.split() for text in texts]


def by_the_evaluator(hypothesis: list[str], documents: list[list[str]]) -> Float[np.ndarray, " documents"]:
    """CIDEr-D of one sentence against every document: items of one reference each, so that df counts documents."""
    ngrams = NGrams.of([*documents, hypothesis])
    count = len(documents)
    items = Items.pairs(np.full(count, count, dtype=np.int64), np.arange(count))
    return official.scores(ngrams, items)


@settings(max_examples=60, deadline=None)
@given(st.lists(SENTENCE, min_size=1, max_size=6), st.lists(SENTENCE, min_size=1, max_size=4))
def test_all_pairs_equal_the_loop_over_the_evaluator(documents: list[list[str]], said: list[list[str]]) -> None:
    cider = CiderD.of(documents)
    wanted = np.stack([by_the_evaluator(hypothesis, documents) for hypothesis in said])
    np.testing.assert_allclose(cider.all_pairs(said, documents), wanted, atol=1e-12)
    among = cider.all_pairs(documents)
    np.testing.assert_allclose(among, np.stack([by_the_evaluator(one, documents) for one in documents]), atol=1e-12)


def test_pairs_are_entries_of_all_pairs_also_where_both_say_what_no_document_says() -> None:
    documents = split("a man runs", "a dog runs to a man", "a man")
    said = split("a new a new a new dog", "a man runs", "", "a new a new dog runs")
    cider = CiderD.of(documents)
    table = cider.all_pairs(said)
    for shift in range(4):
        other = said[shift:] + said[:shift]
        np.testing.assert_allclose(cider.pairs(said, other), [table[i, (i + shift) % 4] for i in range(4)], atol=1e-12)
    assert table[0, 3] != pytest.approx(table[3, 0])  # repetition makes it asymmetric
    assert (table[2] == 0).all()


def test_a_sentence_with_rare_words_of_every_order_is_ten_like_itself() -> None:
    documents = split("one two three four", "five six seven eight")
    np.testing.assert_allclose(CiderD.of(documents).all_pairs(documents), 10 * np.eye(2), atol=1e-12)


def test_frequencies_without_documents_and_pairs_without_partner_are_refused() -> None:
    with pytest.raises(DataError, match="document frequencies of CIDEr-D need a document, got none"):
        CiderD.of([])
    with pytest.raises(DataError, match="pairs need one reference a hypothesis, got 1 and 0"):
        CiderD.of([["a"]]).pairs([["a"]], [])


@pytest.mark.parametrize("nearest", [None, 1, 3, 20])
def test_mean_likeness_is_that_of_its_definition(nearest: int | None) -> None:
    table = np.random.default_rng(0).normal(size=(7, 7))
    found = mean_likeness(table, nearest=nearest)
    for i in range(7):
        others = sorted((table[i, j] for j in range(7) if j != i), reverse=True)
        assert found[i] == pytest.approx(np.mean(others[:nearest]))
    assert mean_likeness(table[:1, :1]).tolist() == [0.0]


WORDS = split("a man dog woman runs jumps talks on the grass in water and then")[0]


def sentences(count: int) -> list[list[str]]:
    draw = np.random.default_rng(1)
    return [[str(word) for word in draw.choice(WORDS, size=int(draw.integers(3, 9)))] for _ in range(count)]


def overlap(pairs: list[tuple[str, str]]) -> Float[np.ndarray, " pairs"]:
    """A cheap likeness that is not symmetric: the share of the hypothesis's words that the reference has."""
    return np.array([np.mean([word in given.split() for word in said.split()]) for said, given in pairs])


def test_with_enough_asked_the_ranking_is_that_of_the_whole_table() -> None:
    said = [*sentences(12), sentences(12)[0]]
    cider = CiderD.of(sentences(40))
    config = ConsensusConfig(cider=0.7, meteor=5.0, meteor_among=13)
    table = 0.7 * cider.all_pairs(said)
    table += 5.0 * np.array([[overlap([(" ".join(a), " ".join(b))])[0] for b in said] for a in said])
    wanted = mean_likeness(table)
    found = consensus(said, cider=cider, meteor=overlap, config=config)
    np.testing.assert_allclose(found.scores, wanted, atol=1e-12)
    assert (np.diff(wanted[found.order]) <= 1e-12).all()
    assert sorted(found.order.tolist()) == list(range(13))


def test_meteor_reorders_those_it_is_asked_of_and_leaves_the_others_behind_them() -> None:
    said, asked = sentences(15), []
    cider = CiderD.of(sentences(40))

    def meteor(pairs: list[tuple[str, str]]) -> Float[np.ndarray, " pairs"]:
        asked.extend(pairs)
        return overlap(pairs)

    plain = consensus(said, cider=cider, meteor=None, config=ConsensusConfig())
    found = consensus(said, cider=cider, meteor=meteor, config=ConsensusConfig(meteor_among=5))
    assert set(found.order[:5].tolist()) == set(plain.order[:5].tolist())
    assert found.order[5:].tolist() == plain.order[5:].tolist()
    assert len(asked) == 25
    np.testing.assert_array_equal(plain.order, np.argsort(-mean_likeness(cider.all_pairs(said)), kind="stable"))


def test_what_many_say_wins_over_what_one_says() -> None:
    said = split("a dog runs on grass", "a man talks", "a man talks", "the man talks then", "water")
    found = consensus(said, cider=CiderD.of(said), meteor=None, config=ConsensusConfig())
    assert found.order[:2].tolist() == [1, 2]
    single = consensus(said[:1], cider=CiderD.of(said), meteor=overlap, config=ConsensusConfig())
    assert single.order.tolist() == [0]


def test_weights_below_zero_are_refused() -> None:
    message = "a consensus needs weights >= 0, meteor_among >= 2 and nearest >= 1, got -1.0, 10.0, 40 and None"
    with pytest.raises(DataError, match=message):
        ConsensusConfig(cider=-1.0)
