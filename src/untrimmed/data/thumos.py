"""THUMOS'14 temporal detection: one text file a class, lines `video start end`, and one called Ambiguous.

Detections are lines `video start end class_id score`; class ids are those of `detclasslist.txt`.

Source: Jiang et al., THUMOS Challenge 2014, the evaluation kit of 2015-09-30.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from untrimmed.columns import Predictions
from untrimmed.data.durations import read_durations
from untrimmed.data.opening import read_text, shown
from untrimmed.data.raw import RawDataset, RawVideo, Span
from untrimmed.data.writing import write_lines
from untrimmed.records import DataError, Dataset, Task

AMBIGUOUS = "Ambiguous"

_FILE = re.compile(r"([A-Za-z]+)_(val|test)\.txt")
_SUBSETS = {"val": "validation", "test": "testing"}


def is_folder(path: Path) -> bool:
    """Whether a folder holds such files."""
    return path.is_dir() and any(_FILE.fullmatch(item.name) for item in path.iterdir())


def read(folder: Path) -> RawDataset:
    """The data set of one folder; durations from `video_info.csv` in it or beside it, where there is one.

    Raises:
        DataError: when a line is not in this layout, or a class is of both subsets in one video.
    """
    videos: dict[str, RawVideo] = {}
    labels = []
    for path in sorted(folder.iterdir()):
        match = _FILE.fullmatch(path.name)
        if not match:
            continue
        label, subset = match[1], _SUBSETS[match[2]]
        if label != AMBIGUOUS:
            labels.append(label)
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if not line.strip():
                continue
            video_id, start, end = _words(line, 3, path, number)
            video = videos.setdefault(video_id, RawVideo(video_id=video_id, subset=subset))
            span = Span(_time(start, path, number), _time(end, path, number), label)
            (video.ambiguous if label == AMBIGUOUS else video.instances).append(span)
    for table in (folder / "video_info.csv", folder.parent / "video_info.csv"):
        if table.is_file():
            durations = read_durations(table)
            for video in videos.values():
                video.duration = durations.get(video.video_id, math.nan)
            break
    return RawDataset(name="thumos14", source=folder, videos=list(videos.values()), labels=tuple(dict.fromkeys(labels)))


def read_class_list(path: Path) -> dict[str, str]:
    """Class id to class name, from lines `id name` (detclasslist.txt)."""
    pairs = [
        _words(line, 2, path, number)
        for number, line in enumerate(read_text(path).splitlines(), start=1)
        if line.strip()
    ]
    return {pair[0]: pair[1] for pair in pairs}


def read_detections(path: Path, classes: Mapping[str, str] | None = None) -> Predictions:
    """Detections from lines `video start end class_id score`, in file order; times and scores as written.

    Args:
        path: a result file, plain or gzip.
        classes: id to name; None keeps the ids as labels.

    Raises:
        DataError: when a line is not in this layout; the message names it.
    """
    video_ids: dict[str, int] = {}
    labels: dict[str, int] = {}
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        video_id, first, last, class_id, sure = _words(line, 5, path, number)
        try:
            start, end, score = float(first), float(last), float(sure)
        except ValueError:
            start = end = score = math.nan
        if not math.isfinite(start + end + score):
            raise DataError(f"{path} line {number}: wanted 'video start end class score', got {shown(line.strip())!r}")
        label = class_id if classes is None else classes.get(class_id)
        if label is None:
            raise DataError(f"{path} line {number}: class id {shown(class_id)} is none of the {len(classes or {})} ids")
        row = (video_ids.setdefault(video_id, len(video_ids)), labels.setdefault(label, len(labels)), start, end, score)
        rows.append(row)
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return Predictions(
        task=Task.LOCALIZATION,
        video_ids=tuple(video_ids),
        video=table[:, 0].astype(np.int64),
        scores=table[:, 4].copy(),
        segments=table[:, 2:4].copy(),
        label_index=table[:, 1].astype(np.int64),
        labels=tuple(labels),
    )


def write(folder: Path, dataset: Dataset) -> None:
    """Write one text file a class and subset.

    Raises:
        DataError: when a class name cannot be a file name of this layout (letters only), or a video is in training.
    """
    ending = {subset: word for word, subset in _SUBSETS.items()}
    files: dict[str, list[str]] = {}
    for one in dataset.annotations:
        for item in one.instances:
            name = f"{item.label}_{ending.get(one.video.subset, '')}.txt"
            if not _FILE.fullmatch(name):
                raise DataError(
                    f"THUMOS files hold classes named by letters in validation or testing, "
                    f"got {item.label!r} in {one.video.subset}"
                )
            files.setdefault(name, []).append(f"{one.video.video_id} {item.segment[0]:g} {item.segment[1]:g}")
    for name, lines in files.items():
        write_lines(folder / name, lines)


def _words(line: str, count: int, path: Path, number: int) -> list[str]:
    words = line.split()
    if len(words) != count:
        raise DataError(f"{path} line {number}: wanted {count} words, got {shown(line.strip())!r}")
    return words


def _time(word: str, path: Path, number: int) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path} line {number}: wanted a finite number, got {shown(word)!r}")
    return value
