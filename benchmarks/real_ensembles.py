"""Recognition ensembles in their laptop variants on real clips: top-1 beside the ridge baselines.

    python -m benchmarks.real_ensembles [SET ...] [NUMBER ...] [/STORE] [FEATURE=WEIGHTS ...]

Trained from scratch on one set of labelled clips at a time, split by group; see real_clips. The nets that key points,
confidence maps and depth are measured with are files, e.g. key_points=pose.safetensors; without one they are drawn at
random. Clips without sound are silent.
"""

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.real_clips import RIDGE, SHARED, SIDED, clips, unmirrored
from benchmarks.table import Row
from untrimmed.configs import parts_of
from untrimmed.features.feature import Feature
from untrimmed.features.given_files import with_feature_weights
from untrimmed.features.store import FeatureStore
from untrimmed.records import Dataset, Task
from untrimmed.systems.catalogue import SYSTEMS, entry_of
from untrimmed.systems.ensemble import EnsembleSystem
from untrimmed.train import Run

NUMBERS = tuple(
    entry.number
    for entry in SYSTEMS
    if issubclass(entry.system, EnsembleSystem) and Task.RECOGNITION in entry.system.tasks
)


def figures(
    number: int, dataset: Dataset, *, store: FeatureStore, run: Run, weights: Mapping[str, Path]
) -> tuple[dict[str, float], float]:
    """Top-1 on the testing part of each member and of the fusion, and the seconds that fit and predict took."""
    begun = time.perf_counter()
    entry = entry_of(number)
    names = {part.name for part in parts_of(entry.laptop) if isinstance(part, Feature)}
    config = with_feature_weights(entry.laptop, {name: path for name, path in weights.items() if name in names})
    system: Any = entry.system(unmirrored(config) if dataset.name in SIDED else config)
    system.fit(dataset, store=store, run=run)
    testing = dataset.subset("testing")
    videos = testing.videos
    said = {one.video.video_id: one.classes.best(1)[0][0] for one in system.predict(videos, store=store)}
    seconds = time.perf_counter() - begun
    labels = [annotation.labels[0] for annotation in testing.annotations]
    truth = np.array([dataset.labels.index(label) for label in labels])
    members = system.member_scores(videos, store=store)
    top1 = {name: float((table.argmax(axis=1) == truth).mean()) for name, table in members.items()}
    right = [said[video.video_id] == label for video, label in zip(videos, labels, strict=True)]
    return {**top1, "fused": float(np.mean(right))}, seconds


def run(
    sets: tuple[str, ...] = tuple(RIDGE),
    *,
    numbers: tuple[int, ...] = NUMBERS,
    store: FeatureStore | None = None,
    weights: Mapping[str, Path] | None = None,
) -> list[Row]:
    """A row for each set, system and member; none where the clips are absent."""
    manifest = SHARED / "manifest.csv"
    if not manifest.exists():
        print(f"real_ensembles: skipped, {manifest} is not there")
        return []
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        used = store or FeatureStore(Path(folder) / "store")
        for name in sets:
            dataset = clips(name, manifest)
            low, high = RIDGE[name]
            for number in numbers:
                work = Run(folder=Path(folder) / name, device="cpu")  # equal streams are trained once
                found, seconds = figures(number, dataset, store=used, run=work, weights=weights or {})
                for member, value in found.items():
                    whole = member == "fused"
                    rows.append(
                        Row(
                            what=f"{name}: system {number:02d} {member}, top-1",
                            value=value,
                            unit="",
                            wanted=f"> {high:g} (ridge {low:g} to {high:g})" if whole else "",
                            good=value > high if whole else None,
                            note=f"{seconds:.0f} s for fit and predict" if whole else "",
                        )
                    )
                    row = rows[-1]
                    print(f"{row.what}: {row.value:.3f} {row.wanted} {row.note}".strip(), flush=True)
    return rows


if __name__ == "__main__":
    torch.set_num_threads(1)
    words = sys.argv[1:]
    chosen = tuple(word for word in words if word in RIDGE) or tuple(RIDGE)
    several = tuple(int(word) for word in words if word.isdigit()) or NUMBERS
    stores = [FeatureStore(Path(word)) for word in words if word.startswith("/")]
    given = {name: Path(path) for name, mark, path in (word.partition("=") for word in words) if mark}
    run(chosen, numbers=several, store=stores[0] if stores else None, weights=given)
