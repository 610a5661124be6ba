"""Captions and detections as subtitle files: WebVTT and SRT.

Both files play in common players and pass their parsers: cues in order of time, end after start, no empty line and no
"-->" inside a cue, markup characters escaped, hours always written.
"""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from untrimmed.caption.layout import Layout, lay_out
from untrimmed.files import write_text
from untrimmed.records import Caption, DataError, Detection
from untrimmed.report.clock import clock, milliseconds, visible


@dataclass(frozen=True, kw_only=True)
class SubtitleStyle:
    """How cues are laid out."""

    width: int = 42
    """Characters a line, as broadcasters set it."""
    lines: int = 2
    """Lines a cue; a longer text is spread over cues that follow each other within its time."""
    least_seconds: float = 1.0
    """A shorter text is shown this long, as far as the video's duration allows."""
    layout: Layout = Layout.OVERLAP
    """What becomes of texts whose times overlap: WebVTT allows them, most players of SRT show one. Even proposals of
    five levels overlap five-fold at every moment."""
    scores: bool = False
    """Whether the score stands after a detection's class, as in "long jump (0.87)"."""


@dataclass(frozen=True)
class Cue:
    """Text on the screen from start to end, in milliseconds."""

    start: int
    end: int
    lines: tuple[str, ...]


def cues(
    items: Iterable[Caption | Detection], *, duration: float | None = None, style: SubtitleStyle | None = None
) -> Iterator[Cue]:
    """The cues of captions and detections, in order of time.

    Texts without a visible character and items that begin after the video's end are left out. A text of more lines
    than fit is cut into parts that share its time by their lengths.

    Args:
        items: in any order; they may overlap, as WebVTT allows.
        duration: of the video in seconds; no cue ends later. None knows no end.
        style: the layout.
    """
    style = style or SubtitleStyle()
    if style.width < 1 or style.lines < 1:
        raise DataError(f"subtitles need width >= 1 and lines >= 1, got {style.width} and {style.lines}")
    items = list(items)
    items = [
        *lay_out([item for item in items if isinstance(item, Caption)], style.layout),
        *lay_out([item for item in items if isinstance(item, Detection)], style.layout),
    ]
    made: list[Cue] = []
    limit = None if duration is None else milliseconds(duration)
    for item in items:
        start, end = (max(0, milliseconds(seconds)) for seconds in item.segment)
        end = max(end, start + max(1, milliseconds(style.least_seconds)))
        end = end if limit is None else min(end, limit)
        lines = _wrap(_text(item, style=style), width=style.width)
        if lines and start < end:
            made += _spread(lines, start=start, end=end, most=style.lines)
    yield from sorted(made, key=lambda cue: (cue.start, cue.end))


def to_vtt(
    items: Iterable[Caption | Detection], *, duration: float | None = None, style: SubtitleStyle | None = None
) -> str:
    """A WebVTT file; see cues.

    Source: W3C, WebVTT: The Web Video Text Tracks Format, section 4 (syntax).
    """
    blocks = ["WEBVTT"]
    for cue in cues(items, duration=duration, style=style):
        text = "\n".join(escape(line) for line in cue.lines)
        blocks.append(f"{clock(cue.start, '.')} --> {clock(cue.end, '.')}\n{text}")
    return "\n\n".join(blocks) + "\n"


def to_srt(
    items: Iterable[Caption | Detection], *, duration: float | None = None, style: SubtitleStyle | None = None
) -> str:
    """A SubRip file; see cues. Players show cues that overlap one above the other or the last one only.

    SRT has no escapes. Players take <...> for markup, so the angle brackets become the single guillemets ‹ and ›.
    """
    blocks = []
    for number, cue in enumerate(cues(items, duration=duration, style=style), start=1):
        text = "\n".join(line.replace("<", "‹").replace(">", "›") for line in cue.lines)
        blocks.append(f"{number}\n{clock(cue.start, ',')} --> {clock(cue.end, ',')}\n{text}\n")
    return "\n".join(blocks)


def write_vtt(
    items: Iterable[Caption | Detection],
    path: Path,
    *,
    duration: float | None = None,
    style: SubtitleStyle | None = None,
) -> None:
    """Write to_vtt as UTF-8; the file appears complete or not at all."""
    write_text(path, to_vtt(items, duration=duration, style=style))


def write_srt(
    items: Iterable[Caption | Detection],
    path: Path,
    *,
    duration: float | None = None,
    style: SubtitleStyle | None = None,
) -> None:
    """Write to_srt as UTF-8; the file appears complete or not at all."""
    write_text(path, to_srt(items, duration=duration, style=style))


def _text(item: Caption | Detection, *, style: SubtitleStyle) -> str:
    if isinstance(item, Caption):
        return item.sentence
    return f"{item.label} ({item.score:.2f})" if style.scores else item.label


def _wrap(text: str, *, width: int) -> list[str]:
    """Lines of at most `width` characters without control characters; words longer than a line are cut."""
    return textwrap.wrap(visible(text), width=width, break_on_hyphens=False)


def _spread(lines: list[str], *, start: int, end: int, most: int) -> list[Cue]:
    """The lines as cues of at most `most` lines that follow each other; as many as have a millisecond each."""
    groups = [tuple(lines[i : i + most]) for i in range(0, len(lines), most)][: end - start]
    lengths = [sum(map(len, group)) for group in groups]
    spare = end - start - len(groups)
    edges = [start + i + spare * sum(lengths[:i]) // sum(lengths) for i in range(len(groups) + 1)]
    return [Cue(edges[i], edges[i + 1], group) for i, group in enumerate(groups)]


def escape(line: str) -> str:
    """A line as WebVTT has it: the three characters of markup escaped."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
