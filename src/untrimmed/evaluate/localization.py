"""Task T4, temporal action localization: mean average precision by the rules of ActivityNet.

Conventions
    Classes are those that occur in the ground truth of the subset; all weigh the same in a mean. Predictions of one
    class from all videos are ranked together (see order.py) and matched with instances (see matching.py). A pair with
    tIoU NaN (zero length on zero length) is a true positive at every threshold where the instance is still free. A
    prediction in a video outside the ground truth is a false positive. Average mAP, the challenge's figure, is the
    mean over ten thresholds.

Source: Heilbron et al., ActivityNet, CVPR 2015; the evaluators of the ActivityNet Challenge 2017 (eval_detection).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from untrimmed.columns import GroundTruth, Predictions
from untrimmed.evaluate.average_precision import interpolated_by_class
from untrimmed.evaluate.dedup import without_near_duplicates
from untrimmed.evaluate.labels import known_labels, validate, video_numbers, without_blocked
from untrimmed.evaluate.matching import Groups, assign, close_pairs
from untrimmed.evaluate.order import falling_within, places_within, starts_of
from untrimmed.evaluate.signature import signature, tiou_words
from untrimmed.records import DataError, Task

TIOUS: Float64[np.ndarray, " thresholds"] = np.linspace(0.5, 0.95, 10)
"""The challenge's thresholds; the ninth is 0.8999999999999999, as in the official programs."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Matches:
    """Predictions in the order of counting and the instances that they take.

    Attributes:
        predictions: with classes in the numbers of the ground truth, those of unknown classes left out.
        order: indices of the predictions, sorted by class and then by falling score.
        starts: where each class begins in that order, and its end at last.
        taken: for each threshold and prediction (in the order of the file) the index of the instance it takes; -1 for
            a false positive.
    """

    predictions: Predictions
    order: Int64[np.ndarray, " predictions"]
    starts: Int64[np.ndarray, " past"]
    taken: Int64[np.ndarray, "thresholds predictions"]

    @property
    def hits(self) -> Bool[np.ndarray, "thresholds predictions"]:
        """True positives, in the order of counting."""
        return (self.taken >= 0)[:, self.order]


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """The figures of one submission.

    Attributes:
        ap: AP of each class (rows, as in labels) at each threshold (columns), in [0, 1].
        labels: the classes.
        tious: the thresholds.
        instances: how many there are to find, by class.
        predictions: how many were counted.
        signature: how the figures were computed.
    """

    ap: Float64[np.ndarray, "classes thresholds"]
    labels: tuple[str, ...]
    tious: Float64[np.ndarray, " thresholds"]
    instances: Int64[np.ndarray, " classes"]
    predictions: int
    signature: str

    @property
    def map_by_tiou(self) -> Float64[np.ndarray, " thresholds"]:
        """mAP at each threshold, in [0, 1]."""
        return self.ap.mean(axis=0)

    @property
    def average_map(self) -> float:
        """Mean over the thresholds of mAP, in [0, 1]: the challenge's figure."""
        return float(self.map_by_tiou.mean())

    @property
    def figures(self) -> dict[str, Any]:
        """All figures as JSON values; names as the official programs' records have them."""
        return {
            "average_mAP": self.average_map,
            "mAP": self.map_by_tiou.tolist(),
            "ap_by_class": {label: row.tolist() for label, row in zip(self.labels, self.ap, strict=True)},
            "tious": self.tious.tolist(),
            "n_classes": len(self.labels),
            "n_gt": int(self.instances.sum()),
            "n_pred": self.predictions,
        }

    def extremes(self, count: int = 5) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """The easiest and the hardest classes with their mean AP over the thresholds, the extreme one first."""
        ranked = sorted(zip(self.labels, self.ap.mean(axis=1).tolist(), strict=True), key=lambda pair: -pair[1])
        return ranked[:count], ranked[::-1][:count]


