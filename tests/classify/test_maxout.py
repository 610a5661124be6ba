"""Heads on the mean of rows: what a unit computes, that padding never counts, that they learn what a line cannot."""

import math

import numpy as np
import pytest
import torch

from untrimmed.classify.maxout import Maxout, MaxoutHeadConfig, PreluHeadConfig, mean_of_own
from untrimmed.configs import from_plain, to_plain
from untrimmed.records import DataError

CONFIGS = (
    MaxoutHeadConfig(hidden=(6,), pieces=3, dropout=0.0),
    MaxoutHeadConfig(hidden=(5, 4), dropout=0.0),
    PreluHeadConfig(hidden=(6, 3), dropout=0.0),
)


def test_a_unit_is_the_largest_of_its_pieces() -> None:
    torch.manual_seed(0)
    layer = Maxout(4, 3, pieces=2).double()
    rows = torch.randn(5, 4, dtype=torch.float64)
    weight, bias = layer.linear.weight.detach().numpy(), layer.linear.bias.detach().numpy()
    plain = [
        [max(row @ weight[2 * i + j] + bias[2 * i + j] for j in range(2)) for i in range(3)] for row in rows.numpy()
    ]
    np.testing.assert_allclose(layer(rows).detach(), plain)


def test_a_unit_is_convex() -> None:
    layer = Maxout(4, 7, pieces=3).double()
    one, other = torch.randn(2, 20, 4, dtype=torch.float64)
    assert bool((layer((one + other) / 2) <= (layer(one) + layer(other)) / 2 + 1e-12).all())


def test_a_maxout_of_one_piece_is_a_line_and_prelu_of_slope_one_too() -> None:
    head = MaxoutHeadConfig(hidden=(6,), pieces=1, dropout=0.0).build(4, 3).double()
    sloped = PreluHeadConfig(hidden=(6,), dropout=0.0).build(4, 3).double()
    for part in sloped.modules():
        if isinstance(part, torch.nn.PReLU):
            torch.nn.init.ones_(part.weight)
    one, other = torch.randn(2, 5, 4, dtype=torch.float64)
    for net in (head, sloped):
        torch.testing.assert_close(net.classify((one + other) / 2), (net.classify(one) + net.classify(other)) / 2)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_only_the_mean_of_a_sequences_own_rows_counts(config: MaxoutHeadConfig | PreluHeadConfig) -> None:
    head = config.build(4, 3).double().eval()
    rows = torch.randn(3, 6, 4, dtype=torch.float64)
    lengths = torch.tensor([6, 2, 4])
    padded = rows.clone()
    padded[1, 2:], padded[2, 4:] = math.nan, math.inf
    means = torch.stack([row[:length].mean(0) for row, length in zip(rows, lengths, strict=True)])
    torch.testing.assert_close(mean_of_own(padded, lengths), means)
    torch.testing.assert_close(head(padded, lengths), head.classify(means))
    torch.testing.assert_close(head(rows.flip(1)), head(rows))
    assert torch.equal(head(rows[:0], lengths[:0]), head(rows)[:0])


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_gradients_reach_everything_and_are_right(config: MaxoutHeadConfig | PreluHeadConfig) -> None:
    torch.manual_seed(1)
    head = config.build(4, 3).double()
    rows = torch.randn(4, 5, 4, dtype=torch.float64, requires_grad=True)
    head(rows, torch.tensor([5, 3, 1, 2])).square().sum().backward()
    for name, part in head.named_parameters():
        assert part.grad is not None, name
        assert bool((part.grad != 0).any()), name
    assert torch.autograd.gradcheck(lambda x: head(x, torch.tensor([5, 3, 1, 2])), (rows,))


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_head_learns_exclusive_or(config: MaxoutHeadConfig | PreluHeadConfig) -> None:
    torch.manual_seed(2)
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    labels = torch.tensor([0, 1, 1, 0])
    head = type(config)(hidden=(16,), dropout=0.0).build(2, 2)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(corners[:, None]), labels).backward()
        optimizer.step()
    assert (head(corners[:, None]).argmax(1) == labels).all()


def test_dropout_works_in_training_only() -> None:
    head = MaxoutHeadConfig(hidden=(2000,)).build(3, 2)
    rows = torch.ones(1, 1, 3)
    assert (head.eval()(rows) == head(rows)).all()
    assert (head.train()(rows) != head(rows)).any()


def test_prelu_layers_are_drawn_as_he_et_al_do() -> None:
    layer = PreluHeadConfig(hidden=(400,)).build(300, 2).layers[0]
    assert float(layer.linear.weight.detach().std()) == pytest.approx(math.sqrt(2 / (1 + 0.25**2) / 300), rel=0.02)
    assert not layer.linear.bias.any()
    assert (layer.rectify.weight == 0.25).all()


def test_configurations_come_back() -> None:
    for config in CONFIGS:
        assert from_plain(type(config), to_plain(config)) == config


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match=r"a head needs hidden layers of units and a dropout in \[0, 1\), got \(\)"):
        MaxoutHeadConfig(hidden=())
    with pytest.raises(DataError, match=r"hidden layers of units and a dropout in \[0, 1\), got \(4,\) and 1.0"):
        PreluHeadConfig(hidden=(4,), dropout=1.0)
    with pytest.raises(DataError, match="maxout units need at least one piece, got 0"):
        MaxoutHeadConfig(pieces=0)
    with pytest.raises(DataError, match="a mean over rows needs lengths from 1 to 3, got 0 to 2"):
        mean_of_own(torch.zeros(2, 3, 4), torch.tensor([0, 2]))
