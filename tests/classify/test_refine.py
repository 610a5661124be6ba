"""Class-wise refinement: what it leaves alone, that it permutes, and that knowing more never ranks worse."""

import numpy as np
import pytest
from cloud_rows import clouds
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.classify.linear import LinearConfig
from untrimmed.classify.refine import (
    RefinementConfig,
    Refiner,
    candidates,
    class_errors,
    dealt,
    fit_refiner,
    hardest,
    learning_set,
    restore_refiner,
)
from untrimmed.evaluate.average_precision import interpolated, plain
from untrimmed.records import DataError


def table(seed: int, *, videos: int = 30, classes: int = 6, levels: int = 0) -> np.ndarray:
    """Scores of sum 1; a few levels make many of them equal."""
    rng = np.random.default_rng(seed)
    scores = (
        rng.random((videos, classes)) if not levels else rng.integers(1, levels + 1, (videos, classes)).astype(float)
    )
    return scores / scores.sum(axis=1, keepdims=True)


def one_class_each(seed: int, *, videos: int = 30, classes: int = 6) -> np.ndarray:
    labels = np.random.default_rng(seed + 1000).permutation(np.arange(videos) % classes)
    return labels[:, None] == np.arange(classes)


def ap(column: np.ndarray, own: np.ndarray, *, kind: str) -> float:
    places = np.flatnonzero(own[np.argsort(-column, kind="stable")])
    return (interpolated if kind == "interpolated" else plain)(places, int(own.sum()))


@settings(deadline=None)
@given(seed=st.integers(0, 500), levels=st.sampled_from([0, 2, 5]))
def test_dealing_permutes_the_scores_of_the_candidates_alone(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    column, among = table(seed, levels=levels)[:, 0], rng.random(30) < 0.5
    new = dealt(column, rng.normal(size=30), among)
    assert np.array_equal(new[~among], column[~among])
    assert np.array_equal(np.sort(new[among]), np.sort(column[among]))


@settings(deadline=None)
@given(seed=st.integers(0, 500), levels=st.sampled_from([0, 2, 5]), kind=st.sampled_from(["interpolated", "plain"]))
def test_a_classifier_that_knows_never_lowers_the_average_precision(seed: int, levels: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    column, among, own = table(seed, levels=levels)[:, 0], rng.random(30) < 0.6, rng.random(30) < 0.3
    own[rng.integers(30)] = True
    new = dealt(column, own.astype(float), among)
    assert ap(new, own, kind=kind) >= ap(column, own, kind=kind) - 1e-12


def test_all_candidates_and_a_classifier_that_knows_rank_perfectly() -> None:
    column, own = table(3)[:, 0], one_class_each(3)[:, 0]
    new = dealt(column, own.astype(float), np.ones(30, bool))
    assert ap(new, own, kind="plain") == 1.0


def test_dealing_by_the_scores_themselves_or_by_nothing_changes_nothing_and_twice_is_once() -> None:
    column, among = table(4)[:, 2], np.arange(30) % 3 > 0
    ranks = np.random.default_rng(4).normal(size=30)
    assert np.array_equal(dealt(column, column, among), column)
    assert np.array_equal(dealt(column, np.zeros(30), among), column)
    once = dealt(column, ranks, among)
    assert np.array_equal(dealt(once, ranks, among), once)
    assert np.array_equal(dealt(column, np.exp(ranks), among), once)  # the order of ranks alone counts
    assert np.array_equal(dealt(column, ranks, np.zeros(30, bool)), column)


def test_the_order_of_videos_has_no_effect() -> None:
    column, among = table(5)[:, 1], np.arange(30) % 2 > 0
    rng = np.random.default_rng(5)
    ranks, order = rng.normal(size=30), rng.permutation(30)
    assert np.array_equal(dealt(column[order], ranks[order], among[order]), dealt(column, ranks, among)[order])


@pytest.mark.parametrize("depth", [1, 3, 10])
def test_candidates_are_the_best_classes_of_each_video(depth: int) -> None:
    scores = table(6)
    among = candidates(scores, depth=depth)
    assert (among.sum(axis=1) == min(depth, 6)).all()
    for row, mine in zip(scores, among, strict=True):
        assert mine.all() or row[mine].min() >= row[~mine].max()
    assert candidates(np.ones((1, 3)), depth=2).tolist() == [[True, True, False]]


def test_ten_best_classes_give_one_member_to_nine_others_in_the_mean() -> None:
    """The report's ratio of 1:9 follows, where every video's own class is among its ten best."""
    members = one_class_each(7, videos=200, classes=20)
    scores = table(7, videos=200, classes=20) + members
    among = candidates(scores, depth=10)
    own = (among & members).sum(axis=0)
    assert own.mean() * 9 == (among & ~members).sum(axis=0).mean()


def test_errors_of_classes_and_the_hardest_of_them() -> None:
    members = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0]], bool)
    scores = np.array([[0.6, 0.4, 0, 0], [0.3, 0.7, 0, 0], [0.8, 0.2, 0, 0], [0.1, 0.4, 0.5, 0.0]])
    errors = class_errors(scores, members)
    np.testing.assert_array_equal(errors, [0.5, 0.5, 0.0, np.nan])
    # classes 0 and 1 err alike; class 1 gives its own videos 0.3 in the mean, class 0 gives 0.45
    assert hardest(scores, members, 4).tolist() == [1, 0, 2]
    assert hardest(scores, members, 1).tolist() == [1]
    assert hardest(scores, members, 0).tolist() == []


