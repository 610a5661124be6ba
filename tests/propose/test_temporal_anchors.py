"""Anchors at every step: where they lie, what they are learnt as, and the ratio of a draw."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.propose.anchors import decode, encode
from untrimmed.propose.temporal_anchors import IGNORED, NEGATIVE, POSITIVE, draw, label_by_overlap, step_anchors
from untrimmed.records import DataError

LABELLING = {"positive_tiou": 0.7, "negative_tiou": 0.3}


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return shared / ((a[1] - a[0]) + (b[1] - b[0]) - shared)


def test_anchors_are_centred_on_the_steps_with_the_lengths_of_the_scales() -> None:
    anchors = step_anchors(6, (1, 2.5, 4)).reshape(6, 3, 2)
    np.testing.assert_allclose(anchors.mean(axis=2), np.repeat(np.arange(6) + 0.5, 3).reshape(6, 3))
    np.testing.assert_allclose(anchors[..., 1] - anchors[..., 0], np.broadcast_to([1, 2.5, 4], (6, 3)))
    # the same anchors at every step, so that what is proposed does not depend on when
    np.testing.assert_allclose(np.diff(anchors, axis=0), 1.0)


@given(
    st.integers(1, 40),
    st.lists(st.floats(0.5, 64), min_size=1, max_size=5),
    st.floats(-20, 60),
    st.floats(0.05, 50),
)
def test_decoding_undoes_encoding(steps: int, scales: list[float], start: float, length: float) -> None:
    anchors = step_anchors(steps, scales)
    segments = np.broadcast_to([start, start + length], anchors.shape).copy()
    np.testing.assert_allclose(decode(anchors, encode(anchors, segments)), segments, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(encode(anchors, anchors), 0.0, atol=1e-12)


def test_labels_follow_the_overlap_one_by_one() -> None:
    rng = np.random.default_rng(0)
    anchors = step_anchors(24, (1, 2, 4, 8))
    start = np.arange(4) * 6 + rng.uniform(0, 2, 4)
    instances = np.stack([start, start + rng.uniform(0.5, 4, 4)], axis=1)
    allowed = (anchors[:, 0] >= 0) & (anchors[:, 1] <= 24)
    found = label_by_overlap(anchors, instances, **LABELLING, best=True, allowed=allowed)
    table = np.array([[_overlap(a, i) for i in instances] for a in anchors])
    highest = table[allowed].max(axis=0)
    for number, row in enumerate(table):
        holds_best = bool((np.isclose(row, highest) & (highest > 0)).any())
        if not allowed[number]:
            assert found.kind[number] == IGNORED
        elif row.max() > 0.7 or holds_best:
            assert found.kind[number] == POSITIVE
        else:
            assert found.kind[number] == (NEGATIVE if row.max() < 0.3 else IGNORED)
        if found.kind[number] == POSITIVE and not holds_best:
            assert found.instance[number] == row.argmax()
    assert set(found.instance[found.kind == POSITIVE]) == set(range(4))  # none goes without


def test_equal_best_anchors_are_all_positive_and_better_matches_stay() -> None:
    anchors = np.array([[0.0, 4.0], [1.0, 5.0], [8.0, 10.0], [20.0, 24.0]])
    found = label_by_overlap(anchors, np.array([[1.9, 3.1]]), **LABELLING, best=True)
    assert found.kind.tolist() == [POSITIVE, POSITIVE, NEGATIVE, NEGATIVE]
    # the second instance overlaps no anchor but the first's, which keeps the first
    both = np.array([[0.0, 4.0], [3.5, 4.6]])
    found = label_by_overlap(anchors[[0, 3]], both, **LABELLING, best=True)
    assert found.kind.tolist() == [POSITIVE, NEGATIVE]
    assert found.instance.tolist() == [0, -1]


def test_proposals_are_positive_above_one_half_and_background_below() -> None:
    proposals = np.array([[0.0, 10.0], [0.0, 5.0], [0.0, 4.9], [30.0, 31.0]])
    instances = np.array([[0.0, 10.0]])
    halves = {"positive_tiou": 0.5, "negative_tiou": 0.5}
    assert label_by_overlap(proposals, instances, **halves).kind.tolist() == [1, -1, 0, 0]
    assert label_by_overlap(proposals, instances, **halves, least_negative_tiou=0.1).kind.tolist() == [1, -1, 0, -1]


def test_without_instances_all_is_background() -> None:
    found = label_by_overlap(step_anchors(4, (1, 2)), np.zeros((0, 2)), **LABELLING, best=True)
    assert (found.kind == NEGATIVE).all()
    assert (found.instance == -1).all()


@given(st.integers(0, 30), st.integers(0, 60), st.sampled_from([1 / 2, 1 / 4]), st.booleans(), st.integers(0, 5))
def test_a_draw_keeps_the_ratio(positives: int, negatives: int, share: float, fill: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.repeat([POSITIVE, NEGATIVE, IGNORED], [positives, negatives, 7]))
    drawn = draw(kind, count=32, positive_share=share, keys=rng.random(len(kind)), fill=fill)
    assert len(set(drawn.tolist())) == len(drawn) <= 32
    of_each = [(kind[drawn] == each).sum() for each in (POSITIVE, NEGATIVE, IGNORED)]
    assert of_each[0] == min(positives, 32 * share)
    assert of_each[2] == 0
    wanted = 32 - of_each[0] if fill else max(1, of_each[0] * (1 / share - 1))
    assert of_each[1] == min(negatives, wanted)


def test_every_segment_is_as_likely() -> None:
    rng, kind = np.random.default_rng(1), np.repeat([POSITIVE, NEGATIVE], [4, 12])
    counts = np.zeros(16)
    for _ in range(4000):
        counts[draw(kind, count=4, positive_share=0.5, keys=rng.random(16))] += 1
    np.testing.assert_allclose(counts[:4] / 4000, 1 / 2, atol=0.04)
    np.testing.assert_allclose(counts[4:] / 4000, 1 / 6, atol=0.04)


def test_what_makes_no_sense_is_named() -> None:
    with pytest.raises(DataError, match=r"negative_tiou <= positive_tiou < 1, got 0\.0, 0\.8, 0\.7"):
        label_by_overlap(np.zeros((1, 2)), np.zeros((0, 2)), positive_tiou=0.7, negative_tiou=0.8)
    with pytest.raises(DataError, match=r"a count >= 1 and a share in \(0, 1\), got 0 and 0.5"):
        draw(np.zeros(1, np.int64), count=0, positive_share=0.5, keys=np.zeros(1))
