"""Tasks of Label Studio: regions with labels, and sentences about them, on the time line of a video, in seconds.

The project's labelling interface is that of INTERFACE: the video's time line is an `Audio` with `Labels`, whose regions
count seconds, and a `TextArea` may say a sentence about each region. A region labelled `event` that has a sentence is
that sentence alone; any other label is an instance. Each annotation of a task is one annotator.

What cannot be kept is refused: regions of `TimelineLabels` count frames at a rate that no file tells, and several
annotators' instances have no place in a data set. Predictions of a task are no truth and are passed over.

Source: https://labelstud.io/guide/task_format and /guide/predictions (JSON), /tags/audio, /tags/textarea (results).
"""

import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from untrimmed.columns import Predictions, Sentences
from untrimmed.data.opening import MAX_ENTRY_BYTES, decode, read_bytes, shown
from untrimmed.data.raw import RawDataset, RawVideo, Span
from untrimmed.data.writing import write_json
from untrimmed.records import DataError, Dataset

EVENT = "event"
"""Label of a region that is there for its sentence."""

INTERFACE = """<View>
  <Video name="video" value="$video" sync="audio"/>
  <Labels name="labels" toName="audio">
    <Label value="event"/>
  </Labels>
  <Audio name="audio" value="$video" sync="video"/>
  <TextArea name="sentence" toName="audio" perRegion="true" editable="true"/>
</View>"""
"""The labelling interface of the files; one `Label` more for each class."""

LOCAL_FILES = "/data/local-files/?d="
"""How Label Studio calls files below the folder that it serves."""

_UPLOAD = 8
"""Letters before the first dash that Label Studio puts in front of the name of an uploaded file."""

_Timed = tuple[float, float, str, float | None]


class _Result(msgspec.Struct, gc=False):
    type: str
    value: msgspec.Raw = msgspec.Raw(b"{}")
    id: str = ""
    original_length: float | None = None


class _Region(msgspec.Struct, gc=False):
    start: float
    end: float
    labels: list[str] = []


class _Words(msgspec.Struct, gc=False):
    text: str | list[str]
    start: float | None = None
    end: float | None = None


class _Annotation(msgspec.Struct, gc=False):
    result: list[_Result]
    was_cancelled: bool = False


class _Task(msgspec.Struct, gc=False):
    data: dict[str, msgspec.Raw]
    annotations: list[_Annotation] = []


def read(path: Path) -> RawDataset:
    """The data set of an export in the format JSON (not JSON-MIN), or of a file of tasks that was written here.

    A video's id is `data.video_id` or the name of its file; its subset is `data.subset` or training.

    Raises:
        DataError: when the file is not in this layout or holds what cannot be kept; the message names the task.
    """
    content = read_bytes(path)
    videos: list[RawVideo] = []
    for number, raw in enumerate(decode(content, list[msgspec.Raw], path=path)):
        at, size = f"$[{number}]", memoryview(raw).nbytes
        if size > MAX_ENTRY_BYTES:
            raise DataError(f"{path} at {at} has {size} bytes, the limit is {MAX_ENTRY_BYTES}")
        videos.append(_video(decode(raw, _Task, path=path, at=at), path, at))
    return RawDataset(name=path.name.split(".")[0], source=path, videos=videos)


def write(path: Path, dataset: Dataset) -> None:
    """Write a data set as annotated tasks, one annotation an annotator; instances are in the first."""
    tasks = []
    for number, one in enumerate(dataset.annotations, start=1):
        tracks: list[list[_Timed]] = [
            [(*event.segment, event.sentence, None) for event in track] for track in one.events
        ]
        instances: list[_Timed] = [(*item.segment, item.label, None) for item in one.instances]
        video, results = one.video, []
        for index, track in enumerate(tracks or [[]]):
            labelled = instances if index == 0 else []
            results.append({"result": _regions(labelled, track, duration=video.duration)})
        name = video.video_id + ".mp4" if video.path is None else video.path.name
        tasks.append(
            _task(number, video.video_id, name, duration=video.duration, subset=video.subset) | {"annotations": results}
        )
    write_json(path, tasks)


def write_predicted(path: Path, table: Predictions | Sentences) -> None:
    """Write predictions with segments as tasks whose regions wait to be corrected (Label Studio's predictions).

    Raises:
        DataError: when the predictions have no segments.
    """
    if table.segments is None:
        raise DataError(f"{path}: predictions without segments have no place on a time line")
    count = len(table.video_ids)
    labelled: list[list[_Timed]] = [[] for _ in range(count)]
    said: list[list[_Timed]] = [[] for _ in range(count)]
    scores: Sequence[float | None] = [None] * len(table) if table.scores is None else table.scores.tolist()
    for index, (video, (start, end)) in enumerate(zip(table.video.tolist(), table.segments.tolist(), strict=True)):
        if isinstance(table, Sentences):
            said[video].append((start, end, table.sentences[index], scores[index]))
        else:
            label = "proposal" if table.label_index is None else table.labels[table.label_index[index]]
            labelled[video].append((start, end, label, scores[index]))
    tasks = []
    for number, video_id in enumerate(table.video_ids):
        duration = float(table.durations[number]) if isinstance(table, Sentences) else math.nan
        regions = _regions(labelled[number], said[number], duration=duration)
        tasks.append(
            _task(number + 1, video_id, video_id + ".mp4", duration=duration, subset="testing")
            | {"predictions": [{"model_version": "untrimmed", "result": regions}]}
        )
    write_json(path, tasks)


