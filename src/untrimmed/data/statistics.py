"""What a data set holds, counted."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from untrimmed.data.raw import RawDataset, RawVideo, Span


@dataclass(frozen=True, kw_only=True)
class SubsetCounts:
    """The counts of one subset.

    Attributes:
        subset: its name as the file writes it.
        videos: how many.
        annotated: how many of them have an annotation.
        hours: of video, those with a known duration.
        instances: annotated actions.
        classes: how many classes occur.
        sentences: reference sentences of all annotators.
        words: in them, split at blanks.
        seconds: mean length of an annotation.
        share: mean share of an annotated video that annotations cover.
        most: most annotations in one video.
        frequent: the most frequent classes with their instances.
        rare: the rarest ones.
    """

    subset: str
    videos: int
    annotated: int
    hours: float
    instances: int
    classes: int
    sentences: int
    words: int
    seconds: float
    share: float
    most: int
    frequent: tuple[tuple[str, int], ...]
    rare: tuple[tuple[str, int], ...]


def count(raw: RawDataset) -> tuple[SubsetCounts, ...]:
    """The counts of every subset, in the order in which the file names them first."""
    subsets = dict.fromkeys(video.subset for video in raw.videos)
    return tuple(_count(subset, [video for video in raw.videos if video.subset == subset]) for subset in subsets)


def _count(subset: str, videos: list[RawVideo]) -> SubsetCounts:
    labels = Counter(span.text for video in videos for span in video.instances)
    tracks = [[*video.instances, *(event for track in video.events for event in track)] for video in videos]
    lengths = [span.end - span.start for track in tracks for span in track]
    shares = [
        covered(track, video.duration)
        for track, video in zip(tracks, videos, strict=True)
        if track and math.isfinite(video.duration) and video.duration > 0
    ]
    ranked = labels.most_common()
    sentences = [event.text for video in videos for track in video.events for event in track]
    return SubsetCounts(
        subset=subset,
        videos=len(videos),
        annotated=sum(map(bool, tracks)),
        hours=sum(video.duration for video in videos if math.isfinite(video.duration)) / 3600,
        instances=labels.total(),
        classes=len(labels),
        sentences=len(sentences),
        words=sum(len(sentence.split()) for sentence in sentences),
        seconds=float(np.mean(lengths)) if lengths else math.nan,
        share=float(np.mean(shares)) if shares else math.nan,
        most=max(map(len, tracks), default=0),
        frequent=tuple(ranked[:5]),
        rare=tuple(ranked[::-1][:5]),
    )


def covered(track: list[Span], duration: float) -> float:
    """Share of [0, duration) inside some annotation, in [0, 1]."""
    total, reached = 0.0, 0.0
    for start, end in sorted((max(0.0, span.start), min(duration, span.end)) for span in track):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total / duration
