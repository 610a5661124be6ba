"""Injection: the 3-D ResNet is the inflated one, units halve time alone, and at a zero start nothing is added."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from untrimmed.configs import from_plain, to_plain
from untrimmed.features.backbone import BackboneFeature, clip_frames
from untrimmed.nets.backbone import Backbone, restored, save_weights, without_weights
from untrimmed.nets.inflate import inflate
from untrimmed.nets.inflation_rules import rule
from untrimmed.nets.injection import DepthMotionResnet, InjectionUnits, TwoStarts
from untrimmed.nets.solid_resnet import Bottleneck, SolidResnet, fill_inflated
from untrimmed.nets.two_frame import TwoFrame, as_channels
from untrimmed.nets.zoo import FrameNet
from untrimmed.records import DataError, MissingExtra

TWO_FRAME = TwoFrame(widths=(4, 4, 8, 16, 32), predict=4, input_size=(32, 32))
SMALL = DepthMotionResnet(layers=(1, 2, 2, 2), width=4, pairs=4, apart=3, two_frame=TWO_FRAME, dropout=0.0)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def clip(config: DepthMotionResnet, *, items: int = 2) -> Tensor:
    return torch.randint(0, 256, (items, 3, config.frames, *config.input_size), dtype=torch.uint8)


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def library_resnet(layers: list[int]) -> Any:
    """timm's own ResNet v2 of width 8, without what halves the picture at first."""
    from timm.layers import BatchNormAct2d, create_conv2d
    from timm.models.resnetv2 import ResNetV2

    net: Any = ResNetV2(
        layers, (32, 64, 128, 256), num_classes=0, stem_chs=8, conv_layer=create_conv2d, norm_layer=BatchNormAct2d
    )
    net.stem.conv.stride = (1, 1)
    net.stem.pool = nn.Identity()
    for module in net.modules():  # norms that do something
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return net.eval()


def test_the_resnet_is_the_inflated_one_of_the_library() -> None:
    """Layer by layer written out here, traced and inflated there: the same answer from the same weights."""
    flat = library_resnet([1, 2, 1, 2])
    own = SolidResnet(channels=3, layers=(1, 2, 1, 2), width=8).eval()
    fill_inflated(own, flat.state_dict(), where="timm")
    traced = inflate(flat, rule("cubes", strides=(2, 2, 2, 2, 2)), init="replicate", pooled=False)
    x = torch.randn(2, 3, 9, 17, 14)
    with torch.no_grad():
        assert own(x).shape == (2, 256, 2, 3, 2)
        assert torch.allclose(own(x), traced(x), rtol=1e-4, atol=1e-5)


def test_parameters_follow_from_the_flat_net() -> None:
    """ResNet-v2-50 with 3-D filters, 8 channels in; the whole has the two-frame net and the units besides."""
    with torch.device("meta"):
        flat = FrameNet(net="resnet50_v2").build(classes=400, channels=8)
        solid: Any = DepthMotionResnet(injected=False).build(classes=400, channels=3)
        joint: Any = DepthMotionResnet().build(classes=400, channels=3)
    layers = [module for module in flat.modules() if isinstance(module, nn.Conv2d)]
    grown = sum(layer.weight.numel() * (layer.kernel_size[0] - 1) for layer in layers)
    two_frame = count(TwoFrame().build())
    assert count(solid) == count(flat) + grown + two_frame
    units = 0
    for inner, halvings in ((128, 1), (256, 2), (512, 3)):  # of a bottleneck that keeps its channels, and a shortcut
        narrow = inner // 4
        norms = 2 * inner + 4 * narrow
        units += 2 * halvings * (norms + 2 * inner * narrow + 27 * narrow * narrow + inner * inner)
    assert count(joint) == count(solid) + units


def test_sizes_at_the_published_input() -> None:
    """36 frames of 224 pixels are 16 maps of 56; what is injected fits blocks 2, 3 and 4."""
    config = DepthMotionResnet()
    assert (config.frames, config.input_size, clip_frames(config)) == (36, (224, 224), 36)
    with torch.device("meta"):
        net: Any = config.build(classes=400, channels=3)
        assert net.feature_map(torch.zeros(1, 3, 36, 224, 224)).shape == (1, 2048, 2, 7, 7)
        for place, (length, edge) in enumerate(((8, 28), (4, 14), (2, 7))):
            channels = 128 * 2**place
            level = torch.zeros(1, channels, 16, edge, edge)
            assert net.injection[place](level, level).shape == (1, channels, length, edge, edge)


