"""The nouns: videos, what is annotated in them and what is predicted for them.

Every record is frozen and checks itself, so that a value that exists is a value that can be used. All times are
seconds from the start of the video. Segments are half-open intervals [start, end).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType

SUBSETS = ("training", "validation", "testing")


class DataError(ValueError):
    """Input that cannot be used: the message is one line that says what, whose, wanted, got and where."""


class NotTrained(RuntimeError):  # noqa: N818  (the three names are the package's public words)
    """A system or a part was asked to predict before it was fitted or loaded."""


class MissingExtra(ImportError):  # noqa: N818
    """A feature needs a package or a file that is not installed; the message says which and how to get it."""


class Task(Enum):
    """The five tasks of the ActivityNet Challenge 2017; the value is the task's name on the command line."""

    CLASSIFICATION = "classification"
    RECOGNITION = "recognition"
    PROPOSALS = "proposals"
    LOCALIZATION = "localization"
    CAPTIONING = "captioning"

    @property
    def code(self) -> str:
        """T1 to T5, as the challenge counts them."""
        return f"T{list(Task).index(self) + 1}"


def check_segment(start: float, end: float, *, whose: str) -> None:
    """Raise DataError unless both times are finite and start < end."""
    if not (math.isfinite(start) and math.isfinite(end)):
        raise DataError(f"segment of {whose} must have finite times, got [{start}, {end}]")
    if not start < end:
        raise DataError(f"segment of {whose} must have start < end, got [{start}, {end}]")


def _check_score(score: float, *, whose: str) -> None:
    if not math.isfinite(score):
        raise DataError(f"score of {whose} must be finite, got {score}")


def _check_text(text: str, *, what: str) -> None:
    if not text.strip():
        raise DataError(f"{what} must not be empty")


@dataclass(frozen=True, kw_only=True)
class Video:
    """One file with an id and a duration.

    Attributes:
        video_id: name without path and ending; unique in its data set. No "v_" prefix.
        duration: seconds, > 0.
        subset: training, validation or testing.
        path: the file, if it is at hand.
    """

    video_id: str
    duration: float
    subset: str = "testing"
    path: Path | None = None

    def __post_init__(self) -> None:
        _check_text(self.video_id, what="video_id")
        if not (math.isfinite(self.duration) and self.duration > 0):
            raise DataError(f"duration of video {self.video_id} must be positive seconds, got {self.duration}")
        if self.subset not in SUBSETS:
            raise DataError(f"subset of video {self.video_id} must be one of {', '.join(SUBSETS)}, got {self.subset!r}")


@dataclass(frozen=True)
class Instance:
    """An annotated segment and its class."""

    segment: tuple[float, float]
    label: str

    def __post_init__(self) -> None:
        check_segment(*self.segment, whose=f"an instance of {self.label!r}")
        _check_text(self.label, what="label of an instance")


@dataclass(frozen=True)
class Event:
    """An annotated segment and the sentence that describes it."""

    segment: tuple[float, float]
    sentence: str

    def __post_init__(self) -> None:
        check_segment(*self.segment, whose="an event")
        _check_text(self.sentence, what="sentence of an event")


@dataclass(frozen=True)
class Proposal:
    """A predicted segment that may hold something; higher scores are surer."""

    segment: tuple[float, float]
    score: float

    def __post_init__(self) -> None:
        check_segment(*self.segment, whose="a proposal")
        _check_score(self.score, whose="a proposal")


@dataclass(frozen=True)
class Detection:
    """A predicted segment with its class."""

    segment: tuple[float, float]
    score: float
    label: str

    def __post_init__(self) -> None:
        check_segment(*self.segment, whose=f"a detection of {self.label!r}")
        _check_score(self.score, whose=f"a detection of {self.label!r}")
        _check_text(self.label, what="label of a detection")


@dataclass(frozen=True)
class Caption:
    """A predicted segment with the sentence that describes it."""

    segment: tuple[float, float]
    score: float
    sentence: str

    def __post_init__(self) -> None:
        check_segment(*self.segment, whose="a caption")
        _check_score(self.score, whose="a caption")


@dataclass(frozen=True)
class ClassScores:
    """Scores of a whole video or clip by class name, in any order; higher is surer."""

    scores: Mapping[str, float]

    def __post_init__(self) -> None:
        for label, score in self.scores.items():
            _check_text(label, what="label of a class score")
            _check_score(score, whose=f"class {label!r}")
        object.__setattr__(self, "scores", MappingProxyType(dict(self.scores)))

    def __reduce__(self) -> tuple[type["ClassScores"], tuple[dict[str, float]]]:
        return ClassScores, (dict(self.scores),)  # a mappingproxy does not cross a process border by itself

    def best(self, count: int) -> list[tuple[str, float]]:
        """The count best (label, score) pairs in falling score; the first named wins among equals."""
        return sorted(self.scores.items(), key=lambda pair: -pair[1])[:count]


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """What is known of one video.

    Attributes:
        video: the video.
        instances: its annotated actions. A trimmed clip has one, from 0 to its duration.
        events: one tuple of sentences per annotator (ActivityNet Captions has two on validation).
    """

    video: Video
    instances: tuple[Instance, ...] = ()
    events: tuple[tuple[Event, ...], ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct classes of the video, in order of first appearance."""
        return tuple(dict.fromkeys(instance.label for instance in self.instances))


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a system says of one video; None where the system does not serve that task.

    Lists are in falling score except captions, which are in order of time.
    """

    video: Video
    classes: ClassScores | None = None
    proposals: tuple[Proposal, ...] | None = None
    detections: tuple[Detection, ...] | None = None
    captions: tuple[Caption, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Annotated videos under one name.

    Attributes:
        name: as it appears in score signatures, e.g. "activitynet-1.3".
        annotations: the videos with what is known of them.
        trimmed: True if every file is one clip of one class (task T2).
        labels: all class names in index order; by default those that occur, sorted.
    """

    name: str
    annotations: tuple[Annotation, ...]
    trimmed: bool = False
    labels: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for annotation in self.annotations:
            video_id = annotation.video.video_id
            if video_id in seen:
                raise DataError(f"video_id {video_id} appears twice in data set {self.name}")
            seen.add(video_id)
        if not self.labels:
            occurring = {label for annotation in self.annotations for label in annotation.labels}
            object.__setattr__(self, "labels", tuple(sorted(occurring)))

    @property
    def videos(self) -> tuple[Video, ...]:
        """The videos in order."""
        return tuple(annotation.video for annotation in self.annotations)

    def subset(self, name: str) -> "Dataset":
        """The part whose videos belong to one subset; the class list stays that of the whole."""
        if name not in SUBSETS:
            raise DataError(f"subset must be one of {', '.join(SUBSETS)}, got {name!r}")
        part = tuple(annotation for annotation in self.annotations if annotation.video.subset == name)
        return Dataset(name=self.name, annotations=part, trimmed=self.trimmed, labels=self.labels)
