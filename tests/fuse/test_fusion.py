"""Fusion of an ensemble's scores: each rule against the plain one, what all of them promise, and what is stored."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from untrimmed.configs import from_plain, to_plain
from untrimmed.fuse.fusion import (
    AnyFusion,
    Equal,
    FittedFusion,
    Highest,
    Majority,
    Searched,
    Stacked,
    Weighted,
    fit_fusion,
    restore_fusion,
)
from untrimmed.fuse.search import WeightSearch
from untrimmed.fuse.stacking import MaxoutStacking
from untrimmed.fuse.weights import weighted_mean
from untrimmed.records import DataError

FUSIONS: tuple[AnyFusion, ...] = (
    Equal(),
    Weighted(weights=(1.0, 4.0, 0.5)),
    Searched(search=WeightSearch(levels=5)),
    Highest(),
    Majority(),
    Stacked(stacking=MaxoutStacking(steps=40, learning_rate=0.05)),
)


def drawn(seed: int = 0, *, videos: int = 40, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Scores of three members, each a little right, and one class a video."""
    rng = np.random.default_rng(seed)
    truth = np.eye(classes, dtype=bool)[rng.integers(0, classes, videos)]
    powers = np.exp(rng.normal(size=(3, videos, classes)) + truth)
    return powers / powers.sum(axis=-1, keepdims=True), truth


@pytest.mark.parametrize("fusion", FUSIONS, ids=lambda fusion: type(fusion).__name__)
def test_every_fusion_gives_probabilities_and_is_stored(fusion: AnyFusion, tmp_path: Path) -> None:
    scores, truth = drawn()
    fitted = fit_fusion(fusion, scores, truth, seed=0)
    fused = fitted(scores)
    assert fused.shape == truth.shape
    assert (fused > 0).all()  # every class is ranked
    np.testing.assert_allclose(fused.sum(axis=1), 1)
    tables = fitted.tables()
    assert bool(tables) == fusion.learns
    for name, table in tables.items():
        save_file({key: value.contiguous() for key, value in table.items()}, tmp_path / name)
    again = restore_fusion(
        from_plain(type(fusion), to_plain(fusion)), {name: load_file(tmp_path / name) for name in tables}, where="file"
    )
    assert np.array_equal(again(scores), fused)
    silent = scores.copy()
    silent[:, 0] = 0  # all members abstain
    np.testing.assert_allclose(fitted(silent)[0].sum(), 1)


@pytest.mark.parametrize("fusion", FUSIONS, ids=lambda fusion: type(fusion).__name__)
def test_a_video_is_fused_by_itself_and_in_any_scale(fusion: AnyFusion) -> None:
    scores, truth = drawn(1)
    fitted = fit_fusion(fusion, scores, truth, seed=0)
    whole = fitted(scores)
    np.testing.assert_allclose(np.concatenate([fitted(scores[:, [i]]) for i in range(6)]), whole[:6])
    np.testing.assert_allclose(fitted(scores * np.array([1.0, 8.0, 0.5])[:, None, None]), whole)


@pytest.mark.parametrize("fusion", FUSIONS, ids=lambda fusion: type(fusion).__name__)
def test_the_order_of_the_members_changes_nothing(fusion: AnyFusion) -> None:
    if isinstance(fusion, Searched):
        pytest.skip("a search along one member after the other may end elsewhere")
    scores, truth = drawn(2)
    order = [2, 0, 1]
    moved: AnyFusion = fusion
    if isinstance(fusion, Weighted):
        moved = Weighted(weights=tuple(fusion.weights[i] for i in order))
    one = fit_fusion(fusion, scores, truth, seed=0)(scores)
    other = fit_fusion(moved, scores[order], truth, seed=0)(scores[order])
    np.testing.assert_allclose(other, one, atol=1e-6)


