"""Charades csv files: id, subject, scene, ..., actions (`c092 11.90 21.20;c147 0.00 12.60`), length.

Results are lines `id score...` (one score a class, classification) or `id frame score...` (25 instants a video).

Source: Sigurdsson et al., Hollywood in Homes, ECCV 2016; the evaluation code of the Charades challenge 2017.
"""

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.data.opening import read_text, shown
from untrimmed.data.raw import RawDataset, RawVideo, Span
from untrimmed.data.tables import Rows, column, number, rows_of
from untrimmed.records import DataError

CLASSES = 157
"""c000 to c156."""


def read(path: Path, *, rows: Rows | None = None) -> RawDataset:
    """The data set of one file; the file's name says the subset (Charades_v1_train.csv, Charades_v1_test.csv).

    The official test file is what everybody validates on; it is called testing here, as the file is.

    Raises:
        DataError: when columns are missing or an action is not `class start end`.
    """
    rows = rows_of(path) if rows is None else rows
    first = rows[0][1] if rows else {}
    for name in ("id", "actions", "length"):
        column(first, name, path=path)
    subset = "training" if "train" in path.name.lower() else "testing"
    videos = []
    for line, row in rows:
        spans = [_span(words, path, line) for words in row["actions"].split(";") if words.strip()]
        duration = number(row["length"], what="length", path=path, line=line)
        videos.append(RawVideo(video_id=row["id"], duration=duration, subset=subset, instances=spans))
    return RawDataset(
        name="charades", source=path, videos=videos, labels=tuple(f"c{index:03d}" for index in range(CLASSES))
    )


FrameScores = tuple[tuple[str, ...], Int64[np.ndarray, " rows"], Float64[np.ndarray, "rows classes"]]


def read_scores(path: Path, *, frames: bool) -> FrameScores:
    """Scores of whole videos or of frames, a line each, in file order.

    Args:
        path: a result file, plain or gzip.
        frames: whether the second word of a line is the number of a frame (from 1; if any is 0, all count from 0).

    Returns:
        Ids, frame numbers from 0 (all 0 without frames), and scores, one row a line.

    Raises:
        DataError: when a line has another number of scores than the first one, or a word is no number.
    """
    ids: list[str] = []
    numbers: list[int] = []
    rows: list[list[float]] = []
    for line, text in enumerate(read_text(path).splitlines(), start=1):
        words = text.split()
        if not words:
            continue
        try:
            numbers.append(int(words[1]) if frames else 0)
            rows.append([float(word) for word in words[1 + frames :]])
        except (ValueError, IndexError) as error:
            raise DataError(f"{path} line {line}: wanted an id and numbers, got {shown(text)!r}") from error
        if not rows[-1] or len(rows[-1]) != len(rows[0]) or any(math.isnan(value) for value in rows[-1]):
            raise DataError(f"{path} line {line}: wanted {len(rows[0])} scores, got {len(rows[-1])} or NaN among them")
        ids.append(words[0])
    if not rows:
        raise DataError(f"{path} holds no line of scores")
    first = 0 if not frames or min(numbers) == 0 else 1
    return tuple(ids), np.array(numbers, dtype=np.int64) - first, np.array(rows, dtype=np.float64)


def _span(words: str, path: Path, line: int) -> Span:
    parts = words.split()
    if len(parts) != 3:
        raise DataError(f"{path} line {line}: wanted 'class start end', got {shown(words)!r}")
    start = number(parts[1], what="start of an action", path=path, line=line)
    end = number(parts[2], what="end of an action", path=path, line=line)
    return Span(start, end, parts[0])
