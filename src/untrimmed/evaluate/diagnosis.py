"""Why detections fail (task T4): kinds of false positives, what each kind costs, and which instances are missed.

Kinds of false positives at a threshold t, by the instance of the video that the detection overlaps most (o its tIoU):
    double detection  right class, o >= t, but a better detection has the instance
    wrong label       wrong class, o >= t
    localization      right class, 0.1 <= o < t
    confusion         wrong class, 0.1 <= o < t
    background        o < 0.1
What a kind costs is what average mAP gains when all detections of that kind are left out (the kind is told apart for
each threshold). Only the best detections count: for G instances of a class the first 10 G, in ten steps of G.

Sensitivity: instances in groups by coverage (length / duration), by length in seconds, and by how many instances of
their class the video holds. For each group the share that is missed, and the normalized AP: detections of instances
outside the group are neither right nor wrong, and precision is as if every class had as many instances as the average
one (N), R N / (R N + false positives), so that groups of different sizes can be compared.

Source: Alwassel et al., Diagnosing Error in Temporal Action Detectors, ECCV 2018, sections 3 to 5.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from untrimmed.columns import GroundTruth, Predictions
from untrimmed.evaluate.average_precision import interpolated_by_class
from untrimmed.evaluate.labels import video_numbers
from untrimmed.evaluate.localization import TIOUS, Matches, match
from untrimmed.evaluate.matching import Groups, close_pairs
from untrimmed.records import DataError

KINDS = ("true positive", "double detection", "wrong label", "localization", "confusion", "background")
STEPS = 10
NEAR = 0.1
"""tIoU from which a detection has something to do with an instance."""

COVERAGE = ((0.2, "XS"), (0.4, "S"), (0.6, "M"), (0.8, "L"), (np.inf, "XL"))
LENGTH = ((30.0, "XS"), (60.0, "S"), (120.0, "M"), (180.0, "L"), (np.inf, "XL"))
COUNT = ((1.0, "XS"), (4.0, "S"), (8.0, "M"), (np.inf, "L"))
"""Upper bounds (inclusive) and names of the groups, those of the paper for ActivityNet."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Diagnosis:
    """What goes wrong in one submission.

    Attributes:
        tious: the thresholds.
        average_map: the mean over them of mAP, with all detections.
        kinds: share of each kind (last axis, as in KINDS) among the detections of each step of G, by threshold.
        gain: kind of false positive to what average mAP gains without it.
        sensitivity: characteristic to its groups.
        n: instances of the average class.
    """

    tious: Float64[np.ndarray, " thresholds"]
    average_map: float
    kinds: Float64[np.ndarray, "thresholds steps 6"]
    gain: dict[str, float]
    sensitivity: dict[str, tuple["Group", ...]]
    n: float

    @property
    def figures(self) -> dict[str, Any]:
        """All figures as JSON values; shares of kinds are means over the thresholds."""
        return {
            "average_mAP": self.average_map,
            "tious": self.tious.tolist(),
            "kinds": {kind: self.kinds[..., index].mean(axis=0).tolist() for index, kind in enumerate(KINDS)},
            "gain": self.gain,
            "sensitivity": {
                name: [
                    {
                        "group": group.name,
                        "instances": group.instances,
                        "missed": group.missed,
                        "normalized_average_mAP": group.normalized,
                    }
                    for group in groups
                ]
                for name, groups in self.sensitivity.items()
            },
            "n": self.n,
        }


@dataclass(frozen=True, kw_only=True)
class Group:
    """Instances that are alike.

    Attributes:
        name: XS to XL.
        instances: how many there are.
        missed: share that no detection takes, the mean over the thresholds; NaN without instances.
        normalized: normalized AP, the mean over the classes that occur in the group and over the thresholds.
    """

    name: str
    instances: int
    missed: float
    normalized: float


def diagnose(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    tious: Float64[np.ndarray, " thresholds"] = TIOUS,
    ignore_unknown: bool = False,
) -> Diagnosis:
    """Say what goes wrong.

    Args:
        ground_truth: of one subset, with durations.
        predictions: of task T4.
        tious: thresholds in (0.1, 1].
        ignore_unknown: as in localization.evaluate.

    Raises:
        DataError: as localization.evaluate, and when a threshold is not above 0.1.
    """
    if len(tious) and tious.min() <= NEAR:
        raise DataError(f"errors are told apart at thresholds above {NEAR}, got {float(tious.min())}")
    matches = match(ground_truth, predictions, tious=tious, ignore_unknown=ignore_unknown)
    positives = np.bincount(ground_truth.label_index, minlength=len(ground_truth.labels))
    kinds = kinds_of(ground_truth, matches, tious)[:, matches.order]
    plain = _average_map(matches.hits, matches.starts, positives, np.ones_like(matches.hits))
    gain = {
        kind: _average_map(matches.hits, matches.starts, positives, kinds != index) - plain
        for index, kind in enumerate(KINDS)
        if index > 0
    }
    return Diagnosis(
        tious=tious,
        average_map=plain,
        kinds=_shares(kinds, matches.starts, positives),
        gain=gain,
        sensitivity=_sensitivity(ground_truth, matches, positives),
        n=float(positives.mean()),
    )