def evaluate(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    tious: Float64[np.ndarray, " thresholds"] = TIOUS,
    blocked: Collection[str] = (),
    ignore_unknown: bool = False,
    dedup: bool = False,
) -> Result:
    """Score detections.

    Args:
        ground_truth: of one subset.
        predictions: of task T4, in file order.
        tious: thresholds in (0, 1]; a pair counts from the threshold on.
        blocked: ids of videos that are left out of both sides.
        ignore_unknown: leave predictions of classes that the subset does not have out instead of refusing them.
        dedup: drop instances shorter than a millisecond and repeated ones first, as OpenTAD and ActionFormer do.

    Raises:
        DataError: when there is nothing to find, the predictions are of another task, or a label is unknown.
    """
    ground_truth, predictions = without_blocked(ground_truth, predictions, blocked)
    if dedup:
        ground_truth = without_near_duplicates(ground_truth)
    matches = match(ground_truth, predictions, tious=tious, ignore_unknown=ignore_unknown)
    positives = np.bincount(ground_truth.label_index, minlength=len(ground_truth.labels))
    parts = {"tiou": tiou_words(tious.tolist())}
    if blocked:
        parts["blocked"] = str(len(set(blocked)))
    if dedup:
        parts["instances"] = "dedup"
    if ignore_unknown:
        parts["unknown_labels"] = "ignored"
    return Result(
        ap=interpolated_by_class(matches.hits, matches.starts, positives),
        labels=ground_truth.labels,
        tious=tious,
        instances=positives,
        predictions=len(matches.predictions),
        signature=signature(
            "mAP",
            dataset=ground_truth.name,
            subset=ground_truth.subset,
            videos=len(ground_truth.video_ids),
            **parts,
        ),
    )


def match(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    tious: Float64[np.ndarray, " thresholds"] = TIOUS,
    ignore_unknown: bool = False,
) -> Matches:
    """Which instance each prediction takes at each threshold; the arguments are those of evaluate."""
    validate(ground_truth, predictions, Task.LOCALIZATION)
    if not len(tious) or not ((tious > 0) & (tious <= 1)).all():
        raise DataError(f"tIoU thresholds must be in (0, 1], got {tious.tolist()}")
    predictions = known_labels(ground_truth, predictions, ignore_unknown=ignore_unknown)
    assert predictions.segments is not None, "validate has seen to it"
    assert predictions.label_index is not None, "validate has seen to it"
    classes = len(ground_truth.labels)
    video = video_numbers(ground_truth, predictions)
    order = falling_within(predictions.label_index, predictions.scores)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    groups = Groups.of(ground_truth.video * classes + ground_truth.label_index, len(ground_truth.video_ids) * classes)
    pairs = close_pairs(
        predictions.segments,
        np.where(video >= 0, video * classes + predictions.label_index, -1),
        ground_truth.segments,
        groups,
        least=float(tious.min()),
        nan_counts=True,
    )
    return Matches(
        predictions=predictions,
        order=order,
        starts=starts_of(predictions.label_index[order], classes),
        taken=assign(pairs, rank, tious, instances=len(ground_truth.video)),
    )


def by_number(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    numbers: tuple[int, ...] = (1, 2, 5, 10, 20, 50, 100),
    tious: Float64[np.ndarray, " thresholds"] = TIOUS,
    ignore_unknown: bool = False,
) -> dict[int, float]:
    """Average mAP when only the best predictions of each video are kept, whatever their class.

    Args:
        ground_truth: of one subset.
        predictions: of task T4.
        numbers: how many a video, each >= 1.
        tious: thresholds.
        ignore_unknown: as in evaluate.

    Returns:
        Number to average mAP, in the order asked for.
    """
    order = falling_within(predictions.video, predictions.scores)
    place = np.empty_like(order)
    place[order] = places_within(predictions.video[order], len(predictions.video_ids))
    return {
        number: evaluate(
            ground_truth, predictions.select(place < number), tious=tious, ignore_unknown=ignore_unknown
        ).average_map
        for number in numbers
    }
