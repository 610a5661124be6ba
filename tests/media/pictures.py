"""Synthetic pictures whose number can be read back from their pixels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from untrimmed.media.writer import write_video


def numbered(count: int, *, height: int = 48, width: int = 64) -> Iterator[np.ndarray]:
    """Frames with a moving texture and their number as eight black or white blocks in the top rows."""
    rng = np.random.default_rng(0)
    scene = np.kron(rng.integers(40, 216, (height // 8, width // 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    for number in range(count):
        left = number % width
        picture = scene[:, left : left + width].copy()
        for bit in range(8):
            picture[:8, bit * 8 : bit * 8 + 8] = 255 * (number >> bit & 1)
        yield picture


def number_of(image: np.ndarray) -> int:
    """The number that a picture of `numbered` carries."""
    return sum(int(image[4, bit * 8 + 4].mean() > 128) << bit for bit in range(8))


def written(folder: Path, count: int = 60, *, name: str = "clip.mp4", fps: float = 25.0, sound: bool = False) -> Path:
    """A file of numbered frames with key frames every 12."""
    path = folder / name
    tone = np.sin(2 * np.pi * 440 * np.arange(round(count / fps * 16000)) / 16000).astype(np.float32) / 2
    frames = numbered(count)
    write_video(path, frames, fps=fps, audio=tone if sound else None, audio_rate=16000, keyframe_every=12)
    return path
