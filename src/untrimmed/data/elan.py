"""Annotations of ELAN: one XML file (.eaf) a video, tiers with texts in milliseconds.

Tiers whose linguistic type, or whose name, begins with `sentence`, `caption` or `description` hold sentences, one
annotator for each ANNOTATOR that the tiers name; all other tiers hold instances, whose text is the class. Annotations
of one tier of ELAN must not overlap, so what overlaps is spread over several tiers, and read back in order of time.

ELAN counts whole milliseconds. What cannot be kept is refused: other units, annotations without a time of their own
(dependent tiers), a medium that does not begin at 0. Document types, and with them entities, are refused too.

Source: ELAN Annotation Format 3.0 (EAF), Max Planck Institute for Psycholinguistics.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from untrimmed.columns import Predictions, Sentences
from untrimmed.data.opening import shown
from untrimmed.data.raw import RawDataset, RawVideo, Span
from untrimmed.data.safe_xml import parse_xml
from untrimmed.data.writing import write_bytes
from untrimmed.records import DataError, Dataset

SENTENCES = ("sentence", "caption", "description")
"""How linguistic types or names of tiers of sentences begin."""

_DURATION, _SUBSET = "untrimmed duration", "untrimmed subset"


def read(path: Path) -> RawDataset:
    """The data set of one .eaf file, or of all in a folder.

    A video's id is the name of its first medium, or of the file. Duration and subset stand in files that were written
    here; others are measured from the video and in training.

    Raises:
        DataError: when a file is no ELAN file or holds what cannot be kept.
    """
    files = sorted(path.glob("*.eaf")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} holds no .eaf file")
    return RawDataset(name=path.name.split(".")[0], source=path, videos=[_read_one(file) for file in files])


def write(folder: Path, dataset: Dataset) -> None:
    """Write one ID.eaf a video.

    Raises:
        DataError: when an id is no file name, or a text or time cannot be kept.
    """
    for one in dataset.annotations:
        video = one.video
        tiers: dict[str, Sequence[Span]] = {"actions": [Span(*item.segment, item.label) for item in one.instances]}
        for number, track in enumerate(one.events, start=1):
            tiers[f"sentences-{number}"] = [Span(*event.segment, event.sentence) for event in track]
        medium = f"{video.video_id}.mp4" if video.path is None else video.path.name
        _write_one(folder, video.video_id, medium, tiers, duration=video.duration, subset=video.subset)


def write_predicted(folder: Path, table: Predictions | Sentences) -> None:
    """Write predictions with segments, one ID.eaf a video; scores have no place in ELAN.

    Raises:
        DataError: as write, or when the predictions have no segments.
    """
    if table.segments is None:
        raise DataError(f"{folder}: predictions without segments have no place on a time line")
    spans: list[list[Span]] = [[] for _ in table.video_ids]
    for index, (video, (start, end)) in enumerate(zip(table.video.tolist(), table.segments.tolist(), strict=True)):
        if isinstance(table, Sentences):
            text = table.sentences[index]
        else:
            text = "proposal" if table.label_index is None else table.labels[table.label_index[index]]
        spans[video].append(Span(start, end, text))
    name = "sentences-1" if isinstance(table, Sentences) else "actions"
    for number, video_id in enumerate(table.video_ids):
        duration = float(table.durations[number]) if isinstance(table, Sentences) else math.nan
        _write_one(folder, video_id, f"{video_id}.mp4", {name: spans[number]}, duration=duration, subset="testing")


def _read_one(path: Path) -> RawVideo:
    root = parse_xml(path)
    if root.tag != "ANNOTATION_DOCUMENT":
        raise DataError(f"{path} must be an ELAN file (ANNOTATION_DOCUMENT), got {shown(root.tag)}")
    header = root.find("HEADER")
    units = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise DataError(f"{path} counts time in {shown(units)}, wanted milliseconds")
    medium = root.find("HEADER/MEDIA_DESCRIPTOR")
    if medium is not None and medium.get("TIME_ORIGIN", "0") != "0":
        raise DataError(f"{path} has a medium that begins at {shown(medium.get('TIME_ORIGIN'))} ms, wanted 0")
    address = "" if medium is None else medium.get("MEDIA_URL", "")
    name = PurePosixPath(unquote(urlsplit(address).path.replace("\\", "/"))).stem
    video = RawVideo(video_id=name or path.name.split(".")[0], subset="training")
    properties = {one.get("NAME", ""): one.text or "" for one in root.iterfind("HEADER/PROPERTY")}
    video.subset = properties.get(_SUBSET, video.subset)
    if _DURATION in properties:
        video.duration = _number(properties[_DURATION], "duration", path)
    slots = {
        slot.get("TIME_SLOT_ID", ""): None
        if (value := slot.get("TIME_VALUE")) is None
        else _number(value, "time", path)
        for slot in root.iterfind("TIME_ORDER/TIME_SLOT")
    }
    people: dict[str, list[Span]] = {}
    for tier in root.iterfind("TIER"):
        spans = list(_spans(tier, slots, path))
        kinds = (tier.get("LINGUISTIC_TYPE_REF", ""), tier.get("TIER_ID", ""))
        if any(kind.casefold().startswith(SENTENCES) for kind in kinds):
            people.setdefault(tier.get("ANNOTATOR", ""), []).extend(spans)
        else:
            video.instances += spans
    video.instances.sort(key=_time)
    video.events = [sorted(spans, key=_time) for spans in people.values()]
    return video


def _spans(tier: ElementTree.Element, slots: dict[str, float | None], path: Path) -> Iterator[Span]:
    name = shown(tier.get("TIER_ID", ""))
    if tier.find("ANNOTATION/REF_ANNOTATION") is not None:
        raise DataError(f"{path}: tier {name} refers to annotations of another, wanted times of its own")
    for item in tier.iterfind("ANNOTATION/ALIGNABLE_ANNOTATION"):
        text = item.findtext("ANNOTATION_VALUE") or ""
        start, end = (slots.get(item.get(f"TIME_SLOT_REF{which}", "")) for which in (1, 2))
        if start is None or end is None:
            raise DataError(f"{path}: annotation {shown(text)!r} of tier {name} has no time, wanted start and end")
        yield Span(start / 1000, end / 1000, text)


def _write_one(
    folder: Path, video_id: str, medium: str, tiers: dict[str, Sequence[Span]], *, duration: float, subset: str
) -> None:
    path = folder / f"{video_id}.eaf"
    if path.parent != folder or video_id.startswith("."):
        raise DataError(f"video_id {shown(video_id)!r} must be a file name to become an .eaf file in {folder}")
    lanes = [
        (name if number == 1 else f"{name} ({number})", name, lane)
        for name, spans in tiers.items()
        for number, lane in enumerate(_lanes(spans, video_id, path), start=1)
    ]
    times = sorted({time for *_, lane in lanes for start, end, _ in lane for time in (start, end)})
    place = {time: f"ts{number}" for number, time in enumerate(times, start=1)}
    blocks: list[str] = []
    count = 0
    for tier, name, lane in lanes:
        person = "" if name == "actions" else f' ANNOTATOR="{name.removeprefix("sentences-")}"'
        kind = "sentence" if person else "action"
        blocks.append(f'    <TIER LINGUISTIC_TYPE_REF="{kind}" TIER_ID="{tier}"{person}>')
        for start, end, text in lane:
            count += 1
            blocks.append(
                f'        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{count}" TIME_SLOT_REF1="{place[start]}" '
                f'TIME_SLOT_REF2="{place[end]}"><ANNOTATION_VALUE>{_text(text, video_id, path)}</ANNOTATION_VALUE>'
                "</ALIGNABLE_ANNOTATION></ANNOTATION>"
            )
        blocks.append("    </TIER>")
    properties = {_SUBSET: subset} | ({_DURATION: repr(duration)} if math.isfinite(duration) else {})
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<ANNOTATION_DOCUMENT AUTHOR="untrimmed" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">',
        '    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">',
        f'        <MEDIA_DESCRIPTOR MEDIA_URL={quoteattr("file:///" + quote(medium))} MIME_TYPE="video/mp4" '
        f"RELATIVE_MEDIA_URL={quoteattr('./' + quote(medium))}/>",
        *(f'        <PROPERTY NAME="{name}">{escape(value)}</PROPERTY>' for name, value in properties.items()),
        f'        <PROPERTY NAME="lastUsedAnnotationId">{count}</PROPERTY>',
        "    </HEADER>",
        "    <TIME_ORDER>",
        *(f'        <TIME_SLOT TIME_SLOT_ID="{place[time]}" TIME_VALUE="{time}"/>' for time in times),
        "    </TIME_ORDER>",
        *blocks,
        *(
            f'    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="{kind}" TIME_ALIGNABLE="true"/>'
            for kind in ("action", "sentence")
        ),
        "</ANNOTATION_DOCUMENT>",
    ]
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def _lanes(spans: Sequence[Span], video_id: str, path: Path) -> list[list[tuple[int, int, str]]]:
    """Milliseconds in as few tiers as hold them without overlap; one tier where there is nothing."""
    lanes: list[list[tuple[int, int, str]]] = [[]]
    for span in sorted(spans, key=_time):
        start, end = round(span.start * 1000), round(span.end * 1000)
        if not 0 <= start < end:
            raise DataError(
                f"segment of video {video_id} must begin at 0 or later and last a millisecond, "
                f"got [{span.start}, {span.end}] ({path})"
            )
        lane = next((lane for lane in lanes if not lane or lane[-1][1] <= start), None)
        if lane is None:
            lanes.append(lane := [])
        lane.append((start, end, span.text))
    return lanes


def _text(text: str, video_id: str, path: Path) -> str:
    for letter in text:
        code = ord(letter)
        if (code < 32 and letter not in "\t\n") or 0xD800 <= code < 0xE000 or code in (0xFFFE, 0xFFFF):
            raise DataError(f"a text of video {video_id} has character {code}, which XML cannot hold ({path})")
    return escape(text)


def _number(text: str, what: str, path: Path) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path}: {what} must be a finite number, got {shown(text)!r}")
    return value


def _time(span: Span) -> tuple[float, float]:
    return span.start, span.end
