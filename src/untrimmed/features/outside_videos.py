"""Outside videos that nobody labelled: a keyword and a trained system agree on a class, or the video is left out.

A video that was found by the words of a class takes that class where the baseline has it among its three best. Classes
are filled up to 100 videos, and nothing is taken that the data set has already, under its name or another. The
validation videos may be learnt from too.

Source: report 03, section 3. It adds videos of Kinetics (65 classes are shared) and of YouTube, and checks ids.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from untrimmed.data import open_dataset
from untrimmed.records import Annotation, DataError, Dataset, Instance, Video

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class OutsideVideos:
    """Where they are and which are taken."""

    path: Path
    """A data set whose classes are the keywords, in any form that `untrimmed` reads: a folder of keyword/clip.mp4
    will do. Keywords are compared to class names by their letters and digits alone."""
    top: int = 3
    """The baseline must have the keyword's class among its so many best, >= 1; section 3."""
    most: int = 100
    """Training videos of a class at most, those of the data set included; section 3. These are never left out."""

    def __post_init__(self) -> None:
        if self.top < 1 or self.most < 0:
            raise DataError(f"outside videos need top >= 1 and most >= 0, got {self.top} and {self.most}")


def agreed(
    keywords: Int[np.ndarray, " videos"], scores: Float[np.ndarray, "videos classes"], *, top: int
) -> Bool[np.ndarray, " videos"]:
    """Whether the class of the keyword is among the `top` best; the first class wins among equals.

    Args:
        keywords: the class that each video was searched for.
        scores: what the baseline says.
        top: >= 1.
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return np.asarray((best == keywords[:, None]).any(axis=1))


def balanced(
    keywords: Int[np.ndarray, " videos"],
    sureness: Float[np.ndarray, " videos"],
    counts: Int[np.ndarray, " classes"],
    *,
    most: int,
) -> Bool[np.ndarray, " videos"]:
    """Which videos fill each class up to `most`: the surest first, the first named among equals.

    Args:
        keywords: the class of each video.
        sureness: the baseline's score of that class.
        counts: videos that each class has already.
        most: >= 0.
    """
    taken = np.zeros(len(keywords), bool)
    for label, count in enumerate(counts.tolist()):
        mine = np.flatnonzero(keywords == label)
        taken[mine[np.argsort(-sureness[mine], kind="stable")][: max(0, most - count)]] = True
    return taken


def strangers(videos: Sequence[Video], known: Iterable[Video]) -> list[Video]:
    """The videos that are not known yet, by id or by the bytes of their file; of equal ones the first.

    Only files of equal size are read. A video without a file is told by its id alone.

    Args:
        videos: those that might be added.
        known: every video of the data set, its test videos too.
    """
    known = list(known)
    ids = {video.video_id for video in known}
    sizes: dict[int, list[Path]] = {}
    for video in known:
        if video.path is not None and video.path.is_file():
            sizes.setdefault(video.path.stat().st_size, []).append(video.path)
    kept = []
    for video in videos:
        if video.video_id in ids:
            log.info("outside video %s is left out: the data set has a video of that id", video.video_id)
            continue
        if video.path is not None and video.path.is_file():
            equal = sizes.setdefault(video.path.stat().st_size, [])
            twin = next((path for path in equal if _digest(path) == _digest(video.path)), None) if equal else None
            if twin is not None:
                log.info("outside video %s is left out: it has the bytes of %s", video.video_id, twin.name)
                continue
            equal.append(video.path)
        ids.add(video.video_id)
        kept.append(video)
    return kept


def searched(config: OutsideVideos, dataset: Dataset) -> Dataset:
    """The outside videos whose keyword is a class of a data set and which it does not have, labelled by keyword.

    Raises:
        DataError: when the path is no data set, or none of its keywords is a class.
    """
    found = open_dataset(config.path)
    names = {plain_words(label): label for label in dataset.labels}
    known = {keyword: names.get(plain_words(keyword)) for keyword in found.labels}
    if not any(known.values()):
        raise DataError(f"outside videos need keywords that are classes of {dataset.name}, got none in {config.path}")
    strange = [keyword for keyword, label in known.items() if label is None]
    if strange:
        log.warning("%d keywords of %s are no class, the first is %r", len(strange), config.path, strange[0])
    relabelled = []
    for annotation in found.annotations:
        pairs = [(instance, known[instance.label]) for instance in annotation.instances]
        instances = tuple(Instance(instance.segment, label) for instance, label in pairs if label is not None)
        if instances:
            relabelled.append(replace(annotation, instances=instances, events=()))
    kept = {video.video_id for video in strangers([one.video for one in relabelled], dataset.videos)}
    return Dataset(
        name=found.name,
        annotations=tuple(one for one in relabelled if one.video.video_id in kept),
        trimmed=found.trimmed,
        labels=dataset.labels,
    )


def with_outside(
    dataset: Dataset,
    outside: Dataset,
    scores: Mapping[str, Float[np.ndarray, " classes"]],
    config: OutsideVideos,
) -> Dataset:
    """A data set and the outside videos on whose keyword the baseline agrees, in the training subset.

    Args:
        dataset: what is there; its class order is that of the scores.
        outside: what `searched` found; only the first keyword of a video counts.
        scores: of the baseline, by video_id; a video without scores is left out.
        config: how many agree and how many are taken.

    Returns:
        The data set with more training videos; its own videos and classes are as before.
    """
    place = {label: number for number, label in enumerate(dataset.labels)}
    scored = [one for one in outside.annotations if one.video.video_id in scores]
    if not scored:
        return dataset
    keywords = np.array([place[one.labels[0]] for one in scored], dtype=np.int64)
    table = np.stack([scores[one.video.video_id] for one in scored])
    agree = np.flatnonzero(agreed(keywords, table, top=config.top))
    counts = np.zeros(len(dataset.labels), dtype=np.int64)
    for annotation in dataset.subset("training").annotations:
        for label in annotation.labels:
            counts[place[label]] += 1
    sureness = table[np.arange(len(table)), keywords]
    taken = agree[balanced(keywords[agree], sureness[agree], counts, most=config.most)]
    log.info("%d of %d outside videos are taken: %d have a keyword on which the baseline agrees", len(taken),
             len(outside.annotations), len(agree))  # fmt: skip
    added = tuple(_training(scored[number]) for number in taken.tolist())
    return replace(dataset, annotations=dataset.annotations + added)


def with_validation(dataset: Dataset) -> Dataset:
    """The data set with its labelled validation videos in the training subset; section 3."""
    moved = [
        replace(one, video=replace(one.video, subset="training"))
        if one.labels and one.video.subset == "validation"
        else one
        for one in dataset.annotations
    ]
    return replace(dataset, annotations=tuple(moved))


def plain_words(label: str) -> str:
    """A class name by which spellings are compared: its letters and digits, small.

    >>> plain_words("Long_Jump") == plain_words("long jump")
    True
    """
    return "".join(sign for sign in label.casefold() if sign.isalnum())


def _training(annotation: Annotation) -> Annotation:
    label = annotation.labels[0]
    instances = tuple(instance for instance in annotation.instances if instance.label == label)
    return replace(annotation, video=replace(annotation.video, subset="training"), instances=instances)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
