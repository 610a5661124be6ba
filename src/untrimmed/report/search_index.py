"""An index of everything that was said about videos, beside the results and made again whenever they change.

It is one SQLite file with a full-text table (FTS5, words reduced to their stems), which appears complete or not at all;
where the folder cannot be written to, it is made in memory for the one search.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from untrimmed.caption.layout import merge_identical
from untrimmed.data.datasets import read_predictions
from untrimmed.data.opening import decode, read_bytes
from untrimmed.data.submissions import read_captions
from untrimmed.files import replacing
from untrimmed.records import Caption, DataError, MissingExtra, Task
from untrimmed.report.clock import visible

INDEX = "search.sqlite"
"""Name of the index in the folder of results."""

VIDEOS = "videos.json"
"""Beside results: the files of the videos, id to path, as `untrimmed analyze` writes it."""

KINDS = {Task.CAPTIONING: "caption", Task.LOCALIZATION: "action", Task.CLASSIFICATION: "class"}
"""What is searched, by the task whose file TASK.json holds it; of classes the best of a video."""

_LAYOUT = 1
"""Changes with the columns, so that an index of an older version is made again."""


def open_index(folder: Path) -> sqlite3.Connection:
    """The index of a folder, made again if the results are not those that it was made of.

    Raises:
        DataError: when there are no results below the folder, or one cannot be read.
        MissingExtra: when this Python's SQLite has no full-text search.
    """
    sources = _sources(folder)
    state = _state(folder, sources)
    path = folder / INDEX
    if path.is_file():
        found: sqlite3.Connection | None = None
        try:
            found = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
            if found.execute("select state from made").fetchone() == (state,):
                return found
        except sqlite3.DatabaseError:
            pass  # damaged or of another kind: it is made again
        if found is not None:
            found.close()
    rows = list(_rows(folder, sources))
    try:
        with replacing(path) as part:
            with closing(sqlite3.connect(part)) as index:
                _fill(index, rows, state)
            part.chmod(0o644)
    except OSError:
        pass  # a folder that is only read
    except sqlite3.OperationalError as error:
        if "unable to open" not in str(error):
            raise
    else:
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    index = sqlite3.connect(":memory:")
    _fill(index, rows, state)
    return index


def _sources(folder: Path) -> list[tuple[Path, Task]]:
    if not folder.is_dir():
        raise DataError(f"{folder} must be a folder of results, it is not there")
    names = {f"{task.value}.json": task for task in KINDS}
    found = [
        (path, names[path.name]) for path in sorted(folder.rglob("*.json")) if path.name in names and path.is_file()
    ]
    if not found:
        raise DataError(f"{folder} must hold results ({', '.join(names)}), got none; untrimmed analyze writes them")
    return found


def _state(folder: Path, sources: list[tuple[Path, Task]]) -> str:
    """What tells whether results have changed: names, sizes and times of the files."""
    lines = [f"layout {_LAYOUT}"]
    for path in sorted({*(path for path, _ in sources), *(path.parent / VIDEOS for path, _ in sources)}):
        if path.is_file():
            facts = path.stat()
            lines.append(f"{path.relative_to(folder).as_posix()} {facts.st_size} {facts.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _fill(index: sqlite3.Connection, rows: list[tuple[object, ...]], state: str) -> None:
    try:
        index.execute("pragma journal_mode = off")  # the file is thrown away unless it is whole
        index.execute(
            "create virtual table texts using fts5(text, video unindexed, kind unindexed, start unindexed, "
            "end unindexed, score unindexed, place unindexed, media unindexed, tokenize = 'porter unicode61')"
        )
    except sqlite3.OperationalError as error:
        if "fts5" in str(error):
            raise MissingExtra("search needs a Python whose SQLite has FTS5; those of python.org have it") from error
        raise
    index.executemany("insert into texts values (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    index.execute("insert into texts(texts) values ('optimize')")
    index.execute("create table made (state text)")
    index.execute("insert into made values (?)", (state,))
    index.commit()


def _rows(folder: Path, sources: list[tuple[Path, Task]]) -> Iterator[tuple[object, ...]]:
    for path, task in sources:
        place = path.parent.relative_to(folder).as_posix()
        media = _media(path.parent / VIDEOS)
        texts = _captions(path) if task is Task.CAPTIONING else _labels(path, task)
        for video_id, start, end, score, text in texts:
            shown = visible(text)
            if shown:
                yield shown, video_id, KINDS[task], start, end, score, place, media.get(video_id)


def _captions(path: Path) -> Iterator[tuple[str, float, float, float | None, str]]:
    """Captions with a segment of some length; neighbours that say the same are one."""
    table = read_captions(path)
    said: list[list[Caption]] = [[] for _ in table.video_ids]
    scores = [0.0] * len(table) if table.scores is None else table.scores.tolist()
    for video, (start, end), score, text in zip(
        table.video.tolist(), table.segments.tolist(), scores, table.sentences, strict=True
    ):
        if start < end:
            said[video].append(Caption((start, end), score, text))
    for video_id, captions in zip(table.video_ids, said, strict=True):
        for one in merge_identical(captions):
            yield video_id, *one.segment, None if table.scores is None else one.score, one.sentence


def _labels(path: Path, task: Task) -> Iterator[tuple[str, float, float, float | None, str]]:
    table = read_predictions(path, task)
    assert table.label_index is not None, "classes and detections have labels"
    best: dict[int, tuple[float, str]] = {}
    for index, (video, label) in enumerate(zip(table.video.tolist(), table.label_index.tolist(), strict=True)):
        score, name = float(table.scores[index]), table.labels[label]
        if table.segments is not None:
            yield table.video_ids[video], *map(float, table.segments[index]), score, name
        elif video not in best or score > best[video][0]:
            best[video] = score, name
    for video, (score, name) in best.items():
        yield table.video_ids[video], 0.0, 0.0, score, name


def _media(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return dict(decode(read_bytes(path), dict[str, str], path=path))
