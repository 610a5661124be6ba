"""R-C3D: frames a second beside the bare trunk and beside sliding windows; memory in the length of a video."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.table import Row, at_least, at_most, cpu_seconds
from untrimmed.nets.c3d import C3d
from untrimmed.nets.rc3d import Rc3dNet, Rc3dNetConfig
from untrimmed.timeline import windows

FRAMES = 64
"""Of the buffer that is timed: a twelfth of the paper's, which would take minutes a pass on one core. A longer one has
more proposals, but these are 300 at most, so that their share of the time falls."""
ROUNDS = 2
NARROW = C3d(width=8, hidden=256)
"""The trunk beside sliding windows, which see each frame five times or more."""
WINDOW_FRAMES = (16, 32, 64, 128, 256, 512)
"""Lengths of S-CNN's windows; each is thinned to 16 frames, and three quarters of it overlap the next."""
SHORT, LONG = 2, 16
"""Buffers of the short and of the long video."""

MEASURE = """
import resource, sys, torch
from collections.abc import Iterator
from pathlib import Path
import numpy as np
from untrimmed.features.buffers import Buffering
from untrimmed.features.feature import Rows
from untrimmed.features.store import FeatureStore
from untrimmed.nets.c3d import C3d
from untrimmed.nets.rc3d import Rc3dNetConfig
from untrimmed.records import Video
from untrimmed.systems.rc3d import Rc3d, Rc3dConfig
from untrimmed.timeline import TimeGrid

class Pictures(Rows):
    def __init__(self, count):
        self.count = count
    def __iter__(self):
        rng = np.random.default_rng(0)
        for _ in range(self.count // 32):
            yield np.repeat(rng.integers(0, 256, (32, 1, 1, 3), np.uint8), 128 * 171, axis=1).reshape(32, 128, 171, 3)
    def grid(self):
        return TimeGrid(start=0.0, stride=1 / 3, window=1 / 3, steps=self.count)

torch.set_num_threads(1)
buffers, store = int(sys.argv[1]), FeatureStore(Path(sys.argv[2]))
config = Rc3dConfig(
    net=Rc3dNetConfig(trunk=C3d(width=4, hidden=64)),
    buffering=Buffering(frames=256, stride_frames=64, test_stride_frames=256),
)
system = Rc3d(config)
torch.manual_seed(0)
system._net, system._labels = config.net.build(classes=20, channels=3), tuple(map(str, range(20)))
store.write(config.images, "v", Pictures(256 * buffers))
found = system.detections(Video(video_id="v", duration=256 * buffers / 3), store=store)
assert found.detections
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run() -> list[Row]:
    """All rows."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.inference_mode():
        rows = [*_speed(), _sliding()]
    return [*rows, _memory()]


def _speed() -> list[Row]:
    net = Rc3dNetConfig().build(classes=200, channels=3).eval()
    frames = torch.randint(0, 256, (1, 3, FRAMES, 112, 112), dtype=torch.uint8)
    proposals: list[int] = []
    bare, whole = _alternating(lambda: net.maps(frames), lambda: proposals.append(_found(net, frames)))
    note = f"{FRAMES} frames of 112 x 112, {proposals[0]} proposals, 200 classes, one thread, least of {ROUNDS} rounds"
    return [
        at_least("R-C3D against its bare trunk: frames a second", bare / whole, 0.9, note=note),
        Row(what="R-C3D", value=FRAMES / whole, unit="frames/s", note="CPU seconds, width 64"),
        Row(what="the bare trunk", value=FRAMES / bare, unit="frames/s", note="conv1a to conv5b"),
    ]


def _sliding() -> Row:
    net = replace(Rc3dNetConfig(), trunk=NARROW).build(classes=200, channels=3).eval()
    clips = NARROW.build(classes=200, channels=3).eval()
    frames = torch.randint(0, 256, (1, 3, FRAMES, 112, 112), dtype=torch.uint8)
    spans = [
        (first, past, size // 16)
        for size in WINDOW_FRAMES
        if size <= FRAMES
        for first, past in windows(FRAMES, size=size, stride=size // 4).tolist()
    ]

    def slide() -> None:
        for first, past, step in spans:
            clips(frames[:, :, first:past:step])

    sliding, whole = _alternating(slide, lambda: _found(net, frames))
    note = f"{len(spans)} windows of S-CNN's lengths on {FRAMES} frames, C3D of an eighth of the width"
    return at_least("one pass against sliding windows: frames a second", sliding / whole, 1.0, note=note)


def _memory() -> Row:
    peak = []
    for buffers in (SHORT, LONG):
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-c", MEASURE, str(buffers), str(Path(folder) / "store")]
            peak.append(int(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
    note = f"peak {peak[0] / 1024:.0f} MB for {SHORT} buffers of 256 frames, {peak[1] / 1024:.0f} MB for {LONG}"
    return at_most("memory for a long video against a short one", peak[1] / peak[0], 1.1, note=note)


def _found(net: Rc3dNet, frames: torch.Tensor) -> int:
    return len(net(frames, torch.tensor([float(FRAMES)]))[0].proposals.scores)


def _alternating(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Least CPU seconds of each, in turns."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for i, call in enumerate((first, second)):
            best[i] = min(best[i], cpu_seconds(call))
    return best[0], best[1]
