"""System 12: its streams as published, cross-modality starts, what fusion and each stream know, to disk and back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from moving_squares import FLOW, RGB, Pictures, trimmed_set
from safetensors.torch import save_file

from untrimmed.configs import from_plain, to_plain
from untrimmed.features import extract as extraction
from untrimmed.features import members as of_members
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.confidence_maps import ConfidenceMaps
from untrimmed.features.flow_pairs import FlowPairs
from untrimmed.features.given_files import given_files, with_feature_weights
from untrimmed.features.members import Member
from untrimmed.features.pose_estimators import SmallPose
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.fuse.fusion import Equal, Weighted
from untrimmed.nets.resnet import Resnet
from untrimmed.nets.small import SmallNet
from untrimmed.records import DataError, Dataset, Task
from untrimmed.systems.three_streams import LAPTOP, ThreeStreams, ThreeStreamsConfig, only
from untrimmed.train import Run, Schedule

RUN = Run(device="cpu", loaders=0)
MAPS = ConfidenceMaps(size=(32, 40), per_second=8)
SMALL = Stream(
    net=SmallNet(width=4, input_size=(24, 24), dropout=0.0),
    images=RGB,
    sampling=Sampling(sections=1),
    augmentation=Augmentation(scales=(1.0, 0.875)),
    schedule=Schedule(steps=40, batch_size=8, optimizer="adamw", learning_rate=5e-3),
    views=TestViews(positions=2, ten_crop=False),
)
TINY = ThreeStreamsConfig(
    members=(
        Member(name="rgb", classifier=SMALL),
        Member(name="flow", classifier=replace(SMALL, images=FLOW, sampling=Sampling(sections=1, frames=3))),
        Member(name="pose", classifier=replace(SMALL, images=MAPS, augmentation=Augmentation(flips=False))),
    )
)


def streams(config: ThreeStreamsConfig) -> dict[str, Stream]:
    found = {}
    for member in config.members:
        assert isinstance(member.classifier, Stream)
        found[member.name] = member.classifier
    return found


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> Iterator[None]:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_members, "extract", lambda *given, **options: extraction.extract(*given, workers=0, **options))
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def dataset(store: FeatureStore) -> Dataset:
    """Squares whose colour RGB tells and whose direction flow tells; what the maps show is the same for all."""
    made = trimmed_set(store)
    generator = np.random.default_rng(5)
    for video in made.videos:
        store.write(MAPS, video.video_id, Pictures(generator.integers(0, 30, (12, 32, 40, 15)).astype(np.uint8)))
    return made


@pytest.fixture(scope="module")
def fitted(dataset: Dataset, store: FeatureStore) -> ThreeStreams:
    system = ThreeStreams(TINY)
    system.fit(dataset, store=store, run=RUN)
    return system


def test_the_published_streams() -> None:
    config = ThreeStreamsConfig()
    found = streams(config)
    assert list(found) == ["rgb", "flow", "pose"]
    assert ThreeStreams.number == 12
    assert ThreeStreams.tasks == {Task.RECOGNITION}
    for stream in found.values():
        assert isinstance(stream.net, Resnet)
        assert (stream.net.depth, stream.net.weights) == (50, "imagenet")
    assert [stream.channels for stream in found.values()] == [3, 10, 15]
    assert [stream.images.size for stream in found.values()] == [(256, 256)] * 3
    flow, pose = found["flow"].images, found["pose"].images
    assert isinstance(flow, FlowPairs)
    assert isinstance(pose, ConfidenceMaps)
    assert flow.every == pose.every == 10
    assert not found["pose"].augmentation.flips
    for one in (config, LAPTOP, TINY):
        assert from_plain(ThreeStreamsConfig, to_plain(one)) == one


def test_flow_and_joints_start_from_the_mean_of_the_colours(tmp_path: Path) -> None:
    """Report 12, section 2.2: cross-modality pre-training."""
    torch.manual_seed(0)
    start = Resnet(depth=18).build(classes=3, channels=3)
    colours = start.state_dict()["trunk.conv1.weight"]
    trunk = {name.removeprefix("trunk."): value for name, value in start.state_dict().items() if "trunk." in name}
    path = tmp_path / "resnet18.pth"
    torch.save(trunk | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}, path)
    for name in ("flow", "pose"):
        stream = streams(ThreeStreamsConfig())[name]
        net = replace(stream, net=Resnet(depth=18, weights=path)).build(classes=5)
        filters = net.state_dict()["trunk.conv1.weight"]
        assert filters.shape[1] == stream.channels
        torch.testing.assert_close(filters, colours.mean(1, keepdim=True).expand_as(filters))


def test_every_stream_says_what_it_can_know(fitted: ThreeStreams, dataset: Dataset, store: FeatureStore) -> None:
    testing = dataset.subset("testing")
    scores = fitted.member_scores(testing.videos, store=store)
    labels = [annotation.labels[0] for annotation in testing.annotations]
    said = {name: [fitted.labels[place] for place in table.argmax(axis=1)] for name, table in scores.items()}
    right = {name: np.mean([one == label for one, label in zip(said[name], labels, strict=True)]) for name in said}
    same = np.mean([one.split()[0] == label.split()[0] for one, label in zip(said["rgb"], labels, strict=True)])
    turned = np.mean([one.split()[1] == label.split()[1] for one, label in zip(said["flow"], labels, strict=True)])
    assert same >= 0.9
    assert turned >= 0.9
    assert right["pose"] <= 0.6
    for table in scores.values():
        np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-6)
    fused = fitted.fused(testing.videos, store=store)
    np.testing.assert_allclose(fused, (2 * scores["rgb"] + scores["flow"] + scores["pose"]) / 4, atol=1e-6)
    predictions = list(fitted.predict(testing.videos, store=store))
    assert len(predictions) == len(testing.videos)
    answer = predictions[0].classes
    assert answer is not None
    assert sum(answer.scores.values()) == pytest.approx(1)


def test_to_disk_and_back(fitted: ThreeStreams, dataset: Dataset, store: FeatureStore, tmp_path: Path) -> None:
    videos = dataset.subset("testing").videos
    fitted.save(tmp_path / "system")
    again = ThreeStreams.load(tmp_path / "system")
    np.testing.assert_allclose(again.fused(videos, store=store), fitted.fused(videos, store=store), atol=1e-6)


def test_some_of_the_streams() -> None:
    some = only(ThreeStreamsConfig(), ("rgb", "pose"))
    assert [member.name for member in some.members] == ["rgb", "pose"]
    assert some.fusion == Weighted(weights=(2.0, 1.0))
    assert only(replace(TINY, fusion=Equal()), ("flow",)).fusion == Equal()


def test_the_laptop_takes_a_net_of_joints(tmp_path: Path) -> None:
    path = tmp_path / "joints.safetensors"
    save_file({"some": torch.zeros(1)}, path)
    taught = with_feature_weights(LAPTOP, {"joints": path})
    assert given_files(taught) == [path]
    images = streams(taught)["pose"].images
    assert isinstance(images, ConfidenceMaps)
    assert isinstance(images.estimator, SmallPose)


def test_words() -> None:
    with pytest.raises(DataError, match="fusion of 2 streams needs as many weights, got"):
        ThreeStreamsConfig(members=TINY.members[:2])
    for names, words in ((("rgb", "sound"), "rgb, sound"), ((), "none")):
        with pytest.raises(DataError, match=f"streams of system 12 must be among rgb, flow, pose, got {words}"):
            only(TINY, names)
