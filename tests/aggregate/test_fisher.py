"""Fisher vectors: the gradient by finite differences, scikit-image's, and what must not change them."""

import numpy as np
import pytest
from drawn_mixtures import drawn_mixture, drawn_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from skimage.feature import fisher_vector as skimage_fisher_vector
from sklearn.mixture import GaussianMixture

from untrimmed.aggregate.fisher import IMPROVED, RAW, FisherRule, FisherSums, fisher_vector
from untrimmed.aggregate.mixture import Mixture
from untrimmed.records import DataError


def mean_log_likelihood(rows: np.ndarray, mixture: Mixture, means: np.ndarray, deviations: np.ndarray) -> float:
    moved = Mixture(mixture.weights, means, deviations**2)
    return float(logsumexp(moved.log_densities(rows), axis=1).mean())


def test_it_is_the_gradient_in_units_of_the_fisher_information() -> None:
    mixture = drawn_mixture(3, 2)
    rows = drawn_rows(mixture, 40, seed=1) + 0.3
    means, deviations = mixture.means, np.sqrt(mixture.variances)
    by_mean, by_deviation = np.zeros_like(means), np.zeros_like(means)
    step = 1e-5
    for place in np.ndindex(means.shape):
        nudge = np.zeros_like(means)
        nudge[place] = step
        for sign in (1, -1):
            by_mean[place] += sign * mean_log_likelihood(rows, mixture, means + sign * nudge, deviations)
            by_deviation[place] += sign * mean_log_likelihood(rows, mixture, means, deviations + sign * nudge)
    weights = mixture.weights[:, None]
    by_mean *= deviations / np.sqrt(weights) / (2 * step)
    by_deviation *= deviations / np.sqrt(2 * weights) / (2 * step)
    wanted = np.concatenate([by_mean.ravel(), by_deviation.ravel()])
    np.testing.assert_allclose(fisher_vector(rows, mixture, rule=RAW, exact=True), wanted, atol=1e-8)
    np.testing.assert_allclose(fisher_vector(rows, mixture, rule=RAW), wanted, atol=1e-5)


@pytest.mark.parametrize("improved", [False, True])
def test_it_is_scikit_images_but_for_weights_and_a_sign(improved: bool) -> None:
    mixture = drawn_mixture(8, 6)
    rows = drawn_rows(mixture, 300)
    theirs = GaussianMixture(8, covariance_type="diag")
    theirs.weights_, theirs.means_, theirs.covariances_ = mixture.weights, mixture.means, mixture.variances
    theirs.precisions_cholesky_ = 1 / np.sqrt(mixture.variances)
    wanted = skimage_fisher_vector(rows, theirs, improved=improved)[8:]  # the gradients by the weights come first there
    wanted[48:] *= -1  # and it takes the second half the other way round
    if improved:
        wanted /= np.linalg.norm(wanted)
    rule = IMPROVED if improved else RAW
    np.testing.assert_allclose(fisher_vector(rows, mixture, rule=rule, exact=True), wanted, atol=1e-10)
    np.testing.assert_allclose(fisher_vector(rows.astype(np.float32), mixture, rule=rule), wanted, atol=2e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 1500), max_size=4))
def test_neither_order_nor_blocks_matter(seed: int, cuts: list[int]) -> None:
    mixture = drawn_mixture(4, 3, seed=seed)
    rows = drawn_rows(mixture, 1500, seed=seed)
    sums = FisherSums(mixture, exact=True)
    for part in np.split(np.random.default_rng(seed).permutation(rows), sorted(cuts)):
        sums.add(part)
    assert sums.count == 1500
    np.testing.assert_allclose(sums.vector(RAW), fisher_vector(rows, mixture, rule=RAW, exact=True), atol=1e-12)


def test_the_whole_set_twice_changes_nothing() -> None:
    mixture = drawn_mixture(4, 3)
    rows = drawn_rows(mixture, 200)
    np.testing.assert_allclose(
        fisher_vector(np.tile(rows, (3, 1)), mixture, exact=True), fisher_vector(rows, mixture, exact=True), atol=1e-9
    )


def test_moving_and_scaling_rows_and_mixture_together_changes_nothing() -> None:
    mixture = drawn_mixture(4, 3)
    rows = drawn_rows(mixture, 200)
    scale, shift = np.array([3.0, 0.1, 20.0]), np.array([-50.0, 7.0, 0.0])
    moved = Mixture(mixture.weights, mixture.means * scale + shift, mixture.variances * scale**2)
    np.testing.assert_allclose(
        fisher_vector(rows * scale + shift, moved, rule=RAW, exact=True),
        fisher_vector(rows, mixture, rule=RAW, exact=True),
        atol=1e-10,
    )


def test_rows_that_the_mixture_draws_give_nearly_nothing() -> None:
    mixture = drawn_mixture(4, 3)
    few, many = (np.abs(fisher_vector(drawn_rows(mixture, n), mixture, rule=RAW)).max() for n in (100, 100_000))
    assert many < 0.02 < few


def test_improved_is_powers_then_length_one() -> None:
    mixture = drawn_mixture(4, 3)
    rows = drawn_rows(mixture, 50)
    raw = fisher_vector(rows, mixture, rule=RAW, exact=True)
    rooted = np.sign(raw) * np.sqrt(np.abs(raw))
    np.testing.assert_allclose(fisher_vector(rows, mixture, exact=True), rooted / np.linalg.norm(rooted), atol=1e-12)
    np.testing.assert_allclose(
        fisher_vector(rows, mixture, rule=FisherRule(unit=False), exact=True), rooted, atol=1e-12
    )


def test_no_rows_give_zeros() -> None:
    mixture = drawn_mixture(4, 3)
    vector = fisher_vector(np.zeros((0, 3)), mixture)
    assert vector.shape == (24,)
    assert vector.dtype == np.float32
    assert not vector.any()


def test_messages() -> None:
    with pytest.raises(DataError, match=r"power of a Fisher vector must be in \(0, 1\], got 0"):
        FisherRule(power=0.0)
    with pytest.raises(DataError, match="rows for a mixture of 3 dims must be as wide, got 2"):
        fisher_vector(np.zeros((1, 2)), drawn_mixture(4, 3))
