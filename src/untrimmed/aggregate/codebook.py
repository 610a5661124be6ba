"""A codebook of several descriptors: for each the directions to keep and the mixture to measure against."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from untrimmed.aggregate.mixture import Mixture
from untrimmed.aggregate.mixture_fit import fit_mixture
from untrimmed.aggregate.pca import Pca, fit_pca
from untrimmed.records import DataError

PARTS = ("pca.mean", "pca.components", "pca.variances", "mixture.weights", "mixture.means", "mixture.variances")
"""What is kept of each descriptor, under NAME.PART."""


@dataclass(frozen=True, kw_only=True)
class CodebookConfig:
    """How a codebook is learnt; the defaults are those of Wang and Schmid, ICCV 2013, section 4.1."""

    descriptors: tuple[str, ...] = ("trajectory", "hog", "hof", "mbh")
    """Which ones, in the order in which their Fisher vectors are joined; report 17 takes these four."""
    kept_share: float = 0.5
    """Directions kept of each descriptor, as a share of its numbers: "by a factor of two using PCA"."""
    words: int = 256
    """Gaussians of each descriptor: "We set the number of Gaussians to K = 256"."""
    samples: int = 256_000
    """Rows it is learnt from: "randomly sample a subset of 256,000 features from the training set"."""
    iterations: int = 100
    """Of expectation and maximisation, at most; the paper does not say."""
    seed: int = 0
    """Of the sample and of the k-means that begins a mixture."""

    def __post_init__(self) -> None:
        if not self.descriptors or len(set(self.descriptors)) < len(self.descriptors):
            raise DataError(f"a codebook needs descriptors, each once, got {', '.join(self.descriptors) or 'none'}")
        if not 0 < self.kept_share <= 1:
            raise DataError(f"kept_share of a codebook must be in (0, 1], got {self.kept_share}")
        if not 1 <= self.words <= self.samples:
            raise DataError(f"words of a codebook must be from 1 to {self.samples} samples, got {self.words}")

    def kept(self, dims: int) -> int:
        """Directions kept of a descriptor of so many numbers, at least one."""
        return max(1, round(self.kept_share * dims))


@dataclass(frozen=True, eq=False)
class Entry:
    """What a codebook knows of one descriptor."""

    pca: Pca
    mixture: Mixture

    def __post_init__(self) -> None:
        if len(self.pca.variances) != self.mixture.dims:
            raise DataError(
                f"a mixture must be over the {len(self.pca.variances)} directions that its PCA keeps, "
                f"got {self.mixture.dims}"
            )

    @property
    def size(self) -> int:
        """Numbers in a Fisher vector."""
        return 2 * self.mixture.means.size


Codebook = Mapping[str, Entry]
"""Entries by descriptor, in the order in which their vectors are joined."""


def fit_codebook(samples: Mapping[str, Float[np.ndarray, "_ _"]], config: CodebookConfig | None = None) -> Codebook:
    """Learn directions and words of each descriptor from sampled rows.

    Args:
        samples: rows by descriptor; those that the configuration names must be there.
        config: how.

    Raises:
        DataError: when a descriptor is missing, or has too few rows for its directions or words.
    """
    config = config or CodebookConfig()
    found = {}
    for name in config.descriptors:
        if name not in samples:
            raise DataError(f"a codebook needs rows of {name}, got {', '.join(samples) or 'none'}")
        rows = samples[name]
        kept = config.kept(rows.shape[1])
        if len(rows) < max(config.words, kept + 1):
            raise DataError(
                f"a codebook of {config.words} words and {kept} directions of {name} needs at least "
                f"{max(config.words, kept + 1)} rows, got {len(rows)}"
            )
        pca = fit_pca(rows, dims=kept)
        mixture = fit_mixture(pca.project(rows), words=config.words, seed=config.seed, iterations=config.iterations)
        found[name] = Entry(pca, single(mixture))
    return found


def single(mixture: Mixture) -> Mixture:
    """The same mixture in float32, as it is kept."""
    return Mixture(*(part.astype(np.float32) for part in (mixture.weights, mixture.means, mixture.variances)))


def to_tensors(codebook: Codebook) -> dict[str, np.ndarray]:
    """Arrays by name, e.g. "hog.pca.mean"."""
    return {
        f"{name}.{kind}.{part}": np.ascontiguousarray(values, np.float32)
        for name, entry in codebook.items()
        for kind, whole in (("pca", entry.pca), ("mixture", entry.mixture))
        for part, values in vars(whole).items()
    }


def from_tensors(tensors: Mapping[str, np.ndarray], *, descriptors: tuple[str, ...], where: str) -> Codebook:
    """The codebook that to_tensors took apart, checked.

    Args:
        tensors: arrays by name.
        descriptors: in which order.
        where: what the messages call the place, e.g. the file's name.

    Raises:
        DataError: when an array is missing, has another shape than the others ask for, or is not finite float32.
    """
    found = {}
    for name in descriptors:
        parts = []
        for part in PARTS:
            values = tensors.get(f"{name}.{part}")
            if values is None:
                raise DataError(f"a codebook must hold {name}.{part}, got {', '.join(tensors) or 'none'} ({where})")
            if values.dtype != np.float32 or not np.isfinite(values).all():
                raise DataError(f"{name}.{part} of a codebook must be finite float32 numbers ({where})")
            parts.append(values)
        kept, dims = (*parts[1].shape, 0, 0)[:2]
        words = parts[3].size
        wanted = ((dims,), (kept, dims), (kept,), (words,), (words, kept), (words, kept))
        for part, values, shape in zip(PARTS, parts, wanted, strict=True):
            if values.shape != shape or not values.size:
                raise DataError(f"{name}.{part} of a codebook must have shape {shape}, got {values.shape} ({where})")
        try:
            found[name] = Entry(Pca(*parts[:3]), Mixture(*parts[3:]))
        except DataError as error:
            raise DataError(f"{name} of a codebook: {error} ({where})") from error
    return found
