"""Kinetics csv files (label, youtube_id, time_start, time_end, split) and the playground's clips.csv.

A clip is `[time_start, time_end)` of a YouTube video; as a file of its own it lasts time_end - time_start seconds and
is its own video, with the id that the usual downloaders give it: youtube_id_start_end with six digits each.

Source: Kay et al., The Kinetics Human Action Video Dataset, 2017; the csv files of the ActivityNet Challenge 2017.
"""

from pathlib import Path

from untrimmed.data.raw import RawDataset, RawVideo, Span
from untrimmed.data.tables import Rows, column, number, rows_of
from untrimmed.data.writing import write_csv
from untrimmed.records import DataError, Dataset

SPLITS = {"train": "training", "val": "validation", "validate": "validation", "test": "testing"}


def read(path: Path, *, rows: Rows | None = None) -> RawDataset:
    """The clips of one file; test files have no column label.

    Raises:
        DataError: when columns are missing or a time is no number.
    """
    rows = rows_of(path) if rows is None else rows
    first = rows[0][1] if rows else {}
    for name in ("youtube_id", "time_start", "time_end"):
        column(first, name, path=path)
    videos = []
    for line, row in rows:
        start = number(row["time_start"], what="time_start", path=path, line=line)
        end = number(row["time_end"], what="time_end", path=path, line=line)
        split = row.get("split", "train").strip()
        label = row.get("label", "").strip()
        videos.append(
            RawVideo(
                video_id=f"{row['youtube_id']}_{int(start):06d}_{int(end):06d}",
                duration=end - start,
                subset=SPLITS.get(split, split),
                instances=[Span(0.0, end - start, label)] if label else [],
            )
        )
    return RawDataset(name=path.name.split(".")[0], source=path, videos=videos, trimmed=True)


def read_clips(path: Path, *, rows: Rows | None = None) -> RawDataset:
    """Clips of one class each from a table `video,label,subset,duration` (the playground's clips.csv).

    Raises:
        DataError: when columns are missing or a duration is no number.
    """
    rows = rows_of(path) if rows is None else rows
    first = rows[0][1] if rows else {}
    for name in ("video", "label", "subset", "duration"):
        column(first, name, path=path)
    videos = []
    for line, row in rows:
        duration = number(row["duration"], what="duration", path=path, line=line)
        instances = [Span(0.0, duration, row["label"])] if row["label"].strip() else []
        videos.append(RawVideo(video_id=row["video"], duration=duration, subset=row["subset"], instances=instances))
    name = path.parent.name if path.name == "clips.csv" else path.name.split(".")[0]
    return RawDataset(name=name, source=path, videos=videos, trimmed=True)


def write_clips(path: Path, dataset: Dataset) -> None:
    """Write trimmed clips as `video,label,subset,duration`.

    Raises:
        DataError: when a clip has more than one label.
    """
    rows = []
    for one in dataset.annotations:
        if len(one.labels) > 1:
            raise DataError(f"a trimmed clip must have one label, {one.video.video_id} has {len(one.labels)}")
        rows.append((one.video.video_id, "".join(one.labels), one.video.subset, one.video.duration))
    write_csv(path, ["video", "label", "subset", "duration"], rows)
