"""Structured temporal pyramid pooling: a proposal with what lies before and after it, pooled part by part.

A proposal becomes three stages: start, course and end. Each stage is pooled as a whole and in equal parts, and the
parts side by side describe it: whether something is under way, and whether it begins and ends here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

SLACK = 1e-9
"""Steps by which a centre may miss a border that it lies on."""


@dataclass(frozen=True, kw_only=True)
class Pyramid:
    """Into how many equal parts each stage is cut, level by level; 1 is the stage as a whole."""

    start: tuple[int, ...] = (1,)
    """Of the stage before the proposal; SSN, section 3.2."""
    course: tuple[int, ...] = (1, 2)
    """Of the proposal itself: two levels; SSN, section 3.2, and report 21, section 2 ("within these five parts")."""
    end: tuple[int, ...] = (1,)
    """Of the stage after it; SSN, section 3.2."""

    def __post_init__(self) -> None:
        if not all(level and min(level) >= 1 for level in self.levels):
            raise DataError(f"a pyramid needs one part or more at every level of each stage, got {self.levels}")

    @property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Of start, course and end."""
        return self.start, self.course, self.end

    @property
    def parts(self) -> int:
        """How many parts are pooled in all."""
        return sum(map(sum, self.levels))


PAPER = Pyramid()
RELEASED = Pyramid(course=(1,))
"""That of the released program: each stage as a whole."""


def stages(segments: Float[np.ndarray, "n 2"], *, extension: float = 0.5) -> Float[np.ndarray, "n 3 2"]:
    """Start, course and end of each proposal; the first and the last may reach beyond the video.

    Args:
        segments: proposals, seconds.
        extension: length of the start and of the end as a share of the proposal's, > 0.

    Source: SSN (Zhao et al., ICCV 2017), section 3.1: d / 2 to either side.
    """
    if not extension > 0:
        raise DataError(f"stages of a proposal need an extension above 0, got {extension}")
    before, after = segments[:, 0], segments[:, 1]
    more = extension * (after - before)
    edges = np.stack([before - more, before, after, after + more], axis=1)
    return np.stack([edges[:, :-1], edges[:, 1:]], axis=2)


def part_bounds(found: Float[np.ndarray, "n 3 2"], pyramid: Pyramid) -> Float[np.ndarray, "n parts 2"]:
    """Where each part begins and ends, in seconds: the levels of the start, then of the course, then of the end."""
    parts = []
    for stage, levels in enumerate(pyramid.levels):
        first, length = found[:, stage, :1], np.diff(found[:, stage], axis=1)
        for count in levels:
            edges = first + length * np.arange(count + 1) / count
            parts.append(np.stack([edges[:, :-1], edges[:, 1:]], axis=2))
    return np.concatenate(parts, axis=1)


def part_scales(found: Float[np.ndarray, "n 3 2"], duration: float, pyramid: Pyramid) -> Float[np.ndarray, "n parts"]:
    """What the mean of each part is multiplied by: the share of its stage in the video, over the parts of its level.

    Args:
        found: stages of proposals, seconds.
        duration: of the video, seconds.
        pyramid: the parts.

    Source: the released program of SSN.
    """
    length = found[..., 1] - found[..., 0]
    inside = np.clip(found, 0.0, duration)
    share = np.divide(inside[..., 1] - inside[..., 0], length, out=np.zeros_like(length), where=length > 0)
    columns = []
    for stage, levels in enumerate(pyramid.levels):
        for count in levels:
            columns += [share[:, stage] / count] * count
    return np.stack(columns, axis=1)


def step_ranges(bounds: Float[np.ndarray, "*some 2"], grid: TimeGrid) -> Int[np.ndarray, "*some 2"]:
    """The half-open ranges of steps whose centres lie in stretches of time; at least the nearest step of each.

    What `TimeGrid.step_range` says of one, of many at once.

    Raises:
        DataError: when the sequence has no steps.
    """
    if grid.steps < 1:
        raise DataError("pooling needs a sequence of one step or more, got none")
    edges = grid.to_steps(bounds) - 0.5
    ranges = np.clip(np.ceil(edges - SLACK).astype(np.int64), 0, grid.steps)
    nearest = np.clip(np.round(edges.mean(axis=-1)), 0, grid.steps - 1).astype(np.int64)
    empty = ranges[..., 0] >= ranges[..., 1]
    first = np.where(empty, nearest, ranges[..., 0])
    return np.stack([first, np.where(empty, first + 1, ranges[..., 1])], axis=-1)


def range_means(rows: Float[np.ndarray, "steps dims"], ranges: Int[np.ndarray, "n 2"]) -> Float[np.ndarray, "n dims"]:
    """The mean of the rows of each range, from running sums: the cost does not grow with the ranges' lengths."""
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=np.float64)])
    count = (ranges[:, 1] - ranges[:, 0])[:, None]
    return np.asarray((sums[ranges[:, 1]] - sums[ranges[:, 0]]) / count, dtype=np.float64)


def snippet_parts(counts: Sequence[int], pyramid: Pyramid) -> Float[np.ndarray, "parts snippets"]:
    """From the few snippets that training draws of each stage to the means of the parts, as a matrix.

    Snippet i of n belongs to part k of m when floor(k n / m) <= i < floor((k + 1) n / m).

    Args:
        counts: snippets of start, course and end.
        pyramid: the parts; no stage may have more parts at a level than snippets.
    """
    if len(counts) != 3 or any(max(levels) > count for levels, count in zip(pyramid.levels, counts, strict=True)):
        raise DataError(f"a pyramid of {pyramid.levels} needs a snippet a part in each of 3 stages, got {counts}")
    matrix = np.zeros((pyramid.parts, sum(counts)))
    row, before = 0, 0
    for levels, count in zip(pyramid.levels, counts, strict=True):
        for parts in levels:
            edges = np.arange(parts + 1) * count // parts
            for first, past in pairwise(edges.tolist()):
                matrix[row, before + first : before + past] = 1 / (past - first)
                row += 1
        before += count
    return matrix


def stage_snippets(
    found: Float[np.ndarray, "n 3 2"],
    grid: TimeGrid,
    counts: Sequence[int],
    *,
    generator: np.random.Generator | None = None,
) -> Int[np.ndarray, "n snippets"]:
    """Steps that stand for each stage in training: its steps are cut into equal sections, and one is drawn of each.

    Args:
        found: stages of proposals, seconds.
        grid: of the sequence.
        counts: snippets of start, course and end; SSN takes 2, 5 and 2.
        generator: draws; None takes the middle of each section.
    """
    ranges = step_ranges(found, grid)
    places = []
    for stage, count in enumerate(counts):
        first, length = ranges[:, stage, :1], np.diff(ranges[:, stage], axis=1)
        drawn = np.full((len(found), count), 0.5) if generator is None else generator.random((len(found), count))
        places.append(first + np.floor((np.arange(count) + drawn) * length / count).astype(np.int64))
    return np.concatenate(places, axis=1)
