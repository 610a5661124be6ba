"""The challenge's submission files of all five tasks: JSON with `version`, `results` and `external_data`.

`results[id]` is a list of {label, score} (T1, T2), {score, segment} (T3), {label, score, segment} (T4) or
{sentence, timestamp} (T5; ids carry "v_"). All three keys must be there. Files of public toolkits in the same layout
are read too:

- OpenTAD writes `results` alone;
- MMAction2, ActionFormer's JSON and R-C3D's ports write all three, R-C3D with class numbers as labels;
- PDVC adds scores and more to each caption;
- TimeChat writes id to [{timestamp, caption}] without anything around it.

Source: http://activity-net.org/challenges/2017/, "Submission format".
"""

from array import array
from collections.abc import Iterable
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from untrimmed.columns import Predictions, Sentences
from untrimmed.data.opening import decode, decode_items, read_bytes
from untrimmed.data.video_ids import bare, bare_captions, prefixed
from untrimmed.data.writing import write_json
from untrimmed.records import DataError, Prediction, Task

VERSION = "VERSION 1.3"
CAPTIONS_VERSION = "VERSION 1.0"

_SCORE, _SEGMENT, _LABEL = attrgetter("score"), attrgetter("segment"), attrgetter("label")


class _Scored(msgspec.Struct, gc=False):
    label: str | int
    score: float


class _Proposed(msgspec.Struct, gc=False):
    score: float
    segment: tuple[float, float]


class _Detected(msgspec.Struct, gc=False):
    label: str | int
    score: float
    segment: tuple[float, float]


class _Captioned(msgspec.Struct, gc=False):
    sentence: str
    timestamp: tuple[float, float]
    proposal_score: float | None = None
    score: float | None = None


class _Said(msgspec.Struct, gc=False):
    caption: str
    timestamp: tuple[float, float]


class _File(msgspec.Struct):
    results: dict[str, msgspec.Raw]
    version: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    external_data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def read_predictions(path: Path, task: Task) -> Predictions:
    """What one file predicts for one of the tasks T1 to T4, in file order.

    Args:
        path: a submission file, plain or gzip.
        task: which layout to expect.

    Raises:
        DataError: when the file is not a submission for this task; the message names the JSON path.
    """
    if task is Task.CAPTIONING:
        raise DataError("captions have columns of their own: use read_captions")
    table = _results(path)
    timed, classed = task in (Task.PROPOSALS, Task.LOCALIZATION), task is not Task.PROPOSALS
    kind: Any = list[_Detected] if timed and classed else list[_Proposed] if timed else list[_Scored]
    counts: list[int] = []
    scores, times, classes = array("d"), array("d"), array("q")
    labels: dict[str | int, int] = {}
    for _, items in decode_items(table, kind, path=path, at="$.results"):
        counts.append(len(items))
        scores.extend(map(_SCORE, items))
        if timed:
            times.extend(chain.from_iterable(map(_SEGMENT, items)))
        if classed:
            for item in items:
                if item.label not in labels:
                    labels[item.label] = len(labels)
            classes.extend(map(labels.__getitem__, map(_LABEL, items)))
    return Predictions(
        task=task,
        video_ids=tuple(bare(table)),
        video=np.repeat(np.arange(len(counts)), np.array(counts, dtype=np.int64)),
        scores=np.frombuffer(scores, dtype=np.float64) if scores else np.zeros(0),
        segments=np.array(times, dtype=np.float64).reshape(-1, 2) if timed else None,
        label_index=np.array(classes, dtype=np.int64) if classed else None,
        labels=tuple(str(label) for label in labels),
    )


def read_captions(path: Path) -> Sentences:
    """What one file says for task T5, in file order; durations are unknown.

    Scores are PDVC's `proposal_score` where every caption has one, or `score`; else None.

    Raises:
        DataError: when the file is no file of captions; the message names the JSON path.
    """
    content = read_bytes(path)
    top = decode(content, dict[str, msgspec.Raw], path=path)
    said = bool(top) and "results" not in top
    table = top if said else _results(path, content)
    kind = list[_Said] if said else list[_Captioned]
    video: list[int] = []
    items: list[Any] = []
    for place, (_, found) in enumerate(decode_items(table, kind, path=path, at="$" if said else "$.results")):
        items += found
        video += [place] * len(found)
    return Sentences(
        name=path.name.split(".")[0],
        video_ids=tuple(bare_captions(table)),
        durations=np.full(len(table), np.nan),
        video=np.array(video, dtype=np.int64),
        segments=np.array([item.timestamp for item in items], dtype=np.float64).reshape(-1, 2),
        sentences=tuple(item.caption if said else item.sentence for item in items),
        scores=None if said else _caption_scores(items),
    )


