"""Decoding: whole videos, single frames, dense clips, each against what it cannot do without."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.table import Row, at_most, cpu_seconds
from untrimmed.media import index
from untrimmed.media.reader import dense_clips, read_at, read_frames
from untrimmed.media.writer import write_video

SECONDS, FPS, HEIGHT, WIDTH = 120, 30, 360, 640
WEB, RARE = 60, 250
"""Frames from one key frame to the next: as in the videos of ActivityNet, which are as YouTube codes them (7 key frames
in the 420 frames of v_ZNVhz7ctTq0, 6 in the 355 of v_GGSY1Qvo990), and x264's own most where no shot ends."""
TARGETS = 25
REAL = Path(__file__).parents[2] / "shared" / "video" / "untrimmed"
ROUNDS = 3
"""The least CPU time of so many alternating rounds counts: the machine may be shared."""


def run() -> list[Row]:
    """Write files of two minutes with B-frames, read them in four ways, and real videos in two."""
    with tempfile.TemporaryDirectory() as folder:
        ffmpeg = shutil.which("ffmpeg")
        paths = {every: Path(folder) / f"{every}.mp4" for every in (WEB, RARE)}
        for every, place in paths.items():
            write_video(place, _pictures(), fps=FPS, keyframe_every=every)
            if ffmpeg:
                paths[every] = _as_ffmpeg_writes(ffmpeg, place, every)
        path = paths[WEB]
        calls: dict[str, Callable[[], object]] = {
            "full": lambda: _exhaust(read_frames(path)),
            "luma": lambda: _exhaust(read_frames(path, colour="luma")),
            "sparse": lambda: _sparse(path),
            "dense": lambda: _exhaust(dense_clips(path, frames=16, stride=8, size=(128, 171))),
            "full, rare": lambda: _exhaust(read_frames(paths[RARE])),
            "sparse, rare": lambda: _sparse(paths[RARE]),
        }
        if ffmpeg:
            command = [ffmpeg, "-v", "error", "-threads", "1", "-i", str(path), "-f", "null", "-"]
            calls["ffmpeg"] = lambda: subprocess.run(command, check=True)
        spent = _least(calls)
        real = list(_real(ffmpeg, Path(folder))) if ffmpeg else []
    note = f"{SECONDS} s, {WIDTH}x{HEIGHT}, {FPS} fps, h264 with B-frames, a key frame every {WEB}"
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
    rows.append(at_most(f"{TARGETS} frames / decoding in order", spent["sparse"] / spent["full"], 0.35, note=note))
    rare = f"one shot with a key frame every {RARE}: about two thirds of each stretch lie before its last target"
    rows.append(Row(what="the same, key frames rare", value=spent["sparse, rare"] / spent["full, rare"], note=rare))
    rows += real
    rows.append(
        at_most("clips of 16 every 8 at 171x128 / decoding once to RGB", spent["dense"] / spent["full"], 1.3, note=note)
    )
    rows.append(Row(what="luma / RGB", value=spent["luma"] / spent["full"], note=note))
    return rows


def _real(ffmpeg: str, folder: Path) -> Iterator[Row]:
    """Real ActivityNet videos, repeated to two minutes packet by packet, so that they stay coded as they came."""
    for source in sorted(REAL.glob("v_*.mp4")):
        path = folder / source.name
        repeat = ["-stream_loop", "19", "-i", str(source), "-c", "copy", "-an", "-t", str(SECONDS), str(path)]
        subprocess.run([ffmpeg, "-v", "error", *repeat], check=True)

        def whole(path: Path = path) -> None:
            _exhaust(read_frames(path))

        def some(path: Path = path) -> None:
            _sparse(path)

        spent = _least({"full": whole, "sparse": some})
        what = f"{TARGETS} frames / decoding in order, {source.stem}"
        yield at_most(what, spent["sparse"] / spent["full"], 0.35, note="a real video, repeated to two minutes")


def _least(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    spent = {name: float("inf") for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            index._kept.cache_clear()  # a walk through the packets is part of the price
            spent[name] = min(spent[name], cpu_seconds(call))
    return spent


def _sparse(path: Path) -> None:
    found = index.packet_index(path)
    assert found is not None, "the files are whole"
    read_at(path, np.linspace(0, len(found.seconds) - 1, TARGETS).round().astype(int))


def _as_ffmpeg_writes(ffmpeg: str, path: Path, every: int) -> Path:
    """The same pictures as most files in the world are coded: x264's own settings. Our writer leaves the macroblock
    tree out, so that equal pictures give equal files, and with it goes part of what skipping frames saves."""
    other = path.with_name(f"ordinary-{every}.mp4")
    coding = ["-c:v", "libx264", "-preset", "medium", "-g", str(every), "-pix_fmt", "yuv420p"]
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
