"""Extraction: are all cores busy, and is memory flat in the length of the video?"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.table import Row, at_least, at_most
from untrimmed.features.extract import cores, extract
from untrimmed.features.flow.dis import Dis
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.store import FeatureStore
from untrimmed.media.writer import write_video
from untrimmed.records import Video

SIZE = (360, 640)
VIDEOS, FRAMES, FPS = 12, 900, 30.0
QUIET = 0.25
"""Share of the cores' time that other programs may use for the figure to mean something."""
LONG = 20
"""How many times longer the long video of the memory test is."""

MEASURE = """
import resource, sys
from pathlib import Path
from untrimmed.features.extract import extract
from untrimmed.features.flow.dis import Dis
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.store import FeatureStore
from untrimmed.records import Video
path = Path(sys.argv[1])
video = Video(video_id=path.stem, duration=1.0, path=path)
report = extract([RgbImages(), FlowImages(method=Dis())], [video], store=FeatureStore(Path(sys.argv[2])), workers=0)
assert report.done == 1
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run() -> list[Row]:
    """Draw videos, measure RGB and flow of them on all cores, and one short and one long video by themselves."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [*_busy(folder), _memory(folder)]


def _busy(folder: Path) -> list[Row]:
    videos = []
    for place in range(VIDEOS):
        path = folder / f"v{place}.mp4"
        frames = FRAMES * (place % 3 + 1) // 3  # of different lengths, as in life
        _draw(path, frames, seed=place)
        videos.append(Video(video_id=path.stem, duration=frames / FPS, path=path))
    features = [RgbImages(), FlowImages(method=Dis())]
    children, own, machine, begin = _spent(resource.RUSAGE_CHILDREN), _spent(resource.RUSAGE_SELF), _machine(), _now()
    report = extract(features, videos, store=FeatureStore(folder / "store"))
    wall = _now() - begin
    children = _spent(resource.RUSAGE_CHILDREN) - children
    own = _spent(resource.RUSAGE_SELF) - own
    others = max(0.0, _machine() - machine - children - own)
    if report.failed:
        raise RuntimeError(f"extraction failed: {report.failed}")
    workers = cores()
    seconds = sum(video.duration for video in videos)
    note = f"{VIDEOS} videos of {SIZE[1]} x {SIZE[0]}, RGB and DIS flow, start of {workers} processes included"
    share = at_least("share of the cores' free time in use", children / (wall * workers - others), 0.85, note=note)
    if others > QUIET * wall * workers:  # then nothing would have been idle in any case
        share = replace(share, good=None, note=f"no verdict, the machine was busy with other programs; {note}")
    return [
        share,
        Row(what="share of all their time", value=children / (wall * workers), note=f"others used {others:.0f} s"),
        Row(what="video a core-second", value=seconds / children, unit="s"),
    ]


def _memory(folder: Path) -> Row:
    _draw(folder / "short.mp4", FRAMES // 3, seed=0)
    _draw(folder / "long.mp4", LONG * FRAMES // 3, seed=0)
    peak = {}
    for name in ("short", "long"):
        words = [sys.executable, "-c", MEASURE, str(folder / f"{name}.mp4"), str(folder / "alone")]
        peak[name] = int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    note = f"peak {peak['short'] / 1024:.0f} MB for {FRAMES // 3} frames, {LONG} times as many in the long one"
    return at_most("memory for a long video against a short one", peak["long"] / peak["short"], 1.1, note=note)


def _draw(path: Path, frames: int, *, seed: int) -> None:
    """A window that moves over a texture, cheap to draw and not cheap to decode."""
    small = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8)
    canvas = np.repeat(np.repeat(small, 16, axis=0), 16, axis=1)

    def pictures() -> Iterator[np.ndarray]:
        for place in range(frames):
            y, x = (int(100 + 90 * wave) for wave in (np.sin(place / 17), np.cos(place / 23)))
            yield np.ascontiguousarray(canvas[y : y + SIZE[0], x : x + SIZE[1]])

    write_video(path, pictures(), fps=FPS)


def _spent(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _machine() -> float:
    """CPU seconds that all programs of this machine have used; 0 where nobody tells."""
    place = Path("/proc/stat")
    if not place.exists():
        return 0.0
    user, nice, system, _, _, irq, soft, stolen = map(int, place.read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + irq + soft + stolen) / os.sysconf("SC_CLK_TCK")


def _now() -> float:
    return time.perf_counter()
