"""Ground truth and predictions as columns: what the evaluators count on.

Records refuse what cannot be meant (a segment that ends before it starts); a file that is to be scored may hold it all
the same, and the official programs give it a figure. So columns are raw: any numbers, in the order of the file. Among
equal scores the order decides, hence it is part of the value.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float64, Int64

from untrimmed.records import SUBSETS, Annotation, DataError, Dataset, Prediction, Task

T = TypeVar("T")


def _no_videos() -> Int64[np.ndarray, " n"]:
    return np.zeros(0, dtype=np.int64)


def _no_segments() -> Float64[np.ndarray, "n 2"]:
    return np.zeros((0, 2))


@dataclass(frozen=True, eq=False, kw_only=True)
class GroundTruth:
    """The annotated instances of one subset.

    Attributes:
        name: of the data set, as it appears in signatures, e.g. "activitynet-1.3".
        subset: whose videos these are.
        video_ids: every video of the subset in file order, annotated or not.
        durations: seconds of each video; NaN where the file does not say.
        video: for each instance the index of its video.
        segments: for each instance [start, end] in seconds, as in the file.
        label_index: for each instance the index of its class in labels.
        labels: the classes that occur in the subset, sorted.
        ambiguous_video: THUMOS'14: for each ambiguous segment the index of its video.
        ambiguous_segments: THUMOS'14: stretches of time that count for no class and against none.
    """

    name: str = "ground-truth"
    subset: str = "validation"
    video_ids: tuple[str, ...]
    durations: Float64[np.ndarray, " videos"]
    video: Int64[np.ndarray, " instances"]
    segments: Float64[np.ndarray, "instances 2"]
    label_index: Int64[np.ndarray, " instances"]
    labels: tuple[str, ...]
    ambiguous_video: Int64[np.ndarray, " ambiguous"] = field(default_factory=_no_videos)
    ambiguous_segments: Float64[np.ndarray, "ambiguous 2"] = field(default_factory=_no_segments)

    def without(self, video_ids: Iterable[str]) -> "GroundTruth":
        """The same without some videos (blocked ones, for instance); classes that no longer occur are dropped."""
        out = set(video_ids)
        stays = np.array([video_id not in out for video_id in self.video_ids], dtype=bool)
        place = np.cumsum(stays) - 1
        kept, certain = stays[self.video], stays[self.ambiguous_video]
        present, label_index = np.unique(self.label_index[kept], return_inverse=True)
        return GroundTruth(
            name=self.name,
            subset=self.subset,
            video_ids=tuple(video_id for video_id in self.video_ids if video_id not in out),
            durations=self.durations[stays],
            video=place[self.video[kept]],
            segments=self.segments[kept],
            label_index=label_index.reshape(-1).astype(np.int64),
            labels=tuple(self.labels[index] for index in present),
            ambiguous_video=place[self.ambiguous_video[certain]],
            ambiguous_segments=self.ambiguous_segments[certain],
        )

    def select(self, mask: Bool[np.ndarray, " instances"]) -> "GroundTruth":
        """The same videos with some of the instances; the class list stays."""
        return GroundTruth(
            name=self.name,
            subset=self.subset,
            video_ids=self.video_ids,
            durations=self.durations,
            video=self.video[mask],
            segments=self.segments[mask],
            label_index=self.label_index[mask],
            labels=self.labels,
            ambiguous_video=self.ambiguous_video,
            ambiguous_segments=self.ambiguous_segments,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """Everything a file predicts for tasks T1 to T4, in file order.

    Attributes:
        task: what is predicted.
        video_ids: the videos of the file in order, those without a prediction too.
        video: for each prediction the index of its video.
        scores: for each prediction; higher is surer.
        segments: for each prediction [start, end] in seconds; None for whole videos (T1, T2).
        label_index: for each prediction the index of its class in labels; None for proposals (T3).
        labels: class names in order of first appearance.
    """

    task: Task
    video_ids: tuple[str, ...]
    video: Int64[np.ndarray, " predictions"]
    scores: Float64[np.ndarray, " predictions"]
    segments: Float64[np.ndarray, "predictions 2"] | None = None
    label_index: Int64[np.ndarray, " predictions"] | None = None
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, mask: Bool[np.ndarray, " predictions"]) -> "Predictions":
        """Some of the predictions, in the same order; the lists of videos and classes stay."""
        return Predictions(
            task=self.task,
            video_ids=self.video_ids,
            video=self.video[mask],
            scores=self.scores[mask],
            segments=None if self.segments is None else self.segments[mask],
            label_index=None if self.label_index is None else self.label_index[mask],
            labels=self.labels,
        )

    def without(self, video_ids: Iterable[str]) -> "Predictions":
        """The same without some videos."""
        out = set(video_ids)
        stays = np.array([video_id not in out for video_id in self.video_ids], dtype=bool)
        part = self.select(stays[self.video])
        return Predictions(
            task=self.task,
            video_ids=tuple(video_id for video_id in self.video_ids if video_id not in out),
            video=(np.cumsum(stays) - 1)[part.video],
            scores=part.scores,
            segments=part.segments,
            label_index=part.label_index,
            labels=self.labels,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Sentences:
    """Segments with a sentence each: the references of one annotator, or the captions of one system (T5).

    Attributes:
        name: of the file they came from, for messages and signatures.
        video_ids: every video in file order, without "v_".
        durations: seconds of each video; NaN where the file does not say.
        video: for each sentence the index of its video.
        segments: for each sentence [start, end] in seconds, as in the file.
        sentences: the texts.
        scores: for each sentence, if the file has them.
    """

    name: str = "captions"
    video_ids: tuple[str, ...]
    durations: Float64[np.ndarray, " videos"]
    video: Int64[np.ndarray, " sentences"]
    segments: Float64[np.ndarray, "sentences 2"]
    sentences: tuple[str, ...]
    scores: Float64[np.ndarray, " sentences"] | None = None

    def __len__(self) -> int:
        return len(self.sentences)


def ground_truth_of(dataset: Dataset, subset: str = "validation") -> GroundTruth:
    """The instances of one subset of a data set as columns.

    Raises:
        DataError: when the subset has another name than training, validation and testing, or holds no instance.
    """
    annotations = _of_subset(dataset, subset)
    instances = [(index, item) for index, one in enumerate(annotations) for item in one.instances]
    if not instances:
        raise DataError(f"subset {subset} of data set {dataset.name} holds no annotated instance")
    labels = tuple(sorted({item.label for _, item in instances}))
    place = {label: index for index, label in enumerate(labels)}
    return GroundTruth(
        name=dataset.name,
        subset=subset,
        video_ids=tuple(one.video.video_id for one in annotations),
        durations=np.array([one.video.duration for one in annotations], dtype=np.float64),
        video=np.array([index for index, _ in instances], dtype=np.int64),
        segments=np.array([item.segment for _, item in instances], dtype=np.float64).reshape(-1, 2),
        label_index=np.array([place[item.label] for _, item in instances], dtype=np.int64),
        labels=labels,
    )


def references_of(dataset: Dataset, subset: str = "validation") -> tuple[Sentences, ...]:
    """The sentences of one subset, one set of columns an annotator.

    Raises:
        DataError: when no video of the subset has a sentence.
    """
    annotations = _of_subset(dataset, subset)
    found = []
    for annotator in range(max((len(one.events) for one in annotations), default=0)):
        seen = [one for one in annotations if len(one.events) > annotator]
        pairs = [(index, event) for index, one in enumerate(seen) for event in one.events[annotator]]
        found.append(
            Sentences(
                name=f"{dataset.name}-{annotator + 1}",
                video_ids=tuple(one.video.video_id for one in seen),
                durations=np.array([one.video.duration for one in seen], dtype=np.float64),
                video=np.array([index for index, _ in pairs], dtype=np.int64),
                segments=np.array([event.segment for _, event in pairs], dtype=np.float64).reshape(-1, 2),
                sentences=tuple(event.sentence for _, event in pairs),
            )
        )
    if not any(len(one) for one in found):
        raise DataError(f"subset {subset} of data set {dataset.name} holds no sentence")
    return tuple(found)


def predictions_of(predictions: Iterable[Prediction], task: Task) -> Predictions:
    """What a system said for one of the tasks T1 to T4, as columns.

    Raises:
        DataError: when a prediction holds nothing for the task, or the task is captioning (see sentences_of).
    """
    if task is Task.CAPTIONING:
        raise DataError("captions have columns of their own: use sentences_of")
    video_ids: list[str] = []
    video: list[int] = []
    scores: list[float] = []
    segments: list[tuple[float, float]] = []
    labels: dict[str, int] = {}
    label_index: list[int] = []
    for prediction in predictions:
        place = len(video_ids)
        video_ids.append(prediction.video.video_id)
        if task in (Task.CLASSIFICATION, Task.RECOGNITION):
            classes = _given(prediction, task, prediction.classes)
            label_index += [labels.setdefault(label, len(labels)) for label in classes.scores]
            scores += classes.scores.values()
        elif task is Task.PROPOSALS:
            proposals = _given(prediction, task, prediction.proposals)
            segments += [item.segment for item in proposals]
            scores += [item.score for item in proposals]
        else:
            detections = _given(prediction, task, prediction.detections)
            segments += [item.segment for item in detections]
            scores += [item.score for item in detections]
            label_index += [labels.setdefault(item.label, len(labels)) for item in detections]
        video += [place] * (len(scores) - len(video))
    timed = task in (Task.PROPOSALS, Task.LOCALIZATION)
    return Predictions(
        task=task,
        video_ids=tuple(video_ids),
        video=np.array(video, dtype=np.int64),
        scores=np.array(scores, dtype=np.float64),
        segments=np.array(segments, dtype=np.float64).reshape(-1, 2) if timed else None,
        label_index=None if task is Task.PROPOSALS else np.array(label_index, dtype=np.int64),
        labels=tuple(labels),
    )


def sentences_of(predictions: Iterable[Prediction]) -> Sentences:
    """The captions that a system gave, as columns.

    Raises:
        DataError: when a prediction holds no captions.
    """
    given = [(one, _given(one, Task.CAPTIONING, one.captions)) for one in predictions]
    pairs = [(index, caption) for index, (_, captions) in enumerate(given) for caption in captions]
    return Sentences(
        video_ids=tuple(one.video.video_id for one, _ in given),
        durations=np.array([one.video.duration for one, _ in given], dtype=np.float64),
        video=np.array([index for index, _ in pairs], dtype=np.int64),
        segments=np.array([caption.segment for _, caption in pairs], dtype=np.float64).reshape(-1, 2),
        sentences=tuple(caption.sentence for _, caption in pairs),
        scores=np.array([caption.score for _, caption in pairs], dtype=np.float64),
    )


def _of_subset(dataset: Dataset, subset: str) -> tuple[Annotation, ...]:
    if subset not in SUBSETS:
        raise DataError(f"subset must be one of {', '.join(SUBSETS)}, got {subset!r}")
    return tuple(one for one in dataset.annotations if one.video.subset == subset)


def _given(prediction: Prediction, task: Task, what: T | None) -> T:
    if what is None:
        raise DataError(f"prediction of video {prediction.video.video_id} holds nothing for {task.value}")
    return what
