"""The vocabulary: counting, numbering, files, readable sentences, and the real training sentences."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from shared_folder import shared
from untrimmed.caption.sentences import pad_sentences
from untrimmed.caption.vocabulary import END, SIGNS, START, UNKNOWN, Vocabulary, readable
from untrimmed.evaluate.tokens import tokenize
from untrimmed.records import DataError

SENTENCES = [["a", "man", "runs"], ["a", "dog", "runs"], ["a", "dog", "does", "n't"]]


def test_words_that_occur_often_enough_are_kept_most_frequent_first_then_alphabetically() -> None:
    vocabulary = Vocabulary.of(SENTENCES, minimum_count=2)
    assert vocabulary.words == (*SIGNS, "a", "dog", "runs")
    assert len(vocabulary) == 6
    assert Vocabulary.of(reversed(SENTENCES), minimum_count=2) == vocabulary


def test_decode_is_the_inverse_of_encode_on_known_words_and_rare_ones_become_unknown() -> None:
    vocabulary = Vocabulary.of(SENTENCES, minimum_count=1)
    for tokens in SENTENCES:
        numbers = vocabulary.encode(tokens)
        assert vocabulary.decode([START, *numbers, END, 5, 5]) == tuple(tokens)
        assert min(numbers) >= len(SIGNS)
    assert vocabulary.encode(["a", "zebra"]) == (3, UNKNOWN)


def test_a_token_that_looks_like_a_sign_is_not_one() -> None:
    vocabulary = Vocabulary.of([["<end>", "a", "<start>", "a"]], minimum_count=1)
    assert vocabulary.words == (*SIGNS, "a")


def test_a_vocabulary_comes_back_from_its_file(tmp_path: Path) -> None:
    vocabulary = Vocabulary.of([["naïve", '"quoted"', "line\nbreak"]], minimum_count=1)
    vocabulary.save(tmp_path / "words.json")
    assert Vocabulary.load(tmp_path / "words.json") == vocabulary
    assert [path.name for path in tmp_path.iterdir()] == ["words.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"a vocabulary must be JSON, got .*words\.json"),
        (b"\xff", r"a vocabulary must be JSON, got .*words\.json"),
        (b"[]", r'a vocabulary must be \{"words": \[text, \.\.\.\]\}, got .*words\.json'),
        (b'{"words": [1]}', r'a vocabulary must be \{"words": \[text, \.\.\.\]\}, got'),
        (b'{"words": ["a"]}', r"a vocabulary must begin with <start> <end> <unknown>, got 'a'"),
        (
            b'{"words": ["<start>", "<end>", "<unknown>", "a", "a"]}',
            "words of a vocabulary must be distinct, got 'a' more than once",
        ),
    ],
)
def test_a_file_that_holds_no_vocabulary_says_why(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "words.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        Vocabulary.load(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    with path.open("wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(DataError, match="must have at most 67108864 bytes, got 67108865"):
        Vocabulary.load(path)


def test_a_vocabulary_without_words_says_so() -> None:
    with pytest.raises(DataError, match="a vocabulary needs a word that occurs 4 times or more, got none among 6"):
        Vocabulary.of(SENTENCES)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["a", "man", "does", "n't", "fall"], "A man doesn't fall."),
        (["the", "man", "'s", "dog", "-lrb-", "black", "-rrb-"], "The man's dog ( black )."),
        (["he", "can", "not"], "He can not."),
        (["they", "eat", "etc."], "They eat etc."),
        (["the", "letter", "n"], "The letter n"),
        ([], ""),
        (["'s"], "'s."),
    ],
)
def test_readable_joins_what_the_tokenizer_split(tokens: list[str], text: str) -> None:
    assert readable(tokens) == text


def test_sentences_are_padded_with_a_mask_and_a_cut_sentence_has_no_end() -> None:
    batch = pad_sentences([(5, 6), (7, 8, 9, 10), ()], most_words=3)
    assert batch.inputs.tolist() == [[START, 5, 6], [START, 7, 8], [START, END, END]]
    assert batch.targets.tolist() == [[5, 6, END], [7, 8, 9], [END, END, END]]
    assert batch.mask.tolist() == [[True] * 3, [True] * 3, [True, False, False]]
    exact = pad_sentences([(7, 8, 9)], most_words=3)
    assert exact.targets.tolist() == [[7, 8, 9, END]]


@pytest.fixture(scope="module")
def real() -> list[str]:
    """The 37,421 training sentences of ActivityNet Captions."""
    with gzip.open(shared("data/activitynet_captions/train.json.gz"), "rt", encoding="utf-8") as file:
        return [sentence for video in json.load(file).values() for sentence in video["sentences"]]


@pytest.fixture(scope="module")
def real_tokens(real: list[str]) -> list[list[str]]:
    return tokenize(real)


def test_the_real_training_sentences_give_the_usual_vocabulary(real_tokens: list[list[str]]) -> None:
    assert len(real_tokens) == 37421
    sizes = {count: len(Vocabulary.of(real_tokens, minimum_count=count)) - len(SIGNS) for count in (1, 2, 3, 4, 5)}
    # With the tokens of CoreNLP: 10,637 6,556 5,183 4,390 3,878. The rules of `tokenize` differ from it on less than
    # one sentence in a thousand: measured 10,638 6,556 5,182 4,390 3,878.
    assert sizes == pytest.approx({1: 10637, 2: 6556, 3: 5183, 4: 4390, 5: 3878}, abs=3)
    assert sizes[4] == 4390


def test_the_real_training_sentences_are_as_long_as_the_beam_allows(real_tokens: list[list[str]]) -> None:
    lengths = np.array([len(tokens) for tokens in real_tokens])
    assert lengths.mean() == pytest.approx(13.5, abs=0.05)
    assert np.median(lengths) == 12
    assert np.quantile(lengths, [0.9, 0.95, 0.99]).tolist() == [21, 25, 36]
    assert (lengths <= 30).mean() > 0.97


def test_tokenizing_a_readable_sentence_gives_its_tokens_again(real_tokens: list[list[str]]) -> None:
    vocabulary = Vocabulary.of(real_tokens)
    known = [vocabulary.decode(vocabulary.encode(tokens)) for tokens in real_tokens if tokens]
    known = [tokens for tokens in known if SIGNS[UNKNOWN] not in tokens]
    again = tokenize([readable(tokens) for tokens in known])
    differ = [(before, after) for before, after in zip(known, again, strict=True) if list(before) != after]
    assert len(known) > 30000
    assert differ == []
