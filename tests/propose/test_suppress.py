"""Suppression equals the plain loops, keeps its laws, and says what it lacks."""

import numpy as np
import plain_nms
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.propose.suppress import (
    ActionFormerNms,
    ActionFormerSoftNms,
    BsnSoftNms,
    HardNms,
    InclusiveNms,
    MmactionSoftNms,
    OpenTadSoftNms,
    Rule,
    SoftNms,
    suppress,
    suppress_detections,
    suppress_proposals,
    vote,
)
from untrimmed.records import DataError, Detection, Proposal


def drawn(seed: int, count: int, *, span: float = 100.0, longest: float = 60.0, ties: bool = False):
    rng = np.random.default_rng(seed)
    centre, length = rng.uniform(0, span, count), rng.uniform(0.5, longest, count)
    scores = rng.random(count)
    if ties:
        centre, length, scores = np.round(centre), np.ceil(length / 8) * 4, np.round(scores, 1)
    return np.stack([centre - length / 2, centre + length / 2], axis=1), scores


@pytest.mark.parametrize("tiou", [0.0, 0.1, 0.5, 0.75, 0.95, 1.0])
@pytest.mark.parametrize("ties", [False, True])
def test_hard_suppression_is_that_of_all_pairs(tiou: float, ties: bool) -> None:
    for seed, (span, longest) in enumerate([(100, 60), (100, 400), (1000, 5), (3, 60)]):
        segments, scores = drawn(seed, 250, span=span, longest=longest, ties=ties)
        kept = suppress(segments, scores, HardNms(tiou=tiou))
        assert kept.indices.tolist() == plain_nms.hard(segments, scores, tiou)
        if tiou > 0:
            kept = suppress(segments, scores, HardNms(tiou=tiou, drop_equal=True))
            assert kept.indices.tolist() == plain_nms.hard(segments, scores, tiou, drop_equal=True)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 4)), max_size=25),
    st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 1.0]),
)
@settings(deadline=None, max_examples=60, derandomize=True)  # which of two equals goes first is chance
def test_small_whole_numbers_with_ties_and_empty_segments(items: list[tuple[int, int, int]], tiou: float) -> None:
    segments = np.array([(start, start + length) for start, length, _ in items], dtype=np.float64).reshape(-1, 2)
    scores = np.array([score / 4 for *_, score in items], dtype=np.float64)
    assert suppress(segments, scores, HardNms(tiou=tiou)).indices.tolist() == plain_nms.hard(segments, scores, tiou)
    kept = suppress(segments, scores, SoftNms(sigma=0.5))
    wanted = plain_nms.soft(segments, scores, sigma=0.5, least=0.001)
    # products of equal factors in another order may differ in the last digit, and then so does the order of equals
    np.testing.assert_allclose(kept.scores, [score for _, score in wanted], rtol=1e-12)
    by_index = dict(wanted)
    np.testing.assert_allclose(kept.scores, [by_index[index] for index in kept.indices.tolist()], rtol=1e-12)


@pytest.mark.parametrize("sigma", [0.02, 0.3, 0.5, 0.75, 3.0])
@pytest.mark.parametrize("ties", [False, True])
def test_soft_suppression_is_that_of_the_plain_loop(sigma: float, ties: bool) -> None:
    for seed, (span, longest) in enumerate([(100, 60), (100, 400), (1000, 5)]):
        segments, scores = drawn(seed, 250, span=span, longest=longest)
        scores = np.round(scores, 1) if ties else scores
        for most in (None, 40):
            kept = suppress(segments, scores, SoftNms(sigma=sigma, least_score=0.01, most=most))
            wanted = plain_nms.soft(segments, scores, sigma=sigma, least=0.01, most=most or 10**9)
            assert kept.indices.tolist() == [i for i, _ in wanted]
            np.testing.assert_allclose(kept.scores, [score for _, score in wanted], rtol=0, atol=1e-12)


