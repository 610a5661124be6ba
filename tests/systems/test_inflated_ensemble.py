"""System 15: its nets, scales and variants as published, and an ensemble that learns squares and comes back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from moving_squares import FLOW, LABELS, RGB, trimmed_set

from untrimmed.configs import from_plain, to_plain
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.members import Member
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream, stream_scores
from untrimmed.features.whole_views import trained_window
from untrimmed.nets.inflated import Inflated
from untrimmed.nets.small import Small3d
from untrimmed.records import Dataset, NotTrained, Task
from untrimmed.systems.inflated_ensemble import (
    FLAT_BLOCKS,
    LAPTOP,
    ONE_SCALE,
    PUBLISHED,
    REPLICATED,
    SHORT_CLIPS,
    InflatedEnsemble,
    InflatedEnsembleConfig,
    one_scale,
    with_frames,
)
from untrimmed.train import Run, Schedule

SEEN = Stream(
    net=Small3d(frames=8, width=4, input_size=(24, 24), dropout=0.0),
    images=RGB,
    sampling=Sampling(sections=1, frames=8),
    augmentation=Augmentation(scales=(1.0, 0.875), flips=False),
    schedule=Schedule(steps=60, batch_size=8, optimizer="adamw", learning_rate=1e-2),
    views=TestViews(positions=2, ten_crop=False, scales=(24, 32)),
)
TINY = InflatedEnsembleConfig(
    members=(Member(name="rgb", classifier=SEEN), Member(name="flow", classifier=replace(SEEN, images=FLOW)))
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
def system(store: FeatureStore, squares: Dataset) -> InflatedEnsemble:
    torch.set_num_threads(1)
    system = InflatedEnsemble(TINY)
    system.fit(squares, store=store, run=Run(device="cpu", loaders=0))
    return system


def streams(config: InflatedEnsembleConfig) -> list[tuple[Stream, Inflated]]:
    found = []
    for member in config.members:
        assert isinstance(member.classifier, Stream)
        assert isinstance(member.classifier.net, Inflated)
        found.append((member.classifier, member.classifier.net))
    return found


def test_nets_and_steps_are_the_published_ones() -> None:
    assert (InflatedEnsemble.number, InflatedEnsemble.tasks) == (15, frozenset({Task.RECOGNITION}))
    assert [member.name for member in PUBLISHED.members] == [
        *(f"{net}_rgb" for net in ("inception_v1", "inception_v3", "resnet50", "resnet101")),
        *(f"{net}_flow" for net in ("inception_v1", "inception_v3", "resnet50", "resnet101")),
    ]
    for stream, net in streams(PUBLISHED):
        first = net.net == "inception_v1"
        assert stream.sampling.frames == net.frames == (96 if first else 64)
        assert stream.schedule.learning_rate == (0.1 if first else 0.01)
        assert (stream.schedule.steps, stream.schedule.batch_size, stream.schedule.momentum) == (80_000, 384, 0.9)
        assert stream.views.scales == (224, 256, 320)
        assert (net.which, net.init, net.input_size) == ("cubes", "centre", (224, 224))
    assert [stream.channels for stream, _ in streams(PUBLISHED)] == [3] * 4 + [2] * 4
    for config in (PUBLISHED, LAPTOP, TINY):
        assert from_plain(InflatedEnsembleConfig, to_plain(config)) == config


def test_the_variants_differ_in_what_their_observation_is_about_alone() -> None:
    (stream, net), *others = streams(SHORT_CLIPS)
    assert not others
    assert (stream.sampling.frames, net.frames) == (64, 64)
    assert with_frames(SHORT_CLIPS, 96).members == PUBLISHED.members[:1]
    ((flat, flat_net),) = streams(FLAT_BLOCKS)
    whole, whole_net = streams(PUBLISHED)[2]
    assert flat_net.which == "stem"
    assert replace(flat, net=replace(flat_net, which="cubes")) == whole == replace(flat, net=whole_net)
    assert {net.init for _, net in streams(REPLICATED)} == {"replicate"}
    assert {stream.views.scales for stream, _ in streams(ONE_SCALE)} == {()}


def test_it_learns_scores_over_scales_and_comes_back_from_the_disk(
    system: InflatedEnsemble, squares: Dataset, store: FeatureStore, tmp_path: Path
) -> None:
    testing = squares.subset("testing")
    scores = system.member_scores(testing.videos, store=store)
    truth = np.array([LABELS.index(annotation.labels[0]) for annotation in testing.annotations])
    fused = system.fused(testing.videos, store=store)
    np.testing.assert_allclose(fused, (scores["rgb"] + scores["flow"]) / 2, atol=1e-12)
    assert (fused.argmax(axis=1) == truth).mean() >= 0.6
    system.save(tmp_path / "saved")
    loaded = InflatedEnsemble.load(tmp_path / "saved")
    for before, after in zip(
        system.predict(testing.videos, store=store), loaded.predict(testing.videos, store=store), strict=True
    ):
        assert before == after
        assert before.classes is not None
        assert sum(before.classes.scores.values()) == pytest.approx(1)


def test_a_stream_of_several_scales_is_the_mean_of_those_of_one(squares: Dataset, store: FeatureStore) -> None:
    torch.manual_seed(0)
    net = SEEN.build(classes=4).eval()
    torch.nn.init.normal_(net.classifier.weight)
    assert trained_window(net) == (1, 1)
    ids = [video.video_id for video in squares.videos[:2]]

    def scored(*scales: int) -> np.ndarray:
        stream = replace(SEEN, views=replace(SEEN.views, scales=scales))
        return np.stack([scores for _, scores in stream_scores(net, stream, ids, store=store)])

    both, each = scored(24, 48), [scored(24), scored(48)]
    np.testing.assert_allclose(both, np.mean(each, axis=0), atol=1e-7)
    assert np.abs(each[0] - each[1]).max() > 1e-3
    np.testing.assert_allclose(scored().sum(axis=1), 1, atol=1e-6)
    assert {
        stream.views.scales for stream in (one_scale(TINY).members[0].classifier,) if isinstance(stream, Stream)
    } == {()}


def test_untrained_it_says_so(store: FeatureStore, squares: Dataset) -> None:
    with pytest.raises(NotTrained, match=r"system 15 \(an ensemble\) must be fitted or loaded first"):
        list(InflatedEnsemble(TINY).predict(squares.videos, store=store))
