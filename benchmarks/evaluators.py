"""T1, T3 and T4 at full size: 4,926 videos, 100 predictions each, the reading of both files included.

The official programs take 161 s (localization), 15 s (proposals) and 20 s (classification) for such files. With the
folder of real material beside the checkout the files are those of its make_fullsize.py and the ground truth is
ActivityNet 1.3; without it both are drawn here at the same size. Each task runs in a process of its own, whose peak
of memory is reported.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.table import Row, at_most

SHARED = Path(__file__).parent.parent.parent / "shared"
OFFICIAL = SHARED / "data/activitynet/activity_net.v1-3.json.gz"

LIMITS = {"localization": 1.5, "proposals": 1.2, "classification": 0.5}
"""CPU seconds, reading included."""

MEMORY_MIB = 500

_PROGRAM = """
import resource, sys, time
from pathlib import Path
from untrimmed.data import read_ground_truth, read_predictions
from untrimmed.evaluate import classification, localization, proposals
from untrimmed.records import Task
task, truth, said = sys.argv[1:]
module = {"localization": localization, "proposals": proposals, "classification": classification}[task]
best = float("inf")
for _ in range(3):
    before = time.process_time()
    result = module.evaluate(read_ground_truth(Path(truth)), read_predictions(Path(said), Task(task)))
    best = min(best, time.process_time() - before)
figure = {"localization": "average_mAP", "proposals": "auc_percent", "classification": "mAP"}[task]
print(best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, result.figures[figure])
"""


def run() -> list[Row]:
    """CPU seconds and peak memory of each task."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = _made_by_the_real_maker(folder) if OFFICIAL.exists() else _drawn(folder)
        for task, limit in LIMITS.items():
            said = folder / f"{'detection' if task == 'localization' else task}.json"
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAM, task, str(truth), str(said)],
                check=True,
                capture_output=True,
                text=True,
            )
            seconds, memory, figure = map(float, done.stdout.split())
            note = f"{said.stat().st_size / 1e6:.0f} MB, figure {figure:.6f}"
            rows.append(at_most(f"{task}: CPU", seconds, limit, unit="s", note=note))
            rows.append(at_most(f"{task}: memory", memory, MEMORY_MIB, unit="MiB"))
    return rows


def _made_by_the_real_maker(folder: Path) -> Path:
    maker = SHARED / "reference/make_fullsize.py"
    subprocess.run([sys.executable, str(maker), str(OFFICIAL), str(folder)], check=True, capture_output=True)
    return OFFICIAL


def _drawn(folder: Path, *, videos: int = 4926, each: int = 100, classes: int = 200) -> Path:
    rng = np.random.default_rng(0)
    labels = [f"class {index:03d}" for index in range(classes)]
    database, detection, proposals, classification = {}, {}, {}, {}
    for index in range(videos):
        video_id, duration = f"video{index:06d}", float(rng.uniform(20, 240))
        count, label = 1 + int(rng.poisson(0.55)), labels[index % classes]
        instances = np.sort(rng.uniform(0, duration, (count, 2)), axis=1).round(3)
        said = np.sort(instances[rng.integers(0, count, each)] + rng.normal(0, duration / 10, (each, 2)), axis=1).round(
            3
        )
        score = rng.random(each).round(9).tolist()
        database[video_id] = {
            "duration": duration,
            "subset": "validation",
            "annotations": [{"label": label, "segment": segment} for segment in instances.tolist()],
        }
        pairs = list(zip(said.tolist(), score, strict=True))
        proposals[video_id] = [{"score": s, "segment": segment} for segment, s in pairs]
        detection[video_id] = [{"label": label, "score": s, "segment": segment} for segment, s in pairs]
        ten = rng.permutation(classes)[:10]
        classification[video_id] = [{"label": labels[c], "score": s} for c, s in zip(ten, score, strict=False)]
    truth = folder / "truth.json"
    truth.write_text(json.dumps({"version": "drawn", "taxonomy": [], "database": database}))
    for name, results in (("detection", detection), ("proposals", proposals), ("classification", classification)):
        content = {"version": "VERSION 1.3", "results": results, "external_data": {}}
        (folder / f"{name}.json").write_text(json.dumps(content))
    return truth
