"""Learned fusion weights: what they find, and that no video is fused by weights that saw it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.evaluate.average_precision import interpolated
from untrimmed.fuse import search
from untrimmed.fuse.search import CrossFused, Figure, Rule, Stacking, WeightSearch, apply, cross_fused, figure_of
from untrimmed.records import DataError

RULES: tuple[Rule, ...] = (WeightSearch(levels=10), WeightSearch(figure="mAP", levels=4), Stacking())


def world(seed: int = 0, *, videos: int = 60, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Members, one class a video, and scores of three systems: noise, perfect, noise."""
    rng = np.random.default_rng(seed)
    members = np.eye(classes, dtype=bool)[np.arange(videos) % classes]
    noise = rng.dirichlet(np.full(classes, 0.2), size=(3, videos))  # sure of itself, so that it does harm
    noise[1] = members
    return noise, members


def helpful(seed: int = 0, *, videos: int = 120, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Three systems, each a little right, the second the most."""
    rng = np.random.default_rng(seed)
    members = np.eye(classes, dtype=bool)[rng.integers(0, classes, videos)]
    strength = np.array([0.6, 1.2, 0.8])[:, None, None]
    powers = np.exp(strength * members + rng.normal(size=(3, videos, classes)))
    return powers / powers.sum(-1, keepdims=True), members


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_perfect_system_gets_the_weight(rule: Rule) -> None:
    scores, members = world()
    weights = rule(scores, members)
    assert np.allclose(weights[1], 1)
    assert np.allclose(weights[[0, 2]], 0, atol=1e-9)
    fused = cross_fused(scores, members, rule=rule, folds=5)
    assert (fused.scores.argmax(1) == members.argmax(1)).all()


@pytest.mark.parametrize("figure", ["hit@1", "mAP"])
def test_a_search_ends_on_the_simplex_and_not_below_where_it_starts(figure: Figure) -> None:
    scores, members = helpful()
    weights = WeightSearch(figure=figure, levels=10)(scores, members)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    reached = figure_of(apply(scores, weights), members, figure)
    starts = [np.full(3, 1 / 3), *np.eye(3)]
    assert reached >= max(figure_of(apply(scores, start), members, figure) for start in starts)
    grid = np.array([[a, b, 10 - a - b] for a in range(11) for b in range(11 - a)]) / 10
    brute = max(figure_of(apply(scores, point), members, figure) for point in grid)
    assert reached >= brute - 0.01  # a local optimum, as good here as the whole grid within one video
    assert np.array_equal(weights, WeightSearch(figure=figure, levels=10)(scores, members))


def test_two_systems_are_searched_as_by_the_grid_itself() -> None:
    scores, members = helpful(3)
    line = [figure_of(t * scores[0] + (1 - t) * scores[1], members, "hit@1") for t in np.linspace(0, 1, 21)]
    weights = WeightSearch(levels=20)(scores[:2], members)
    assert figure_of(apply(scores[:2], weights), members, "hit@1") == max(line)


def test_stacking_is_non_negative_least_squares() -> None:
    scores, members = helpful(1)
    weights = Stacking()(scores, members)
    assert (weights >= 0).all()
    for number in range(members.shape[1]):
        rest = members[:, number] - scores[:, :, number].T @ weights[:, number]
        gradient = scores[:, :, number] @ rest  # of the squared error, downhill
        assert (gradient <= 1e-8).all()  # no weight wants to grow
        assert np.allclose(gradient[weights[:, number] > 0], 0, atol=1e-8)
    members[:, 2] = False
    assert np.allclose(Stacking()(scores, members)[:, 2], 1 / 3)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_video_is_fused_by_weights_that_never_saw_it(rule: Rule) -> None:
    scores, members = helpful(2)
    first = cross_fused(scores, members, rule=rule, folds=4, seed=7)
    for number in range(4):
        out = first.fold == number
        corrupted = members.copy()
        corrupted[out] = ~corrupted[out]
        again = cross_fused(scores, corrupted, rule=rule, folds=4, seed=7)
        assert np.array_equal(again.scores[out], first.scores[out])
        spoiled = scores.copy()
        spoiled[:, out] = spoiled[:, out][..., ::-1]
        assert np.array_equal(
            cross_fused(spoiled, members, rule=rule, folds=4, seed=7).weights[number], first.weights[number]
        )
        assert np.allclose(first.scores[out], apply(scores[:, out], first.weights[number]))
        assert np.array_equal(first.weights[number], rule(scores[:, ~out], members[~out]))
    assert any(
        not np.array_equal(
            cross_fused(scores, members[::-1].copy(), rule=rule, folds=4, seed=7).weights[n], first.weights[n]
        )
        for n in range(4)
    )  # labels do matter elsewhere


def test_folds_are_even_and_follow_the_seed() -> None:
    scores, members = world(videos=43)
    fused: CrossFused = cross_fused(scores, members, folds=5)
    assert sorted(np.bincount(fused.fold).tolist()) == [8, 8, 9, 9, 9]
    assert fused.weights.shape == (5, 3)
    assert np.array_equal(fused.fold, cross_fused(scores, members, folds=5).fold)
    assert not np.array_equal(fused.fold, cross_fused(scores, members, folds=5, seed=1).fold)
    assert cross_fused(scores, members, folds=43, rule=Stacking()).weights.shape == (43, 3, 4)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000))
def test_figures_equal_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    members = rng.random((9, 4)) < 0.3
    members[0, 0] = True
    scores = rng.integers(0, 5, (9, 4)).astype(float)
    hits = [row[scores[i].argmax()] for i, row in enumerate(members) if row.any()]
    assert figure_of(scores, members, "hit@1") == pytest.approx(np.mean(hits))
    found = []
    for number in range(4):
        if members[:, number].any():
            ranked = sorted(range(9), key=lambda i: (-scores[i, number], members[i, number]))  # equals: misses first
            places = np.flatnonzero([members[i, number] for i in ranked])
            found.append(interpolated(places, len(places)))
    assert figure_of(scores, members, "mAP") == pytest.approx(np.mean(found))


def test_words() -> None:
    scores, members = world()
    with pytest.raises(DataError, match=r"cross-validation needs from 2 to 60 folds \(videos\), got 1"):
        cross_fused(scores, members, folds=1)
    with pytest.raises(
        DataError, match=r"fusion needs scores of systems, each \(59, 4\) as the members, got \(3, 60, 4\)"
    ):
        search._check(scores, members[1:])
    with pytest.raises(DataError, match="learning fusion weights needs finite scores and a video with a class"):
        Stacking()(scores, np.zeros_like(members))
    with pytest.raises(DataError, match="a weight search needs levels >= 1 and rounds >= 1, got 0 and 10"):
        WeightSearch(levels=0)