def test_learning_sets_hold_all_members_and_the_most_tempting_others() -> None:
    column = np.array([0.1, 0.9, 0.5, 0.4, 0.8, 0.3])
    own = np.array([1, 0, 0, 0, 0, 0], bool)
    assert learning_set(column, own, negatives=2).tolist() == [0, 1, 4]
    assert learning_set(column, own, negatives=9).tolist() == [0, 1, 2, 3, 4, 5]
    assert learning_set(column, np.zeros(6, bool), negatives=2).tolist() == []


@pytest.mark.parametrize("kind", ["softmax", "svm", "ridge"])
def test_two_classes_that_are_confused_come_apart_and_the_others_stay(kind: str) -> None:
    rows, members = clouds(0, 120, classes=4)
    rng = np.random.default_rng(0)
    scores = members + 0.1 * rng.random((120, 4))
    mixed = scores[:, :2].mean(axis=1, keepdims=True) + 0.3 * rng.random((120, 2))
    scores[:, :2] = mixed  # the ensemble cannot tell the first two classes
    scores /= scores.sum(axis=1, keepdims=True)
    config = RefinementConfig(classes=2, depth=3, linear=LinearConfig(kind=kind, cost=10.0))  # type: ignore[arg-type]
    classes = hardest(scores, members, config.classes)
    assert sorted(classes.tolist()) == [0, 1]
    refined = fit_refiner(rows, scores, members, config, classes=classes)(scores, rows)
    assert np.array_equal(refined[:, 2:], scores[:, 2:])
    assert np.array_equal(np.sort(refined, axis=0), np.sort(scores, axis=0))
    before, after = class_errors(scores, members), class_errors(refined, members)
    assert (before[:2] > 0.2).all()
    assert (after[:2] < before[:2] / 2).all()
    assert (after[2:] <= before[2:]).all()
    for column in (0, 1):
        assert ap(refined[:, column], members[:, column], kind="plain") == pytest.approx(1.0)


def test_a_class_without_members_is_not_refined_and_a_video_alone_keeps_its_scores() -> None:
    rows, members = clouds(1, 40)
    members[:, 3] = False
    scores = table(1, videos=40, classes=4)
    refiner = fit_refiner(rows, scores, members, RefinementConfig(), classes=np.array([3, 0]))
    assert refiner.classes.tolist() == [0]
    assert np.array_equal(refiner(scores[:1], rows[:1]), scores[:1])
    nothing: Refiner = fit_refiner(rows, scores, members, RefinementConfig(), classes=np.array([3]))
    assert np.array_equal(nothing(scores, rows), scores)
    again = restore_refiner(nothing.tensors(), RefinementConfig(), classes=4, dims=6, where="here")
    assert np.array_equal(again(scores, rows), scores)


def test_kept_it_says_the_same_and_what_does_not_fit_is_refused() -> None:
    rows, members = clouds(2, 40)
    scores, config = table(2, videos=40, classes=4), RefinementConfig(depth=3)
    refiner = fit_refiner(rows, scores, members, config, classes=np.array([2, 0]))
    kept = refiner.tensors()
    again = restore_refiner(kept, config, classes=4, dims=6, where="here")
    assert np.array_equal(again(scores, rows), refiner(scores, rows))
    for classes, dims in ((2, 6), (4, 5)):
        with pytest.raises(DataError, match=f"here must hold a row of {dims} weights for some of {classes} classes"):
            restore_refiner(kept, config, classes=classes, dims=dims, where="here")
    with pytest.raises(DataError, match="here must hold a row of 6 weights"):
        restore_refiner({}, config, classes=4, dims=6, where="here")


def test_words() -> None:
    for wrong in ({"classes": -1}, {"depth": 0}, {"negatives": 0}):
        with pytest.raises(DataError, match="refinement needs classes >= 0, depth >= 1 and negatives >= 1, got"):
            RefinementConfig(**wrong)  # type: ignore[arg-type]
