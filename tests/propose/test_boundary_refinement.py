"""Refinement lends boundaries by the rule that is written at it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.propose.refine import lend_boundaries
from untrimmed.records import DataError
from untrimmed.timeline import tiou

SEGMENTS = st.lists(st.tuples(st.floats(0, 90), st.floats(1, 30)), max_size=12).map(
    lambda items: np.array([(start, start + length) for start, length in items], dtype=np.float64).reshape(-1, 2)
)


def test_a_lender_above_the_threshold_replaces_the_segment_it_overlaps_most() -> None:
    segments = np.array([[0.0, 10.0], [20.0, 30.0], [20.0, 31.0]])
    lenders = np.array([[0.5, 10.0], [20.0, 30.9], [50.0, 60.0], [22.0, 28.0]])
    assert lend_boundaries(segments, lenders).tolist() == [[0.5, 10.0], [20.0, 30.0], [20.0, 30.9]]


def test_the_threshold_is_exclusive() -> None:
    segments, lenders = np.array([[0.0, 4.0]]), np.array([[0.0, 3.0]])  # overlap 0.75 exactly
    assert lend_boundaries(segments, lenders, least_tiou=0.75).tolist() == [[0.0, 4.0]]
    assert lend_boundaries(segments, lenders, least_tiou=0.74).tolist() == [[0.0, 3.0]]


def test_of_several_lenders_the_best_wins_whatever_their_order() -> None:
    segments = np.array([[0.0, 10.0]])
    lenders = np.array([[0.0, 9.0], [0.0, 9.9], [0.0, 9.5]])
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        assert lend_boundaries(segments, lenders[order]).tolist() == [[0.0, 9.9]]


def test_ties_go_to_the_first_segment_and_the_first_lender() -> None:
    segments = np.array([[0.0, 10.0], [0.0, 10.0]])
    assert lend_boundaries(segments, np.array([[0.0, 9.0]])).tolist() == [[0.0, 9.0], [0.0, 10.0]]
    lenders = np.array([[1.0, 10.0], [0.0, 9.0]])
    assert lend_boundaries(segments[:1], lenders).tolist() == [[1.0, 10.0]]


@given(SEGMENTS, SEGMENTS)
@settings(deadline=None)
def test_laws(segments: np.ndarray, lenders: np.ndarray) -> None:
    refined = lend_boundaries(segments, lenders)
    assert refined.shape == segments.shape
    for before, after in zip(segments, refined, strict=True):
        if (before != after).any():
            assert (lenders == after).all(axis=1).any()
            assert tiou(before[None], after[None])[0, 0] > 0.75
    np.testing.assert_array_equal(lend_boundaries(segments, segments), segments)
    np.testing.assert_array_equal(lend_boundaries(segments, lenders, least_tiou=1.0), segments)


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match=r"boundary refinement needs a tiou in \[0, 1\], got 2"):
        lend_boundaries(np.zeros((0, 2)), np.zeros((0, 2)), least_tiou=2.0)
