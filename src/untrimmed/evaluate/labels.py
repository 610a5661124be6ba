"""Videos and classes of a submission in the numbers of the ground truth; what is unknown there is told or left out."""

from collections.abc import Collection

import numpy as np
from jaxtyping import Int64

from untrimmed.columns import GroundTruth, Predictions
from untrimmed.records import DataError, Task


def without_blocked(
    ground_truth: GroundTruth, predictions: Predictions, blocked: Collection[str]
) -> tuple[GroundTruth, Predictions]:
    """Both without the videos of a list, as the official programs do with videos that left YouTube.

    Raises:
        DataError: when no instance is left.
    """
    if not blocked:
        return ground_truth, predictions
    left = ground_truth.without(blocked)
    if not len(left.video):
        raise DataError(f"subset {ground_truth.subset} has no instance left once the {len(blocked)} blocked videos go")
    return left, predictions.without(blocked)


def validate(ground_truth: GroundTruth, predictions: Predictions, *tasks: Task) -> None:
    """Raise DataError unless there is something to find and the predictions are for one of the tasks."""
    if not len(ground_truth.video):
        raise DataError(f"ground truth {ground_truth.name} has no annotated instance in subset {ground_truth.subset}")
    if predictions.task not in tasks:
        wanted = " or ".join(task.value for task in tasks)
        raise DataError(f"predictions must be for {wanted}, got {predictions.task.value}")
    if len(predictions) and not np.isfinite(predictions.scores).all():
        whose = predictions.video_ids[predictions.video[~np.isfinite(predictions.scores)][0]]
        raise DataError(f"scores must be finite, those of video {whose} are not")


def video_numbers(ground_truth: GroundTruth, predictions: Predictions) -> Int64[np.ndarray, " predictions"]:
    """For each prediction the ground truth's index of its video; -1 for a video outside the ground truth."""
    place = {video_id: index for index, video_id in enumerate(ground_truth.video_ids)}
    table = np.array([place.get(video_id, -1) for video_id in predictions.video_ids], dtype=np.int64)
    return table[predictions.video]


def known_labels(ground_truth: GroundTruth, predictions: Predictions, *, ignore_unknown: bool) -> Predictions:
    """The predictions with their classes in the numbers of the ground truth.

    Classes are those that occur in the ground truth of the subset. The official programs stop at any other with a
    KeyError.

    Args:
        ground_truth: with the classes.
        predictions: of tasks T1, T2 or T4.
        ignore_unknown: leave predictions of other classes out instead.

    Raises:
        DataError: at a class that the ground truth does not have.
    """
    assert predictions.label_index is not None, "validate lets no other task pass"
    place = {label: index for index, label in enumerate(ground_truth.labels)}
    table = np.array([place.get(label, -1) for label in predictions.labels], dtype=np.int64)
    index = table[predictions.label_index]
    strange = np.flatnonzero(index < 0)
    if len(strange) and not ignore_unknown:
        first = strange[0]
        label = predictions.labels[predictions.label_index[first]]
        raise DataError(
            f"label {label!r} of video {predictions.video_ids[predictions.video[first]]} is none of the "
            f"{len(ground_truth.labels)} classes of subset {ground_truth.subset} of {ground_truth.name} "
            f"({len(set(predictions.label_index[strange]))} unknown labels, {len(strange)} predictions)"
        )
    kept = index >= 0
    part = predictions.select(kept)
    return Predictions(
        task=predictions.task,
        video_ids=predictions.video_ids,
        video=part.video,
        scores=part.scores,
        segments=part.segments,
        label_index=index[kept],
        labels=ground_truth.labels,
    )
