"""Decoding: whole videos, single frames, dense clips, each against what it cannot do without."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.table import Row, at_most, cpu_seconds
from untrimmed.media import index
from untrimmed.media.reader import dense_clips, read_at, read_frames
from untrimmed.media.writer import write_video

SECONDS, FPS, HEIGHT, WIDTH = 120, 30, 360, 640
ROUNDS = 3
"""The least CPU time of so many alternating rounds counts: the machine may be shared."""


def run() -> list[Row]:
    """Write a file of two minutes with B-frames and a key frame every 250 frames, and read it in four ways."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mp4"
        write_video(path, _pictures(), fps=FPS, keyframe_every=250)
        ffmpeg = shutil.which("ffmpeg")
        if ffmpeg:
            path = _as_ffmpeg_writes(ffmpeg, path)
        wanted = np.linspace(0, SECONDS * FPS - 1, 25).round().astype(int)
        calls = {
            "full": lambda: _exhaust(read_frames(path)),
            "luma": lambda: _exhaust(read_frames(path, colour="luma")),
            "sparse": lambda: read_at(path, wanted),
            "dense": lambda: _exhaust(dense_clips(path, frames=16, stride=8, size=(128, 171))),
        }
        if ffmpeg:
            command = [ffmpeg, "-v", "error", "-threads", "1", "-i", str(path), "-f", "null", "-"]
            calls["ffmpeg"] = lambda: subprocess.run(command, check=True)
        spent = {name: float("inf") for name in calls}
        for _ in range(ROUNDS):
            for name, call in calls.items():
                index._kept.cache_clear()  # a walk through the packets is part of the price
                spent[name] = min(spent[name], cpu_seconds(call))
    note = f"{SECONDS} s, {WIDTH}x{HEIGHT}, {FPS} fps, h264 with B-frames"
    rows = []
    if ffmpeg:
        limit = f"{note}; ffmpeg decodes in {spent['ffmpeg']:.2f} s"
        ratio = spent["full"] / spent["ffmpeg"]
        rows.append(at_most("full decode to RGB / ffmpeg -threads 1 to null", ratio, 1.3, note=limit))
        rows.append(
            Row(what="clips of 16 every 8 / ffmpeg to null", value=spent["dense"] / spent["ffmpeg"], note=limit)
        )
    else:
        lacking = f"{note}; there is no ffmpeg to compare with"
        rows.append(Row(what="full decode to RGB", value=spent["full"], unit="s", note=lacking))
    rows.append(at_most("25 frames / decoding in order", spent["sparse"] / spent["full"], 0.35, note=note))
    rows.append(
        at_most("clips of 16 every 8 at 171x128 / decoding once to RGB", spent["dense"] / spent["full"], 1.3, note=note)
    )
    rows.append(Row(what="luma / RGB", value=spent["luma"] / spent["full"], note=note))
    return rows


def _as_ffmpeg_writes(ffmpeg: str, path: Path) -> Path:
    """The same pictures as most files in the world are coded: x264's own settings. Our writer leaves the macroblock
    tree out, so that equal pictures give equal files, and with it goes part of what skipping frames saves."""
    other = path.with_name("ordinary.mp4")
    coding = ["-c:v", "libx264", "-preset", "medium", "-g", "250", "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg, "-v", "error", "-i", str(path), *coding, str(other)], check=True)
    return other


def _exhaust(things: object) -> None:
    for _ in things:  # type: ignore[attr-defined]
        pass


def _pictures() -> Iterator[np.ndarray]:
    """A textured scene that pans, with a square that moves and changes: something to predict, something to code."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (HEIGHT // 8, WIDTH // 4, 3), dtype=np.uint8)
    scene = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
    noise = rng.integers(96, 160, (256, 96, 1), dtype=np.uint8)
    for number in range(SECONDS * FPS):
        left = (number * 3) % WIDTH
        picture = scene[:, left : left + WIDTH].copy()
        top, side = (number * 2) % (HEIGHT - 96), (number * 5) % (WIDTH - 96)
        picture[top : top + 96, side : side + 96] = noise[(number * 7) % 160 :][:96]
        yield picture
