"""Systems 01 and 04 on real clips: every voter beside the vote, top-1.

    python -m benchmarks.real_votes [SET ...] [/store]

Reads `../shared/video/manifest.csv` and skips where it is absent; groups of its train and test do not overlap. The
systems are the laptop variants, whose nets learn from the same clips.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.real_clips import RIDGE, SHARED, SIDED, clips
from benchmarks.table import Row
from untrimmed.features.store import FeatureStore
from untrimmed.records import Dataset
from untrimmed.systems.six_votes import LAPTOP as SIX
from untrimmed.systems.six_votes import SixVotes
from untrimmed.systems.three_features import LAPTOP as THREE
from untrimmed.systems.three_features import ThreeFeatures
from untrimmed.systems.voting import VotingSystem
from untrimmed.train import Run


def figures(system: VotingSystem[Any], dataset: Dataset, *, store: FeatureStore, folder: Path) -> dict[str, float]:
    """Top-1 on the testing part of every voter and of the vote."""
    system.fit(dataset, store=store, run=Run(seed=0, device="cpu", folder=folder))
    testing = dataset.subset("testing").annotations
    truth = np.array([dataset.labels.index(annotation.labels[0]) for annotation in testing])
    videos = [annotation.video for annotation in testing]
    said = list(system.predict(videos, store=store))
    scores = system.voters(videos, store=store)
    chosen = [dataset.labels.index(one.classes.best(1)[0][0]) for one in said if one.classes is not None]
    return {
        **{name: float((table.argmax(axis=1) == truth).mean()) for name, table in scores.items()},
        "vote": float((np.array(chosen) == truth).mean()),
    }


def run(sets: tuple[str, ...] = ("ut_interaction", "yoga"), *, store: FeatureStore | None = None) -> list[Row]:
    """A row for each set, system and voter; none where the clips are absent.

    Tennis is left out: its classes are told apart by sides, and the small nets learn from mirrored clips.
    """
    manifest = SHARED / "manifest.csv"
    if not manifest.exists():
        print(f"real_votes: skipped, {manifest} is not there")
        return []
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in (name for name in sets if name not in SIDED):
            dataset, low, high = clips(name, manifest), *RIDGE[name]
            for system in (ThreeFeatures(THREE), SixVotes(SIX)):
                work = Path(folder) / "training" / name  # the nets of both are trained once
                found = figures(system, dataset, store=store or FeatureStore(Path(folder)), folder=work)
                for voter, value in found.items():
                    what = f"{name}: {system.number:02d} {voter}"
                    note = f"ridge {low:g} to {high:g}" if voter == "vote" else ""
                    rows.append(Row(what=what, value=value, unit="", note=note))
    return rows


if __name__ == "__main__":
    words = sys.argv[1:]
    chosen = tuple(word for word in words if word in RIDGE) or ("ut_interaction", "yoga")
    stores = [FeatureStore(Path(word)) for word in words if word.startswith("/")]
    for name in chosen:
        for row in run((name,), store=stores[0] if stores else None):
            print(f"{row.what}: {row.value:.3f} {row.note}".strip(), flush=True)
