"""The "v_" before video ids: ActivityNet's caption files and feature files write it, everything else does not.

Inside the package ids carry no prefix. This file is the only place that takes it off or puts it on.
"""

import re
from collections.abc import Collection

PREFIX = "v_"

_YOUTUBE = re.compile(r"v_[A-Za-z0-9_-]{11}")


def bare_captions(video_ids: Collection[str]) -> list[str]:
    """Ids of a caption file: the prefix goes if every id has it."""
    strip = bool(video_ids) and all(video_id.startswith(PREFIX) for video_id in video_ids)
    return [video_id.removeprefix(PREFIX) if strip else video_id for video_id in video_ids]


def bare(video_ids: Collection[str]) -> list[str]:
    """Ids of any other file: the prefix goes if every id is "v_" and the eleven characters of a YouTube id.

    A name like v_Archery_g01_c01 (UCF101) stays, and so does a YouTube id that begins with these two characters.
    """
    strip = bool(video_ids) and all(_YOUTUBE.fullmatch(video_id) for video_id in video_ids)
    return [video_id.removeprefix(PREFIX) if strip else video_id for video_id in video_ids]


def prefixed(video_id: str) -> str:
    """The id as the caption files write it."""
    return PREFIX + video_id
