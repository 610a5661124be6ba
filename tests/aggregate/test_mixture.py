"""Mixtures of Gaussians: against scikit-learn's, and the laws of expectation and maximisation."""

import numpy as np
import pytest
from drawn_mixtures import drawn_mixture, drawn_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax
from sklearn.mixture import GaussianMixture

from untrimmed.aggregate.mixture import Mixture, PosteriorSums
from untrimmed.aggregate.mixture_fit import fit_mixture
from untrimmed.aggregate.words import fit_words, nearest_word
from untrimmed.records import DataError


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("words", [1, 5, 256])
def test_sums_are_those_of_the_definition(exact: bool, words: int) -> None:
    mixture = drawn_mixture(words, 7)
    rows = drawn_rows(mixture, 700)
    sums = PosteriorSums(mixture, exact=exact)
    sums.add(rows)
    logs = mixture.log_densities(rows)
    shares, z = softmax(logs, axis=1), (rows - sums.centre) / sums.scale
    close = {"rtol": 1e-9, "atol": 1e-9} if exact else {"rtol": 1e-4, "atol": 2e-3}
    np.testing.assert_allclose(sums.log_likelihood, logsumexp(logs, axis=1).sum(), rtol=1e-9 if exact else 1e-6)
    np.testing.assert_allclose(sums.weights, shares.sum(axis=0), **close)
    np.testing.assert_allclose(sums.firsts, shares.T @ z, **close)
    np.testing.assert_allclose(sums.seconds, shares.T @ z**2, **close)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.floats(-80, 80), st.floats(0.01, 100))
def test_shares_are_right_for_rows_far_and_near(seed: int, words: int, shift: float, stretch: float) -> None:
    mixture = drawn_mixture(words, 3, seed=seed)
    rows = (drawn_rows(mixture, 20, seed=seed) - 20) * stretch + 20 + shift
    fast, exact = PosteriorSums(mixture), PosteriorSums(mixture, exact=True)
    fast.add(rows)
    exact.add(rows)
    assert abs(fast.weights.sum() - 20) < 1e-3
    scale = np.abs((rows - fast.centre) / fast.scale).max() ** 2 / fast.variances.min()
    assert abs(fast.log_likelihood - exact.log_likelihood) < 1e-4 + 1e-5 * scale
    np.testing.assert_allclose(fast.weights, exact.weights, atol=1e-3 + 1e-5 * scale)


def test_log_likelihood_is_scikit_learns() -> None:
    mixture = drawn_mixture(6, 4)
    rows = drawn_rows(mixture, 200)
    theirs = GaussianMixture(6, covariance_type="diag")
    theirs.weights_, theirs.means_, theirs.covariances_ = mixture.weights, mixture.means, mixture.variances
    theirs.precisions_cholesky_ = 1 / np.sqrt(mixture.variances)
    np.testing.assert_allclose(logsumexp(mixture.log_densities(rows), axis=1), theirs.score_samples(rows), rtol=1e-10)


def test_iterations_are_those_of_scikit_learn() -> None:
    start = drawn_mixture(5, 4, seed=1)
    rows = drawn_rows(drawn_mixture(5, 4), 2000)
    ours = fit_mixture(rows, start=start, iterations=7, tolerance=-np.inf, floor=0.0)
    theirs = GaussianMixture(
        5,
        covariance_type="diag",
        max_iter=7,
        tol=0.0,
        reg_covar=0,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=1 / start.variances,
    )
    from sklearn.exceptions import ConvergenceWarning

    with pytest.warns(ConvergenceWarning):
        theirs.fit(rows)
    np.testing.assert_allclose(ours.weights, theirs.weights_, rtol=1e-4)
    np.testing.assert_allclose(ours.means, theirs.means_, rtol=1e-4)
    np.testing.assert_allclose(ours.variances, theirs.covariances_, rtol=1e-3)


def test_no_iteration_makes_the_rows_less_likely() -> None:
    rows = drawn_rows(drawn_mixture(8, 5), 1000)
    mixture = drawn_mixture(8, 5, seed=3)
    before = -np.inf
    for _ in range(15):
        now = float(logsumexp(mixture.log_densities(rows), axis=1).sum())
        assert now > before - 1e-3
        before, mixture = now, fit_mixture(rows, start=mixture, iterations=1, floor=0.0)


def test_the_words_that_drew_the_rows_are_found() -> None:
    truth = Mixture(np.array([0.5, 0.3, 0.2]), np.array([[0.0, 0], [9, 0], [0, 9]]), np.full((3, 2), 0.5))
    found = fit_mixture(drawn_rows(truth, 20_000), words=3, seed=2)
    order = np.argsort(-found.weights)
    np.testing.assert_allclose(found.weights[order], truth.weights, atol=0.02)
    np.testing.assert_allclose(found.means[order], truth.means, atol=0.05)
    np.testing.assert_allclose(found.variances[order], truth.variances, atol=0.05)


def test_a_seed_gives_the_same_mixture() -> None:
    rows = drawn_rows(drawn_mixture(4, 3), 500).astype(np.float32)
    first, second = (fit_mixture(rows, words=4, seed=5, iterations=5) for _ in range(2))
    for one, other in zip(vars(first).values(), vars(second).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_variances_keep_their_floor_and_copies_do_no_harm() -> None:
    rows = np.repeat(np.random.default_rng(0).normal(size=(3, 4)), 50, axis=0)
    rows[:, 3] = 1.0
    found = fit_mixture(rows, words=5, floor=0.01)
    least = 0.01 * rows.var(axis=0)
    assert (found.variances[:, :3] >= least[:3] * 0.999).all()
    assert (found.variances[:, 3] > 0).all()


def test_words_are_the_means_of_what_is_nearest_to_them() -> None:
    rows = drawn_rows(drawn_mixture(6, 3), 400)
    words = fit_words(rows, 6, iterations=300)
    near = nearest_word(rows, words)
    np.testing.assert_array_equal(near, ((rows[:, None] - words) ** 2).sum(axis=2).argmin(axis=1))
    means = np.stack([rows[near == word].mean(axis=0) for word in range(6)])
    np.testing.assert_allclose(words, means, atol=1e-6)


def test_messages() -> None:
    good = drawn_mixture(2, 3)
    with pytest.raises(DataError, match=r"as many weights as means .* got \(2,\), \(2, 0\) and \(2, 0\)"):
        Mixture(good.weights, np.zeros((2, 0)), np.zeros((2, 0)))
    with pytest.raises(DataError, match="needs finite means and positive finite variances"):
        Mixture(good.weights, good.means, 0 * good.variances)
    with pytest.raises(DataError, match="must be positive and sum to 1, got a sum of 2"):
        Mixture(2 * good.weights, good.means, good.variances)
    with pytest.raises(DataError, match="rows for a mixture of 3 dims must be as wide, got 4"):
        PosteriorSums(good).add(np.zeros((2, 4)))
    with pytest.raises(DataError, match="rows for a mixture must be finite"):
        PosteriorSums(good).add(np.full((2, 3), np.inf))
    with pytest.raises(DataError, match="at least two finite rows, got 1"):
        fit_mixture(np.zeros((1, 3)))
    with pytest.raises(DataError, match="needs rows that differ, got 300 equal ones"):
        fit_mixture(np.ones((300, 3)))
    with pytest.raises(DataError, match="needs 1 to as many words as rows, got 9 words for 5 rows"):
        fit_words(np.eye(5), 9)
    with pytest.raises(DataError, match="k-means needs finite rows"):
        fit_words(np.full((5, 2), np.nan), 2)
