"""Fisher vectors and what they are learnt with: shares of the matrix-product limit, and ratios to other programs."""

import warnings
from collections.abc import Callable

import numpy as np

from benchmarks.table import Row, at_least, cpu_seconds
from untrimmed.aggregate.fisher import RAW, fisher_vector
from untrimmed.aggregate.mixture import BLOCK_NUMBERS, Mixture
from untrimmed.aggregate.mixture_fit import fit_mixture
from untrimmed.aggregate.pca import fit_pca
from untrimmed.aggregate.vlad import vlad
from untrimmed.aggregate.words import fit_words

WORDS = 256
KEPT = {"trajectory": 15, "HOG": 48, "HOF": 54, "MBH": 96}
ROUNDS = 15


def run() -> list[Row]:
    """All rows; one thread each, as a worker process has."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return [*_vectors(), *_others(), *_mixtures(), *_pca()]


def _vectors() -> list[Row]:
    rows, ours, limits = [], 0.0, 0.0
    for name, dims in KEPT.items():
        mixture, given = _mixture(dims), _drawn(10_000, dims)
        spent, limit = _least(lambda m=mixture, g=given: fisher_vector(g, m), _products(10_000, dims))
        ours, limits = ours + spent, limits + limit
        note = f"10,000 x {dims} float32, 256 words; {spent * 1e3:.1f} ms"
        rows.append(Row(what=f"Fisher vector of {name}, share of the matrix limit", value=limit / spent, note=note))
    note = f"10,000 trajectories, one thread; {ours * 1e3:.1f} ms CPU, {limits * 1e3:.1f} ms for the products alone"
    return [at_least("Fisher vectors of all four, share of the matrix limit", limits / ours, 0.5, note=note), *rows]


def _others() -> list[Row]:
    from skimage.feature import fisher_vector as skimage_fisher_vector
    from sklearn.mixture import GaussianMixture

    mixture, given = _mixture(48), _drawn(10_000, 48)
    theirs = GaussianMixture(WORDS, covariance_type="diag")
    theirs.weights_, theirs.means_, theirs.covariances_ = mixture.weights, mixture.means, mixture.variances
    theirs.precisions_cholesky_ = 1 / np.sqrt(mixture.variances)
    spent, other = _least(lambda: fisher_vector(given, mixture), lambda: skimage_fisher_vector(given, theirs))
    wanted, found = skimage_fisher_vector(given, theirs)[WORDS:], fisher_vector(given, mixture, rule=RAW)
    half = len(found) // 2
    close = float(np.corrcoef(found[:half], wanted[:half])[0, 1])
    note = f"10,000 x 48, 256 words; correlation of the gradients by the means 1 - {1 - close:.0e}"
    words = fit_words(given, WORDS, iterations=5)
    whole = cpu_seconds(lambda: vlad(given, words), repeat=ROUNDS)
    return [
        Row(what="Fisher vector against scikit-image", value=other / spent, note=note),
        Row(what="VLAD of 10,000 x 48, 256 words", value=whole * 1e3, unit="ms"),
    ]


def _mixtures() -> list[Row]:
    from sklearn.mixture import GaussianMixture

    given, start = _drawn(50_000, 48), _mixture(48)
    fit_mixture(given, start=start, iterations=1)
    theirs = GaussianMixture(
        WORDS,
        covariance_type="diag",
        max_iter=10,
        tol=0.0,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=1 / start.variances,
    )
    spent = cpu_seconds(lambda: fit_mixture(given, start=start, iterations=10, tolerance=-np.inf), repeat=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ten iterations are not meant to converge
        other = cpu_seconds(lambda: theirs.fit(given))
    whole = cpu_seconds(lambda: fit_mixture(given))
    note = f"50,000 x 48, 256 words, 10 iterations from one start; {spent:.2f} s against {other:.2f} s CPU"
    return [
        at_least("learning a mixture against scikit-learn", other / spent, 1.0, note=note),
        Row(what="learning a mixture, k-means and all", value=whole, unit="s", note="50,000 x 48, 256 words"),
    ]


def _pca() -> list[Row]:
    from sklearn.decomposition import PCA

    rows = []
    for count, width, kept in ((256_000, 96, 48), (500, 16_384, 100)):
        given = _drawn(count, width)
        spent = cpu_seconds(lambda g=given, k=kept: fit_pca(g, dims=k), repeat=2)
        other = cpu_seconds(lambda g=given, k=kept: PCA(k, svd_solver="full" if len(g) < 1000 else "auto").fit(g))
        note = f"{kept} of {count:,} x {width:,}; {spent:.2f} s against {other:.2f} s CPU"
        rows.append(Row(what="PCA against scikit-learn", value=other / spent, note=note))
    return rows


def _products(count: int, dims: int) -> Callable[[], None]:
    """The four products of rows, words and dims that a Fisher vector is made of, two at a time, and nothing else."""
    block = BLOCK_NUMBERS // WORDS
    powers, linear = _drawn(block, 2 * dims), _drawn(2 * dims, WORDS)
    shares, sums = np.empty((block, WORDS), np.float32), np.empty((WORDS, 2 * dims), np.float32)

    def multiply() -> None:
        for first in range(0, count, block):
            part = min(block, count - first)
            np.matmul(powers[:part], linear, out=shares[:part])
            np.matmul(shares[:part].T, powers[:part], out=sums)

    return multiply


def _least(ours: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Least CPU seconds of both, alternating, after one call each to warm up."""
    ours()
    other()
    pairs = [(cpu_seconds(ours), cpu_seconds(other)) for _ in range(ROUNDS)]
    return min(first for first, _ in pairs), min(second for _, second in pairs)


def _mixture(dims: int) -> Mixture:
    rng = np.random.default_rng(1)
    return Mixture(np.full(WORDS, 1 / WORDS), rng.normal(size=(WORDS, dims)), rng.uniform(0.3, 1.5, size=(WORDS, dims)))


def _drawn(count: int, dims: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, dims)).astype(np.float32)
