"""System 14: its models and fusion as published, what its members learn, mining, and the way to disk and back."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from moving_squares import FLOW, RGB, Pictures, trimmed_set

from untrimmed.aggregate.rsom import RsomConfig
from untrimmed.classify.maxout import MaxoutHeadConfig, PreluHeadConfig
from untrimmed.configs import from_plain, to_plain
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.flow_pictures import PolarFlow, hue_pictures
from untrimmed.features.hard_mining import HardMining
from untrimmed.features.images import bytes_to_flow
from untrimmed.features.row_nets import RowNet
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.spectrograms import SpectrumRows
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream, training_name
from untrimmed.fuse.fusion import Equal, FittedFusion, Highest, Majority, Stacked
from untrimmed.fuse.stacking import MaxoutStacking
from untrimmed.nets.besnet import BesNet
from untrimmed.nets.deep_speech import DeepSpeech
from untrimmed.nets.grouped_head import GroupedHeadConfig
from untrimmed.nets.inflated import Inflated
from untrimmed.nets.small import Small3d
from untrimmed.nets.small_besnet import SmallBesNet
from untrimmed.records import Dataset, NotTrained, Task
from untrimmed.systems.separable_3d_stacking import LAPTOP, Separable3dStacking, Separable3dStackingConfig
from untrimmed.train import Run, Schedule

PUBLISHED = Separable3dStackingConfig()
NAMES = ["resfeat1", "resfeat2", "resnet3d", "flow", "audio", "besnet"]
COLOURS = PolarFlow(flow=FLOW)
SOUND = SpectrumRows(rate=8000, window_samples=14, hop_samples=14)
SEEN = SpectrumRows(rate=8000, window_samples=10, hop_samples=10)
"""Stands for the rows of a net of frames, which would need files to be measured."""
SHORT = Schedule(steps=30, batch_size=8, optimizer="adamw", learning_rate=5e-3)
CLIPS = Stream(
    net=Small3d(frames=4, width=4, input_size=(24, 24), dropout=0.0),
    images=RGB,
    sampling=Sampling(sections=1, frames=4),
    augmentation=Augmentation(scales=(1.0, 0.875), flips=False),
    schedule=SHORT,
    views=TestViews(positions=2, ten_crop=False),
)
ROWS = SequenceSource(rows=SEEN)
HEAD = MaxoutHeadConfig(hidden=(8,), dropout=0.0)
TINY = Separable3dStackingConfig(
    resfeat1=RowNet(sources=(ROWS,), head=HEAD, schedule=SHORT),
    resfeat2=RowNet(
        sources=(ROWS,),
        head=GroupedHeadConfig(groups=RsomConfig(height=2, width=2), head=PreluHeadConfig(hidden=(8,), dropout=0.0)),
        schedule=SHORT,
    ),
    resnet3d=CLIPS,
    flow=replace(CLIPS, images=COLOURS, schedule=replace(SHORT, steps=80, learning_rate=1e-2)),
    audio=RowNet(
        sources=(SequenceSource(rows=SOUND),),
        head=DeepSpeech(filters=2, windows=((3, 3), (3, 3)), layers=1, cells=8),
        schedule=SHORT,
    ),
    besnet=replace(
        CLIPS, net=SmallBesNet(width=8, frames=4, input_size=(24, 24), dropout=0.0), hard_mining=HardMining(rounds=2)
    ),
    fusion=Stacked(stacking=MaxoutStacking(steps=20)),
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def squares(store: FeatureStore) -> Dataset:
    """Squares whose motion is stored as colours too, and which are heard: what moves up in high tones.

    The rows of frames say where a picture is red and where blue, in one picture of three.
    """
    dataset = trimmed_set(store)
    rng = np.random.default_rng(0)
    for annotation in dataset.annotations:
        name = annotation.video.video_id
        flow = store.load(FLOW, name)
        vectors = bytes_to_flow(flow.frames(np.arange(len(flow))), FLOW.bound)
        store.write(COLOURS, name, Pictures(hue_pictures(vectors, bound=COLOURS.bound)))
        spectra = rng.normal(-60, 5, (len(flow), 8)).astype(np.float32)
        spectra[:, 6 if "up" in annotation.labels[0] else 1] += 30
        store.write(SOUND, name, Pictures(spectra))
        frames = rng.normal(0, 0.3, (len(flow), 6)).astype(np.float32)
        frames[::3, 0 if "red" in annotation.labels[0] else 1] += 4
        store.write(SEEN, name, Pictures(frames))
    return dataset


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What the log says of hard mining while the system learns."""
    return []


