"""Support vector shapes: signs, an independent decision function, symmetry, and what C does."""

from itertools import pairwise

import numpy as np
import pytest

from untrimmed.features.shape_maps import BOUND, ShapeRule, shape_maps
from untrimmed.records import DataError

SIZE = (18, 24)
RULE = ShapeRule()


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return np.asarray((rows - y) ** 2 + (columns - x) ** 2 < radius**2)


def test_the_function_is_above_zero_inside_and_below_outside() -> None:
    shape = disc(11, 8, 4)
    found = shape_maps(shape, SIZE, RULE)
    assert found.shape == (4, *SIZE)
    for one in found:
        assert ((one > 0) == shape).mean() > 0.97
    assert np.abs(found).max() <= BOUND


def test_a_mirrored_shape_has_the_mirrored_maps() -> None:
    shape = disc(7, 8, 3) | disc(12, 9, 2)
    found, mirrored = shape_maps(shape, SIZE, RULE), shape_maps(shape[:, ::-1].copy(), SIZE, RULE)
    np.testing.assert_allclose(mirrored, found[:, :, ::-1], atol=0.02)


def test_it_is_a_sum_of_gaussians_about_the_cells() -> None:
    """Far from the border of the shape the sum is flat: its support vectors lie near the border."""
    shape = disc(12, 9, 5)
    (found,) = shape_maps(shape, SIZE, ShapeRule(weights=(6.0,), reach=0.06))
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    away = np.abs(np.hypot(rows - 9, columns - 12) - 5) > 4
    assert away.any()
    assert found[away].std() < found[~away].std()
    finer = shape_maps(shape, (36, 48), ShapeRule(weights=(6.0,), reach=0.06))[0]
    middles = (finer[0::2, 0::2] + finer[1::2, 0::2] + finer[0::2, 1::2] + finer[1::2, 1::2]) / 4
    np.testing.assert_allclose(middles, found, atol=0.35)  # the same function, seen on a finer grid


def test_a_larger_weight_follows_a_ragged_shape_more_closely() -> None:
    shape = disc(11, 8, 4) ^ (np.random.default_rng(0).random(SIZE) < 0.15)
    wrong = [int(((one > 0) != shape).sum()) for one in shape_maps(shape, SIZE, ShapeRule(weights=(0.3, 3.0, 300.0)))]
    assert all(before >= after for before, after in pairwise(wrong))
    assert wrong[0] > wrong[-1]


def test_nothing_and_everything() -> None:
    assert (shape_maps(np.zeros(SIZE, dtype=bool), (5, 6), RULE) == -1).all()
    assert (shape_maps(np.ones(SIZE, dtype=bool), (5, 6), RULE) == 1).all()


def test_words() -> None:
    with pytest.raises(DataError, match="shape maps need weights and a reach above 0"):
        ShapeRule(weights=())
