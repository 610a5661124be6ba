"""Backbones: sizes of the papers, gradients, initialisation, weights on disk and the words of errors."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from untrimmed.configs import from_plain, to_plain
from untrimmed.nets import resnet
from untrimmed.nets.backbone import (
    Backbone,
    cross_modality,
    load_weights,
    partial_batch_norm,
    restored,
    save_weights,
    without_weights,
)
from untrimmed.nets.bn_inception import BLOCKS, BnInception
from untrimmed.nets.zoo import AnyNet, C3d, Ltc, Resnet, Small3d, SmallNet
from untrimmed.records import DataError, MissingExtra

# small enough for a test: configuration, channels, positions of its input
CASES: list[tuple[AnyNet, int, tuple[int, ...]]] = [
    (BnInception(input_size=(64, 64)), 3, (64, 64)),
    (BnInception(input_size=(64, 64)), 10, (64, 64)),
    (C3d(width=4, hidden=16, input_size=(32, 32)), 3, (16, 32, 32)),
    (Ltc(width=4, hidden=16, input_size=(32, 32)), 2, (32, 32, 32)),
    (Ltc(width=4, hidden=16, input_size=(20, 24), frames=20, pool="flat"), 2, (20, 20, 24)),
    (Resnet(depth=18, input_size=(64, 64)), 3, (64, 64)),
    (Resnet(depth=18, input_size=(64, 64)), 10, (64, 64)),
    (SmallNet(width=8), 3, (56, 56)),
    (SmallNet(width=8, input_size=(40, 40)), 10, (40, 40)),
    (Small3d(width=4, frames=8, input_size=(40, 40)), 2, (8, 40, 40)),
]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def picture(channels: int, positions: tuple[int, ...], *, items: int = 2) -> Tensor:
    return torch.randint(0, 256, (items, channels, *positions), dtype=torch.uint8)


def test_parameters_of_report_06() -> None:
    """Table 1 of the report, counted on the meta device, which allocates nothing."""
    with torch.device("meta"):
        assert count(BnInception().build(classes=101, channels=3)) == 10_373_765
        assert count(C3d().build(classes=101, channels=3)) == 78_409_573
        assert count(Ltc().build(classes=101, channels=3)) == 78_409_573
        assert count(Ltc(pool="flat").build(classes=101, channels=3)) == 78_409_573 + 8192 * 4096


def test_parameters_of_torchvision() -> None:
    with torch.device("meta"):
        assert count(Resnet(depth=50).build(classes=1000, channels=3)) == 25_557_032
        assert count(Resnet(depth=200).build(classes=1000, channels=3)) == 64_673_832


def test_widths_of_the_inception_blocks() -> None:
    """The output widths of table 1 of Ioffe and Szegedy."""
    net = BnInception().build(classes=2, channels=3)
    blocks = net.blocks
    assert isinstance(blocks, nn.ModuleDict)
    widths = [blocks[name].width for name in BLOCKS]
    assert widths == [256, 320, 576, 576, 576, 608, 608, 1056, 1024, 1024]
    with torch.no_grad():
        x = net.stem(torch.zeros(1, 3, 224, 224))
        sizes = []
        for block in blocks.values():
            x = block(x)
            sizes.append(x.shape[-1])
    assert sizes == [28, 28, 14, 14, 14, 14, 14, 7, 7, 7]


@pytest.mark.parametrize(("config", "channels", "positions"), CASES)
def test_shapes_gradients_and_configuration(config: Any, channels: int, positions: tuple[int, ...]) -> None:
    net = config.build(classes=5, channels=channels)
    assert isinstance(net, Backbone)
    assert net.input_size == positions[-2:]
    assert net.frames == (positions[0] if len(positions) == 3 else None)
    x = picture(channels, positions)
    net.eval()
    assert net.pooled(x).shape == (2, net.dims)
    assert torch.equal(net(x), net.classifier(net.pooled(x)))
    assert torch.allclose(net(x), net(net.prepared(x)))
    net.train()
    nn.functional.cross_entropy(net(picture(channels, positions, items=4)), torch.tensor([0, 1, 2, 3])).backward()
    without = [name for name, parameter in net.named_parameters() if parameter.grad is None]
    assert not without
    net.train()
    still = [name for name, p in net.named_parameters() if not p.grad.abs().sum() > 0 and not _may_rest(name)]
    assert not still
    assert from_plain(type(config), to_plain(config)) == config


def _may_rest(name: str) -> bool:
    """A zero gradient is right for a bias before batch norm, and inside a small net's block at its zero start."""
    return ".first" in name or ".second." in name or name.endswith(".0.bias") or "bias" in name


