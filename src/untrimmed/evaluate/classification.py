"""Task T1, untrimmed classification: mean average precision and hits among the best k.

Conventions
    To be found are the distinct pairs of a video and a label. In the ranking of a class the first prediction in a
    video that has the label is a true positive, a repeated one is a false positive, and so is one in a video outside
    the ground truth. hit@k looks at the k best predictions of a video, whatever their labels; a label that comes
    twice takes two places. A video without predictions has hit 0. The challenge of 2017 ranked by error@1.

Source: the evaluators of the ActivityNet Challenge 2017 (eval_classification, eval_kinetics).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.columns import GroundTruth, Predictions
from untrimmed.evaluate.average_precision import interpolated_by_class
from untrimmed.evaluate.labels import known_labels, validate, video_numbers, without_blocked
from untrimmed.evaluate.matching import repeated
from untrimmed.evaluate.order import falling_within, places_within, starts_of
from untrimmed.evaluate.signature import signature
from untrimmed.records import DataError, Task

TOP = (1, 3)
"""k of hit@k: the challenge ranked by 1, the official default is 3."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """The figures of one submission.

    Attributes:
        ap: of each class, in [0, 1].
        labels: the classes.
        instances: videos of each class.
        top: the k of hit@k.
        hit: for each k the share of videos with some of their labels among the k best.
        average_hit: for each k the mean share of a video's labels among the k best.
        predictions: how many were counted.
        confused: the most frequent (label, best label, videos) with a wrong best label, most frequent first.
        signature: how the figures were computed.
    """

    ap: Float64[np.ndarray, " classes"]
    labels: tuple[str, ...]
    instances: Int64[np.ndarray, " classes"]
    top: tuple[int, ...]
    hit: tuple[float, ...]
    average_hit: tuple[float, ...]
    predictions: int
    confused: tuple[tuple[str, str, int], ...]
    signature: str

    @property
    def map(self) -> float:
        """Mean over the classes of AP, in [0, 1]."""
        return float(self.ap.mean())

    @property
    def error(self) -> tuple[float, ...]:
        """Top-k error for each k: 1 - hit."""
        return tuple(1.0 - value for value in self.hit)

    @property
    def figures(self) -> dict[str, Any]:
        """All figures as JSON values; names as the official programs' records have them."""
        pairs = list(zip(self.top, self.hit, self.average_hit, strict=True))
        return {
            "mAP": self.map,
            **{f"hit@{k}": hit for k, hit, _ in pairs},
            **{f"avg_hit@{k}": average for k, _, average in pairs},
            **{f"error@{k}": 1.0 - hit for k, hit, _ in pairs},
            "ap_by_class": dict(zip(self.labels, self.ap.tolist(), strict=True)),
            "confused": [list(row) for row in self.confused],
            "n_classes": len(self.labels),
            "n_gt_pairs": int(self.instances.sum()),
            "n_pred": self.predictions,
        }

    def extremes(self, count: int = 5) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """The easiest and the hardest classes with their AP, the extreme one first."""
        ranked = sorted(zip(self.labels, self.ap.tolist(), strict=True), key=lambda pair: -pair[1])
        return ranked[:count], ranked[::-1][:count]


