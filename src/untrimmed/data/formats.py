"""What a file or folder is, told by what is in it."""

import gzip
import zlib
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from untrimmed.data.opening import decode, read_bytes, read_text, shown
from untrimmed.data.tables import rows_of
from untrimmed.data.thumos import is_folder
from untrimmed.records import DataError


class Format(Enum):
    """The formats that are read; the value is how they are called in reports."""

    ACTIVITYNET = "ActivityNet annotations"
    CAPTIONS = "reference captions"
    MULTITHUMOS = "MultiTHUMOS annotations"
    CLASSIFICATION = "submission for classification or recognition"
    PROPOSALS = "submission for proposals"
    LOCALIZATION = "submission for localization"
    CAPTIONING = "submission for captioning"
    EMPTY_SUBMISSION = "submission without a prediction"
    TIMECHAT = "captions of TimeChat"
    KINETICS = "Kinetics clips"
    CLIPS = "table of clips"
    SEGMENTS = "table of segments"
    CHARADES = "Charades annotations"
    THUMOS = "folder of THUMOS'14 annotations"
    THUMOS_DETECTIONS = "THUMOS'14 detections"
    TAG_LIST = "list of proposals of SSN's authors"
    FEATURES = "HDF5 features"
    DATASET_FOLDER = "folder of a data set"
    CLIP_FOLDER = "folder of clips by class"
    LABEL_STUDIO = "tasks of Label Studio"
    ELAN = "annotations of ELAN"


SUBMISSIONS = {
    frozenset({"label", "score"}): Format.CLASSIFICATION,
    frozenset({"score", "segment"}): Format.PROPOSALS,
    frozenset({"label", "score", "segment"}): Format.LOCALIZATION,
    frozenset({"sentence", "timestamp"}): Format.CAPTIONING,
}

HDF5 = b"\x89HDF\r\n\x1a\n"


def recognise(path: Path) -> Format:
    """The format of a file or folder.

    Raises:
        DataError: when it cannot be read or is none of the formats; the message says what was seen.
    """
    if path.is_dir():
        return _of_folder(path)
    begin = first_bytes(path)
    if begin.startswith(HDF5):
        return Format.FEATURES
    if begin.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return _of_json(path)
    if _is_elan(begin):
        return Format.ELAN
    return _of_text(path)


def first_bytes(path: Path, count: int = 512) -> bytes:
    """The beginning of a file, unpacked if it is gzip.

    Raises:
        DataError: when it cannot be read.
    """
    try:
        with path.open("rb") as plain:
            content = plain.read(count)
        if content.startswith(b"\x1f\x8b"):
            with gzip.open(path) as packed:
                content = packed.read(count)
    except (OSError, EOFError, zlib.error) as error:
        words = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read: {words}") from error
    return content


def _of_folder(path: Path) -> Format:
    if (path / "activitynet.json").is_file() or (path / "clips.csv").is_file():
        return Format.DATASET_FOLDER
    if is_folder(path):
        return Format.THUMOS
    if (path / "untrimmed").is_dir() and (path / "trimmed").is_dir():
        raise DataError(f"{path} holds two data sets: open {path / 'untrimmed'} or {path / 'trimmed'}")
    if any(path.glob("*.eaf")):
        return Format.ELAN
    if any(item.is_dir() for item in path.iterdir()):
        return Format.CLIP_FOLDER
    raise DataError(f"{path} is a folder that holds no annotations and no folders of clips")


def _is_elan(begin: bytes) -> bool:
    """Whether a file begins as XML does; no other format that is read is XML."""
    words = begin.lstrip(b"\xef\xbb\xbf \t\r\n")
    return words.startswith((b"<?xml", b"<ANNOTATION_DOCUMENT"))


def _of_json(path: Path) -> Format:
    content = read_bytes(path)
    if content.lstrip().startswith(b"[") and _is_label_studio(decode(content, list[msgspec.Raw], path=path)):
        return Format.LABEL_STUDIO
    table = decode(content, dict[str, msgspec.Raw], path=path)
    if "database" in table:
        return Format.ACTIVITYNET
    if "results" in table:
        results = decode(table["results"], dict[str, list[msgspec.Raw]], path=path, at="$.results")
        first = next((items[0] for items in results.values() if items), None)
        if first is None:
            return Format.EMPTY_SUBMISSION
        keys = frozenset(_keys(first, path, "$.results"))
        fitting = [wanted for wanted in SUBMISSIONS if wanted <= keys]
        if fitting:
            return SUBMISSIONS[max(fitting, key=len)]
        raise DataError(f"{path} is a submission of no known task: its first item has {shown(', '.join(sorted(keys)))}")
    for key, raw in table.items():
        value: Any = decode(raw, Any, path=path, at=f'$["{shown(key)}"]')
        if isinstance(value, dict) and {"timestamps", "sentences"} <= set(value):
            return Format.CAPTIONS
        if isinstance(value, dict) and "actions" in value:
            return Format.MULTITHUMOS
        if (
            isinstance(value, list)
            and value
            and isinstance(value[0], dict)
            and {"timestamp", "caption"} <= set(value[0])
        ):
            return Format.TIMECHAT
        if value != []:
            break
    raise DataError(f"{path} is JSON of no known format; its first keys are {shown(', '.join(list(table)[:5]))}")


def _is_label_studio(tasks: list[msgspec.Raw]) -> bool:
    try:
        return bool(tasks) and "data" in msgspec.json.decode(tasks[0], type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False


def _keys(raw: msgspec.Raw, path: Path, at: str) -> list[str]:
    return list(decode(raw, dict[str, msgspec.Raw], path=path, at=at))


def _of_text(path: Path) -> Format:
    text = read_text(path)
    head = next((line for line in text.splitlines() if line.strip()), "")
    if head.startswith("# ") and head[2:].strip().isdecimal():
        return Format.TAG_LIST
    words = head.split()
    if len(words) == 5 and all(_is_number(words[index]) for index in (1, 2, 4)):
        return Format.THUMOS_DETECTIONS
    if max(head.count(mark) for mark in ",;\t"):
        columns = set(rows_of(path, text=head + "\n" + ",".join(head.split(",")))[0][1])
        if {"youtube_id", "time_start", "time_end"} <= columns:
            return Format.KINETICS
        if {"id", "actions", "length"} <= columns:
            return Format.CHARADES
        if {"start", "end"} <= columns and columns & {"video", "video_id"} and columns & {"label", "sentence"}:
            return Format.SEGMENTS
        if {"video", "label", "subset", "duration"} <= columns:
            return Format.CLIPS
        raise DataError(f"{path} is a table of no known format; its columns are {shown(head)}")
    raise DataError(f"{path} is text of no known format; it begins with {shown(head)!r}")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
