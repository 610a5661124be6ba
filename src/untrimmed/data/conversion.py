"""One file format into another."""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from untrimmed.columns import Predictions, Sentences
from untrimmed.data import elan, label_studio
from untrimmed.data.activitynet import write as write_activitynet
from untrimmed.data.captions import write as write_captions
from untrimmed.data.datasets import read_predictions, read_raw
from untrimmed.data.defects import Policy, to_dataset
from untrimmed.data.formats import Format, recognise
from untrimmed.data.kinetics import write_clips
from untrimmed.data.segments_csv import write as write_segments
from untrimmed.data.submissions import read_captions, write_columns
from untrimmed.data.thumos import write as write_thumos
from untrimmed.data.writing import write_csv, write_lines
from untrimmed.records import DataError, Task

PREDICTED = {
    Format.CLASSIFICATION: Task.CLASSIFICATION,
    Format.PROPOSALS: Task.PROPOSALS,
    Format.LOCALIZATION: Task.LOCALIZATION,
    Format.THUMOS_DETECTIONS: Task.LOCALIZATION,
    Format.CAPTIONING: Task.CAPTIONING,
    Format.TIMECHAT: Task.CAPTIONING,
}
"""Formats that hold predictions, and of which task."""


class Target(Enum):
    """What can be written."""

    ACTIVITYNET = "activitynet"
    CAPTIONS = "captions"
    SEGMENTS = "segments"
    CLIPS = "clips"
    THUMOS = "thumos"
    SUBMISSION = "submission"
    DETECTIONS = "detections"
    LABEL_STUDIO = "label-studio"
    ELAN = "elan"


def convert(
    source: Path,
    target: Path,
    *,
    to: Target | None = None,
    policy: Policy = Policy.KEEP,
    classes: Mapping[str, str] | None = None,
) -> str:
    """Read one file and write another.

    Annotations become ActivityNet JSON, a table of segments or of clips, THUMOS'14 or caption files (folders);
    predictions become a submission, a table, or THUMOS'14 lines.

    Args:
        source: file or folder.
        target: what to write; appears complete or not at all (each file of a folder).
        to: the format; None goes by the ending of the target: .json, .csv, .txt.
        policy: what becomes of annotations with defects.
        classes: label in a file of predictions to class name.

    Returns:
        What was written, in words.

    Raises:
        DataError: when the source cannot be read or the target cannot hold it.
    """
    form = recognise(source)
    to = to or _by_ending(target, predicted=form in PREDICTED)
    if form in PREDICTED:
        task = PREDICTED[form]
        table: Predictions | Sentences = (
            read_captions(source) if task is Task.CAPTIONING else read_predictions(source, task, classes=classes)
        )
        _write_predicted(target, table, to)
        return f"{len(table)} predictions in {len(table.video_ids)} videos ({form.value}) as {to.value}"
    dataset = to_dataset(read_raw(source), policy)
    writers = {
        Target.ACTIVITYNET: write_activitynet,
        Target.CAPTIONS: write_captions,
        Target.SEGMENTS: write_segments,
        Target.CLIPS: write_clips,
        Target.THUMOS: write_thumos,
        Target.LABEL_STUDIO: label_studio.write,
        Target.ELAN: elan.write,
    }
    if to not in writers:
        raise DataError(f"{source} is {form.value}, which cannot become a {to.value}")
    writers[to](target, dataset)
    instances = sum(len(one.instances) for one in dataset.annotations)
    sentences = sum(len(track) for one in dataset.annotations for track in one.events)
    words = f"{instances} instances" + (f" and {sentences} sentences" if sentences else "")
    return f"{words} in {len(dataset.annotations)} videos ({form.value}) as {to.value}"


def _by_ending(target: Path, *, predicted: bool) -> Target:
    ending = Path(target.name.removesuffix(".gz")).suffix
    found = {
        ".json": Target.SUBMISSION if predicted else Target.ACTIVITYNET,
        ".csv": Target.SEGMENTS,
        ".txt": Target.DETECTIONS if predicted else None,
    }.get(ending)
    if found is None:
        raise DataError(f"{target} does not say what to write; end it in .json or .csv, or name the format with --to")
    return found


def _write_predicted(target: Path, table: Predictions | Sentences, to: Target) -> None:
    if to is Target.SUBMISSION:
        write_columns(target, table)
        return
    if to is Target.LABEL_STUDIO:
        label_studio.write_predicted(target, table)
        return
    if to is Target.ELAN:
        elan.write_predicted(target, table)
        return
    said = isinstance(table, Sentences)
    if to is Target.SEGMENTS and table.segments is not None:
        texts = list(table.sentences) if isinstance(table, Sentences) else _labels(table)
        scores = [""] * len(table) if table.scores is None else table.scores.tolist()
        rows = [
            (table.video_ids[video], *segment, text, score)
            for video, segment, text, score in zip(
                table.video.tolist(), table.segments.tolist(), texts, scores, strict=True
            )
        ]
        write_csv(target, ["video", "start", "end", "sentence" if said else "label", "score"], rows)
        return
    if to is Target.DETECTIONS and isinstance(table, Predictions) and table.task is Task.LOCALIZATION:
        assert table.segments is not None, "a file of localization has segments"
        labels = _labels(table)
        spaced = next((label for label in labels if len(label.split()) != 1), None)
        if spaced is not None:
            raise DataError(f"{target} is split at blanks, so a label must be one word, got {spaced!r}")
        write_lines(
            target,
            (
                f"{table.video_ids[video]} {start!r} {end!r} {label} {score!r}"
                for video, (start, end), label, score in zip(
                    table.video.tolist(), table.segments.tolist(), labels, table.scores.tolist(), strict=True
                )
            ),
        )
        return
    raise DataError(f"{target}: predictions of this task cannot become a {to.value}")


def _labels(table: Predictions) -> list[str]:
    if table.label_index is None:
        return [""] * len(table)
    return [table.labels[index] for index in table.label_index.tolist()]
