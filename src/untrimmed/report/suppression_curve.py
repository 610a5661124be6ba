"""Recall over the threshold of suppression: which one a number of proposals wants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from matplotlib.axes import Axes

from untrimmed.columns import GroundTruth, Predictions
from untrimmed.evaluate import proposals
from untrimmed.evaluate.labels import video_numbers
from untrimmed.propose.suppress import HardNms, Kept, suppress
from untrimmed.records import DataError, Task
from untrimmed.report.score_table import ScoreTable
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

    @property
    def figures(self) -> dict[str, Any]:
        """All figures as JSON values."""
        return {
            "tious": self.thresholds.tolist(),
            "auc_percent": self.auc.tolist(),
            **{f"AR@{number}": row.tolist() for number, row in zip(self.numbers, self.recall, strict=True)},
            "best": self.best(),
        }

    def table(self) -> ScoreTable:
        """AUC in percent and average recall at each threshold; the best of each column bears a star."""
        columns = [self.auc, *self.recall]
        digits = [2, *(4 for _ in self.recall)]
        rows = tuple(
            (
                f"{tiou:g}",
                *(
                    f"{column[row]:.{places}f}{'*' if row == column.argmax() else ' '}"
                    for column, places in zip(columns, digits, strict=True)
                ),
            )
            for row, tiou in enumerate(self.thresholds.tolist())
        )
        header = ("suppressed above", "AUC", *(f"AR@{number}" for number in self.numbers))
        return ScoreTable(title="by the tIoU of suppression", header=header, rows=rows)


def suppression_curve(
    candidates: Mapping[str, tuple[Float[np.ndarray, "_ 2"], Float[np.ndarray, " _"]]],
    ground_truth: GroundTruth,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    numbers: Sequence[int] = NUMBERS,
    most: int | None = 100,
    tious: Float64[np.ndarray, " tious"] = proposals.TIOUS,
    mode: proposals.Mode = proposals.Mode.EXACT_2017,
) -> SuppressionCurve:
    """Score the same candidates after suppression at each threshold.

    AR@n lets every video use its n best, as many as it has; the AUC is the challenge's.

    Args:
        candidates: of each video segments in seconds and scores, before any suppression.
        ground_truth: of the subset whose videos these are.
        thresholds: tIoU in [0, 1], of suppression.
        numbers: of proposals a video.
        most: proposals that a video submits at most, and that count on average; None takes all.
        tious: thresholds that recall is averaged over.
        mode: the arithmetic of the AUC.

    Raises:
        DataError: when there are no candidates, nothing to find, or times that cannot be suppressed.

    Source: report 18, table 1 and the text below it.
    """
    if not candidates or not thresholds:
        raise DataError(
            f"a suppression curve needs candidates and thresholds, got {len(candidates)} videos, {len(thresholds)}"
        )
    auc, recall = [], []
    for tiou in thresholds:
        kept = {
            name: _suppressed(name, segments, scores, HardNms(tiou=tiou, most=most))
            for name, (segments, scores) in candidates.items()
        }
        given = {name: (each.segments, each.scores) for name, each in kept.items()}
        average = None if most is None else float(most)
        auc.append(proposals.evaluate(ground_truth, _columns(given), max_average=average, tious=tious, mode=mode).auc)
        column = []
        for number in numbers:
            best = _columns({name: (segments[:number], scores[:number]) for name, (segments, scores) in given.items()})
            found = proposals.evaluate(ground_truth, best, max_average=None, tious=tious, mode=mode)
            column.append(float(found.average_recall[-1]))
        recall.append(column)
    return SuppressionCurve(
        thresholds=np.array(thresholds, dtype=np.float64),
        auc=np.array(auc, dtype=np.float64),
        numbers=tuple(numbers),
        recall=np.array(recall, dtype=np.float64).reshape(len(thresholds), len(numbers)).T,
    )


def candidates_of(
    ground_truth: GroundTruth, predictions: Predictions
) -> dict[str, tuple[Float[np.ndarray, "_ 2"], Float[np.ndarray, " _"]]]:
    """Segments and scores of each video of a submission, those of videos outside the ground truth left out.

    Raises:
        DataError: when the predictions have no segments.
    """
    if predictions.segments is None:
        raise DataError(f"a suppression curve needs predictions with segments, got those of {predictions.task.value}")
    video = video_numbers(ground_truth, predictions)
    return {
        ground_truth.video_ids[number]: (predictions.segments[video == number], predictions.scores[video == number])
        for number in np.unique(video[video >= 0]).tolist()
    }


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


def _suppressed(name: str, segments: Float[np.ndarray, "n 2"], scores: Float[np.ndarray, " n"], rule: HardNms) -> Kept:
    try:
        return suppress(segments, scores, rule)
    except DataError as error:
        raise DataError(f"candidates of video {name} cannot be suppressed: {error}") from error


def _columns(given: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Predictions:
    counts = [len(scores) for _, scores in given.values()]
    return Predictions(
        task=Task.PROPOSALS,
        video_ids=tuple(given),
        video=np.repeat(np.arange(len(given)), counts),
        scores=np.concatenate([scores for _, scores in given.values()]).astype(np.float64),
        segments=np.concatenate([segments for segments, _ in given.values()]).astype(np.float64),
    )
