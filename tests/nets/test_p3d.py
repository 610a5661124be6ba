"""P3D: layers that its name counts, the three orders by brute force, gradients and weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from untrimmed.configs import from_plain, to_plain
from untrimmed.nets.backbone import restored, save_weights
from untrimmed.nets.p3d import BLOCKS, P3d, PseudoSolidBlock
from untrimmed.nets.zoo import FrameNet
from untrimmed.records import DataError

SMALL = P3d(depth=63, width=4, input_size=(32, 32))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("depth", [63, 131, 199])
def test_a_net_has_as_many_layers_as_its_name_says(depth: Any) -> None:
    """Convolutions but the shortcuts', and the last layer."""
    with torch.device("meta"):
        net: Any = P3d(depth=depth).build(classes=400, channels=3)
        layers = [
            name
            for name, module in net.named_modules()
            if isinstance(module, nn.Conv3d | nn.Linear) and "shortcut" not in name
        ]
        assert len(layers) == depth
        clip = torch.zeros(1, 3, 16, 160, 160)
        assert net.feature_map(clip).shape == (1, 2048, 1, 5, 5)


@pytest.mark.parametrize(("depth", "flat"), [(63, "resnet50"), (199, "resnet152")])
def test_parameters_are_the_resnets_and_the_temporal_filters(depth: Any, flat: Any) -> None:
    """Each block of the first three stages gains 3 * n * n weights and a norm of 2 n."""
    with torch.device("meta"):
        solid = count(P3d(depth=depth).build(classes=487, channels=3))
        added = sum(blocks * (3 * n * n + 2 * n) for blocks, n in zip(BLOCKS[depth][:3], (64, 128, 256), strict=True))
        assert solid == count(FrameNet(net=flat).build(classes=487, channels=3)) + added


def test_orders_take_turns() -> None:
    net: Any = SMALL.build(classes=2, channels=3)
    blocks = [module for module in net.modules() if isinstance(module, PseudoSolidBlock)]
    orders = "".join(block.order or "-" for block in blocks)
    assert orders == ("ABC" * 5)[:13] + "---"
    only: Any = P3d(depth=63, width=4, orders=("B",)).build(classes=2, channels=3)
    assert {m.order for m in only.modules() if isinstance(m, PseudoSolidBlock)} == {"B", None}


@pytest.mark.parametrize("order", ["A", "B", "C", None])
@pytest.mark.parametrize("stride", [1, 2])
def test_blocks_by_brute_force(order: Any, stride: int) -> None:
    """Against torch's 2-D convolution of each picture and 1-D convolution of each pixel's time."""
    block = PseudoSolidBlock(6, 4, order=order, stride=stride).double()
    for module in block.modules():
        if isinstance(module, nn.BatchNorm3d):
            assert module.running_mean is not None
            module.running_mean.normal_()
    block.eval()
    x = torch.randn(2, 6, 5, 7, 6, dtype=torch.float64)

    def normed(part: Any, y: Tensor) -> Tensor:
        return torch.relu(part[1](y))

    def space(part: Any, y: Tensor) -> Tensor:
        weight = part[0].weight[:, :, 0]
        each = [
            nn.functional.conv2d(y[:, :, t], weight, stride=part[0].stride[1:], padding=weight.shape[-1] // 2)
            for t in range(y.shape[2])
        ]
        return torch.stack(each, 2)

    def time(part: Any, y: Tensor) -> Tensor:
        n, c, t, h, w = y.shape
        rows = y.permute(0, 3, 4, 1, 2).reshape(n * h * w, c, t)
        rows = nn.functional.conv1d(rows, part[0].weight[:, :, :, 0, 0], padding=1)
        return rows.reshape(n, h, w, c, t).permute(0, 3, 4, 1, 2)

    inner = normed(block.reduce, space(block.reduce, x))
    s = normed(block.space, space(block.space, inner))
    middle = s
    if order == "A":
        middle = normed(block.time, time(block.time, s))
    elif order == "B":
        middle = s + normed(block.time, time(block.time, inner))
    elif order == "C":
        middle = s + normed(block.time, time(block.time, s))
    shortcut: Any = block.shortcut
    wanted = torch.relu(block.expand[1](space(block.expand, middle)) + shortcut[1](space(shortcut, x)))
    assert torch.allclose(block(x), wanted, atol=1e-12)


@pytest.mark.parametrize("channels", [2, 3])
def test_gradients_weights_and_configuration(tmp_path: Path, channels: int) -> None:
    net = SMALL.build(classes=3, channels=channels)
    clip = torch.randint(0, 256, (4, channels, 16, 32, 32), dtype=torch.uint8)
    nn.functional.cross_entropy(net(clip), torch.tensor([0, 1, 2, 0])).backward()
    assert not [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    save_weights(tmp_path / "p3d.safetensors", net)
    with torch.no_grad():
        wanted = net.eval()(clip)
        assert torch.equal(restored(SMALL, tmp_path / "p3d.safetensors", channels=channels)(clip), wanted)
        assert net(clip[:, :, :1]).shape == net(torch.cat([clip, clip], 2)).shape == (4, 3)
    assert from_plain(P3d, to_plain(SMALL)) == SMALL


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match=r"P3D needs frames >= 1 and orders of its blocks, got 16 and \(\)"):
        P3d(orders=()).build(classes=2, channels=3)
