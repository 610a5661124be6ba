"""One's own labels as a table: `video,start,end,label` or `video,start,end,sentence`, perhaps with subset and duration.

With both columns a row is an instance, a sentence, or both, by what is filled in. `annotator` may number the sets of
sentences. Times are seconds.
"""

import math
from pathlib import Path

from untrimmed.data.raw import RawDataset, RawVideo, Span
from untrimmed.data.tables import Rows, column, number, rows_of
from untrimmed.data.writing import write_csv
from untrimmed.records import DataError, Dataset


def read(path: Path, *, rows: Rows | None = None) -> RawDataset:
    """The data set of one table; a video's subset and duration are those of its first row that has them.

    Without a column subset every video is in training: labels are there to learn from.

    Raises:
        DataError: when columns are missing, a time is no number, or a video is in two subsets.
    """
    rows = rows_of(path) if rows is None else rows
    first = rows[0][1] if rows else {}
    name = column(first, "video", "video_id", path=path)
    start, end = column(first, "start", path=path), column(first, "end", path=path)
    column(first, "label", "sentence", path=path)
    texts = [name for name in ("label", "sentence") if name in first]
    videos: dict[str, RawVideo] = {}
    for line, row in rows:
        subset = row.get("subset", "training").strip() or "training"
        video = videos.setdefault(row[name], RawVideo(video_id=row[name], subset=subset))
        if subset != video.subset:
            raise DataError(f"{path} line {line}: video {row[name]} is in {video.subset} and in {subset}")
        if row.get("duration", "").strip() and math.isnan(video.duration):
            video.duration = number(row["duration"], what="duration", path=path, line=line)
        begin = number(row[start], what="start", path=path, line=line)
        finish = number(row[end], what="end", path=path, line=line)
        filled = [name for name in texts if row[name].strip()] or texts[:1]
        if "label" in filled:
            video.instances.append(Span(begin, finish, row["label"]))
        if "sentence" not in filled:
            continue
        annotator = int(number(row.get("annotator", "1") or "1", what="annotator", path=path, line=line))
        if not 1 <= annotator <= 100:
            raise DataError(f"{path} line {line}: annotator must be 1 to 100, got {annotator}")
        video.events += [[] for _ in range(annotator - len(video.events))]
        video.events[annotator - 1].append(Span(begin, finish, row["sentence"]))
    return RawDataset(name=path.name.split(".")[0], source=path, videos=list(videos.values()))


def write(path: Path, dataset: Dataset) -> None:
    """Write the instances and the sentences of a data set, with the columns that it takes."""
    header = ["video", "subset", "duration", "start", "end"]
    labelled = [
        (one.video.video_id, one.video.subset, one.video.duration, *item.segment, item.label)
        for one in dataset.annotations
        for item in one.instances
    ]
    said = [
        (one.video.video_id, one.video.subset, one.video.duration, *event.segment, event.sentence, number)
        for one in dataset.annotations
        for number, track in enumerate(one.events, start=1)
        for event in track
    ]
    if not said:
        write_csv(path, [*header, "label"], labelled)
    elif not labelled:
        write_csv(path, [*header, "sentence", "annotator"], said)
    else:
        rows = [(*row, "", "") for row in labelled] + [(*row[:5], "", *row[5:]) for row in said]
        write_csv(path, [*header, "label", "sentence", "annotator"], rows)
