"""Structured segment networks on drawn rows: they find instances, whoever does them, under scores of several names."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import h5py
import numpy as np
import pytest
import torch

from untrimmed.configs import from_plain, to_plain
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.ssn_regions import SlidingRegions
from untrimmed.features.store import FeatureStore
from untrimmed.features.tables import FeatureTable
from untrimmed.nets.ssn import Answers, SsnConfig, UnifiedConfig
from untrimmed.nets.ssn_scores import Scoring, class_scores
from untrimmed.propose.suppress import HardNms
from untrimmed.records import Annotation, ClassScores, DataError, Dataset, Instance, Video
from untrimmed.systems.structured import Structured, StructuredConfig, fit_structured, restore_structured
from untrimmed.timeline import tiou
from untrimmed.train import Run, Schedule

LABELS = ("jump", "run", "throw")
STEPS, SECONDS, DIMS = 120, 60.0, 8
RUN = Run(device="cpu", seed=1, loaders=0)
QUICK = Schedule(steps=150, batch_size=8, optimizer="adam", learning_rate=0.01)


@dataclass
class World:
    dataset: Dataset
    store: FeatureStore
    config: StructuredConfig
    structured: Structured


def _drawn(name: str, number: int, subset: str) -> tuple[Annotation, np.ndarray]:
    """Noise; during an instance the column of its class is high."""
    generator = np.random.default_rng(number)
    rows, instances = generator.normal(0, 0.3, (STEPS, DIMS)), []
    for low in (4.0, 34.0):
        start, label = low + generator.uniform(0, 8), int(generator.integers(3))
        end = start + generator.uniform(6, 14)
        rows[round(2 * start) : round(2 * end), label] += 1.0
        instances.append(Instance((start, end), LABELS[label]))
    return Annotation(
        video=Video(video_id=name, duration=SECONDS, subset=subset), instances=tuple(instances)
    ), rows.astype(np.float32)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("rows")
    annotations = []
    with h5py.File(folder / "rows.h5", "w") as file:
        for number in range(24):
            name = f"v{number}"
            annotation, rows = _drawn(name, number, "training" if number < 18 else "testing")
            annotations.append(annotation)
            file.create_group(name).create_dataset("features", data=rows)
    dataset, store = Dataset(name="rows", annotations=tuple(annotations), labels=LABELS), FeatureStore(folder / "store")
    config = StructuredConfig(
        sources=(SequenceSource(rows=FeatureTable(path=folder / "rows.h5")),),
        regions=SlidingRegions(sizes=(2, 3, 4)),
        nets=(SsnConfig(dropout=0.0), UnifiedConfig(dropout=0.0, hidden=16)),
        net_weights=(1.0, 1.0),
        schedule=QUICK,
    )
    return World(dataset, store, config, fit_structured(config, dataset, store=store, run=RUN))


def found(world: World, config: StructuredConfig) -> float:
    """Share of testing instances that one of the two best detections of their class meets by half or more."""
    structured, met = replace(world.structured, config=config), []
    for annotation in world.dataset.subset("testing").annotations:
        judged = structured.judged(annotation.video, store=world.store)
        detections = structured.detections(annotation.video, judged)
        scores = [item.score for item in detections]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= item.segment[0] < item.segment[1] <= SECONDS for item in detections)
        for instance in annotation.instances:
            own = np.array([item.segment for item in detections if item.label == instance.label][:2]).reshape(-1, 2)
            met.append(tiou(own, np.array([instance.segment])).max(initial=0.0) > 0.5)
    return float(np.mean(met))


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_each_model_and_both_find_what_happens(world: World, weights: tuple[float, float]) -> None:
    assert found(world, replace(world.config, net_weights=weights)) >= 0.75


def test_the_mean_of_two_models_is_that_of_their_scores_and_offsets(world: World) -> None:
    video = world.dataset.subset("testing").videos[0]
    both, one, other = (
        replace(world.structured, config=replace(world.config, net_weights=weights)).judged(video, store=world.store)
        for weights in ((1.0, 3.0), (2.0, 0.0), (0.0, 1.0))
    )
    np.testing.assert_allclose(both.scores, (one.scores + 3 * other.scores) / 4)
    np.testing.assert_allclose(both.offsets, (one.offsets + 3 * other.offsets) / 4)


def test_the_three_scores_by_hand() -> None:
    activity = torch.tensor([[1.0, 2.0, 0.0], [3.0, -1.0, -2.0]], dtype=torch.float64)
    completeness = torch.tensor([[1.0, -1.0], [0.0, 2.0]], dtype=torch.float64)
    said = Answers(activity, completeness, torch.zeros(2, 2, 2))
    whole = np.exp(completeness.numpy() - 1)
    exps = np.exp(activity.numpy())
    np.testing.assert_allclose(class_scores(said, "raw"), activity.numpy()[:, 1:] * whole)
    np.testing.assert_allclose(
        class_scores(said, "foreground"), exps[:, 1:] / exps[:, 1:].sum(1, keepdims=True) * whole
    )
    np.testing.assert_allclose(class_scores(said, "background"), exps[:, 1:] / exps.sum(1, keepdims=True) * whole)
    unified = Answers(activity, None, said.offsets)
    for name in get_args(Scoring):
        np.testing.assert_allclose(class_scores(unified, name), exps[:, 1:] / exps.sum(1, keepdims=True))


def test_regression_moves_towards_the_instances(world: World) -> None:
    """Of the regions that meet an instance well, most meet it better once they are moved."""
    better, worse = 0, 0
    config = replace(
        world.config, net_weights=(1.0, 0.0), best_pairs=None, suppression=HardNms(tiou=1.0, per_class=True)
    )
    for annotation in world.dataset.subset("testing").annotations:
        one, other = (replace(world.structured, config=replace(config, regression=kind)) for kind in ("none", "after"))
        judged = one.judged(annotation.video, store=world.store)
        plain, moved = (part.detections(annotation.video, judged) for part in (one, other))
        for instance in annotation.instances:
            known = np.array([instance.segment])
            for before, after in zip(plain, moved, strict=True):
                assert before.score == after.score
                own = tiou(np.array([before.segment]), known)[0, 0]
                if before.label == instance.label and 0.7 < own < 0.9:
                    gained = tiou(np.array([after.segment]), known)[0, 0] - own
                    better, worse = better + (gained > 0), worse + (gained < 0)
    assert better > 1.5 * worse


def test_only_the_best_classes_of_the_video_are_looked_for(world: World) -> None:
    video = world.dataset.subset("testing").videos[1]
    structured = replace(world.structured, config=replace(world.config, video_classes=1, scoring="raw"))
    judged = structured.judged(video, store=world.store)
    classes = ClassScores({"run": 0.5, "throw": 0.4, "jump": 0.1})
    assert {item.label for item in structured.detections(video, judged, classes=classes)} == {"run"}
    assert len({item.label for item in structured.detections(video, judged)}) > 1


def test_pairs_are_few_and_proposals_distinct(world: World) -> None:
    video = world.dataset.subset("testing").videos[0]
    structured = replace(world.structured, config=replace(world.config, best_pairs=7))
    judged = structured.judged(video, store=world.store)
    assert 0 < len(structured.detections(video, judged)) <= 7
    proposals = structured.proposals(judged)
    assert len({item.segment for item in proposals}) == len(proposals) == 19 + 18 + 17
    assert [item.score for item in proposals] == sorted((item.score for item in proposals), reverse=True)


def test_restored_it_says_the_same(world: World, tmp_path: Path) -> None:
    tables = {name: dict(table) for name, table in world.structured.tables().items()}
    again = restore_structured(world.config, LABELS, tables, folder=tmp_path)
    for video in world.dataset.subset("testing").videos:
        before, after = (part.judged(video, store=world.store) for part in (world.structured, again))
        assert np.array_equal(before.scores, after.scores)
        assert np.array_equal(before.offsets, after.offsets)
    del tables["ssn-1"]
    with pytest.raises(DataError, match=r"must hold the weights ssn-1.safetensors of a structured segment network"):
        restore_structured(world.config, LABELS, tables, folder=tmp_path)
    assert from_plain(StructuredConfig, json.loads(json.dumps(to_plain(world.config)))) == world.config


def test_whoever_does_it_is_surer(world: World, tmp_path: Path) -> None:
    """The rows of all say nothing; of two people one does it, the other stands by, and who is who is drawn."""
    doers = {}
    with h5py.File(tmp_path / "none.h5", "w") as none, h5py.File(tmp_path / "people.h5", "w") as people:
        for number in range(24):
            generator = np.random.default_rng(100 + number)
            _, rows = _drawn("v", number, "training")
            there = np.ones((STEPS, 1), np.float32)
            quiet = generator.normal(0, 0.3, rows.shape).astype(np.float32)
            pair = [np.hstack([there, rows]), np.hstack([there, quiet])]
            order = generator.permutation(2)
            doers[f"v{number}"] = int(np.flatnonzero(order == 0)[0])
            people.create_group(f"v{number}").create_dataset("features", data=np.hstack([pair[i] for i in order]))
            none.create_group(f"v{number}").create_dataset("features", data=np.zeros((STEPS, 2), np.float32))
    sources = tuple(SequenceSource(rows=FeatureTable(path=tmp_path / f"{name}.h5")) for name in ("none", "people"))
    config = replace(world.config, sources=sources, people=2, nets=world.config.nets[:1], net_weights=(1.0,))
    structured = fit_structured(config, world.dataset, store=world.store, run=RUN)
    surer = []
    for annotation in world.dataset.subset("testing").annotations:
        judged = structured.judged(annotation.video, store=world.store)
        assert (judged.segments[0::2] == judged.segments[1::2]).all()  # each region for one person, then the other
        assert len(structured.proposals(judged)) == len(judged.segments) // 2
        doer = doers[annotation.video.video_id]
        for instance in annotation.instances:
            best = int(tiou(judged.segments[::2], np.array([instance.segment])).argmax())
            scores = judged.scores[2 * best : 2 * best + 2, LABELS.index(instance.label)]
            surer.append(scores[doer] > scores[1 - doer])
    assert np.mean(surer) >= 0.9  # chance: one half


def test_words(world: World, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a structured segment network needs sources, people >= 1 and a weight"):
        replace(world.config, net_weights=(0.0, 0.0))
    bare = Dataset(name="clips", annotations=(), labels=LABELS)
    with pytest.raises(DataError, match="structured segment networks learn from segments of untrimmed videos, but"):
        fit_structured(world.config, bare, store=world.store, run=RUN)
