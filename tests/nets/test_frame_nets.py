"""Frame nets: counts of the libraries and of ResNet-269, the same answers, weights by name, and words of errors."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from untrimmed.configs import from_plain, to_plain
from untrimmed.nets.backbone import cross_modality, restored, save_weights
from untrimmed.nets.trunks import TRUNKS, fill, library_weights, trunk
from untrimmed.nets.zoo import FrameNet
from untrimmed.records import DataError, MissingExtra


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


# with 1,000 classes and without side classifiers: what torchvision's and timm's own nets have
COUNTS: dict[str, int] = {
    "inception_v1": 6_624_904,
    "inception_v3": 23_834_568,
    "inception_v4": 42_679_816,
    "inception_resnet_v2": 55_843_464,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet200": 64_673_832,
    "resnet50_v2": 25_549_352,
    "resnet101_v2": 44_541_480,
    "resnet152_v2": 60_185_128,
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_of_the_libraries(name: Any) -> None:
    with torch.device("meta"):
        assert count(FrameNet(net=name).build(classes=1000, channels=3)) == COUNTS[name]


@pytest.mark.parametrize("name", ["inception_v4", "inception_resnet_v2", "resnet152", "resnet101_v2"])
def test_features_have_the_width_that_is_known_before(name: Any) -> None:
    with torch.device("meta"):
        net = FrameNet(net=name).build(classes=4, channels=3)
        assert net.pooled(torch.zeros(2, 3, 96, 96)).shape == (2, TRUNKS[name].dims)


def test_resnet_269() -> None:
    """Layers are 269 without the shortcuts', and blocks are 3, 30, 48 and 8, each normalised before it convolves."""
    with torch.device("meta"):
        net: Any = FrameNet(net="resnet269_v2").build(classes=1000, channels=3)
    layers = [
        name
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and "downsample" not in name
    ]
    assert len(layers) == 269
    assert [len(stage.blocks) for stage in net.trunk.stages] == [3, 30, 48, 8]
    assert [type(child).__name__ for child in net.trunk.stages[0].blocks[1].children()][:2] == [
        "BatchNormAct2d", "Conv2d",
    ]  # fmt: skip
    before = 64
    wanted = 64 * 3 * 49
    for blocks, inner in zip((3, 30, 48, 8), (64, 128, 256, 512), strict=True):
        for block in range(blocks):
            wanted += before * inner + 9 * inner * inner + 4 * inner * inner + 2 * (before + 2 * inner)
            wanted += before * 4 * inner if block == 0 else 0
            before = 4 * inner
    assert count(net) == wanted + 2 * before + before * 1000 + 1000


@pytest.mark.parametrize(("name", "channels"), [("inception_v1", 2), ("resnet50_v2", 10)])
def test_gradients_weights_and_configuration(tmp_path: Path, name: Any, channels: int) -> None:
    config = FrameNet(net=name, input_size=(96, 96))
    net = config.build(classes=3, channels=channels)
    pictures = torch.randint(0, 256, (3, channels, 96, 96), dtype=torch.uint8)
    nn.functional.cross_entropy(net(pictures), torch.tensor([0, 1, 2])).backward()
    assert not [key for key, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    save_weights(tmp_path / "net.safetensors", net)
    with torch.no_grad():
        wanted = net.eval()(pictures)
        assert torch.equal(restored(config, tmp_path / "net.safetensors", channels=channels)(pictures), wanted)
        again = FrameNet(net=name, weights=tmp_path / "net.safetensors").build(classes=2, channels=channels).eval()
        assert torch.equal(again.pooled(pictures), net.pooled(pictures))
    assert from_plain(FrameNet, to_plain(config)) == config


@pytest.mark.parametrize("name", ["inception_v1", "resnet50_v2"])
def test_a_librarys_file_gives_the_librarys_features(tmp_path: Path, name: Any) -> None:
    """Its classifier is left; the input is prepared as the library wants it."""
    if name == "inception_v1":
        whole: Any = torchvision.models.googlenet(weights=None, aux_logits=True, init_weights=False)
        whole.eval().transform_input = True  # as it comes with its published weights
        last = whole.fc
    else:
        import timm

        whole = timm.create_model("resnetv2_50").eval()
        last = whole.head.fc
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    net = FrameNet(net=name, weights=tmp_path / "whole.pth").build(classes=1000, channels=3).eval()
    net.classifier.weight.data = last.weight.detach().reshape(1000, -1)
    net.classifier.bias.data = last.bias.detach()
    pictures = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    shares = pictures / 255
    if name == "inception_v1":  # torchvision's transform of the weights: ImageNet's mean and std
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        shares = (shares - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    else:
        shares = (shares - 0.5) / 0.5
    with torch.no_grad():
        assert torch.allclose(net(pictures), whole(shares), rtol=1e-3, atol=1e-4)


def test_weights_adapt_to_flow() -> None:
    colour, flow = trunk("resnet18", channels=3), trunk("resnet18", channels=10)
    fill(flow, colour.state_dict(), where="here")
    own = flow.state_dict()
    assert torch.equal(own["conv1.weight"], cross_modality(colour.state_dict()["conv1.weight"], 10))
    assert torch.equal(own["layer4.1.conv2.weight"], colour.state_dict()["layer4.1.conv2.weight"])


def test_words_of_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingExtra, match="nobody publishes ImageNet weights of ResNet-269: give a file as weights"):
        FrameNet(net="resnet269_v2", weights="imagenet").build(classes=2, channels=3)
    with pytest.raises(DataError, match=r"none.safetensors is not there; put a safetensors file there"):
        FrameNet(net="resnet18", weights=tmp_path / "none.safetensors").build(classes=2, channels=3)
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(DataError, match=r"bad.safetensors is no safetensors file"):
        FrameNet(net="resnet18", weights=tmp_path / "bad.safetensors").build(classes=2, channels=3)
    with pytest.raises(DataError, match=r"weights of Linear must have weight \(1, 1\), got nothing \(here\)"):
        fill(nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Linear(1, 1))[1], {}, where="here")
    import timm

    def no_network(*arguments: object, **more: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(timm, "create_model", no_network)
    with pytest.raises(
        MissingExtra,
        match=r"ImageNet weights of Inception-v4 cannot be had from timm's hub \(ConnectionError\): give the path of "
        "timm's model file of inception_v4 as weights, or use weights=None",
    ):
        library_weights("inception_v4")