def test_a_small_net_moves_everywhere_once_its_blocks_have_opened() -> None:
    net = SmallNet(width=8).build(classes=3, channels=3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(picture(3, (56, 56), items=6)), torch.tensor([0, 1, 2] * 2)).backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_preparation_of_bytes() -> None:
    rgb = SmallNet().build(classes=2, channels=3)
    flow = SmallNet().build(classes=2, channels=10)
    assert not flow.prepared(torch.full((1, 10, 4, 4), 128, dtype=torch.uint8)).any()
    x = picture(3, (4, 4))
    back = rgb.prepared(x) * rgb.std.view(1, 3, 1, 1) + rgb.mean.view(1, 3, 1, 1)
    assert torch.allclose(back, x.float(), atol=1e-4)
    assert rgb.mean.tolist() == pytest.approx([123.675, 116.28, 103.53])
    floats = torch.randn(1, 3, 4, 4)
    assert rgb.prepared(floats) is floats
    assert "mean" not in rgb.state_dict()


@pytest.mark.parametrize("window", [(7, 7), (3, 3, 3)])
@pytest.mark.parametrize("channels", [1, 2, 10])
def test_cross_modality(window: tuple[int, ...], channels: int) -> None:
    """Any grey picture gets channels / 3 times the answer, and every channel has the same filters."""
    weight = torch.randn(4, 3, *window, dtype=torch.float64)
    other = cross_modality(weight, channels)
    assert other.shape == (4, channels, *window)
    assert torch.equal(other[:, :1].expand_as(other), other)
    grey = torch.randn(2, 1, *(9 for _ in window), dtype=torch.float64)
    convolve = nn.functional.conv2d if len(window) == 2 else nn.functional.conv3d
    before = convolve(grey.expand(-1, 3, *grey.shape[2:]), weight)
    after = convolve(grey.expand(-1, channels, *grey.shape[2:]), other)
    assert torch.allclose(after, before * channels / 3)
    assert torch.allclose(cross_modality(weight, 3).mean(1), weight.mean(1))


def test_partial_batch_norm_keeps_all_but_the_first() -> None:
    net = partial_batch_norm(SmallNet(width=8, dropout=0.0).build(classes=3, channels=3))
    layers = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    net.train()
    assert [layer.training for layer in layers] == [True] + [False] * (len(layers) - 1)
    before = [layer.running_mean.clone() for layer in layers]
    net(picture(3, (56, 56))).sum().backward()
    moved = [not torch.equal(layer.running_mean, old) for layer, old in zip(layers, before, strict=True)]
    assert moved == [True] + [False] * (len(layers) - 1)
    assert [layer.weight.requires_grad for layer in layers] == moved
    net.eval()
    assert not layers[0].training


def test_weights_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    config = SmallNet(width=8)
    net = config.build(classes=4, channels=10).eval()
    save_weights(path, net)
    again = restored(config, path, channels=10)
    assert not again.training
    x = picture(10, (56, 56))
    assert torch.equal(net(x), again(x))
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]
    assert restored(config, None, channels=3).classes == 1


