"""The evidence of events: cells, contexts and what lies at the borders of a video."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.caption.evidence import collate, gather
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid


def ramp(steps: int, *, stride: float = 1.0, start: float = 0.0) -> tuple[np.ndarray, TimeGrid]:
    """Step i holds its number and its centre in seconds."""
    grid = TimeGrid(start=start, stride=stride, window=stride, steps=steps)
    return np.stack([np.arange(steps), grid.centres], axis=1).astype(np.float32), grid


def test_an_event_holds_its_own_steps_and_the_means_around_it() -> None:
    event = gather([ramp(10)], (3.0, 6.0), most_cells=100)
    assert event.inside[:, 0].tolist() == [3, 4, 5]
    assert event.contexts[:, 0].tolist() == [1, 7.5]
    assert event.known.tolist() == [True, True]


@pytest.mark.parametrize(
    ("segment", "known"),
    [((0, 4), [False, True]), ((7, 10), [True, False]), ((0, 10), [False, False]), ((0.4, 9.6), [False, False])],
)
def test_nothing_is_known_beyond_the_borders(segment: tuple[float, float], known: list[bool]) -> None:
    event = gather([ramp(10)], segment, most_cells=100)
    assert event.known.tolist() == known
    assert not event.contexts[~event.known].any()


def test_an_event_between_two_steps_gets_the_nearest() -> None:
    event = gather([ramp(10)], (4.6, 4.9), most_cells=100)
    assert event.inside[:, 0].tolist() == [4]
    assert event.contexts[:, 0].tolist() == [1.5, 7]


def test_an_event_after_the_last_step_has_all_the_steps_before_it() -> None:
    event = gather([ramp(10)], (30.0, 40.0), most_cells=100)
    assert event.inside[:, 0].tolist() == [9]
    assert event.known.tolist() == [True, False]


def test_long_events_are_averaged_down() -> None:
    event = gather([ramp(100)], (20.0, 60.0), most_cells=8)
    assert event.inside[:, 0].tolist() == [22, 27, 32, 37, 42, 47, 52, 57]


def test_modalities_on_different_grids_meet_in_common_cells() -> None:
    fine, coarse = ramp(100, stride=0.2), ramp(10, stride=2.0)
    event = gather([fine, coarse], (4.0, 12.0), most_cells=100)
    assert event.inside.shape == (40, 4)
    assert event.inside[:, 0].tolist() == list(range(20, 60))
    assert np.abs(event.inside[:, 1] - event.inside[:, 3]).max() <= 1.0
    assert event.contexts.shape == (2, 4)
    few = gather([fine, coarse], (4.0, 12.0), most_cells=4)
    np.testing.assert_allclose(few.inside[:, 1], few.inside[:, 3], rtol=1e-6)


@given(
    steps=st.integers(1, 40),
    segment=st.tuples(st.floats(0, 40), st.floats(0.01, 40)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    most=st.integers(1, 20),
)
def test_cells_are_means_of_steps_near_them_and_contexts_lie_outside(
    steps: int, segment: tuple[float, float], most: int
) -> None:
    values, grid = ramp(steps)
    event = gather([(values, grid)], segment, most_cells=most)
    assert 1 <= len(event.inside) <= most
    assert (np.diff(event.inside[:, 0]) >= 0).all()
    before, after = values[grid.centres < segment[0], 0], values[grid.centres >= segment[1], 0]
    inner = grid.step_range(segment)
    inside_only = (segment[0] <= grid.centres) & (grid.centres < segment[1])
    if inside_only.any():
        assert event.known.tolist() == [len(before) > 0, len(after) > 0]
        for side, outside in enumerate((before, after)):
            if len(outside):
                assert event.contexts[side, 0] == pytest.approx(outside.mean(), rel=1e-5)
    else:
        assert inner[1] - inner[0] == 1


def test_an_event_needs_features() -> None:
    with pytest.raises(DataError, match="an event needs features of at least one step in each modality, got 0 modal"):
        gather([], (0.0, 1.0), most_cells=4)
    with pytest.raises(DataError, match="an event needs features of at least one step in each modality"):
        gather([ramp(0)], (0.0, 1.0), most_cells=4)


def test_a_batch_is_padded_at_the_end() -> None:
    events = [gather([ramp(10)], segment, most_cells=100) for segment in ((0.0, 2.0), (2.0, 7.0))]
    batch = collate(events)
    assert batch.inside.shape == (2, 5, 2)
    assert batch.mask.tolist() == [[True, True, False, False, False], [True] * 5]
    assert not batch.inside[0, 2:].any()
    assert torch.equal(batch.inside[1], torch.from_numpy(events[1].inside))
    assert batch.known.tolist() == [[False, True], [True, True]]
