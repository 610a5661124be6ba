"""Attention by detections: covered cells, weights that sum to 1, the mean where boxes say nothing, time and space."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.aggregate.attended import (
    TiedObjects,
    attended,
    attended_rows,
    attention,
    cell_cover,
    evidence,
    step_weights,
    tied_kinds,
)
from untrimmed.records import DataError

NOBODY = np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64)


def drawn(seed: int, *, boxes: int = 5, steps: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-0.2, 1.2, (boxes, 2, 2))
    edges = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return edges, rng.random(boxes), rng.integers(0, steps, boxes)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 500), height=st.integers(1, 4), width=st.integers(1, 4))
def test_cover_is_what_points_see(seed: int, height: int, width: int) -> None:
    """A fine grid of points in each cell, counted one by one."""
    boxes = drawn(seed)[0]
    fine = 200
    y, x = ((np.arange(count * fine) + 0.5) / (count * fine) for count in (height, width))
    for box, cover in zip(boxes, cell_cover(boxes, (height, width)), strict=True):
        inside = ((y >= box[1]) & (y < box[3]))[:, None] & ((x >= box[0]) & (x < box[2]))[None]
        shares = inside.reshape(height, fine, width, fine).mean(axis=(1, 3))
        np.testing.assert_allclose(cover, shares, atol=0.011)


def test_cells_are_parts_of_the_picture() -> None:
    boxes = drawn(1)[0]
    fine, coarse = cell_cover(boxes, (4, 6)), cell_cover(boxes, (2, 3))
    np.testing.assert_allclose(fine.reshape(5, 2, 2, 3, 2).mean(axis=(2, 4)), coarse)
    assert cell_cover(np.array([[0.8, 0.1, 0.2, 0.9]]), (2, 2)).max() == 0  # ends before it begins
    np.testing.assert_allclose(cell_cover(np.array([[-1.0, -1.0, 2.0, 2.0]]), (3, 3)), 1.0)


@settings(deadline=None)
@given(seed=st.integers(0, 500), floor=st.floats(0.01, 1.0))
def test_weights_are_positive_sum_to_one_and_follow_the_evidence(seed: int, floor: float) -> None:
    found = evidence(*drawn(seed), steps=4, positions=(2, 3))
    weights = attention(found, floor=floor)
    assert weights.min() > 0
    assert weights.sum() == pytest.approx(1.0)
    assert step_weights(weights).sum() == pytest.approx(1.0)
    ratio = weights / weights.flat[0] * (floor + (1 - floor) * found.flat[0])
    np.testing.assert_allclose(ratio, floor + (1 - floor) * found)
    np.testing.assert_allclose(attention(found, floor=1.0), 1 / found.size)


def test_evidence_is_the_surest_box_at_each_position() -> None:
    boxes, strength, step = drawn(2, boxes=9)
    found = evidence(boxes, strength, step, steps=4, positions=(3, 2))
    cover = cell_cover(boxes, (3, 2))
    for t in range(4):
        mine = [strength[n] * cover[n] for n in range(9) if step[n] == t]
        np.testing.assert_allclose(found[t], np.max(mine, axis=0) if mine else 0.0)
    twice = (np.concatenate([part, part]) for part in (boxes, strength, step))
    assert np.array_equal(evidence(*twice, steps=4, positions=(3, 2)), found)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_uniform_boxes_or_none_give_the_mean(strength: float) -> None:
    values = np.random.default_rng(3).normal(size=(4, 2, 3, 5))
    everywhere = np.tile([0.0, 0.0, 1.0, 1.0], (4, 1)), np.full(4, strength), np.arange(4)
    for boxes in (everywhere, NOBODY):
        weights = attention(evidence(*boxes, steps=4, positions=(2, 3)), floor=0.1)
        np.testing.assert_allclose(attended(values, weights), values.mean(axis=(0, 1, 2)))


def test_one_person_draws_the_vector_there_in_time_and_in_space() -> None:
    values = np.zeros((4, 2, 2, 4 * 2 * 2))
    values.reshape(16, 16)[:] = np.eye(16)  # which position spoke
    box = np.array([[0.5, 0.0, 1.0, 0.5]]), np.ones(1), np.array([2])  # upper right, third step
    weights = attention(evidence(*box, steps=4, positions=(2, 2)), floor=0.1)
    vector = attended(values, weights).reshape(4, 2, 2)
    np.testing.assert_allclose(vector, weights)
    assert vector[2, 0, 1] == pytest.approx(10 * vector[0, 0, 0])
    assert step_weights(weights).argmax() == 2
    rest = np.delete(step_weights(weights), 2)
    np.testing.assert_allclose(rest, rest[0])


def test_rows_have_the_attended_vector_as_their_mean_in_whatever_parts_they_come() -> None:
    values = np.random.default_rng(4).normal(size=(6, 2, 3, 5))
    weights = attention(evidence(*drawn(4, steps=6), steps=6, positions=(2, 3)), floor=0.2)
    parts = [attended_rows(values[a:b], weights[a:b], steps=6) for a, b in ((0, 1), (1, 4), (4, 6))]
    np.testing.assert_allclose(np.concatenate(parts).mean(axis=0), attended(values, weights))
    flat = attention(np.zeros((6, 2, 3)), floor=0.2)
    np.testing.assert_allclose(attended_rows(values, flat, steps=6), values.mean(axis=(1, 2)))


def test_the_object_table_is_a_matrix() -> None:
    table = (
        TiedObjects(label="Drinking coffee", objects=("cup",)),
        TiedObjects(label="Playing pool", objects=("table", "person")),
        TiedObjects(label="Elsewhere", objects=("unknown",)),
    )
    labels, kinds = ("Playing pool", "Tango", "Drinking coffee"), ("person", "cup", "table")
    assert tied_kinds(table, labels=labels, kinds=kinds).tolist() == [
        [True, False, True],
        [False, False, False],
        [False, True, False],
    ]
    with pytest.raises(DataError, match="object 'cup' of class 'Drinking coffee' must be one that the detector finds"):
        tied_kinds(table, labels=labels, kinds=("person", "table"))


def test_words() -> None:
    with pytest.raises(DataError, match="class 'Tango' of an object table must be tied to objects, got none"):
        TiedObjects(label="Tango", objects=())
    box = np.array([[0.0, 0.0, 1.0, 1.0]])
    with pytest.raises(DataError, match=r"steps of boxes must be in \[0, 2\), got 2 to 2"):
        evidence(box, np.ones(1), np.array([2]), steps=2, positions=(1, 1))
    with pytest.raises(DataError, match=r"strengths of boxes must be in \[0, 1\], got 1.5 to 1.5"):
        evidence(box, np.array([1.5]), np.array([0]), steps=2, positions=(1, 1))
    with pytest.raises(DataError, match="evidence needs positions >= 1 and steps >= 0, got"):
        evidence(box, np.ones(1), np.array([0]), steps=2, positions=(0, 1))
    for floor, steps in ((0.0, 2), (1.5, 2), (0.5, 0)):
        with pytest.raises(DataError, match=r"attention needs a floor in \(0, 1\] and positions, got"):
            attention(np.zeros((steps, 1, 1)), floor=floor)