@pytest.mark.parametrize("time", [16, 7, 1])
def test_units_halve_time_alone(time: int) -> None:
    units = InjectionUnits(6, 8, halvings=2, start="xavier").eval()
    assert units(torch.randn(1, 6, time, 5, 3)).shape == (1, 8, -(-time // 4), 5, 3)


def test_at_a_zero_start_the_joint_net_is_the_net_without() -> None:
    joint = SMALL.build(classes=5, channels=3).eval()
    alone = replace(SMALL, injected=False).build(classes=5, channels=3).eval()
    missing, more = alone.load_state_dict(joint.state_dict(), strict=False)
    assert not missing
    assert all(name.startswith("injection.") for name in more)
    x = clip(SMALL)
    with torch.no_grad():
        assert torch.equal(joint(x), alone(x))
        joint.train()
        alone.train()
        assert torch.equal(joint(x), alone(x))
        other = replace(SMALL, start="xavier").build(classes=5, channels=3).eval()
        alone.load_state_dict(other.state_dict(), strict=False)
        assert not torch.allclose(other(x), alone.eval()(x), atol=1e-4)


def test_what_is_added_enters_before_the_cube_and_nowhere_else() -> None:
    unit = Bottleneck(8, 4, 8).eval()
    x, added = torch.randn(2, 8, 4, 5, 6), torch.randn(2, 4, 4, 5, 6)
    seen: list[Tensor] = []
    unit.conv2.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.no_grad():
        plain, more = unit(x), unit(x, added)
    assert torch.allclose(seen[1] - seen[0], added, atol=1e-6)
    nn.init.zeros_(unit.conv3.weight)  # only the shortcut is left
    with torch.no_grad():
        assert torch.equal(unit(x, added), x)
    assert not torch.allclose(plain, more)


def test_gradients_reach_all_but_the_given_two_frame_net() -> None:
    net: Any = replace(SMALL, start="xavier").build(classes=5, channels=3).train()
    before = {key: value.clone() for key, value in net.two_frame.state_dict().items()}
    nn.functional.cross_entropy(net(clip(SMALL, items=3)), torch.tensor([0, 1, 2])).backward()
    for name, parameter in net.named_parameters():
        if name.startswith("two_frame."):
            assert not parameter.requires_grad
            assert parameter.grad is None
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name
    assert all(torch.equal(value, before[key]) for key, value in net.two_frame.state_dict().items())


def test_gradients_reach_the_two_frame_net_that_learns_along() -> None:
    config = replace(SMALL, start="xavier", learns_two_frame=True)
    net: Any = config.build(classes=5, channels=3).train()
    nn.functional.cross_entropy(net(clip(config, items=3)), torch.tensor([0, 1, 2])).backward()
    assert not [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_a_zero_start_moves_the_units_from_the_second_step_on() -> None:
    net: Any = SMALL.build(classes=5, channels=3).train()
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(clip(SMALL, items=3)), torch.tensor([0, 1, 2])).backward()
        optimizer.step()
    assert not [name for name, p in net.injection.named_parameters() if not p.grad.abs().sum() > 0]


def test_the_pairs_are_the_frames_so_far_apart() -> None:
    """What the ResNet sees at time i is what the two-frame net says of frames i and i + apart."""
    net: Any = replace(SMALL, injected=False).build(classes=2, channels=3).eval()
    seen: list[Tensor] = []
    net.resnet.stem.conv.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    x = clip(SMALL, items=1)
    with torch.no_grad():
        net(x)
        for place in range(SMALL.pairs):
            said = as_channels(net.two_frame(x[:, :, place], x[:, :, place + SMALL.apart]), TWO_FRAME)
            assert torch.allclose(seen[0][:, :, place], said * (127 / 57.63), atol=1e-4)
        assert torch.allclose(net(x), net(net.prepared(x)), atol=1e-5)
        assert net(torch.cat([x, x], dim=2)).shape == (1, 2)  # a longer clip


def test_starts_and_files(tmp_path: Path) -> None:
    two_frame = TWO_FRAME.build()
    flat = library_resnet([1, 2, 2, 2])
    save_weights(tmp_path / "two-frame.safetensors", two_frame)
    save_weights(tmp_path / "resnet.safetensors", flat)
    starts = TwoStarts(two_frame=tmp_path / "two-frame.safetensors", resnet=tmp_path / "resnet.safetensors")
    small = replace(SMALL, width=8)
    config = replace(small, weights=starts)
    net: Any = config.build(classes=5, channels=3).eval()
    assert torch.equal(net.two_frame.flow_net.conv3[0][0].weight, two_frame.flow_net.conv3[0][0].weight)
    mean = flat.stem.conv.weight.mean(1) / 7
    assert torch.allclose(net.resnet.stem.conv.weight[:, 5, 3], mean)
    save_weights(tmp_path / "whole.safetensors", net)
    x = clip(SMALL)
    with torch.no_grad():
        assert torch.equal(restored(config, tmp_path / "whole.safetensors", channels=3)(x), net(x))
        other = replace(small, weights=tmp_path / "whole.safetensors").build(classes=9, channels=3).eval()
        assert torch.equal(other.pooled(x), net.pooled(x))
    assert isinstance(net, Backbone)
    assert without_weights(config) == small
    for each in (config, SMALL, DepthMotionResnet()):
        feature = BackboneFeature(net=each, frames=each.frames)
        assert from_plain(BackboneFeature, to_plain(feature)) == feature


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match=r"injection needs blocks of at least 1, 2, 2 and 2 units, got \(1, 1, 2, 2\)"):
        replace(SMALL, layers=(1, 1, 2, 2))
    with pytest.raises(DataError, match="a depth-and-motion net needs pairs, apart and width >= 1"):
        replace(SMALL, apart=0)
    with pytest.raises(DataError, match="a depth-and-motion net looks at RGB clips, got 8 channels"):
        SMALL.build(classes=2, channels=8)
    with pytest.raises(MissingExtra, match=r"nobody publishes ImageNet weights of a ResNet v2 of \(1, 2, 2, 2\) units"):
        replace(SMALL, weights=TwoStarts(resnet="imagenet")).build(classes=2, channels=3)
    with pytest.raises(DataError, match="clips of pairs 3 frames apart must have more than 3 frames, got 3"):
        SMALL.build(classes=2, channels=3)(torch.zeros(1, 3, 3, 32, 32))