def kinds_of(
    ground_truth: GroundTruth, matches: Matches, tious: Float64[np.ndarray, " thresholds"]
) -> Int64[np.ndarray, "thresholds predictions"]:
    """For each threshold and detection (in file order) the index of its kind in KINDS."""
    found = matches.predictions
    assert found.segments is not None, "matches are made of segments"
    assert found.label_index is not None, "matches are made of labels"
    prediction, instance, value = close_pairs(
        found.segments,
        video_numbers(ground_truth, found),
        ground_truth.segments,
        Groups.of(ground_truth.video, len(ground_truth.video_ids)),
        least=NEAR,
        nan_counts=False,
    )
    right = ground_truth.label_index[instance] == found.label_index[prediction]
    order = np.lexsort((right, value, prediction))  # the last of each detection: the highest tIoU, a right class first
    last = order[np.flatnonzero(np.diff(prediction[order], append=-1))]
    best = np.zeros(len(found))
    same = np.zeros(len(found), dtype=bool)
    best[prediction[last]], same[prediction[last]] = value[last], right[last]
    table = np.zeros((len(tious), len(found)), dtype=np.int64)
    for row, tiou in enumerate(tious):
        reached = best >= tiou
        wrong = np.where(reached, np.where(same, 1, 2), np.where(best >= NEAR, np.where(same, 3, 4), 5))
        table[row] = np.where(matches.taken[row] >= 0, 0, wrong)
    return table


def _average_map(
    hits: Bool[np.ndarray, "thresholds n"],
    starts: Int64[np.ndarray, " past"],
    positives: Int64[np.ndarray, " classes"],
    kept: Bool[np.ndarray, "thresholds n"],
) -> float:
    """Average mAP when some detections are left out, others at each threshold."""
    figures = []
    for row, mask in zip(hits, kept, strict=True):
        past = np.concatenate(([0], np.cumsum(mask)))
        figures.append(interpolated_by_class(row[mask][None], past[starts], positives).mean())
    return float(np.mean(figures))


def _shares(
    kinds: Int64[np.ndarray, "thresholds n"],
    starts: Int64[np.ndarray, " past"],
    positives: Int64[np.ndarray, " classes"],
) -> Float64[np.ndarray, "thresholds steps 6"]:
    """Share of each kind among the detections ranked in each step of G; steps beyond the last detection are 0."""
    owner = np.repeat(np.arange(len(positives)), np.diff(starts))
    step = (np.arange(len(owner)) - starts[owner]) // np.maximum(positives[owner], 1)
    near = step < STEPS
    table = np.zeros((len(kinds), STEPS, len(KINDS)))
    for row, kind in enumerate(kinds):
        cells = np.bincount(step[near] * len(KINDS) + kind[near], minlength=STEPS * len(KINDS))
        table[row] = cells.reshape(STEPS, len(KINDS))
    return table / np.maximum(table.sum(axis=2, keepdims=True), 1)


def _sensitivity(
    ground_truth: GroundTruth, matches: Matches, positives: Int64[np.ndarray, " classes"]
) -> dict[str, tuple[Group, ...]]:
    length = ground_truth.segments[:, 1] - ground_truth.segments[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        coverage = length / ground_truth.durations[ground_truth.video]
    key = ground_truth.video * len(positives) + ground_truth.label_index
    _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
    count = counts[inverse.reshape(-1)].astype(np.float64)
    groups = {"coverage": (coverage, COVERAGE), "length": (length, LENGTH), "instances": (count, COUNT)}
    return {name: _groups(ground_truth, matches, positives, *pair) for name, pair in groups.items()}


def _groups(
    ground_truth: GroundTruth,
    matches: Matches,
    positives: Int64[np.ndarray, " classes"],
    values: Float64[np.ndarray, " instances"],
    bounds: tuple[tuple[float, str], ...],
) -> tuple[Group, ...]:
    """A value that is not known (no duration) is in no group."""
    found = []
    low = -np.inf
    for high, name in bounds:
        inside = (values > low) & (values <= high)
        low = high
        missed, normalized = [], []
        for row in matches.taken:
            hit = np.isin(np.flatnonzero(inside), row[row >= 0])
            missed.append(1 - hit.mean() if len(hit) else np.nan)
            normalized.append(_normalized(ground_truth, matches, row, inside, float(positives.mean())))
        found.append(
            Group(
                name=name,
                instances=int(inside.sum()),
                missed=float(np.mean(missed)),
                normalized=float(np.mean(normalized)),
            )
        )
    return tuple(found)


def _normalized(
    ground_truth: GroundTruth,
    matches: Matches,
    taken: Int64[np.ndarray, " predictions"],
    inside: Bool[np.ndarray, " instances"],
    n: float,
) -> float:
    """Normalized AP of one group at one threshold, the mean over the classes that have instances in it."""
    ranked = taken[matches.order]
    count = np.bincount(ground_truth.label_index[inside], minlength=len(matches.starts) - 1)
    figures = []
    for index in np.flatnonzero(count).tolist():
        own = ranked[matches.starts[index] : matches.starts[index + 1]]
        hit = np.where(own >= 0, inside[own], False)
        right, wrong = np.cumsum(hit), np.cumsum(own < 0)
        recall = right[hit] / count[index]
        precision = recall * n / (recall * n + wrong[hit])
        best = np.maximum.accumulate(precision[::-1])[::-1]
        figures.append(float(best.sum() / count[index]))
    return float(np.mean(figures)) if figures else float("nan")
