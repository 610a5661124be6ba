"""Learn a mixture of Gaussians: expectation and maximisation from the words of k-means."""

import numpy as np
from jaxtyping import Float

from untrimmed.aggregate.mixture import Mixture, PosteriorSums
from untrimmed.aggregate.words import fit_words, nearest_word
from untrimmed.records import DataError

TOLERANCE = 1e-3
"""Mean gain of log p(x) a row from one iteration to the next below which learning ends; scikit-learn's."""
FLOOR = 1e-4
"""Least variance of a word as a share of the rows' variance in that number."""


def fit_mixture(
    rows: Float[np.ndarray, "n dims"],
    *,
    words: int = 256,
    seed: int = 0,
    iterations: int = 100,
    tolerance: float = TOLERANCE,
    floor: float = FLOOR,
    start: Mixture | None = None,
) -> Mixture:
    """The mixture that makes rows likely.

    Each iteration takes the moments of the rows that fall to each word in shares, p(word | x), as its new weight,
    mean and variance. A word that holds less than one row in all keeps its mean and variance.

    Args:
        rows: at least as many as words.
        words: how many Gaussians; Wang and Schmid take 256.
        seed: of the k-means that begins it.
        iterations: at most.
        tolerance: mean gain of log p(x) a row at which learning ends.
        floor: least variance of a word, as a share of the rows' variance in that number.
        start: go on from here instead of from k-means; words and seed do not count then.

    Raises:
        DataError: when there are fewer rows than words, numbers are not finite, or all rows are equal.

    Source: Sanchez et al., Image classification with the Fisher vector, IJCV 2013, appendix B.
    """
    if len(rows) < 2 or not np.isfinite(rows).all():
        raise DataError(f"a mixture needs at least two finite rows, got {len(rows)}")
    spread = np.var(rows, axis=0, dtype=np.float64)
    if not spread.max() > 0:
        raise DataError(f"a mixture needs rows that differ, got {len(rows)} equal ones")
    least = floor * np.where(spread > 0, spread, spread.max())  # a number that never varies has no scale of its own
    mixture = _hard(rows, fit_words(rows, words, seed=seed), least) if start is None else start
    before = -np.inf
    for _ in range(iterations):
        sums = PosteriorSums(mixture)
        sums.add(rows)
        reached = sums.log_likelihood / sums.count
        if reached - before < tolerance:
            break
        before = reached
        mixture = maximised(sums, mixture, least)
    return mixture


def maximised(sums: PosteriorSums, mixture: Mixture, least: Float[np.ndarray, " dims"]) -> Mixture:
    """The mixture whose words have the moments of the rows that fell to them.

    Args:
        sums: of the rows under `mixture`.
        mixture: the one before.
        least: variances below this are raised to it.
    """
    held = sums.weights[:, None]
    z = sums.firsts / np.maximum(held, 1e-12)
    means = sums.centre + sums.scale * z
    variances = sums.scale**2 * (sums.seconds / np.maximum(held, 1e-12) - z**2)
    alive = held >= 1
    means, variances = np.where(alive, means, mixture.means), np.where(alive, variances, mixture.variances)
    weights = np.maximum(sums.weights, 1e-3)
    return Mixture(weights / weights.sum(), means, np.maximum(variances, least))


def _hard(rows: np.ndarray, centres: np.ndarray, least: np.ndarray) -> Mixture:
    """Each row falls to its nearest centre with its whole weight; a centre alone gets the variance of all rows."""
    place = nearest_word(rows, centres)
    order = np.argsort(place, kind="stable")
    counts = np.bincount(place, minlength=len(centres))
    means, variances = centres.astype(np.float64), np.tile(np.var(rows, axis=0, dtype=np.float64), (len(centres), 1))
    for word, part in enumerate(np.split(order, np.cumsum(counts)[:-1])):
        if len(part):
            means[word] = np.mean(rows[part], axis=0, dtype=np.float64)
        if len(part) > 1:
            variances[word] = np.var(rows[part], axis=0, dtype=np.float64)
    weights = np.maximum(counts, 1e-3)
    return Mixture(weights / weights.sum(), means, np.maximum(variances, least))