@pytest.fixture(scope="module")
def system(store: FeatureStore, squares: Dataset, told: list[str]) -> Separable3dStacking:
    system = Separable3dStacking(TINY)
    mining = logging.getLogger("untrimmed.features.hard_mining")
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    before = mining.level
    mining.addHandler(handler)
    mining.setLevel(logging.INFO)
    system.fit(squares, store=store, run=Run(device="cpu", loaders=0))
    mining.removeHandler(handler)
    mining.setLevel(before)
    return system


def test_models_and_fusion_are_the_published_ones() -> None:
    assert (Separable3dStacking.number, Separable3dStacking.tasks) == (14, frozenset({Task.RECOGNITION}))
    assert [member.name for member in PUBLISHED.members] == NAMES
    assert isinstance(PUBLISHED.fusion, Stacked)
    assert isinstance(PUBLISHED.resfeat2.head, GroupedHeadConfig)
    assert PUBLISHED.resfeat2.head.groups.groups == 25
    assert PUBLISHED.resfeat1.sources == PUBLISHED.resfeat2.sources
    assert isinstance(PUBLISHED.besnet.net, BesNet)
    assert PUBLISHED.besnet.net.dilations == (1, 2)
    assert PUBLISHED.besnet.hard_mining is not None
    assert PUBLISHED.resnet3d.hard_mining is None
    assert isinstance(PUBLISHED.flow.net, Inflated)
    assert PUBLISHED.flow.net == PUBLISHED.resnet3d.net
    assert PUBLISHED.flow.channels == 3
    assert min(PUBLISHED.besnet.augmentation.scales) < min(PUBLISHED.resnet3d.augmentation.scales)
    for config in (PUBLISHED, LAPTOP, TINY):
        assert from_plain(Separable3dStackingConfig, to_plain(config)) == config
        assert not config.flow.augmentation.flips
        for name in ("resnet3d", "flow", "besnet"):
            stream = getattr(config, name)
            assert stream.net.frames == stream.sampling.frames


def test_members_learn_what_they_can_see_and_hear(
    system: Separable3dStacking, store: FeatureStore, squares: Dataset
) -> None:
    testing = squares.subset("testing")
    scores = system.member_scores(testing.videos, store=store)
    assert list(scores) == NAMES
    for seen, names in (("red", ("resfeat1", "resfeat2", "resnet3d", "besnet")), ("up", ("flow", "audio"))):
        truth = np.array([seen in annotation.labels[0] for annotation in testing.annotations])
        columns = [seen in label for label in squares.labels]
        for name in names:
            np.testing.assert_allclose(scores[name].sum(axis=1), 1)
            assert ((scores[name][:, columns].sum(axis=1) > 0.5) == truth).mean() >= 0.9, name


def test_the_ensemble_tells_colours_and_directions(
    system: Separable3dStacking, store: FeatureStore, squares: Dataset
) -> None:
    testing = squares.subset("testing")
    tables = np.stack(list(system.member_scores(testing.videos, store=store).values()))
    truth = np.array([squares.labels.index(annotation.labels[0]) for annotation in testing.annotations])
    right = {
        type(fusion).__name__: (FittedFusion(fusion)(tables).argmax(axis=1) == truth).mean()
        for fusion in (Equal(), Highest(), Majority())
    }
    right["Stacked"] = (system.fused(testing.videos, store=store).argmax(axis=1) == truth).mean()
    assert right["Stacked"] >= max(0.75, right["Highest"]), right


def test_besnet_alone_is_mined(system: Separable3dStacking, told: list[str]) -> None:
    name = training_name(TINY.besnet)
    assert told == [f"{name}-hard-{number}: 6 of 24 items are hard" for number in range(2)]


def test_what_it_says_comes_back_from_disk(
    system: Separable3dStacking, store: FeatureStore, squares: Dataset, tmp_path: Path
) -> None:
    videos = squares.subset("testing").videos
    said = list(system.predict(videos, store=store))
    for prediction in said:
        assert prediction.classes is not None
        assert sum(prediction.classes.scores.values()) == pytest.approx(1)
    system.save(tmp_path)
    again = Separable3dStacking.load(tmp_path)
    assert again.config == TINY
    assert list(again.predict(videos, store=store)) == said


def test_words() -> None:
    with pytest.raises(NotTrained, match=r"system 14 \(an ensemble\) must be fitted or loaded first"):
        Separable3dStacking(PUBLISHED).features()
