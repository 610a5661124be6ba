"""Proposal lists of SSN's authors: one block a video, times as shares of the video, no scores.

A block is: `# number`, the id, two numbers that are not used, how many instances, lines `class start end`, how many
proposals, lines `class best_iou overlap_self start end`.

Source: Zhao et al., Temporal Action Detection with Structured Segment Networks, ICCV 2017; the lists beside its code.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from untrimmed.columns import Predictions
from untrimmed.data.opening import read_text, shown
from untrimmed.data.video_ids import bare
from untrimmed.records import DataError, Task


def read_tag_proposals(path: Path, durations: Mapping[str, float]) -> Predictions:
    """The proposals of the videos whose duration is known, in seconds, in the order of the list.

    The list has no scores, so the place stands for it: 1 - place / 1000, as the order is by falling actionness.

    Args:
        path: a normalized proposal list, plain or gzip.
        durations: id to seconds; videos that are not here are left out.

    Raises:
        DataError: when a block is not in this layout; the message names the line.
    """
    video_ids, blocks = _blocks(path)
    bare_ids = bare(video_ids)
    known = [index for index, video_id in enumerate(bare_ids) if video_id in durations]
    rows = [(place, rank, item) for place, index in enumerate(known) for rank, item in enumerate(blocks[index])]
    video = np.array([row[0] for row in rows], dtype=np.int64)
    shares = np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 2)
    seconds = np.array([durations[bare_ids[index]] for index in known], dtype=np.float64)
    return Predictions(
        task=Task.PROPOSALS,
        video_ids=tuple(bare_ids[index] for index in known),
        video=video,
        scores=np.array([1 - row[1] / 1000 for row in rows], dtype=np.float64),
        segments=np.round(shares * seconds[video][:, None], 6),
    )


def count_tag_proposals(path: Path) -> tuple[int, int]:
    """How many videos and proposals a list has.

    Raises:
        DataError: as read_tag_proposals.
    """
    video_ids, blocks = _blocks(path)
    return len(video_ids), sum(map(len, blocks))


def _blocks(path: Path) -> tuple[list[str], list[list[tuple[float, float]]]]:
    lines = [line.strip() for line in read_text(path).splitlines()]
    video_ids: list[str] = []
    blocks: list[list[tuple[float, float]]] = []
    position = 0
    while position < len(lines):
        if not lines[position]:
            position += 1
            continue
        if not lines[position].startswith("#"):
            raise DataError(f"{path} line {position + 1}: wanted '# number', got {shown(lines[position])!r}")
        video_ids.append(_line(lines, position + 1, path))
        position += 4
        position += 1 + _count(lines, position, path)
        count = _count(lines, position, path)
        block = []
        for number, line in enumerate(lines[position + 1 : position + 1 + count], start=position + 2):
            words = line.split()
            try:
                start, end = map(float, words[3:])
            except ValueError:
                start = end = math.nan
            if len(words) != 5 or not math.isfinite(start + end):
                words_shown = shown(line)
                raise DataError(f"{path} line {number}: wanted 'class best_iou overlap start end', got {words_shown!r}")
            block.append((start, end))
        if len(block) < count:
            raise DataError(f"{path} is cut short: it ends inside a block at line {len(lines)}")
        blocks.append(block)
        position += 1 + count
    return video_ids, blocks


def _line(lines: list[str], position: int, path: Path) -> str:
    if position >= len(lines):
        raise DataError(f"{path} is cut short: it ends inside a block at line {len(lines)}")
    return lines[position]


def _count(lines: list[str], position: int, path: Path) -> int:
    text = _line(lines, position, path)
    if not text.isdecimal() or not text.isascii() or len(text) > 9:
        raise DataError(f"{path} line {position + 1}: wanted how many lines follow, got {shown(text)!r}")
    return int(text)
