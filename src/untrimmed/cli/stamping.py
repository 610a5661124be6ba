"""What `untrimmed predict --classifier --proposals` does: classes of any source stamped on proposals of any other."""

import logging
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from untrimmed.cli.predict import Arguments
from untrimmed.columns import Predictions, predictions_of
from untrimmed.data.submissions import read_predictions
from untrimmed.features.store import FeatureStore
from untrimmed.fuse.algebra import Algebra, Scale, checked_weights, linear, scaled
from untrimmed.localize.stamp import stamp
from untrimmed.records import ClassScores, DataError, Dataset, Prediction, Proposal, Task, Video
from untrimmed.timeline import clip_segments

if TYPE_CHECKING:
    from rich.console import Console

K = TypeVar("K", bound=Hashable)

log = logging.getLogger(__name__)

Table = dict[str, dict[K, float]]
"""By video_id the score of every class or segment."""


def stamped(arguments: Arguments, part: Dataset, *, console: "Console") -> list[Prediction]:
    """Detections, proposals and classes of every video that some classifier and some source of proposals knows.

    Args:
        arguments: of the command.
        part: the videos; what is annotated plays no role.
        console: where progress is shown on a terminal.

    Returns:
        In the order of the videos; those that a side does not know are left out and logged.

    Raises:
        DataError: when a file cannot be used, or scores do not lie where the scales say.
    """
    said: dict[Path, list[Prediction]] = {}  # a system that serves both sides is asked once

    def columns(path: Path, task: Task) -> Predictions:
        if not (path / "config.json").exists():
            return read_predictions(path, task)
        if path not in said:
            said[path] = _ask(path, part.videos, FeatureStore(arguments.store), console)
        return _columns(said[path], task, path)

    classes = [
        _class_table(columns(path, Task.CLASSIFICATION), arguments.class_scale, path) for path in arguments.classifier
    ]
    proposals = [
        _segment_table(columns(path, Task.PROPOSALS), arguments.proposal_scale, path) for path in arguments.proposals
    ]
    proposal_weight, class_weight = arguments.combine_weights
    algebra = Algebra(combination=arguments.combine, proposal_weight=proposal_weight, class_weight=class_weight)
    found = []
    for video in part.videos:
        fused = _fused(classes, arguments.classifier_weights, video.video_id)
        places = _fused(proposals, arguments.proposal_weights, video.video_id)
        if fused is None or places is None:
            side = "no classifier" if fused is None else "no source of proposals"
            log.warning("video %s is left out: %s has it", video.video_id, side)
            continue
        there, scores = _within(places, video), ClassScores(fused)
        detections = stamp(
            there, scores, class_count=arguments.classes, proposal_count=arguments.most, combination=algebra
        )
        found.append(Prediction(video=video, classes=scores, proposals=there, detections=detections))
    return found


def _ask(path: Path, videos: Sequence[Video], store: FeatureStore, console: "Console") -> list[Prediction]:
    from rich.progress import track

    from untrimmed.systems.catalogue import load_system

    system = load_system(path)
    stream = system.predict(videos, store=store)
    name = f"system {system.number:02d}"
    return list(track(stream, name, total=len(videos), console=console, disable=not console.is_terminal))


def _columns(predictions: Sequence[Prediction], task: Task, path: Path) -> Predictions:
    classed = task is Task.CLASSIFICATION
    if any((one.classes if classed else one.proposals) is None for one in predictions):
        raise DataError(f"the system in {path} gives no {'classes of whole videos' if classed else 'proposals'}")
    return predictions_of(predictions, task)


def _class_table(found: Predictions, scale: Scale, path: Path) -> "Table[str]":
    assert found.label_index is not None
    scores = scaled(found.scores, found.video, scale, whose=str(path))
    table: Table[str] = {video_id: {} for video_id in found.video_ids}
    for video, label, score in zip(found.video, found.label_index, scores.tolist(), strict=True):
        _enter(table[found.video_ids[video]], found.labels[label], score)
    return table


def _segment_table(found: Predictions, scale: Scale, path: Path) -> "Table[tuple[float, float]]":
    assert found.segments is not None
    scores = scaled(found.scores, found.video, scale, whose=str(path))
    table: Table[tuple[float, float]] = {video_id: {} for video_id in found.video_ids}
    for video, (start, end), score in zip(found.video, found.segments.tolist(), scores.tolist(), strict=True):
        _enter(table[found.video_ids[video]], (start, end), score)
    return table


def _enter(table: dict[K, float], key: K, score: float) -> None:
    """Of what a source names twice the surer one counts."""
    table[key] = max(score, table.get(key, score))


def _fused(
    sources: Sequence[Mapping[str, Mapping[K, float]]], weights: Sequence[float], video_id: str
) -> dict[K, float] | None:
    """The scores of one video; sources that do not know it abstain. None when none does or all that do weigh 0."""
    used = checked_weights(len(sources), weights or None)
    known = [
        (source[video_id], weight)
        for source, weight in zip(sources, used, strict=True)
        if source.get(video_id) and weight > 0
    ]
    return linear([scores for scores, _ in known], [weight for _, weight in known]) if known else None


def _within(places: Mapping[tuple[float, float], float], video: Video) -> tuple[Proposal, ...]:
    """Proposals of a video, cut to it, in falling score."""
    segments = np.array(list(places), dtype=np.float64).reshape(-1, 2)
    cut, kept = clip_segments(segments, video.duration)
    scores = np.array(list(places.values()), dtype=np.float64)[kept]
    order = np.argsort(-scores, kind="stable")
    return tuple(Proposal((float(cut[i, 0]), float(cut[i, 1])), float(scores[i])) for i in order)
