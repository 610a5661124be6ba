"""Exact labelling of long videos: seconds, and the ratio to copying the scores once in memory."""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.table import Row, at_most
from untrimmed.propose.labelling import label_steps

STEPS, LABELS = 100_000, 200
"""An hour and ten minutes at 24 frames a second; ActivityNet's classes."""


def run() -> list[Row]:
    """All rows."""
    rows = []
    for kind in (np.float64, np.float32):
        gains = np.random.default_rng(0).random((STEPS, LABELS)).astype(kind)
        target = np.empty_like(gains)
        label_steps(gains[:2], switch_cost=1.0)  # compiles
        spent = _least(lambda gains=gains: label_steps(gains, switch_cost=3.0))  # type: ignore[misc]
        copied = _least(lambda gains=gains, target=target: np.copyto(target, gains))  # type: ignore[misc]
        name = np.dtype(kind).name
        note = f"{gains.nbytes / 2**20:.0f} MiB of scores"
        rows.append(at_most(f"labelling, {STEPS:,} steps x {LABELS} labels, {name}", spent, 1.0, unit="s", note=note))
        rows.append(Row(what=f"labelling against one copy of its scores, {name}", value=spent / copied, note=note))
    return rows


def _least(call: Callable[[], object], *, repeat: int = 5) -> float:
    """Least CPU seconds of repeated calls."""
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best
