"""Read videos: this is the door to what the files beside it do.

`probe` tells what a file is, `read_frames` streams it, `read_at` and `read_at_seconds` pick single frames,
`dense_clips` slides a window over it.
"""

from untrimmed.media.clips import Clip, dense_clips
from untrimmed.media.info import VideoInfo, probe
from untrimmed.media.source import DecodeReport
from untrimmed.media.sparse import read_at, read_at_seconds
from untrimmed.media.stream import Frame, FrameStream, read_frames

__all__ = [
    "Clip",
    "DecodeReport",
    "Frame",
    "FrameStream",
    "VideoInfo",
    "dense_clips",
    "probe",
    "read_at",
    "read_at_seconds",
    "read_frames",
]
