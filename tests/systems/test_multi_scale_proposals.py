"""System 07 on drawn squares: it finds when one moves and of which colour, says the same after loading; its rules."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from moving_squares import RGB, trimmed_set, untrimmed_set
from torch.optim.optimizer import register_optimizer_step_pre_hook

from small_world import shortened
from untrimmed.configs import from_plain, to_plain
from untrimmed.data import open_dataset
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.extract import extract
from untrimmed.features.multi_scale_clips import CentredClips
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.nets.c3d import C3d
from untrimmed.nets.multi_scale import MultiScale, Resnet3d
from untrimmed.nets.small import Small3d
from untrimmed.nets.tsn import section_starts
from untrimmed.propose.suppress import HardNms
from untrimmed.records import DataError, Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems import multi_scale_proposals
from untrimmed.systems.multi_scale_proposals import (
    C3D,
    LAPTOP,
    MultiScaleProposals,
    MultiScaleProposalsConfig,
    separate_clips,
)
from untrimmed.timeline import tiou
from untrimmed.train import Run, Schedule

RUN = Run(device="cpu", seed=2, loaders=0)
NET = Small3d(frames=4, width=4, input_size=(32, 32), dropout=0.0)
QUICK = Schedule(steps=40, batch_size=12, optimizer="adam", learning_rate=3e-3)
TINY = MultiScaleProposalsConfig(
    classifier=Stream(
        net=NET,
        images=RGB,
        sampling=Sampling(sections=1, frames=4),
        augmentation=Augmentation(scales=(1.0,)),
        schedule=QUICK,
        views=TestViews(positions=1, ten_crop=False),
    ),
    images=RGB,
    clips=CentredClips(scales=(4, 16, 48), frames=4, stride=1, whole=True),
    net=MultiScale(backbone=NET),
    schedule=replace(QUICK, steps=70),
    start_from_classes=True,
)


@dataclass
class World:
    dataset: Dataset
    store: FeatureStore
    system: MultiScaleProposals


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> Iterator[None]:
    """Processes take seconds to start; what they do is tested with extraction."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multi_scale_proposals, "extract", partial(extract, workers=0))
        yield


@pytest.fixture(scope="module")
def world(_one_process: None, tmp_path_factory: pytest.TempPathFactory) -> World:
    torch.set_num_threads(1)
    store = FeatureStore(tmp_path_factory.mktemp("squares"))
    dataset = untrimmed_set(store)
    system = MultiScaleProposals(TINY)
    system.fit(dataset, store=store, run=RUN)
    return World(dataset, store, system)


def _said(world: World, system: MultiScaleProposals | None = None) -> list[Prediction]:
    return list((system or world.system).predict(world.dataset.subset("testing").videos, store=world.store))


def _other(world: World, config: MultiScaleProposalsConfig) -> MultiScaleProposals:
    """The trained nets under another configuration."""
    system = MultiScaleProposals(config)
    vars(system).update({**vars(world.system), "config": config})
    return system


def test_it_finds_when_a_square_moves_and_of_which_colour(world: World) -> None:
    overlaps, plain, colours = [], [], []
    for prediction, known in zip(_said(world), world.dataset.subset("testing").annotations, strict=True):
        truth = np.array([known.instances[0].segment])
        assert prediction.proposals
        assert prediction.classes is not None
        overlaps.append(tiou(np.array([prediction.proposals[0].segment]), truth)[0, 0])
        windows = world.system.proposals(prediction.video, store=world.store, told=False)
        plain.append(tiou(np.array([one.segment for one in windows]), truth).max())
        colours.append(prediction.classes.best(1)[0][0].split()[0] == known.labels[0].split()[0])
    assert np.mean(overlaps) > 0.6
    assert max(plain) < 0.25  # a window of half a second in three
    assert np.mean(colours) >= 0.75  # chance: one half


def test_predictions_keep_the_rules(world: World) -> None:
    for prediction in _said(world):
        assert prediction.proposals is not None
        assert prediction.classes is not None
        assert sum(prediction.classes.scores.values()) == pytest.approx(1)
        scores = [one.score for one in prediction.proposals]
        assert scores == sorted(scores, reverse=True)
        assert all(TINY.least_score <= score <= 1 for score in scores)
        assert all(0 <= one.segment[0] < one.segment[1] <= prediction.video.duration for one in prediction.proposals)
        segments = np.array([one.segment for one in prediction.proposals])
        assert (tiou(segments, segments) - np.eye(len(segments))).max() <= 0.7 + 1e-9


