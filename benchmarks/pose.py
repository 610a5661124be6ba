"""The pose nets of report 08 from scratch on real key points: top-1 beside a ridge classifier, and two streams fused.

    python -m benchmarks pose

Reads J-HMDB's joints, a table of labelled OpenPose poses and the scores of a joint and a bone stream; it skips where
they are absent. J-HMDB is learnt on the 433 clips that its file calls train and tested on the other 112. Each of the
table's classes is one run of frames; it is cut into blocks of 30 lines, a fifth of the blocks is held out, and of
these the first and last 5 lines are left out, so that no line is tested beside one that was learnt.
"""

import gzip
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from benchmarks.table import Row, at_least
from untrimmed.data.pose_clips import read_jhmdb, read_pose_table
from untrimmed.fuse.weights import weighted_mean
from untrimmed.nets.pose1d import SMALL_FLAT, SMALL_HIERARCHICAL, FlatPose, HierarchicalPose
from untrimmed.nets.pose_rows import Shaking
from untrimmed.nets.recurrent import padded
from untrimmed.train import Run, Schedule, fit

SHARED = Path(__file__).parent.parent.parent / "shared"
RIDGE = 0.63
"""Best top-1 of a ridge classifier on J-HMDB's positions and their differences, 0.52 to 0.63."""
BLOCK = 30
"""Lines of a block of the table."""
APART = 5
"""Lines left out between what is learnt and what is tested."""
CROP = 32
"""Steps of J-HMDB's at most 40 that a training sequence has."""
SHAKING = Shaking(mirror=True, jitter=0.02, turn_degrees=10, stretch=0.1)
SCHEDULE = Schedule(
    epochs=30, batch_size=32, optimizer="adamw", learning_rate=3e-3, weight_decay=0.05, decay="cosine", warmup_steps=50
)
SHORT = replace(SCHEDULE, epochs=20, warmup_steps=5)
NETS: dict[str, FlatPose | HierarchicalPose] = {
    "flat, positions": replace(SMALL_FLAT, shaking=SHAKING),
    "flat, positions and differences": replace(SMALL_FLAT, shaking=SHAKING, motion=True),
    "hierarchical, positions": replace(SMALL_HIERARCHICAL, shaking=SHAKING),
    "hierarchical, positions and differences": replace(SMALL_HIERARCHICAL, shaking=SHAKING, motion=True),
}

Part = list[tuple[Float32[np.ndarray, "steps dims"], int]]


@dataclass
class Sequences:
    """Rows and class of each sequence, cropped in time where it is learnt."""

    items: Part
    crop: int

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.items[index]

    def at(self, index: int, generator: np.random.Generator) -> tuple[np.ndarray, int]:
        """A piece of a sequence."""
        rows, label = self.items[index]
        first = int(generator.integers(max(0, len(rows) - self.crop) + 1))
        return rows[first : first + self.crop], label

    def collate(self, items: Part) -> tuple[Tensor, Tensor, Tensor]:
        """Padded rows, their lengths, the classes."""
        rows, lengths = padded([torch.from_numpy(np.ascontiguousarray(one)) for one, _ in items])
        return rows, lengths, torch.tensor([label for _, label in items])


def jhmdb(path: Path) -> tuple[Part, Part]:
    """Training and testing clips."""
    clips = read_jhmdb(path)
    labels = sorted({clip.label for clip in clips})
    items = [((clip.key_points.rows, labels.index(clip.label)), clip.subset) for clip in clips]
    return [item for item, subset in items if subset == "train"], [item for item, subset in items if subset == "test"]


def table(path: Path, *, fold: int, folds: int = 5) -> tuple[Part, Part]:
    """Blocks of successive lines; every fifth of each class is held out."""
    parts: tuple[Part, Part] = ([], [])
    for label, clip in enumerate(read_pose_table(path)):
        rows = clip.key_points.rows
        for number, first in enumerate(range(0, len(rows) - BLOCK + 1, BLOCK)):
            held, edge = number % folds == fold, APART if number % folds == fold else 0
            parts[held].append((rows[first + edge : first + BLOCK - edge], label))
    return parts


def top1(
    config: FlatPose | HierarchicalPose, parts: tuple[Part, Part], *, seed: int, crop: int, schedule: Schedule
) -> float:
    """The share of the testing sequences whose class is right."""
    training, testing = Sequences(parts[0], crop), Sequences(parts[1], crop)
    torch.manual_seed(seed)
    classes = 1 + max(label for _, label in [*training.items, *testing.items])
    model = config.build(training.items[0][0].shape[1], classes)
    fit(model, training, _loss, schedule=schedule, run=Run(seed=seed, device="cpu"), name="pose")
    rows, lengths, labels = testing.collate(testing.items)
    with torch.inference_mode():
        return float((model(rows, lengths).argmax(1) == labels).float().mean())


def run(*, seeds: tuple[int, ...] = (0, 1, 2), nets: tuple[str, ...] = tuple(NETS)) -> list[Row]:
    """A row for each net and set, and for each stream of the two and their mean."""
    rows: list[Row] = []
    joints = SHARED / "video/pose/jhmdb_pose.npz"
    lines = SHARED / "data/pose/openpose18_actions_4class.csv.gz"
    scores = SHARED / "data/pose/two_stream_scores_joint_bone.json.gz"
    for name in nets:
        if joints.exists():
            parts, net, begun = jhmdb(joints), replace(NETS[name], layout="jhmdb15"), time.perf_counter()
            found = [top1(net, parts, seed=seed, crop=CROP, schedule=SCHEDULE) for seed in seeds]
            rows.append(_row(f"J-HMDB, {name}: top-1", found, begun, bound=RIDGE))
        if lines.exists():
            begun, crop = time.perf_counter(), BLOCK - 2 * APART
            found = [top1(NETS[name], table(lines, fold=seed), seed=seed, crop=crop, schedule=SHORT) for seed in seeds]
            rows.append(_row(f"OpenPose table, {name}: top-1", found, begun, bound=None))
    if scores.exists():
        rows += _fused(scores)
    return rows


def _row(what: str, found: list[float], begun: float, *, bound: float | None) -> Row:
    note = f"±{np.std(found):.3f}, {len(found)} seed(s), {time.perf_counter() - begun:.0f} s"
    mean = float(np.mean(found))
    return (
        Row(what=what, value=mean, unit="", note=note)
        if bound is None
        else at_least(what, mean, bound, unit="", note=note)
    )


def _fused(path: Path) -> list[Row]:
    """Top-1 of two skeleton streams on 60 clips of 120 classes, alone and with equal weights."""
    given = json.loads(gzip.decompress(path.read_bytes()))
    streams = np.array([given["joint"], given["bone"]])
    tables = {"joint stream": streams[0], "bone stream": streams[1], "joint and bone": weighted_mean(streams)}
    label = np.array(given["label"])
    return [
        Row(what=f"{name}: top-1", value=float((one.argmax(1) == label).mean()), unit="")
        for name, one in tables.items()
    ]


def _loss(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    rows, lengths, labels = batch
    return nn.functional.cross_entropy(model(rows, lengths), labels)
