"""Sections: means of equal pieces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.aggregate.sections import section_means
from untrimmed.records import DataError


def plain(rows: np.ndarray, sections: int) -> np.ndarray:
    """Each row repeated `sections` times, so that every section is whole rows; then plain means."""
    fine = np.repeat(rows, sections, axis=0).reshape(sections, len(rows), -1)
    return np.asarray(fine.mean(axis=1).ravel())


@given(count=st.integers(1, 20), sections=st.integers(1, 5), seed=st.integers(0, 9))
def test_it_is_the_mean_of_each_piece_whatever_the_length(count: int, sections: int, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(count, 3))
    np.testing.assert_allclose(section_means(rows, sections), plain(rows, sections), atol=1e-12)


def test_one_section_is_the_mean_and_whole_pieces_are_plain_means() -> None:
    rows = np.arange(12.0).reshape(6, 2)
    np.testing.assert_allclose(section_means(rows, 1), rows.mean(axis=0))
    np.testing.assert_allclose(section_means(rows, 3), [1, 2, 5, 6, 9, 10])


def test_slowed_down_it_is_the_same() -> None:
    rows = np.random.default_rng(0).normal(size=(7, 4))
    np.testing.assert_allclose(section_means(np.repeat(rows, 2, axis=0), 3), section_means(rows, 3), atol=1e-12)


def test_the_mean_of_the_sections_is_the_mean() -> None:
    rows = np.random.default_rng(1).normal(size=(10, 2))
    np.testing.assert_allclose(section_means(rows, 3).reshape(3, 2).mean(axis=0), rows.mean(axis=0), atol=1e-12)


def test_words() -> None:
    with pytest.raises(DataError, match="section means need sections >= 1 and rows, got 0 sections of 2 rows"):
        section_means(np.zeros((2, 1)), 0)
    with pytest.raises(DataError, match="got 3 sections of 0 rows"):
        section_means(np.zeros((0, 1)), 3)
