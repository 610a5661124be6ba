"""The folder of an analysis: submissions, files for people, files for annotators, and the page."""

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path

from untrimmed.caption.layout import Layout
from untrimmed.columns import Predictions, Sentences, predictions_of, sentences_of
from untrimmed.data import elan, label_studio, write_predictions
from untrimmed.data.writing import write_csv, write_json
from untrimmed.files import write_text
from untrimmed.records import Annotation, Prediction, Task
from untrimmed.report.exports import Export, Found, file_of, text_of
from untrimmed.report.page import write_page
from untrimmed.report.preview import playable
from untrimmed.report.search_index import VIDEOS

MOST_DETECTIONS = 10
"""Detections that are shown where there are no captions: the rest would hide the picture."""

_PARTS = {
    Task.CLASSIFICATION: "classes",
    Task.PROPOSALS: "proposals",
    Task.LOCALIZATION: "detections",
    Task.CAPTIONING: "captions",
}


class Tables(Enum):
    """Files about all videos together; the value is the name on the command line."""

    CSV = "csv"
    LABEL_STUDIO = "label-studio"
    ELAN = "elan"


def write_analysis(
    output: Path,
    predictions: Sequence[Prediction],
    *,
    annotations: Mapping[str, Annotation] | None = None,
    exports: Sequence[Export] = (Export.VTT, Export.SRT),
    tables: Sequence[Tables] = (),
    layout: Layout = Layout.BEST,
) -> None:
    """Write what was found in videos; each file appears complete or not at all.

    TASK.json for every task that a system serves, videos.json with the videos' files, index.html, and as asked for:
    VIDEO.vtt and other exports of the captions (or of the best detections where there are none), captions.csv or
    actions.csv, label_studio.json, VIDEO.eaf.

    Args:
        output: the folder.
        predictions: one a video.
        annotations: ground truth by video id, for the page.
        exports: files for people, one a video; a summary only where there are captions.
        tables: files for other programs.
        layout: what becomes of texts whose times overlap, in the exports. Even proposals overlap five deep, which no
            player can show; chapters and lines of text cannot overlap and are BEST where this is OVERLAP.
    """
    for task, name in _PARTS.items():
        said = [prediction for prediction in predictions if getattr(prediction, name) is not None]
        if said:
            write_predictions(output / f"{task.value}.json", said, task)
    files = {one.video.video_id: one.video.path for one in predictions if one.video.path is not None}
    write_json(output / VIDEOS, {video_id: str(path.resolve()) for video_id, path in files.items()})
    for prediction in predictions:
        _write_exports(output, prediction, exports, layout)
    if tables:
        _write_tables(output, predictions, tables)
    shown = {video_id: playable(path, output / "previews") for video_id, path in files.items()}
    title = predictions[0].video.video_id if len(predictions) == 1 else f"{len(predictions)} videos"
    write_page(output / "index.html", predictions, annotations=annotations, playable=shown, title=title)


def _write_exports(output: Path, prediction: Prediction, exports: Sequence[Export], layout: Layout) -> None:
    items = prediction.captions if prediction.captions is not None else (prediction.detections or ())[:MOST_DETECTIONS]
    if not items:
        return
    found = Found(items=tuple(items), duration=prediction.video.duration)
    for export in exports:
        if export is Export.SUMMARY and prediction.captions is None:
            continue
        apart = export not in (Export.VTT, Export.SRT) and layout is Layout.OVERLAP
        text = text_of(found, export, layout=Layout.BEST if apart else layout)
        write_text(file_of(output, prediction.video.video_id, export), text)


def _write_tables(output: Path, predictions: Sequence[Prediction], tables: Sequence[Tables]) -> None:
    spoken = [prediction for prediction in predictions if prediction.captions is not None]
    acted = [prediction for prediction in predictions if prediction.detections is not None]
    table: Sentences | Predictions
    if spoken:
        name, table = "captions", sentences_of(spoken)
        rows = [
            (one.video.video_id, *item.segment, item.sentence, item.score)
            for one in spoken
            for item in one.captions or ()
        ]
    elif acted:
        name, table = "actions", predictions_of(acted, Task.LOCALIZATION)
        rows = [
            (one.video.video_id, *item.segment, item.label, item.score)
            for one in acted
            for item in one.detections or ()
        ]
    else:
        return
    if Tables.CSV in tables:
        write_csv(output / f"{name}.csv", ["video", "start", "end", "sentence" if spoken else "label", "score"], rows)
    if Tables.LABEL_STUDIO in tables:
        label_studio.write_predicted(output / "label_studio.json", table)
    if Tables.ELAN in tables:
        elan.write_predicted(output, table)
