"""Look at any file: what it is, what it holds, what is wrong with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from untrimmed.data.conversion import PREDICTED
from untrimmed.data.datasets import read_ground_truth, read_predictions, read_raw
from untrimmed.data.defects import Defect, Kind, other_durations, survey
from untrimmed.data.durations import read_durations
from untrimmed.data.feature_files import FeatureFile
from untrimmed.data.formats import Format, recognise
from untrimmed.data.prediction_defects import repeated_keys, survey_predictions
from untrimmed.data.submissions import read_captions
from untrimmed.data.tag_proposals import count_tag_proposals
from untrimmed.data.video_files import attach
from untrimmed.records import DataError, Task

_JSON = (Format.ACTIVITYNET, Format.CAPTIONS, Format.MULTITHUMOS)


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found.

    Attributes:
        format: what the file is.
        words: what it holds.
        defects: what is wrong.
    """

    format: Format
    words: str
    defects: tuple[Defect, ...]

    def by_kind(self) -> dict[Kind, list[Defect]]:
        """The defects of each kind, the most frequent kind first."""
        found: dict[Kind, list[Defect]] = {}
        for defect in self.defects:
            found.setdefault(defect.kind, []).append(defect)
        return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))

    @property
    def figures(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "format": self.format.value,
            "holds": self.words,
            "counts": {kind.value: len(defects) for kind, defects in self.by_kind().items()},
            "defects": [{"kind": one.kind.value, "video_id": one.video_id, "words": one.words} for one in self.defects],
        }


def inspect(
    path: Path,
    *,
    ground_truth: Path | None = None,
    subset: str | None = "validation",
    videos: Path | None = None,
    durations: Path | None = None,
    column: str | None = None,
) -> Inspection:
    """Read a file whole and judge it.

    Args:
        path: file or folder.
        ground_truth: for predictions, the annotations that they are meant for.
        subset: of the ground truth.
        videos: for annotations, a folder in which every video should lie.
        durations: for annotations, a csv with the durations of another copy.
        column: its column of seconds, if it has several.

    Raises:
        DataError: when the file cannot be read or is of no known format.
    """
    form = recognise(path)
    if form is Format.FEATURES:
        return _features(path)
    if form is Format.TAG_LIST:
        count, proposals = count_tag_proposals(path)
        return Inspection(format=form, words=f"{proposals} proposals in {count} videos", defects=())
    if form is Format.EMPTY_SUBMISSION:
        table = read_predictions(path, Task.CLASSIFICATION)
        return Inspection(format=form, words=f"{len(table.video_ids)} videos with empty lists", defects=())
    if form in PREDICTED:
        return _predictions(path, form, ground_truth, subset)
    raw = read_raw(path)
    if videos is not None:
        attach(raw, videos)
    defects = survey(raw, files=videos is not None)
    if durations is not None:
        defects += other_durations(raw, read_durations(durations, name=column))
    if form in _JSON:
        defects += repeated_keys(path)
    instances = sum(len(video.instances) for video in raw.videos)
    sentences = sum(len(track) for video in raw.videos for track in video.events)
    words = f"{len(raw.videos)} videos, {instances} instances, {sentences} sentences"
    return Inspection(format=form, words=words, defects=defects)


def _predictions(path: Path, form: Format, ground_truth: Path | None, subset: str | None) -> Inspection:
    task = PREDICTED[form]
    table = read_captions(path) if task is Task.CAPTIONING else read_predictions(path, task)
    truth = None if ground_truth is None else read_ground_truth(ground_truth, subset)
    defects = survey_predictions(table, truth)
    if form is not Format.THUMOS_DETECTIONS:
        defects += repeated_keys(path)
    return Inspection(format=form, words=f"{len(table)} predictions in {len(table.video_ids)} videos", defects=defects)


def _features(path: Path) -> Inspection:
    file = FeatureFile(path)
    rows, defects, dims = 0, [], set()
    for video_id in file.video_ids:
        try:
            values = file.load(video_id)
        except DataError as error:
            defects.append(Defect(Kind.NOT_A_TABLE, video_id, str(error)))
            continue
        rows += len(values)
        dims.add(values.shape[1])
    width = ", ".join(map(str, sorted(dims)))
    return Inspection(
        format=Format.FEATURES,
        words=f"{rows} rows of {width} numbers in {len(file.video_ids)} videos",
        defects=tuple(defects),
    )
