"""The easiest and the hardest classes of task T1: top-1 error and average precision of each class.

Conventions
    The error of a class is the share of its videos whose best prediction names none of the video's classes; a video
    of several classes counts in each, one without a prediction is wrong. Where every video has one class, the mean of
    the errors weighted by videos is the challenge's error@1. The order of equal scores is that of the evaluator.

Source: report 03, table 1.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from untrimmed.columns import GroundTruth, Predictions
from untrimmed.evaluate import classification
from untrimmed.evaluate.labels import known_labels, video_numbers, without_blocked
from untrimmed.evaluate.order import falling_within


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """How well one class is told.

    Attributes:
        label: the class.
        videos: that have it, >= 1.
        error: top-1 error, in [0, 1].
        ap: average precision, in [0, 1].
    """

    label: str
    videos: int
    error: float
    ap: float


@dataclass(frozen=True, kw_only=True)
class Hardness:
    """All classes of one submission.

    Attributes:
        classes: in the order of labels.
        signature: how the figures were computed.
    """

    classes: tuple[ClassFigures, ...]
    signature: str

    def hardest(self, count: int = 50) -> list[ClassFigures]:
        """The classes of the highest error; among equals those of the lower average precision first."""
        return sorted(self.classes, key=lambda one: (-one.error, one.ap, one.label))[:count]

    def easiest(self, count: int = 50) -> list[ClassFigures]:
        """The classes of the lowest error; among equals those of the higher average precision first."""
        return sorted(self.classes, key=lambda one: (one.error, -one.ap, one.label))[:count]

    def table(self, count: int = 50) -> list[tuple[str, str, float]]:
        """Rows of the report's table: the k-th easiest class, the k-th hardest and its top-1 error in percent."""
        pairs = zip(self.easiest(count), self.hardest(count), strict=True)
        return [(easy.label, hard.label, 100 * hard.error) for easy, hard in pairs]


def hardness(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    blocked: Collection[str] = (),
    ignore_unknown: bool = False,
) -> Hardness:
    """Top-1 error and average precision of each class.

    Args:
        ground_truth: of one subset.
        predictions: of task T1 or T2.
        blocked: ids of videos that are left out of both sides.
        ignore_unknown: leave predictions of classes that the subset does not have out instead of refusing them.

    Raises:
        DataError: when there is nothing to find, the predictions are of another task, or a label is unknown.
    """
    result = classification.evaluate(
        ground_truth, predictions, top=(1,), blocked=blocked, ignore_unknown=ignore_unknown, metric="error@1 by class"
    )
    ground_truth, predictions = without_blocked(ground_truth, predictions, blocked)
    known = known_labels(ground_truth, predictions, ignore_unknown=ignore_unknown)
    assert known.label_index is not None, "the evaluator has seen to it"
    video, classes = video_numbers(ground_truth, known), len(ground_truth.labels)
    order = falling_within(video, known.scores)
    order = order[video[order] >= 0]
    seen, first = np.unique(video[order], return_index=True)
    wanted = np.unique(ground_truth.video * classes + ground_truth.label_index)
    answered = seen[np.isin(seen * classes + known.label_index[order[first]], wanted)]
    right = np.bincount(wanted % classes, weights=np.isin(wanted // classes, answered), minlength=classes)
    errors = 1.0 - right / result.instances
    figures = zip(result.labels, result.instances.tolist(), errors.tolist(), result.ap.tolist(), strict=True)
    return Hardness(
        classes=tuple(ClassFigures(label=label, videos=n, error=error, ap=ap) for label, n, error, ap in figures),
        signature=result.signature,
    )
