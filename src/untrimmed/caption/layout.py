"""Captions put in order for people: by time, without repetition, cut where they overlap, or one at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum
from itertools import pairwise
from typing import TypeVar

import numpy as np

from untrimmed.records import Caption, Detection

Said = TypeVar("Said", Caption, Detection)


class Layout(Enum):
    """What becomes of texts whose times overlap."""

    OVERLAP = "overlap"
    """Nothing: all are kept, in order of time."""
    FLATTEN = "flatten"
    """Time is cut where a text begins or ends, and each piece has all its texts."""
    BEST = "best"
    """The best that do not overlap are chosen, by score and length."""


def lay_out(items: Sequence[Said], layout: Layout) -> tuple[Said, ...]:
    """Captions or detections in one of the layouts, in order of time."""
    if layout is Layout.OVERLAP:
        return tuple(sorted(items, key=lambda item: item.segment))
    return flatten(items) if layout is Layout.FLATTEN else one_at_a_time(items)


def in_time_order(captions: Iterable[Caption]) -> tuple[Caption, ...]:
    """By start, then end; equals stay as they were."""
    return tuple(sorted(captions, key=lambda caption: caption.segment))


def merge_identical(captions: Iterable[Caption], *, gap: float = 0.0) -> tuple[Caption, ...]:
    """Neighbours that say the same joined to one caption over both, with the better score.

    Args:
        captions: in any order.
        gap: seconds, >= 0; two captions with the same sentence are neighbours when the later begins at most this long
            after the earlier ends.

    Returns:
        In order of time.
    """
    merged: list[Caption] = []
    latest: dict[str, int] = {}
    for caption in in_time_order(captions):
        place = latest.get(caption.sentence)
        if place is not None and caption.segment[0] <= merged[place].segment[1] + gap:
            old = merged[place]
            segment = (old.segment[0], max(old.segment[1], caption.segment[1]))
            merged[place] = replace(old, segment=segment, score=max(old.score, caption.score))
        else:
            latest[caption.sentence] = len(merged)
            merged.append(caption)
    return in_time_order(merged)


def one_at_a_time(captions: Sequence[Said]) -> tuple[Said, ...]:
    """The captions that never overlap and have the highest sum of score times duration.

    A score is taken as at least 0. Weighted interval scheduling by dynamic programming over ends, n log n. Where two
    choices are worth the same, the one with the later end loses: whole-video captions give way to finer ones.

    Returns:
        In order of time.
    """
    ordered = sorted(captions, key=lambda caption: (caption.segment[1], -caption.segment[0]))
    ends = np.array([caption.segment[1] for caption in ordered])
    worth, before = np.zeros(len(ordered) + 1), np.zeros(len(ordered), dtype=np.int64)
    taken = np.zeros(len(ordered), dtype=bool)
    for i, caption in enumerate(ordered):
        start, end = caption.segment
        before[i] = np.searchsorted(ends[:i], start, side="right")
        value = worth[before[i]] + max(0.0, caption.score) * (end - start)
        taken[i] = value > worth[i]
        worth[i + 1] = max(value, worth[i])
    chosen: list[Said] = []
    i = len(ordered)
    while i > 0:
        if taken[i - 1]:
            chosen.append(ordered[i - 1])
            i = int(before[i - 1])
        else:
            i -= 1
    return tuple(reversed(chosen))


def flatten(items: Sequence[Said]) -> tuple[Said, ...]:
    """Pieces that never overlap: time cut wherever a text begins or ends, all texts of a piece in one.

    The texts of a piece stand in order of their starts, each once: sentences after each other, classes with commas. Its
    score is the best of theirs. Pieces that touch and say the same are one; times without a text stay empty.

    Returns:
        In order of time; the pieces cover what the items cover.
    """
    ordered = sorted(items, key=lambda item: item.segment)
    edges = sorted({edge for item in ordered for edge in item.segment})
    pieces: list[Said] = []
    begun = 0
    active: list[Said] = []
    for start, end in pairwise(edges):
        while begun < len(ordered) and ordered[begun].segment[0] <= start:
            active.append(ordered[begun])
            begun += 1
        active = [item for item in active if item.segment[1] > start]
        if not active:
            continue
        piece = _joined(active, (start, end))
        last = pieces[-1] if pieces else None
        if last is not None and last.segment[1] == start and _words(last) == _words(piece):
            pieces[-1] = replace(piece, segment=(last.segment[0], end), score=max(last.score, piece.score))
        else:
            pieces.append(piece)
    return tuple(pieces)


def _words(item: Caption | Detection) -> str:
    return item.sentence if isinstance(item, Caption) else item.label


def _joined(active: Sequence[Said], segment: tuple[float, float]) -> Said:
    """The items of a piece as one; captions without a word add nothing."""
    first, score = active[0], max(item.score for item in active)
    texts = [text for text in dict.fromkeys(_words(item).strip() for item in active) if text]
    between = " " if isinstance(first, Caption) else ", "
    return type(first)(segment, score, between.join(texts))
