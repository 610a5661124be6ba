"""A copy that browsers can play, for the files that they cannot."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from untrimmed.media.reader import FrameStream, probe, read_frames
from untrimmed.media.writer import write_video
from untrimmed.records import DataError

PLAYED = {
    ".mp4": ("h264", "av1", "vp9"),
    ".m4v": ("h264",),
    ".webm": ("vp8", "vp9", "av1"),
}
"""What all current browsers play, by ending."""

PREVIEW_HEIGHT = 360
PREVIEW_FRAMES_PER_SECOND = 25.0


def playable(path: Path, folder: Path) -> Path:
    """The file itself if a browser plays it, else a smaller mp4 copy of it (h264, no sound) in a folder.

    Args:
        path: a video file.
        folder: where the copy goes; it is made once.

    Returns:
        A file that browsers play; the original where even that fails, so that the page can say so.
    """
    try:
        info = probe(path)
    except DataError:
        return path
    if info.codec in PLAYED.get(path.suffix.lower(), ()):
        return path
    identity = f"{path.resolve()}-{path.stat().st_size}-{path.stat().st_mtime_ns}"
    copy = folder / f"{path.stem.lstrip('.')}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}.mp4"
    if not copy.exists():
        scale = min(1.0, PREVIEW_HEIGHT / info.height)
        size = (max(16, 2 * round(info.height * scale / 2)), max(16, 2 * round(info.width * scale / 2)))
        rate = min(PREVIEW_FRAMES_PER_SECOND, max(1.0, info.fps))
        try:
            write_video(copy, _images(read_frames(path, size=size, per_second=rate)), fps=rate)
        except DataError:
            return path
    return copy


def _images(stream: FrameStream) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    for frame in stream:
        yield frame.image
