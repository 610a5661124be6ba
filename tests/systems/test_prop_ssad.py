"""System 19 on drawn videos: it finds when a square moves, names it, says the same after loading, and what it lacks."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from untrimmed.configs import from_plain, to_plain
from untrimmed.features import learned
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.extract import extract
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.flow.dis import Dis
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.joined import join
from untrimmed.features.learned import StreamFeature
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.media.writer import write_video
from untrimmed.nets.small import SmallNet
from untrimmed.nets.ssad import SsadConfig
from untrimmed.propose.actionness import ActionnessConfig
from untrimmed.propose.tag import RELEASED_BY_MEAN
from untrimmed.records import Annotation, DataError, Dataset, Instance, NotTrained, Prediction, Task, Video
from untrimmed.systems import prop_ssad
from untrimmed.systems.prop_ssad import LAPTOP, PropSsad, PropSsadConfig
from untrimmed.timeline import TimeGrid, tiou
from untrimmed.train import Run, Schedule

COLOURS = {"red": (220, 30, 30), "blue": (40, 60, 220)}
RUN = Run(device="cpu", seed=2, loaders=0)
QUICK = Schedule(steps=40, batch_size=8, optimizer="adam", learning_rate=0.01)


def _sight(images: RgbImages | FlowImages, frames: int) -> StreamFeature:
    stream = Stream(
        net=SmallNet(width=4, input_size=(24, 24), dropout=0.0),
        images=images,
        sampling=Sampling(sections=2, frames=frames),
        augmentation=Augmentation(flips=False),
        schedule=QUICK,
        views=TestViews(positions=2, ten_crop=False),
    )
    return StreamFeature(stream=stream, stride=2, learn=True)


TINY = PropSsadConfig(
    spatial=_sight(RgbImages(size=(24, 32), per_second=5.0), 1),
    temporal=_sight(FlowImages(size=(24, 32), per_second=5.0, method=Dis(), bound=8.0), 3),
    ssad=SsadConfig(steps=32, cells=(16, 8, 4, 2, 1), trunk_width=16, trunk_kernel=5, width=16),
    ssad_schedule=replace(QUICK, steps=120),
    actionness=ActionnessConfig(hidden=16, dropout=0.1),
    actionness_schedule=replace(QUICK, steps=80),
    tag=RELEASED_BY_MEAN,
)


def _annotation(folder: Path, name: str, colour: str, span: tuple[float, float], *, subset: str) -> Annotation:
    """Grey noise, and a square that moves to the right during the span."""
    rng, frames = np.random.default_rng(len(name)), []
    for number in range(80):
        frame = rng.integers(80, 100, (48, 64, 3)).astype(np.uint8)
        if span[0] <= number / 10 < span[1]:
            left = 4 * (number % 10)
            frame[12:36, left : left + 24] = COLOURS[colour]
        frames.append(frame)
    path = folder / f"{name}.mp4"
    write_video(path, frames, fps=10)
    video = Video(video_id=name, duration=8.0, subset=subset, path=path)
    return Annotation(video=video, instances=(Instance(span, colour),))


@dataclass
class World:
    dataset: Dataset
    store: FeatureStore
    system: PropSsad


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> Iterator[None]:
    """Processes take seconds to start; what they do is tested with extraction."""
    alone = partial(extract, workers=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prop_ssad, "extract", alone)
        patch.setattr(learned, "extract", alone)
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    torch.set_num_threads(1)
    folder, rng = tmp_path_factory.mktemp("squares"), np.random.default_rng(0)
    known = []
    for number in range(16):
        subset = "training" if number < 12 else "testing"
        start = float(rng.integers(4, 40)) / 10
        span = (start, start + float(rng.integers(16, 36)) / 10)
        known.append(_annotation(folder, f"v{number}", ("red", "blue")[number % 2], span, subset=subset))
    dataset, store = Dataset(name="squares", annotations=tuple(known)), FeatureStore(folder / "store")
    system = PropSsad(TINY)
    system.fit(dataset, store=store, run=RUN)
    return World(dataset, store, system)


def _testing(world: World, system: PropSsad | None = None) -> list[Prediction]:
    return list((system or world.system).predict(world.dataset.subset("testing").videos, store=world.store))


def test_it_finds_when_something_happens_and_says_what(world: World) -> None:
    best, top = [], []
    for prediction, known in zip(_testing(world), world.dataset.subset("testing").annotations, strict=True):
        assert prediction.proposals
        assert prediction.detections
        truth = np.array([known.instances[0].segment])
        found = np.array([proposal.segment for proposal in prediction.proposals])
        best.append(tiou(found[:5], truth).max())
        top.append(prediction.detections[0].label == known.labels[0])
    assert np.mean(best) > 0.6
    assert np.mean(top) >= 0.75  # chance: one half


def test_predictions_keep_the_rules(world: World) -> None:
    for prediction in _testing(world):
        assert prediction.classes is not None
        assert sum(prediction.classes.scores.values()) == pytest.approx(1)
        assert prediction.proposals is not None
        assert len(prediction.proposals) <= 100
        scores = [proposal.score for proposal in prediction.proposals]
        assert scores == sorted(scores, reverse=True)
        for proposal in prediction.proposals:
            assert 0 <= proposal.segment[0] < proposal.segment[1] <= prediction.video.duration
        label, score = prediction.classes.best(1)[0]
        assert prediction.detections is not None
        assert {detection.label for detection in prediction.detections} == {label}
        assert prediction.detections[0].score == pytest.approx(scores[0] * score)


def test_refinement_moves_boundaries_and_leaves_scores(world: World) -> None:
    bare = PropSsad(replace(TINY, refine_tiou=None))
    vars(bare).update({**vars(world.system), "config": bare.config})
    moved = 0
    for refined, plain in zip(_testing(world), _testing(world, bare), strict=True):
        assert refined.proposals is not None
        assert plain.proposals is not None
        assert [item.score for item in refined.proposals] == [item.score for item in plain.proposals]
        for after, before in zip(refined.proposals, plain.proposals, strict=True):
            if after.segment != before.segment:
                moved += 1
                assert tiou(np.array([after.segment]), np.array([before.segment]))[0, 0] > 0.75
    assert moved > 0


def test_saved_and_loaded_elsewhere_it_says_the_same(world: World, tmp_path: Path) -> None:
    world.system.save(tmp_path / "saved")
    (tmp_path / "saved").rename(tmp_path / "moved")
    loaded = PropSsad.load(tmp_path / "moved")
    assert loaded.features() != world.system.features()  # other paths
    assert [item.key for item in loaded.features()] == [item.key for item in world.system.features()]
    assert _testing(world, loaded) == _testing(world)


def test_classes_of_a_file_are_stamped(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    videos = world.dataset.subset("testing").videos
    results = {video.video_id: [{"label": "juggling", "score": 0.5}] for video in videos[1:]}
    path = tmp_path / "classes.json"
    path.write_text(json.dumps({"version": "VERSION 1.3", "results": results, "external_data": {}}))
    system = PropSsad(replace(TINY, classification=path, stamped_proposals=3))
    vars(system).update({**vars(world.system), "config": system.config})
    with caplog.at_level(logging.WARNING):
        first, *others = _testing(world, system)
    assert first.detections == ()
    assert f"video {first.video.video_id} has no detections: it is not in {path}" in caplog.text
    for prediction in others:
        assert [item.label for item in prediction.detections or ()] == ["juggling"] * 3


def test_a_video_that_cannot_be_read_is_left_out(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    videos = [Video(video_id="broken", duration=3.0, path=broken), *world.dataset.subset("testing").videos[:1]]
    with caplog.at_level(logging.WARNING):
        found = list(world.system.predict(videos, store=world.store))
    assert [item.video.video_id for item in found] == [videos[1].video_id]
    assert "video broken is left out: its features could not be extracted" in caplog.text


def test_published_values() -> None:
    config = PropSsadConfig()
    assert (config.spatial.stride, config.temporal.stride) == (16, 16)
    assert (config.spatial.stream.channels, config.temporal.stream.channels) == (3, 10)
    nets = [sight.stream.build(classes=200) for sight in (config.spatial, config.temporal)]
    assert sum(net.dims for net in nets) == 3072
    assert config.ssad.steps == 256
    assert config.ssad.cells == (64, 32, 16, 8, 4, 2, 1)
    assert config.refine_tiou == 0.75
    assert PropSsad.tasks == {Task.PROPOSALS, Task.LOCALIZATION}
    assert PropSsad.number == 19


@pytest.mark.parametrize("config", [PropSsadConfig(), LAPTOP, TINY], ids=["published", "laptop", "tiny"])
def test_configurations_survive_json(config: PropSsadConfig) -> None:
    assert from_plain(PropSsadConfig, json.loads(json.dumps(to_plain(config)))) == config


def test_joined_features_stand_side_by_side_and_must_agree_in_time() -> None:
    grid = TimeGrid(start=0.0, stride=0.5, window=0.5, steps=4)
    wide = TimeGrid(start=-0.25, stride=0.5, window=1.0, steps=5)  # the same middles, one step more
    first, second = np.ones((4, 2), np.float32), np.full((5, 3), 2, np.float32)
    both = join([FeatureSequence(first, grid), FeatureSequence(second, wide)])
    assert both.grid == grid
    assert both.values.tolist() == [[1, 1, 2, 2, 2]] * 4
    with pytest.raises(DataError, match="features can be joined at equal steps only"):
        join([FeatureSequence(first, grid), FeatureSequence(first, replace(grid, start=0.1))])
    with pytest.raises(DataError, match="joining needs at least one feature sequence"):
        join([])


def test_words_of_errors(world: World, tmp_path: Path) -> None:
    fresh = PropSsad(TINY)
    with pytest.raises(NotTrained, match=r"system 19 \(Prop-SSAD and TAG\) must be fitted or loaded first"):
        fresh.features()
    with pytest.raises(NotTrained, match="system 19"):
        fresh.save(tmp_path / "none")
    nothing = Dataset(name="clips", annotations=(), labels=("red",))
    with pytest.raises(DataError, match="system 19 learns from segments of untrimmed videos, but training videos of"):
        fresh.fit(nothing, store=world.store, run=RUN)
    world.system.save(tmp_path / "cut")
    config = json.loads((tmp_path / "cut" / "config.json").read_text())
    config["tables"].remove("ssad")
    (tmp_path / "cut" / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=r"must hold the weights ssad.safetensors of a PropSsad"):
        PropSsad.load(tmp_path / "cut")
