"""Temporal heads: formulas by hand, published sizes, padding, shift of time, gradients."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from untrimmed.aggregate.heads import (
    ConvolutionHead,
    ConvolutionHeadConfig,
    LstmHead,
    LstmHeadConfig,
    held,
    snippet_mean,
    subsequence_starts,
)
from untrimmed.records import DataError

torch.set_num_threads(1)
CONFIGS = [ConvolutionHeadConfig(widths=(3, 2, 1), channels=4), LstmHeadConfig(cells=4)]
BOTH = pytest.mark.parametrize("config", CONFIGS, ids=["convolution", "lstm"])


def drawn(config: ConvolutionHeadConfig | LstmHeadConfig, seed: int = 0) -> ConvolutionHead | LstmHead:
    torch.manual_seed(seed)
    return config.build(2, 5).double()


def batch(count: int, steps: int) -> Tensor:
    return torch.randn(count, steps, 2, dtype=torch.float64)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_hand(net: ConvolutionHead | LstmHead, rows: np.ndarray) -> np.ndarray:
    """What comes before the linear layer, one width, filter and place after the other, or by the equations."""
    if isinstance(net, ConvolutionHead):
        highest = []
        for layer, width in zip(net.filters, net.config.widths, strict=True):
            w, c = (part.detach().numpy() for part in layer.parameters())
            for k in range(len(w)):
                answers = [
                    c[k] + sum(w[k, :, t] @ rows[first + t] for t in range(width))
                    for first in range(len(rows) - width + 1)
                ]
                highest.append(max([0.0, *answers]) if net.config.rectify else max(answers))
        return np.array(highest)
    w, u, b, c = (part.detach().numpy() for part in net.lstm.parameters())
    hidden, cell = np.zeros(net.dims), np.zeros(net.dims)
    for row in rows:
        i, f, g, o = np.split(w @ row + b + u @ hidden + c, 4)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(cell)
    return hidden


@pytest.mark.parametrize(
    "config",
    [*CONFIGS, ConvolutionHeadConfig(widths=(2,), channels=3, rectify=True)],
    ids=["conv", "lstm", "rectified"],
)
@given(seed=st.integers(0, 10), steps=st.integers(3, 7))
def test_it_is_the_formula(config: ConvolutionHeadConfig | LstmHeadConfig, seed: int, steps: int) -> None:
    net, rows = drawn(config, seed), batch(2, steps)
    found = net.pooled(rows).detach().numpy()
    for n in range(2):
        np.testing.assert_allclose(found[n], by_hand(net, rows[n].numpy()), atol=1e-12)
    assert torch.allclose(net(rows), net.classify(net.pooled(rows)))
    assert found.shape == (2, net.dims)


@BOTH
def test_padding_changes_nothing_whatever_it_is(config: ConvolutionHeadConfig | LstmHeadConfig) -> None:
    net, rows, lengths = drawn(config), batch(3, 7), torch.tensor([7, 3, 5])
    rows[torch.arange(7) >= lengths[:, None]] = math.nan
    together = net(rows, lengths)
    for n, length in enumerate(lengths.tolist()):
        assert torch.allclose(together[n], net(rows[n : n + 1, :length])[0])
    together.sum().backward()
    assert all(part.grad is not None and part.grad.isfinite().all() for part in net.parameters())


@BOTH
def test_every_weight_gets_a_gradient_that_is_that_of_finite_differences(
    config: ConvolutionHeadConfig | LstmHeadConfig,
) -> None:
    net, rows = drawn(config), batch(3, 4).requires_grad_()
    torch.nn.functional.cross_entropy(net(rows), torch.tensor([0, 1, 2])).backward()
    for name, part in net.named_parameters():
        assert part.grad is not None, name
        assert (part.grad != 0).any(), name
    assert torch.autograd.gradcheck(lambda x: net(x), [rows])


def test_where_in_time_something_stands_has_no_effect_on_convolutions() -> None:
    """Seen whole by every filter, with nothing around it, at any place."""
    net = drawn(CONFIGS[0])
    rows, thing = torch.zeros(3, 9, 2, dtype=torch.float64), batch(1, 3)[0]
    for n, first in enumerate((2, 3, 4)):
        rows[n, first : first + 3] = thing
    assert torch.allclose(net(rows), net(rows[:1]).expand(3, 5))


def test_filters_of_one_step_do_not_see_the_order_and_wider_ones_and_the_lstm_do() -> None:
    rows = batch(2, 7)
    narrow = drawn(ConvolutionHeadConfig(widths=(1,), channels=3))
    assert torch.allclose(narrow(rows.flip(1)), narrow(rows))
    for config in CONFIGS:
        assert not torch.allclose(drawn(config)(rows.flip(1)), drawn(config)(rows))


def test_more_steps_only_raise_the_maxima() -> None:
    net, rows = drawn(CONFIGS[0]), batch(2, 7)
    assert (net.pooled(rows) >= net.pooled(rows[:, :5])).all()


def test_the_convolution_head_has_the_reports_size() -> None:
    assert subsequence_starts() == [0, 16, 32, 48, 64, 80, 96]
    net = ConvolutionHeadConfig().build(2048, 400)
    assert [layer(torch.zeros(1, 2048, 7)).shape[2] for layer in net.filters] == [1, 3, 5, 7]
    assert net.dims == 2048 == net.pooled(torch.zeros(2, 7, 2048)).shape[1]
    filters = sum(part.numel() for part in net.filters.parameters())
    assert filters == 512 * 2048 * (7 + 5 + 3 + 1) + 4 * 512


def test_the_lstm_head_has_the_reports_size() -> None:
    net = LstmHeadConfig().build(2048, 400)
    assert sum(part.numel() for part in net.lstm.parameters()) == 4 * 1024 * (2048 + 1024 + 2)
    assert net(torch.zeros(2, 7, 2048)).shape == (2, 400)


def test_a_short_sequence_stands_still_at_its_last_step_if_asked() -> None:
    """Held by the head is held by hand, whatever pads the batch; longer sequences do not notice."""
    config = ConvolutionHeadConfig(widths=(3, 2, 1), channels=4, hold=True)
    torch.manual_seed(0)
    net = config.build(2, 5).double()
    plain = ConvolutionHeadConfig(widths=(3, 2, 1), channels=4).build(2, 5).double()
    plain.load_state_dict(net.state_dict())
    rows, lengths = batch(4, 5), torch.tensor([1, 2, 3, 5])
    rows[0, 1:] = torch.nan
    by_hand = rows.clone()
    by_hand[0, 1:], by_hand[1, 2:] = rows[0, :1], rows[1, 1:2]
    wanted = plain(by_hand, torch.tensor([3, 3, 3, 5]))
    assert torch.allclose(net(rows, lengths), wanted)
    assert torch.allclose(net(rows[:1, :1]), wanted[:1])
    longer, counts = held(rows[:, :2], torch.tensor([1, 2, 2, 1]), steps=3)
    assert (longer.shape, counts.tolist()) == ((4, 3, 2), [3, 3, 3, 3])
    with pytest.raises(DataError, match="need lengths from 1 to 5 steps, got 0 to 2"):
        net(rows, torch.tensor([0, 1, 2, 1]))


def test_the_mean_over_snippets() -> None:
    logits = [torch.randn(2, 3, dtype=torch.float64) for _ in range(3)]
    found = snippet_mean(logits)
    assert torch.allclose(found, sum(part.softmax(1) for part in logits) / 3)
    assert torch.allclose(found.sum(1), torch.ones(2).double())
    assert torch.allclose(snippet_mean(logits[:1], of="logits"), logits[0])


def test_words() -> None:
    with pytest.raises(
        DataError, match="need a length, a stride and a sequence that holds one, got 32 frames every 16"
    ):
        subsequence_starts(31)
    for config in ({"widths": ()}, {"widths": (3, 0)}, {"channels": 0}):
        with pytest.raises(DataError, match="a convolution head needs widths and channels >= 1, got"):
            ConvolutionHeadConfig(**config)
    with pytest.raises(DataError, match="an LSTM head needs cells >= 1, got 0"):
        LstmHeadConfig(cells=0)
    with pytest.raises(DataError, match="sequences to aggregate need at least 3 steps, got 2"):
        drawn(CONFIGS[0])(batch(1, 2))
    with pytest.raises(DataError, match="sequences to aggregate need lengths from 3 to 5 steps, got 2 to 5"):
        drawn(CONFIGS[0])(batch(2, 5), torch.tensor([5, 2]))
    with pytest.raises(DataError, match="sequences to aggregate need lengths from 1 to 2 steps, got 0 to 0"):
        drawn(CONFIGS[1])(batch(1, 2), torch.tensor([0]))
    with pytest.raises(DataError, match="the mean over snippets needs at least one, got none"):
        snippet_mean([])
