"""What was found in videos as files for people: one file a video, from predictions or from annotations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from untrimmed.caption.layout import Layout
from untrimmed.caption.summary import paragraph
from untrimmed.columns import Predictions, Sentences
from untrimmed.data.conversion import PREDICTED
from untrimmed.data.datasets import read_predictions, read_raw
from untrimmed.data.defects import Policy, to_dataset
from untrimmed.data.formats import recognise
from untrimmed.data.submissions import read_captions
from untrimmed.files import write_text
from untrimmed.records import Caption, DataError, Detection, Task
from untrimmed.report.chapters import chapters, to_ffmetadata, to_text, to_vtt_chapters
from untrimmed.report.subtitles import SubtitleStyle, to_srt, to_vtt


class Export(Enum):
    """The kinds of files; the value is the name on the command line."""

    VTT = "vtt"
    SRT = "srt"
    CHAPTERS = "chapters"
    FFMETADATA = "ffmetadata"
    TEXT = "text"
    SUMMARY = "summary"

    @property
    def ending(self) -> str:
        """What stands behind a video's id in the name of its file."""
        return _ENDINGS[self]


_ENDINGS = {
    Export.VTT: ".vtt",
    Export.SRT: ".srt",
    Export.CHAPTERS: ".chapters.vtt",
    Export.FFMETADATA: ".ffmetadata",
    Export.TEXT: ".txt",
    Export.SUMMARY: ".summary.txt",
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is said about one video.

    Attributes:
        items: captions or detections, in any order.
        duration: of the video in seconds, if it is known.
    """

    items: tuple[Caption | Detection, ...]
    duration: float | None = None


def text_of(found: Found, export: Export, *, layout: Layout = Layout.BEST) -> str:
    """The contents of one file.

    Args:
        found: about a video.
        export: the kind of file.
        layout: what becomes of texts whose times overlap; chapters and lines of text cannot overlap.

    Raises:
        DataError: when a summary is wanted and there are no captions, or chapters are to overlap.
    """
    if export in (Export.VTT, Export.SRT):
        write = to_vtt if export is Export.VTT else to_srt
        return write(found.items, duration=found.duration, style=SubtitleStyle(layout=layout))
    if export is Export.SUMMARY:
        captions = [item for item in found.items if isinstance(item, Caption)]
        if len(captions) < len(found.items):
            raise DataError("a summary is made of captions, got detections")
        return paragraph(captions) + "\n"
    made = chapters(found.items, duration=found.duration, layout=layout)
    writers: dict[Export, Callable[[], str]] = {
        Export.CHAPTERS: lambda: to_vtt_chapters(made),
        Export.FFMETADATA: lambda: to_ffmetadata(made),
        Export.TEXT: lambda: to_text(made),
    }
    return writers[export]()


def file_of(folder: Path, video_id: str, export: Export) -> Path:
    """Where the file of a video lies; ids with folders in them lie in folders below.

    Raises:
        DataError: when an id leads out of the folder.
    """
    place = Path(video_id + export.ending)
    if place.is_absolute() or ".." in place.parts or video_id.startswith(".") or "\0" in video_id:
        raise DataError(f"video_id {video_id!r} must be a name below {folder} to become a file")
    return folder / place


def read_found(
    source: Path, *, policy: Policy = Policy.CLIP, classes: Mapping[str, str] | None = None
) -> dict[str, Found]:
    """What a file says about each video: captions or detections with their scores, or annotations.

    Of annotations the sentences of the first annotator count, and where a data set has none, the instances.

    Args:
        source: a submission for captioning or localization, or annotations in any format.
        policy: what becomes of annotations with defects.
        classes: label in a file of predictions to class name.

    Raises:
        DataError: when the file says nothing with a time, or a predicted segment has no length.
    """
    task = PREDICTED.get(recognise(source))
    if task is Task.CAPTIONING:
        return _from_columns(read_captions(source), source)
    if task is Task.LOCALIZATION:
        return _from_columns(read_predictions(source, task, classes=classes), source)
    if task is not None:
        raise DataError(
            f"{source} is predictions for {task.value}, wanted captions or detections, which have times and words"
        )
    dataset = to_dataset(read_raw(source), policy)
    told = any(any(one.events) for one in dataset.annotations)
    return {
        one.video.video_id: Found(
            items=tuple(Caption(event.segment, 1.0, event.sentence) for event in (one.events or ((),))[0])
            if told
            else tuple(Detection(item.segment, 1.0, item.label) for item in one.instances),
            duration=one.video.duration,
        )
        for one in dataset.annotations
    }


def export_file(
    source: Path,
    target: Path,
    *,
    export: Export,
    layout: Layout = Layout.BEST,
    video: str | None = None,
    policy: Policy = Policy.CLIP,
    classes: Mapping[str, str] | None = None,
) -> str:
    """Read a file and write one file a video.

    Args:
        source: see read_found.
        target: a folder, or a file if it has an ending and there is one video.
        export: the kind of files.
        layout: see text_of.
        video: the id of the only one to write; None writes all.
        policy: see read_found.
        classes: see read_found.

    Returns:
        What was written, in words.

    Raises:
        DataError: when nothing can be read or written so.
    """
    found = read_found(source, policy=policy, classes=classes)
    if video is not None:
        if video not in found:
            raise DataError(f"{source} has no video {video!r}; it has {_some(list(found))}")
        found = {video: found[video]}
    single = target.suffix != "" and not target.is_dir()
    if single and len(found) != 1:
        raise DataError(
            f"{target} is one file, but {source} has {len(found)} videos; name one with --video, or a folder"
        )
    for video_id, one in found.items():
        write_text(target if single else file_of(target, video_id, export), text_of(one, export, layout=layout))
    texts = sum(len(one.items) for one in found.values())
    return f"{texts} texts of {len(found)} videos as {export.value}"


def _from_columns(table: Predictions | Sentences, source: Path) -> dict[str, Found]:
    items: list[list[Caption | Detection]] = [[] for _ in table.video_ids]
    assert table.segments is not None, "captions and detections have segments"
    scores: Sequence[float] = [1.0] * len(table) if table.scores is None else table.scores.tolist()
    for index, (video, (start, end)) in enumerate(zip(table.video.tolist(), table.segments.tolist(), strict=True)):
        try:
            if isinstance(table, Sentences):
                items[video].append(Caption((start, end), scores[index], table.sentences[index]))
            else:
                assert table.label_index is not None, "detections have labels"
                items[video].append(Detection((start, end), scores[index], table.labels[table.label_index[index]]))
        except DataError as error:
            raise DataError(f"{source}, video {table.video_ids[video]}: {error}") from error
    durations = table.durations.tolist() if isinstance(table, Sentences) else []
    found = {video_id: Found(items=tuple(said)) for video_id, said in zip(table.video_ids, items, strict=True)}
    for video_id, duration in zip(table.video_ids, durations, strict=False):
        if duration == duration:  # unknown durations are NaN
            found[video_id] = replace(found[video_id], duration=duration)
    return found


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
