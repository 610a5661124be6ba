"""System 16: nets, heads and schedules as published; every kind of member learns, is saved and comes back."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from untrimmed.aggregate.heads import ConvolutionHeadConfig, LstmHeadConfig
from untrimmed.configs import from_plain, to_plain
from untrimmed.features import extract as extraction
from untrimmed.features import learned as of_learned
from untrimmed.features import members as of_members
from untrimmed.features import sequences as of_sequences
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.depth_motion import DepthMotion, FlowOnly
from untrimmed.features.images import RgbImages
from untrimmed.features.learned import StreamFeature
from untrimmed.features.members import Member
from untrimmed.features.row_nets import RowNet
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.fuse.fusion import Equal
from untrimmed.media.writer import write_video
from untrimmed.nets.backbone import save_weights
from untrimmed.nets.inflated import Inflated
from untrimmed.nets.injection import DepthMotionResnet, TwoStarts
from untrimmed.nets.small import Small3d
from untrimmed.nets.two_frame import TwoFrame
from untrimmed.records import Annotation, Dataset, Instance, NotTrained, Task, Video
from untrimmed.systems.inflated_resnets_and_heads import (
    LAPTOP,
    LAPTOP_TWO_FRAME,
    PUBLISHED,
    InflatedResnetsAndHeads,
    InflatedResnetsAndHeadsConfig,
    over_snippets,
    with_starts,
)
from untrimmed.train import Run, Schedule

LABELS = ("blue", "red")
SCHEDULE = Schedule(steps=30, batch_size=8, optimizer="adamw", learning_rate=1e-2)
IMAGES = RgbImages(size=(32, 32))
TWO_FRAME = TwoFrame(widths=(4, 4, 8, 16, 32), predict=4, input_size=(32, 32))
CLIPS = Stream(
    net=Small3d(frames=4, width=4, input_size=(24, 24), dropout=0.0),
    images=IMAGES,
    sampling=Sampling(sections=1, frames=4),
    augmentation=Augmentation(scales=(1.0, 0.875), flips=False),
    schedule=SCHEDULE,
    views=TestViews(positions=2, ten_crop=False),
)
JOINT = DepthMotionResnet(
    layers=(1, 2, 2, 2), width=4, pairs=3, apart=3, two_frame=TWO_FRAME, learns_two_frame=True, dropout=0.0
)


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> object:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (of_members, of_sequences, of_learned):
            patch.setattr(module, "extract", lambda *given, **options: extraction.extract(*given, workers=0, **options))
        yield


def head(config: LstmHeadConfig | ConvolutionHeadConfig) -> RowNet:
    return over_snippets(config, CLIPS, stride=2, schedule=SCHEDULE, seconds=1.4)


def tiny(weights: Path) -> InflatedResnetsAndHeadsConfig:
    """One member of each kind; the last learns from stored pictures of depth and motion, by a net that is given."""
    depth = DepthMotion(estimator=TWO_FRAME, weights=weights, images=IMAGES, apart=3)
    stored = replace(CLIPS, images=depth, net=Small3d(frames=4, width=4, input_size=(8, 8), dropout=0.0))
    # after fewer steps running means of the norms, in a row of many, are not yet what the net has learnt with
    longer = replace(SCHEDULE, steps=60, learning_rate=3e-3)
    joint = replace(CLIPS, net=JOINT, sampling=Sampling(sections=1, frames=6), schedule=longer)
    return InflatedResnetsAndHeadsConfig(
        members=(
            Member(name="clips", classifier=CLIPS),
            Member(name="lstm", classifier=head(LstmHeadConfig(cells=8))),
            Member(name="convolutions", classifier=head(ConvolutionHeadConfig(channels=4, hold=True))),
            Member(name="joint", classifier=joint),
            Member(name="stored", classifier=stored),
        )
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, FeatureStore]:
    """Trimmed clips of a red or blue square that moves, the shortest of one second."""
    folder = tmp_path_factory.mktemp("resnets")
    made = []
    for i in range(16):
        red = bool(i & 1)
        frames = 10 + i
        pictures = np.full((frames, 32, 32, 3), 60 + 5 * (i // 2), np.uint8)
        for step in range(frames):
            top = (2 * step + i) % 20
            pictures[step, top : top + 12, 8:24] = (230, 20, 20) if red else (20, 20, 230)
        path = folder / f"v{i}.mp4"
        write_video(path, list(pictures), fps=10)
        subset = ("training", "training", "training", "testing")[i // 4]
        video = Video(video_id=f"v{i}", duration=frames / 10, subset=subset, path=path)
        made.append(Annotation(video=video, instances=(Instance((0.0, frames / 10), LABELS[red]),)))
    return Dataset(name="squares", annotations=tuple(made), trimmed=True), FeatureStore(folder / "store")


@pytest.fixture(scope="module")
def fitted(world: tuple[Dataset, FeatureStore], tmp_path_factory: pytest.TempPathFactory) -> InflatedResnetsAndHeads:
    torch.manual_seed(0)
    weights = tmp_path_factory.mktemp("weights") / "two-frame.safetensors"
    save_weights(weights, TWO_FRAME.build())
    system = InflatedResnetsAndHeads(tiny(weights))
    system.fit(world[0], store=world[1], run=Run(device="cpu", loaders=0))
    return system


def streams(config: InflatedResnetsAndHeadsConfig) -> dict[str, Stream]:
    return {one.name: one.classifier for one in config.members if isinstance(one.classifier, Stream)}


def test_members_are_those_of_table_1() -> None:
    assert InflatedResnetsAndHeads.number == 16
    assert InflatedResnetsAndHeads.tasks == frozenset({Task.RECOGNITION})
    assert [member.name for member in PUBLISHED.members] == [
        "resnet50_scratch", "resnet50", "resnet101", "resnet101_lstm", "resnet101_convolutions", "depth_motion",
    ]  # fmt: skip
    assert PUBLISHED.fusion == Equal()
    found = streams(PUBLISHED)
    for stream in found.values():
        assert stream.images == RgbImages(size=(256, 256), per_second=25)
        assert (stream.views.positions, stream.schedule.batch_size, stream.schedule.optimizer) == (14, 80, "rmsprop")
    nets: list[Any] = [found[name].net for name in ("resnet50_scratch", "resnet50", "resnet101")]
    assert [(net.net, net.frames, net.which, net.init) for net in nets] == [
        ("resnet50_v2", 32, "cubes", "replicate"),
        ("resnet50_v2", 32, "cubes", "replicate"),
        ("resnet101_v2", 32, "cubes", "replicate"),
    ]
    depth = found["depth_motion"].net
    assert depth == DepthMotionResnet()
    assert found["depth_motion"].sampling.frames == 36
    for config in (PUBLISHED, LAPTOP):
        assert from_plain(InflatedResnetsAndHeadsConfig, to_plain(config)) == config


def test_rates_fall_as_published() -> None:
    inflated, scratch = (streams(PUBLISHED)[name].schedule for name in ("resnet50", "resnet50_scratch"))
    items = 80 * 100  # 100 steps an epoch
    assert inflated.length_steps(items) == 9000
    for epoch in (0, 20, 40, 60, 80):
        assert inflated.rate(100 * epoch, items) == pytest.approx(0.004 * 0.16 ** (epoch / 20))
    assert inflated.rate(1000, items) == pytest.approx(0.004 * 0.4)  # half way of a factor of 0.16
    assert [scratch.rate(100 * epoch, items) for epoch in (0, 29, 30, 60, 90)] == pytest.approx(
        [0.1, 0.1, 0.016, 0.00256, 0.0004096]
    )
    assert scratch.length_steps(items) == 13_000


def test_heads_see_seven_subsequences_of_32_frames_every_16() -> None:
    for name, config in (("lstm", LstmHeadConfig(cells=1024)), ("convolutions", ConvolutionHeadConfig(hold=True))):
        (one,) = (m.classifier for m in PUBLISHED.members if m.name == f"resnet101_{name}")
        assert isinstance(one, RowNet)
        assert (one.head, one.steps, one.window) == (config, 7, pytest.approx(7 * 16 / 25))
        rows = one.sources[0].rows
        assert isinstance(rows, StreamFeature)
        assert (rows.stream, rows.stride, rows.learn) == (streams(PUBLISHED)["resnet101"], 16, True)
    config = ConvolutionHeadConfig()
    assert (config.widths, config.channels) == ((7, 5, 3, 1), 512)


def test_starts_are_given_to_all_but_the_member_from_scratch(tmp_path: Path) -> None:
    config = with_starts(PUBLISHED, resnet="imagenet", two_frame=tmp_path / "net")
    found: dict[str, Any] = {name: stream.net for name, stream in streams(config).items()}
    assert found["resnet50_scratch"].weights is None
    assert found["resnet50"].weights == found["resnet101"].weights == "imagenet"
    assert found["depth_motion"].weights == TwoStarts(two_frame=tmp_path / "net", resnet="imagenet")
    for member in config.members[3:5]:
        assert isinstance(member.classifier, RowNet)
        rows = member.classifier.sources[0].rows
        assert isinstance(rows, StreamFeature)
        assert isinstance(rows.stream.net, Inflated)
        assert rows.stream.net.weights == "imagenet"
    small = streams(with_starts(LAPTOP, two_frame=tmp_path / "net"))["depth_motion"].net
    assert isinstance(small, DepthMotionResnet)
    assert not small.learns_two_frame
    assert small.two_frame == LAPTOP_TWO_FRAME
    assert LAPTOP_TWO_FRAME.widths[2:] == (16, 32, 64)  # those of its ResNet's blocks


def test_every_kind_of_member_learns(fitted: InflatedResnetsAndHeads, world: tuple[Dataset, FeatureStore]) -> None:
    dataset, store = world
    testing = dataset.subset("testing")
    assert [one.video for one in fitted.predict(testing.videos, store=store)] == list(testing.videos)
    truth = np.array([dataset.labels.index(annotation.labels[0]) for annotation in testing.annotations])
    scores = fitted.member_scores(testing.videos, store=store)
    assert list(scores) == ["clips", "lstm", "convolutions", "joint", "stored"]
    for name, rows in scores.items():
        assert rows.sum(axis=1) == pytest.approx(1), name
        if name != "stored":  # its net of pairs has learnt nothing, so what it sees is anything
            assert (rows.argmax(axis=1) == truth).mean() >= 0.75, name
    fused = fitted.fused(testing.videos, store=store)
    np.testing.assert_allclose(fused, np.mean(list(scores.values()), axis=0), atol=1e-12)


def test_saved_it_says_the_same_without_the_files_it_was_given(
    fitted: InflatedResnetsAndHeads, world: tuple[Dataset, FeatureStore], tmp_path: Path
) -> None:
    videos, store = world[0].subset("testing").videos, world[1]
    fitted.save(tmp_path / "saved")
    wanted = list(fitted.predict(videos, store=store))
    given = streams(fitted.config)["stored"].images
    assert isinstance(given, DepthMotion)
    assert given.weights is not None
    moved = given.weights.rename(tmp_path / "elsewhere")
    try:
        loaded = InflatedResnetsAndHeads.load(tmp_path / "saved")
        found = list(loaded.predict(videos, store=store))
    finally:
        moved.rename(given.weights)
    for before, after in zip(wanted, found, strict=True):
        assert before.classes is not None
        assert after.classes is not None
        assert list(after.classes.scores.values()) == pytest.approx(list(before.classes.scores.values()), abs=1e-6)


def test_depth_and_motion_may_be_flow_alone() -> None:
    depth = DepthMotion(estimator=FlowOnly(map_size=(16, 16)), images=IMAGES, apart=3)
    stream = replace(CLIPS, images=depth)
    assert stream.channels == 8
    assert stream.build(classes=2).channels == 8
    assert from_plain(Stream, to_plain(stream)) == stream


def test_untrained_it_says_so(world: tuple[Dataset, FeatureStore]) -> None:
    with pytest.raises(NotTrained, match=r"system 16 \(an ensemble\) must be fitted or loaded first"):
        list(InflatedResnetsAndHeads(LAPTOP).predict(world[0].videos, store=world[1]))
