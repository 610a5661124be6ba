"""Scores of parts: average precision class by class, recall and average precision by how long instances are.

Instances fall into groups XS to XL by their length in seconds and by coverage, their share of the video's duration; the
bounds are those of the diagnosis (diagnosis.LENGTH, diagnosis.COVERAGE). An instance in a video of unknown duration has
no coverage and is in no group of it.

Recall of a group is the share of its instances that are found, so the recalls of the groups of one kind, weighted by
their instances, give that of all. Average precision of a group counts detections that take an instance outside the
group neither as right nor as wrong; it is the mean over the classes that occur in the group, and a group of all
instances has the plain mAP. Precision depends on how many there are to find: compare groups of unlike sizes by the
normalized figures of the diagnosis.

Source: Hoiem et al., Diagnosing Error in Object Detectors, ECCV 2012, section 2.2; Alwassel et al., Diagnosing Error in
Temporal Action Detectors, ECCV 2018, section 4 (the groups).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from untrimmed.columns import GroundTruth, Predictions
from untrimmed.evaluate.average_precision import interpolated
from untrimmed.evaluate.diagnosis import COVERAGE, LENGTH
from untrimmed.evaluate.labels import validate, video_numbers
from untrimmed.evaluate.localization import TIOUS, Matches, match
from untrimmed.evaluate.matching import Groups, close_pairs, first_places
from untrimmed.evaluate.order import falling_within, places_within
from untrimmed.evaluate.proposals import Mode, cut
from untrimmed.records import Task

KINDS = {"length": LENGTH, "coverage": COVERAGE}


@dataclass(frozen=True, eq=False, kw_only=True)
class LengthGroup:
    """Instances of like length.

    Attributes:
        kind: length (seconds) or coverage (share of the video).
        name: XS to XL.
        low: lengths are above it.
        high: and at most this, infinite for the last group.
        instances: how many there are.
        recall: share that is found, by threshold; NaN without instances.
        map: mean average precision, by threshold; None for proposals, NaN without instances.
    """

    kind: str
    name: str
    low: float
    high: float
    instances: int
    recall: Float64[np.ndarray, " thresholds"]
    map: Float64[np.ndarray, " thresholds"] | None = None

    @property
    def words(self) -> str:
        """The group and its bounds."""
        unit = " s" if self.kind == "length" else ""
        if not np.isfinite(self.high):
            return f"{self.kind} {self.name}: above {self.low:g}{unit}"
        return f"{self.kind} {self.name}: to {self.high:g}{unit}"

    @property
    def figures(self) -> dict[str, Any]:
        """All figures as JSON values."""
        own = {
            "kind": self.kind,
            "group": self.name,
            "above": self.low,
            "to": self.high,
            "instances": self.instances,
            "average_recall": float(self.recall.mean()),
            "recall_by_tiou": self.recall.tolist(),
        }
        return own if self.map is None else {**own, "average_mAP": float(self.map.mean()), "mAP": self.map.tolist()}


def of_detections(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    tious: Float64[np.ndarray, " thresholds"] = TIOUS,
    ignore_unknown: bool = False,
) -> tuple[LengthGroup, ...]:
    """Recall and average precision of detections by the length of instances; all submitted detections count.

    Args:
        ground_truth: of one subset.
        predictions: of task T4.
        tious: thresholds in (0, 1].
        ignore_unknown: as in localization.evaluate.

    Raises:
        DataError: as localization.evaluate.
    """
    matches = match(ground_truth, predictions, tious=tious, ignore_unknown=ignore_unknown)
    count = len(ground_truth.video)
    found = np.zeros((len(tious), count), dtype=bool)
    for row, taken in enumerate(matches.taken):
        found[row, taken[taken >= 0]] = True
    return tuple(
        LengthGroup(**about, recall=_recall(found, inside), map=_map(ground_truth, matches, inside))
        for about, inside in _groups(ground_truth)
    )


def of_proposals(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    max_average: float | None = 100.0,
    tious: Float64[np.ndarray, " thresholds"] = TIOUS,
    mode: Mode = Mode.EXACT_2017,
) -> tuple[LengthGroup, ...]:
    """Recall of proposals by the length of instances, at the last step of the AR-AN curve.

    Args:
        ground_truth: of one subset.
        predictions: of task T3 or T4.
        max_average: how many proposals a video count on average; None takes all.
        tious: thresholds in (0, 1].
        mode: the arithmetic, as in proposals.evaluate.

    Raises:
        DataError: as proposals.evaluate.
    """
    validate(ground_truth, predictions, Task.PROPOSALS, Task.LOCALIZATION)
    assert predictions.segments is not None, "validate has seen to it"
    videos = len(ground_truth.video_ids)
    video = video_numbers(ground_truth, predictions)
    order = falling_within(video, predictions.scores)
    place = np.empty_like(order)
    place[order] = places_within(video[order] + 1, videos + 1)
    submitted = np.bincount(video[video >= 0], minlength=videos)
    _, used, _ = cut(submitted, np.unique(ground_truth.video), len(predictions), max_average, mode)
    last = used[:, -1]
    pairs = close_pairs(
        predictions.segments,
        np.where(place < np.where(video >= 0, last[video], 0), video, -1),
        ground_truth.segments,
        Groups.of(ground_truth.video, videos),
        least=float(tious.min()),
        nan_counts=False,
    )
    first = first_places(pairs, place, tious, instances=len(ground_truth.video))
    found = first < last[ground_truth.video]
    return tuple(LengthGroup(**about, recall=_recall(found, inside)) for about, inside in _groups(ground_truth))


def _groups(ground_truth: GroundTruth) -> list[tuple[dict[str, Any], Bool[np.ndarray, " instances"]]]:
    length = ground_truth.segments[:, 1] - ground_truth.segments[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        values = {"length": length, "coverage": length / ground_truth.durations[ground_truth.video]}
    found = []
    for kind, bounds in KINDS.items():
        low = -np.inf
        for high, name in bounds:
            inside = (values[kind] > low) & (values[kind] <= high)
            about = {"kind": kind, "name": name, "low": max(low, 0.0), "high": high, "instances": int(inside.sum())}
            found.append((about, inside))
            low = high
    return found


def _recall(
    found: Bool[np.ndarray, "thresholds instances"], inside: Bool[np.ndarray, " instances"]
) -> Float64[np.ndarray, " thresholds"]:
    return found[:, inside].mean(axis=1) if inside.any() else np.full(len(found), np.nan)


def _map(
    ground_truth: GroundTruth, matches: Matches, inside: Bool[np.ndarray, " instances"]
) -> Float64[np.ndarray, " thresholds"]:
    count: Int64[np.ndarray, " classes"] = np.bincount(
        ground_truth.label_index[inside], minlength=len(matches.starts) - 1
    )
    table = np.full((int((count > 0).sum()), len(matches.taken)), np.nan)
    for column, taken in enumerate(matches.taken):
        ranked = taken[matches.order]
        for row, index in enumerate(np.flatnonzero(count).tolist()):
            own = ranked[matches.starts[index] : matches.starts[index + 1]]
            counted = own[(own < 0) | inside[own]]
            table[row, column] = interpolated(np.flatnonzero(counted >= 0), int(count[index]))
    return table.mean(axis=0) if len(table) else np.full(len(matches.taken), np.nan)
