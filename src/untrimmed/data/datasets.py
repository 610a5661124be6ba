"""Open any data set: annotations in any of the formats, captions and videos beside them."""

import math
import re
from collections.abc import Mapping
from pathlib import Path

from untrimmed.columns import GroundTruth, Predictions, Sentences
from untrimmed.data.activitynet import read as read_activitynet
from untrimmed.data.captions import read as read_reference_file
from untrimmed.data.charades import read as read_charades
from untrimmed.data.defects import ALIASES, Policy, to_dataset
from untrimmed.data.elan import read as read_elan
from untrimmed.data.formats import Format, first_bytes, recognise
from untrimmed.data.kinetics import read as read_kinetics
from untrimmed.data.kinetics import read_clips
from untrimmed.data.label_studio import read as read_label_studio
from untrimmed.data.multithumos import read as read_multithumos
from untrimmed.data.raw import RawDataset, to_ground_truth, to_references
from untrimmed.data.segments_csv import read as read_segments
from untrimmed.data.submissions import read_predictions as read_submission
from untrimmed.data.thumos import read as read_thumos
from untrimmed.data.thumos import read_detections
from untrimmed.data.video_files import attach, measure, read_folder
from untrimmed.records import SUBSETS, DataError, Dataset, Task

_READERS = {
    Format.ACTIVITYNET: read_activitynet,
    Format.MULTITHUMOS: read_multithumos,
    Format.KINETICS: read_kinetics,
    Format.CLIPS: read_clips,
    Format.SEGMENTS: read_segments,
    Format.CHARADES: read_charades,
    Format.THUMOS: read_thumos,
    Format.LABEL_STUDIO: read_label_studio,
    Format.ELAN: read_elan,
}

_CAPTION_FILE = re.compile(r"(training|validation|testing|train|val|test)(?:_(\d+))?\.json(?:\.gz)?")


def open_dataset(path: Path, *, videos: Path | None = None, policy: Policy = Policy.CLIP) -> Dataset:
    """The annotated videos under a path.

    The path may be a file of annotations (ActivityNet, Captions, Kinetics, Charades, MultiTHUMOS, a table of
    segments or of clips, tasks of Label Studio, a file of ELAN or a folder of them), a folder with `activitynet.json`
    or `clips.csv` in it (the playground's untrimmed and trimmed), a folder of THUMOS'14 text files, or a folder of
    class/clip.mp4. Reference captions are taken from a folder `captions` beside an ActivityNet file, videos from a
    folder `videos` beside any file.

    Args:
        path: file or folder.
        videos: where the video files lie, if not in `videos` beside the annotations.
        policy: what becomes of annotations with defects; what is left out is logged.

    Raises:
        DataError: when the path cannot be read as a data set.
    """
    raw = read_raw(path)
    if videos is not None:
        attach(raw, videos)
    elif raw.source.is_file() and (raw.source.parent / "videos").is_dir():
        attach(raw, raw.source.parent / "videos")
    elif (raw.source / "videos").is_dir() and not any(video.path for video in raw.videos):
        attach(raw, raw.source / "videos")
    if any(not math.isfinite(video.duration) for video in raw.videos):
        measure(raw)
    return to_dataset(raw, policy)


def read_raw(path: Path) -> RawDataset:
    """What the annotation files under a path say, nothing judged; captions beside an ActivityNet file are added.

    Raises:
        DataError: when the path does not hold annotations.
    """
    form = recognise(path)
    if form is Format.CLIP_FOLDER:
        return read_folder(path)
    if form is Format.DATASET_FOLDER:
        path = path / "activitynet.json" if (path / "activitynet.json").is_file() else path / "clips.csv"
        form = recognise(path)
    if form is Format.CAPTIONS:
        return read_reference_file(path, subset=_subset_of(path))
    if form not in _READERS:
        raise DataError(f"{path} is a {form.value}, wanted annotations")
    raw = _READERS[form](path)
    if (path.parent.parent / "playground.json").is_file():  # its files are in the layout of others, version and all
        raw.name = "playground-trimmed" if raw.trimmed else "playground"
    if form is Format.ACTIVITYNET and (path.parent / "captions").is_dir():
        _add_captions(raw, path.parent / "captions")
    return raw


def read_ground_truth(path: Path, subset: str | None = "validation") -> GroundTruth:
    """The instances of one subset as the evaluators count them, exactly as the file has them.

    Args:
        path: annotations in any format.
        subset: as the file calls it; None takes every video.

    Raises:
        DataError: when the path does not hold annotations, or the subset holds no instance.
    """
    return to_ground_truth(read_raw(path), subset)


def read_references(*paths: Path, subset: str | None = None) -> tuple[Sentences, ...]:
    """Reference captions: one set of columns for each annotator of each file.

    Args:
        paths: files in the layout of ActivityNet Captions, or any annotations with sentences.
        subset: which videos, where a file holds several subsets; None takes all.

    Raises:
        DataError: when a path holds no sentence.
    """
    return tuple(one for path in paths for one in to_references(read_raw(path), subset))


def read_predictions(path: Path, task: Task, *, classes: Mapping[str, str] | None = None) -> Predictions:
    """What a file predicts for one of the tasks T1 to T4: a submission, or THUMOS'14 detections as text.

    Args:
        path: plain or gzip.
        task: which layout to expect.
        classes: label in the file to class name, where the file numbers its classes.

    Raises:
        DataError: when the file is not for this task; the message names the JSON path or the line.
    """
    begin = first_bytes(path).lstrip(b"\xef\xbb\xbf \t\r\n")
    text = begin[:1].isalnum() and path.name.removesuffix(".gz").endswith(".txt")
    if text and task in (Task.LOCALIZATION, Task.PROPOSALS):
        return read_detections(path, classes)
    found = read_submission(path, task)
    return found if classes is None else renamed(found, classes, path)


def renamed(predictions: Predictions, classes: Mapping[str, str], path: Path) -> Predictions:
    """Predictions with other names for their classes.

    Raises:
        DataError: when a label of the file has no name.
    """
    unknown = [label for label in predictions.labels if label not in classes]
    if unknown:
        raise DataError(f"{path} has label {unknown[0]!r}, which is none of the {len(classes)} labels with a name")
    return Predictions(
        task=predictions.task,
        video_ids=predictions.video_ids,
        video=predictions.video,
        scores=predictions.scores,
        segments=predictions.segments,
        label_index=predictions.label_index,
        labels=tuple(classes[label] for label in predictions.labels),
    )


def _subset_of(path: Path) -> str:
    match = _CAPTION_FILE.fullmatch(path.name)
    word = match[1] if match else "validation"
    return ALIASES.get(word, word)


def _add_captions(raw: RawDataset, folder: Path) -> None:
    files: dict[str, list[tuple[int, Path]]] = {subset: [] for subset in SUBSETS}
    for path in sorted(folder.iterdir()):
        match = _CAPTION_FILE.fullmatch(path.name)
        if match:
            files[_subset_of(path)].append((int(match[2] or 1), path))
    by_id = {video.video_id: video for video in raw.videos}
    for subset, found in files.items():
        for number, (_, path) in enumerate(sorted(found)):
            for video in read_reference_file(path, subset=subset).videos:
                if video.video_id in by_id:
                    events = by_id[video.video_id].events
                    events += [[] for _ in range(number + 1 - len(events))]
                    events[number] = video.events[0]
    most = max(map(len, files.values()))
    raw.annotators = tuple(f"{raw.name}-captions-{number + 1}" for number in range(most))
