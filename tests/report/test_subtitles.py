"""Subtitles: what an independent reader gets back from the files, and what players need."""

import html
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.caption.layout import Layout
from untrimmed.records import Caption, DataError, Detection
from untrimmed.report.subtitles import SubtitleStyle, to_srt, to_vtt, write_srt, write_vtt
from untrimmed.timeline import even_segments


@dataclass(frozen=True)
class Shown:
    """A cue as a player sees it."""

    start: float
    end: float
    lines: tuple[str, ...]


def seconds(clock: str, point: str) -> float:
    found = re.fullmatch(rf"(\d{{2,}}):([0-5]\d):([0-5]\d){re.escape(point)}(\d{{3}})", clock)
    assert found, clock
    hours, minutes, rest, thousandths = map(int, found.groups())
    return hours * 3600 + minutes * 60 + rest + thousandths / 1000


def read_vtt(text: str) -> list[Shown]:
    """A reader after the WebVTT syntax, strict: anything it does not know fails."""
    assert text.startswith("WEBVTT\n")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    shown = []
    for block in text.rstrip("\n").split("\n\n")[1:]:
        timing, *lines = block.split("\n")
        found = re.fullmatch(r"(\S+) --> (\S+)", timing)
        assert found, timing
        assert lines
        assert all("-->" not in line and "<" not in line and ">" not in line for line in lines)
        assert all(re.fullmatch(r"([^&]|&amp;|&lt;|&gt;)*", line) for line in lines)
        start, end = (seconds(clock, ".") for clock in found.groups())
        shown.append(Shown(start, end, tuple(map(html.unescape, lines))))
    return shown


def read_srt(text: str) -> list[Shown]:
    shown = []
    for number, block in enumerate(re.split(r"\n\n", text.rstrip("\n")) if text else [], start=1):
        first, timing, *lines = block.split("\n")
        assert first == str(number)
        found = re.fullmatch(r"(\S+) --> (\S+)", timing)
        assert found, timing
        assert lines
        assert all("-->" not in line for line in lines)
        start, end = (seconds(clock, ",") for clock in found.groups())
        shown.append(Shown(start, end, tuple(lines)))
    return shown


ODD = ["-->", "\n\n", "\r", "\t", "<b>", "&amp;", "\x00", "\u2028", "\x85", " ", "a long-winded word", "NOTE", "1"]
TEXTS = st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=60) | st.sampled_from(ODD)).map("".join)
CAPTIONS = st.builds(
    lambda start, length, text: Caption((start, start + length), 0.5, text),
    st.floats(0, 20000),
    st.floats(0.001, 500),
    TEXTS,
)


