"""System 20 on drawn squares: it finds when one moves and of which colour, says the same after loading; its rules."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from moving_squares import RGB, untrimmed_set
from torch.optim.optimizer import register_optimizer_step_pre_hook

from small_world import shortened
from untrimmed.configs import from_plain, to_plain
from untrimmed.data import open_dataset
from untrimmed.features.buffers import Buffering
from untrimmed.features.store import FeatureStore
from untrimmed.nets.c3d import C3d
from untrimmed.nets.rc3d import Rc3dNetConfig
from untrimmed.records import DataError, Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems.rc3d import ACTIVITYNET, CHARADES, LAPTOP, THUMOS14, Rc3d, Rc3dConfig
from untrimmed.timeline import tiou
from untrimmed.train import Run, Schedule

RUN = Run(device="cpu", seed=2, loaders=0)
QUICK = Schedule(steps=15, batch_size=8, optimizer="adam", learning_rate=3e-3)
TINY = Rc3dConfig(
    images=RGB,
    net=Rc3dNetConfig(
        trunk=C3d(width=4, hidden=32, input_size=(32, 32), frames=16, dropout=(0.0, 0.0)),
        scales=(1, 2, 3, 4),
        frozen=0,
        dropout=0.0,
        fill=True,
        offset_scale=(0.1, 0.2),
        proposals=30,
    ),
    buffering=Buffering(frames=32, stride_frames=8, test_stride_frames=16, whole=True),
    clip_schedule=QUICK,
    schedule=replace(QUICK, steps=50),
    buffers_at_once=2,
)


@dataclass
class World:
    dataset: Dataset
    store: FeatureStore
    system: Rc3d


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    torch.set_num_threads(1)
    store = FeatureStore(tmp_path_factory.mktemp("squares"))
    dataset = untrimmed_set(store)
    system = Rc3d(TINY)
    system.fit(dataset, store=store, run=RUN)
    return World(dataset, store, system)


def _said(world: World, system: Rc3d | None = None) -> list[Prediction]:
    return list((system or world.system).predict(world.dataset.subset("testing").videos, store=world.store))


def test_it_finds_when_a_square_moves_and_of_which_colour(world: World) -> None:
    overlaps, colours, proposed = [], [], []
    for prediction, known in zip(_said(world), world.dataset.subset("testing").annotations, strict=True):
        truth = np.array([known.instances[0].segment])
        assert prediction.detections
        best = prediction.detections[0]
        overlaps.append(tiou(np.array([best.segment]), truth)[0, 0])
        colours.append(best.label.split()[0] == known.labels[0].split()[0])
        assert prediction.proposals
        proposed.append(tiou(np.array([one.segment for one in prediction.proposals[:5]]), truth).max())
    assert np.mean(overlaps) > 0.6
    assert np.mean(colours) >= 0.75  # chance: one half
    assert np.mean(proposed) > 0.6


def test_predictions_keep_the_rules(world: World) -> None:
    for prediction in _said(world):
        assert prediction.proposals is not None
        assert prediction.detections is not None
        for some in (prediction.proposals, prediction.detections):
            scores = [one.score for one in some]
            assert scores == sorted(scores, reverse=True)
            assert all(0 <= one.segment[0] < one.segment[1] <= prediction.video.duration for one in some)
        segments = np.array([one.segment for one in prediction.proposals])
        assert (tiou(segments, segments) - np.eye(len(segments))).max() <= 0.7 + 1e-6
        assert all(one.score >= TINY.least_score for one in prediction.detections)
        for label in world.dataset.labels:
            own = np.array([one.segment for one in prediction.detections if one.label == label]).reshape(-1, 2)
            assert (tiou(own, own) - np.eye(len(own))).max(initial=0) <= 0.4 + 1e-6


def test_each_evaluation_has_its_own_suppression(world: World) -> None:
    video = world.dataset.subset("testing").videos[0]
    counts = []
    for wanted in (0.1, 0.3, 0.5, 0.95):
        found = world.system.detections(video, store=world.store, evaluated_tiou=wanted)
        assert found.detections is not None
        counts.append(len(found.detections))
        for label in world.dataset.labels:
            own = np.array([one.segment for one in found.detections if one.label == label]).reshape(-1, 2)
            assert (tiou(own, own) - np.eye(len(own))).max(initial=0) <= wanted - 0.1 + 1e-6
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_saved_and_loaded_it_says_the_same(world: World, tmp_path: Path) -> None:
    world.system.save(tmp_path / "saved")
    loaded = Rc3d.load(tmp_path / "saved")
    assert loaded.config == TINY
    assert _said(world, loaded) == _said(world)


def test_unrefined_detections_are_the_proposals(world: World) -> None:
    bare = Rc3d(replace(TINY, refined=False, buffering=replace(TINY.buffering, frames=40, test_stride_frames=40)))
    bare._net, bare._labels = world.system._net, world.system._labels
    for prediction in _said(world, bare):  # one buffer, so that proposals are suppressed once
        assert prediction.detections is not None
        assert prediction.proposals is not None
        assert {one.segment for one in prediction.detections} <= {one.segment for one in prediction.proposals}


def test_the_order_of_batches_of_buffers_does_not_matter(world: World) -> None:
    other = Rc3d(replace(TINY, buffers_at_once=1))
    other._net, other._labels = world.system._net, world.system._labels
    for one, two in zip(_said(world), _said(world, other), strict=True):
        assert one.detections is not None
        assert two.detections is not None
        assert [d.label for d in one.detections] == [d.label for d in two.detections]
        np.testing.assert_allclose([d.score for d in one.detections], [d.score for d in two.detections], atol=1e-5)


def test_published_configurations() -> None:
    assert Rc3dConfig() == ACTIVITYNET
    for config, rate, scales, seconds in (
        (THUMOS14, 25, 10, (0.64, 5.12)),
        (ACTIVITYNET, 3, 20, (2.67, 170.67)),
        (CHARADES, 5, 18, (1.6, 76.8)),
    ):
        assert config.images.per_second == rate
        assert len(config.net.scales) == scales
        assert config.buffering.frames == 768
        spans = (8 * config.net.scales[0] / rate, 8 * config.net.scales[-1] / rate)
        assert spans == pytest.approx(seconds, abs=0.01)
        assert from_plain(Rc3dConfig, to_plain(config)) == config
    assert (THUMOS14.net.frozen, ACTIVITYNET.net.frozen, CHARADES.net.frozen) == (0, 2, 2)
    assert from_plain(Rc3dConfig, to_plain(LAPTOP)) == LAPTOP


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
        system = Rc3d(shortened(LAPTOP))
        system.fit(dataset, store=store, run=Run(seed=3, device="cpu"))
        handle.remove()
        said.append(list(system.predict(dataset.subset("testing").videos, store=store)))
    assert all(moved.values())
    assert said[0] == said[1]
    assert system.tasks == {Task.LOCALIZATION}
    assert all(one.detections and one.proposals for one in said[0])


def test_what_it_lacks_is_named(world: World, tmp_path: Path) -> None:
    system, store = Rc3d(TINY), FeatureStore(tmp_path / "store")
    with pytest.raises(NotTrained, match=r"system 20 \(R-C3D\) must be fitted or loaded first"):
        list(system.predict([Video(video_id="v", duration=1.0)], store=store))
    bare = Dataset(name="bare", annotations=world.dataset.subset("testing").annotations)
    with pytest.raises(DataError, match="learns from segments of untrimmed videos, but training videos of bare"):
        system.fit(bare, store=world.store, run=RUN)
    never = replace(TINY, clip_schedule=None, buffering=replace(TINY.buffering, least_frames=30))
    with pytest.raises(DataError, match="no buffer of long squares holds enough of an instance"):
        Rc3d(never).fit(world.dataset, store=world.store, run=RUN)
