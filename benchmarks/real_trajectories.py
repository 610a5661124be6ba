"""Improved trajectories, Fisher vectors and a linear SVM on real clips: top-1 beside a ridge on coarse motion energy.

    python -m benchmarks.real_trajectories [SET ...] [/store]

Reads `../shared/video/manifest.csv` and skips where it is absent; groups of its train and test do not overlap.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.real_clips import RIDGE, SHARED, clips
from benchmarks.table import Row
from untrimmed.aggregate.codebook import CodebookConfig
from untrimmed.classify.linear import LinearConfig
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.store import FeatureStore
from untrimmed.features.trajectories.block import DESCRIPTORS
from untrimmed.features.trajectories.config import Trajectories
from untrimmed.features.trajectories.learning import TrajectoryEncoding
from untrimmed.features.vector_classifiers import VectorClassifier, fit_vector_classifiers
from untrimmed.features.vectors import VideoVector
from untrimmed.records import Dataset
from untrimmed.train import Run

ENCODING = TrajectoryEncoding(
    trajectories=Trajectories(key_points="orb"),
    codebook=CodebookConfig(descriptors=tuple(DESCRIPTORS), words=128, samples=100_000, iterations=30),
    videos_at_most=24,
)
"""All four descriptors; ORB for SIFT, half the published words and a codebook of 24 clips, so that it ends in half an
hour on two cores."""
COST = 100.0
"""C of report 17, the one report that trains on all four descriptors."""


def figures(dataset: Dataset, encoding: TrajectoryEncoding, *, store: FeatureStore) -> tuple[float, float]:
    """Top-1 on the testing part, and the seconds that codebook, encoding and training took."""
    begun = time.perf_counter()
    vector = VideoVector(source=SequenceSource(rows=encoding))
    one = VectorClassifier(vector=vector, linear=LinearConfig(kind="svm", cost=COST))
    machine = fit_vector_classifiers({"svm": one}, dataset, store=store, run=Run(seed=0, device="cpu"))
    testing = dataset.subset("testing").annotations
    videos = machine.ready([annotation.video for annotation in testing], store=store)
    scores = machine.scores(videos, store=store)[0]
    truth = {annotation.video.video_id: dataset.labels.index(annotation.labels[0]) for annotation in testing}
    right = [int(row.argmax()) == truth[video.video_id] for row, video in zip(scores, videos, strict=True)]
    return float(np.sum(right) / len(testing)), time.perf_counter() - begun


def run(sets: tuple[str, ...] = tuple(RIDGE), *, store: FeatureStore | None = None) -> list[Row]:
    """A row for each set; none where the clips are absent."""
    manifest = SHARED / "manifest.csv"
    if not manifest.exists():
        print(f"real_trajectories: skipped, {manifest} is not there")
        return []
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in sets:
            dataset = clips(name, manifest)
            value, seconds = figures(dataset, ENCODING, store=store or FeatureStore(Path(folder)))
            low, high = RIDGE[name]
            rows.append(
                Row(
                    what=f"{name}: top-1 of trajectories",
                    value=value,
                    unit="",
                    wanted=f"> {high:g} (ridge {low:g} to {high:g})",
                    good=value > high,
                    note=f"{len(dataset.subset('testing').annotations)} clips, {seconds:.0f} s in all",
                )
            )
    return rows


if __name__ == "__main__":
    words = sys.argv[1:]
    chosen = tuple(word for word in words if word in RIDGE) or tuple(RIDGE)
    stores = [FeatureStore(Path(word)) for word in words if word.startswith("/")]
    for name in chosen:
        for row in run((name,), store=stores[0] if stores else None):
            print(f"{row.what}: {row.value:.3f} {row.wanted} {row.note}".strip(), flush=True)
