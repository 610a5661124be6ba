"""Inflation: a still clip gets its picture's answer, time is halved where it should be, and strangers are refused."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from untrimmed.nets.inflate import inflate
from untrimmed.nets.inflation_rules import Layer, Reach, Rule, rule
from untrimmed.nets.solid_layers import SolidConv, SolidPool, in_time
from untrimmed.records import DataError

I3D = rule("cubes", strides=(2, 1, 1, 2, 2))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def timm_net(name: str) -> nn.Module:
    import timm

    net = timm.create_model(name, num_classes=3)
    assert isinstance(net, nn.Module)
    return net


def with_statistics(net: nn.Module) -> nn.Module:
    """In evaluation mode, with norms that do something."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return net.eval()


def still(picture: Tensor, time: int) -> Tensor:
    return picture[:, :, None].repeat(1, 1, time, 1, 1)


NETS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "googlenet": (lambda: torchvision.models.googlenet(weights=None, aux_logits=False, init_weights=False), 32),
    "inception_v3": (lambda: torchvision.models.inception_v3(weights=None, aux_logits=False, init_weights=False), 75),
    "resnet18": (lambda: torchvision.models.resnet18(), 32),
    "mobilenet_v2": (lambda: torchvision.models.mobilenet_v2(), 32),
    "timm inception_v4": (lambda: timm_net("inception_v4"), 75),
    "timm inception_resnet_v2": (lambda: timm_net("inception_resnet_v2"), 75),
    "timm resnetv2_50": (lambda: timm_net("resnetv2_50"), 32),
    "timm seresnet18": (lambda: timm_net("seresnet18"), 32),
    "timm tf_mobilenetv3_small_100": (lambda: timm_net("tf_mobilenetv3_small_100"), 33),
}


