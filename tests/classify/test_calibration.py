"""From margins to scores: monotone, bounded, scikit-learn's sigmoid calibration as reference, words of errors."""

import numpy as np
import pytest
from cloud_rows import clouds
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.svm import LinearSVC

from untrimmed.classify.calibration import fit_platt, shares, sigmoid_scores, softmax_scores
from untrimmed.records import DataError


@pytest.mark.parametrize("noise", [0.9, 2.0, 4.0])
def test_probabilities_are_those_of_scikit_learn(noise: float) -> None:
    rows, members = clouds(0, 90, noise=noise)
    others, truth = clouds(1, 70, noise=noise)
    machine = LinearSVC(random_state=0).fit(rows, members[:, 0])
    oracle = CalibratedClassifierCV(FrozenEstimator(machine), method="sigmoid").fit(others, truth[:, 0])
    margins = machine.decision_function(others)[:, None]
    found = fit_platt(margins, truth[:, :1]).scores(margins)[:, 0]
    np.testing.assert_allclose(found, oracle.predict_proba(others)[:, 1], atol=2e-4)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), pull=st.floats(-2, 4), unit=st.sampled_from([1e-3, 1.0, 1e3]))
def test_no_other_sigmoid_is_likelier(seed: int, pull: float, unit: float) -> None:
    rng = np.random.default_rng(seed)
    members = rng.random((30, 1)) < 0.3
    margins = unit * (rng.normal(size=(30, 1)) + pull * members)
    fitted = fit_platt(margins, members)
    targets = np.where(members, (members.sum() + 1) / (members.sum() + 2), 1 / ((~members).sum() + 2))

    def loss(slope: float, offset: float) -> float:
        logits = slope * margins + offset
        return float((np.logaddexp(0, logits) - targets * logits).sum())

    slope, offset = float(fitted.slope[0]), float(fitted.offset[0])
    least = loss(slope, offset)
    assert slope >= 0
    for turn in np.linspace(0, 2 * np.pi, 16):
        for size in (1e-2, 1e-1, 1.0):
            ahead = slope + size * np.cos(turn) / unit
            if ahead >= 0:
                assert loss(ahead, offset + size * np.sin(turn)) >= least - 1e-9


def test_scores_keep_the_order_within_a_class_and_the_unit_plays_no_role() -> None:
    rng = np.random.default_rng(2)
    members = rng.random((60, 5)) < 0.3
    margins = rng.normal(size=(60, 5)) + members
    found = fit_platt(margins, members).scores(margins)
    for index in range(5):
        assert (np.diff(found[np.argsort(margins[:, index]), index]) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_allclose(fit_platt(margins * 1e4, members).scores(margins * 1e4), found, atol=1e-7)


def test_what_cannot_be_calibrated_gets_a_constant() -> None:
    rng = np.random.default_rng(3)
    members = rng.random((40, 4)) < 0.4
    members[:, 1], members[:, 2] = False, True
    margins = rng.normal(size=(40, 4))
    margins[:, 0] -= 3.0 * members[:, 0]  # the wrong way round
    margins[:, 3] = 0.1  # nothing to tell by
    fitted = fit_platt(margins, members)
    np.testing.assert_array_equal(fitted.slope, 0)
    found = fitted.scores(margins)
    np.testing.assert_allclose(found[:, 1], 1 / 42)
    np.testing.assert_allclose(found[:, 2], 41 / 42)
    for index in (0, 3):  # the mean of the targets, which lie a little inside of 0 and 1
        many = members[:, index].sum()
        targets = np.where(members[:, index], (many + 1) / (many + 2), 1 / (40 - many + 2))
        np.testing.assert_allclose(found[:, index], targets.mean())


def test_perfectly_told_apart_classes_stay_finite() -> None:
    members = (np.arange(100) < 50)[:, None]
    margins = np.where(members, 5.0, -5.0)
    found = fit_platt(margins, members).scores(margins)
    np.testing.assert_allclose(found, np.where(members, 51 / 52, 1 / 52), atol=1e-6)


def test_sigmoid_softmax_and_shares() -> None:
    margins = np.random.default_rng(4).normal(0, 30, (20, 7))
    np.testing.assert_allclose(sigmoid_scores(margins), expit(margins), rtol=1e-12)
    np.testing.assert_allclose(softmax_scores(margins), softmax(margins, axis=1), rtol=1e-12)
    np.testing.assert_allclose(softmax_scores(margins + 500), softmax_scores(margins), rtol=1e-9)
    np.testing.assert_array_equal(sigmoid_scores(np.array([[-1e5, 1e5]])), [[0, 1]])
    scores = sigmoid_scores(margins)
    scores[3] = 0
    found = shares(scores)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found[3], 1 / 7)
    np.testing.assert_allclose(found[0] * scores[0].sum(), scores[0])
    np.testing.assert_allclose(shares(found), found)  # again changes nothing
    assert softmax_scores(np.zeros((0, 3))).shape == shares(np.zeros((0, 3))).shape == (0, 3)


def test_words_of_errors() -> None:
    members = np.ones((3, 2), dtype=bool)
    with pytest.raises(DataError, match=r"Platt scaling needs videos, .* got \(0, 2\), \(0, 2\)"):
        fit_platt(np.zeros((0, 2)), members[:0])
    with pytest.raises(DataError, match="Platt scaling needs finite margins"):
        fit_platt(np.full((3, 2), np.inf), members)
    with pytest.raises(DataError, match="shares need finite scores of 0 or more"):
        shares(np.array([[0.5, -0.1]]))
