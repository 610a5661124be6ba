"""BesNet: as its pictures at the start, dilations drawn in training alone, and the maximum over time."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from untrimmed.configs import from_plain, to_plain
from untrimmed.nets.backbone import save_weights
from untrimmed.nets.besnet import BesNet, DrawnDilation
from untrimmed.nets.solid_layers import SolidConv
from untrimmed.nets.zoo import FrameNet
from untrimmed.records import DataError

SMALL = BesNet(frames=6, input_size=(32, 32))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like torchvision's."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "resnet50.pth"
    torch.save(torchvision.models.resnet50().state_dict(), path)
    return path


def layers(net: nn.Module) -> list[DrawnDilation]:
    return [module for module in net.modules() if isinstance(module, DrawnDilation)]


def test_which_layers_look_along_time() -> None:
    """The two 1x1 of each of the sixteen blocks; each adds two thirds of its filters to ResNet-50's count."""
    with torch.device("meta"):
        net: Any = BesNet().build(classes=400, channels=3)
        flat = FrameNet(net="resnet50").build(classes=400, channels=3)
        assert len(layers(net)) == 32
        others = {m.kernel_size for m in net.modules() if type(m) is SolidConv}
        assert others == {(1, 7, 7), (1, 3, 3), (1, 1, 1)}
        added = sum(2 * layer.in_channels * layer.out_channels for layer in layers(net))
        assert sum(p.numel() for p in net.parameters()) == sum(p.numel() for p in flat.parameters()) + added
        x = torch.zeros(1, 3, 23, 224, 224)
        assert net.trunk(x).shape == (1, 2048, 23, 7, 7)  # time is never strided


@pytest.mark.parametrize("test_dilation", [1, 2])
def test_it_starts_as_the_maximum_over_its_pictures(imagenet: Path, test_dilation: int) -> None:
    flat = FrameNet(net="resnet50", weights=imagenet).build(classes=3, channels=3).eval()
    net = BesNet(weights=imagenet, test_dilation=test_dilation).build(classes=3, channels=3).eval()
    clip = torch.randint(0, 256, (1, 3, 4, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        each = torch.stack([flat.pooled(clip[:, :, t]) for t in range(4)])
        assert torch.allclose(net.pooled(clip), each.amax(0), rtol=1e-3, atol=1e-4)


def test_dilation_reaches_two_pictures_away() -> None:
    layer = DrawnDilation(SolidConv(3, 3, (3, 1, 1)), dilations=(1, 2), at_test=2).double().eval()
    x = torch.randn(1, 3, 7, 2, 2, dtype=torch.float64)
    moved = x.clone()
    moved[:, :, 3] += 1
    changed = (layer(moved) - layer(x)).abs().sum((0, 1, 3, 4)) > 1e-9
    assert changed.tolist() == [False, True, False, True, False, True, False]


def test_training_draws_and_testing_does_not() -> None:
    layer = DrawnDilation(SolidConv(2, 2, (3, 1, 1)), dilations=(1, 2), at_test=1)
    draws = [layer.drawn() for _ in range(400)]
    assert set(draws) == {1, 2}
    assert 150 < draws.count(1) < 250
    torch.manual_seed(5)
    first = [layer.drawn() for _ in range(20)]
    torch.manual_seed(5)
    assert [layer.drawn() for _ in range(20)] == first
    assert {layer.eval().drawn() for _ in range(20)} == {1}
    assert SMALL.build(classes=2, channels=3).training


def test_gradients_weights_and_configuration(tmp_path: Path) -> None:
    net = SMALL.build(classes=3, channels=2)
    clip = torch.randint(0, 256, (3, 2, 6, 32, 32), dtype=torch.uint8)
    nn.functional.cross_entropy(net(clip), torch.tensor([0, 1, 2])).backward()
    assert not [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    save_weights(tmp_path / "besnet.safetensors", net)
    with torch.no_grad():
        wanted = net.eval()(clip)
        again = BesNet(weights=tmp_path / "besnet.safetensors").build(classes=3, channels=2).eval()
        assert torch.equal(again(clip), wanted)
        assert net(clip[:, :, :1]).shape == (3, 3)
    assert from_plain(BesNet, to_plain(SMALL)) == SMALL


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match=r"BesNet needs frames and dilations >= 1, got 16, \(\) and 1"):
        BesNet(dilations=()).build(classes=2, channels=3)
    with pytest.raises(DataError, match=r"BesNet needs frames and dilations >= 1, got 16, \(1, 0\) and 1"):
        BesNet(dilations=(1, 0)).build(classes=2, channels=3)
