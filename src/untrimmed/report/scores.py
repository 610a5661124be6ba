"""Plots of scores, as PNG and SVG files: what a paper shows of each task.

Every plot is drawn by matplotlib's object interface without a screen. Colours are told apart by people who confuse red
and green, and lines also by their order in the legend.

Source: the colours are those of Okabe and Ito, Color Universal Design, 2008.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from untrimmed.evaluate.diagnosis import KINDS, Diagnosis, Group
from untrimmed.files import replacing

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c", "#5e3c99")
_INK, _PALE = "#26323d", "#d9dfe4"
_SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "untrimmed"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Plot:
    """One picture of scores.

    Attributes:
        name: of its files, without ending.
        title: what it shows.
        words: a sentence below it: how to read it.
        draw: puts it on the axes.
        size: of the picture in inches, width and height.
    """

    name: str
    title: str
    words: str
    draw: Callable[[Axes], None]
    size: tuple[float, float] = (6.4, 4.0)

    def figure(self) -> Figure:
        """The picture."""
        figure = Figure(figsize=self.size, layout="constrained", facecolor="white")
        axes = figure.add_subplot()
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(_PALE)
        axes.tick_params(colors=_INK, labelsize=9, length=3, color=_PALE)
        axes.set_axisbelow(True)
        self.draw(axes)
        axes.set_title(self.title, loc="left", fontsize=11, fontweight="bold", color=_INK, pad=10)
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set_color(_INK)
            label.set_fontsize(9.5)
        return figure

    def picture(self, form: str) -> bytes:
        """The picture as the bytes of a png or svg file."""
        import matplotlib

        buffer = BytesIO()
        with matplotlib.rc_context(_SETTINGS):
            metadata = {"Date": None} if form == "svg" else {"Software": None}
            self.figure().savefig(buffer, format=form, dpi=160, metadata=metadata)
        return buffer.getvalue()


def write_plots(folder: Path, plots: Sequence[Plot]) -> list[Path]:
    """Write each plot as NAME.png and NAME.svg; each file appears complete or not at all."""
    written = []
    for plot in plots:
        for form in ("png", "svg"):
            path = folder / f"{plot.name}.{form}"
            with replacing(path) as part:
                part.write_bytes(plot.picture(form))
            written.append(path)
    return written


def recall_over_proposals(
    recall: Float64[np.ndarray, "thresholds steps"],
    numbers: Float64[np.ndarray, " steps"],
    tious: Float64[np.ndarray, " thresholds"],
    *,
    auc: float,
) -> Plot:
    """Recall over the average number of proposals a video: the mean over thresholds, and some single ones."""

    def draw(axes: Axes) -> None:
        chosen = sorted({0, len(tious) // 2, len(tious) - 1})
        for colour, row in zip(COLOURS[1:], chosen, strict=False):
            axes.plot(numbers, recall[row], color=colour, linewidth=1.4, label=f"tIoU {tious[row]:.2f}")
        average = recall.mean(axis=0)
        axes.fill_between(numbers, average, color=COLOURS[0], alpha=0.12, linewidth=0)
        axes.plot(numbers, average, color=COLOURS[0], linewidth=2.4, label=f"average (area {auc:.2f} %)")
        axes.set(xlabel="average number of proposals a video", ylabel="recall", ylim=(0, 1), xlim=(0, None))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(color=_PALE, linewidth=0.6)
        axes.legend(frameon=False, fontsize=9, labelcolor=_INK, loc="best")

    return Plot(
        name="ar_an",
        title="Recall over number of proposals",
        words="Share of the instances that some proposal finds, over how many proposals a video may use on average.",
        draw=draw,
    )


def precision_over_recall(
    curves: Float64[np.ndarray, "thresholds points"],
    tious: Float64[np.ndarray, " thresholds"],
    average_precision: Float64[np.ndarray, " thresholds"],
) -> Plot:
    """Mean precision over recall of some thresholds."""

    def draw(axes: Axes) -> None:
        recall = np.linspace(0, 1, curves.shape[1])
        chosen = np.unique(np.linspace(0, len(tious) - 1, min(len(tious), 5)).round().astype(int))
        for colour, row in zip(COLOURS, chosen.tolist(), strict=False):
            label = f"tIoU {tious[row]:.2f}: mAP {100 * average_precision[row]:.1f}"
            axes.plot(recall, curves[row], color=colour, linewidth=1.8, label=label)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
        axes.grid(color=_PALE, linewidth=0.6)
        axes.legend(frameon=False, fontsize=9, labelcolor=_INK, loc="upper right")

    return Plot(
        name="precision_recall",
        title="Precision over recall",
        words="Interpolated precision, the mean over all classes; a class that does not reach a recall counts 0 there.",
        draw=draw,
    )


def bars_by_class(
    values: Mapping[str, float], *, name: str = "classes", title: str = "AP by class", most: int = 40
) -> Plot:
    """One bar a class, best first; of many classes the best and the worst."""
    ranked = sorted(values.items(), key=lambda pair: -pair[1])
    cut = len(ranked) > most
    shown = [*ranked[: most // 2], *ranked[-(most // 2) :]] if cut else ranked
    mean = float(np.mean(list(values.values()))) if values else 0.0

    def draw(axes: Axes) -> None:
        places = np.arange(len(shown)) + (np.arange(len(shown)) >= most // 2) * (1 if cut else 0)
        colours = [COLOURS[0] if value >= mean else COLOURS[5] for _, value in shown]
        axes.barh(places, [value for _, value in shown], color=colours, height=0.72)
        axes.set_yticks(places, [_short(label) for label, _ in shown], fontsize=8)
        axes.invert_yaxis()
        axes.axvline(mean, color=COLOURS[1], linewidth=1.4)
        axes.text(
            mean + 0.01, 0.012, f"mean {100 * mean:.1f} %", fontsize=8.5, color=COLOURS[1],
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
        if cut:
            left_out = f"… {len(ranked) - most} more …"
            axes.text(
                0.01, most // 2, left_out, fontsize=8, color=_INK, va="center", transform=axes.get_yaxis_transform()
            )
        axes.set(xlim=(0, 1), ylim=(places[-1] + 0.6 if len(places) else 1, -0.6))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(axis="x", color=_PALE, linewidth=0.6)
        axes.tick_params(axis="y", length=0)

    return Plot(
        name=name,
        title=title,
        words=f"The best and the worst of {len(ranked)} classes." if cut else f"All {len(ranked)} classes.",
        draw=draw,
        size=(6.4, 1.3 + 0.19 * (len(shown) + cut)),
    )


def error_breakdown(diagnosis: Diagnosis) -> Plot:
    """Kinds of detections among the first G, 2G ... 10G, the mean over thresholds."""
    shares = diagnosis.kinds.mean(axis=0)

    def draw(axes: Axes) -> None:
        below = np.zeros(len(shares))
        colours = (COLOURS[2], COLOURS[5], COLOURS[4], COLOURS[0], COLOURS[3], "#b5bcc3")
        for kind, colour, column in zip(KINDS, colours, shares.T, strict=True):
            axes.bar(np.arange(len(shares)) + 1, column, bottom=below, color=colour, width=0.82, label=kind)
            below += column
        axes.set_xticks(np.arange(len(shares)) + 1, [f"{step + 1}G" if step else "G" for step in range(len(shares))])
        axes.set(
            xlabel="best detections of each class, in steps of its number of instances G", ylabel="share", ylim=(0, 1)
        )
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(
            handles[::-1],
            labels[::-1],
            frameon=False,
            fontsize=9,
            labelcolor=_INK,
            bbox_to_anchor=(1, 1),
            loc="upper left",
        )

    return Plot(
        name="errors",
        title="What detections are",
        words="Kinds of detections from the surest on; the mean over the tIoU thresholds.",
        draw=draw,
        size=(7.6, 4.0),
    )


def error_gain(diagnosis: Diagnosis) -> Plot:
    """What average mAP gains without each kind of error."""

    def draw(axes: Axes) -> None:
        kinds = sorted(diagnosis.gain, key=lambda kind: diagnosis.gain[kind])
        values = [100 * diagnosis.gain[kind] for kind in kinds]
        axes.barh(np.arange(len(kinds)), values, color=COLOURS[0], height=0.66)
        axes.set_yticks(np.arange(len(kinds)), kinds)
        for place, value in enumerate(values):
            axes.text(value, place, f" {value:+.2f}", va="center", fontsize=9, color=_INK)
        axes.set(xlabel=f"gain in average mAP, points (now {100 * diagnosis.average_map:.2f})")
        axes.set_xlim(0, max(*values, 1e-9) * 1.15)
        axes.grid(axis="x", color=_PALE, linewidth=0.6)
        axes.tick_params(axis="y", length=0)

    return Plot(
        name="error_gain",
        title="What each kind of error costs",
        words="Average mAP if all detections of one kind were left out.",
        draw=draw,
        size=(6.4, 2.8),
    )


def sensitivity(diagnosis: Diagnosis) -> Plot:
    """Share of missed instances and normalized average mAP by coverage, length and count."""

    def draw(axes: Axes) -> None:
        places: list[float] = []
        groups: list[Group] = []
        start = 0.0
        for name, own in diagnosis.sensitivity.items():
            places += [start + index for index in range(len(own))]
            groups += own
            axes.text(
                start + (len(own) - 1) / 2, -0.19, name, ha="center", fontsize=9.5, fontweight="bold", color=_INK,
                transform=axes.get_xaxis_transform(),
            )  # fmt: skip
            start += len(own) + 0.8
        at = np.array(places)
        missed = [0.0 if np.isnan(group.missed) else group.missed for group in groups]
        normalized = [0.0 if np.isnan(group.normalized) else group.normalized for group in groups]
        axes.bar(at - 0.2, missed, width=0.38, color=COLOURS[1], label="missed")
        axes.bar(at + 0.2, normalized, width=0.38, color=COLOURS[0], label="normalized average mAP")
        axes.set_xticks(at, [f"{group.name}\n{group.instances}" for group in groups], fontsize=8)
        axes.set(ylim=(0, 1))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(axis="y", color=_PALE, linewidth=0.6)
        axes.tick_params(axis="x", length=0)
        axes.legend(frameon=False, fontsize=9, labelcolor=_INK, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))

    return Plot(
        name="sensitivity",
        title="Which instances are found",
        words="Instances in groups from extra small to extra large, with their number; the mean over the thresholds.",
        draw=draw,
        size=(8.4, 4.0),
    )


def length_histogram(
    truth: Float64[np.ndarray, " instances"], found: Float64[np.ndarray, " predictions"], *, what: str = "predictions"
) -> Plot:
    """Lengths of what is annotated and of what is predicted, as shares, on a logarithmic scale."""

    def draw(axes: Axes) -> None:
        kept = [values[np.isfinite(values) & (values > 0)] for values in (truth, found)]
        every = np.concatenate(kept)
        low, high = (float(every.min()), float(every.max())) if len(every) else (1.0, 10.0)
        edges = np.geomspace(max(low, 0.1), max(high, low * 1.01, 0.11), 41)
        for values, colour, label in zip(kept, (COLOURS[2], COLOURS[0]), ("annotated", what), strict=True):
            count, _ = np.histogram(np.maximum(values, edges[0]), edges)
            axes.stairs(count / max(len(values), 1), edges, fill=True, color=colour, alpha=0.25)
            axes.stairs(
                count / max(len(values), 1), edges, color=colour, linewidth=1.6, label=f"{label} ({len(values):,})"
            )
        axes.set(xscale="log", xlabel="length, seconds", ylabel="share")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.grid(color=_PALE, linewidth=0.6)
        axes.legend(frameon=False, fontsize=9, labelcolor=_INK)

    return Plot(
        name="lengths",
        title="Lengths",
        words="How long annotated and predicted segments are; a shape of its own tells of a bias.",
        draw=draw,
    )


def lines_by_tiou(
    values: Mapping[str, Float64[np.ndarray, " thresholds"]],
    tious: Float64[np.ndarray, " thresholds"],
    *,
    title: str,
    name: str = "by_tiou",
) -> Plot:
    """One line a metric over the thresholds."""

    def draw(axes: Axes) -> None:
        for colour, (metric, row) in zip(COLOURS, values.items(), strict=False):
            axes.plot(tious, row, color=colour, linewidth=1.8, marker="o", markersize=4, label=metric)
        axes.set(xlabel="tIoU", ylim=(0, None))
        axes.set_xticks(tious)
        axes.grid(color=_PALE, linewidth=0.6)
        axes.legend(frameon=False, fontsize=9, labelcolor=_INK, bbox_to_anchor=(1, 1), loc="upper left")

    return Plot(name=name, title=title, words="Each metric at each threshold of overlap.", draw=draw, size=(7.2, 3.8))


def histogram(values: Float64[np.ndarray, " videos"], *, name: str, title: str, words: str) -> Plot:
    """How a figure is spread over the videos."""

    def draw(axes: Axes) -> None:
        axes.hist(values, bins=40, color=COLOURS[0], alpha=0.85)
        mean = float(values.mean()) if len(values) else 0.0
        axes.axvline(mean, color=COLOURS[1], linewidth=1.4, label=f"mean {mean:.4f}")
        axes.set(ylabel="videos")
        axes.grid(axis="y", color=_PALE, linewidth=0.6)
        axes.legend(frameon=False, fontsize=9, labelcolor=_INK)

    return Plot(name=name, title=title, words=words, draw=draw)


def confusion_bars(pairs: Sequence[tuple[str, str, int]], *, most: int = 15) -> Plot:
    """The most frequent (true, said) pairs with a wrong best label."""
    shown = list(pairs[:most])
    counts: Int64[np.ndarray, " pairs"] = np.array([count for _, _, count in shown], dtype=np.int64)

    def draw(axes: Axes) -> None:
        places = np.arange(len(shown))
        axes.barh(places, counts, color=COLOURS[3], height=0.7)
        axes.set_yticks(places, [f"{_short(true, 24)} → {_short(said, 24)}" for true, said, _ in shown], fontsize=8)
        axes.invert_yaxis()
        axes.set(xlabel="videos")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="x", color=_PALE, linewidth=0.6)
        axes.tick_params(axis="y", length=0)

    return Plot(
        name="confused",
        title="Most confused pairs",
        words="The true class and the class that was ranked first instead.",
        draw=draw,
        size=(6.8, 1.2 + 0.22 * max(len(shown), 2)),
    )


def _short(text: str, most: int = 30) -> str:
    """A label for an axis; dollar signs would start formulas."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return cut.replace("$", r"\$")