@pytest.mark.parametrize("name", NETS)
def test_a_still_clip_gets_its_pictures_answer(name: str) -> None:
    """Exactly, up to rounding: with the filter in the middle, or repeated where the ends are repeated too."""
    make, size = NETS[name]
    net = with_statistics(make())
    weights = {key: value.clone() for key, value in net.state_dict().items()}
    picture = torch.randn(1, 3, size, size)
    with torch.no_grad():
        wanted = net(picture)
        solid = inflate(net, I3D, init="centre")
        assert torch.allclose(solid(still(picture, 3)), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
    assert {key: value.ndim for key, value in solid.state_dict().items()} == {
        key: value.ndim + (value.ndim == 4) for key, value in weights.items()
    }
    with torch.no_grad():
        net = make().eval()
        net.load_state_dict(weights)
        solid = inflate(net, I3D, init="replicate", ends="replicate")
        assert torch.allclose(solid(still(picture, 3)), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


class Plain(nn.Module):
    """Two convolutions, one grouped and dilated, and functional calls between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding="valid")
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 6, (3, 5), stride=(2, 1), padding=(1, 4), dilation=(1, 2), groups=2, bias=False)

    def forward(self, x: Any) -> Any:
        x = functional.relu(self.norm(self.first(x)))
        x = functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        return functional.dropout(self.second(x), 0.5, training=self.training) * 2.0


def every(kernel: int, *, stride: int = 1) -> Rule:
    return lambda layer: Reach(kernel=kernel, stride=stride if layer.kind == "pool" else 1)


def each_picture(net: nn.Module, clip: Tensor) -> Tensor:
    return torch.stack([net(clip[:, :, t]) for t in range(clip.shape[2])], dim=2)


def test_repeated_filters_over_zeros_are_right_away_from_the_ends() -> None:
    """Two convolutions and a pool of three pictures reach three pictures inward; there the answer is another."""
    net = with_statistics(Plain().double())
    picture = torch.randn(2, 3, 9, 8, dtype=torch.float64)
    wanted = net(picture)
    got = inflate(net, every(3), init="replicate", ends="zeros")(still(picture, 9))
    assert got.shape == (*wanted.shape[:2], 9, *wanted.shape[2:])
    assert torch.allclose(got[:, :, 3:-3], still(wanted, 3), atol=1e-12)
    assert not torch.allclose(got[:, :, 1], wanted, atol=1e-3)
    assert not torch.allclose(got[:, :, -1], wanted, atol=1e-3)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 7])
def test_filters_in_the_middle_answer_each_picture_of_any_clip(kernel: int) -> None:
    net = with_statistics(Plain().double())
    clip = torch.randn(2, 3, 4, 9, 8, dtype=torch.float64)
    wanted = each_picture(net, clip)
    convolutions: Rule = lambda layer: Reach(kernel=kernel if layer.kind == "convolution" else 1)  # noqa: E731
    assert torch.allclose(inflate(net, convolutions, init="centre")(clip), wanted, atol=1e-12)


def test_in_training_a_still_clip_has_its_pictures_statistics() -> None:
    net, same = Plain().double(), Plain().double()
    same.load_state_dict(net.state_dict())
    pictures = torch.randn(4, 3, 9, 8, dtype=torch.float64)
    solid = inflate(same, every(3), init="centre")
    assert solid.training
    net(pictures)
    answer = solid(still(pictures, 3))
    assert torch.allclose(solid.norm.running_mean, net.norm.running_mean, atol=1e-12)
    assert 0.3 < float((answer == 0).double().mean()) < 0.7  # the dropout of the traced call
    assert not (solid.eval()(still(pictures, 3)) == 0).any()


def test_without_its_pool_a_net_gives_the_map_before_it() -> None:
    net = with_statistics(torchvision.models.resnet18())
    picture = torch.randn(1, 3, 64, 64)
    features = nn.Sequential(*list(net.children())[:-2])
    with torch.no_grad():
        wanted = features(picture)
        solid = inflate(net, I3D, init="centre", pooled=False)
        got = solid(still(picture, 8))
    assert got.shape == (1, 512, 1, 2, 2)
    assert torch.allclose(got[:, :, 0], wanted, atol=1e-4)
    assert not any(name.startswith("fc") for name in solid.state_dict())


def test_the_stem_of_i3d() -> None:
    """Report 15, section 2: 7x7x7 with stride 2, first pools 1x3x3, then 3x3x3 and 2x2x2; 1x1 stays."""
    net = torchvision.models.googlenet(weights=None, aux_logits=False, init_weights=False)
    solid = inflate(net, I3D)
    first = solid.get_submodule("conv1.conv")
    assert isinstance(first, SolidConv)
    assert (first.kernel_size, first.stride, first.padding) == ((7, 7, 7), (2, 2, 2), (3, 3, 3))
    reduce, three = solid.get_submodule("conv2.conv"), solid.get_submodule("conv3.conv")
    assert isinstance(reduce, SolidConv)
    assert isinstance(three, SolidConv)
    assert (reduce.kernel_size, three.kernel_size) == ((1, 1, 1), (3, 3, 3))
    pools = [module for name, module in solid.named_modules() if name.startswith("maxpool") and name.count(".") == 0]
    assert [(pool.kernel, pool.stride) for pool in pools if isinstance(pool, SolidPool)] == [
        (1, 1), (1, 1), (3, 2), (2, 2),
    ]  # fmt: skip
    branch = solid.get_submodule("inception3a.branch4.0")
    assert isinstance(branch, SolidPool)
    assert (branch.kernel, branch.stride) == (3, 1)


def test_asymmetric_filters_of_inception_v3_stay_flat() -> None:
    net = torchvision.models.inception_v3(weights=None, aux_logits=False, init_weights=False)
    solid = inflate(net, I3D)
    kernels = {layer.kernel_size for layer in solid.modules() if isinstance(layer, SolidConv)}
    assert kernels == {(1, 1, 1), (3, 3, 3), (5, 5, 5), (1, 1, 7), (1, 7, 1), (1, 1, 3), (1, 3, 1)}


@pytest.mark.parametrize("name", ["resnet18", "timm resnetv2_50", "timm inception_v4"])
@pytest.mark.parametrize("strides", [(2, 1, 2, 1, 3), (2, 2, 2, 2, 2)])
def test_time_is_halved_with_the_picture(name: str, strides: tuple[int, int, int, int, int]) -> None:
    """Branches stay in step, and time / strides is rounded up."""
    make, _ = NETS[name]
    with torch.device("meta"):
        net = inflate(make(), rule("cubes", strides=strides), pooled=False)
        left = 49
        for stride in strides:
            left = -(-left // stride)
        assert net(torch.zeros(2, 3, 49, 96, 96)).shape[2] == left


def test_rules() -> None:
    def layer(kernel: int, stride: int, halvings: int, *, pool: bool = False) -> Layer:
        kind: Any = "pool" if pool else "convolution"
        return Layer(name="x", kind=kind, kernel=(kernel, kernel), stride=stride, halvings=halvings)

    strides = (2, 1, 1, 2, 2)
    cubes, pools = rule("cubes", strides=strides), rule("pools", strides=strides)
    stem, flat = rule("stem", strides=strides), rule("flat", strides=strides)
    assert cubes(layer(7, 2, 0)) == stem(layer(7, 2, 0)) == Reach(kernel=7, stride=2)
    assert pools(layer(7, 2, 0)) == flat(layer(7, 2, 0)) == Reach(kernel=1, stride=2)
    assert stem(layer(3, 1, 2)) == pools(layer(3, 1, 2)) == Reach()
    assert cubes(layer(3, 2, 1, pool=True)) == Reach()
    assert pools(layer(3, 2, 3, pool=True)) == Reach(kernel=3, stride=2)
    assert flat(layer(3, 2, 3, pool=True)) == Reach(kernel=1, stride=2)
    assert cubes(layer(3, 2, 7)) == Reach(kernel=3)


@pytest.mark.parametrize("kernel", [1, 2, 3, 7])
def test_filters_sum_to_the_flat_ones(kernel: int) -> None:
    flat = torch.randn(4, 3, 3, 5, dtype=torch.float64)
    repeated, middle = in_time(flat, kernel, "replicate"), in_time(flat, kernel, "centre")
    for solid in (repeated, middle):
        assert solid.shape == (4, 3, kernel, 3, 5)
        assert torch.allclose(solid.sum(2), flat)
    assert torch.equal(repeated, repeated[:, :, :1].expand_as(repeated))
    assert torch.equal(middle[:, :, (kernel - 1) // 2], flat)


@pytest.mark.parametrize("time", [1, 4, 5, 8])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (2, 2), (1, 2)])
def test_pools_against_torch(time: int, kernel: int, stride: int) -> None:
    """Over space and then over time is over both; the ends repeat, which a maximum does not see."""
    x = torch.randn(2, 3, time, 7, 6, dtype=torch.float64)
    positions = -(-time // stride)
    extra = max((positions - 1) * stride + kernel - time, 0)
    around = (0, 0, 0, 0, extra // 2, extra - extra // 2)
    largest = SolidPool(nn.MaxPool2d(3, 2, ceil_mode=True), kind="max", kernel=kernel, stride=stride)
    lowest = functional.pad(x, around, value=-torch.inf)
    wanted = functional.max_pool3d(lowest, (kernel, 3, 3), (stride, 2, 2), ceil_mode=True)[:, :, :positions]
    assert torch.equal(largest(x), wanted)
    mean = SolidPool(nn.AvgPool2d(2), kind="mean", kernel=kernel, stride=stride)
    repeated = functional.pad(x, around, mode="replicate")
    assert torch.allclose(mean(x), functional.avg_pool3d(repeated, (kernel, 2, 2), (stride, 2, 2)), atol=1e-12)


class Stranger(nn.Module):
    def __init__(self, call: Callable[[Any], Any], *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.call = call

    def forward(self, x: Any) -> Any:
        return self.call(self.layers(x))


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3, 1, 1))

    def forward(self, x: Any) -> Any:
        return x * self.scale


STRANGERS: list[tuple[nn.Module, str]] = [
    (Stranger(lambda x: x.mean((1, 2))), r"call mean over axes \(1, 2\) of Stranger is nothing that inflation knows"),
    (Stranger(lambda x: x.permute(0, 2, 3, 1)), r"call permute \(Tensor.permute\) of Stranger"),
    (Stranger(lambda x: torch.softmax(x, 3)), r"call softmax \(softmax\) of Stranger"),
    (Stranger(lambda x: torch.cat([x, x], 2)), r"call cat along another axis than the channels of Stranger"),
    (Stranger(lambda x: torch.flatten(x)), r"call flatten from another axis than the channels of Stranger"),
    (Stranger(lambda x: x, nn.Flatten(2)), r"layer layers.0 \(Flatten\) of Stranger"),
    (Scaled(), "number or tensor scale of Scaled is nothing that inflation knows"),
    (Stranger(lambda x: x, nn.Upsample(scale_factor=2)), r"layer layers.0 \(Upsample\) of Stranger"),
    (Stranger(lambda x: x, nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")), r"layer layers.0 \(Conv2d, .*refl"),
    (Stranger(lambda x: x, nn.MaxPool2d(2, return_indices=True)), r"layer layers.0 \(MaxPool2d"),
    (Stranger(lambda x: x if x.sum() > 0 else -x), "Stranger cannot be traced, so not inflated: symbolically traced"),
]


@pytest.mark.parametrize(("net", "words"), STRANGERS)
def test_what_is_not_known_is_refused(net: nn.Module, words: str) -> None:
    with pytest.raises(DataError, match=words):
        inflate(net, I3D)


def test_words_of_errors() -> None:
    layer = nn.Conv2d(3, 3, 1)
    with pytest.raises(DataError, match="layer 0 of Sequential is used twice, which inflation does not know"):
        inflate(nn.Sequential(layer, layer), I3D)
    with pytest.raises(DataError, match="Sequential has no global pool, so nothing to cut"):
        inflate(nn.Sequential(nn.Conv2d(3, 3, 1)), I3D, pooled=False)
    with pytest.raises(DataError, match="reach in time needs kernel and stride >= 1, got 0, 1"):
        Reach(kernel=0)
    with pytest.raises(DataError, match=r"strides of time must be >= 1, got \(2, 0, 1, 1, 1\)"):
        rule("cubes", strides=(2, 0, 1, 1, 1))
