"""Mixtures and rows that the tests of this folder draw for themselves."""

import numpy as np

from untrimmed.aggregate.mixture import Mixture


def drawn_mixture(words: int, dims: int, *, seed: int = 0) -> Mixture:
    """Words in the neighbourhood of each other and far from zero."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.2, 1, words)
    means = 20 + 2 * rng.normal(size=(words, dims))
    return Mixture(weights / weights.sum(), means, rng.uniform(0.3, 2, (words, dims)))


def drawn_rows(mixture: Mixture, count: int, *, seed: int = 0) -> np.ndarray:
    """Rows that a mixture would draw."""
    rng = np.random.default_rng(seed)
    word = rng.choice(mixture.words, count, p=mixture.weights)
    return mixture.means[word] + np.sqrt(mixture.variances[word]) * rng.normal(size=(count, mixture.dims))
