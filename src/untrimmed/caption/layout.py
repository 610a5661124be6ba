"""Captions put in order for people: by time, without repetition, or one at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from untrimmed.records import Caption, Detection

Said = TypeVar("Said", Caption, Detection)


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
