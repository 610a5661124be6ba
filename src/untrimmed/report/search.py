"""Search in everything that was said about videos, with links to the second; a query is words and nothing else."""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from untrimmed.records import DataError
from untrimmed.report.search_index import open_index

BEGIN, END = "\x02", "\x03"
"""Around the words of a hit that were found; no text has these characters."""

_SNIPPET_WORDS = 16


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A text that was found.

    Attributes:
        video_id: of its video.
        kind: caption, action or class.
        segment: seconds.
        score: as the system gave it; None where it gave none.
        text: all of it.
        snippet: the part with the words, each between BEGIN and END.
        link: address of the page, or else of the video's file, at the second where the text begins; None without both.
    """

    video_id: str
    kind: str
    segment: tuple[float, float]
    score: float | None
    text: str
    snippet: str
    link: str | None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a search gave.

    Attributes:
        hits: the best first.
        texts: how many texts were searched.
        every_word: whether each hit has every word; if no text has them all, texts with any of them are hits.
    """

    hits: tuple[Hit, ...]
    texts: int
    every_word: bool


def search(folder: Path, query: str, *, limit: int = 20, phrase: bool = False) -> Result:
    """The texts below a folder of results that have the words of a query.

    Args:
        folder: what `untrimmed analyze` or `untrimmed predict` wrote, or a folder of such folders.
        query: words in any order; case, marks and endings of words do not count, and no character has a meaning.
        limit: most hits, >= 1.
        phrase: whether the words must follow each other as they are.

    Raises:
        DataError: when the query has no word, or there are no results below the folder.
        MissingExtra: when this Python's SQLite has no full-text search.
    """
    words = [word for word in re.findall(r"\w+", query) if any(map(str.isalnum, word))]
    if not words:
        raise DataError(f"a search needs a word, got {query!r}")
    if limit < 1:
        raise DataError(f"a search needs limit >= 1, got {limit}")
    with closing(open_index(folder)) as index:
        texts = int(index.execute("select count(*) from texts").fetchone()[0])
        hits = _hits(index, _quoted(" ".join(words)) if phrase else " AND ".join(map(_quoted, words)), folder, limit)
        every = bool(hits) or phrase or len(words) == 1
        if not every:
            hits = _hits(index, " OR ".join(map(_quoted, words)), folder, limit)
    return Result(hits=tuple(hits), texts=texts, every_word=every)


def _quoted(words: str) -> str:
    """Words as a string of FTS5, in which nothing has a meaning."""
    return '"' + words.replace('"', '""') + '"'


def _hits(index: sqlite3.Connection, expression: str, folder: Path, limit: int) -> list[Hit]:
    rows = index.execute(
        "select video, kind, start, end, score, text, place, media, "
        f"snippet(texts, 0, ?, ?, '…', {_SNIPPET_WORDS}) from texts where texts match ? "
        "order by rank, score desc, video, start limit ?",
        (BEGIN, END, expression, limit),
    )
    return [
        Hit(
            video_id=video,
            kind=kind,
            segment=(start, end),
            score=score,
            text=text,
            snippet=snippet,
            link=_link(folder / place, video, start, media),
        )
        for video, kind, start, end, score, text, place, media, snippet in rows
    ]


def _link(place: Path, video_id: str, start: float, media: str | None) -> str | None:
    time = f"{max(0.0, start):.3f}".rstrip("0").rstrip(".")
    page = (place / "index.html").resolve()
    if page.is_file():
        return f"{page.as_uri()}#v={quote(video_id, safe='')}&t={time}"
    file = None if media is None else (place / media).resolve()
    return f"{file.as_uri()}#t={time}" if file is not None and file.is_file() else None
