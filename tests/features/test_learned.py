"""Nets that learn before they measure: attributes of pieces, weights kept by content, nets taken as they are."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from untrimmed.features import learned
from untrimmed.features.clip_sets import Augmentation, Piece, Sampling, TestViews
from untrimmed.features.extract import extract
from untrimmed.features.images import RgbImages
from untrimmed.features.learned import StreamFeature, fit_attributes, keep_weights, learn_feature, without_weights
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.media.writer import write_video
from untrimmed.nets.backbone import restored
from untrimmed.nets.zoo import BnInception, C3d, Resnet, SmallNet
from untrimmed.records import Annotation, DataError, Dataset, Instance, Video
from untrimmed.train import Run, Schedule

RUN = Run(device="cpu", loaders=0)
STREAM = Stream(
    net=SmallNet(width=4, input_size=(16, 16), dropout=0.0),
    images=RgbImages(size=(24, 24), per_second=5.0),
    sampling=Sampling(sections=1),
    augmentation=Augmentation(),
    schedule=Schedule(steps=25, batch_size=8, optimizer="adam", learning_rate=0.02),
    views=TestViews(positions=1, ten_crop=False),
)
SIGHT = StreamFeature(stream=STREAM, stride=2, learn=True)


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> object:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned, "extract", lambda *given, **options: extract(*given, workers=0, **options))
        yield


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, FeatureStore]:
    """Videos of one second: bright or dark, and red or blue, in all four ways twice."""
    folder = tmp_path_factory.mktemp("learned")
    made = []
    for i in range(8):
        bright, red = bool(i & 1), bool(i & 2)
        picture = np.full((32, 32, 3), 60 if bright else 0, np.uint8)
        picture[..., 0 if red else 2] += 120
        path = folder / f"v{i}.mp4"
        write_video(path, [picture] * 10, fps=10)
        video = Video(video_id=f"v{i}", duration=1.0, subset="training", path=path)
        label = f"{'bright' if bright else 'dark'} {'red' if red else 'blue'}"
        made.append(Annotation(video=video, instances=(Instance((0.0, 1.0), label),)))
    dataset, store = Dataset(name="colours", annotations=tuple(made)), FeatureStore(folder / "store")
    extract((STREAM.images,), dataset.videos, store=store, workers=0)
    return dataset, store


def test_a_net_learns_every_attribute_of_a_piece_by_itself(drawn: tuple[Dataset, FeatureStore]) -> None:
    dataset, store = drawn
    pieces = [Piece(video.video_id, None, 7) for video in dataset.videos]
    wanted = np.array([[bool(i & 1), bool(i & 2), True] for i in range(8)])
    net = fit_attributes(STREAM, pieces, wanted, store=store, run=RUN, name="attributes")
    assert not net.training
    pictures = [store.load(STREAM.images, piece.video_id).frames(np.array([2])) for piece in pieces]  # type: ignore[union-attr]
    x = torch.from_numpy(np.concatenate(pictures)[:, 4:20, 4:20].transpose(0, 3, 1, 2).copy())
    assert ((net(x) > 0).numpy() == wanted).all()


def test_weights_are_kept_under_the_hash_of_their_bytes(drawn: tuple[Dataset, FeatureStore]) -> None:
    _, store = drawn
    torch.manual_seed(0)
    net = STREAM.build(classes=3)
    path = keep_weights(net, store)
    assert keep_weights(net, store) == path
    assert [found.name for found in path.parent.iterdir() if found.name.startswith(".")] == []
    back = restored(STREAM.net, path, channels=3)
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), back.state_dict().values(), strict=True))
    with torch.no_grad():
        net.classifier.bias.add_(1)
    assert keep_weights(net, store) != path


def test_a_net_that_learns_gives_a_feature_of_its_weights(drawn: tuple[Dataset, FeatureStore]) -> None:
    dataset, store = drawn
    quick = replace(SIGHT, stream=replace(STREAM, schedule=replace(STREAM.schedule, steps=2)))
    feature = learn_feature(quick, dataset, store=store, run=RUN, name="classes")
    assert feature.weights is not None
    assert feature.weights.parent == store.root / "weights"
    assert (feature.frames, feature.stride, feature.images) == (1, 2, STREAM.images)
    again = learn_feature(quick, dataset, store=store, run=RUN, name="classes")
    assert again.key == feature.key
    assert learn_feature(quick, dataset, store=store, run=replace(RUN, seed=1), name="classes").key != feature.key


def test_a_net_without_anything_to_learn_is_taken_as_it_is(
    drawn: tuple[Dataset, FeatureStore], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset, store = drawn
    bare = Dataset(name="bare", annotations=tuple(replace(item, instances=()) for item in dataset.annotations))
    with caplog.at_level(logging.WARNING):
        assert learn_feature(SIGHT, bare, store=store, run=RUN, name="stream").weights is None
    assert "stream: no class is annotated in bare, so the net is taken untrained" in caplog.text
    assert learn_feature(replace(SIGHT, learn=False), dataset, store=store, run=RUN, name="stream").weights is None


def test_weights_of_a_file_are_copied_into_the_store(drawn: tuple[Dataset, FeatureStore], tmp_path: Path) -> None:
    dataset, store = drawn
    torch.manual_seed(0)
    given = keep_weights(Resnet(depth=18).build(classes=2, channels=3), FeatureStore(tmp_path))
    net = Resnet(depth=18, weights=given, input_size=(32, 32))
    sight = StreamFeature(stream=replace(STREAM, net=net), stride=2)
    feature = learn_feature(sight, dataset, store=store, run=RUN, name="given")
    given.unlink()
    assert feature.weights is not None
    extract((feature,), dataset.videos[:1], store=store, workers=0)
    assert store.has(feature, "v0")


def test_a_clip_with_gaps_is_no_feature() -> None:
    with pytest.raises(DataError, match="a stream's feature needs a sampling of stride 1, got 2"):
        replace(SIGHT, stream=replace(STREAM, sampling=Sampling(frames=4, stride=2)))


@pytest.mark.parametrize("net", [BnInception(), C3d(weights=Path("w")), Resnet(weights="imagenet"), SmallNet()])
def test_a_net_whose_weights_come_from_elsewhere_names_no_file(net: object) -> None:
    assert getattr(without_weights(net), "weights", None) is None  # type: ignore[arg-type]
