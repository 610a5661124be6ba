"""System 09 on the small playground: it fits, says what the report says it says, and comes back as it was."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from small_world import shortened
from untrimmed.data import open_dataset
from untrimmed.features import learned, sequences
from untrimmed.features.clip_sets import pieces_of
from untrimmed.features.extract import extract
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.offset_frames import OffsetFrames
from untrimmed.features.store import FeatureStore
from untrimmed.nets.offset_regression import OffsetConfig
from untrimmed.propose.labelling import Labelling
from untrimmed.records import DataError, Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems import offsets_and_labelling
from untrimmed.systems.offsets_and_labelling import LAPTOP, OffsetsAndLabelling, OffsetsAndLabellingConfig
from untrimmed.timeline import TimeGrid
from untrimmed.train import Run

RUN = Run(seed=3, device="cpu", loaders=0)


@dataclass(frozen=True)
class World:
    dataset: Dataset
    store: FeatureStore
    system: OffsetsAndLabelling
    still: list[torch.Size]
    """Shapes of the parameters that never had a gradient."""


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> Iterator[None]:
    """Processes take seconds to start; what they do is tested with extraction."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (learned, sequences, offsets_and_labelling):
            patch.setattr(module, "extract", partial(extract, workers=0))
        yield


@pytest.fixture(scope="module")
def world(_one_process: None, small_playground: Path) -> World:
    dataset = open_dataset(small_playground / "untrimmed")
    store = FeatureStore(small_playground.parent / "store")
    moved: dict[int, tuple[torch.Size, bool]] = {}

    def look(optimizer: torch.optim.Optimizer, *_: object) -> None:
        for parameter in (one for group in optimizer.param_groups for one in group["params"]):
            now = parameter.grad is not None and bool((parameter.grad != 0).any())
            moved[id(parameter)] = (parameter.shape, now or moved.get(id(parameter), (None, False))[1])

    handle = register_optimizer_step_pre_hook(look)
    system = OffsetsAndLabelling(shortened(LAPTOP))
    system.fit(dataset, store=store, run=RUN)
    handle.remove()
    assert moved
    return World(dataset, store, system, [shape for shape, reached in moved.values() if not reached])


def _said(world: World, system: OffsetsAndLabelling | None = None) -> list[Prediction]:
    return list((system or world.system).predict(world.dataset.subset("testing").videos, store=world.store))


def _flat(predictions: list[Prediction]) -> list[object]:
    return [(one.classes and dict(one.classes.scores), one.detections) for one in predictions]


def test_every_parameter_gets_a_gradient(world: World) -> None:
    assert world.still == []


