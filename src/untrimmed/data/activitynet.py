"""ActivityNet 1.2 and 1.3 annotation files: JSON with `database`, `taxonomy` and `version`.

Source: the ActivityNet release, http://activity-net.org/download.html, and its evaluators.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from untrimmed.data.opening import decode, decode_items, read_bytes
from untrimmed.data.raw import RawDataset, RawVideo, Span
from untrimmed.data.taxonomy import Node, Taxonomy
from untrimmed.data.video_ids import bare
from untrimmed.data.writing import write_json
from untrimmed.records import Annotation, DataError, Dataset


class _Item(msgspec.Struct, gc=False):
    label: str
    segment: tuple[float, float]


class _Video(msgspec.Struct, gc=False):
    subset: str
    duration: float | None = None
    annotations: list[_Item] = []


class _File(msgspec.Struct):
    database: dict[str, msgspec.Raw]
    taxonomy: list[Node] = []
    version: str | int | float | None = None


def read(path: Path) -> RawDataset:
    """The data set of one file.

    Raises:
        DataError: when the file is not in this layout; the message names the JSON path.
    """
    file = decode(read_bytes(path), _File, path=path)
    videos = []
    for video_id, item in decode_items(file.database, _Video, path=path, at="$.database"):
        duration = math.nan if item.duration is None else item.duration
        spans = [Span(one.segment[0], one.segment[1], one.label) for one in item.annotations]
        videos.append(RawVideo(video_id=video_id, duration=duration, subset=item.subset, instances=spans))
    for video, video_id in zip(videos, bare(file.database), strict=True):
        video.video_id = video_id
    return RawDataset(
        name=_name(file.version, path),
        source=path,
        videos=videos,
        labels=Taxonomy(tuple(file.taxonomy)).leaves,
        whole=True,
    )


def read_taxonomy(path: Path) -> Taxonomy:
    """The tree of activities of one file.

    Raises:
        DataError: when the file is not in this layout or holds no tree.
    """
    file = decode(read_bytes(path), _File, path=path)
    if not file.taxonomy:
        raise DataError(f"{path} holds no taxonomy")
    return Taxonomy(tuple(file.taxonomy))


def write(path: Path, dataset: Dataset) -> None:
    """Write a data set in the layout of ActivityNet 1.3; the file appears complete or not at all."""
    version = dataset.name.removeprefix("activitynet-")
    content: dict[str, Any] = {
        "version": f"VERSION {version}" if version != dataset.name else dataset.name,
        "taxonomy": _flat_tree(dataset.labels),
        "database": {one.video.video_id: _entry(one) for one in dataset.annotations},
    }
    write_json(path, content)


def _entry(annotation: Annotation) -> dict[str, Any]:
    return {
        "duration": annotation.video.duration,
        "subset": annotation.video.subset,
        "resolution": None,
        "url": None,
        "annotations": [{"label": one.label, "segment": list(one.segment)} for one in annotation.instances],
    }


def _flat_tree(labels: Iterable[str]) -> list[dict[str, Any]]:
    root = {"nodeId": 0, "nodeName": "Root", "parentId": None, "parentName": None}
    leaves = [
        {"nodeId": number, "nodeName": label, "parentId": 0, "parentName": "Root"}
        for number, label in enumerate(labels, start=1)
    ]
    return [root, *leaves]


def _name(version: str | int | float | None, path: Path) -> str:
    words = str(version).split() if version is not None else []
    if len(words) == 2 and words[0].upper() == "VERSION":
        return f"activitynet-{words[1]}"
    return words[0] if len(words) == 1 else path.name.split(".")[0]