def test_linear_and_width_dependent_decay_are_those_of_the_plain_loop() -> None:
    segments, scores = drawn(5, 300)
    linear = suppress(segments, scores, SoftNms(decay="linear", tiou=0.3, least_score=0.0))
    wanted = plain_nms.soft(segments, scores, sigma=1, linear=True, low=0.3)
    assert linear.indices.tolist() == [i for i, _ in wanted]
    np.testing.assert_allclose(linear.scores, [score for _, score in wanted], atol=1e-12)
    bsn = suppress(segments, scores, BsnSoftNms(most=500), duration=200.0)
    wanted = plain_nms.soft(segments, scores, sigma=0.75, low=0.65, slope=0.25 / 200, lose_last=True)
    assert bsn.indices.tolist() == [i for i, _ in wanted]
    assert len(bsn.indices) == 299  # the last one left is lost
    bmn = suppress(segments, scores, MmactionSoftNms(most=70), duration=200.0)
    wanted = plain_nms.soft(segments, scores, sigma=0.4, low=0.5, slope=0.4 / 200, most=71)
    assert bmn.indices.tolist() == [i for i, _ in wanted]
    np.testing.assert_allclose(bmn.scores, [score for _, score in wanted], atol=1e-12)
    opentad = suppress(segments, scores, OpenTadSoftNms(least_score=0.01, most=70), duration=200.0)
    wanted = plain_nms.soft(segments, scores, sigma=0.4, low=0.5, slope=0.4 / 200, least=0.01, most=70)
    assert opentad.indices.tolist() == [i for i, _ in wanted]
    np.testing.assert_allclose(opentad.scores, [score for _, score in wanted], atol=1e-5)  # single precision


def test_what_is_too_long_goes_first() -> None:
    segments, scores = drawn(7, 120)
    short = np.flatnonzero(segments[:, 1] - segments[:, 0] < 20)
    labels = np.arange(120) % 3
    for per_class in (False, True):
        kept = suppress(segments, scores, SoftNms(longest=20.0, per_class=per_class), labels=labels)
        alone = suppress(segments[short], scores[short], SoftNms(per_class=per_class), labels=labels[short])
        assert kept.indices.tolist() == short[alone.indices].tolist()
        np.testing.assert_array_equal(kept.scores, alone.scores)


def test_inclusive_lengths_suppress_short_segments_that_only_touch() -> None:
    segments, scores = np.array([[0.0, 1.0], [1.0, 2.0]]), np.array([0.9, 0.8])
    assert len(suppress(segments, scores, HardNms(tiou=0.3)).indices) == 2
    assert len(suppress(segments, scores, InclusiveNms(tiou=0.3)).indices) == 1  # 1 / 3 of inclusive frames


def test_equality_is_kept_or_dropped_as_the_rule_says() -> None:
    segments, scores = np.array([[0.0, 2.0], [1.0, 2.0]]), np.array([0.9, 0.8])  # overlap 0.5 exactly
    assert len(suppress(segments, scores, HardNms(tiou=0.5)).indices) == 2
    assert len(suppress(segments, scores, HardNms(tiou=0.5, drop_equal=True)).indices) == 1


