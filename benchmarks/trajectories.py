"""Improved dense trajectories: frames a second on one core, and beside the optical flow alone.

The original program, built with OpenCV 2.4, was measured at 13 frames a second at this size on one core. CPU time of
this process, one thread, least of alternating rounds.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numba
import numpy as np

from benchmarks.table import Row, at_least, cpu_seconds
from untrimmed.features.flow.dis import Dis
from untrimmed.features.trajectories.config import FAST, Trajectories
from untrimmed.features.trajectories.flows import flows
from untrimmed.features.trajectories.scales import sizes
from untrimmed.features.trajectories.stream import track
from untrimmed.media.reader import read_frames
from untrimmed.records import DataError

HEIGHT, WIDTH = 256, 340
FRAMES = 41
"""Of each video: 40 steps."""
ROUNDS = 3

CONFIGS = {
    "Farneback + SIFT": (Trajectories(), 14.0),
    "DIS + ORB (FAST)": (FAST, 30.0),
    "Farneback + ORB": (Trajectories(key_points="orb"), None),
    "DIS medium + ORB": (replace(FAST, flow=Dis()), None),
    "Farneback, camera left in": (Trajectories(compensated=False), None),
}


def run() -> list[Row]:
    """Time all configurations on real videos where there are any, else on a drawn one."""
    cv2.setNumThreads(1)
    numba.set_num_threads(1)
    videos, where = _videos()
    steps = sum(len(frames) - 1 for frames in videos)
    for config, _ in CONFIGS.values():
        list(track(videos[0][:3], config))  # compiles
    counts = {name: sum(map(len, _tracked(videos, config))) for name, (config, _) in CONFIGS.items()}
    work: dict[str, Callable[[], object]] = {
        name: lambda config=config: _tracked(videos, config) for name, (config, _) in CONFIGS.items()
    }
    work["Farneback flow"] = lambda: _flow_alone(videos, Trajectories())
    work["DIS flow"] = lambda: _flow_alone(videos, FAST)
    spent = dict.fromkeys(work, float("inf"))
    for _ in range(ROUNDS):
        for name, call in work.items():
            spent[name] = min(spent[name], cpu_seconds(call))
    note = f"{steps} steps of {where}, {WIDTH} x {HEIGHT}, 1 thread, CPU time"
    rows = []
    for name, (_, least) in CONFIGS.items():
        speed, tracks = steps / spent[name], f"{counts[name] / steps:.0f} tracks a frame"
        if least is None:
            rows.append(Row(what=name, value=speed, unit="frames/s", note=tracks))
        else:
            rows.append(at_least(name, speed, least, unit="frames/s", note=f"{note}; {tracks}"))
    ratio = spent["Farneback + SIFT"] / spent["Farneback flow"]
    rows.append(
        Row(what="Farneback + SIFT, of one flow at all scales", value=ratio, note="it measures two flows a frame")
    )
    ratio = spent["DIS + ORB (FAST)"] / spent["DIS flow"]
    rows.append(Row(what="DIS + ORB (FAST), of one flow at all scales", value=ratio))
    rows.append(Row(what="Farneback flow alone", value=steps / spent["Farneback flow"], unit="frames/s"))
    rows.append(Row(what="DIS flow alone", value=steps / spent["DIS flow"], unit="frames/s"))
    return rows


def _tracked(videos: list[list[np.ndarray]], config: Trajectories) -> list[np.ndarray]:
    return [block.ends for frames in videos for block in track(frames, config)]


def _flow_alone(videos: list[list[np.ndarray]], config: Trajectories) -> None:
    """One filtered flow at all scales for each step; each frame is prepared once."""
    measure = flows(sizes(HEIGHT, WIDTH, config), config)
    for frames in videos:
        before = measure.prepare(frames[0])
        for frame in frames[1:]:
            after = measure.prepare(frame)
            measure.between(before, after)
            before = after


def _videos() -> tuple[list[list[np.ndarray]], str]:
    folder = Path(__file__).parents[2] / "shared" / "video" / "untrimmed"
    found = []
    for path in sorted(folder.glob("*")):
        try:
            stream = read_frames(path, size=(HEIGHT, WIDTH), colour="luma")
            frames = [frame.image for frame, _ in zip(stream, range(FRAMES), strict=False)]
        except DataError:
            continue
        if len(frames) == FRAMES:
            found.append(frames)
    if found:
        return found, f"{len(found)} real videos"
    noise = np.random.default_rng(0).normal(size=(HEIGHT + 160, WIDTH + 160)).astype(np.float32)
    canvas = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    drawn = []
    for number in range(FRAMES):
        frame = canvas[number : number + HEIGHT, 2 * number : 2 * number + WIDTH].copy()
        frame[80:160, 40 + 3 * number : 120 + 3 * number] = canvas[:80, :80]
        drawn.append(frame)
    return [drawn], "a drawn video: an object before a panning camera"
