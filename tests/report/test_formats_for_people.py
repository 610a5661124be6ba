"""Subtitles, chapters and text for people, read back by other readers; conversion and analysis by command."""

import itertools
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.caption.layout import Layout, flatten, one_at_a_time
from untrimmed.cli import call
from untrimmed.data import elan, label_studio, write_predictions
from untrimmed.media.info import probe
from untrimmed.records import Caption, DataError, Detection, Prediction, Task, Video
from untrimmed.report.analysis import Tables, write_analysis
from untrimmed.report.chapters import chapters, to_ffmetadata, to_text, to_vtt_chapters
from untrimmed.report.exports import Export, Found, export_file, file_of, text_of
from untrimmed.report.subtitles import to_srt, to_vtt

CAPTIONS = (
    Caption((0.0, 4.5), 0.5, "A man opens a door & <waves>."),
    Caption((3.25, 6.0), 0.75, "He runs; key = 1 # \\ done"),
    Caption((3661.5, 3670.0), 0.25, "The end."),
)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


def test_webvtt_py_and_pysubs2_read_the_subtitles() -> None:
    webvtt = pytest.importorskip("webvtt", reason="needs webvtt-py to read subtitles")
    pysubs2 = pytest.importorskip("pysubs2", reason="needs pysubs2 to read subtitles")
    times = [(int(1000 * start), int(1000 * end)) for start, end in (caption.segment for caption in CAPTIONS)]
    for text, form in ((to_vtt(CAPTIONS), "vtt"), (to_srt(CAPTIONS), "srt")):
        read = pysubs2.SSAFile.from_string(text, format_=form)
        assert [(line.start, line.end) for line in read] == times
        assert read[2].plaintext == "The end."
    cues = webvtt.from_string(to_vtt(CAPTIONS)).captions
    assert [round(1000 * cue.start_in_seconds + cue.start_time.milliseconds) for cue in cues] == [
        start for start, _ in times
    ]
    assert [cue.text for cue in cues][1:] == ["He runs; key = 1 # \\ done", "The end."]
    parts = webvtt.from_string(to_vtt_chapters(chapters(CAPTIONS))).captions
    assert [part.identifier for part in parts] == ["1", "2"]


@settings(max_examples=100, deadline=None)
@given(
    items=st.lists(st.tuples(st.floats(0, 5000), st.floats(0.001, 99), TEXTS), max_size=6),
    layout=st.sampled_from([Layout.BEST, Layout.FLATTEN]),
)
def test_chapters_are_in_order_apart_and_have_a_title(items: list[tuple[float, float, str]], layout: Layout) -> None:
    captions = [Caption((start, start + length), 0.5, text) for start, length, text in items]
    made = chapters(captions, duration=4000.0, layout=layout)
    assert all(a.end <= b.start for a, b in itertools.pairwise(made))
    assert all(0 <= one.start < one.end <= 4_000_000 and one.title.strip() for one in made)
    for text in (to_vtt_chapters(made), to_ffmetadata(made), to_text(made)):
        assert text.isprintable() or all(part.isprintable() for part in text.split("\n"))
    assert len(to_text(made).splitlines()) == len(made)
    assert to_vtt_chapters(made).count(" --> ") == len(made)
    assert to_ffmetadata(made).count("\n[CHAPTER]\n") == len(made)


def test_the_text_of_chapters_to_the_letter() -> None:
    made = chapters(CAPTIONS, layout=Layout.FLATTEN)
    assert [(one.start, one.end) for one in made] == [(0, 3250), (3250, 4500), (4500, 6000), (3661500, 3670000)]
    assert to_text(made).splitlines()[0] == "0:00 A man opens a door & <waves>."
    assert to_text(made).splitlines()[3] == "1:01:01 The end."
    assert to_vtt_chapters(made).startswith(
        "WEBVTT\n\n1\n00:00:00.000 --> 00:00:03.250\nA man opens a door &amp; &lt;waves&gt;.\n\n2\n"
    )
    assert to_ffmetadata(made[2:], title="a=b").startswith(
        ";FFMETADATA1\ntitle=a\\=b\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=4500\nEND=6000\n"
        "title=He runs\\; key \\= 1 \\# \\\\ done\n[CHAPTER]"
    )
    found = [Detection((0.0, 2.0), 0.5, "Long jump")]
    assert to_text(chapters(found)) == "0:00 Long jump\n"
    assert to_vtt_chapters(()) == "WEBVTT\n"
    with pytest.raises(DataError, match="chapters cannot overlap; lay them out as best or flatten"):
        chapters(found, layout=Layout.OVERLAP)
    with pytest.raises(DataError, match="chapters are captions or detections, got 3 and 1 of them"):
        chapters([*CAPTIONS, *found])


