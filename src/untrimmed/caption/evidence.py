"""What a decoder sees of an event: the features inside it in time, and the means of what lies before and after.

Features of several kinds (modalities) may have been measured on different grids; inside one event they are brought to
common cells of equal length, and joined.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

Modality = tuple[np.ndarray, TimeGrid]
"""Values (steps, dims) and when they were measured."""


@dataclass(frozen=True, eq=False, kw_only=True)
class EventFeatures:
    """One event.

    Attributes:
        inside: joined features of the event's cells, in order of time.
        contexts: mean features before and after the event; zeros where there is nothing.
        known: whether there is anything before and after.
    """

    inside: Float[np.ndarray, "cells dims"]
    contexts: Float[np.ndarray, "2 dims"]
    known: Bool[np.ndarray, " 2"]


class Evidence(NamedTuple):
    """A batch of events; shorter ones are padded at the end.

    Attributes:
        inside: features in time.
        mask: True where a cell is there, False where it is padding. Every event has one cell or more.
        contexts: means before and after.
        known: whether there is anything before and after.
    """

    inside: Float[Tensor, "events cells dims"]
    mask: Bool[Tensor, "events cells"]
    contexts: Float[Tensor, "events 2 dims"]
    known: Bool[Tensor, "events 2"]

    def to(self, device: torch.device | str) -> "Evidence":
        """The same on another device."""
        return Evidence(*(tensor.to(device) for tensor in self))


def gather(modalities: Sequence[Modality], segment: tuple[float, float], *, most_cells: int) -> EventFeatures:
    """The evidence of one event.

    The event is cut into as many equal cells as its finest modality has steps in it, at most `most_cells`; a cell's
    value in a modality is the mean of the steps whose centres lie in it, or the nearest step. The contexts are the
    means of all steps whose centres lie before the event's start, and from its end on.

    Args:
        modalities: values and grid of each; joined in this order.
        segment: start and end in seconds.
        most_cells: >= 1; longer events are averaged down.

    Raises:
        DataError: when a modality has no step.

    Source: report 22, section 2.2 (contexts).
    """
    ranges = [grid.step_range(segment) for _, grid in modalities]
    if not ranges or min(past - first for first, past in ranges) < 1:
        raise DataError(f"an event needs features of at least one step in each modality, got {len(ranges)} modalities")
    count = min(most_cells, max(past - first for first, past in ranges))
    inside, contexts, known = [], [], np.ones(2, dtype=bool)
    for (values, grid), (first, past) in zip(modalities, ranges, strict=True):
        inside.append(_cell_means(values, grid, np.linspace(*segment, count + 1)))
        before, after = _outside(grid, segment, inner=(first, past))
        known &= [before > 0, after < grid.steps]
        contexts.append(np.stack([_mean(values[:before]), _mean(values[after:])]))
    joined = np.where(known[:, None], np.concatenate(contexts, axis=1), 0).astype(np.float32)
    return EventFeatures(inside=np.concatenate(inside, axis=1), contexts=joined, known=known)


def collate(events: Sequence[EventFeatures]) -> Evidence:
    """Events as one padded batch, in order."""
    longest = max(len(event.inside) for event in events)
    inside = np.zeros((len(events), longest, events[0].inside.shape[1]), dtype=np.float32)
    mask = np.zeros((len(events), longest), dtype=bool)
    for i, event in enumerate(events):
        inside[i, : len(event.inside)] = event.inside
        mask[i, : len(event.inside)] = True
    contexts = np.stack([event.contexts for event in events])
    known = np.stack([event.known for event in events])
    return Evidence(*(torch.from_numpy(array) for array in (inside, mask, contexts, known)))


def _outside(grid: TimeGrid, segment: tuple[float, float], *, inner: tuple[int, int]) -> tuple[int, int]:
    """How many steps lie before the segment, and the first that lies after it.

    They are the steps around `inner`, except where the segment lies beside the grid and `inner` is but the nearest.
    """
    start, end = segment
    centres = grid.centres
    return min(inner[0], int(np.searchsorted(centres, start))), max(inner[1], int(np.searchsorted(centres, end)))


def _cell_means(
    values: Float[np.ndarray, "steps dims"], grid: TimeGrid, edges: Float[np.ndarray, " edges"]
) -> Float[np.ndarray, "cells dims"]:
    """Means of the steps whose centres lie between neighbouring edges, or the nearest step; by running sums."""
    borders = np.clip(np.ceil(grid.to_steps(edges) - 0.5 - 1e-9), 0, grid.steps).astype(np.int64)
    middles = grid.to_steps((edges[:-1] + edges[1:]) / 2) - 0.5
    nearest = np.clip(np.round(middles), 0, grid.steps - 1).astype(np.int64)
    empty = borders[:-1] >= borders[1:]
    first, past = np.where(empty, nearest, borders[:-1]), np.where(empty, nearest + 1, borders[1:])
    low = int(first.min())
    sums = np.zeros((int(past.max()) - low + 1, values.shape[1]))
    np.cumsum(values[low : past.max()], axis=0, dtype=np.float64, out=sums[1:])
    return ((sums[past - low] - sums[first - low]) / (past - first)[:, None]).astype(np.float32)


def _mean(values: Float[np.ndarray, "steps dims"]) -> Float[np.ndarray, " dims"]:
    if not len(values):
        return np.zeros(values.shape[1], dtype=np.float32)
    return np.asarray(values.mean(axis=0, dtype=np.float32), dtype=np.float32)
