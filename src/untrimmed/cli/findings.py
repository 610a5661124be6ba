"""The findings of the reports as inequalities between two rows of figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from untrimmed.cli.workshop import Row


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A claim of a report as an inequality between two rows.

    Attributes:
        system: number of the report.
        claim: in words.
        published: the report's figures for it.
        task: of the rows.
        left, right: names of the rows; the claim is that left is above right.
        figure: compared.
    """

    system: int
    claim: str
    published: str
    task: str
    left: str
    right: str
    figure: str

    def line(self, tables: Sequence[Sequence[Row]]) -> str:
        """One line of a Markdown table: the claim, what was published, what was measured over the seeds."""
        pairs = []
        for rows in tables:
            by_name = {row.name: row.figures for row in rows if row.task == self.task}
            pairs.append((by_name[self.left][self.figure], by_name[self.right][self.figure]))
        differences = [left - right for left, right in pairs]
        if all(difference > 0 for difference in differences):
            verdict = "holds"
        elif all(difference <= 0 for difference in differences):
            verdict = "does not hold here"
        else:
            verdict = "open: the seeds disagree"
        left, right = (mean_and_spread(values) for values in zip(*pairs, strict=True))
        cells = [f"{self.system:02d}", self.claim, self.published, f"{self.task} {self.figure}"]
        cells += [f"{left} against {right}", mean_and_spread(differences), verdict]
        return "| " + " | ".join(cells) + " |"


def mean_and_spread(values: Sequence[float]) -> str:
    """Mean and standard deviation in words; the mean alone of one value."""
    mean = sum(values) / len(values)
    spread = (sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)) ** 0.5
    return f"{mean:.1f} ± {spread:.1f}" if len(values) > 1 else f"{mean:.1f}"
