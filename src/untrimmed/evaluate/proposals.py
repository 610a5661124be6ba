"""Task T3, temporal proposals: average recall against the average number of proposals, and the area under it.

Conventions (mode EXACT_2017)
    N videos with instances, at most M proposals a video on average, T submitted proposals, those of videos outside
    the ground truth included. Each video keeps the first min(int(n * ratio), n) of its n proposals by falling score,
    ratio = M * N / T; together they keep K. Step k = 1..100 uses the first min(int(m * share_k), m) of the m kept,
    share_k = k / 100 * (M * N / K). There are 100 steps whatever M is. An instance is recalled when a used proposal
    has tIoU >= t; NaN is a miss; a proposal may cover several instances. AN(k) = share_k * K / N. The area is the
    trapezoid of AR over AN from AN(1) to AN(100); divided by AN(100) it is the AUC, so perfect recall gives 99 %.

    int() truncates a product of floats: with exactly 100 proposals a video, steps 29, 57 and 58 use 28, 56 and 57.

Mode CORRECTED
    The same with exact fractions instead of floats, and the area divided by AN(100) - AN(1), over which it was taken,
    so that perfect recall gives 100 %.

Source: Buch et al., SST, CVPR 2017, and the evaluators of the ActivityNet Challenge 2017 (eval_proposal).
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.columns import GroundTruth, Predictions
from untrimmed.evaluate.labels import validate, video_numbers, without_blocked
from untrimmed.evaluate.matching import Groups, close_pairs, first_places
from untrimmed.evaluate.order import falling_within, places_within
from untrimmed.evaluate.signature import signature, tiou_words
from untrimmed.records import DataError, Task

TIOUS: Float64[np.ndarray, " thresholds"] = np.linspace(0.5, 0.95, 10)
"""The challenge's thresholds."""

STEPS = 100


class Mode(Enum):
    """The arithmetic: that of the official program, or without its rounding."""

    EXACT_2017 = "exact-2017"
    CORRECTED = "corrected"


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """The figures of one submission.

    Attributes:
        recall: for each threshold (rows) and step (columns), in [0, 1].
        numbers: average number of proposals a video at each step.
        tious: the thresholds.
        area: under average recall in percent over the number of proposals, not divided.
        auc: the area as a share of what it could be, percent: the challenge's figure.
        precision: of all kept proposals the share that reaches each threshold with some instance.
        instances: how many there are to find.
        proposals: how many were submitted.
        mode: the arithmetic.
        signature: how the figures were computed.
    """

    recall: Float64[np.ndarray, "thresholds steps"]
    numbers: Float64[np.ndarray, " steps"]
    tious: Float64[np.ndarray, " thresholds"]
    area: float
    auc: float
    precision: Float64[np.ndarray, " thresholds"]
    instances: int
    proposals: int
    mode: Mode
    signature: str

    @property
    def average_recall(self) -> Float64[np.ndarray, " steps"]:
        """Mean over the thresholds, in [0, 1]."""
        return self.recall.mean(axis=0)

    def at(self, number: float) -> float:
        """AR@n: average recall at the last step whose average number of proposals is at most n.

        Raises:
            DataError: when n is less than the number at the first step.
        """
        step = int(np.searchsorted(self.numbers, number * (1 + 1e-9), side="right")) - 1
        if step < 0:
            raise DataError(f"AR@{number:g} needs at least {self.numbers[0]:g} proposals a video, the first step")
        return float(self.average_recall[step])

    @property
    def figures(self) -> dict[str, Any]:
        """All figures as JSON values; names as the official programs' records have them."""
        wanted = [
            number for number in (1, 5, 10, 50, 100) if self.numbers[0] <= number <= self.numbers[-1] * (1 + 1e-9)
        ]
        return {
            "auc_percent": self.auc,
            "area": self.area,
            **{f"AR@{number}": self.at(number) for number in wanted},
            "avg_recall": self.average_recall.tolist(),
            "proposals_per_video": self.numbers.tolist(),
            "recall_by_tiou": self.recall.tolist(),
            "precision": self.precision.tolist(),
            "tious": self.tious.tolist(),
            "n_gt": self.instances,
            "n_prop": self.proposals,
        }


