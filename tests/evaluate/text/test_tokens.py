"""Tokens equal those of the Java tokenizer; nothing that is typed can break it."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_folder import shared
from untrimmed.evaluate.tokens import DROPPED, tokenize


def test_all_recorded_pairs_of_the_java_tokenizer_are_equal() -> None:
    pairs = json.loads(gzip.decompress(shared("reference/ptb-tokenizer/pairs.json.gz").read_bytes()))
    assert len(pairs) == 1612
    got = tokenize([raw for raw, _ in pairs])
    for (raw, wanted), tokens in zip(pairs, got, strict=True):
        assert " ".join(tokens) == wanted, raw


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("The man stops.He goes on.", "the man stops.he goes on"),
        ("They can't, won't and shouldn't've gone", "they ca n't wo n't and should n't 've gone"),
        ("gonna cannot lemme; Gonna-be", "gon na can not lem me gonna-be"),
        ("He ranks #3 & jumps 7 1/2 m (twice)", "he ranks # 3 & jumps 7\xa01/2 m -lrb- twice -rrb-"),
        ("Call 925 606 0946!", "call 925\xa0606\xa00946"),
        ("at 10 p.m. in St. Louis, Mo.", "at 10 p.m. in st. louis mo."),
        ("No. 5 says no.", "no. 5 says no"),
        ("Team A. He wins, J. K. Rowling", "team a he wins j. k. rowling"),
        ("5'10\" and 5'6", "5 10 and 5 6"),
        ("a caf\u00e9, \u201cquoted\u201d", "a caf quoted"),
        ("line\nbreak\r\nhere", "line break here"),
        ("what?! ... :) -- 'quoted' ``so''", "what ?! :-rrb- quoted so"),
        ("", ""),
        ("... !!", "!!"),
        ("M&M and m&m", "m&m and m & m"),
        ("rock'n'roll, o'clock, y'all, 'tis", "rock 'n' roll o'clock y' all 't is"),
        ("3:30pm 2.5kg 10kg 1990's", "3:30 pm 2.5 kg 10kg 1990 's"),
    ],
)
def test_habits_of_the_treebank(raw: str, wanted: str) -> None:
    assert " ".join(tokenize([raw])[0]) == wanted


@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_text_gives_clean_tokens(sentences: list[str]) -> None:
    rows = tokenize(sentences)
    assert len(rows) == len(sentences)
    for token in (token for row in rows for token in row):
        assert token
        assert " " not in token
        assert "\n" not in token
        assert token == token.lower()
        assert token not in DROPPED
        assert all(character == "\xa0" or "\x21" <= character <= "\x7e" for character in token)


@given(st.text(alphabet="abcdefghij ,", max_size=60))
def test_plain_words_come_back_as_they_are(text: str) -> None:
    assert tokenize([text])[0] == text.replace(",", " ").split()


@given(st.lists(st.sampled_from(["a man", "don't", "runs, jumps.", "U.S.", "5 1/2", "(x)"]), max_size=5))
def test_a_sentence_does_not_depend_on_its_neighbours(sentences: list[str]) -> None:
    assert tokenize(sentences) == [tokenize([sentence])[0] for sentence in sentences]
