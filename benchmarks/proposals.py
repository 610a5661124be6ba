"""Suppression and actionness grouping: milliseconds after warm-up, and the ratio to the same rules in plain Python."""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.table import Row, at_least, at_most
from untrimmed.propose.suppress import BsnSoftNms, HardNms, Rule, SoftNms, suppress
from untrimmed.propose.tag import PAPER, RELEASED, foreground, group

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "propose"))
import plain_nms
import plain_tag


def run() -> list[Row]:
    """All rows."""
    return [*_hard(), *_soft(), *_tag()]


def _hard() -> list[Row]:
    rows = []
    for tiou in (0.3, 0.5, 0.7, 0.9):
        segments, scores = _drawn(10_000, span=1000.0, longest=60.0)
        spent = _milliseconds(partial(suppress, segments, scores, HardNms(tiou=tiou)), repeat=20)
        rows.append(at_most(f"hard NMS, 10,000 segments, tIoU {tiou}", spent, 5.0, unit="ms", note="1,000 s video"))
    segments, scores = _drawn(10_000, span=1000.0, longest=1000.0)
    spent = _milliseconds(lambda: suppress(segments, scores, HardNms(tiou=0.5)), repeat=20)
    rows.append(at_most("hard NMS, 10,000 segments of any length", spent, 5.0, unit="ms", note="tIoU 0.5"))
    return rows


def _soft() -> list[Row]:
    rows = []
    rules: tuple[Rule, ...] = (SoftNms(most=200), BsnSoftNms(most=200))
    for rule in rules:
        segments, scores = _drawn(2000, span=1000.0, longest=60.0)
        spent = _milliseconds(partial(suppress, segments, scores, rule, duration=1000.0), repeat=50)
        what = f"{type(rule).__name__}, 2,000 segments, 200 kept"
        rows.append(at_most(what, spent, 0.5, unit="ms", note="1,000 s video, lengths to 60 s"))
    segments, scores = _drawn(2000, span=1000.0, longest=1000.0)
    spent = _milliseconds(lambda: suppress(segments, scores, SoftNms(most=200)), repeat=50)
    rows.append(Row(what="SoftNms, 2,000 segments of any length", value=spent, unit="ms", note="nearly all overlap"))
    segments, scores = _drawn(2000, span=1000.0, longest=60.0)
    start = time.process_time()
    plain_nms.soft(segments, scores, sigma=0.5, least=0.001, most=20)
    plain = (time.process_time() - start) * 1e3 * 10
    spent = _milliseconds(lambda: suppress(segments, scores, SoftNms(most=200)), repeat=50)
    rows.append(
        Row(what="SoftNms against the plain loop", value=plain / spent, note="plain loop timed on 20 of 200 kept")
    )
    return rows


def _tag() -> list[Row]:
    rows = []
    scores = _curve(2400)
    table = scores.tolist()
    start = time.process_time()
    wanted = plain_tag.released(table, RELEASED.thresholds, RELEASED.tolerances)
    plain = (time.process_time() - start) * 1e3

    def ours() -> object:
        return group(foreground(scores), RELEASED, raw=scores[:, 1])

    found = group(foreground(scores), RELEASED, raw=scores[:, 1])
    assert [tuple(box) for box in found.steps.tolist()] == [(start, end) for start, end, _ in wanted]
    spent = _milliseconds(ours, repeat=50)
    note = f"{len(wanted)} proposals, softmax, smoothing and suppression included"
    rows.append(at_most("TAG, 2,400 steps, 12 x 9 settings", spent, 1.0, unit="ms", note=note))
    rows.append(at_least("TAG against the released rule in plain Python", plain / spent, 30.0, note=note))
    spent = _milliseconds(lambda: group(foreground(scores), PAPER), repeat=10)
    rows.append(Row(what="TAG of the paper, 2,400 steps, 19 x 19 settings", value=spent, unit="ms"))
    for rule in (RELEASED, PAPER):
        long = _curve(3 * 3600 * 30 // 16)
        spent = _milliseconds(partial(group, foreground(long), rule), repeat=2)
        what = f"TAG of 3 hours, {rule.grouping}"
        rows.append(at_most(what, spent / 1e3, 1.0, unit="s", note="20,250 snippets of 16 frames at 30 a second"))
    long = _curve(3 * 3600 * 30 // 5)
    spent = _milliseconds(lambda: group(foreground(long), RELEASED), repeat=2)
    note = "64,800 scores, one every 5 frames, as the released program takes them"
    rows.append(at_most("TAG of 3 hours, released, every 5 frames", spent / 1e3, 1.0, unit="s", note=note))
    return rows


def _milliseconds(call: Callable[[], object], *, repeat: int) -> float:
    """Median CPU milliseconds of a call after two to warm up; several calls a reading, since the clock is coarse."""
    call()
    start = time.process_time()
    call()
    batch = max(1, round(0.02 / max(1e-6, time.process_time() - start)))
    readings = []
    for _ in range(max(3, repeat // batch)):
        start = time.process_time()
        for _ in range(batch):
            call()
        readings.append((time.process_time() - start) * 1e3 / batch)
    return statistics.median(readings)


def _drawn(count: int, *, span: float, longest: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centre, length = rng.uniform(0, span, count), rng.uniform(1, longest, count)
    return np.stack([centre - length / 2, centre + length / 2], axis=1), rng.random(count)


def _curve(steps: int) -> np.ndarray:
    """Noisy two-column scores with an action every ten seconds or so: (steps, 2), logits of background and action."""
    rng = np.random.default_rng(0)
    level = np.full(steps, -2.0)
    for _ in range(steps // 240 + 1):
        first = rng.integers(0, steps)
        level[first : first + rng.integers(20, 300)] = 2.0
    return np.stack([np.zeros(steps), (level + rng.normal(0, 1.5, steps)).round(4)], axis=1)
