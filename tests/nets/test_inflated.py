"""Inflated backbones: counts of the papers, published sizes, weights of the 2-D net and of their own."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from untrimmed.configs import from_plain, to_plain
from untrimmed.features.backbone import BackboneFeature, clip_frames
from untrimmed.nets.backbone import Backbone, cross_modality, partial_batch_norm, restored, save_weights
from untrimmed.nets.bn_inception import BnInception
from untrimmed.nets.inflated import INFLATED
from untrimmed.nets.resnet import Resnet
from untrimmed.nets.solid_layers import SolidConv
from untrimmed.nets.zoo import AnyNet, BesNet, FrameNet, Inflated, P3d
from untrimmed.records import DataError, MissingExtra

SMALL = Inflated(net="resnet18", frames=8, input_size=(32, 32), which="stem", strides=(2, 1, 1, 1, 2))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def picture(channels: int, *positions: int, items: int = 2) -> Tensor:
    return torch.randint(0, 256, (items, channels, *positions), dtype=torch.uint8)


def grown(flat: nn.Module, times: Any) -> int:
    """Parameters that inflation adds: each filter times - 1 more slices of its own size."""
    layers = [module for module in flat.modules() if isinstance(module, nn.Conv2d)]
    return sum(layer.weight.numel() * (times(layer.kernel_size) - 1) for layer in layers)


def cube(kernel: tuple[int, int]) -> int:
    return kernel[0] if kernel[0] == kernel[1] else 1


def test_parameters_follow_from_the_flat_nets() -> None:
    """The 2-D net's count, which is torchvision's or report 06's, plus what the rule adds to each filter."""
    with torch.device("meta"):
        for net in ("inception_v1", "inception_v3", "resnet50_v2"):
            flat = FrameNet(net=net).build(classes=400, channels=3)
            solid = Inflated(net=net).build(classes=400, channels=3)
            assert count(solid) == count(flat) + grown(flat, cube)
        pools = BnInception().build(classes=400, channels=3)
        assert count(INFLATED["08 pools, 8 frames"].build(classes=400, channels=3)) == count(pools)
        solid = INFLATED["08 pools and convolutions, 8 frames"].build(classes=400, channels=3)
        assert count(solid) == count(pools) + grown(pools, cube)
        stem = INFLATED["15 ResNet-50, 1x3x3"].build(classes=400, channels=3)
        flat = Resnet().build(classes=400, channels=3)
        assert count(stem) == count(flat) + 6 * 64 * 3 * 7 * 7


def test_i3d_has_as_many_parameters_as_published() -> None:
    """12,697,264 with 400 classes: 12,287,264 before the last layer, as public copies of I3D have."""
    with torch.device("meta"):
        net = Inflated().build(classes=400, channels=3)
    assert count(net) == 12_287_264 + 1024 * 400 + 400


# what is left of the published clips: time, height, width of the last map
MAPS: dict[str, tuple[int, int, int, int]] = {
    "15 Inception-v1": (1024, 12, 7, 7),
    "15 Inception-v3": (2048, 8, 5, 5),
    "15 ResNet-50": (2048, 4, 7, 7),
    "15 ResNet-50, 1x3x3": (2048, 4, 7, 7),
    "15 ResNet-101": (2048, 4, 7, 7),
    "16 ResNet-v2-50": (2048, 1, 7, 7),
    "16 ResNet-v2-101": (2048, 1, 7, 7),
    "08 pools, 8 frames": (1024, 2, 7, 7),
    "08 pools, 32 frames": (1024, 8, 7, 7),
    "08 pools, Inception-v3": (2048, 2, 8, 8),
    "08 pools and convolutions, 8 frames": (1024, 2, 7, 7),
    "08 pools and convolutions, 32 frames": (1024, 8, 7, 7),
}


@pytest.mark.parametrize("name", INFLATED)
def test_published_nets_at_their_published_sizes(name: str) -> None:
    config = INFLATED[name]
    with torch.device("meta"):
        net: Any = config.build(classes=400, channels=3)
        clip = torch.zeros(1, 3, config.frames, *config.input_size)
        assert net.feature_map(clip).shape == (1, *MAPS[name])
    assert from_plain(Inflated, to_plain(config)) == config


@pytest.mark.parametrize(
    ("config", "channels"),
    [
        (SMALL, 3),
        (SMALL, 2),
        (Inflated(net="inception_v1", frames=8, input_size=(48, 48)), 2),
        (Inflated(net="resnet50_v2", frames=4, input_size=(32, 32), which="stem"), 3),
        (Inflated(net="bn_inception", frames=4, input_size=(64, 64), which="pools", strides=(1, 2, 2, 1, 1)), 3),
    ],
)
def test_shapes_gradients_and_configuration(config: Inflated, channels: int) -> None:
    net = config.build(classes=5, channels=channels)
    assert isinstance(net, Backbone)
    assert (net.input_size, net.frames) == (config.input_size, config.frames)
    clip = picture(channels, config.frames, *config.input_size)
    net.eval()
    with torch.no_grad():
        assert net.pooled(clip).shape == (2, net.dims)
        assert torch.allclose(net(clip), net(net.prepared(clip)))
    net.train()
    nn.functional.cross_entropy(net(clip), torch.tensor([0, 1])).backward()
    assert not [name for name, p in net.named_parameters() if p.grad is None]
    # a bias before batch norm may rest
    assert not [name for name, p in net.named_parameters() if not p.grad.abs().sum() > 0 and "bias" not in name]
    assert from_plain(Inflated, to_plain(config)) == config


