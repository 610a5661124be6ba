"""ActivityNet Captions and everything in its layout (YouCook2 of PDVC): id to duration, timestamps and sentences.

Validation was annotated twice; val_1 and val_2 are two reference sets of the same videos, one file each.

Source: Krishna et al., Dense-Captioning Events in Videos, ICCV 2017.
"""

from pathlib import Path
from typing import Any

import msgspec

from untrimmed.data.opening import decode, decode_items, read_bytes, shown
from untrimmed.data.raw import RawDataset, RawVideo, Span
from untrimmed.data.video_ids import bare_captions, prefixed
from untrimmed.data.writing import write_json
from untrimmed.records import DataError, Dataset


class _Video(msgspec.Struct, gc=False):
    duration: float
    timestamps: list[tuple[float, float]]
    sentences: list[str]


def read(path: Path, *, subset: str = "validation") -> RawDataset:
    """The reference sentences of one annotator; the file does not say the subset, so the caller does.

    Raises:
        DataError: when the file is not in this layout, or a video has not one sentence a time stamp.
    """
    table = decode(read_bytes(path), dict[str, msgspec.Raw], path=path)
    videos = []
    for key, item in decode_items(table, _Video, path=path, at="$"):
        if len(item.timestamps) != len(item.sentences):
            raise DataError(
                f'{path} at $["{shown(key)}"]: wanted one sentence a time stamp, '
                f"got {len(item.timestamps)} time stamps and {len(item.sentences)} sentences"
            )
        spans = [Span(a, b, text) for (a, b), text in zip(item.timestamps, item.sentences, strict=True)]
        videos.append(RawVideo(video_id=key, duration=item.duration, subset=subset, events=[spans]))
    for video, video_id in zip(videos, bare_captions(table), strict=True):
        video.video_id = video_id
    name = path.name.split(".")[0]
    return RawDataset(name=name, source=path, videos=videos, annotators=(name,))


def joined(first: RawDataset, *others: RawDataset) -> RawDataset:
    """Several annotators of the same videos as one data set; a video that one of them left out has an empty list.

    The duration is that of the first file that has the video.
    """
    videos: dict[str, RawVideo] = {}
    for number, part in enumerate((first, *others)):
        for video in part.videos:
            whole = videos.setdefault(
                video.video_id, RawVideo(video_id=video.video_id, duration=video.duration, subset=video.subset)
            )
            whole.events += [[] for _ in range(number - len(whole.events))]
            whole.events += video.events
    names = tuple(name for part in (first, *others) for name in part.annotators)
    return RawDataset(name=first.name, source=first.source, videos=list(videos.values()), annotators=names)


def write(folder: Path, dataset: Dataset) -> None:
    """Write one file an annotator and subset (training.json, validation_1.json ...), in this layout with "v_" ids.

    A subset with a single annotator gets a file without a number.
    """
    for subset in dict.fromkeys(one.video.subset for one in dataset.annotations):
        part = [one for one in dataset.annotations if one.video.subset == subset and one.events]
        most = max((len(one.events) for one in part), default=0)
        for number in range(most):
            content: dict[str, Any] = {
                prefixed(one.video.video_id): {
                    "duration": one.video.duration,
                    "timestamps": [list(event.segment) for event in one.events[number]],
                    "sentences": [event.sentence for event in one.events[number]],
                }
                for one in part
                if len(one.events) > number and one.events[number]
            }
            write_json(folder / (f"{subset}.json" if most == 1 else f"{subset}_{number + 1}.json"), content)
