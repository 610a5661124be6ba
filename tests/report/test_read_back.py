"""Real captions in the files for people, read back by the readers that others wrote: nothing is lost, moved or joined.

webvtt-py and pysubs2 for subtitles, Label Studio's own converter, pympi for ELAN.
"""

import html
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared_folder import shared
from untrimmed.data import captions, elan, label_studio, open_dataset, raw, submissions
from untrimmed.records import Annotation, Caption, Dataset, Event, Instance, Video
from untrimmed.report.subtitles import SubtitleStyle, cues, to_srt, to_vtt

FOLDER = "data/activitynet_captions"
STYLES = (SubtitleStyle(), SubtitleStyle(width=1000, lines=1, least_seconds=0.001))
ODD = "Q&A: he says \"a < b\" <b>twice</b> --> 'stop', 50 % {x} caf\u00e9 \u2013 \u8df3"
Cues = list[tuple[int, int, str]]


@pytest.fixture(scope="module")
def told() -> dict[str, list[Caption]]:
    """Published captions of every 100th video, and one video of odd signs."""
    table = submissions.read_captions(shared(f"{FOLDER}/predictions/bmt_gtprops_val_1.json.gz"))
    found: dict[str, list[Caption]] = {}
    for video, segment, text in zip(table.video.tolist(), table.segments.tolist(), table.sentences, strict=True):
        if video % 100 == 0 and segment[0] < segment[1]:
            found.setdefault(table.video_ids[video], []).append(Caption((segment[0], segment[1]), 0.5, text))
    assert sum(map(len, found.values())) > 100
    return found | {"odd": [Caption((3661.5, 3670.25), 0.5, ODD), Caption((0.125, 9.0), 0.5, ODD)]}


def shown(items: list[Caption], style: SubtitleStyle) -> Cues:
    return [(cue.start, cue.end, "\n".join(cue.lines)) for cue in cues(items, style=style)]


@pytest.mark.parametrize("style", STYLES, ids=["subtitles", "one line a caption"])
def test_webvtt_py_finds_every_cue(told: dict[str, list[Caption]], style: SubtitleStyle) -> None:
    webvtt = pytest.importorskip("webvtt", reason="needs webvtt-py to read subtitles")

    def milliseconds(time: Any) -> int:
        return ((time.hours * 60 + time.minutes) * 60 + time.seconds) * 1000 + time.milliseconds

    for items in told.values():
        read = webvtt.from_string(to_vtt(items, style=style)).captions
        found = [
            (milliseconds(cue.start_time), milliseconds(cue.end_time), html.unescape(cue.raw_text)) for cue in read
        ]
        assert found == shown(items, style)


@pytest.mark.parametrize("style", STYLES, ids=["subtitles", "one line a caption"])
@pytest.mark.parametrize("form", ["vtt", "srt"])
def test_pysubs2_finds_every_cue(told: dict[str, list[Caption]], style: SubtitleStyle, form: str) -> None:
    pysubs2 = pytest.importorskip("pysubs2", reason="needs pysubs2 to read subtitles")
    for items in told.values():
        text = to_vtt(items, style=style) if form == "vtt" else to_srt(items, style=style)
        read = pysubs2.SSAFile.from_string(text, format_=form)
        wanted = shown(items, style)
        if form == "srt":  # which has no escapes
            wanted = [(start, end, line.replace("<", "\u2039").replace(">", "\u203a")) for start, end, line in wanted]
        found = [(line.start, line.end, html.unescape(line.text).replace("\\N", "\n")) for line in read]
        assert found == wanted


@pytest.fixture(scope="module")
def annotated() -> Dataset:
    """Annotated events of every 200th video, with a class for each, and odd signs."""
    whole = captions.read(shared(f"{FOLDER}/val_1.json.gz"))
    whole.videos = whole.videos[::200]
    table = raw.to_references(whole)[0]
    found = []
    for place, name in enumerate(table.video_ids):
        rows = [row for row in range(len(table)) if table.video[row] == place]
        events = tuple(
            Event((start, min(end, float(table.durations[place]))), " ".join(table.sentences[row].split()))
            for row, (start, end) in zip(rows, table.segments[rows].tolist(), strict=True)
        )
        video = Video(video_id=name, duration=float(table.durations[place]), path=Path(f"videos/{name}.mp4"))
        instances = tuple(Instance(event.segment, f"class {number}") for number, event in enumerate(events))
        found.append(Annotation(video=video, instances=instances, events=(events,)))
    odd = replace(found[0].events[0][0], sentence=ODD)
    found.append(Annotation(video=Video(video_id="odd", duration=500.0), events=((odd,),)))
    assert len(found) > 20
    return Dataset(name="val_1", annotations=tuple(found))


def test_the_converter_of_label_studio_finds_every_region(annotated: Dataset, tmp_path: Path) -> None:
    converter = pytest.importorskip(
        "label_studio_converter", reason="needs label-studio-converter to read Label Studio's files"
    )
    path = tmp_path / "tasks.json"
    label_studio.write(path, annotated)
    reader = converter.Converter(label_studio.INTERFACE, str(tmp_path))
    tasks = list(reader.iter_from_json_file(str(path)))
    assert len(tasks) == len(annotated.annotations)
    for task, one in zip(tasks, annotated.annotations, strict=True):
        (events,) = one.events
        assert task["input"]["video"] == f"{label_studio.LOCAL_FILES}{one.video.video_id}.mp4"
        regions = [((region["start"], region["end"]), region["labels"]) for region in task["output"]["labels"]]
        assert regions == [
            *((item.segment, [item.label]) for item in one.instances),
            *((event.segment, [label_studio.EVENT]) for event in events),
        ]
        words = [((said["start"], said["end"]), said["text"]) for said in task["output"]["sentence"]]
        assert words == [(event.segment, [event.sentence]) for event in events]


def test_pympi_finds_every_annotation_and_writes_what_we_read(annotated: Dataset, tmp_path: Path) -> None:
    pympi = pytest.importorskip("pympi", reason="needs pympi-ling to read ELAN's files")
    elan.write(tmp_path / "eaf", annotated)
    for one in annotated.annotations:
        read = pympi.Elan.Eaf(str(tmp_path / "eaf" / f"{one.video.video_id}.eaf"))
        tiers = {name: read.get_annotation_data_for_tier(name) for name in read.get_tier_names()}

        def rows(beginning: str, tiers: dict[str, Any] = tiers) -> Cues:
            return sorted(row for name, own in tiers.items() if name.startswith(beginning) for row in own)

        def wanted(items: list[tuple[tuple[float, float], str]]) -> Cues:
            return sorted((round(1000 * start), round(1000 * end), text) for (start, end), text in items)

        assert rows("actions") == wanted([(item.segment, item.label) for item in one.instances])
        assert rows("sentences-1") == wanted([(event.segment, event.sentence) for event in one.events[0]])
        (tmp_path / "again").mkdir(exist_ok=True)
        read.to_file(str(tmp_path / "again" / f"{one.video.video_id}.eaf"))
    again, before = open_dataset(tmp_path / "again"), open_dataset(tmp_path / "eaf")
    assert again.annotations == before.annotations
