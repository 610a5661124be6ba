"""Votes: the papers' rules in plain loops, symmetry, unanimity, ties, words."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.fuse.votes import agreement, frequent, majority, shares, summed
from untrimmed.records import DataError

Vote = Callable[[np.ndarray], np.ndarray]


def drawn(seed: int, voters: int = 3, videos: int = 6, classes: int = 4) -> np.ndarray:
    """Coarse scores with zeros and ties in them."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, size=(voters, videos, classes)).astype(float)


def plain_shares(row: list[float]) -> list[float]:
    return [value / sum(row) if sum(row) else 0.0 for value in row]


def plain_frequent(rows: list[list[float]], top: int) -> list[tuple[int, float]]:
    """(times named, summed share) of each class of one video."""
    named, total = [0] * len(rows[0]), [0.0] * len(rows[0])
    for row in map(plain_shares, rows):
        for place in sorted(range(len(row)), key=lambda c: (-row[c], c))[:top]:
            named[place] += row[place] > 0
        total = [a + b for a, b in zip(total, row, strict=True)]
    return list(zip(named, total, strict=True))


def plain_agreement(rows: list[list[float]], weights: np.ndarray) -> tuple[int, float]:
    """The winner of one video and its confidence."""
    given_rows = [plain_shares(row) for row in rows]
    classes = range(len(rows[0]))
    groups: dict[int, list[float]] = {}
    for row in given_rows:
        if sum(row):
            best = max(classes, key=lambda c: (row[c], -c))
            groups.setdefault(best, []).append(row[best])
    sure = {c: 1 - float(np.prod([1 - one for one in group])) for c, group in groups.items()}
    largest = max((len(group) for group in groups.values()), default=0)
    if largest >= 2:
        winner = max((c for c in groups if len(groups[c]) == largest), key=lambda c: (round(sure[c], 12), -c))
        return winner, sure[winner]
    votes = plain_shares([sum(w[c] * row[c] for w, row in zip(weights, given_rows, strict=True)) for c in classes])
    winner = max(classes, key=lambda c: (round(votes[c], 12), -c))
    return winner, votes[winner]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 5))
def test_frequent_ranks_by_namings_then_by_summed_shares(seed: int, voters: int, top: int) -> None:
    scores = drawn(seed, voters=voters)
    fused = frequent(scores, top=top)
    assert ((fused >= 0) & (fused <= 1)).all()
    for video in range(scores.shape[1]):
        wanted = plain_frequent(scores[:, video].tolist(), top)
        assert fused[video] == pytest.approx([(n + s / voters) / (voters + 1) for n, s in wanted])
        for one in range(4):
            for other in range(4):
                if wanted[one][0] > wanted[other][0]:
                    assert fused[video, one] > fused[video, other]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.booleans())
def test_agreement_equals_the_papers_rule_in_plain_loops(seed: int, voters: int, weighted: bool) -> None:
    scores = drawn(seed, voters=voters)
    weights = np.random.default_rng(seed).random((voters, 4)) if weighted else np.ones((voters, 4))
    fused = agreement(scores, weights=weights if weighted else None)
    assert ((fused >= 0) & (fused <= 1)).all()
    for video in range(scores.shape[1]):
        winner, confidence = plain_agreement(scores[:, video].tolist(), weights)
        assert fused[video].max() == pytest.approx(confidence)
        assert fused[video, winner] == pytest.approx(confidence)


def test_the_papers_formulas() -> None:
    two = np.array([[[0.7, 0.2, 0.1]], [[0.6, 0.3, 0.1]], [[0.1, 0.1, 0.8]]])
    fused = agreement(two)[0]
    assert fused.argmax() == 0
    assert fused[0] == pytest.approx(1 - 0.3 * 0.4)  # the third voter is surer, and overruled
    assert fused[2] == pytest.approx(fused[0] * 1.0 / (1.0 + 1.4))
    assert fused[2] > fused[1] > 0
    three = np.array([[[0.7, 0.3, 0.0]], [[0.6, 0.4, 0.0]], [[0.5, 0.1, 0.4]]])
    assert agreement(three)[0, 0] == pytest.approx(1 - 0.3 * 0.4 * 0.5)
    none = np.array([[[0.5, 0.4, 0.1]], [[0.1, 0.6, 0.3]], [[0.3, 0.0, 0.7]]])
    assert agreement(none)[0] == pytest.approx([0.3, 1 / 3, 1.1 / 3])
    trust = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    assert agreement(none, weights=trust)[0] == pytest.approx(np.array([0.9, 1.0, 0.4]) / 2.3)
    assert np.allclose(agreement(two, weights=trust), agreement(two))  # weights count only where all differ


@pytest.mark.parametrize("vote", [majority, frequent, agreement])
def test_symmetry_in_voters_and_classes(vote: Vote) -> None:
    scores = np.random.default_rng(1).dirichlet(np.ones(7), size=(4, 30))
    rng = np.random.default_rng(2)
    voters, classes = rng.permutation(4), rng.permutation(7)
    assert np.allclose(vote(scores[voters]), vote(scores))
    assert np.allclose(vote(scores[..., classes]), vote(scores)[:, classes])
    assert np.allclose(vote(scores * rng.uniform(1, 9, (4, 30, 1))), vote(scores))  # the scale of a voter is no vote