def write_predictions(
    path: Path, predictions: Iterable[Prediction], task: Task, *, external_data: str | None = None
) -> None:
    """Write a submission file in the official layout; it appears complete or not at all.

    Args:
        path: where; a name that ends in .gz is packed.
        predictions: one a video.
        task: what to write of them.
        external_data: what else the system was trained on, in words; None says that nothing was used.

    Raises:
        DataError: when a prediction holds nothing for the task, or a video comes twice.
    """
    results: dict[str, list[dict[str, Any]]] = {}
    for prediction in predictions:
        video_id = prediction.video.video_id
        key = prefixed(video_id) if task is Task.CAPTIONING else video_id
        if key in results:
            raise DataError(f"video {video_id} is predicted twice, wanted one prediction a video ({path})")
        results[key] = _entries(prediction, task)
    write_json(path, submission(results, task, external_data=external_data))


def write_columns(path: Path, table: Predictions | Sentences, *, external_data: str | None = None) -> None:
    """Write columns in the official layout, in their order and exactly as they are; atomic.

    Args:
        path: where; a name that ends in .gz is packed.
        table: predictions of any task.
        external_data: as in write_predictions.
    """
    results: dict[str, list[dict[str, Any]]] = {video_id: [] for video_id in table.video_ids}
    lists = list(results.values())
    said = isinstance(table, Sentences)
    segments = None if table.segments is None else table.segments.tolist()
    scores = None if table.scores is None else table.scores.tolist()
    for index, video in enumerate(table.video.tolist()):
        entry: dict[str, Any] = {}
        if isinstance(table, Sentences):
            entry["sentence"] = table.sentences[index]
        elif table.label_index is not None:
            entry["label"] = table.labels[table.label_index[index]]
        if scores is not None:
            entry["score"] = scores[index]
        if segments is not None:
            entry["timestamp" if said else "segment"] = segments[index]
        lists[video].append(entry)
    if said:
        results = {prefixed(video_id): items for video_id, items in results.items()}
    task = table.task if isinstance(table, Predictions) else Task.CAPTIONING
    write_json(path, submission(results, task, external_data=external_data))


def submission(results: dict[str, Any], task: Task, *, external_data: str | None = None) -> dict[str, Any]:
    """The object around the results."""
    return {
        "version": CAPTIONS_VERSION if task is Task.CAPTIONING else VERSION,
        "results": results,
        "external_data": {"used": external_data is not None, "details": external_data or ""},
    }


def _results(path: Path, content: bytes | None = None) -> dict[str, msgspec.Raw]:
    file = decode(read_bytes(path) if content is None else content, _File, path=path)
    named = {"version": file.version, "external_data": file.external_data}
    missing = [name for name, value in named.items() if value is msgspec.UNSET]
    if len(missing) == 1:  # none of both is what OpenTAD writes; one of both is a submission with a mistake
        raise DataError(f"{path} must have version, results and external_data, {missing[0]} is missing")
    return file.results


def _caption_scores(items: list[Any]) -> np.ndarray | None:
    for name in ("proposal_score", "score"):
        found = [getattr(item, name) for item in items]
        if found and all(value is not None for value in found):
            return np.array(found, dtype=np.float64)
    return None


def _entries(prediction: Prediction, task: Task) -> list[dict[str, Any]]:
    whose = prediction.video.video_id
    if task in (Task.CLASSIFICATION, Task.RECOGNITION):
        if prediction.classes is not None:
            ranked = prediction.classes.best(len(prediction.classes.scores))
            return [{"label": label, "score": score} for label, score in ranked]
    elif task is Task.PROPOSALS:
        if prediction.proposals is not None:
            return [{"score": one.score, "segment": list(one.segment)} for one in prediction.proposals]
    elif task is Task.LOCALIZATION:
        if prediction.detections is not None:
            found = prediction.detections
            return [{"label": one.label, "score": one.score, "segment": list(one.segment)} for one in found]
    elif prediction.captions is not None:
        return [
            {"sentence": one.sentence, "timestamp": list(one.segment), "score": one.score}
            for one in prediction.captions
        ]
    raise DataError(f"prediction of video {whose} holds nothing for {task.value}")
