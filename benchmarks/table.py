"""What a benchmark reports: one row a figure, as a ratio to its limit where it has one, measured in one run."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured figure.

    Attributes:
        what: what was measured.
        value: the figure; mostly a ratio.
        unit: of the figure; "x" for a ratio.
        wanted: the bound in words, e.g. "<= 1.3"; empty if there is none.
        good: whether the bound is kept; None without a bound.
        note: sizes and settings.
    """

    what: str
    value: float
    unit: str = "x"
    wanted: str = ""
    good: bool | None = None
    note: str = ""


def at_most(what: str, value: float, bound: float, *, unit: str = "x", note: str = "") -> Row:
    """A row whose figure must not exceed a bound."""
    return Row(what=what, value=value, unit=unit, wanted=f"<= {bound:g}", good=value <= bound, note=note)


def at_least(what: str, value: float, bound: float, *, unit: str = "x", note: str = "") -> Row:
    """A row whose figure must reach a bound."""
    return Row(what=what, value=value, unit=unit, wanted=f">= {bound:g}", good=value >= bound, note=note)


def cpu_seconds(call: Callable[[], object], *, repeat: int = 1) -> float:
    """Least CPU seconds (user and system, this process and its ended children) of repeated calls."""
    best = float("inf")
    for _ in range(repeat):
        before = _spent()
        call()
        best = min(best, _spent() - before)
    return best


@contextmanager
def wall_seconds() -> Iterator[list[float]]:
    """Wall-clock seconds of the block, as the one item of the list it yields."""
    spent: list[float] = []
    start = time.perf_counter()
    yield spent
    spent.append(time.perf_counter() - start)


def _spent() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
