"""Words of a codebook: centres of k-means, and the nearest one of each row."""

import warnings

import numpy as np
from jaxtyping import Float, Int

from untrimmed.records import DataError

BLOCK_NUMBERS = 1 << 17
"""Distances worked on at once: they stay in the cache of one core."""


def fit_words(
    rows: Float[np.ndarray, "n dims"], words: int, *, seed: int = 0, iterations: int = 30
) -> Float[np.ndarray, "words dims"]:
    """Centres of k-means, begun by k-means++; scikit-learn's.

    Args:
        rows: at least as many as words; with fewer different ones some centres are equal.
        words: how many centres, >= 1.
        seed: of the beginning.
        iterations: at most; far fewer than until nothing moves serve as well for a codebook.

    Raises:
        DataError: when there are fewer rows than words, or numbers are not finite.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    if not 1 <= words <= len(rows):
        raise DataError(f"k-means needs 1 to as many words as rows, got {words} words for {len(rows)} rows")
    if not np.isfinite(rows).all():
        raise DataError("k-means needs finite rows")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than words
        found = KMeans(words, n_init=1, max_iter=iterations, random_state=seed).fit(rows)
    return np.asarray(found.cluster_centers_, dtype=rows.dtype)


def nearest_word(rows: Float[np.ndarray, "n dims"], words: Float[np.ndarray, "words dims"]) -> Int[np.ndarray, " n"]:
    """Index of the word nearest to each row by Euclidean distance; any one of those equally near.

    |x - w|^2 is least where x . w - |w|^2 / 2 is largest, with both measured from the words' mean, so that sets far
    from zero lose no accuracy.
    """
    centre = words.mean(axis=0)
    moved = (words - centre).astype(np.result_type(rows, np.float32))
    half = (moved**2).sum(axis=1) / 2
    found = np.empty(len(rows), np.int64)
    block = max(64, BLOCK_NUMBERS // len(words))
    for first in range(0, len(rows), block):
        part = rows[first : first + block]
        found[first : first + block] = ((part - centre) @ moved.T - half).argmax(axis=1)
    return found
