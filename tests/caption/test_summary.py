"""A paragraph of captions: what is chosen, that nothing is said twice, and the laws of likeness."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.caption.summary import SummaryConfig, chosen_events, likeness, paragraph
from untrimmed.records import Caption, DataError
from untrimmed.timeline import even_segments

WORDS = st.lists(st.sampled_from(["a", "man", "dog", "runs", "jumps", "the", "door", "opens"]), max_size=8).map(
    " ".join
)
CAPTIONS = st.lists(
    st.builds(
        lambda start, length, score, text: Caption((float(start), float(start + length)), score / 8, text),
        st.integers(0, 30),
        st.integers(1, 10),
        st.integers(-8, 8),
        WORDS,
    ),
    max_size=9,
)


@given(first=WORDS, second=WORDS)
def test_likeness_is_symmetric_and_one_for_the_same_words(first: str, second: str) -> None:
    assert likeness(first, second) == likeness(second, first)
    assert 0 <= likeness(first, second) <= 1
    assert likeness(first, f"{first.upper()}!") == (1 if first else 0)


def test_likeness_by_hand() -> None:
    # words: 2 of 3 and 3 are common (4 / 6); pairs: "a man" of 2 and 2 (2 / 4); triples: none (0 / 2)
    assert likeness("A man runs.", "a man jumps") == pytest.approx((4 / 6 + 2 / 4 + 0) / 3)
    assert likeness("runs", "jumps") == 0
    assert likeness("...", "A man.") == 0


@given(captions=CAPTIONS, count=st.integers(1, 4))
def test_chosen_events_are_few_in_order_and_apart(captions: list[Caption], count: int) -> None:
    chosen = chosen_events(captions, config=SummaryConfig(sentences=count, overlap=0.0))
    assert len(chosen) <= count
    assert bool(chosen) == any(item.sentence for item in captions)
    assert all(a.segment[1] <= b.segment[0] for a, b in itertools.pairwise(chosen))
    text = paragraph(captions, config=SummaryConfig(sentences=count, overlap=0.0))
    sentences = text.split(". ") if text else []
    assert len(sentences) == len(set(sentences))


def test_a_paragraph_tells_the_story_in_order_and_each_thing_once() -> None:
    captions = [
        Caption((20, 30), 0.9, "the man  opens a door"),
        Caption((0, 10), 0.5, "A dog runs across the yard."),
        Caption((10, 20), 0.7, "The man opens a door."),
        Caption((0, 30), 0.8, "People are seen outside a house"),
        Caption((5, 6), 0.9, "."),
    ]
    whole = SummaryConfig(overlap=1.0)
    assert paragraph(captions, config=whole) == (
        "A dog runs across the yard. People are seen outside a house. The man opens a door."
    )
    assert paragraph(captions, config=SummaryConfig(overlap=1.0, sentences=1)) == "The man opens a door."
    assert paragraph(captions) == "A dog runs across the yard. The man opens a door."  # the whole shares all its time
    assert paragraph([]) == ""


def test_even_proposals_are_not_told_five_times() -> None:
    captions = [
        Caption((float(a), float(b)), 0.9 - 0.01 * i, f"Scene {i} shows thing {i}.")
        for i, (a, b) in enumerate(even_segments(60.0, 5))
    ]
    assert len(chosen_events(captions, config=SummaryConfig(sentences=15, overlap=0.0, redundancy=0.0))) <= 5


def test_words_of_a_bad_configuration() -> None:
    with pytest.raises(DataError, match=r"sentences >= 1, redundancy >= 0 and overlap in \[0, 1\], got 0, 1.0 and 0.5"):
        SummaryConfig(sentences=0)
