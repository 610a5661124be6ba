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


def _of_six(claim: str, published: str, left: str, right: str) -> list[Finding]:
    rows = {"left": f"06 {left}", "right": f"06 {right}"}
    return [
        Finding(system=6, claim=claim, published=published, task=task, figure="top-1", **rows) for task in ("T1", "T2")
    ]


def _of_nineteen(claim: str, published: str, task: str, rows: tuple[str, str], figure: str) -> Finding:
    return Finding(system=19, claim=claim, published=published, task=task, left=rows[0], right=rows[1], figure=figure)


def _of_captions(claim: str, published: str, left: str, right: str, figure: str) -> Finding:
    rows = (f"22 {left}, annotated segments", f"22 {right}, annotated segments")
    return Finding(system=22, claim=claim, published=published, task="T5", left=rows[0], right=rows[1], figure=figure)


_REFINED, _PLAIN = "19 refined by TAG", "19 Prop-SSAD alone"
_HUNDRED, _TEN, _ONE = (f"19, best {count} proposals" for count in (100, 10, 1))
FINDINGS: tuple[Finding, ...] = (
    *_of_six("RGB above compensated flow, TSN", "72.73 against 53.40", "rgb_tsn", "flow_tsn"),
    *_of_six("RGB above compensated flow, C3D", "65.36 against 48.27", "rgb_c3d", "flow_c3d"),
    *_of_six("2D above 3D, RGB", "72.73 against 65.36", "rgb_tsn", "rgb_c3d"),
    *_of_six("2D above 3D, flow", "53.40 against 48.27", "flow_tsn", "flow_c3d"),
    *_of_six("a longer LTC above C3D, RGB", "in words", "rgb_ltc", "rgb_c3d"),
    *_of_six("a longer LTC above C3D, flow", "in words, most of all for flow", "flow_ltc", "flow_c3d"),
    *_of_six("two streams above RGB alone", "-", "rgb_tsn + flow_tsn", "rgb_tsn"),
    *_of_six("two streams above flow alone", "-", "rgb_tsn + flow_tsn", "flow_tsn"),
    _of_nineteen("Prop-SSAD above uniform random", "61.52 against 44.88", "T3", (_PLAIN, "uniform random"), "AUC"),
    _of_nineteen("refined above unrefined", "64.40 against 61.52", "T3", (_REFINED, _PLAIN), "AUC"),
    _of_nineteen("refined above unrefined, AR@100", "73.01 against 69.54", "T3", (_REFINED, _PLAIN), "AR@100"),
    _of_nineteen("refinement helps at high tIoU", "in words", "T3", (_REFINED, _PLAIN), "recall@0.9"),
    _of_nineteen("100 proposals above 10", "32.26 against 31.41", "T4", (_HUNDRED, _TEN), "average"),
    _of_nineteen("10 proposals above 1", "31.41 against 27.00", "T4", (_TEN, _ONE), "average"),
    _of_captions("attention above mean pooling", "10.79 against 10.50", "TA", "MP", "METEOR"),
    _of_captions("attention above mean pooling", "28.93 against 28.41", "TA", "MP", "CIDEr"),
    _of_captions("contexts above none, CIDEr", "31.39 against 28.93", "TAC", "TA", "CIDEr"),
    _of_captions("contexts below none, METEOR", "10.67 against 10.79", "TA", "TAC", "METEOR"),
)
