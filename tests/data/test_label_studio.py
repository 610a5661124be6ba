"""Label Studio: what was written is read back to the bit; foreign exports; what cannot be kept is refused in words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.columns import Sentences
from untrimmed.data import label_studio, open_dataset, read_captions, read_predictions, write_predictions
from untrimmed.data.conversion import Target, convert
from untrimmed.data.formats import Format, recognise
from untrimmed.records import (
    Annotation,
    Caption,
    DataError,
    Dataset,
    Detection,
    Event,
    Instance,
    Prediction,
    Task,
    Video,
)

TIMES = st.floats(0, 500, allow_nan=False)
SEGMENTS = st.tuples(TIMES, TIMES).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: (min(pair), max(pair)))
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(str.strip)
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


SPANS = st.lists(st.tuples(SEGMENTS, TEXTS), max_size=3)
VIDEOS = st.lists(
    st.tuples(st.sampled_from(["training", "validation", "testing"]), SPANS, st.lists(SPANS, max_size=3)),
    min_size=1,
    max_size=3,
)


def made(videos: Any) -> Dataset:
    annotations = []
    for number, (subset, instances, tracks) in enumerate(videos):
        while tracks and not tracks[-1]:
            tracks.pop()
        annotations.append(
            Annotation(
                video=Video(video_id=f"video {number}", duration=500.0, subset=subset),
                instances=tuple(Instance(*span) for span in instances),
                events=tuple(tuple(Event(*span) for span in track) for track in tracks),
            )
        )
    return Dataset(name="tasks", annotations=tuple(annotations))


@SETTINGS
@given(videos=VIDEOS)
def test_a_data_set_is_read_back_to_the_bit(tmp_path: Path, videos: Any) -> None:
    path, dataset = tmp_path / "tasks.json", made(videos)
    label_studio.write(path, dataset)
    assert recognise(path) is Format.LABEL_STUDIO
    assert open_dataset(path).annotations == dataset.annotations


def task(*results: Any, **data: Any) -> list[Any]:
    return [
        {"id": 7, "data": {"video": "/data/upload/3/0a1b2c3d-my_clip.mp4"} | data, "annotations": [{"result": results}]}
    ]


REGION = {"type": "labels", "id": "x1", "value": {"start": 1.25, "end": 3.5, "labels": ["Jump", "Run"], "channel": 0}}
WORDS = {"type": "textarea", "id": "x1", "value": {"start": 1.25, "end": 3.5, "text": ["A man jumps."]}}


def test_an_export_of_label_studio_itself(tmp_path: Path) -> None:
    path = tmp_path / "project-3.json"
    exported = task({**REGION, "original_length": 12.5, "origin": "manual"}, WORDS)
    exported[0] |= {"predictions": [{"result": [REGION]}], "created_at": "2026-01-01", "total_annotations": 1}
    exported[0]["annotations"].append({"was_cancelled": True, "result": [REGION]})
    path.write_text(json.dumps(exported))
    (one,) = open_dataset(path).annotations
    assert one.video == Video(video_id="my_clip", duration=12.5, subset="training")
    assert one.instances == (Instance((1.25, 3.5), "Jump"), Instance((1.25, 3.5), "Run"))
    assert one.events == ((Event((1.25, 3.5), "A man jumps."),),)


@pytest.mark.parametrize(
    ("media", "video_id"),
    [
        ("/data/local-files/?d=clips/kitchen%2001.mp4", "kitchen 01"),
        ("https://example.com/a/b/kitchen.webm?token=1", "kitchen"),
        ("s3://bucket/0a1b2c3d-kitchen.mp4", "0a1b2c3d-kitchen"),
        ("/data/upload/1/0a1b2c3d-kitchen-2.mp4", "kitchen-2"),
    ],
)
def test_the_id_is_the_name_of_the_file(tmp_path: Path, media: str, video_id: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(task(REGION, video=media, duration=9)))
    assert open_dataset(path).videos[0].video_id == video_id


def test_several_annotators_of_sentences(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    tasks = task(REGION, WORDS, duration=9)
    event = {**REGION, "value": {**REGION["value"], "labels": [label_studio.EVENT]}}  # type: ignore[dict-item]
    tasks[0]["annotations"].append({"result": [event, WORDS]})
    path.write_text(json.dumps(tasks))
    (one,) = open_dataset(path).annotations
    assert len(one.events) == 2
    assert len(one.instances) == 2
    tasks[0]["annotations"].append({"result": [REGION]})
    path.write_text(json.dumps(tasks))
    with pytest.raises(DataError, match=r"a.json at \$\[0\] has instances of 2 annotators, wanted one"):
        open_dataset(path)


REFUSED = {
    "frames": (
        task({"type": "timelinelabels", "value": {"ranges": [{"start": 1, "end": 9}], "timelinelabels": ["x"]}}),
        r"a.json at \$\[0\] counts frames \(TimelineLabels\) at a rate that the file does not tell",
    ),
    "choices": (task({"type": "choices", "value": {"choices": ["x"]}}), "holds choices, wanted labels and textarea"),
    "the whole": (
        task({"type": "textarea", "value": {"text": ["A day."]}}),
        "says words about the whole video, wanted about a region",
    ),
    "no video": ([{"data": {"image": "a.png"}, "annotations": []}], "must name its video in data.video, got image"),
    "words for times": (
        task({"type": "labels", "id": "q", "value": {"start": "one", "end": 2, "labels": ["x"]}}),
        r"a.json at \$\[0\] region q.start: expected float, got str",
    ),
    "no list": (
        [{"data": {"video": "a.mp4"}, "annotations": 3}],
        r"a.json at \$\[0\].annotations: expected array, got int",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_kept_is_refused(tmp_path: Path, name: str) -> None:
    content, words = REFUSED[name]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=words) as error:
        open_dataset(path)
    assert len(str(error.value).splitlines()) == 1


def predicted(path: Path, task: Task) -> None:
    video = Video(video_id="one", duration=20.0)
    write_predictions(
        path,
        [
            Prediction(
                video=video,
                detections=(Detection((0.1, 2.0), 0.75, "Jump"),),
                captions=(Caption((0.3, 4.0), 0.5, "A man jumps."),),
            )
        ],
        task,
    )


def test_predictions_wait_to_be_corrected_and_are_no_truth(tmp_path: Path) -> None:
    for kind, source in ((Task.CAPTIONING, "c.json"), (Task.LOCALIZATION, "d.json")):
        predicted(tmp_path / source, kind)
        convert(tmp_path / source, tmp_path / "tasks.json", to=Target.LABEL_STUDIO)
        (one,) = json.loads((tmp_path / "tasks.json").read_text())
        results = one["predictions"][0]["result"]
        if kind is Task.CAPTIONING:
            assert [item["type"] for item in results] == ["labels", "textarea"]
            assert results[0]["id"] == results[1]["id"]
            assert results[1]["value"]["text"] == ["A man jumps."]
        else:
            assert results[0]["value"] == {"start": 0.1, "end": 2.0, "labels": ["Jump"], "channel": 0}
            assert results[0]["score"] == 0.75
        assert label_studio.read(tmp_path / "tasks.json").videos[0].instances == []
    assert read_captions(tmp_path / "c.json").video_ids == ("one",)
    assert read_predictions(tmp_path / "d.json", Task.LOCALIZATION).video_ids == ("one",)


def test_known_durations_are_written_and_untimed_predictions_are_refused(tmp_path: Path) -> None:
    table = Sentences(
        video_ids=("one",),
        durations=np.array([8.5]),
        video=np.array([0]),
        segments=np.array([[1.0, 2.0]]),
        sentences=("A.",),
    )
    label_studio.write_predicted(tmp_path / "a.json", table)
    assert label_studio.read(tmp_path / "a.json").videos[0].duration == 8.5
    source = tmp_path / "classes.json"
    source.write_text('{"version": "1", "external_data": {}, "results": {"one": [{"label": "x", "score": 0.5}]}}')
    with pytest.raises(DataError, match="predictions without segments have no place on a time line"):
        convert(source, tmp_path / "b.json", to=Target.LABEL_STUDIO)


def refusal(call: Callable[[], object]) -> str | None:
    """What the DataError says, or None if there is none; any other error fails the test."""
    try:
        call()
    except DataError as error:
        return str(error)
    return None


@SETTINGS
@given(
    place=st.integers(0, 400),
    piece=st.sampled_from(["", "null", '"', "[", "}", "1e999", "\\", "-"]),
    cut=st.integers(0, 30),
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, place: int, piece: str, cut: int) -> None:
    text = json.dumps(task(REGION, WORDS, duration=9))
    path = tmp_path / "a.json"
    path.write_text(text[:place] + piece + text[place + cut :])
    words = refusal(lambda: open_dataset(path))
    assert words is None or len(words.splitlines()) == 1


def test_the_interface_names_what_the_files_name() -> None:
    from xml.etree import ElementTree

    root = ElementTree.fromstring(label_studio.INTERFACE)
    names = {element.get("name"): element.tag for element in root if element.get("name")}
    assert names == {"video": "Video", "labels": "Labels", "audio": "Audio", "sentence": "TextArea"}