def evaluate(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    top: tuple[int, ...] = TOP,
    blocked: Collection[str] = (),
    ignore_unknown: bool = False,
    metric: str = "mAP",
) -> Result:
    """Score the classes of whole videos.

    Args:
        ground_truth: of one subset; several instances of a label in a video count once.
        predictions: of task T1 or T2, in file order.
        top: the k of hit@k, each >= 1.
        blocked: ids of videos that are left out of both sides.
        ignore_unknown: leave predictions of classes that the subset does not have out instead of refusing them.
        metric: the first word of the signature.

    Raises:
        DataError: when there is nothing to find, the predictions are of another task, or a label is unknown.
    """
    ground_truth, predictions = without_blocked(ground_truth, predictions, blocked)
    validate(ground_truth, predictions, Task.CLASSIFICATION, Task.RECOGNITION)
    if not top or min(top) < 1:
        raise DataError(f"k of hit@k must be at least 1, got {list(top)}")
    predictions = known_labels(ground_truth, predictions, ignore_unknown=ignore_unknown)
    assert predictions.label_index is not None, "validate has seen to it"
    classes = len(ground_truth.labels)
    wanted = np.unique(ground_truth.video * classes + ground_truth.label_index)
    video = video_numbers(ground_truth, predictions)
    positives = np.bincount(wanted % classes, minlength=classes)
    best_first = _best_first(video, predictions, len(ground_truth.video_ids))
    hit, average_hit = _hits(best_first, wanted, classes, top)
    return Result(
        ap=_ap(video, predictions, wanted, positives),
        labels=ground_truth.labels,
        instances=positives,
        top=top,
        hit=hit,
        average_hit=average_hit,
        predictions=len(predictions),
        confused=_confused(best_first, wanted, ground_truth.labels),
        signature=signature(
            metric,
            dataset=ground_truth.name,
            subset=ground_truth.subset,
            videos=len(np.unique(ground_truth.video)),
            top=",".join(str(k) for k in top),
            **({"blocked": str(len(set(blocked)))} if blocked else {}),
            **({"unknown_labels": "ignored"} if ignore_unknown else {}),
        ),
    )


def _ap(
    video: Int64[np.ndarray, " predictions"],
    predictions: Predictions,
    wanted: Int64[np.ndarray, " pairs"],
    positives: Int64[np.ndarray, " classes"],
) -> Float64[np.ndarray, " classes"]:
    label = predictions.label_index
    assert label is not None, "validate has seen to it"
    order = falling_within(label, predictions.scores)
    key = np.where(video >= 0, video * len(positives) + label, -1)[order]
    hits = np.isin(key, wanted) & ~repeated(key)
    return interpolated_by_class(hits[None], starts_of(label[order], len(positives)), positives)[:, 0]


def _hits(
    best_first: Int64[np.ndarray, "known 3"],
    wanted: Int64[np.ndarray, " pairs"],
    classes: int,
    top: tuple[int, ...],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    videos, labels_of = np.unique(wanted // classes, return_counts=True)
    video, label, place = best_first.T
    hit, average = [], []
    for k in top:
        found = np.intersect1d((video * classes + label)[place < k], wanted)
        share = np.bincount(np.searchsorted(videos, found // classes), minlength=len(videos)) / labels_of
        hit.append(float(np.mean(share > 0)))
        average.append(float(share.mean()))
    return tuple(hit), tuple(average)


def _confused(
    best_first: Int64[np.ndarray, "known 3"],
    wanted: Int64[np.ndarray, " pairs"],
    labels: tuple[str, ...],
    *,
    count: int = 20,
) -> tuple[tuple[str, str, int], ...]:
    classes = len(labels)
    video, label, place = best_first.T
    video, label = video[place == 0], label[place == 0]
    wrong = ~np.isin(video * classes + label, wanted)
    said = np.full(int(max(video.max(initial=0), wanted.max() // classes)) + 1, -1)  # wrong best label of each video
    said[video[wrong]] = label[wrong]
    mistaken = wanted[said[wanted // classes] >= 0]
    pairs, counts = np.unique(mistaken % classes * classes + said[mistaken // classes], return_counts=True)
    ranked = np.argsort(-counts, kind="stable")[:count]
    return tuple((labels[pairs[i] // classes], labels[pairs[i] % classes], int(counts[i])) for i in ranked)


def _best_first(
    video: Int64[np.ndarray, " predictions"], predictions: Predictions, videos: int
) -> Int64[np.ndarray, "known 3"]:
    """Video, label and place in the video's ranking of each prediction in a video of the ground truth."""
    assert predictions.label_index is not None, "validate has seen to it"
    known = np.flatnonzero(video >= 0)
    order = known[falling_within(video[known], predictions.scores[known])]
    place = places_within(video[order], videos)
    return np.stack([video[order], predictions.label_index[order], place], axis=1)
