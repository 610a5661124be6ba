"""Optical flow: our TV-L1 against OpenCV's on the same pictures, one thread each; the fast modes beside it.

OpenCV's TV-L1 is in its contrib package, which this project does not depend on. Where the installed cv2 lacks it, the
interpreter named by the environment variable UNTRIMMED_CONTRIB_PYTHON is asked (one with
opencv-contrib-python-headless and numpy); without either the ratio is reported as absent.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.table import Row, at_least, at_most
from untrimmed.features.flow.dis import Dis
from untrimmed.features.flow.farneback import Farneback
from untrimmed.features.flow.tvl1 import TvL1
from untrimmed.media.reader import read_at, read_frames
from untrimmed.records import DataError

SIZE = (256, 340)
"""TSN's size: the one for which the limits are given."""
REPEAT = 2

ORACLE = """
import sys, time, json
import numpy as np, cv2
cv2.setNumThreads(1)
pairs = np.load(sys.argv[1], allow_pickle=False)
solver = cv2.optflow.DualTVL1OpticalFlow_create()
solver.calc(pairs[0, 0], pairs[0, 1], None)
flows, seconds = [], []
for first, second in pairs:
    best = 1e9
    for _ in range(int(sys.argv[3])):
        begin = time.process_time()
        flow = solver.calc(first, second, None)
        best = min(best, time.process_time() - begin)
    flows.append(flow)
    seconds.append(best)
np.save(sys.argv[2], np.stack(flows))
print(json.dumps(seconds))
"""


def run() -> list[Row]:
    """Time all methods on pairs of real videos where there are any, else on drawn ones."""
    cv2.setNumThreads(1)
    pairs, where = _pairs()
    note = f"{len(pairs)} pairs of {where}, {SIZE[1]} x {SIZE[0]}, 1 thread, CPU time"
    flows, seconds = _timed(TvL1(), pairs)
    rows = _against_opencv(pairs, flows, seconds, note)
    for name, method in [
        ("TV-L1", TvL1()),
        ("DIS medium", Dis()),
        ("DIS fast", Dis(preset="fast")),
        ("DIS ultrafast", Dis(preset="ultrafast")),
        ("Farneback", Farneback()),
    ]:
        own, spent = (flows, seconds) if name == "TV-L1" else _timed(method, pairs)
        away = float(np.linalg.norm(own - flows, axis=3).mean())
        rows.append(Row(what=name, value=len(spent) / sum(spent), unit="pairs/s", note=f"{away:.2f} px from our TV-L1"))
    return rows


def _against_opencv(pairs: np.ndarray, flows: np.ndarray, seconds: list[float], note: str) -> list[Row]:
    python = sys.executable if hasattr(cv2, "optflow") else os.environ.get("UNTRIMMED_CONTRIB_PYTHON")
    if python is None:
        absent = "absent: no cv2.optflow here and UNTRIMMED_CONTRIB_PYTHON is not set"
        return [Row(what="TV-L1 faster than OpenCV's", value=float("nan"), wanted=">= 6", note=absent)]
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "pairs.npy", Path(folder) / "flows.npy"
        np.save(given, pairs)
        words = [python, "-c", ORACLE, str(given), str(answer), str(REPEAT)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        theirs, their_seconds = np.load(answer, allow_pickle=False), json.loads(done.stdout)
    ratios = np.array(their_seconds) / np.array(seconds)
    errors = np.linalg.norm(flows - theirs, axis=3).mean(axis=(1, 2))
    length = np.linalg.norm(theirs, axis=3).mean()
    return [
        at_least("TV-L1 faster than OpenCV's", sum(their_seconds) / sum(seconds), 6, note=note),
        Row(what="the same, worst pair", value=float(ratios.min()), note=f"best pair {ratios.max():.1f} x"),
        at_most("TV-L1 from OpenCV's", float(errors.mean()), 0.13, unit="px", note=f"mean flow {length:.2f} px"),
        at_most("the same, worst pair", float(errors.max()), 0.13, unit="px"),
    ]


def _timed(method: TvL1 | Dis | Farneback, pairs: np.ndarray) -> tuple[np.ndarray, list[float]]:
    method.flow(*pairs[0])  # compiles
    flows, seconds = [], []
    for first, second in pairs:
        best = float("inf")
        for _ in range(REPEAT):
            begin = time.process_time()
            flow = method.flow(first, second)
            best = min(best, time.process_time() - begin)
        flows.append(flow)
        seconds.append(best)
    return np.stack(flows), seconds


def _pairs() -> tuple[np.ndarray, str]:
    folder = Path(__file__).parents[2] / "shared" / "video" / "untrimmed"
    pairs = []
    for path in sorted(folder.glob("*")):
        try:
            frames = read_at(path, np.array([60, 61, 180, 181]))
        except DataError:  # shorter than that, or no video
            frames = np.stack([frame.image for _, frame in zip(range(2), read_frames(path), strict=False)])
        grey = [
            cv2.cvtColor(cv2.resize(one, SIZE[::-1], interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
            for one in frames
        ]
        pairs += [grey[place : place + 2] for place in range(0, len(grey) - 1, 2)]
    if pairs:
        return np.array(pairs), "real videos"
    noise = np.random.default_rng(0).normal(size=(6, SIZE[0] + 40, SIZE[1] + 40)).astype(np.float32)
    canvases = [cv2.normalize(cv2.GaussianBlur(one, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX) for one in noise]
    for place, canvas in enumerate(canvases):
        whole = canvas.astype(np.uint8)
        moved = whole[place : place + SIZE[0], 2 * place : 2 * place + SIZE[1]]
        pairs.append([np.ascontiguousarray(whole[: SIZE[0], : SIZE[1]]), np.ascontiguousarray(moved)])
    return np.array(pairs), "drawn textures"
