"""Temporal action detection by the rules of THUMOS'14.

Conventions
    Start and end of a segment are put in order first. Overlap is intersection over hull, 0 where segments only touch.
    In each video the detections of a class stand in falling confidence (equal ones as in the file); the instances, in
    file order, each take the free detection with the highest overlap (the first of equal ones) if it is more than the
    threshold. Confidence plays no role in the matching. A detection that is not taken is removed if it touches an
    Ambiguous segment, else it is a false positive. The rest of all videos, in order of their names, is ranked by
    falling confidence (stable); AP is the mean over instances of the precision at each true positive, not
    interpolated; a class without detections has AP 0. Detections in videos without ground truth count.

Source: Jiang et al., THUMOS Challenge 2014, the evaluation kit of 2015-09-30 (TH14evaldet).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from untrimmed.columns import GroundTruth, Predictions
from untrimmed.evaluate.average_precision import plain
from untrimmed.evaluate.labels import known_labels, validate, without_blocked
from untrimmed.evaluate.signature import signature, tiou_words
from untrimmed.records import Task

TIOUS: Float64[np.ndarray, " thresholds"] = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
"""The thresholds that papers report; the challenge ranked by 0.5."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """The figures of one file of detections.

    Attributes:
        ap: AP of each class (rows) at each threshold (columns), in [0, 1].
        labels: the classes.
        tious: the thresholds.
        instances: how many there are to find, by class.
        predictions: how many detections were read.
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
    def figures(self) -> dict[str, Any]:
        """All figures as JSON values; `by_tiou` as the official programs' records have them."""
        by_tiou = {
            f"{tiou:g}": {"ap": self.ap[:, index].tolist(), "mAP": float(self.map_by_tiou[index])}
            for index, tiou in enumerate(self.tious)
        }
        return {
            "average_mAP": float(self.map_by_tiou.mean()),
            "mAP": self.map_by_tiou.tolist(),
            "ap_by_class": {label: row.tolist() for label, row in zip(self.labels, self.ap, strict=True)},
            "by_tiou": by_tiou,
            "tious": self.tious.tolist(),
            "n_classes": len(self.labels),
            "n_gt": int(self.instances.sum()),
            "n_pred": self.predictions,
        }


def evaluate(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    tious: Float64[np.ndarray, " thresholds"] = TIOUS,
    blocked: Collection[str] = (),
    ignore_unknown: bool = False,
) -> Result:
    """Score detections.

    Args:
        ground_truth: of one subset, with its ambiguous segments.
        predictions: of task T4, in file order.
        tious: thresholds in [0, 1); an overlap counts above the threshold.
        blocked: ids of videos that are left out of both sides.
        ignore_unknown: leave predictions of other classes out instead of refusing them.

    Raises:
        DataError: when there is nothing to find, the predictions are of another task, or a label is unknown.
    """
    ground_truth, predictions = without_blocked(ground_truth, predictions, blocked)
    validate(ground_truth, predictions, Task.LOCALIZATION)
    predictions = known_labels(ground_truth, predictions, ignore_unknown=ignore_unknown)
    assert predictions.segments is not None, "validate has seen to it"
    label = predictions.label_index
    assert label is not None, "validate has seen to it"
    order = _by_name_and_confidence(predictions)
    place = {video_id: index for index, video_id in enumerate(ground_truth.video_ids)}
    instances, ambiguous = np.sort(ground_truth.segments, axis=1), np.sort(ground_truth.ambiguous_segments, axis=1)
    of_pair = _lists(ground_truth.video * len(ground_truth.labels) + ground_truth.label_index)
    of_video = _lists(ground_truth.ambiguous_video)
    ap = np.zeros((len(ground_truth.labels), len(tious)))
    positives = np.bincount(ground_truth.label_index, minlength=len(ground_truth.labels))
    segments = np.sort(predictions.segments, axis=1)
    for index in range(len(ground_truth.labels)):
        ranked = order[label[order] == index]
        hits = np.zeros((len(tious), len(ranked)), dtype=bool)
        unsure = np.zeros(len(ranked), dtype=bool)
        edges = np.flatnonzero(np.diff(predictions.video[ranked], prepend=-1, append=-1))
        for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            part = segments[ranked[low:high]]
            number = place.get(predictions.video_ids[predictions.video[ranked[low]]], -1)
            wanted = instances[of_pair.get(number * len(ground_truth.labels) + index, [])]
            hits[:, low:high] = _taken(overlap(wanted, part), tious)
            unsure[low:high] = (overlap(ambiguous[of_video.get(number, [])], part) > 0).any(axis=0)
        by_score = np.argsort(-predictions.scores[ranked], kind="stable")
        for column in range(len(tious)):
            kept = by_score[hits[column, by_score] | ~unsure[by_score]]
            ap[index, column] = plain(np.flatnonzero(hits[column, kept]), int(positives[index]))
    return Result(
        ap=ap,
        labels=ground_truth.labels,
        tious=tious,
        instances=positives,
        predictions=len(predictions),
        signature=signature(
            "mAP",
            dataset=ground_truth.name,
            subset=ground_truth.subset,
            videos=len(ground_truth.video_ids),
            tiou=tiou_words(tious.tolist()),
            rules="thumos14",
            **({"blocked": str(len(set(blocked)))} if blocked else {}),
            **({"unknown_labels": "ignored"} if ignore_unknown else {}),
        ),
    )


def overlap(
    instances: Float64[np.ndarray, "instances 2"], detections: Float64[np.ndarray, "detections 2"]
) -> Float64[np.ndarray, "instances detections"]:
    """Intersection over hull of segments whose times are in order; 0 where they do not meet or only touch."""
    start = np.maximum(instances[:, None, 0], detections[None, :, 0])
    end = np.minimum(instances[:, None, 1], detections[None, :, 1])
    first = np.minimum(instances[:, None, 0], detections[None, :, 0])
    last = np.maximum(instances[:, None, 1], detections[None, :, 1])
    shared = end - start
    return np.divide(shared, last - first, out=np.zeros_like(shared), where=shared > 0)


def _taken(
    overlaps: Float64[np.ndarray, "instances detections"], tious: Float64[np.ndarray, " thresholds"]
) -> Bool[np.ndarray, "thresholds detections"]:
    taken = np.zeros((len(tious), overlaps.shape[1]), dtype=bool)
    for row, threshold in enumerate(tious):
        for one in overlaps:
            free = np.where(taken[row], -1.0, one)
            best = int(np.argmax(free))
            if free[best] > threshold:
                taken[row, best] = True
    return taken


def _by_name_and_confidence(predictions: Predictions) -> Int64[np.ndarray, " predictions"]:
    names = np.argsort(np.array(predictions.video_ids, dtype=object), kind="stable")
    standing = np.empty(len(names), dtype=np.int64)
    standing[names] = np.arange(len(names))
    return np.lexsort((-predictions.scores, standing[predictions.video]))


def _lists(keys: Int64[np.ndarray, " n"]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for index, key in enumerate(keys.tolist()):
        found.setdefault(key, []).append(index)
    return found
