"""The plot and the tables of a breakdown: scores class by class and by the length of instances."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.evaluate.breakdown import LengthGroup
from untrimmed.report.score_table import ScoreTable

if TYPE_CHECKING:
    from untrimmed.report.scores import Plot


def length_table(groups: Sequence[LengthGroup]) -> ScoreTable:
    """Recall, and average precision where there is one, of every group; the mean over the thresholds."""
    precise = any(group.map is not None for group in groups)
    rows = []
    for group in groups:
        row = [group.words, str(group.instances), _cell(float(group.recall.mean()))]
        if precise:
            row.append("" if group.map is None else _cell(float(group.map.mean())))
        rows.append(tuple(row))
    header = ("instances by", "number", "recall", *(("mAP",) if precise else ()))
    return ScoreTable(title="by length", header=header, rows=tuple(rows))


def class_table(
    labels: Sequence[str],
    instances: Int64[np.ndarray, " classes"],
    ap: Float64[np.ndarray, "classes thresholds"],
    tious: Float64[np.ndarray, " thresholds"],
) -> ScoreTable:
    """AP of every class, best first: at the first, the middle and the last threshold and the mean over all."""
    shown = sorted({0, len(tious) // 2, len(tious) - 1})
    average = ap.mean(axis=1)
    rows = tuple(
        (
            labels[index],
            str(int(instances[index])),
            *(_cell(float(ap[index, at])) for at in shown),
            _cell(average[index]),
        )
        for index in np.argsort(-average, kind="stable").tolist()
    )
    header = ("class", "instances", *(f"AP@{tious[at]:.2f}" for at in shown), "average")
    return ScoreTable(title="AP by class", header=header, rows=rows)


def bars_by_length(groups: Sequence[LengthGroup]) -> "Plot":
    """Bars of recall, and of average precision where there is one, for the groups of each kind."""
    from matplotlib.axes import Axes
    from matplotlib.ticker import PercentFormatter

    from untrimmed.report.scores import COLOURS, Plot

    def draw(axes: Axes) -> None:
        kinds = list(dict.fromkeys(group.kind for group in groups))
        at = np.array([place + 0.8 * kinds.index(group.kind) for place, group in enumerate(groups)])
        precise = any(group.map is not None for group in groups)
        width, shift = (0.38, 0.2) if precise else (0.7, 0.0)
        recall = np.nan_to_num([group.recall.mean() for group in groups])
        axes.bar(at - shift, recall, width=width, color=COLOURS[0], label="recall")
        if precise:
            means = [np.nan if group.map is None else group.map.mean() for group in groups]
            axes.bar(at + shift, np.nan_to_num(means), width=width, color=COLOURS[4], label="mAP")
            axes.legend(frameon=False, fontsize=9, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
        axes.set_xticks(at, [f"{group.name}\n{group.instances}" for group in groups], fontsize=8)
        for kind in kinds:
            own = at[[group.kind == kind for group in groups]]
            axes.text(
                float(own.mean()), -0.19, "seconds" if kind == "length" else "share of the video", ha="center",
                fontsize=9.5, fontweight="bold", transform=axes.get_xaxis_transform(),
            )  # fmt: skip
        axes.set(ylim=(0, 1))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(axis="y", color="#d9dfe4", linewidth=0.6)
        axes.tick_params(axis="x", length=0)

    return Plot(
        name="by_length",
        title="By the length of instances",
        words="; ".join(group.words for group in groups) + ". Below each its number; the mean over the thresholds.",
        draw=draw,
        size=(7.6, 4.0),
    )


def _cell(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4f}"
