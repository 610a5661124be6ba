"""Data sets as their files say, before anything is judged: what every annotation reader gives.

A raw data set may hold what records refuse. `defects.survey` says what is wrong with it, `defects.to_dataset` makes
records by a chosen policy, and the functions here make the columns that the evaluators count on.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from untrimmed.columns import GroundTruth, Sentences
from untrimmed.records import DataError


@dataclass(frozen=True, slots=True)
class Span:
    """An annotated stretch of time: seconds, and its class or sentence."""

    start: float
    end: float
    text: str


@dataclass(kw_only=True, slots=True)
class RawVideo:
    """One video as its file says.

    Attributes:
        video_id: without "v_".
        duration: seconds; NaN where the file does not say.
        subset: as written, not checked.
        instances: annotated actions.
        events: sentences, one list an annotator.
        ambiguous: THUMOS'14: stretches that count for no class.
        path: the video file, if it is at hand.
    """

    video_id: str
    duration: float = math.nan
    subset: str = "validation"
    instances: list[Span] = field(default_factory=list)
    events: list[list[Span]] = field(default_factory=list)
    ambiguous: list[Span] = field(default_factory=list)
    path: Path | None = None


@dataclass(kw_only=True)
class RawDataset:
    """A data set as its files say.

    Attributes:
        name: as it appears in signatures.
        source: the file or folder it came from, for messages.
        videos: in file order.
        trimmed: True if every file is one clip of one class.
        labels: the class list, if the files give one apart from the annotations.
        annotators: names of the caption files, in the order of RawVideo.events.
        whole: whether the files are meant to hold all three subsets.
    """

    name: str
    source: Path
    videos: list[RawVideo]
    trimmed: bool = False
    labels: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    whole: bool = False


def to_ground_truth(raw: RawDataset, subset: str | None = "validation") -> GroundTruth:
    """The instances of one subset as columns, exactly as the file has them.

    Args:
        raw: what a reader gave.
        subset: its name as written in the file; None takes every video.

    Raises:
        DataError: when the subset holds no video or no instance; the message lists the subsets there are.
    """
    videos = [video for video in raw.videos if subset is None or video.subset == subset]
    pairs = [(index, item) for index, video in enumerate(videos) for item in video.instances]
    if not pairs:
        found = _subsets_in_words(raw)
        wanted = "any subset" if subset is None else f"subset {subset!r}"
        raise DataError(f"{raw.source} holds no annotated instance in {wanted}; it has {found}")
    labels = tuple(sorted({item.text for _, item in pairs}))
    place = {label: index for index, label in enumerate(labels)}
    unsure = [(index, item) for index, video in enumerate(videos) for item in video.ambiguous]
    return GroundTruth(
        name=raw.name,
        subset=subset or "all",
        video_ids=tuple(video.video_id for video in videos),
        durations=np.array([video.duration for video in videos], dtype=np.float64),
        video=np.array([index for index, _ in pairs], dtype=np.int64),
        segments=np.array([(item.start, item.end) for _, item in pairs], dtype=np.float64),
        label_index=np.array([place[item.text] for _, item in pairs], dtype=np.int64),
        labels=labels,
        ambiguous_video=np.array([index for index, _ in unsure], dtype=np.int64),
        ambiguous_segments=np.array([(item.start, item.end) for _, item in unsure], dtype=np.float64).reshape(-1, 2),
    )


def to_references(raw: RawDataset, subset: str | None = None) -> tuple[Sentences, ...]:
    """The sentences as columns, one set an annotator, exactly as the files have them.

    Raises:
        DataError: when there is no sentence.
    """
    videos = [video for video in raw.videos if subset is None or video.subset == subset]
    found = []
    for annotator in range(max((len(video.events) for video in videos), default=0)):
        seen = [video for video in videos if len(video.events) > annotator and video.events[annotator]]
        pairs = [(index, event) for index, video in enumerate(seen) for event in video.events[annotator]]
        if pairs:
            name = raw.annotators[annotator] if annotator < len(raw.annotators) else f"{raw.name}-{annotator + 1}"
            found.append(
                Sentences(
                    name=name,
                    video_ids=tuple(video.video_id for video in seen),
                    durations=np.array([video.duration for video in seen], dtype=np.float64),
                    video=np.array([index for index, _ in pairs], dtype=np.int64),
                    segments=np.array([(event.start, event.end) for _, event in pairs], dtype=np.float64),
                    sentences=tuple(event.text for _, event in pairs),
                )
            )
    if not found:
        raise DataError(f"{raw.source} holds no sentence; it has {_subsets_in_words(raw)}")
    return tuple(found)


def _subsets_in_words(raw: RawDataset) -> str:
    counts: dict[str, int] = {}
    for video in raw.videos:
        counts[video.subset] = counts.get(video.subset, 0) + 1
    return ", ".join(f"{name!r} ({count} videos)" for name, count in counts.items()) or "no videos"
