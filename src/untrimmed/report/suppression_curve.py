"""Recall over the threshold of suppression: which one a number of proposals wants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from untrimmed.columns import GroundTruth, Predictions
from untrimmed.evaluate import proposals
from untrimmed.propose.suppress import HardNms, suppress
from untrimmed.records import DataError, Task
from untrimmed.report.scores import COLOURS, Plot

THRESHOLDS = (0.3, 0.45, 0.6, 0.75, 0.8, 0.85, 0.9)
"""Those of report 18, table 1."""
NUMBERS = (1, 5, 10, 50, 100)


@dataclass(frozen=True, eq=False, kw_only=True)
class SuppressionCurve:
    """What suppression at each threshold leaves of recall.

    Attributes:
        thresholds: tIoU above which the lower of two candidates goes.
        auc: the challenge's figure at each, percent.
        numbers: of proposals a video.
        recall: average recall with so many (rows) at each threshold (columns), in [0, 1].
    """

    thresholds: Float[np.ndarray, " thresholds"]
    auc: Float[np.ndarray, " thresholds"]
    numbers: tuple[int, ...]
    recall: Float[np.ndarray, "numbers thresholds"]

    def best(self) -> dict[str, float]:
        """The threshold of the highest figure, the first among equals: of the AUC, and of each number of proposals."""
        rows = {"auc": self.auc, **{f"AR@{number}": row for number, row in zip(self.numbers, self.recall, strict=True)}}
        return {name: float(self.thresholds[row.argmax()]) for name, row in rows.items()}


def suppression_curve(
    candidates: Mapping[str, tuple[Float[np.ndarray, "_ 2"], Float[np.ndarray, " _"]]],
    ground_truth: GroundTruth,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    numbers: Sequence[int] = NUMBERS,
    most: int = 100,
) -> SuppressionCurve:
    """Score the same candidates after suppression at each threshold.

    AR@n lets every video use its n best, as many as it has; the AUC is the challenge's.

    Args:
        candidates: of each video segments in seconds and scores, before any suppression.
        ground_truth: of the subset whose videos these are.
        thresholds: tIoU in [0, 1].
        numbers: of proposals a video.
        most: proposals that a video submits at most.

    Raises:
        DataError: when there are no candidates, or nothing to find.

    Source: report 18, table 1 and the text below it.
    """
    if not candidates or not thresholds:
        raise DataError(
            f"a suppression curve needs candidates and thresholds, got {len(candidates)} videos, {len(thresholds)}"
        )
    auc, recall = [], []
    for tiou in thresholds:
        kept = {
            name: suppress(segments, scores, HardNms(tiou=tiou, most=most))
            for name, (segments, scores) in candidates.items()
        }
        given = {name: (found.segments, found.scores) for name, found in kept.items()}
        auc.append(proposals.evaluate(ground_truth, _columns(given)).auc)
        column = []
        for number in numbers:
            best = _columns({name: (segments[:number], scores[:number]) for name, (segments, scores) in given.items()})
            column.append(float(proposals.evaluate(ground_truth, best, max_average=None).average_recall[-1]))
        recall.append(column)
    return SuppressionCurve(
        thresholds=np.array(thresholds, dtype=np.float64),
        auc=np.array(auc, dtype=np.float64),
        numbers=tuple(numbers),
        recall=np.array(recall, dtype=np.float64).reshape(len(thresholds), len(numbers)).T,
    )


def recall_over_suppression(curve: SuppressionCurve) -> Plot:
    """AUC and recall with some numbers of proposals over the threshold of suppression, each with its best marked."""

    def draw(axes: Axes) -> None:
        rows = [(f"AR@{number}", 100 * row) for number, row in zip(curve.numbers, curve.recall, strict=True)]
        for place, (label, row) in enumerate([("AUC", curve.auc), *rows]):
            colour, wide = COLOURS[place % len(COLOURS)], 1.4 if place else 2.4
            axes.plot(curve.thresholds, row, color=colour, linewidth=wide, marker=".", label=label)
            best = int(row.argmax())
            axes.plot(curve.thresholds[best], row[best], color=colour, marker="o", markersize=7, linestyle="none")
        axes.set(xlabel="suppression above tIoU", ylabel="percent", ylim=(0, None))
        axes.grid(color="#d9dfe4", linewidth=0.6)
        axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))

    return Plot(
        name="suppression",
        title="Recall over the threshold of suppression",
        words="Average recall with a number of proposals a video, and the area under it; dots mark the best threshold.",
        draw=draw,
    )


def _columns(given: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Predictions:
    counts = [len(scores) for _, scores in given.values()]
    return Predictions(
        task=Task.PROPOSALS,
        video_ids=tuple(given),
        video=np.repeat(np.arange(len(given)), counts),
        scores=np.concatenate([scores for _, scores in given.values()]).astype(np.float64),
        segments=np.concatenate([segments for segments, _ in given.values()]).astype(np.float64),
    )