@pytest.mark.parametrize("fusion", FUSIONS, ids=lambda fusion: type(fusion).__name__)
def test_members_of_one_opinion_keep_their_best_class(fusion: AnyFusion) -> None:
    scores, truth = drawn(3)
    alike = np.stack([scores[1]] * 3)
    fused = (FittedFusion(fusion) if not fusion.learns else fit_fusion(fusion, alike, truth, seed=0))(alike)
    if not isinstance(fusion, Stacked):  # which may learn better
        assert (fused.argmax(axis=1) == scores[1].argmax(axis=1)).all()
    if isinstance(fusion, Equal | Weighted | Searched | Highest):
        np.testing.assert_allclose(fused, scores[1])


@pytest.mark.parametrize("fusion", [f for f in FUSIONS if f.learns], ids=lambda fusion: type(fusion).__name__)
def test_a_perfect_member_wins_where_fusion_learns(fusion: AnyFusion) -> None:
    scores, truth = drawn(4)
    fresh, known = drawn(5)
    scores[1], fresh[1] = truth * 0.98 + 0.004, known * 0.98 + 0.004
    fitted = fit_fusion(fusion, scores, truth, seed=0)
    assert (fitted(fresh).argmax(axis=1) == known.argmax(axis=1)).all()


def test_means_are_means() -> None:
    scores, truth = drawn(6)
    np.testing.assert_allclose(fit_fusion(Equal(), scores, truth, seed=0)(scores), scores.mean(axis=0))
    weighted = fit_fusion(Weighted(weights=(1.0, 2.0, 0.0)), scores, truth, seed=0)(scores)
    np.testing.assert_allclose(weighted, (scores[0] + 2 * scores[1]) / 3)
    searched = fit_fusion(Searched(), scores, truth, seed=0)
    assert searched.weights is not None
    np.testing.assert_allclose(searched(scores), weighted_mean(scores, WeightSearch()(scores, truth).tolist()))


def test_highest_and_majority_are_the_plain_rules() -> None:
    scores, truth = drawn(7)
    highest = fit_fusion(Highest(), scores, truth, seed=0)(scores)
    most = fit_fusion(Majority(), scores, truth, seed=0)(scores)
    for i in range(len(truth)):
        best = [max(scores[m, i, c] for m in range(3)) for c in range(truth.shape[1])]
        np.testing.assert_allclose(highest[i], np.array(best) / sum(best))
        count = Counter(scores[:, i].argmax(axis=1).tolist())
        mean = scores[:, i].mean(axis=0)
        ranking = sorted(range(truth.shape[1]), key=lambda c: (-count[c], -mean[c]))
        assert np.argsort(-most[i], kind="stable").tolist() == ranking


def test_what_does_not_learn_needs_no_videos() -> None:
    none = np.zeros((3, 0, 5)), np.zeros((0, 5), dtype=bool)
    for fusion in FUSIONS:
        if not fusion.learns:
            assert fit_fusion(fusion, *none, seed=0)(np.zeros((3, 0, 5))).shape == (0, 5)


def test_words_of_errors() -> None:
    scores, truth = drawn()
    with pytest.raises(DataError, match=r"weights of a fusion must be finite and >= 0 and not all 0, got \(0.0, 0.0\)"):
        Weighted(weights=(0.0, 0.0))
    with pytest.raises(DataError, match="late fusion needs a weight >= 0 for each of 3 streams"):
        FittedFusion(Weighted(weights=(1.0, 2.0)))(scores)
    with pytest.raises(DataError, match="fusion needs scores of at least one member, got none"):
        FittedFusion(Equal())(scores[:0])
    with pytest.raises(DataError, match=r"fusion needs scores of members, each \(40, 5\) as the classes, got \(0, 40"):
        fit_fusion(Searched(), scores[:0], truth, seed=0)
    with pytest.raises(DataError, match="learning fusion weights needs finite scores and a video with a class"):
        fit_fusion(Searched(), scores, np.zeros_like(truth), seed=0)
    with pytest.raises(DataError, match="folder must hold what the fusion Stacked learnt, got no table 'fusion'"):
        restore_fusion(Stacked(), {}, where="folder")
    with pytest.raises(DataError, match=r"a searched fusion needs weights >= 0, one a member, got tensor"):
        restore_fusion(Searched(), {"fusion": {"weights": torch.tensor([-1.0])}}, where="folder")
