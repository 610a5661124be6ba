"""The systems that stood on given features, run on files like the organisers', without any video at hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from untrimmed.features.organisers import from_files
from untrimmed.features.store import FeatureStore
from untrimmed.records import Annotation, Dataset, Instance, Video
from untrimmed.systems import expert_windows, frame_votes, multitask_lstm, six_votes, three_features
from untrimmed.systems.catalogue import load_system
from untrimmed.timeline import tiou
from untrimmed.train import Run, Schedule


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


LABELS = ("dive", "jump", "run")
SHORT = Schedule(steps=60, batch_size=16, optimizer="adam", learning_rate=1e-2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, dict[str, Path]]:
    """Videos of 32 s with one action in the middle; each class has a direction of its own in every feature."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("given")
    files = {kind: folder / f"{kind}.hdf5" for kind in ("c3d", "shuffle", "mbh")}
    annotations = []
    with h5py.File(files["c3d"], "w") as c3d, h5py.File(files["shuffle"], "w") as shuffle:
        rows, names = [], []
        for number in range(36):
            label = number % 3
            name, subset = f"video{number}", "training" if number < 24 else "testing"
            start = float(rng.uniform(4, 12))
            segment = (start, start + 14.0)
            steps = rng.normal(0, 0.3, (31, 12))  # a row a second, two seconds long
            middle = np.arange(31) + 1.0
            inside = (middle >= segment[0]) & (middle < segment[1])
            steps[inside, label] += 3
            steps[~inside, 5] += 3
            c3d.create_group(f"v_{name}").create_dataset("c3d_features", data=steps.astype(np.float32))
            frames = rng.normal(0, 0.5, (1, 8))
            frames[0, label] += 2
            shuffle.create_dataset(f"v_{name}", data=frames.astype(np.float32))
            vector = rng.normal(0, 0.5, 40)
            vector[10 * label] += 2
            rows.append(vector)
            names.append(f"v_{name}")
            video = Video(video_id=name, duration=32.0, subset=subset)
            annotations.append(Annotation(video=video, instances=(Instance(segment, LABELS[label]),)))
    with h5py.File(files["mbh"], "w") as mbh:
        mbh.create_dataset("features", data=np.array(rows, np.float32))
        mbh.create_dataset("names", data=np.array(names, dtype="S20"))
    return Dataset(name="given", annotations=tuple(annotations)), files


CASES: list[tuple[Callable[[Any], Any], Any]] = [
    (three_features.ThreeFeatures, three_features.LAPTOP),
    (expert_windows.ExpertWindows, replace(expert_windows.LAPTOP, schedule=SHORT, top=1)),
    (six_votes.SixVotes, six_votes.LAPTOP),
    (frame_votes.FrameVotes, replace(frame_votes.LAPTOP, schedule=replace(SHORT, steps=200))),
    (multitask_lstm.MultitaskLstm, replace(multitask_lstm.LAPTOP, schedule=replace(SHORT, steps=150))),
]


@pytest.mark.parametrize(("kind", "config"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_it_learns_from_the_files_and_says_so_without_a_video(
    kind: Any, config: Any, world: tuple[Dataset, dict[str, Path]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset, files = world
    needed = files if kind is not expert_windows.ExpertWindows else {k: files[k] for k in ("c3d", "shuffle")}
    system = kind(from_files(config, needed))
    store = FeatureStore(tmp_path / "store")
    system.fit(dataset, store=store, run=Run(seed=0, device="cpu"))
    part = dataset.subset("testing")
    said = list(system.predict(part.videos, store=store))
    right = [
        prediction.classes is not None and prediction.classes.best(1)[0][0] == annotation.labels[0]
        for prediction, annotation in zip(said, part.annotations, strict=True)
    ]
    assert np.mean(right) >= 0.9
    for prediction, annotation in zip(said, part.annotations, strict=True):
        if prediction.detections is not None:
            best, true = (np.array([one.segment]) for one in (prediction.detections[0], annotation.instances[0]))
            assert tiou(best, true)[0, 0] > 0.4
    system.save(tmp_path / "saved")
    again = load_system(tmp_path / "saved")
    assert again.features() == ()
    for before, after in zip(said, again.predict(part.videos, store=store), strict=True):
        assert before == after
    missing = Video(video_id="elsewhere", duration=5.0)
    assert list(again.predict([missing], store=store)) == []
    assert "video elsewhere is left out: it has no features of" in caplog.text
