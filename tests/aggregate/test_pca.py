"""Principal components against scikit-learn's, and the laws of an orthogonal projection."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from untrimmed.aggregate import pca
from untrimmed.aggregate.pca import fit_pca
from untrimmed.records import DataError

TALL, WIDE = (300, 20), (30, 500)


def drawn(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Rows far from zero, whose directions have variances that differ."""
    rng = np.random.default_rng(seed)
    rank = min(shape)
    rows = rng.normal(size=(shape[0], rank)) * 0.8 ** np.arange(rank) @ rng.normal(size=(rank, shape[1]))
    return (rows + 10 * rng.normal(size=shape[1])).astype(np.float32)


@pytest.mark.parametrize("shape", [TALL, WIDE])
@pytest.mark.parametrize("dims", [2, 7, 15])
def test_components_are_those_of_scikit_learn(shape: tuple[int, int], dims: int) -> None:
    rows = drawn(shape)
    ours, wanted = fit_pca(rows, dims=dims), PCA(dims, svd_solver="full").fit(rows.astype(np.float64))
    np.testing.assert_allclose(ours.mean, wanted.mean_, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours.variances, wanted.explained_variance_, rtol=1e-5)
    np.testing.assert_allclose(ours.components, wanted.components_, atol=1e-5)
    np.testing.assert_allclose(ours.project(rows), wanted.transform(rows.astype(np.float64)), atol=1e-3)


@pytest.mark.parametrize("shape", [TALL, WIDE])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.98])
def test_a_share_keeps_as_few_as_reach_it(shape: tuple[int, int], share: float) -> None:
    rows = drawn(shape, seed=1)
    every = PCA(svd_solver="full").fit(rows.astype(np.float64)).explained_variance_ratio_
    kept = len(fit_pca(rows, share=share).variances)
    assert every[:kept].sum() >= share > every[: kept - 1].sum()


@pytest.mark.parametrize("shape", [TALL, WIDE])
def test_all_directions_keep_all_distances(shape: tuple[int, int]) -> None:
    rows = drawn(shape)
    ours = fit_pca(rows, share=1.0)
    least = min(shape[1], shape[0] - 1)
    assert len(ours.variances) == least
    np.testing.assert_allclose(ours.components @ ours.components.T, np.eye(least), atol=1e-5)
    given = ours.project(rows)
    back = given @ ours.components + ours.mean
    np.testing.assert_allclose(back, rows, atol=1e-3)


@pytest.mark.parametrize("shape", [TALL, WIDE])
def test_whitened_rows_have_unit_covariance(shape: tuple[int, int]) -> None:
    rows = drawn(shape)
    white = fit_pca(rows, dims=10).project(rows, whiten=True)
    np.testing.assert_allclose(np.cov(white.T), np.eye(10), atol=1e-3)


def test_both_routes_agree_and_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = drawn((41, 40))
    tall = fit_pca(rows, dims=10)
    wide = fit_pca(rows[:40], dims=10)
    repeated = fit_pca(np.concatenate([rows[:40]] * 2), dims=10)
    np.testing.assert_allclose(wide.components, repeated.components, atol=1e-5)
    monkeypatch.setattr(pca, "BLOCK_BYTES", 1000)
    np.testing.assert_allclose(fit_pca(rows, dims=10).components, tall.components, atol=1e-6)
    np.testing.assert_allclose(fit_pca(rows[:40], dims=10).components, wide.components, atol=1e-6)


def test_signs_do_not_depend_on_the_order_of_rows() -> None:
    for shape in (TALL, WIDE):
        rows = drawn(shape)
        first, second = fit_pca(rows, dims=5), fit_pca(rows[::-1], dims=5)
        np.testing.assert_allclose(first.components, second.components, atol=1e-5)
        largest = np.take_along_axis(first.components, np.abs(first.components).argmax(1)[:, None], axis=1)
        assert (largest > 0).all()


def test_messages() -> None:
    rows = drawn(TALL)
    with pytest.raises(DataError, match=r"needs either dims or share, got dims 3 and share 0.5"):
        fit_pca(rows, dims=3, share=0.5)
    with pytest.raises(DataError, match="needs either dims or share, got dims None and share None"):
        fit_pca(rows)
    with pytest.raises(DataError, match=r"share of a PCA must be in \(0, 1\], got 1.5"):
        fit_pca(rows, share=1.5)
    with pytest.raises(DataError, match="needs at least two rows, got 1"):
        fit_pca(rows[:1], dims=1)
    with pytest.raises(DataError, match="of 300 rows with 20 dims can keep 1 to 20, got 21"):
        fit_pca(rows, dims=21)
    with pytest.raises(DataError, match="needs finite rows"):
        fit_pca(np.full((3, 2), np.nan, np.float32), dims=1)
    with pytest.raises(DataError, match="needs rows that differ, got 4 equal ones"):
        fit_pca(np.ones((4, 2), np.float32), dims=1)
    with pytest.raises(DataError, match="must keep directions that vary, got 1 for 3"):
        fit_pca(np.outer(np.arange(5.0), np.ones(9)).astype(np.float32), dims=3)
    with pytest.raises(DataError, match="rows to project must have 20 dims, got 19"):
        fit_pca(rows, dims=2).project(rows[:, :19])
