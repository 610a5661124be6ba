"""Whole views: one scale is the net itself, several are averaged, time and clips count alike, the last maps of nets."""

from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Int, UInt8
from torch import nn

from untrimmed.features.clip_sets import Sampling, TestViews, middle, views_of
from untrimmed.features.feature import ImageSequence
from untrimmed.features.whole_views import trained_window, whole_scores
from untrimmed.media.transforms import resize
from untrimmed.nets.backbone import Backbone
from untrimmed.nets.positions import feature_map, multi_scale_scores, position_logits
from untrimmed.nets.zoo import AnyNet, BnInception, C3d, FrameNet, P3d, Resnet, Small3d, SmallNet
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

NETS: list[P3d | Small3d] = [
    P3d(depth=63, width=4, frames=8, input_size=(32, 32)),
    Small3d(frames=8, width=4, input_size=(64, 64)),
]
SAMPLING = Sampling(sections=1, frames=8, stride=2)


class Held(ImageSequence):
    """Pictures in memory."""

    def __init__(self, pictures: np.ndarray) -> None:
        self.pictures, self.shape = pictures, pictures.shape[1:]
        self.grid = TimeGrid(start=0.0, stride=0.1, window=0.1, steps=len(pictures))

    def frames(self, indices: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n height width channels"]:
        return self.pictures[indices]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module", params=NETS, ids=lambda config: type(config).__name__)
def net(request: pytest.FixtureRequest) -> Backbone:
    return built(request.param)


def built(config: AnyNet, *, channels: int = 3) -> Backbone:
    torch.manual_seed(0)
    net = config.build(classes=5, channels=channels)
    for layer in net.modules():  # as if it had learnt: no two classes are alike
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
    nn.init.normal_(net.classifier.weight, 0, 1)
    return net.eval()


def video(steps: int = 40, channels: int = 3) -> Held:
    pictures = np.random.default_rng(1).integers(0, 256, (steps, 48, 60, channels)).astype(np.uint8)
    return Held(pictures)


def scored(net: Backbone, images: Held, *scales: int, positions: int = 3, **options: Any) -> np.ndarray:
    window = trained_window(net)
    return whole_scores(net, images, sampling=SAMPLING, positions=positions, scales=scales, window=window, **options)


def test_at_the_size_of_training_it_is_the_softmax_of_the_mean_logits_of_the_plain_views(net: Backbone) -> None:
    images = video()
    views = TestViews(positions=3, ten_crop=False)
    blocks = views_of(images, sampling=SAMPLING, views=views, size=net.input_size, solid=True)
    with torch.inference_mode():
        logits = torch.cat([net(torch.from_numpy(block)) for block in blocks])
    assert len(logits) == 3
    wanted = logits.mean(0).softmax(0).numpy()
    assert wanted.std() > 0.01
    np.testing.assert_allclose(scored(net, images, net.input_size[0]), wanted, atol=1e-5)


def test_scales_are_averaged_and_a_clip_over_several_scales_is_that_of_the_net(net: Backbone) -> None:
    images, edge = video(15), net.input_size[0]
    scales = (edge, edge * 3 // 2, edge * 2)
    together = scored(net, images, *scales, positions=1)
    each = [scored(net, images, scale, positions=1) for scale in scales]
    np.testing.assert_allclose(together, np.mean(each, axis=0), atol=1e-6)
    assert together.sum() == pytest.approx(1)
    assert np.abs(each[0] - each[2]).max() > 1e-3
    crop = middle(images.pictures[::2])
    clips = [torch.from_numpy(resize(crop, (scale, scale)).transpose(3, 0, 1, 2)[None].copy()) for scale in scales]
    wanted = multi_scale_scores(net, clips, window=trained_window(net))[0].numpy()
    np.testing.assert_allclose(together, wanted, atol=1e-5)


def test_the_mean_over_time_is_before_the_softmax_and_that_over_places_after_it(net: Backbone) -> None:
    images, scale = video(23), net.input_size[0] * 2
    crops = [middle(images.pictures[start : start + 15 : 2]) for start in (2, 6)]
    with torch.inference_mode():
        logits = []
        for crop in crops:
            clip = torch.from_numpy(resize(crop, (scale, scale)).transpose(3, 0, 1, 2)[None].copy())
            logits.append(position_logits(net, clip, window=trained_window(net)))
        assert logits[0].shape[3] > 1
        wanted = torch.cat(logits, dim=2).mean(2).softmax(1).mean((2, 3))[0].numpy()
    np.testing.assert_allclose(scored(net, images, scale, positions=2), wanted, atol=1e-5)


def test_a_video_shorter_than_a_clip_and_other_channels_and_another_size_first() -> None:
    net = built(NETS[1], channels=2)
    images = video(3, channels=2)
    assert scored(net, images, 64).sum() == pytest.approx(1)
    scaled = Held(resize(images.pictures, (96, 120)))
    np.testing.assert_allclose(scored(net, images, 96, resized_to=(96, 120)), scored(net, scaled, 96), atol=1e-6)


MAPPED: list[tuple[AnyNet, tuple[int, ...], tuple[int, ...]]] = [
    (SmallNet(width=4), (64, 64), (2, 2)),
    (Small3d(frames=8, width=4), (8, 64, 64), (1, 2, 2)),
    (P3d(depth=63, width=4), (16, 64, 64), (1, 2, 2)),
    (Resnet(depth=18), (96, 64), (3, 2)),
    (FrameNet(net="resnet18"), (64, 64), (2, 2)),
    (FrameNet(net="inception_v1"), (96, 64), (3, 2)),
    (BnInception(), (64, 64), (2, 2)),
    (SmallNet(width=4), (32, 32), (1, 1)),
]


@pytest.mark.parametrize(("config", "size", "positions"), MAPPED, ids=lambda value: str(value)[:24])
def test_the_last_map_of_a_net_has_its_feature_as_mean(
    config: AnyNet, size: tuple[int, ...], positions: tuple[int, ...]
) -> None:
    net = built(config)
    x = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    with torch.inference_mode():
        found = feature_map(net, x)
        assert found.shape == (2, net.dims, *positions)
        assert torch.allclose(found.flatten(2).mean(2), net.pooled(x), atol=1e-4)
        assert torch.equal(net.pooled(x), net.pooled(x))
    assert not any(layer._forward_hooks for layer in net.modules())


def test_words() -> None:
    flat, images = built(SmallNet(width=4)), video()
    with pytest.raises(DataError, match=r"scores over whole views need scales and a 3-D net, got \(\) and"):
        whole_scores(built(NETS[1]), images, sampling=SAMPLING, positions=1, scales=(), window=(1, 1))
    with pytest.raises(DataError, match=r"need scales and a 3-D net, got \(56,\) and _SmallResnet"):
        whole_scores(flat, images, sampling=SAMPLING, positions=1, scales=(56,), window=(1, 1))
    with pytest.raises(DataError, match=r"pictures of \(32, 32\) leave a map of .*, less than the window"):
        scored(built(NETS[1]), images, 32)
    c3d = C3d(width=2).build(classes=2, channels=3).eval()
    with pytest.raises(DataError, match="has no map whose mean over all positions is its feature of"):
        trained_window(c3d)
