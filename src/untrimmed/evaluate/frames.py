"""Scores by frame or video, one a class: the rules of Charades and MultiTHUMOS.

Conventions
    Every row (a video, or an instant of it) is ranked for every class by falling score; equal scores stay in the order
    of the rows. AP is the mean over positives of the precision at each, not interpolated. A row without a prediction
    has score minus infinity. Charades: a class without a positive has AP NaN, and then so has the mean; localization
    looks at 25 instants j / 25 * length, j = 0..24, and an action holds at both its ends. Charades classification:
    videos without any label get minus infinity. MultiTHUMOS: per frame, a class without a positive counts 0.

Source: Sigurdsson et al., Hollywood in Homes, ECCV 2016, and the evaluation code of the Charades challenge 2017
(Charades_v1_localize, Charades_v1_classify); Yeung et al., Every Moment Counts, IJCV 2018, section 5.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from untrimmed.columns import GroundTruth
from untrimmed.evaluate.average_precision import plain
from untrimmed.evaluate.signature import signature
from untrimmed.records import DataError

INSTANTS = 25
"""Instants of a video in Charades' localization."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """The figures.

    Attributes:
        ap: of each class, in [0, 1] or NaN.
        labels: the classes.
        positives: rows of each class.
        rows: how many were ranked.
        signature: how the figures were computed.
    """

    ap: Float64[np.ndarray, " classes"]
    labels: tuple[str, ...]
    positives: Int64[np.ndarray, " classes"]
    rows: int
    signature: str

    @property
    def figures(self) -> dict[str, Any]:
        """All figures as JSON values; wAP weighs the classes by their positives."""
        return {
            "mAP": float(self.ap.mean()),
            "wAP": float((self.ap * self.positives).sum() / self.positives.sum()),
            "ap_by_class": dict(zip(self.labels, self.ap.tolist(), strict=True)),
            "n_classes": len(self.labels),
            "n_positives": int(self.positives.sum()),
            "n_rows": self.rows,
        }


def average_precision(
    scores: Float64[np.ndarray, "rows classes"], truth: Bool[np.ndarray, "rows classes"], *, absent: float
) -> Float64[np.ndarray, " classes"]:
    """AP of every class.

    Args:
        scores: higher is surer; minus infinity for rows without a prediction.
        truth: what holds.
        absent: AP of a class without a positive: NaN (Charades) or 0 (MultiTHUMOS).
    """
    order = np.argsort(-scores, axis=0, kind="stable")
    ranked = np.take_along_axis(truth, order, axis=0)
    counts = truth.sum(axis=0)
    return np.array(
        [
            plain(np.flatnonzero(ranked[:, index]), int(counts[index])) if counts[index] else absent
            for index in range(scores.shape[1])
        ]
    )


def truth_at(
    ground_truth: GroundTruth,
    labels: Sequence[str],
    video: Int64[np.ndarray, " rows"],
    seconds: Float64[np.ndarray, " rows"],
) -> Bool[np.ndarray, "rows classes"]:
    """Which classes hold at instants; an action holds at both its ends.

    Args:
        ground_truth: of one subset.
        labels: the classes in the order of the columns.
        video: index of each row's video.
        seconds: instants.

    Raises:
        DataError: when a class of the ground truth is not among the labels.
    """
    columns = _columns(ground_truth, labels)
    truth = np.zeros((len(video), len(labels)), dtype=bool)
    order = np.argsort(video, kind="stable")
    edges = np.searchsorted(video[order], np.arange(len(ground_truth.video_ids) + 1))
    for index in range(len(ground_truth.video)):
        rows = order[edges[ground_truth.video[index]] : edges[ground_truth.video[index] + 1]]
        start, end = ground_truth.segments[index]
        holds = (start <= seconds[rows]) & (seconds[rows] <= end)
        truth[rows[holds], columns[ground_truth.label_index[index]]] = True
    return truth


def evaluate_charades_localization(
    ground_truth: GroundTruth,
    labels: Sequence[str],
    ids: Sequence[str],
    instants: Int64[np.ndarray, " rows"],
    scores: Float64[np.ndarray, "rows classes"],
) -> Result:
    """Score 25 instants of every video.

    Args:
        ground_truth: of one subset, with durations.
        labels: the classes in the order of the columns.
        ids: the video of each row; one outside the ground truth is left out.
        instants: 0 to 24 for each row.
        scores: higher is surer.

    Raises:
        DataError: when the columns are not as many as the labels, an instant is out of range, or a duration is missing.
    """
    _check(scores, labels)
    if len(instants) and not 0 <= instants.min() <= instants.max() < INSTANTS:
        raise DataError(f"instants must be 0 to {INSTANTS - 1}, got {instants.min()} to {instants.max()}")
    if not np.isfinite(ground_truth.durations).all():
        raise DataError(f"Charades' instants need the length of every video, {ground_truth.name} lacks some")
    videos = len(ground_truth.video_ids)
    video = np.repeat(np.arange(videos), INSTANTS)
    seconds = np.tile(np.arange(INSTANTS), videos) / INSTANTS * ground_truth.durations[video]
    place = {video_id: index for index, video_id in enumerate(ground_truth.video_ids)}
    known = np.array([place.get(video_id, -1) for video_id in ids], dtype=np.int64)
    table = np.full((videos * INSTANTS, len(labels)), -np.inf)
    table[(known * INSTANTS + instants)[known >= 0]] = scores[known >= 0]
    truth = truth_at(ground_truth, labels, video, seconds)
    return _result("mAP", ground_truth, labels, table, truth, absent=np.nan, rules="charades-25")


def evaluate_charades_classification(
    ground_truth: GroundTruth,
    labels: Sequence[str],
    ids: Sequence[str],
    scores: Float64[np.ndarray, "rows classes"],
) -> Result:
    """Score whole videos with many labels; the arguments are those of evaluate_charades_localization.

    Raises:
        DataError: when the columns are not as many as the labels.
    """
    _check(scores, labels)
    columns = _columns(ground_truth, labels)
    truth = np.zeros((len(ground_truth.video_ids), len(labels)), dtype=bool)
    truth[ground_truth.video, columns[ground_truth.label_index]] = True
    place = {video_id: index for index, video_id in enumerate(ground_truth.video_ids)}
    known = np.array([place.get(video_id, -1) for video_id in ids], dtype=np.int64)
    table = np.full(truth.shape, -np.inf)
    table[known[known >= 0]] = scores[known >= 0]
    table[~truth.any(axis=1)] = -np.inf
    return _result("mAP", ground_truth, labels, table, truth, absent=np.nan, rules="charades")


def evaluate_multithumos(
    ground_truth: GroundTruth,
    labels: Sequence[str],
    ids: Sequence[str],
    seconds: Float64[np.ndarray, " rows"],
    scores: Float64[np.ndarray, "rows classes"],
) -> Result:
    """Score frames of many videos; a frame in a video outside the ground truth is left out.

    Args:
        ground_truth: of one subset.
        labels: the classes in the order of the columns.
        ids: the video of each row.
        seconds: the time of each row.
        scores: higher is surer.

    Raises:
        DataError: when the columns are not as many as the labels.
    """
    _check(scores, labels)
    place = {video_id: index for index, video_id in enumerate(ground_truth.video_ids)}
    known = np.array([place.get(video_id, -1) for video_id in ids], dtype=np.int64)
    rows = known >= 0
    truth = truth_at(ground_truth, labels, known[rows], seconds[rows])
    return _result("mAP", ground_truth, labels, scores[rows], truth, absent=0.0, rules="multithumos")


def _check(scores: Float64[np.ndarray, "rows classes"], labels: Sequence[str]) -> None:
    if scores.shape[1] != len(labels):
        raise DataError(f"scores must have one column for each of {len(labels)} classes, got {scores.shape[1]}")
    if np.isnan(scores).any():
        raise DataError(f"scores must not be NaN, row {int(np.flatnonzero(np.isnan(scores).any(axis=1))[0])} is")


def _columns(ground_truth: GroundTruth, labels: Sequence[str]) -> Int64[np.ndarray, " classes"]:
    place = {label: index for index, label in enumerate(labels)}
    missing = [label for label in ground_truth.labels if label not in place]
    if missing:
        raise DataError(f"class {missing[0]!r} of {ground_truth.name} is none of the {len(labels)} columns of scores")
    return np.array([place[label] for label in ground_truth.labels], dtype=np.int64)


def _result(
    metric: str,
    ground_truth: GroundTruth,
    labels: Sequence[str],
    scores: Float64[np.ndarray, "rows classes"],
    truth: Bool[np.ndarray, "rows classes"],
    *,
    absent: float,
    rules: str,
) -> Result:
    return Result(
        ap=average_precision(scores, truth, absent=absent),
        labels=tuple(labels),
        positives=truth.sum(axis=0).astype(np.int64),
        rows=len(scores),
        signature=signature(
            metric,
            dataset=ground_truth.name,
            subset=ground_truth.subset,
            videos=len(ground_truth.video_ids),
            rules=rules,
        ),
    )
