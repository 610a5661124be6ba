"""Gram matrices: against the plain product, sums of features, words of errors."""

import numpy as np
import pytest
from cloud_rows import clouds

from untrimmed.classify import gram as module
from untrimmed.classify.gram import add_kernels, cross_gram, gram, kernel_factors
from untrimmed.classify.svm import SvmConfig, fit_dual
from untrimmed.records import DataError


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 50])
def test_tiles_are_the_plain_product(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE", 16)
    rng = np.random.default_rng(0)
    rows, others = rng.normal(size=(count, 9)), rng.normal(size=(21, 9))
    found = gram(rows)
    np.testing.assert_allclose(found, rows @ rows.T, atol=1e-12)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(cross_gram(others, rows), others @ rows.T, atol=1e-12)


def test_precision_is_that_of_the_rows_or_double() -> None:
    rows = np.random.default_rng(0).normal(size=(12, 3000)).astype(np.float32)
    exact = rows.astype(np.float64) @ rows.astype(np.float64).T
    assert gram(rows).dtype == np.float32
    np.testing.assert_allclose(gram(rows), exact, atol=1e-5 * 3000)
    np.testing.assert_allclose(gram(rows, double=True), exact, rtol=1e-12)
    np.testing.assert_allclose(cross_gram(rows[:3], rows, double=True), exact[:3], rtol=1e-12)
    assert gram(rows.astype(np.float16)).dtype == np.float32


def test_added_kernels_are_features_side_by_side() -> None:
    first, members = clouds(0, 40, dims=8)
    second = 1000 * clouds(1, 40, dims=5)[0]
    kernels = [gram(first), gram(second)]
    factors = kernel_factors(kernels, weights=[1.0, 3.0])
    joined = np.concatenate([first * np.sqrt(factors[0]), second * np.sqrt(factors[1])], axis=1)
    total = add_kernels(kernels, factors)
    np.testing.assert_allclose(total, gram(joined), atol=1e-12)
    assert np.diagonal(total).mean() == pytest.approx(4.0)  # each feature counts by its weight, not by its unit
    config = SvmConfig(tolerance=1e-12)
    one, two = fit_dual(total, members, config), fit_dual(gram(joined), members, config)
    np.testing.assert_allclose(one.margins(total), two.margins(gram(joined)), atol=1e-5)
    cross = add_kernels([cross_gram(first[:3], first), cross_gram(second[:3], second)], factors)
    np.testing.assert_allclose(one.margins(cross), one.margins(total)[:3], atol=1e-9)


def test_factors() -> None:
    kernel = gram(np.ones((3, 4)))
    np.testing.assert_allclose(kernel_factors([kernel, 10 * kernel]), [0.25, 0.025])
    np.testing.assert_allclose(kernel_factors([kernel, 10 * kernel], weights=[2, 0], level=False), [2, 0])
    np.testing.assert_allclose(kernel_factors([np.zeros((3, 3))]), [1])
    kept = kernel.copy()
    add_kernels([kernel, kernel], np.ones(2))
    np.testing.assert_array_equal(kernel, kept)  # what is added stays as it was


def test_words_of_errors() -> None:
    kernel = np.eye(3)
    with pytest.raises(DataError, match="a Gram matrix needs finite features, see rows 0 to 2"):
        gram(kernel * np.nan)
    with pytest.raises(DataError, match=r"a finite weight of 0 or more for each of 2 kernels, got \[1.0\]"):
        kernel_factors([kernel, kernel], weights=[1.0])
    with pytest.raises(DataError, match=r"adding kernels needs .*, got \[1.0, -1.0\]"):
        kernel_factors([kernel, kernel], weights=[1.0, -1.0])
    with pytest.raises(DataError, match=r"kernels of one shape and a factor each, got \[\], 0"):
        add_kernels([], np.zeros(0))
    with pytest.raises(DataError, match=r"kernels of one shape and a factor each, got \[\(2, 3\), \(3, 3\)\], 2"):
        add_kernels([kernel, kernel[:2]], np.ones(2))