def evaluate(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    max_average: float | None = 100.0,
    tious: Float64[np.ndarray, " thresholds"] = TIOUS,
    mode: Mode = Mode.EXACT_2017,
    blocked: Collection[str] = (),
) -> Result:
    """Score proposals.

    Args:
        ground_truth: of one subset; labels play no role.
        predictions: of task T3, in file order. Detections are taken as proposals.
        max_average: how many proposals a video count on average, > 0; None takes all that were submitted.
        tious: thresholds in (0, 1].
        mode: the arithmetic.
        blocked: ids of videos that are left out of both sides.

    Raises:
        DataError: when there is nothing to find, nothing submitted, or nothing left after the cut.
    """
    ground_truth, predictions = without_blocked(ground_truth, predictions, blocked)
    validate(ground_truth, predictions, Task.PROPOSALS, Task.LOCALIZATION)
    if not len(predictions):
        raise DataError("the submission holds no proposal, so recall has no number of proposals to stand over")
    if max_average is not None and not max_average > 0:
        raise DataError(f"the average number of proposals must be positive, got {max_average}")
    assert predictions.segments is not None, "validate has seen to it"
    annotated = np.unique(ground_truth.video)
    video = video_numbers(ground_truth, predictions)
    order = falling_within(video, predictions.scores)
    place = np.empty_like(order)
    place[order] = places_within(video[order] + 1, len(ground_truth.video_ids) + 1)
    submitted = np.bincount(video[video >= 0], minlength=len(ground_truth.video_ids))
    kept, used, numbers = cut(submitted, annotated, len(predictions), max_average, mode)
    counted = place < np.where(video >= 0, kept[video], 0)
    pairs = close_pairs(
        predictions.segments,
        np.where(counted, video, -1),
        ground_truth.segments,
        Groups.of(ground_truth.video, len(ground_truth.video_ids)),
        least=float(tious.min()),
        nan_counts=False,
    )
    first = first_places(pairs, place, tious, instances=len(ground_truth.video))
    recall = np.stack([(row[:, None] < used[ground_truth.video]).mean(axis=0) for row in first])
    average = recall.mean(axis=0)
    area = float(np.sum((average[1:] + average[:-1]) * np.diff(numbers)) / 2)
    span = numbers[-1] if mode is Mode.EXACT_2017 else numbers[-1] - numbers[0]
    return Result(
        recall=recall,
        numbers=numbers,
        tious=tious,
        area=area,
        auc=100 * area / float(span),
        precision=_precision(pairs[0], pairs[2], tious, int(kept[annotated].sum())),
        instances=len(ground_truth.video),
        proposals=len(predictions),
        mode=mode,
        signature=signature(
            "AR-AN",
            dataset=ground_truth.name,
            subset=ground_truth.subset,
            videos=len(annotated),
            tiou=tiou_words(tious.tolist()),
            max="all" if max_average is None else f"{max_average:g}",
            mode=mode.value,
            **({"blocked": str(len(set(blocked)))} if blocked else {}),
        ),
    )


def recall_at(
    ground_truth: GroundTruth, predictions: Predictions, *, tious: Float64[np.ndarray, " thresholds"] = TIOUS
) -> Float64[np.ndarray, " thresholds"]:
    """Share of the instances that some proposal of the file finds at each tIoU, all proposals counted.

    Raises:
        DataError: when there is nothing to find or the predictions have no segments.
    """
    validate(ground_truth, predictions, Task.PROPOSALS, Task.LOCALIZATION)
    assert predictions.segments is not None, "validate has seen to it"
    pairs = close_pairs(
        predictions.segments,
        video_numbers(ground_truth, predictions),
        ground_truth.segments,
        Groups.of(ground_truth.video, len(ground_truth.video_ids)),
        least=float(tious.min()),
        nan_counts=False,
    )
    return np.array([len(np.unique(pairs[1][pairs[2] >= t])) / len(ground_truth.video) for t in tious])


Cut = tuple[Int64[np.ndarray, " videos"], Int64[np.ndarray, "videos steps"], Float64[np.ndarray, " steps"]]


def cut(
    submitted: Int64[np.ndarray, " videos"],
    annotated: Int64[np.ndarray, " annotated"],
    total: int,
    max_average: float | None,
    mode: Mode,
) -> Cut:
    """How many each video keeps, how many of them each step uses, and the average number at each step."""
    videos = len(annotated)
    average = total / videos if max_average is None else float(max_average)
    exact = mode is Mode.CORRECTED
    ratio = average * videos / total
    kept = np.zeros_like(submitted)
    kept[annotated] = np.minimum(_whole(submitted[annotated], ratio, exact), submitted[annotated])
    together = int(kept.sum())
    if not together:
        raise DataError(
            f"no proposal is left: {total} were submitted, at most {average:g} a video count, "
            f"and the {videos} videos with instances keep none"
        )
    shares = np.arange(1, STEPS + 1) / 100.0 * (average * float(videos) / together)
    used = np.zeros((len(submitted), STEPS), dtype=np.int64)
    used[annotated] = np.minimum(_whole(kept[annotated][:, None], shares, exact), kept[annotated][:, None])
    return kept, used, shares * (float(together) / videos)


def _whole(count: np.ndarray, share: float | np.ndarray, exact: bool) -> np.ndarray:
    """count * share without what follows the point; exact: a product within 1e-9 of a whole number is that number."""
    product = count * share
    return (np.floor(product + 1e-9 * np.maximum(1.0, product)) if exact else product).astype(np.int64)


def _precision(
    prediction: Int64[np.ndarray, " pairs"],
    value: Float64[np.ndarray, " pairs"],
    tious: Float64[np.ndarray, " thresholds"],
    kept: int,
) -> Float64[np.ndarray, " thresholds"]:
    return np.array([len(np.unique(prediction[value >= threshold])) / kept for threshold in tious])
