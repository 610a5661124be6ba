"""The table and the plot of the easiest and the hardest classes.

Source: report 03, table 1.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from untrimmed.evaluate.hardness import Hardness
from untrimmed.report.score_table import ScoreTable

if TYPE_CHECKING:
    from untrimmed.report.scores import Plot

MOST = 50
"""Rows of the report's table."""


def hardness_table(found: Hardness, *, most: int = MOST) -> ScoreTable:
    """The k-th easiest class beside the k-th hardest, with their top-1 errors in percent.

    Args:
        found: all classes.
        most: rows at most, >= 1; there are no more than half of the classes, so that none stands on both sides.
    """
    count = min(most, max(1, len(found.classes) // 2))
    rows = tuple(
        (easy.label, _percent(easy.error), hard.label, _percent(hard.error), str(hard.videos))
        for easy, hard in zip(found.easiest(count), found.hardest(count), strict=True)
    )
    header = ("easiest", "error@1", "hardest", "error@1", "videos")
    return ScoreTable(title="easiest and hardest by top-1 error", header=header, rows=rows)


def bars_by_error(found: Hardness) -> "Plot":
    """One bar a class, the hardest first; of many classes the hardest and the easiest."""
    from untrimmed.report import scores

    ranked = {one.label: one.error for one in found.hardest(len(found.classes))}
    drawn = scores.bars_by_class(ranked, name="class_errors", title="Top-1 error by class")
    words = "Share of the videos of each class whose best prediction is none of theirs, the hardest class first. "
    return replace(drawn, words=words + drawn.words)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
