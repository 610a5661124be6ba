"""System 05: its nets and fusion as published, and what it learns of clips that one frame does not tell apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from moving_squares import FLOW, LABELS, RGB, trimmed_set

from untrimmed.aggregate.memory import MemoryConfig
from untrimmed.configs import from_plain, to_plain
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.fuse.fusion import FittedFusion
from untrimmed.nets.memory_net import MemoryNet
from untrimmed.nets.small import SmallNet
from untrimmed.records import Dataset, NotTrained, Task
from untrimmed.systems.multiscale_attention import LAPTOP, MultiscaleAttention, MultiscaleAttentionConfig
from untrimmed.train import Run, Schedule

PUBLISHED = MultiscaleAttentionConfig()
FRAMES = Stream(
    net=SmallNet(width=4, input_size=(24, 24), dropout=0.0),
    images=RGB,
    sampling=Sampling(sections=1),
    augmentation=Augmentation(scales=(1.0, 0.875), flips=False),
    schedule=Schedule(steps=40, batch_size=8, optimizer="adamw", learning_rate=5e-3),
    views=TestViews(positions=2, ten_crop=False),
)
MEMORY = replace(
    FRAMES,
    net=MemoryNet(
        trunk=SmallNet(width=4, input_size=(24, 24), dropout=0.0),
        memory=MemoryConfig(slots=4, size=16),
        frames=4,
        drawn=3,
    ),
    sampling=Sampling(sections=1, frames=4, stride=2),
    schedule=replace(FRAMES.schedule, steps=80, learning_rate=1e-2),
)
TINY = MultiscaleAttentionConfig(
    rgb_101=FRAMES,
    rgb_152=FRAMES,
    rgb_attention=MEMORY,
    flow_101=replace(FRAMES, images=FLOW, sampling=Sampling(sections=1, frames=5)),
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def squares(store: FeatureStore) -> Dataset:
    return trimmed_set(store)


@pytest.fixture(scope="module")
def system(store: FeatureStore, squares: Dataset, tmp_path_factory: pytest.TempPathFactory) -> MultiscaleAttention:
    system = MultiscaleAttention(TINY)
    # the folder lets the two equal nets of frames learn once
    system.fit(squares, store=store, run=Run(device="cpu", loaders=0, folder=tmp_path_factory.mktemp("run")))
    return system


def test_nets_inputs_and_steps_are_the_published_ones() -> None:
    assert (MultiscaleAttention.number, MultiscaleAttention.tasks) == (5, frozenset({Task.RECOGNITION}))
    assert [member.name for member in PUBLISHED.members] == ["rgb_101", "rgb_152", "rgb_attention", "flow_101"]
    assert [member.classifier.channels for member in PUBLISHED.members if isinstance(member.classifier, Stream)] == [
        3,
        3,
        3,
        20,
    ]
    schedule = PUBLISHED.rgb_attention.schedule
    assert (schedule.optimizer, schedule.momentum, schedule.learning_rate, schedule.gamma) == ("sgd", 0.9, 0.01, 0.1)
    assert schedule.milestones == (200_000, 400_000)
    batches = {name: getattr(PUBLISHED, name).schedule.batch_size for name in ("rgb_101", "rgb_152", "flow_101")}
    assert batches == {"rgb_101": 256, "rgb_152": 128, "flow_101": 256}
    for config in (PUBLISHED, LAPTOP):
        assert from_plain(MultiscaleAttentionConfig, to_plain(config)) == config
        net, sampling = config.rgb_attention.net, config.rgb_attention.sampling
        assert isinstance(net, MemoryNet)
        assert (net.frames, sampling.sections) == (sampling.frames, 1)


def test_fusion_is_the_mean_of_rgb_and_then_the_mean_with_flow() -> None:
    scores = np.random.default_rng(0).dirichlet(np.ones(5), size=(4, 3))
    wanted = (scores[:3].mean(axis=0) + scores[3]) / 2
    np.testing.assert_allclose(FittedFusion(PUBLISHED.fusion)(scores), wanted)


def test_the_memory_net_learns_colours_like_the_net_of_frames(
    system: MultiscaleAttention, store: FeatureStore, squares: Dataset
) -> None:
    """Neither sees an order, so directions stay hidden from both."""
    testing = squares.subset("testing")
    scores = system.member_scores(testing.videos, store=store)
    red = np.array(["red" in annotation.labels[0] for annotation in testing.annotations])
    columns = ["red" in label for label in LABELS]
    for name in ("rgb_101", "rgb_attention"):
        said = scores[name][:, columns].sum(axis=1) > 0.5
        assert (said == red).mean() >= 0.9, name
        np.testing.assert_allclose(scores[name].sum(axis=1), 1, atol=1e-5)


def test_what_it_says_is_the_fusion_and_comes_back_from_disk(
    system: MultiscaleAttention, store: FeatureStore, squares: Dataset, tmp_path: Path
) -> None:
    videos = squares.subset("testing").videos
    said = list(system.predict(videos, store=store))
    fused = FittedFusion(TINY.fusion)(np.stack(list(system.member_scores(videos, store=store).values())))
    for prediction, row in zip(said, fused, strict=True):
        assert prediction.classes is not None
        np.testing.assert_allclose([prediction.classes.scores[label] for label in squares.labels], row, atol=1e-9)
    system.save(tmp_path)
    again = MultiscaleAttention.load(tmp_path)
    assert again.config == TINY
    assert list(again.predict(videos, store=store)) == said


def test_words() -> None:
    with pytest.raises(NotTrained, match=r"system 05 \(an ensemble\) must be fitted or loaded first"):
        MultiscaleAttention(PUBLISHED).features()
