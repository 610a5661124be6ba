"""VLAD: against loops by the definition, and what must not change it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.aggregate.vlad import INTRA, RAW, SQUARE_ROOT, VladRule, VladSums, vlad
from untrimmed.records import DataError


def drawn(count: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4)) + 3


def by_loops(rows: np.ndarray, words: np.ndarray) -> np.ndarray:
    sums = np.zeros_like(words)
    for row in rows:
        near = int(((row - words) ** 2).sum(axis=1).argmin())
        sums[near] += row - words[near]
    return sums


def test_sums_are_those_of_the_definition() -> None:
    rows, words = drawn(300), drawn(7, seed=1)
    sums = by_loops(rows, words)
    np.testing.assert_allclose(vlad(rows, words, rule=RAW), sums.ravel(), atol=1e-10)
    each = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    np.testing.assert_allclose(vlad(rows, words, rule=INTRA), each.ravel() / np.sqrt(7), atol=1e-10)
    rooted = np.sign(sums) * np.sqrt(np.abs(sums))
    np.testing.assert_allclose(
        vlad(rows, words, rule=SQUARE_ROOT), (rooted / np.linalg.norm(rooted)).ravel(), atol=1e-9
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 200), max_size=4))
def test_neither_order_nor_blocks_matter(seed: int, cuts: list[int]) -> None:
    rows, words = drawn(200, seed=seed), drawn(5, seed=seed + 1)
    sums = VladSums(words)
    for part in np.split(np.random.default_rng(seed).permutation(rows), sorted(cuts)):
        sums.add(part)
    np.testing.assert_allclose(sums.vector(RAW), vlad(rows, words, rule=RAW), atol=1e-10)


def test_moving_rows_and_words_together_changes_nothing() -> None:
    rows, words = drawn(100), drawn(5, seed=1)
    np.testing.assert_allclose(vlad(rows + 1000, words + 1000), vlad(rows, words), atol=1e-9)


def test_the_whole_set_twice_changes_nothing_but_the_raw_sums() -> None:
    rows, words = drawn(100), drawn(5, seed=1)
    twice = np.tile(rows, (2, 1))
    np.testing.assert_allclose(vlad(twice, words), vlad(rows, words), atol=1e-12)
    np.testing.assert_allclose(vlad(twice, words, rule=RAW), 2 * vlad(rows, words, rule=RAW), atol=1e-9)


def test_words_without_rows_and_sets_without_rows_are_zero() -> None:
    words = np.array([[0.0, 0.0], [100.0, 100.0]], np.float32)
    vector = vlad(np.array([[1.0, 0.0]], np.float32), words)
    np.testing.assert_allclose(vector, [1, 0, 0, 0])
    assert vector.dtype == np.float32
    assert not vlad(np.zeros((0, 2), np.float32), words).any()


def test_messages() -> None:
    words = drawn(3)
    with pytest.raises(DataError, match=r"power of a VLAD must be in \(0, 1\], got 2"):
        VladRule(power=2.0)
    with pytest.raises(DataError, match=r"words of a VLAD must be finite and not empty, got shape \(0, 4\)"):
        VladSums(words[:0])
    with pytest.raises(DataError, match="rows for a VLAD of 4 dims must be as wide, got 3"):
        VladSums(words).add(words[:, :3])
    with pytest.raises(DataError, match="rows for a VLAD must be finite"):
        vlad(words * np.nan, words)