@pytest.mark.parametrize("init", ["centre", "replicate"])
def test_weights_of_the_flat_net_are_inflated(tmp_path: Path, init: Any) -> None:
    """From torchvision's file, its safetensors form, and a file that this package wrote: the same net."""
    flat = torchvision.models.resnet18()
    torch.save(flat.state_dict(), tmp_path / "resnet18.pth")
    own = Resnet(depth=18, weights=tmp_path / "resnet18.pth").build(classes=7, channels=3).eval()
    save_weights(tmp_path / "own.safetensors", own)
    save_weights(tmp_path / "library.safetensors", flat)
    clip = picture(3, 1, 32, 32).repeat(1, 1, 8, 1, 1)
    answers = []
    files = ("resnet18.pth", "own.safetensors", "library.safetensors")
    for file in files if init == "centre" else files[:1]:
        config = Inflated(net="resnet18", which="cubes", weights=tmp_path / file, init=init, ends="replicate")
        net = config.build(classes=3, channels=3).eval()
        with torch.no_grad():
            answers.append(net.pooled(clip))
            assert torch.allclose(answers[-1], own.pooled(clip[:, :, 0]), rtol=1e-3, atol=1e-4)
    assert all(torch.equal(answers[0], other) for other in answers[1:])


def test_flow_starts_from_the_mean_of_rgb(tmp_path: Path) -> None:
    flat = torchvision.models.resnet18()
    torch.save(flat.state_dict(), tmp_path / "resnet18.pth")
    net: Any = Inflated(net="resnet18", weights=tmp_path / "resnet18.pth").build(classes=3, channels=2)
    wanted = cross_modality(flat.conv1.weight.detach(), 2)
    assert torch.equal(net.trunk.conv1.weight[:, :, 3], wanted)
    assert net.trunk.conv1.weight.abs().sum((0, 1, 3, 4)).nonzero().tolist() == [[3]]


def test_weights_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    net = SMALL.build(classes=4, channels=2).eval()
    save_weights(path, net)
    clip = picture(2, 8, 32, 32)
    with torch.no_grad():
        wanted = net(clip)
        assert torch.equal(restored(SMALL, path, channels=2)(clip), wanted)
        assert torch.equal(dataclasses.replace(SMALL, weights=path).build(classes=4, channels=2).eval()(clip), wanted)
        other = dataclasses.replace(SMALL, weights=path).build(classes=9, channels=2).eval()
        assert torch.equal(other.pooled(clip), net.pooled(clip))


def test_a_random_start_is_drawn_in_three_dimensions() -> None:
    """Slices of one filter differ, and the spread is Xavier's for the whole of it."""
    net = Inflated(net="resnet18").build(classes=2, channels=3)
    layer = net.get_submodule("trunk.layer4.1.conv2")
    assert isinstance(layer, SolidConv)
    assert not torch.equal(layer.weight[:, :, 0], layer.weight[:, :, 1])
    wanted = (2 / (512 * 27 + 512 * 27)) ** 0.5
    assert float(layer.weight.detach().std()) == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("config", [SMALL, BesNet(), P3d(), FrameNet()])
def test_features_are_measured_by_them(config: AnyNet) -> None:
    """A feature's configuration holds them, and 3-D nets say how many pictures they take."""
    feature = BackboneFeature(net=config, frames=clip_frames(config) or 1)
    assert from_plain(BackboneFeature, to_plain(feature)) == feature
    assert (clip_frames(config) is None) == isinstance(config, FrameNet)


def test_partial_batch_norm_knows_the_inflated_norms() -> None:
    net = partial_batch_norm(SMALL.build(classes=3, channels=3))
    layers = [module for module in net.modules() if isinstance(module, nn.BatchNorm3d)]
    net.train()
    assert [layer.training for layer in layers] == [True] + [False] * 19


def test_words_of_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="an inflated net needs frames >= 1, got 0"):
        Inflated(frames=0).build(classes=2, channels=3)
    with pytest.raises(MissingExtra, match="no library publishes ImageNet weights of BN-Inception: give a file"):
        Inflated(net="bn_inception", weights="imagenet").build(classes=2, channels=3)
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "resnet18.pth")
    with pytest.raises(DataError, match=r"weights of ResNet must have .* got .*resnet18.pth"):
        Inflated(net="resnet50", weights=tmp_path / "resnet18.pth").build(classes=2, channels=3)