def test_pretrained_weights_fit_another_input_and_other_classes(tmp_path: Path) -> None:
    path = tmp_path / "imagenet.safetensors"
    colour = Resnet(depth=18, input_size=(64, 64)).build(classes=7, channels=3)
    save_weights(path, colour)
    config = Resnet(depth=18, weights=path)
    flow = config.build(classes=3, channels=10)
    first = cross_modality(colour.trunk.conv1.weight.detach(), 10)
    assert torch.equal(flow.trunk.conv1.weight, first)
    assert torch.equal(flow.trunk.layer1[0].conv1.weight, colour.trunk.layer1[0].conv1.weight)
    assert without_weights(config) == Resnet(depth=18)
    path.unlink()
    torch.save(resnet._trunk(18, None).state_dict(), tmp_path / "resnet18.pth")
    assert Resnet(depth=18, weights=tmp_path / "resnet18.pth").build(classes=3, channels=10).channels == 10


@pytest.mark.parametrize("pool", ["max"])
def test_c3d_weights_start_an_ltc(tmp_path: Path, pool: str) -> None:
    short = C3d(width=4, hidden=8).build(classes=3, channels=3)
    save_weights(tmp_path / "c3d.safetensors", short)
    long = Ltc(width=4, hidden=8, weights=tmp_path / "c3d.safetensors").build(classes=3, channels=3).eval()
    clip = picture(3, (16, 112, 112), items=1)
    assert torch.equal(long.fc6.weight, short.fc6.weight)
    assert long(torch.cat([clip, clip], dim=2)).shape == (1, 3)
    with pytest.raises(DataError, match=r"weights of _C3dNet must have fc6.weight .* got .*c3d.safetensors"):
        Ltc(width=4, hidden=8, pool="flat", weights=tmp_path / "c3d.safetensors").build(classes=3, channels=3)


def test_words_about_weights(tmp_path: Path) -> None:
    config = SmallNet(width=8)
    with pytest.raises(DataError, match=r"weights file .*none.safetensors is not there; put a safetensors file there"):
        restored(config, tmp_path / "none.safetensors", channels=3)
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(DataError, match=r"bad.safetensors is no safetensors file"):
        restored(config, tmp_path / "bad.safetensors", channels=3)
    save_file({"x": torch.zeros(1)}, tmp_path / "odd.safetensors")
    with pytest.raises(DataError, match=r"odd.safetensors holds no backbone: it has no classifier.bias"):
        restored(config, tmp_path / "odd.safetensors", channels=3)
    with pytest.raises(DataError, match=r"weights of Linear must have weight \(1, 1\), got nothing"):
        load_weights(nn.Linear(1, 1), tmp_path / "odd.safetensors")
    with pytest.raises(DataError, match="a backbone needs classes and channels >= 1, got 0 and 3"):
        config.build(classes=0, channels=3)
    with pytest.raises(DataError, match="C3D needs 16x16 pixels and a frame"):
        C3d(input_size=(8, 8), width=2, hidden=2).build(classes=2, channels=3)
    with pytest.raises(DataError, match=r"put torchvision's .pth file there"):
        Resnet(depth=18, weights=tmp_path / "r.pth").build(classes=2, channels=3)
    (tmp_path / "r.pth").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataError, match=r"r.pth is no .pth file of tensors"):
        Resnet(depth=18, weights=tmp_path / "r.pth").build(classes=2, channels=3)
    torch.save([1], tmp_path / "l.pth")
    with pytest.raises(DataError, match=r"l.pth must hold a table of tensors, got list"):
        Resnet(depth=18, weights=tmp_path / "l.pth").build(classes=2, channels=3)
    with pytest.raises(MissingExtra, match="nobody publishes ImageNet weights of ResNet-200"):
        Resnet(depth=200, weights="imagenet").build(classes=2, channels=3)


def test_unreachable_weights_say_which_file_goes_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*arguments: object, **more: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    monkeypatch.setattr("torch.hub.urlopen", no_network)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    wanted = (
        r"ImageNet weights of ResNet-18 cannot be had from https.*no route to host.*: put that file at .*resnet18-.*pth"
    )
    with pytest.raises(MissingExtra, match=wanted):
        Resnet(depth=18, weights="imagenet").build(classes=2, channels=3)