def test_predictions_follow_the_frames(world: World) -> None:
    for prediction in _said(world):
        assert prediction.classes is not None
        assert prediction.detections
        assert len(prediction.detections) <= 5
        frames = world.system.frame_scores(prediction.video, store=world.store)
        np.testing.assert_allclose(frames.values.sum(axis=1), 1, atol=1e-5)
        half = np.sort(frames.values, axis=0)[-(len(frames.values) // 2) :].mean(axis=0)
        np.testing.assert_allclose(list(prediction.classes.scores.values()), half)
        label, score = prediction.classes.best(1)[0]
        assert {one.label for one in prediction.detections} == {label}
        scores = [one.score for one in prediction.detections]
        assert scores == sorted(scores, reverse=True)
        curve = frames.values[:, world.dataset.labels.index(label)]
        for one in prediction.detections:
            assert 0 <= one.segment[0] < one.segment[1] <= prediction.video.duration
            inside = (frames.grid.centres > one.segment[0]) & (frames.grid.centres < one.segment[1])
            # the last cell may have its middle past the end of the video
            assert one.score == pytest.approx(score * curve[inside].mean(), rel=0.02)


def test_without_labelling_the_whole_video_is_the_one_detection(world: World) -> None:
    plain = OffsetsAndLabelling(replace(world.system.config, labelled=False))
    vars(plain).update({**vars(world.system), "config": plain.config})
    for prediction in _said(world, plain):
        assert prediction.detections is not None
        (one,) = prediction.detections
        assert one.segment == (0.0, prediction.video.duration)
        frames = world.system.frame_scores(prediction.video, store=world.store)
        curve = frames.values[:, world.dataset.labels.index(one.label)]
        assert prediction.classes is not None
        assert one.score == pytest.approx(prediction.classes.scores[one.label] * curve.mean())


def test_fused_scores_are_convex_in_the_streams(world: World) -> None:
    video = world.dataset.subset("testing").videos[0]
    assert len(list(world.system.predict([video], store=world.store))) == 1  # measures what is missing
    one, other, mean = (
        world.system.frame_scores(video, store=world.store, weight=weight).values for weight in (1.0, 0.0, 0.25)
    )
    np.testing.assert_allclose(mean, 0.25 * one + 0.75 * other)
    assert not np.allclose(one, other)


def test_saved_and_loaded_elsewhere_it_says_the_same(world: World, tmp_path: Path) -> None:
    world.system.save(tmp_path / "saved")
    (tmp_path / "saved").rename(tmp_path / "moved")
    loaded = OffsetsAndLabelling.load(tmp_path / "moved")
    assert loaded.config == world.system.config
    assert [item.key for item in loaded.features()] == [item.key for item in world.system.features()]
    assert _flat(_said(world, loaded)) == _flat(_said(world))
    about = json.loads((tmp_path / "moved" / "config.json").read_text())
    about["extra"]["appearance_weight"] = 2
    (tmp_path / "moved" / "config.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match=r"must hold the nets appearance, motion and a weight in \[0, 1\], got"):
        OffsetsAndLabelling.load(tmp_path / "moved")


def test_the_same_seed_gives_the_same_numbers(world: World) -> None:
    again = OffsetsAndLabelling(world.system.config)
    again.fit(world.dataset, store=world.store, run=RUN)
    assert _flat(_said(world, again)) == _flat(_said(world))


@pytest.mark.slow
def test_trimmed_clips_have_classes_and_no_detections(world: World, small_playground: Path) -> None:
    dataset = open_dataset(small_playground / "trimmed")
    system = OffsetsAndLabelling(replace(world.system.config, appearance_weight=0.55))
    system.fit(dataset, store=world.store, run=RUN)
    found = list(system.predict(dataset.subset("testing").videos, store=world.store))
    assert len(found) == len(dataset.subset("testing").videos)
    assert all(one.classes is not None and one.detections is None for one in found)


def test_a_video_where_nothing_is_active_gets_itself(world: World) -> None:
    video, grid = Video(video_id="v", duration=4.0), TimeGrid(start=0.0, stride=1.0, window=1.0, steps=4)
    frames = FeatureSequence(np.full((4, len(world.dataset.labels)), 0.1), grid)
    system = OffsetsAndLabelling(world.system.config)
    vars(system).update({**vars(world.system), "_labelling": Labelling(zero_level=2.0)})
    (one,) = system.detections(video, frames)
    assert one.segment == (0.0, 4.0)
    assert one.score == pytest.approx(0.01)


def test_frames_know_where_they_are(world: World) -> None:
    stream = LAPTOP.appearance
    training = world.dataset.subset("training")
    durations = {video.video_id: video.duration for video in training.videos}
    data = OffsetFrames.of(
        stream,
        pieces_of(training),
        store=world.store,
        size=(24, 24),
        offsets=OffsetConfig(unit="seconds"),
        durations=durations,
    )
    for index, piece in enumerate(data.pieces):
        assert piece.segment is not None
        length = piece.segment[1] - piece.segment[0]
        since, until, whole = data[index][2].tolist()
        assert since + until == pytest.approx(whole) == pytest.approx(length, abs=1e-4)
        assert since == pytest.approx(until, abs=0.2)  # the middle, to a frame or so
        clip, label, drawn = data.at(index, np.random.default_rng(index))
        again = data.at(index, np.random.default_rng(index))
        assert clip.shape == (1, 3, 24, 24)
        assert label == piece.label
        assert (clip == again[0]).all()
        assert (drawn == again[2]).all()
    draws = {round(float(data.at(0, np.random.default_rng(seed))[2][0]), 3) for seed in range(20)}
    assert len(draws) > 5


def test_published_values() -> None:
    config = OffsetsAndLabellingConfig()
    assert (config.appearance.images.per_second, config.appearance.channels, config.motion.channels) == (24, 3, 3)  # type: ignore[union-attr]
    assert (config.appearance_weight, config.top_share, config.proposal_count) == (0.55, 0.5, 5)
    assert OffsetsAndLabelling.tasks == {Task.CLASSIFICATION, Task.RECOGNITION, Task.LOCALIZATION}


def test_words_of_errors(world: World, tmp_path: Path) -> None:
    fresh = OffsetsAndLabelling(LAPTOP)
    with pytest.raises(NotTrained, match=r"system 09 \(offsets and labelling\) must be fitted or loaded first"):
        fresh.save(tmp_path / "none")
    with pytest.raises(DataError, match="system 09 learns classes of videos, but training videos of none have none"):
        fresh.fit(Dataset(name="none", annotations=(), labels=("red",)), store=world.store, run=RUN)
    with pytest.raises(DataError, match=r"system 09 needs a top_share in \(0, 1\], proposals >= 1 and a weight in"):
        replace(LAPTOP, top_share=0.0)
    with pytest.raises(DataError, match="needs a labelling, or zero levels and switching costs to choose one from"):
        replace(LAPTOP, zero_levels=())
    several = replace(LAPTOP.appearance, sampling=replace(LAPTOP.appearance.sampling, sections=3))
    with pytest.raises(DataError, match="sampling must have 1 section of 1 frame, got 3 of 1"):
        OffsetFrames.of(several, (), store=world.store, size=(24, 24), offsets=OffsetConfig(), durations={})
