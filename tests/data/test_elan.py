"""ELAN: read back in milliseconds, read by another reader, safe against hostile XML, refusals in words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.data import elan, open_dataset, safe_xml, write_predictions
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

SEGMENTS = st.tuples(st.integers(0, 9000), st.integers(1, 4000)).map(
    lambda pair: (pair[0] / 1000, (pair[0] + pair[1]) / 1000)
)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")), min_size=1, max_size=15).filter(str.strip)
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


SPANS = st.lists(st.tuples(SEGMENTS, TEXTS), max_size=4).map(sorted)
VIDEOS = st.lists(
    st.tuples(st.sampled_from(["training", "testing"]), SPANS, st.lists(SPANS, max_size=2)), min_size=1, max_size=2
)


@SETTINGS
@given(videos=VIDEOS)
def test_a_data_set_is_read_back_to_the_millisecond(tmp_path_factory: pytest.TempPathFactory, videos: Any) -> None:
    folder = tmp_path_factory.mktemp("files") / "set"
    annotations = tuple(
        Annotation(
            video=Video(video_id=f"video {number}", duration=13.0625, subset=subset),
            instances=tuple(Instance(*span) for span in instances),
            events=tuple(tuple(Event(*span) for span in track) for track in tracks),
        )
        for number, (subset, instances, tracks) in enumerate(videos)
    )
    elan.write(folder, Dataset(name="set", annotations=annotations))
    assert recognise(folder) is Format.ELAN
    for found, one in zip(open_dataset(folder).annotations, annotations, strict=True):
        assert found.video == one.video
        assert sorted((item.segment, item.label) for item in found.instances) == [
            (item.segment, item.label) for item in one.instances
        ]
        assert [sorted((item.segment, item.sentence) for item in track) for track in found.events] == [
            [(item.segment, item.sentence) for item in track] for track in one.events
        ]


def test_another_reader_finds_the_same(tmp_path: Path) -> None:
    pympi = pytest.importorskip("pympi", reason="needs pympi-ling to read ELAN's files")
    events = (
        Event((0.5, 4.0), "A man & a <dog> run."),
        Event((3.0, 5.25), 'He says "stop".'),
        Event((4.0, 6.0), "End."),
    )
    dataset = Dataset(
        name="set",
        annotations=(
            Annotation(
                video=Video(video_id="one", duration=20.5, path=Path("videos/one.mp4")),
                instances=(Instance((0.0, 4.25), "Jump"),),
                events=(events,),
            ),
        ),
    )
    elan.write(tmp_path, dataset)
    read = pympi.Elan.Eaf(str(tmp_path / "one.eaf"))
    assert sorted(read.get_tier_names()) == ["actions", "sentences-1", "sentences-1 (2)"]
    assert read.get_annotation_data_for_tier("actions") == [(0, 4250, "Jump")]
    first = read.get_annotation_data_for_tier("sentences-1")
    assert sorted(first) == [(500, 4000, "A man & a <dog> run."), (4000, 6000, "End.")]
    assert read.get_annotation_data_for_tier("sentences-1 (2)") == [(3000, 5250, 'He says "stop".')]
    assert read.get_linked_files()[0]["RELATIVE_MEDIA_URL"] == "./one.mp4"
    read.to_file(str(tmp_path / "again.eaf"))
    again, before = open_dataset(tmp_path / "again.eaf"), open_dataset(tmp_path / "one.eaf")
    assert again.annotations == before.annotations
    assert before.annotations[0].events == (events,)


FOREIGN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
<MEDIA_DESCRIPTOR MEDIA_URL="file:///D:/clips/my%20clip.mp4" MIME_TYPE="video/mp4"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="125"/>
<TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2000"/></TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="hands"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1"
TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>wave</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
</TIER>
<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="Description EN"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2"
TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>She waves.</ANNOTATION_VALUE>
</ALIGNABLE_ANNOTATION></ANNOTATION>
</TIER>
<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""


def test_a_file_of_someone_else(tmp_path: Path) -> None:
    path = tmp_path / "session.eaf"
    path.write_text(FOREIGN)
    raw = elan.read(path).videos[0]
    assert (raw.video_id, raw.subset) == ("my clip", "training")
    assert [(span.start, span.end, span.text) for span in raw.instances] == [(0.125, 2.0, "wave")]
    assert [[span.text for span in track] for track in raw.events] == [["She waves."]]


ENTITIES = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
HOSTILE = {
    "entities": (
        FOREIGN.replace("<ANNOTATION_DOC", ENTITIES + "<ANNOTATION_DOC", 1),
        "has a document type, which is refused",
    ),
    "undeclared entity": (FOREIGN.replace("wave<", "&b;<"), "is not valid XML: undefined entity"),
    "another encoding": (FOREIGN.replace("UTF-8", "UTF-16", 1), None),
    "depth": (FOREIGN.replace("wave<", "<a>" * 20 + "</a>" * 20 + "<"), "is nested deeper than 16"),
    "cut short": (FOREIGN[:700], "is not valid XML"),
    "other XML": ('<?xml version="1.0"?><svg/>', r"must be an ELAN file \(ANNOTATION_DOCUMENT\), got svg"),
    "frames": (FOREIGN.replace("milliseconds", "PAL-frames"), "counts time in PAL-frames, wanted milliseconds"),
    "origin": (
        FOREIGN.replace("MIME_TYPE", 'TIME_ORIGIN="40" MIME_TYPE'),
        "has a medium that begins at 40 ms, wanted 0",
    ),
    "no time": (
        FOREIGN.replace(' TIME_VALUE="2000"', ""),
        "annotation 'wave' of tier hands has no time, wanted start and end",
    ),
    "no number": (FOREIGN.replace("2000", "soon"), "time must be a finite number, got 'soon'"),
    "dependent": (
        FOREIGN.replace("</TIER>", "<ANNOTATION><REF_ANNOTATION/></ANNOTATION></TIER>", 1),
        "tier hands refers to annotations of another, wanted times of its own",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_unsafe_or_cannot_be_kept_is_refused(tmp_path: Path, name: str) -> None:
    content, words = HOSTILE[name]
    path = tmp_path / "a.eaf"
    path.write_text(content)
    if words is None:  # what the text says of its encoding does not count: files are UTF-8
        assert elan.read(path).videos[0].instances[0].text == "wave"
        return
    with pytest.raises(DataError, match=words) as error:
        elan.read(path)
    assert len(str(error.value).splitlines()) == 1


def test_the_limits_of_xml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.eaf"
    path.write_text(FOREIGN)
    monkeypatch.setattr(safe_xml, "MAX_ELEMENTS", 5)
    with pytest.raises(DataError, match="more than 5 elements"):
        elan.read(path)
    monkeypatch.setattr(safe_xml, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="the limit is 100"):
        elan.read(path)


def refusal(call: Callable[[], object]) -> str | None:
    """What the DataError says, or None if there is none; any other error fails the test."""
    try:
        call()
    except DataError as error:
        return str(error)
    return None


@SETTINGS
@given(
    place=st.integers(0, len(FOREIGN)),
    piece=st.sampled_from(["", "<", "&", "]]>", '"', "<!--", "<a>"]),
    cut=st.integers(0, 30),
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, place: int, piece: str, cut: int) -> None:
    path = tmp_path / "a.eaf"
    path.write_text(FOREIGN[:place] + piece + FOREIGN[place + cut :])
    words = refusal(lambda: elan.read(path))
    assert words is None or len(words.splitlines()) == 1


@pytest.mark.parametrize(
    ("video_id", "segment", "text", "words"),
    [
        ("../one", (0.0, 1.0), "x", "must be a file name to become an .eaf file"),
        ("one", (0.0, 0.0001), "x", r"must begin at 0 or later and last a millisecond, got \[0.0, 0.0001\]"),
        ("one", (0.0, 1.0), "a\x07b", "has character 7, which XML cannot hold"),
    ],
)
def test_what_elan_cannot_hold_is_refused(
    tmp_path: Path, video_id: str, segment: tuple[float, float], text: str, words: str
) -> None:
    one = Annotation(video=Video(video_id=video_id, duration=9.0), instances=(Instance(segment, text),))
    with pytest.raises(DataError, match=words):
        elan.write(tmp_path, Dataset(name="d", annotations=(one,)))
    assert list(tmp_path.iterdir()) == []


def test_predictions_become_tiers(tmp_path: Path) -> None:
    said = Prediction(
        video=Video(video_id="one", duration=20.0),
        detections=(Detection((0.1, 2.0), 0.75, "Jump"), Detection((1.0, 3.0), 0.5, "Run")),
        captions=(Caption((0.25, 4.0), 0.5, "A man jumps."),),
    )
    for task in (Task.LOCALIZATION, Task.CAPTIONING):
        write_predictions(tmp_path / "said.json", [said], task)
        convert(tmp_path / "said.json", tmp_path / task.value, to=Target.ELAN)
    found = elan.read(tmp_path / "localization").videos[0]
    assert [(span.start, span.end, span.text) for span in found.instances] == [(0.1, 2.0, "Jump"), (1.0, 3.0, "Run")]
    told = elan.read(tmp_path / "captioning" / "one.eaf").videos[0]
    assert [span.text for span in told.events[0]] == ["A man jumps."]
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"holds no \.eaf file"):
        elan.read(tmp_path / "none")
