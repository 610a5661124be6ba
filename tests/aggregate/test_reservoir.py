"""Reservoirs: every row as likely as any other, whatever the blocks, alone and joined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from untrimmed.aggregate.reservoir import Reservoir
from untrimmed.records import DataError


def numbered(count: int, first: int = 0) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.float32)[:, None]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 300), st.lists(st.integers(0, 1000), max_size=6))
def test_blocks_do_not_matter(seed: int, size: int, cuts: list[int]) -> None:
    whole, parts = Reservoir(size, 1, seed=seed), Reservoir(size, 1, seed=seed)
    whole.add(numbered(1000))
    for part in np.split(numbered(1000), sorted(cuts)):
        parts.add(part)
    np.testing.assert_array_equal(whole.sample(), parts.sample())
    sample = whole.sample()[:, 0]
    assert len(sample) == len(set(sample.tolist())) == size
    assert whole.seen == parts.seen == 1000


def test_the_sample_is_that_of_the_least_keys() -> None:
    reservoir = Reservoir(50, 1, seed=3)
    for first in range(0, 10_000, 100):
        reservoir.add(numbered(100, first))
    keys = np.random.default_rng(3).random(10_000)
    np.testing.assert_array_equal(reservoir.sample()[:, 0], np.argsort(keys)[:50])


def test_all_rows_stay_while_there_is_room() -> None:
    reservoir = Reservoir(100, 1, seed=0)
    reservoir.add(numbered(60))
    assert sorted(reservoir.sample()[:, 0].tolist()) == list(range(60))
    assert Reservoir(5, 3, seed=0).sample().shape == (0, 3)


def test_every_row_is_equally_likely() -> None:
    counts = np.zeros(40)
    for seed in range(2000):
        reservoir = Reservoir(7, 1, seed=seed)
        reservoir.add(numbered(25))
        reservoir.add(numbered(15, 25))
        counts[reservoir.sample()[:, 0].astype(int)] += 1
    assert chisquare(counts).pvalue > 0.01


def test_joined_reservoirs_sample_uniformly_from_all() -> None:
    counts = np.zeros(40)
    for seed in range(2000):
        first, second = Reservoir(7, 1, seed=2 * seed), Reservoir(7, 1, seed=2 * seed + 1)
        first.add(numbered(30))
        second.add(numbered(10, 30))
        first.join(second)
        assert first.seen == 40
        counts[first.sample()[:, 0].astype(int)] += 1
    assert chisquare(counts).pvalue > 0.01


def test_a_smaller_one_gives_what_it_kept() -> None:
    large, small = Reservoir(100, 1, seed=0), Reservoir(5, 1, seed=1)
    large.add(numbered(20))
    small.add(numbered(1000, 20))
    large.join(small)
    assert len(large.sample()) == 25


def test_memory_stays_with_the_size() -> None:
    reservoir = Reservoir(100, 4, seed=0)
    for _ in range(200):
        reservoir.add(np.zeros((1000, 4), np.float32))
    assert len(reservoir._rows) <= 164


def test_messages() -> None:
    with pytest.raises(DataError, match="must keep at least one row, got 0"):
        Reservoir(0, 3, seed=0)
    with pytest.raises(DataError, match="rows for a reservoir of 3 dims must be as wide, got 2"):
        Reservoir(5, 3, seed=0).add(np.zeros((1, 2)))
