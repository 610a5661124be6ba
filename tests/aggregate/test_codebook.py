"""Codebooks: parts that fit each other, kept and brought back, and refused when they are damaged."""

import numpy as np
import pytest

from untrimmed.aggregate.codebook import CodebookConfig, Entry, fit_codebook, from_tensors, to_tensors
from untrimmed.aggregate.mixture import Mixture
from untrimmed.aggregate.mixture_fit import fit_mixture
from untrimmed.aggregate.pca import Pca, fit_pca
from untrimmed.records import DataError

SMALL = CodebookConfig(descriptors=("hog", "hof"), words=3)


def samples() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"hof": rng.normal(size=(80, 6)).astype(np.float32), "hog": rng.normal(size=(90, 9)).astype(np.float32)}


def test_defaults_are_the_published_sizes() -> None:
    config = CodebookConfig()
    assert [config.kept(dims) for dims in (30, 96, 108, 192)] == [15, 48, 54, 96]
    assert 2 * config.words * sum((15, 48, 54, 96)) == 109_056


def test_each_descriptor_gets_its_own_directions_and_words() -> None:
    codebook = fit_codebook(samples(), SMALL)
    assert list(codebook) == ["hog", "hof"]
    assert [entry.size for entry in codebook.values()] == [2 * 3 * 4, 2 * 3 * 3]
    pca = fit_pca(samples()["hof"], dims=3)
    mixture = fit_mixture(pca.project(samples()["hof"]), words=3)
    np.testing.assert_array_equal(codebook["hof"].pca.components, pca.components)
    np.testing.assert_allclose(codebook["hof"].mixture.means, mixture.means, rtol=1e-6)


def test_tensors_bring_it_back() -> None:
    codebook = fit_codebook(samples(), SMALL)
    tensors = to_tensors(codebook)
    assert set(tensors) >= {"hog.pca.mean", "hof.mixture.weights"}
    back = from_tensors(tensors, descriptors=SMALL.descriptors, where="a.safetensors")
    for name, values in to_tensors(back).items():
        np.testing.assert_array_equal(values, tensors[name])


def test_damaged_tensors_are_refused() -> None:
    tensors = to_tensors(fit_codebook(samples(), SMALL))

    def read(**changed: np.ndarray | None) -> None:
        given = {**tensors, **{name.replace("__", "."): values for name, values in changed.items()}}
        whole = {name: values for name, values in given.items() if values is not None}
        from_tensors(whole, descriptors=SMALL.descriptors, where="a.safetensors")

    with pytest.raises(DataError, match=r"must hold hog\.pca\.mean, got hog\.pca\.components, .* \(a\.safetensors\)"):
        read(hog__pca__mean=None)
    with pytest.raises(DataError, match=r"hof\.mixture\.means of a codebook must be finite float32 numbers"):
        read(hof__mixture__means=tensors["hof.mixture.means"] * np.float32(np.nan))
    with pytest.raises(DataError, match=r"hof\.mixture\.means of a codebook must be finite float32 numbers"):
        read(hof__mixture__means=tensors["hof.mixture.means"].astype(np.float64))
    with pytest.raises(DataError, match=r"hog\.mixture\.means of a codebook must have shape \(3, 4\), got \(3, 3\)"):
        read(hog__mixture__means=tensors["hof.mixture.means"])
    with pytest.raises(DataError, match=r"hog\.pca\.mean of a codebook must have shape \(0,\), got \(9,\)"):
        read(hog__pca__components=tensors["hog.pca.variances"])
    with pytest.raises(
        DataError, match=r"hog of a codebook: weights of a mixture must be positive .* \(a\.safetensors\)"
    ):
        read(hog__mixture__weights=tensors["hog.mixture.weights"] * 2)


def test_messages() -> None:
    with pytest.raises(DataError, match="needs descriptors, each once, got hog, hog"):
        CodebookConfig(descriptors=("hog", "hog"))
    with pytest.raises(DataError, match=r"kept_share of a codebook must be in \(0, 1\], got 0"):
        CodebookConfig(kept_share=0.0)
    with pytest.raises(DataError, match="must be from 1 to 5 samples, got 6"):
        CodebookConfig(words=6, samples=5)
    with pytest.raises(DataError, match="needs rows of trajectory, got hof, hog"):
        fit_codebook(samples())
    few = {name: rows[:4] for name, rows in samples().items()}
    with pytest.raises(DataError, match="of 3 words and 4 directions of hog needs at least 5 rows, got 4"):
        fit_codebook(few, SMALL)
    pca = Pca(np.zeros(3), np.eye(3), np.ones(3))
    with pytest.raises(DataError, match="must be over the 3 directions that its PCA keeps, got 2"):
        Entry(pca, Mixture(np.ones(1), np.zeros((1, 2)), np.ones((1, 2))))
