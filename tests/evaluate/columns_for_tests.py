"""Small ground truths and predictions for the tests of the evaluators, from plain rows."""

import numpy as np

from untrimmed.columns import GroundTruth, Predictions
from untrimmed.records import Task


def truth(rows: list[tuple[str, float, float, str]], *, videos: tuple[str, ...] = ()) -> GroundTruth:
    """Ground truth from (video, start, end, label)."""
    ids = tuple(dict.fromkeys([*videos, *(row[0] for row in rows)]))
    place = {video_id: index for index, video_id in enumerate(ids)}
    labels = tuple(sorted({row[3] for row in rows}))
    return GroundTruth(
        video_ids=ids,
        durations=np.full(len(ids), 100.0),
        video=np.array([place[row[0]] for row in rows], dtype=np.int64),
        segments=np.array([row[1:3] for row in rows], dtype=np.float64).reshape(-1, 2),
        label_index=np.array([labels.index(row[3]) for row in rows], dtype=np.int64),
        labels=labels,
    )


def said(rows: list[tuple[str, float, float, str, float]], task: Task = Task.LOCALIZATION) -> Predictions:
    """Predictions from (video, start, end, label, score)."""
    ids = tuple(dict.fromkeys(row[0] for row in rows))
    place = {video_id: index for index, video_id in enumerate(ids)}
    labels = tuple(dict.fromkeys(row[3] for row in rows))
    timed = task in (Task.LOCALIZATION, Task.PROPOSALS)
    classed = task is not Task.PROPOSALS
    return Predictions(
        task=task,
        video_ids=ids,
        video=np.array([place[row[0]] for row in rows], dtype=np.int64),
        scores=np.array([row[4] for row in rows], dtype=np.float64),
        segments=np.array([row[1:3] for row in rows], dtype=np.float64).reshape(-1, 2) if timed else None,
        label_index=np.array([labels.index(row[3]) for row in rows], dtype=np.int64) if classed else None,
        labels=labels if classed else (),
    )
