"""MultiTHUMOS in the JSON that most code uses: id to {subset, duration, actions: [[class, start, end]]}.

Classes are numbers; the same JSON with 157 classes is in use for Charades.

Source: Yeung et al., Every Moment Counts: Dense Detailed Labeling of Actions in Complex Videos, IJCV 2018.
"""

from pathlib import Path

import msgspec

from untrimmed.data.opening import decode, decode_items, read_bytes
from untrimmed.data.raw import RawDataset, RawVideo, Span


class _Video(msgspec.Struct, gc=False):
    subset: str
    duration: float
    actions: list[tuple[int, float, float]]


def read(path: Path) -> RawDataset:
    """The data set of one file; labels are the class numbers as text, with as many digits as the largest has.

    Raises:
        DataError: when the file is not in this layout; the message names the JSON path.
    """
    table = decode(read_bytes(path), dict[str, msgspec.Raw], path=path)
    items = list(decode_items(table, _Video, path=path, at="$"))
    digits = max((len(str(action[0])) for _, item in items for action in item.actions), default=1)
    videos = [
        RawVideo(
            video_id=video_id,
            duration=item.duration,
            subset=item.subset,
            instances=[Span(start, end, f"{number:0{digits}d}") for number, start, end in item.actions],
        )
        for video_id, item in items
    ]
    return RawDataset(name=path.name.split(".")[0], source=path, videos=videos)
