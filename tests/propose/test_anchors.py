"""Anchors: places, the laws of encode and decode, matching by hand and by brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.propose.anchors import decode, encode, grid_anchors, match
from untrimmed.records import DataError
from untrimmed.timeline import tiou

SEGMENT = st.tuples(st.floats(-5, 5), st.floats(0.01, 9)).map(lambda item: (item[0], item[0] + item[1]))
PAIRS = st.lists(st.tuples(SEGMENT, SEGMENT), min_size=1, max_size=8)


def test_places_of_anchors() -> None:
    found = grid_anchors(2, (1.0, 0.5))
    np.testing.assert_allclose(found, [[0, 0.5], [0.125, 0.375], [0.5, 1], [0.625, 0.875]])


@given(PAIRS)
@settings(deadline=None)
def test_decode_inverts_encode(pairs: list) -> None:
    anchors, segments = np.array([a for a, _ in pairs]), np.array([s for _, s in pairs])
    np.testing.assert_allclose(decode(anchors, encode(anchors, segments)), segments, atol=1e-9)
    np.testing.assert_allclose(encode(anchors, anchors), 0, atol=1e-12)
    np.testing.assert_allclose(encode(3 * anchors + 7, 3 * segments + 7), encode(anchors, segments), atol=1e-7)


def test_matching_is_that_of_the_table_of_overlaps() -> None:
    rng = np.random.default_rng(0)
    anchors = np.clip(grid_anchors(16, (0.5, 1, 2)), 0, 1)
    start = rng.uniform(0, 0.7, 5)
    instances = np.stack([start, start + rng.uniform(0.02, 0.3, 5)], axis=1)
    found = match(anchors, instances, best_anchor=False)
    table = tiou(anchors, instances)
    np.testing.assert_array_equal(found.overlap, table.max(axis=1))
    np.testing.assert_array_equal(found.positive, table.max(axis=1) > 0.5)
    for anchor, instance in enumerate(found.instance):
        assert (instance == -1) == (table[anchor].max() == 0)
        if instance >= 0:
            assert table[anchor, instance] == table[anchor].max()


def test_the_best_anchor_rule_serves_short_instances() -> None:
    anchors = np.clip(grid_anchors(4, (1.0,)), 0, 1)
    instances = np.array([[0.30, 0.32], [0.5, 0.75]])
    plain, ruled = match(anchors, instances, best_anchor=False), match(anchors, instances)
    assert plain.positive.tolist() == [False, False, True, False]
    assert ruled.positive.tolist() == [False, True, True, False]
    assert ruled.overlap[1] == pytest.approx(0.02 / 0.25)
    assert ruled.instance.tolist() == [-1, 0, 1, -1]


def test_no_instances_match_nothing() -> None:
    found = match(grid_anchors(4, (1.0,)), np.zeros((0, 2)))
    assert not found.positive.any()
    assert (found.overlap == 0).all()


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match=r"anchors need cells >= 1 and positive ratios, got 0 and \(1.0,\)"):
        grid_anchors(0, (1.0,))
    with pytest.raises(DataError, match="segments and anchors must have start < end"):
        encode(np.array([[0.0, 0.0]]), np.array([[0.0, 1.0]]))
