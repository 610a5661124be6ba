"""Self-organising maps: nearest units, what learning lowers, the order of the grid, and outliers."""

from dataclasses import replace

import numpy as np
import pytest

from untrimmed.aggregate.rsom import Rsom, RsomConfig, fit_rsom
from untrimmed.records import DataError

SMALL = RsomConfig(height=2, width=3, ordering=10, settling=10)


def blobs(seed: int = 0, *, count: int = 6, each: int = 40, dims: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Rows around well separated centres, and which centre."""
    rng = np.random.default_rng(seed)
    centres = 20 * rng.permutation(np.eye(max(count, dims)))[:count, :dims]
    number = np.repeat(np.arange(count), each)
    return centres[number] + rng.normal(size=(count * each, dims)), number


def test_every_row_is_in_the_group_of_its_nearest_unit() -> None:
    rows = np.random.default_rng(1).normal(size=(300, 4)) + 1000  # far from 0, where differences of squares lose
    found = fit_rsom(rows, SMALL)
    apart = np.linalg.norm(rows[:, None] - found.units, axis=2)
    assert np.array_equal(found.groups(rows), apart.argmin(axis=1))
    assert found.error(rows) == pytest.approx(np.square(apart.min(axis=1)).mean())


def test_learning_lowers_the_error_far_below_that_of_drawn_units() -> None:
    rows, _ = blobs()
    found = fit_rsom(rows, SMALL)
    drawn = rows[np.random.default_rng(0).permutation(len(rows))[:6]]
    random = Rsom(drawn, found.excitement, found.salient, found.reach)
    assert found.error(rows) < 0.8 * random.error(rows)
    assert fit_rsom(rows).error(rows) < found.error(rows)  # of 25 groups


def test_settled_units_are_the_means_of_their_rows() -> None:
    rows, _ = blobs(2)
    found = fit_rsom(rows, replace(SMALL, settling=60))
    group = found.groups(rows)
    for number in np.unique(group):
        np.testing.assert_allclose(found.units[number], rows[group == number].mean(axis=0))


def test_units_that_are_near_on_the_grid_are_near_among_the_rows() -> None:
    rows = np.random.default_rng(3).uniform(size=(2000, 2))  # a square, which a square grid can lie on
    units = fit_rsom(rows, RsomConfig(ordering=40, settling=1)).units.reshape(5, 5, 2)
    beside = np.concatenate([np.diff(units, axis=0).reshape(-1, 2), np.diff(units, axis=1).reshape(-1, 2)])
    everywhere = units.reshape(25, 2)
    apart = np.linalg.norm(everywhere[:, None] - everywhere, axis=2)
    assert np.linalg.norm(beside, axis=1).mean() < 0.6 * apart[np.triu_indices(25, 1)].mean()
    alone = fit_rsom(rows, RsomConfig(ordering=0, settling=41)).units.reshape(5, 5, 2)  # without a neighbourhood
    loose = np.concatenate([np.diff(alone, axis=0).reshape(-1, 2), np.diff(alone, axis=1).reshape(-1, 2)])
    assert np.linalg.norm(beside, axis=1).mean() < 0.7 * np.linalg.norm(loose, axis=1).mean()


def test_the_seed_alone_decides() -> None:
    rows, _ = blobs(4)
    one, same, other = (fit_rsom(rows, replace(SMALL, seed=seed)) for seed in (0, 0, 1))
    for part in ("units", "excitement", "salient", "reach"):
        assert np.array_equal(getattr(one, part), getattr(same, part))
    assert not np.array_equal(one.units, other.units)


def test_moving_and_scaling_the_rows_moves_and_scales_the_map() -> None:
    rows, _ = blobs(5)
    one, moved = fit_rsom(rows, SMALL), fit_rsom(4 * rows + 3, SMALL)
    np.testing.assert_allclose(moved.units, 4 * one.units + 3, atol=1e-9)
    np.testing.assert_allclose(moved.reach, 4 * one.reach)
    np.testing.assert_allclose(moved.excitement, one.excitement)


def test_a_unit_that_few_rows_hit_is_an_outlier_and_far_rows_are() -> None:
    rows, _ = blobs(6, count=5, each=100)
    strange = np.full((3, 5), 200.0) + np.arange(3)[:, None]
    both = np.concatenate([rows, strange])
    found = fit_rsom(both, SMALL)
    lonely = found.groups(strange)
    assert not found.salient[lonely].any()
    assert not found.kept(strange).any()
    assert found.salient[found.groups(rows)].mean() > 0.75
    assert found.excitement.mean() == pytest.approx(1)
    kept = found.kept(rows)
    for number in np.flatnonzero(found.salient):
        own = found.groups(rows) == number
        if own.any():
            assert 0.9 < kept[own].mean() <= 0.97  # kept_share is 0.95
            apart = np.linalg.norm(rows[own] - found.units[number], axis=1)
            assert apart[kept[own]].max() <= apart[~kept[own]].min()


def test_everything_is_kept_where_nothing_counts_as_an_outlier() -> None:
    rows, _ = blobs(7)
    assert fit_rsom(rows, replace(SMALL, salient=0.0, kept_share=1.0)).kept(rows).all()


def test_excitement_is_the_hits_of_neighbourhoods_written_out() -> None:
    """With no neighbourhood the excitement is the share of rows, each pass weighing as its number."""
    rows, _ = blobs(8)
    found = fit_rsom(rows, replace(SMALL, ordering=0, settling=1))
    drawn = rows[np.random.default_rng(0).permutation(len(rows))[:6]]
    first = np.linalg.norm(rows[:, None] - drawn, axis=2).argmin(axis=1)
    wins = np.bincount(first, minlength=6)
    np.testing.assert_allclose(found.excitement, wins / wins.mean())


def test_more_rows_than_asked_for_are_drawn_from() -> None:
    rows, _ = blobs(9, each=100)
    found = fit_rsom(rows, replace(SMALL, rows=60))
    assert found.units.shape == (6, 5)
    assert not np.array_equal(found.units, fit_rsom(rows, SMALL).units)


def test_fewer_rows_than_units_leave_units_unhit() -> None:
    rows, _ = blobs(10, each=1)
    found = fit_rsom(rows[:3], SMALL)
    assert found.error(rows[:3]) == pytest.approx(0, abs=1e-20)
    assert sorted(found.groups(rows[:3]).tolist()) == sorted(set(found.groups(rows[:3]).tolist()))


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match="a map needs rows of finite numbers, got 0 rows"):
        fit_rsom(np.zeros((0, 2)))
    with pytest.raises(DataError, match="a map needs rows of finite numbers, got 30 rows"):
        fit_rsom(np.full((30, 2), np.nan), SMALL)
    with pytest.raises(DataError, match="a map needs height, width, settling >= 1, ordering >= 0 and rows for all"):
        RsomConfig(height=0)
    with pytest.raises(
        DataError, match=r"outliers of a map need salient >= 0 and kept_share in \(0, 1\], got 0.5 and 0.0"
    ):
        RsomConfig(kept_share=0.0)
