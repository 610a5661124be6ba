"""untrimmed search: what is found and linked, that no query breaks it, and that the index follows the results."""

import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.cli import call
from untrimmed.data import write_predictions
from untrimmed.records import Caption, ClassScores, DataError, Detection, MissingExtra, Prediction, Task, Video
from untrimmed.report import search_index
from untrimmed.report.search import BEGIN, END, search
from untrimmed.report.search_index import INDEX


def wrote(folder: Path, captions: Sequence[Caption], video_id: str = "kitchen 01") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    video = Video(video_id=video_id, duration=60.0)
    write_predictions(folder / "captioning.json", [Prediction(video=video, captions=tuple(captions))], Task.CAPTIONING)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "analysis"
    wrote(
        folder / "first",
        [
            Caption((2.5, 9.0), 0.5, "A man opens a door slowly."),
            Caption((12.0, 20.0), 0.25, "A woman is opening the window [red]today[/red]."),
            Caption((9.0, 14.0), 0.5, "A man opens a door slowly."),
        ],
    )
    (folder / "first" / "index.html").write_text("page")
    video = Video(video_id="garden", duration=60.0)
    said = Prediction(
        video=video,
        detections=(Detection((30.0, 40.25), 0.5, "Opening doors"), Detection((1.0, 2.0), 0.5, "Digging")),
        classes=ClassScores({"Gardening": 0.75, "Cooking": 0.25}),
    )
    (folder / "second").mkdir()
    write_predictions(folder / "second" / "localization.json", [said], Task.LOCALIZATION)
    write_predictions(folder / "second" / "classification.json", [said], Task.CLASSIFICATION)
    media = folder / "second" / "garden.mp4"
    media.write_bytes(b"film")
    (folder / "second" / "videos.json").write_text(json.dumps({"garden": str(media)}))
    return folder


def test_every_form_of_the_words_is_found_and_linked_to_its_second(results: Path) -> None:
    found = search(results, "opens a DOOR!")
    assert found.every_word
    assert found.texts == 5  # the two sentences that touch and say the same are one text
    (hit,) = found.hits
    assert (hit.video_id, hit.kind, hit.segment) == ("kitchen 01", "caption", (2.5, 14.0))
    assert hit.snippet == f"{BEGIN}A{END} man {BEGIN}opens{END} {BEGIN}a{END} {BEGIN}door{END} slowly."
    assert hit.link == f"{(results / 'first' / 'index.html').as_uri()}#v=kitchen%2001&t=2.5"
    doors = search(results, "door open")
    assert {item.video_id for item in doors.hits} == {"kitchen 01", "garden"}
    (action,) = [item for item in doors.hits if item.kind == "action"]
    assert action.link == f"{(results / 'second' / 'garden.mp4').as_uri()}#t=30"
    (whole,) = search(results, "gardening").hits
    assert (whole.kind, whole.segment, whole.text) == ("class", (0.0, 0.0), "Gardening")
    assert search(results, "cooking").hits == ()


def test_texts_with_some_words_where_none_has_all(results: Path) -> None:
    found = search(results, "woman door")
    assert not found.every_word
    assert {hit.video_id for hit in found.hits} == {"kitchen 01", "garden"}
    assert search(results, "door slowly", phrase=True).hits
    assert not search(results, "slowly door", phrase=True).hits
    assert len(search(results, "door", limit=1).hits) == 1


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.text(max_size=20)
    | st.lists(st.sampled_from(['"', "NEAR(", "door", "*", "AND", "OR", "NOT", "text:", "-", "^", "'", ")", "\0"])).map(
        " ".join
    ),
    phrase=st.booleans(),
)
def test_no_query_has_a_meaning_or_breaks_the_search(results: Path, query: str, phrase: bool) -> None:
    if any(map(str.isalnum, query)):
        assert len(search(results, query, phrase=phrase).hits) <= 20
    else:
        with pytest.raises(DataError, match="a search needs a word, got"):
            search(results, query, phrase=phrase)


def test_the_index_is_kept_and_made_again_when_results_change(results: Path) -> None:
    search(results, "door")
    index = results / INDEX
    kept = index.stat().st_mtime_ns, index.stat().st_ino
    search(results, "window")
    assert (index.stat().st_mtime_ns, index.stat().st_ino) == kept
    wrote(results / "third" / "deep", [Caption((0.0, 1.0), 0.5, "A cat sleeps.")], "cat")
    (hit,) = search(results, "sleeping cats").hits
    assert hit.link is None
    (results / "third" / "deep" / "captioning.json").unlink()
    assert search(results, "cat").hits == ()
    before = (results / "first" / "captioning.json").stat()
    wrote(results / "first", [Caption((2.5, 9.0), 0.5, "A dog opens a door slowly.")])
    os.utime(results / "first" / "captioning.json", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert search(results, "dog").hits
    assert [path.name for path in results.iterdir() if path.is_file()] == [INDEX]  # no part is left


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 5000])
def test_a_damaged_index_is_made_again(results: Path, content: bytes) -> None:
    (results / INDEX).write_bytes(content)
    assert search(results, "door").hits
    with sqlite3.connect(results / INDEX) as index:
        assert index.execute("select count(*) from texts").fetchone() == (5,)
    index.close()


def test_a_folder_that_cannot_be_written_is_searched_in_memory(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(search_index, "replacing", refuse)
    assert search(results, "door").hits
    assert not (results / INDEX).exists()


def test_the_command_prints_lines_or_json(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["search", "opens window", str(results)]) == 0
    text = capsys.readouterr().out
    assert "kitchen 01  0:12-0:20  caption  A woman is opening the window [red]today[/red]." in text
    assert "index.html#v=kitchen%2001&t=12" in text
    assert call(["search", "woman door", str(results)]) == 0
    assert "no text has all of these words" in capsys.readouterr().out
    assert call(["search", "gardening", str(results)]) == 0
    assert "garden  whole  class  Gardening" in capsys.readouterr().out
    assert call(["search", "window", str(results), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["start"], row["end"], row["score"]) == (12.0, 20.0, 0.25)
    assert call(["search", "zebra", str(results)]) == 1
    assert "nothing found for 'zebra' in 5 texts" in capsys.readouterr().out


def test_the_words_of_mistakes(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    cases = [
        (["search", "?!", str(results)], "a search needs a word, got '?!'"),
        (["search", "door", str(tmp_path / "none")], "none must be a folder of results, it is not there"),
        (["search", "door", str(tmp_path / "empty")], "must hold results (captioning.json, localization.json,"),
        (["search", "door", str(results), "--limit", "0"], "a search needs limit >= 1, got 0"),
    ]
    for words, message in cases:
        assert call(words) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    (results / "first" / "captioning.json").write_text('{"results": 3}')
    assert call(["search", "door", str(results)]) == 2
    assert "captioning.json" in capsys.readouterr().err


class Bare(sqlite3.Connection):
    """An SQLite that was built without full-text search."""

    def execute(self, words: str, *values: Any) -> sqlite3.Cursor:
        if "fts5" in words:
            raise sqlite3.OperationalError("no such module: fts5")
        return super().execute(words, *values)


def test_a_python_without_full_text_search_is_told(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    made: list[sqlite3.Connection] = []

    def bare(*words: Any, **options: Any) -> sqlite3.Connection:
        made.append(connect(*words, **options, factory=Bare))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", bare)
    with pytest.raises(MissingExtra, match="search needs a Python whose SQLite has FTS5"):
        search(results, "door")
    for one in made:
        one.close()
    assert not (results / INDEX).exists()