@pytest.mark.parametrize("vote", [majority, agreement])
def test_unanimous_voters_win(vote: Vote) -> None:
    scores = np.random.default_rng(3).dirichlet(np.ones(5), size=(3, 40))
    top = scores[0].argmax(axis=1)
    for row in scores:
        row[np.arange(40), row.argmax(axis=1)], row[np.arange(40), top] = (
            row[np.arange(40), top].copy(),
            row.max(axis=1),
        )
    assert (vote(scores).argmax(axis=1) == top).all()
    sure = np.zeros((3, 1, 5))
    sure[..., 2] = 1
    assert vote(sure)[0].tolist() == [0, 0, 1, 0, 0]


def test_confidence_rises_with_each_agreeing_voter() -> None:
    def confidence(first: float, second: float) -> float:
        rows = [[c, (1 - c) / 2, (1 - c) / 2] for c in (first, second)]
        return float(agreement(np.array([[rows[0]], [rows[1]], [[0.1, 0.1, 0.8]]]))[0, 0])

    grid = np.linspace(0.4, 1.0, 13)
    table = np.array([[confidence(a, b) for b in grid] for a in grid])
    assert (np.diff(table[:-1, :-1], axis=0) > 0).all()
    assert (np.diff(table[:-1, :-1], axis=1) > 0).all()
    assert np.allclose(table, table.T)
    assert np.allclose(table[-1], 1)
    assert (table >= grid[:, None] - 1e-12).all()  # two are never less sure than one of them


def test_ties() -> None:
    assert majority(np.array([[[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]]])).argmax() == 0  # equal in all: the lower index
    assert majority(np.array([[[0.6, 0.4, 0.0]], [[0.0, 0.3, 0.7]]])).argmax() == 2  # equal counts: the summed shares
    assert majority(np.array([[[0.5, 0.5]]])).argmax() == 0  # within a voter: the lower index
    pairs = np.array([[[0.6, 0.4]], [[0.6, 0.4]], [[0.3, 0.7]], [[0.3, 0.7]]])
    assert agreement(pairs)[0].argmax() == 1  # two against two: the surer pair
    assert agreement(pairs[..., ::-1].copy())[0].argmax() == 0


def test_who_gives_nothing_abstains() -> None:
    scores = np.random.default_rng(4).dirichlet(np.ones(4), size=(3, 20))
    silent = np.concatenate([scores, np.zeros((2, 20, 4))])
    assert np.allclose(agreement(silent), agreement(scores))
    assert (majority(silent).argmax(axis=1) == majority(scores).argmax(axis=1)).all()
    for vote in (majority, frequent, agreement):
        assert not vote(np.zeros((3, 2, 4))).any()
    alone = np.concatenate([scores[:1], np.zeros((1, 20, 4))])
    assert np.allclose(agreement(alone), scores[0])


def test_report_02_names_twenty_and_answers_five() -> None:
    rng = np.random.default_rng(5)
    windows = rng.random((9, 60)) * 0.5
    windows[:, [7, 3, 50]] += 0.5  # three classes are always among the twenty
    answer = np.argsort(-frequent(windows[:, None])[0], kind="stable")[:5]
    assert set(answer[:3]) == {7, 3, 50}
    counts = np.zeros(60, int)
    for row in windows:
        counts[np.argsort(-row)[:20]] += 1
    assert counts[answer].tolist() == sorted(counts, reverse=True)[:5]


def test_votes_over_time() -> None:
    probabilities = np.random.default_rng(6).dirichlet(np.ones(8), size=50)
    classes, sums = summed(probabilities)
    assert classes.tolist() == np.argsort(-probabilities.sum(0))[:3].tolist()
    assert sums.tolist() == pytest.approx(sorted(probabilities.sum(0), reverse=True)[:3])
    assert summed(probabilities, best=99)[1].sum() == pytest.approx(50)
    assert summed(np.ones((2, 4)), best=2)[0].tolist() == [0, 1]


def test_shares_keep_rows_of_zeros() -> None:
    assert shares(np.array([[1.0, 3.0], [0.0, 0.0]])).tolist() == [[0.25, 0.75], [0.0, 0.0]]


def test_words() -> None:
    some = np.ones((2, 1, 3))
    for vote in (majority, frequent, agreement):
        with pytest.raises(DataError, match=r"votes need scores >= 0 that are finite \(take the softmax"):
            vote(-some)
        with pytest.raises(DataError, match="votes need scores >= 0 that are finite"):
            vote(some * np.nan)
    with pytest.raises(DataError, match="a vote needs at least one voter and one class each, got 0 and 20"):
        frequent(some[:0])
    with pytest.raises(DataError, match="a vote needs at least one voter and one class each, got 2 and 0"):
        frequent(some, top=0)
    with pytest.raises(DataError, match="a vote by agreement needs at least two voters, got 1"):
        agreement(some[:1])
    with pytest.raises(DataError, match="weights of a vote must be finite and >= 0"):
        agreement(some, weights=-np.ones((2, 3)))
    with pytest.raises(DataError, match="a vote over time keeps at least one class, got 0"):
        summed(np.ones((2, 3)), best=0)
