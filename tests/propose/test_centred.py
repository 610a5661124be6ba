"""Segments told from a centre: inverse, invariances and bounds; and which samples are learnt as what."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.propose.centred import LARGEST_LOG, decode, encode, label_samples
from untrimmed.propose.temporal_anchors import IGNORED, NEGATIVE, POSITIVE
from untrimmed.records import DataError

TIMES = st.floats(-1000, 1000)
LENGTHS = st.floats(0.01, 5000)


@given(TIMES, TIMES, LENGTHS, st.floats(0.1, 100))
def test_decoding_undoes_encoding(centre: float, begin: float, length: float, size: float) -> None:
    centres, segments = np.array([centre]), np.array([[begin, begin + length]])
    told = encode(centres, segments, size=size)
    np.testing.assert_allclose(decode(centres, told, size=size), segments, rtol=1e-9, atol=1e-8)


@given(TIMES, st.floats(-3, 3), st.floats(-11, 11), st.floats(0.1, 100))
def test_encoding_undoes_decoding(centre: float, offset: float, log_duration: float, size: float) -> None:
    centres, told = np.array([centre]), np.array([[offset, log_duration]])
    segments = decode(centres, told, size=size)
    if segments[0, 1] - segments[0, 0] > 1e-3:  # else the difference of two times holds too few digits
        np.testing.assert_allclose(encode(centres, segments, size=size), told, rtol=1e-6, atol=1e-6)


@given(st.floats(0, 1), LENGTHS, TIMES, TIMES, st.floats(0.1, 10))
def test_what_is_told_follows_the_segment(
    share: float, length: float, begin: float, shift: float, stretch: float
) -> None:
    segments = np.array([[begin, begin + length]])
    centres = segments[:, 0] + share * length
    told = encode(centres, segments, size=16.0)
    assert -1 - 1e-6 <= told[0, 0] <= 1e-6
    assert told[0, 0] == pytest.approx(-share, abs=1e-6)
    moved = encode(centres + shift, segments + shift, size=16.0)
    np.testing.assert_allclose(moved, told, atol=1e-6, rtol=1e-6)
    longer = encode(centres * stretch, segments * stretch, size=16.0)
    np.testing.assert_allclose(longer, told + np.array([[0.0, np.log(stretch)]]), atol=1e-6, rtol=1e-6)


def test_a_sample_tells_itself_by_constants() -> None:
    samples = np.array([[0.0, 16.0], [40.0, 56.0]])
    np.testing.assert_allclose(encode(samples.mean(axis=1), samples, size=16.0), [[-0.5, 0.0]] * 2, atol=1e-15)
    absurd = decode(np.zeros(2), np.array([[0.0, 800.0], [0.0, -800.0]]), size=1.0)
    np.testing.assert_allclose(absurd[:, 1], [np.exp(LARGEST_LOG), np.exp(-LARGEST_LOG)])


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), max_size=5),
    st.sampled_from(("inside", "tiou")),
    st.integers(1, 20),
)
def test_labels_follow_the_overlap_one_by_one(spans: list[tuple[int, int]], overlap: str, size: int) -> None:
    starts = np.arange(0, 60, 3.0)
    samples = np.stack([starts, starts + size], axis=1)
    instances = np.array([[start, start + length] for start, length in spans], dtype=np.float64).reshape(-1, 2)
    found = label_samples(samples, instances, overlap=overlap)
    for row, (first, past) in enumerate(samples.tolist()):
        shares = []
        for start, end in instances.tolist():
            shared = max(0.0, min(past, end) - max(first, start))
            whole = past - first if overlap == "inside" else (past - first) + (end - start) - shared
            shares.append(shared / whole)
        best = max(shares, default=0.0)
        if abs(best - 0.7) > 1e-9 and abs(best - 0.3) > 1e-9:
            assert found.kind[row] == (POSITIVE if best > 0.7 else NEGATIVE if best <= 0.3 else IGNORED)
        if best == 0:
            assert found.instance[row] == -1
        else:
            equal = [number for number, share in enumerate(shares) if share >= best - 1e-12]
            lengths = instances[:, 1] - instances[:, 0]
            assert lengths[found.instance[row]] == min(lengths[equal])


def test_by_tiou_short_samples_stand_for_no_long_action() -> None:
    samples, action = np.array([[100.0, 116.0]]), np.array([[0.0, 400.0]])
    assert label_samples(samples, action).kind.tolist() == [POSITIVE]
    assert label_samples(samples, action, overlap="tiou").kind.tolist() == [NEGATIVE]


def test_gaps_are_named() -> None:
    with pytest.raises(DataError, match=r"must have start < end and a size > 0, got size 16"):
        encode(np.zeros(1), np.array([[2.0, 2.0]]), size=16.0)
    with pytest.raises(DataError, match=r"must have start < end and a size > 0, got size 0"):
        encode(np.zeros(1), np.array([[2.0, 3.0]]), size=0.0)
    with pytest.raises(DataError, match=r"need 0 <= negative <= positive < 1, got 0.7 and 0.3"):
        label_samples(np.zeros((0, 2)), np.zeros((0, 2)), positive=0.3, negative=0.7)