def test_ffmpeg_reads_the_metadata(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.ffmetadata"
    path.write_text(to_ffmetadata(chapters(CAPTIONS), title="One; two"))
    with av.open(str(path), format="ffmetadata") as read:
        assert read.metadata["title"] == "One; two"
        found = [(one["start"], one["end"], one["metadata"]["title"]) for one in read.chapters()]
    chosen = one_at_a_time(CAPTIONS)
    assert found == [(round(1000 * one.segment[0]), round(1000 * one.segment[1]), one.sentence) for one in chosen]


def said(path: Path, ids: tuple[str, ...] = ("one", "two")) -> Path:
    predictions = [Prediction(video=Video(video_id=name, duration=9.0), captions=CAPTIONS[:2]) for name in ids]
    write_predictions(path, predictions, Task.CAPTIONING)
    return path


@pytest.mark.parametrize("export", Export)
def test_predictions_become_one_file_a_video(tmp_path: Path, export: Export) -> None:
    words = ["convert", str(said(tmp_path / "said.json")), str(tmp_path / "out"), "--to", export.value]
    assert call([*words, "--layout", "flatten"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"one{export.ending}", f"two{export.ending}"]
    text = (tmp_path / "out" / f"two{export.ending}").read_text()
    assert text == text_of(Found(items=CAPTIONS[:2]), export, layout=Layout.FLATTEN)
    assert "man opens a door" in text


def test_one_video_becomes_one_file_told_by_its_ending(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = said(tmp_path / "said.json")
    assert call(["convert", str(source), str(tmp_path / "a.srt")]) == 2
    assert "is one file, but" in capsys.readouterr().err
    assert call(["convert", str(source), str(tmp_path / "a.srt"), "--video", "one", "--layout", "overlap"]) == 0
    assert (tmp_path / "a.srt").read_text() == to_srt(CAPTIONS[:2])
    assert call(["convert", str(source), str(tmp_path / "a.srt"), "--video", "six"]) == 2
    assert "has no video 'six'; it has one, two" in capsys.readouterr().err


def test_annotations_and_detections_too(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("video,start,end,sentence,duration\none,0,4.5,A man waves.,9\none,5,20,He runs.,9\n")
    assert export_file(table, tmp_path / "a.vtt", export=Export.VTT) == "2 texts of 1 videos as vtt"
    assert "00:00:05.000 --> 00:00:09.000\nHe runs." in (tmp_path / "a.vtt").read_text()
    table.write_text("video,start,end,label,duration\none,0,4.5,wave,9\n")
    export_file(table, tmp_path / "a.txt", export=Export.TEXT)
    assert (tmp_path / "a.txt").read_text() == "0:00 wave\n"
    with pytest.raises(DataError, match="a summary is made of captions, got detections"):
        export_file(table, tmp_path / "a.txt", export=Export.SUMMARY)
    bad = tmp_path / "bad.json"
    bad.write_text(
        '{"version": "1", "external_data": {}, "results": {"one": [{"label": "x", "score": 0.5, "segment": [3, 1]}]}}'
    )
    with pytest.raises(DataError, match=r"bad.json, video one: segment of a detection of 'x' must have start < end"):
        export_file(bad, tmp_path / "b.vtt", export=Export.VTT)
    bad.write_text('{"version": "1", "external_data": {}, "results": {"one": [{"label": "x", "score": 0.5}]}}')
    with pytest.raises(DataError, match="is predictions for classification, wanted captions or detections"):
        export_file(bad, tmp_path / "b.vtt", export=Export.VTT)


@pytest.mark.parametrize("name", ["../one", "/etc/one", ".hidden", "a/../../b"])
def test_ids_never_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="must be a name below"):
        file_of(tmp_path, name, Export.SRT)
    assert file_of(tmp_path, "a/b.mp4", Export.SRT) == tmp_path / "a" / "b.mp4.srt"


def test_an_analysis_has_the_files_that_were_asked_for(tmp_path: Path) -> None:
    predictions = [
        Prediction(video=Video(video_id="one", duration=9.0), captions=CAPTIONS[:2]),
        Prediction(video=Video(video_id="two", duration=9.0), detections=(Detection((1.0, 2.0), 0.5, "Jump"),)),
    ]
    write_analysis(tmp_path, predictions, exports=list(Export), tables=list(Tables), layout=Layout.OVERLAP)
    names = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert names == {
        "captioning.json", "localization.json", "videos.json", "index.html", "captions.csv", "label_studio.json",
        "one.eaf", *(f"one{export.ending}" for export in Export),
        *(f"two{export.ending}" for export in Export if export is not Export.SUMMARY),
    }  # fmt: skip
    assert (tmp_path / "one.vtt").read_text() == to_vtt(CAPTIONS[:2], duration=9.0)
    assert (tmp_path / "captions.csv").read_text().splitlines()[0] == "video,start,end,sentence,score"
    assert len(elan.read(tmp_path / "one.eaf").videos[0].events[0]) == 2
    assert label_studio.read(tmp_path / "label_studio.json").videos[0].duration == 9.0
    only = tmp_path / "actions"
    write_analysis(only, predictions[1:], tables=[Tables.CSV])
    assert (only / "actions.csv").read_text() == "video,start,end,label,score\ntwo,1.0,2.0,Jump,0.5\n"


class Speaks:
    """Stands for a trained captioning system."""

    number = 22

    def predict(self, videos: Any, *, store: object) -> Any:
        for video in videos:
            yield Prediction(video=video, captions=(Caption((0.0, video.duration), 0.5, "Squares move about."),))


def test_one_command_captions_an_own_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    from untrimmed.media.writer import write_video

    video = tmp_path / "my holiday.mp4"
    write_video(video, iter(np.zeros((10, 48, 64, 3), dtype=np.uint8)), fps=10.0)
    (tmp_path / "captions").mkdir()
    (tmp_path / "captions" / "config.json").write_text("{}")
    catalogue = ModuleType("untrimmed.systems.catalogue")  # the real one brings all systems along
    vars(catalogue)["load_system"] = lambda folder: Speaks()
    monkeypatch.setitem(sys.modules, catalogue.__name__, catalogue)
    output = tmp_path / "out"
    words = ["analyze", str(video), "--systems", str(tmp_path / "captions"), "--output", str(output)]
    assert call([*words, "--formats", "srt", "summary", "text", "--layout", "flatten"]) == 0
    assert (output / "my holiday.summary.txt").read_text() == "Squares move about.\n"
    assert (output / "my holiday.txt").read_text() == "0:00 Squares move about.\n"
    assert not (output / "my holiday.vtt").exists()
    assert json.loads((output / "videos.json").read_text()) == {"my holiday": str(video)}
    assert probe(video).duration == pytest.approx(1.0)
    capsys.readouterr()
    assert call(["search", "moving squares", str(output)]) == 0
    assert f"{(output / 'index.html').as_uri()}#v=my%20holiday&t=0" in capsys.readouterr().out


def test_the_page_opens_at_the_video_and_second_of_its_address(browser: Any, tmp_path: Path) -> None:
    predictions = [
        Prediction(video=Video(video_id=name, duration=90.0), captions=flatten(CAPTIONS[:2]))
        for name in ("one", "two/a")
    ]
    write_analysis(tmp_path, predictions)
    page = browser.new_page()
    page.goto(f"{(tmp_path / 'index.html').as_uri()}#v=two%2Fa&t=65.5")
    assert page.locator("#videos").input_value() == "1"
    assert page.locator("#clock").inner_text().startswith("1:05")
    page.evaluate("location.hash = 'v=one&t=3'")
    page.wait_for_function("document.getElementById('clock').textContent.startsWith('0:03')")
    assert page.locator("#videos").input_value() == "0"
    page.close()
