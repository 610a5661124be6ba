"""What is wrong with a data set, and records made of it by a chosen policy.

The official ActivityNet 1.3 file ends 225 instances after their video and has 12 of no length; nothing is mended in
silence. `survey` names every defect; `to_dataset` keeps, clips, drops or refuses.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from untrimmed.data.raw import RawDataset, RawVideo, Span
from untrimmed.records import SUBSETS, Annotation, DataError, Dataset, Event, Instance, Video

logger = logging.getLogger(__name__)


class Policy(Enum):
    """What becomes of an annotation with a defect.

    KEEP leaves in what a record can hold (ends after the video, duplicates) and leaves out what it cannot (no or
    negative length). CLIP cuts to the video first. DROP leaves out every annotation with a defect. REFUSE stops.
    """

    KEEP = "keep"
    CLIP = "clip"
    DROP = "drop"
    REFUSE = "refuse"


class Kind(Enum):
    """The defects; the value is how they are called in reports."""

    ZERO_LENGTH = "zero length"
    NEGATIVE_LENGTH = "negative length"
    BEFORE_START = "starts before the video"
    AFTER_END = "ends after the video"
    NOT_A_TIME = "not a time"
    DUPLICATE = "duplicate annotation"
    NO_TEXT = "no label or sentence"
    UNKNOWN_LABEL = "unknown label"
    DUPLICATE_VIDEO = "duplicate video"
    NO_DURATION = "no duration"
    MISNAMED_SUBSET = "misnamed subset"
    EMPTY_SUBSET = "empty subset"
    NOT_ANNOTATED = "video without annotation"
    NO_FILE = "video file missing"
    OTHER_DURATION = "other duration"
    UNKNOWN_VIDEO = "unknown video"
    NOT_PREDICTED = "video without prediction"
    NOT_A_TABLE = "features that are no table of numbers"


ALIASES = {"train": "training", "val": "validation", "valid": "validation", "test": "testing"}
"""What other data sets call the three subsets."""

ROUNDING = 1e-5
"""Seconds by which an end may pass the duration before it is told: files round their times to six digits."""

_HARMLESS = {Kind.NOT_ANNOTATED, Kind.NO_FILE, Kind.EMPTY_SUBSET}


@dataclass(frozen=True)
class Defect:
    """One thing that is wrong.

    Attributes:
        kind: of the defect.
        video_id: whose; empty if it is the whole file's.
        words: the rest of the sentence.
    """

    kind: Kind
    video_id: str
    words: str

    def __str__(self) -> str:
        whose = f" of video {self.video_id}" if self.video_id else ""
        return f"{self.kind.value}{whose}: {self.words}"


def counts(defects: tuple[Defect, ...]) -> dict[str, int]:
    """How many of each kind, the most frequent first."""
    return dict(Counter(defect.kind.value for defect in defects).most_common())


def survey(raw: RawDataset, *, files: bool = False) -> tuple[Defect, ...]:
    """Everything that is wrong with a data set, in the order of the file.

    Args:
        raw: what a reader gave.
        files: whether videos are expected to be at hand (a missing file is a defect then).
    """
    found: list[Defect] = []
    labels = set(raw.labels)
    seen: set[str] = set()
    for video in raw.videos:
        found += _of_video(video, seen, files)
        seen.add(video.video_id)
        for track in (video.instances, *video.events):
            checked: set[Span] = set()
            for span in track:
                found += [Defect(kind, video.video_id, words) for kind, words in _of_span(span, video, checked)]
                if labels and track is video.instances and span.text not in labels:
                    words = f"{span.text!r} is none of the {len(labels)} classes"
                    found.append(Defect(Kind.UNKNOWN_LABEL, video.video_id, words))
                checked.add(span)
    subsets = {ALIASES.get(video.subset, video.subset) for video in raw.videos}
    for subset in SUBSETS if raw.whole else ():
        if subset not in subsets:
            found.append(Defect(Kind.EMPTY_SUBSET, "", f"no video is in {subset}"))
    return tuple(found)


def other_durations(raw: RawDataset, others: Mapping[str, float], *, tolerance: float = 0.1) -> tuple[Defect, ...]:
    """Videos whose duration differs from that of another copy, which is told and never mixed in.

    Args:
        raw: with the durations that count.
        others: id to seconds in the other copy (a re-encoded one, for instance).
        tolerance: seconds that may differ, >= 0.
    """
    found = []
    for video in raw.videos:
        other = others.get(video.video_id, math.nan)
        if abs(other - video.duration) > tolerance:
            words = f"{video.duration:g} s here, {other:g} s in the other copy"
            found.append(Defect(Kind.OTHER_DURATION, video.video_id, words))
    return tuple(found)


def to_dataset(raw: RawDataset, policy: Policy = Policy.CLIP) -> Dataset:
    """Records of a data set; what is left out is logged as one warning.

    Videos without a duration cannot become records and are left out (REFUSE stops); so are second videos of an id.

    Raises:
        DataError: when nothing is left, or at the first defect if the policy is REFUSE.
    """
    if policy is Policy.REFUSE:
        bad = [defect for defect in survey(raw) if defect.kind not in _HARMLESS]
        if bad:
            raise DataError(f"{raw.source} has {len(bad)} defects, the first is {bad[0]}")
    annotations: dict[str, Annotation] = {}
    left_out: Counter[str] = Counter()
    for raw_video in raw.videos:
        subset = ALIASES.get(raw_video.subset, raw_video.subset)
        good = math.isfinite(raw_video.duration) and raw_video.duration > 0
        if not good or subset not in SUBSETS or raw_video.video_id in annotations or not raw_video.video_id.strip():
            left_out["videos"] += 1
            continue
        video = Video(video_id=raw_video.video_id, duration=raw_video.duration, subset=subset, path=raw_video.path)
        kept = list(_mended(raw_video.instances, raw_video, policy, raw.labels))
        events = [list(_mended(track, raw_video, policy, ())) for track in raw_video.events]
        left_out["instances"] += len(raw_video.instances) - len(kept)
        left_out["sentences"] += sum(map(len, raw_video.events)) - sum(map(len, events))
        annotations[video.video_id] = Annotation(
            video=video,
            instances=tuple(Instance((span.start, span.end), span.text) for span in kept),
            events=tuple(tuple(Event((span.start, span.end), span.text) for span in track) for track in events),
        )
    if not annotations:
        raise DataError(f"{raw.source} has no video that can be used; {left_out['videos']} were left out")
    if left_out := +left_out:
        words = ", ".join(f"{count} {what}" for what, count in left_out.items())
        logger.warning("%s: left out %s (policy %s)", raw.source, words, policy.value)
    occurring = {item.label for one in annotations.values() for item in one.instances}
    labels = tuple(raw.labels) if raw.labels and occurring <= set(raw.labels) else ()
    return Dataset(name=raw.name, annotations=tuple(annotations.values()), trimmed=raw.trimmed, labels=labels)


def _of_video(video: RawVideo, seen: set[str], files: bool) -> Iterator[Defect]:
    if video.video_id in seen:
        yield Defect(Kind.DUPLICATE_VIDEO, video.video_id, "it came before")
    if not (math.isfinite(video.duration) and video.duration > 0):
        yield Defect(Kind.NO_DURATION, video.video_id, f"wanted positive seconds, got {video.duration:g}")
    if video.subset not in SUBSETS:
        hint = f", did you mean {ALIASES[video.subset]}?" if video.subset in ALIASES else ""
        yield Defect(Kind.MISNAMED_SUBSET, video.video_id, f"{video.subset!r} is none of {', '.join(SUBSETS)}{hint}")
    if not video.instances and not any(video.events) and ALIASES.get(video.subset, video.subset) != "testing":
        yield Defect(Kind.NOT_ANNOTATED, video.video_id, f"it is in subset {video.subset!r}")
    if files and video.path is None:
        yield Defect(Kind.NO_FILE, video.video_id, "no file of that name is in the folder of videos")


def _of_span(span: Span, video: RawVideo, checked: set[Span]) -> Iterator[tuple[Kind, str]]:
    where = f"[{span.start:g}, {span.end:g}] {span.text.strip()[:40]!r}"
    if not (math.isfinite(span.start) and math.isfinite(span.end)):
        yield Kind.NOT_A_TIME, where
        return
    if span.end == span.start:
        yield Kind.ZERO_LENGTH, where
    elif span.end < span.start:
        yield Kind.NEGATIVE_LENGTH, where
    if span.start < 0:
        yield Kind.BEFORE_START, where
    if span.end > video.duration + ROUNDING:
        yield Kind.AFTER_END, f"{where}, the video has {video.duration:g} s"
    if not span.text.strip():
        yield Kind.NO_TEXT, where
    if span in checked:
        yield Kind.DUPLICATE, where


def _mended(track: list[Span], video: RawVideo, policy: Policy, labels: tuple[str, ...]) -> Iterator[Span]:
    checked: set[Span] = set()
    for span in track:
        kinds = {kind for kind, _ in _of_span(span, video, checked)}
        checked.add(span)
        if policy is Policy.DROP and (kinds or (labels and span.text not in labels)):
            continue
        if Kind.NOT_A_TIME in kinds or Kind.NO_TEXT in kinds:
            continue
        if policy is Policy.CLIP:
            span = Span(max(0.0, span.start), min(video.duration, span.end), span.text)
        if span.start < span.end:
            yield span
