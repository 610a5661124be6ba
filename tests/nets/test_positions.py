"""Larger pictures and longer clips: the mean of the positions' logits, and scores over several scales."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from untrimmed.nets.inflated import Inflated
from untrimmed.nets.p3d import P3d
from untrimmed.nets.positions import SolidBackbone, multi_scale_scores, position_logits
from untrimmed.records import DataError

NETS: list[Inflated | P3d] = [
    Inflated(net="resnet18", which="stem", strides=(2, 1, 2, 1, 2)),
    P3d(depth=63, width=4, input_size=(32, 32)),
]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def built(config: Inflated | P3d) -> SolidBackbone:
    net = config.build(classes=5, channels=3).double().eval()
    assert isinstance(net, SolidBackbone)
    nn.init.normal_(net.classifier.bias)
    return net


@pytest.fixture(params=NETS, ids=lambda config: type(config).__name__)
def net(request: pytest.FixtureRequest) -> Iterator[SolidBackbone]:
    with torch.inference_mode():
        yield built(request.param)


def clip(time: int, size: int) -> Tensor:
    return torch.randn(1, 3, time, size, size + 32, dtype=torch.float64)


def test_the_answer_is_the_mean_of_the_positions_answers(net: SolidBackbone) -> None:
    x = clip(20, 64)
    each = position_logits(net, x)
    assert each.shape[:2] == (1, 5)
    assert each[0, 0].numel() >= 6
    assert torch.allclose(each.mean((2, 3, 4)), net(x), atol=1e-10)


def test_the_whole_map_as_a_window_is_the_net(net: SolidBackbone) -> None:
    x = clip(16, 64)
    whole = net.feature_map(x).shape[-2:]
    each = position_logits(net, x, window=(whole[0], whole[1]))
    assert each.shape[3:] == (1, 1)
    assert torch.allclose(each.mean((2, 3, 4)), net(x), atol=1e-10)


def test_windows_by_brute_force(net: SolidBackbone) -> None:
    x = clip(16, 64)
    features = net.feature_map(x)
    each = position_logits(net, x, window=(2, 2))
    assert each.shape[3:] == (features.shape[3] - 1, features.shape[4] - 1)
    wanted = net.classifier(features[:, :, 0, 0:2, 1:3].mean((2, 3)))
    assert torch.allclose(each[:, :, 0, 0, 1], wanted, atol=1e-10)


def test_scores_over_scales(net: SolidBackbone) -> None:
    """One scale of one window is the net's softmax; several are averaged."""
    small, large = clip(16, 64)[..., :64], clip(16, 96)[..., :96]
    edge = net.feature_map(small).shape[-1]
    one = multi_scale_scores(net, [small], window=(edge, edge))
    assert torch.allclose(one, net(small).softmax(1), atol=1e-10)
    two = multi_scale_scores(net, [small, large], window=(edge, edge))
    other = multi_scale_scores(net, [large], window=(edge, edge))
    assert torch.allclose(two, (one + other) / 2, atol=1e-12)
    assert torch.allclose(two.sum(1), torch.ones(1, dtype=torch.float64))


def test_words_and_training_mode() -> None:
    net = built(NETS[1]).train()
    with pytest.raises(
        DataError, match=r"pictures of \(32, 64\) leave a map of \(1, 2\), less than the window \(7, 7\)"
    ):
        multi_scale_scores(net, [clip(16, 32)])
    assert net.training
    with pytest.raises(DataError, match="scores over several scales need at least one, got none"):
        multi_scale_scores(net, [])