def _task(number: int, video_id: str, file: str, *, duration: float, subset: str) -> dict[str, Any]:
    data: dict[str, Any] = {"video": LOCAL_FILES + file, "video_id": video_id, "subset": subset}
    return {"id": number, "data": data | ({"duration": duration} if math.isfinite(duration) else {})}


def _regions(labelled: Sequence[_Timed], said: Sequence[_Timed], *, duration: float) -> list[dict[str, Any]]:
    """Results of Label Studio: a region an instance; a region and its words a sentence."""
    length = {"original_length": duration} if math.isfinite(duration) else {}
    results: list[dict[str, Any]] = []

    def add(region: str, kind: str, value: dict[str, Any], score: float | None) -> None:
        name = "labels" if kind == "labels" else "sentence"
        result: dict[str, Any] = {"id": region, "type": kind, "from_name": name, "to_name": "audio", "value": value}
        results.append(result | length | ({} if score is None else {"score": score}))

    for number, (start, end, label, score) in enumerate(labelled):
        add(f"instance-{number}", "labels", {"start": start, "end": end, "labels": [label], "channel": 0}, score)
    for number, (start, end, sentence, score) in enumerate(said):
        time = {"start": start, "end": end}
        add(f"event-{number}", "labels", {**time, "labels": [EVENT], "channel": 0}, score)
        add(f"event-{number}", "textarea", {**time, "text": [sentence], "channel": 0}, score)
    return results


def _video(task: _Task, path: Path, at: str) -> RawVideo:
    def entry(name: str, kind: Any) -> Any:
        raw = task.data.get(name)
        return None if raw is None else decode(raw, kind | None, path=path, at=f"{at}.data.{name}")

    where = f"{path} at {at}"
    media = next((entry(name, str) for name in ("video", "video_url", "audio") if name in task.data), None)
    video_id = entry("video_id", str) or _file_id(media or "")
    if not video_id:
        raise DataError(f"{where} must name its video in data.video, got {shown(', '.join(task.data)) or 'nothing'}")
    video = RawVideo(video_id=video_id, subset=entry("subset", str) or "training")
    duration = entry("duration", float)
    video.duration = math.nan if duration is None else duration
    done = [one for one in task.annotations if not one.was_cancelled]
    found = [_kept(one, path, at) for one in done]
    labelled = [instances for instances, _ in found if instances]
    if len(labelled) > 1:
        raise DataError(f"{where} has instances of {len(labelled)} annotators, wanted one; keep one annotation a task")
    video.instances = labelled[0] if labelled else []
    video.events = [events for _, events in found]
    while video.events and not video.events[-1]:
        video.events.pop()
    lengths = [result.original_length for one in done for result in one.result if result.original_length]
    if math.isnan(video.duration) and lengths:
        video.duration = lengths[0]
    return video


def _kept(annotation: _Annotation, path: Path, at: str) -> tuple[list[Span], list[Span]]:
    """Instances and sentences of one annotator."""
    where = f"{path} at {at}"
    regions: dict[str, _Region] = {}
    words: dict[str, str] = {}
    for number, result in enumerate(annotation.result):
        key = result.id or f"without an id {number}"
        if result.type == "labels":
            regions[key] = decode(result.value, _Region, path=path, at=f"{at} region {shown(key)}")
        elif result.type == "textarea":
            said = decode(result.value, _Words, path=path, at=f"{at} region {shown(key)}")
            if said.start is None or said.end is None:
                raise DataError(f"{where} says words about the whole video, wanted about a region (perRegion)")
            words[key] = said.text if isinstance(said.text, str) else " ".join(said.text)
            regions.setdefault(key, _Region(said.start, said.end))
        elif result.type == "timelinelabels":
            raise DataError(
                f"{where} counts frames (TimelineLabels) at a rate that the file does not tell; "
                "label the time line with Labels on Audio, which counts seconds"
            )
        else:
            raise DataError(f"{where} holds {shown(result.type)}, wanted labels and textarea on the time line")
    instances, events = [], []
    for key, region in regions.items():
        if key in words:
            events.append(Span(region.start, region.end, words[key]))
        labels = [label for label in region.labels if key not in words or label != EVENT]
        instances += [Span(region.start, region.end, label) for label in labels]
    return instances, events


def _file_id(media: str) -> str:
    """The name of a file without ending, as its address says it; uploads carry eight letters and a dash in front."""
    parts = urlsplit(media)
    place = PurePosixPath(unquote(parts.query.removeprefix("d=") if parts.query.startswith("d=") else parts.path))
    name = place.stem
    uploaded = "upload" in place.parts and len(name) > _UPLOAD + 1 and name[_UPLOAD] == "-"
    return name[_UPLOAD + 1 :] if uploaded else name
