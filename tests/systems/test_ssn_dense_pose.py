"""System 21 on a tiny playground: it fits, says the same after loading, and carries the file of its pose net along."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from small_world import shortened
from untrimmed.configs import from_plain, rewritten, to_plain
from untrimmed.data import open_dataset
from untrimmed.features import extract as extraction
from untrimmed.features import learned as of_learned
from untrimmed.features import sequences as of_sequences
from untrimmed.features.dense_pose import DensePose, SmallDensePose
from untrimmed.features.given_files import given_files, with_feature_weights
from untrimmed.features.ssn_regions import SlidingRegions
from untrimmed.features.store import FeatureStore
from untrimmed.nets.backbone import save_weights
from untrimmed.nets.dense_pose import NarrowDensePose
from untrimmed.records import Dataset, NotTrained, Prediction, Task
from untrimmed.systems.ssn_dense_pose import LAPTOP, SsnDensePose, SsnDensePoseConfig, without_pose
from untrimmed.train import Run

RUN = Run(device="cpu", seed=3, loaders=0)


@dataclass
class World:
    dataset: Dataset
    store: FeatureStore
    system: SsnDensePose


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> Iterator[None]:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (of_sequences, of_learned):
            patch.setattr(module, "extract", lambda *given, **options: extraction.extract(*given, workers=0, **options))
        yield


@pytest.fixture(scope="module")
def world(small_playground: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Its pose net is a random one that finds somebody almost everywhere."""
    folder = tmp_path_factory.mktemp("system-21")
    estimator = SmallDensePose(net=NarrowDensePose(width=3), size=(36, 48), least=0.001, astray=1e3, joints=1)
    torch.manual_seed(0)
    net = estimator.net.build()
    torch.nn.init.normal_(net.pose.last.weight, std=0.5)
    save_weights(folder / "net.safetensors", net)
    config = rewritten(
        shortened(LAPTOP), lambda part: replace(part, estimator=estimator) if isinstance(part, DensePose) else part
    )
    config = with_feature_weights(config, {"dense_pose": folder / "net.safetensors"})
    dataset = open_dataset(small_playground / "untrimmed")
    store = FeatureStore(small_playground.parent / "store-21")
    system = SsnDensePose(config)
    system.fit(dataset, store=store, run=RUN)
    return World(dataset, store, system)


def said(world: World, system: SsnDensePose) -> list[Prediction]:
    return list(system.predict(world.dataset.subset("testing").videos, store=world.store))


def test_it_says_the_same_after_loading_elsewhere(world: World, tmp_path: Path) -> None:
    predictions = said(world, world.system)
    assert [item.video for item in predictions] == list(world.dataset.subset("testing").videos)
    for prediction in predictions:
        assert prediction.detections
        assert prediction.proposals
        for items in (prediction.detections, prediction.proposals):
            scores = [item.score for item in items]
            assert scores == sorted(scores, reverse=True)
            assert all(0 <= one.segment[0] < one.segment[1] <= prediction.video.duration for one in items)
    world.system.save(tmp_path / "saved")
    (tmp_path / "saved").rename(tmp_path / "moved")
    loaded = SsnDensePose.load(tmp_path / "moved")
    assert given_files(loaded.config) == [tmp_path / "moved" / "given-0.safetensors"]
    assert said(world, loaded) == predictions


def test_regions_are_there_for_several_people(world: World) -> None:
    structured = world.system._fitted()
    video = world.dataset.subset("testing").videos[0]
    judged = structured.judged(video, store=world.store)
    assert len(judged.segments) > len(np.unique(judged.segments, axis=0))


def test_the_same_seed_gives_the_same_numbers_and_without_pose_it_works_too(world: World) -> None:
    again = SsnDensePose(world.system.config)
    again.fit(world.dataset, store=world.store, run=RUN)
    assert said(world, again) == said(world, world.system)
    alone = SsnDensePose(without_pose(world.system.config))
    alone.fit(world.dataset, store=world.store, run=RUN)
    assert len(alone.features()) == len(world.system.features()) - 1
    assert all(item.detections for item in said(world, alone))


def test_published_values() -> None:
    own = SsnDensePoseConfig().localization
    assert own.regions == SlidingRegions(snippets=20, sizes=(3,))
    assert len(SlidingRegions().segments(10.0)) == 18
    assert own.nets[0].pyramid.parts == 5
    pose = own.sources[-1].rows
    assert isinstance(pose, DensePose)
    assert own.people == pose.people
    assert pose.weights is None
    assert SsnDensePose.tasks == {Task.LOCALIZATION}
    assert SsnDensePose.number == 21


@pytest.mark.parametrize("config", [SsnDensePoseConfig(), LAPTOP])
def test_configurations_survive_json(config: SsnDensePoseConfig) -> None:
    assert from_plain(SsnDensePoseConfig, json.loads(json.dumps(to_plain(config)))) == config


def test_words() -> None:
    with pytest.raises(NotTrained, match=r"system 21 \(SSN with dense pose\) must be fitted or loaded first"):
        SsnDensePose(LAPTOP).features()
