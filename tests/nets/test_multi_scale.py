"""The nets of report 07: the 3-D ResNet-34 against torchvision's layers; the joint net's laws, loss and gradients."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from untrimmed.configs import from_plain, to_plain
from untrimmed.nets.c3d import C3d
from untrimmed.nets.multi_scale import MultiScale, Resnet3d, joint_loss
from untrimmed.nets.small import Small3d
from untrimmed.records import DataError

TINY = MultiScale(backbone=Small3d(frames=4, width=2, input_size=(16, 16), dropout=0.0))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def _clips(items: int = 3, *, scales: int = 2) -> Tensor:
    return torch.randint(0, 256, (items, scales, 3, 4, 16, 16), dtype=torch.uint8)


def _double(scales: int = 2, config: MultiScale = TINY) -> Any:
    return config.build(scales=scales, channels=3).double().eval()


class _Stem(nn.Sequential):
    def __init__(self) -> None:
        convolution = nn.Conv3d(3, 64, 7, stride=(1, 2, 2), padding=3, bias=False)
        super().__init__(convolution, nn.BatchNorm3d(64), nn.ReLU(), nn.MaxPool3d(3, 2, padding=1))


def test_resnet_34_says_what_torchvisions_layers_say() -> None:
    """torchvision has a 3-D ResNet-18 with another stem; its parts make the 34 layers of the report."""
    from torchvision.models.video.resnet import BasicBlock, Conv3DSimple, VideoResNet

    with torch.device("meta"):  # drawing 63 million filters by their own rules takes seconds
        other: Any = VideoResNet(BasicBlock, [Conv3DSimple] * 4, [3, 4, 6, 3], _Stem)
        other.fc = nn.Identity()
        ours = Resnet3d(frames=8, input_size=(32, 32)).build(classes=5, channels=3)
    own = {}
    for key, value in ours.trunk.state_dict().items():
        drawn = torch.zeros(value.shape, dtype=value.dtype)
        own[key] = drawn.uniform_(0.5, 1.5) if "running_var" in key else drawn
        if value.is_floating_point() and "running_var" not in key:
            drawn.uniform_(-0.1, 0.1)
    assert [value.shape for value in own.values()] == [value.shape for value in other.state_dict().values()]
    ours.trunk.load_state_dict(own, assign=True)
    other.load_state_dict(dict(zip(other.state_dict(), own.values(), strict=True)), assign=True)
    ours.eval()
    other.eval()
    x = torch.randn(1, 3, 8, 32, 32)
    with torch.no_grad():
        expected = other(x)
        torch.testing.assert_close(ours.pooled(x) / expected.std(), expected / expected.std(), rtol=1e-4, atol=1e-4)
    assert 0 < expected.std() < 1e6


def test_resnet_34_takes_flow_and_names_absent_weights(tmp_path: Path) -> None:
    with torch.device("meta"):
        net: Any = Resnet3d().build(classes=3, channels=2)
        assert net.trunk.conv1.weight.shape == (64, 2, 7, 7, 7)
        assert net.feature_map(torch.zeros(1, 2, 16, 112, 112)).shape == (1, 512, 1, 4, 4)
        with pytest.raises(DataError, match="is not there; put a safetensors file there"):
            Resnet3d(weights=tmp_path / "net.safetensors").build(classes=3, channels=3)


def test_the_answer_is_one_linear_layer_on_what_the_backbones_see_side_by_side() -> None:
    net, clips = _double(), torch.randn(3, 2, 3, 4, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        joint = torch.cat([net.backbones[i].pooled(clips[:, i]) for i in range(2)], dim=1)
        logits, told = net(clips)
        torch.testing.assert_close(logits, joint @ net.actionness.weight.T + net.actionness.bias)
        torch.testing.assert_close(told, joint @ net.told.weight.T + net.told.bias)
        # each item by itself, whatever stands beside it in the batch
        torch.testing.assert_close(net(clips[1:2])[0], logits[1:2])
        turned = net(clips.flip(1))[0]
    assert not torch.allclose(turned, logits)  # scales are not exchanged


def test_shared_weights_are_one_backbone_at_every_scale() -> None:
    apart, shared = _double(3), _double(3, replace(TINY, shared=True))
    assert (len(apart.backbones), len(shared.backbones)) == (3, 1)
    clip = torch.randn(2, 1, 3, 4, 16, 16, dtype=torch.float64).expand(-1, 3, -1, -1, -1, -1)
    weight = shared.actionness.weight.detach()
    with torch.no_grad():
        alike = shared(clip)[0]
        shared.actionness.weight.copy_(weight.unflatten(1, (3, -1)).roll(1, 1).flatten(1))
        torch.testing.assert_close(shared(clip)[0], alike)
        apart.actionness.weight.copy_(weight)
        before = apart(clip)[0]
        apart.actionness.weight.copy_(weight.unflatten(1, (3, -1)).roll(1, 1).flatten(1))
        assert not torch.allclose(apart(clip)[0], before)


def test_it_starts_from_a_classifier_at_every_scale() -> None:
    classifier = TINY.backbone.build(classes=7, channels=3).double().eval()
    net, clips = _double(), torch.randn(2, 2, 3, 4, 16, 16, dtype=torch.float64)
    net.start_from(classifier)
    with torch.no_grad():
        for number in range(2):
            torch.testing.assert_close(net.backbones[number].pooled(clips[:, 0]), classifier.pooled(clips[:, 0]))
    other = replace(TINY.backbone, width=3).build(classes=7, channels=3)
    with pytest.raises(DataError, match=r"weights in a _SmallResnet do not fit _SmallResnet: "):
        net.start_from(other)


def test_the_loss_is_the_formula_and_negatives_tell_nothing() -> None:
    net, clips = _double(config=replace(TINY, trade_off=0.7)), _clips(4)
    kind, target = torch.tensor([1, 0, 1, 0]), torch.tensor([[-0.5, 2.0], [0, 0], [-0.1, 0.3], [0, 0]]).double()
    value = joint_loss(net, (clips, kind, target))
    logits, told = (one.detach().numpy() for one in net(clips))
    expected = 0.0
    for row in range(4):
        expected += np.log(np.exp(logits[row]).sum()) - logits[row, kind[row]]
        if kind[row] == 1:
            for error in np.abs(told[row] - target[row].numpy()):
                expected += 0.7 * (0.5 * error**2 if error < 1 else error - 0.5)
    assert value.item() == pytest.approx(expected / 4)
    other = target.clone()
    other[1], other[3] = 9.0, -9.0
    assert joint_loss(net, (clips, kind, other)).item() == value.item()


@pytest.mark.parametrize("shared", [False, True])
def test_gradients_reach_every_parameter(shared: bool) -> None:
    net = replace(TINY, shared=shared).build(scales=2, channels=3)
    net.train()
    target = torch.tensor([[-0.5, 2.0], [0, 0], [-0.1, 0.3], [0, 0]])
    batch = (_clips(4), torch.tensor([1, 0, 1, 0]), target)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    moved: dict[str, bool] = {}
    for _ in range(2):  # blocks start as their shortcuts, so their insides move from the second step
        optimizer.zero_grad()
        joint_loss(net, batch).backward()
        for name, parameter in net.named_parameters():
            moved[name] = moved.get(name, False) or (parameter.grad is not None and bool(parameter.grad.any()))
        optimizer.step()
    assert moved
    assert all(moved.values()), [name for name, reached in moved.items() if not reached]


def test_finite_differences_agree_with_the_gradient() -> None:
    net, clips = _double(), torch.randn(2, 2, 3, 4, 16, 16, dtype=torch.float64)
    batch = (clips, torch.tensor([1, 0]), torch.tensor([[-0.4, 1.5], [0.0, 0.0]]).double())
    joint_loss(net, batch).backward()
    for parameter in (net.told.weight, net.backbones[1].layers[0].weight):
        place, step = np.unravel_index(int(parameter.grad.abs().argmax()), parameter.shape), 1e-6
        before, found = parameter[place].item(), []
        with torch.no_grad():
            for shift in (step, -step, 0.0):
                parameter[place] = before + shift
                found.append(joint_loss(net, batch).item())
        assert (found[0] - found[1]) / (2 * step) == pytest.approx(parameter.grad[place].item(), rel=1e-4)


def test_published_sizes() -> None:
    with torch.device("meta"):
        net = MultiScale().build(scales=4, channels=3)
        alone = C3d().build(classes=1, channels=3)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    c3d = sum(parameter.numel() for parameter in alone.parameters()) - (4096 + 1)  # without its one class
    assert parameters == 4 * c3d + 4 * (4 * 4096 + 1)  # four scales; four numbers on four features
    assert (net.frames, net.input_size) == (16, (112, 112))
    assert from_plain(MultiScale, to_plain(MultiScale())) == MultiScale()
    other = MultiScale(backbone=Resnet3d(), shared=True)
    assert from_plain(MultiScale, to_plain(other)) == other


def test_gaps_are_named() -> None:
    with pytest.raises(DataError, match="a net over several scales needs at least one, got 0"):
        TINY.build(scales=0, channels=3)
    with pytest.raises(DataError, match="a net over 2 scales needs as many clips a sample, got 3"):
        TINY.build(scales=2, channels=3)(_clips(scales=3))
