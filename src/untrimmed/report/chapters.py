"""Captions and detections as chapters: WebVTT chapters, FFmpeg's metadata, and the lines below a video on the web.

Chapters never overlap: where texts do, a layout decides what becomes of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from untrimmed.caption.layout import Layout, lay_out
from untrimmed.records import Caption, DataError, Detection
from untrimmed.report.clock import clock, milliseconds, short_clock, visible
from untrimmed.report.subtitles import escape


@dataclass(frozen=True)
class Chapter:
    """A part of a video with a title, from start to end in milliseconds."""

    start: int
    end: int
    title: str


def chapters(
    items: Iterable[Caption | Detection], *, duration: float | None = None, layout: Layout = Layout.BEST
) -> tuple[Chapter, ...]:
    """The chapters of captions or detections, in order of time, apart from each other.

    Args:
        items: captions or detections, not both; those without a visible character are left out.
        duration: of the video in seconds; no chapter ends later. None knows no end.
        layout: BEST or FLATTEN.

    Raises:
        DataError: when the layout lets texts overlap, or captions and detections are mixed.
    """
    if layout is Layout.OVERLAP:
        raise DataError("chapters cannot overlap; lay them out as best or flatten")
    items = list(items)
    captions = [item for item in items if isinstance(item, Caption)]
    detections = [item for item in items if isinstance(item, Detection)]
    if captions and detections:
        raise DataError(f"chapters are captions or detections, got {len(captions)} and {len(detections)} of them")
    limit = None if duration is None else milliseconds(duration)
    made: list[Chapter] = []
    laid: list[Caption | Detection] = [*lay_out(captions, layout), *lay_out(detections, layout)]
    for item in laid:
        title = visible(item.sentence if isinstance(item, Caption) else item.label)
        start, end = (max(0, milliseconds(seconds)) for seconds in item.segment)
        end = end if limit is None else min(end, limit)
        if title and start < end:
            made.append(Chapter(start, end, title))
    return tuple(made)


def to_vtt_chapters(found: Sequence[Chapter]) -> str:
    """A WebVTT file for `<track kind="chapters">`: one cue a chapter, its title on one line."""
    cues = [
        f"{number}\n{clock(one.start, '.')} --> {clock(one.end, '.')}\n{escape(one.title)}"
        for number, one in enumerate(found, start=1)
    ]
    return "\n\n".join(["WEBVTT", *cues]) + "\n"


def to_ffmetadata(found: Sequence[Chapter], *, title: str | None = None) -> str:
    """A metadata file that FFmpeg puts into a video: `ffmpeg -i VIDEO -i FILE -map_metadata 1 -codec copy OUT`.

    Args:
        found: chapters.
        title: of the whole video; None leaves the video's own.

    Source: FFmpeg Formats Documentation, section Metadata.
    """
    lines = [";FFMETADATA1"]
    if title is not None:
        lines.append(f"title={_escaped(visible(title))}")
    for one in found:
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={one.start}", f"END={one.end}"]
        lines.append(f"title={_escaped(one.title)}")
    return "\n".join(lines) + "\n"


def to_text(found: Sequence[Chapter]) -> str:
    """One line a chapter, `m:ss title`, as descriptions of videos on the web have them."""
    return "".join(f"{short_clock(one.start / 1000)} {one.title}\n" for one in found)


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "=;#\\" else letter for letter in text)