def test_threshold_and_suppression_choose_among_the_candidates(world: World) -> None:
    video = world.dataset.subset("testing").videos[0]
    segments, scores = world.system.candidates(video, store=world.store)
    windows, same = world.system.candidates(video, store=world.store, told=False)
    assert len(segments) == len(scores) == 40 - 4 + 1
    np.testing.assert_array_equal(same, scores)
    np.testing.assert_allclose(windows[:, 0], np.arange(37) / 8)
    np.testing.assert_allclose(windows[:, 1] - windows[:, 0], 0.5)
    every = _other(world, replace(TINY, least_score=0.0, rule=HardNms(tiou=1.0)))
    left = [one.score for one in every.proposals(video, store=world.store)]
    np.testing.assert_array_equal(left, np.sort(scores)[::-1])
    sure = _other(world, replace(TINY, least_score=0.6, rule=HardNms(tiou=1.0)))
    assert len(sure.proposals(video, store=world.store)) == (scores >= 0.6).sum() < len(left)
    none = _other(world, replace(TINY, least_score=1.1))
    assert none.proposals(video, store=world.store) == ()
    one = _other(world, replace(TINY, samples_at_once=1)).candidates(video, store=world.store)
    np.testing.assert_allclose(one[0], segments, atol=1e-4)


def test_saved_and_loaded_it_says_the_same(world: World, tmp_path: Path) -> None:
    world.system.save(tmp_path / "saved")
    loaded = MultiScaleProposals.load(tmp_path / "saved")
    assert loaded.config == TINY
    assert loaded.features() == world.system.features() == (RGB,)
    assert _said(world, loaded) == _said(world)


def test_trimmed_clips_have_classes_and_no_proposals(world: World, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store")
    dataset = trimmed_set(store, training=2, testing=1)
    system = MultiScaleProposals(shortened(TINY))
    system.fit(dataset, store=store, run=RUN)
    system.save(tmp_path / "saved")
    loaded, videos = MultiScaleProposals.load(tmp_path / "saved"), dataset.subset("testing").videos
    said = list(loaded.predict(videos, store=store))
    assert said == list(system.predict(videos, store=store))
    assert len(said) == 4
    assert all(one.classes is not None and one.proposals is None for one in said)
    with pytest.raises(NotTrained, match="must be fitted on untrimmed videos to propose"):
        system.proposals(videos[0], store=store)


@given(st.integers(1, 3000), st.integers(1, 64))
def test_clips_of_a_video_do_not_overlap_and_no_more_would_fit_so(length: int, span: int) -> None:
    count = separate_clips(length, span)
    starts = section_starts(length, sections=count, span=span)
    assert (np.diff(starts) >= span).all()
    assert count >= length // span - 1
    if length >= span:
        assert starts[-1] + span <= length


def test_published_configurations() -> None:
    config = MultiScaleProposalsConfig()
    assert config.clips.scales == (16, 128, 1024, 8192)
    assert isinstance(config.classifier.net, Resnet3d)
    assert isinstance(config.net.backbone, C3d)
    assert isinstance(C3D.classifier.net, C3d)
    for net in (config.classifier.net, config.net.backbone):
        assert (net.frames, net.input_size) == (16, (112, 112))
    for one in (config, C3D, LAPTOP):
        assert from_plain(MultiScaleProposalsConfig, to_plain(one)) == one
    assert MultiScaleProposals.tasks == {Task.CLASSIFICATION, Task.RECOGNITION, Task.PROPOSALS}


def test_the_laptop_variant_on_the_playground(small_playground: Path) -> None:
    dataset, store = open_dataset(small_playground / "untrimmed"), FeatureStore(small_playground.parent / "store")
    moved: dict[int, bool] = {}

    def look(optimizer: torch.optim.Optimizer, *_: object) -> None:
        for group in optimizer.param_groups:
            for one in group["params"]:
                moved[id(one)] = moved.get(id(one), False) or (one.grad is not None and bool(one.grad.any()))

    said = []
    for _ in range(2):
        handle = register_optimizer_step_pre_hook(look)
        system = MultiScaleProposals(shortened(LAPTOP))
        system.fit(dataset, store=store, run=RUN)
        handle.remove()
        said.append(list(system.predict(dataset.subset("testing").videos, store=store)))
    assert moved
    assert all(moved.values())
    assert said[0] == said[1]
    assert all(one.classes is not None and one.proposals for one in said[0])


def test_what_it_lacks_is_named(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    system, store = MultiScaleProposals(TINY), FeatureStore(tmp_path / "store")
    with pytest.raises(NotTrained, match=r"system 07 \(multi-scale proposals\) must be fitted or loaded first"):
        list(system.predict([Video(video_id="v", duration=1.0)], store=store))
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    assert list(world.system.predict([Video(video_id="bad", duration=5.0, path=bad)], store=world.store)) == []
    assert "video bad is left out: its pictures could not be extracted" in caplog.text
    with pytest.raises(DataError, match="clips of system 07 must have the 4 frames that its Small3d takes, got 2"):
        replace(TINY, clips=CentredClips(scales=(4,), frames=2, stride=1))
    with pytest.raises(DataError, match="can start from its classifier only where both are the same net"):
        replace(TINY, net=MultiScale(backbone=replace(NET, width=8)))