RULES: list[Rule] = [
    HardNms(),
    SoftNms(),
    ActionFormerNms(),
    ActionFormerSoftNms(),
    BsnSoftNms(),
    MmactionSoftNms(),
    OpenTadSoftNms(),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_laws_of_every_rule(rule: Rule) -> None:
    segments, scores = drawn(3, 150)
    labels = np.zeros(150, np.int64)
    kept = suppress(segments, scores, rule, labels=labels, duration=100.0)
    assert kept.indices[0] == scores.argmax()
    assert len(set(kept.indices.tolist())) == len(kept.indices)
    assert (np.diff(kept.scores) <= 0).all()
    assert (kept.scores <= scores[kept.indices] + 1e-6).all()
    order = np.random.default_rng(0).permutation(150)  # distinct scores: the order of the input plays no role
    shuffled = suppress(segments[order], scores[order], rule, labels=labels, duration=100.0)
    assert order[shuffled.indices].tolist() == kept.indices.tolist()
    moved = suppress(segments * 2, scores, rule, labels=labels, duration=200.0)  # the unit plays no role
    assert moved.indices.tolist() == kept.indices.tolist()
    none = suppress(np.zeros((0, 2)), np.zeros(0), rule, labels=np.zeros(0, np.int64), duration=100.0)
    assert none.segments.shape == (0, 2)


def test_nothing_left_overlaps_more_than_the_threshold_and_a_second_pass_changes_nothing() -> None:
    segments, scores = drawn(8, 400)
    first = suppress(segments, scores, HardNms(tiou=0.4))
    second = suppress(first.segments, first.scores, HardNms(tiou=0.4))
    assert second.indices.tolist() == list(range(len(first.indices)))


@pytest.mark.parametrize("rule", [HardNms(tiou=0.4, per_class=True), SoftNms(per_class=True)])
def test_classes_leave_each_other_alone(rule: Rule) -> None:
    segments, scores = drawn(9, 200)
    labels = np.random.default_rng(1).integers(0, 5, 200)
    kept = suppress(segments, scores, rule, labels=labels)
    for label in range(5):
        members = np.flatnonzero(labels == label)
        alone = suppress(segments[members], scores[members], rule, labels=labels[members])
        assert members[alone.indices].tolist() == [i for i in kept.indices if labels[i] == label]


def test_voting_moves_to_the_weighted_mean() -> None:
    segments, scores = np.array([[0.0, 10.0], [1.0, 11.0], [50.0, 60.0]]), np.array([0.5, 1.0, 0.7])
    voted = vote(segments[1:2], segments, scores, tiou=0.7)
    share = 9 / 11
    wanted = (0.5 * share * segments[0] + 1.0 * segments[1]) / (0.5 * share + 1.0)
    np.testing.assert_allclose(voted[0], wanted, atol=1e-5)


def test_records_go_in_and_come_out() -> None:
    detections = [Detection((0.0, 2.0), 0.9, "a"), Detection((0.0, 2.1), 0.8, "a"), Detection((0.0, 2.1), 0.85, "b")]
    kept = suppress_detections(detections, HardNms(per_class=True))
    assert [(item.label, item.score) for item in kept] == [("a", 0.9), ("b", 0.85)]
    proposals = [Proposal((0.0, 2.0), 0.8), Proposal((0.0, 2.1), 0.9)]
    assert suppress_proposals(proposals, HardNms()) == (proposals[1],)
    assert suppress_proposals([], HardNms()) == ()


@pytest.mark.parametrize(
    ("rule", "segments", "scores", "words"),
    [
        (HardNms(), [[0.0, np.inf]], [1.0], "HardNms needs finite times and scores"),
        (HardNms(), [[2.0, 1.0]], [1.0], r"HardNms needs segments with start <= end, got \[2.0, 1.0\]"),
        (HardNms(tiou=1.5), [[0.0, 1.0]], [1.0], r"HardNms needs a tiou in \[0, 1\], got 1.5"),
        (HardNms(tiou=0.0, drop_equal=True), [[0.0, 1.0]], [1.0], r"HardNms needs a tiou in \(0, 1\], got 0.0"),
        (SoftNms(), [[0.0, 1.0]], [-2.0], "SoftNms lets scores decay towards 0 and needs scores >= 0, got -2.0"),
        (BsnSoftNms(), [[0.0, 1.0]], [1.0], "BsnSoftNms needs the video's duration, since its threshold is a share"),
        (HardNms(per_class=True), [[0.0, 1.0]], [1.0], "needs the class of every segment, got no labels"),
        (ActionFormerNms(voting_tiou=0.7), [[0.0, 1.0]], [1.0], "voting_tiou needs per_class=False"),
        (SoftNms(sigma=0.0), [[0.0, 1.0]], [1.0], "SoftNms needs sigma > 0, got 0.0"),
    ],
)
def test_words_of_errors(rule: Rule, segments: list[list[float]], scores: list[float], words: str) -> None:
    with pytest.raises(DataError, match=words):
        suppress(np.array(segments), np.array(scores), rule)
