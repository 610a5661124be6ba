"""The climb stays on the simplex, is never worse than its starts, and finds the top of what has one."""

import numpy as np
import pytest

from untrimmed.fuse.simplex import climb
from untrimmed.records import DataError


@pytest.mark.parametrize("seed", range(4))
def test_it_comes_near_the_top_of_a_concave_figure(seed: int) -> None:
    goal = np.random.default_rng(seed).dirichlet(np.ones(4))
    seen = []

    def figure(weights: np.ndarray) -> float:
        seen.append(weights)
        return -float(((weights - goal) ** 2).sum())

    found = climb(figure, 4, levels=40, rounds=30)
    assert np.abs(found - goal).max() < 0.06
    np.testing.assert_allclose([weights.sum() for weights in seen], 1.0)
    assert min(weights.min() for weights in seen) >= 0
    assert figure(found) == max(figure(weights) for weights in list(seen))


def test_equal_weights_win_what_makes_no_difference() -> None:
    np.testing.assert_allclose(climb(lambda _: 1.0, 3), 1 / 3)
    assert climb(lambda _: 1.0, 1).tolist() == [1.0]


def test_a_voice_that_is_right_alone_wins() -> None:
    assert climb(lambda weights: float(weights[2]), 3).tolist() == [0, 0, 1]


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match="a search of weights needs voices >= 1 and levels >= 1, got 0 and 10"):
        climb(lambda _: 0.0, 0)
