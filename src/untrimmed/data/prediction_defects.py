"""What is wrong with a file of predictions, by itself and beside the ground truth it is meant for."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from untrimmed.columns import GroundTruth, Predictions, Sentences
from untrimmed.data.defects import ROUNDING, Defect, Kind
from untrimmed.data.opening import read_bytes, shown
from untrimmed.records import DataError

Table = Predictions | Sentences


def survey_predictions(table: Table, ground_truth: GroundTruth | None = None) -> tuple[Defect, ...]:
    """Everything that is wrong, in the order of the kinds.

    Args:
        table: what the file predicts.
        ground_truth: what it is meant for; without it labels, videos and ends cannot be judged.
    """
    found = list(_of_segments(table))
    found += _doubles(table)
    if isinstance(table, Sentences):
        empty = [index for index, text in enumerate(table.sentences) if not text.strip()]
        found += [Defect(Kind.NO_TEXT, table.video_ids[table.video[index]], "an empty sentence") for index in empty]
    if ground_truth is not None:
        found += _beside(table, ground_truth)
    return tuple(found)


def repeated_keys(path: Path) -> tuple[Defect, ...]:
    """Videos that stand twice in a JSON object, of which readers see the last one only.

    Raises:
        DataError: when the file is nested too deep.
    """
    twice: list[str] = []

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    twice.append(key)
                seen.add(key)
        return table

    try:  # numbers become floats, since Python refuses whole numbers of more than 4,300 digits
        json.loads(read_bytes(path), object_pairs_hook=keep, parse_int=float)
    except RecursionError as error:
        raise DataError(f"{path} is nested too deep") from error
    return tuple(Defect(Kind.DUPLICATE_VIDEO, shown(key), "the key stands twice, the last one counts") for key in twice)


def _of_segments(table: Table) -> Iterator[Defect]:
    if table.segments is None:
        return
    start, end = table.segments.T
    for kind, wrong in (
        (Kind.ZERO_LENGTH, start == end),
        (Kind.NEGATIVE_LENGTH, end < start),
        (Kind.BEFORE_START, start < 0),
    ):
        yield from _each(kind, table, wrong)


def _each(kind: Kind, table: Table, wrong: Bool[np.ndarray, " n"]) -> Iterator[Defect]:
    assert table.segments is not None, "only segments are judged here"
    for index in np.flatnonzero(wrong):
        start, end = table.segments[index]
        yield Defect(kind, table.video_ids[table.video[index]], f"[{start:g}, {end:g}]")


def _doubles(table: Table) -> Iterator[Defect]:
    columns = [table.video.astype(np.float64)]
    if table.segments is not None:
        columns += [table.segments[:, 0], table.segments[:, 1]]
    if isinstance(table, Sentences):
        number = {text: index for index, text in enumerate(dict.fromkeys(table.sentences))}
        columns.append(np.array([number[text] for text in table.sentences], dtype=np.float64))
    elif table.label_index is not None:
        columns.append(table.label_index.astype(np.float64))
    rows = np.stack(columns, axis=1)
    order = np.lexsort(rows.T)  # stable, so that the first of equal rows is the first in the file
    same = (rows[order][1:] == rows[order][:-1]).all(axis=1)
    for index in np.sort(order[1:][same]):
        yield Defect(Kind.DUPLICATE, table.video_ids[table.video[index]], f"{_what(table, int(index))} stands twice")


def _what(table: Table, index: int) -> str:
    words = []
    if table.segments is not None:
        words.append(f"[{table.segments[index][0]:g}, {table.segments[index][1]:g}]")
    if isinstance(table, Sentences):
        words.append(repr(shown(table.sentences[index])))
    elif table.label_index is not None:
        words.append(repr(shown(table.labels[table.label_index[index]])))
    return " ".join(words)


def _beside(table: Table, ground_truth: GroundTruth) -> Iterator[Defect]:
    known = {video_id: index for index, video_id in enumerate(ground_truth.video_ids)}
    where = f"subset {ground_truth.subset} of {ground_truth.name}"
    if isinstance(table, Predictions) and table.label_index is not None:
        classes = set(ground_truth.labels)
        for index in np.flatnonzero(
            ~np.isin(table.label_index, [i for i, n in enumerate(table.labels) if n in classes])
        ):
            label = shown(table.labels[table.label_index[index]])
            words = f"{label!r} is none of the {len(classes)} classes of {where}"
            yield Defect(Kind.UNKNOWN_LABEL, table.video_ids[table.video[index]], words)
    for video_id in table.video_ids:
        if video_id not in known:
            yield Defect(Kind.UNKNOWN_VIDEO, video_id, f"it is not in {where}")
    said = {table.video_ids[index] for index in np.unique(table.video)}
    annotated: Int64[np.ndarray, " n"] = np.unique(ground_truth.video)
    for index in annotated:
        if ground_truth.video_ids[index] not in said:
            yield Defect(Kind.NOT_PREDICTED, ground_truth.video_ids[index], "nothing is predicted for it")
    if table.segments is not None:
        number = np.array([known.get(video_id, -1) for video_id in table.video_ids], dtype=np.int64)[table.video]
        duration: Float64[np.ndarray, " n"] = np.append(ground_truth.durations, np.nan)[number]
        with np.errstate(invalid="ignore"):
            yield from _each(Kind.AFTER_END, table, table.segments[:, 1] > duration + ROUNDING)