def plain(text: str) -> str:
    """A text without what cannot be seen, blanks as one."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@settings(max_examples=150, deadline=None)
@given(captions=st.lists(CAPTIONS, max_size=6))
def test_a_reader_gets_every_text_back_in_order_with_good_times(captions: list[Caption]) -> None:
    visible = [caption for caption in captions if plain(caption.sentence)]
    for shown, back in ((read_vtt(to_vtt(captions)), str), (read_srt(to_srt(captions)), guillemets)):
        assert [cue.start for cue in shown] == sorted(cue.start for cue in shown)
        assert all(cue.start < cue.end for cue in shown)
        assert all(1 <= len(cue.lines) <= 2 for cue in shown)
        assert all(0 < len(line) <= 42 for cue in shown for line in cue.lines)
        letters = sorted("".join("".join(cue.lines).replace(" ", "") for cue in shown))
        assert letters == sorted(back("".join(plain(caption.sentence).replace(" ", "") for caption in visible)))
        starts = {round(caption.segment[0] * 1000) for caption in visible}
        assert starts <= {round(cue.start * 1000) for cue in shown}


def guillemets(text: str) -> str:
    return text.replace("<", "‹").replace(">", "›")


def test_the_text_of_both_files_to_the_letter() -> None:
    captions = [
        Caption((3661.5, 3665.0), 0.9, "She says <b>stop</b> & runs --> away."),
        Caption((0.0, 2.25), 0.9, "A man juggles."),
    ]
    assert to_vtt(captions) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:02.250\nA man juggles.\n\n"
        "01:01:01.500 --> 01:01:05.000\nShe says &lt;b&gt;stop&lt;/b&gt; &amp; runs --&gt; away.\n"
    )
    assert to_srt(captions) == (
        "1\n00:00:00,000 --> 00:00:02,250\nA man juggles.\n\n"
        "2\n01:01:01,500 --> 01:01:05,000\nShe says ‹b›stop‹/b› & runs --› away.\n"
    )


def test_nothing_to_show_gives_an_empty_file_that_is_valid() -> None:
    assert to_vtt([]) == "WEBVTT\n"
    assert to_srt([]) == ""
    assert to_vtt([Caption((0, 1), 0.5, " \n ")]) == "WEBVTT\n"


def test_a_long_text_goes_on_in_cues_that_follow_each_other() -> None:
    text = " ".join(f"word{i:02}" for i in range(30))
    shown = read_vtt(to_vtt([Caption((10.0, 20.0), 0.5, text)]))
    assert len(shown) == 3
    assert " ".join(line for cue in shown for line in cue.lines) == text
    assert shown[0].start == 10
    assert shown[-1].end == 20
    assert all(a.end == b.start for a, b in itertools.pairwise(shown))
    lengths = [sum(map(len, cue.lines)) for cue in shown]
    for cue, length in zip(shown, lengths, strict=True):
        assert cue.end - cue.start == pytest.approx(10 * length / sum(lengths), abs=0.01)


def test_a_short_text_is_shown_a_second_but_not_beyond_the_end() -> None:
    captions = [Caption((1.0, 1.1), 0.5, "Short."), Caption((9.8, 9.9), 0.5, "Last."), Caption((11, 12), 0.5, "Late.")]
    shown = read_vtt(to_vtt(captions, duration=10.0))
    assert [(cue.start, cue.end) for cue in shown] == [(1.0, 2.0), (9.8, 10.0)]
    quick = SubtitleStyle(least_seconds=0.25)
    assert read_vtt(to_vtt(captions[:1], style=quick))[0].end == 1.25


def test_a_text_with_less_than_a_millisecond_a_part_loses_its_end_and_no_time_turns_round() -> None:
    text = " ".join(["word"] * 200)
    shown = read_vtt(to_vtt([Caption((5.0, 5.01), 0.5, text)], duration=5.003))
    assert len(shown) == 3
    assert all(cue.start < cue.end for cue in shown)


def test_detections_show_their_class_and_on_request_their_score() -> None:
    found = [Detection((0.0, 4.0), 0.875, "Long jump")]
    assert read_vtt(to_vtt(found))[0].lines == ("Long jump",)
    assert read_srt(to_srt(found, style=SubtitleStyle(scores=True)))[0].lines == ("Long jump (0.88)",)


def test_without_overlap_the_best_texts_that_fit_beside_each_other_are_shown() -> None:
    captions = [
        Caption((float(a), float(b)), 0.9 if b - a < 13 else 0.1, f"Part {i}.")
        for i, (a, b) in enumerate(even_segments(60.0, 5))
    ]
    assert len(read_vtt(to_vtt(captions))) == 15
    shown = read_srt(to_srt(captions, style=SubtitleStyle(layout=Layout.BEST)))
    assert [(cue.start, cue.end) for cue in shown] == [(0, 12), (12, 24), (24, 36), (36, 48), (48, 60)]


def test_files_are_written_whole_as_utf_8(tmp_path: Path) -> None:
    captions = [Caption((0.0, 2.0), 0.5, "Ein Mädchen springt — 跳.")]
    write_vtt(captions, tmp_path / "a.vtt", duration=1.5)
    write_srt(captions, tmp_path / "a.srt", duration=1.5)
    assert (tmp_path / "a.vtt").read_bytes().decode("utf-8") == to_vtt(captions, duration=1.5)
    assert (tmp_path / "a.srt").read_bytes().decode("utf-8") == to_srt(captions, duration=1.5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.srt", "a.vtt"]


def test_a_layout_without_room_says_so() -> None:
    with pytest.raises(DataError, match="subtitles need width >= 1 and lines >= 1, got 0 and 2"):
        to_vtt([], style=SubtitleStyle(width=0))
