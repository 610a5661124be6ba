"""Selection of sections: formulas by hand, convexity, limits, padding, gradients, learning from video labels only."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from untrimmed.aggregate.consensus import TopK
from untrimmed.aggregate.padding import own_steps
from untrimmed.aggregate.selection import SectionSelection, SelectionConfig, selection_loss, top_means
from untrimmed.records import DataError

torch.set_num_threads(1)
SOFT, HARD = SelectionConfig(mode="soft"), SelectionConfig(mode="hard", k=2)
BOTH = pytest.mark.parametrize("config", [SOFT, HARD], ids=["soft", "hard"])


def drawn(config: SelectionConfig, seed: int = 0) -> SectionSelection:
    torch.manual_seed(seed)
    return config.build(3, 4).double()


def batch(count: int, sections: int) -> Tensor:
    return torch.randn(count, sections, 3, dtype=torch.float64)


def softmax(values: list[float]) -> list[float]:
    powers = [math.exp(value) for value in values]
    return [power / sum(powers) for power in powers]


def by_hand(net: SectionSelection, rows: np.ndarray) -> list[float]:
    """Probabilities of one video by the paper's formulas, one section and one class after the other."""
    w, c = (part.detach().numpy() for part in (net.classify.weight, net.classify.bias))
    logits = [[float(w[k] @ row + c[k]) for k in range(4)] for row in rows]
    if net.attend is None:
        best = [sorted((row[k] for row in logits), reverse=True)[: net.config.k] for k in range(4)]
        return softmax([sum(values) / len(values) for values in best])
    weights = softmax([float(net.attend.weight[0].detach().numpy() @ row) for row in rows])
    shares = [softmax(row) for row in logits]
    return [sum(weight * share[k] for weight, share in zip(weights, shares, strict=True)) for k in range(4)]


@BOTH
@given(seed=st.integers(0, 20), sections=st.integers(1, 5))
def test_it_is_the_formula_and_a_distribution(config: SelectionConfig, seed: int, sections: int) -> None:
    net, rows = drawn(config, seed), batch(2, sections)
    found = net(rows).exp().detach()
    for n in range(2):
        np.testing.assert_allclose(found[n], by_hand(net, rows[n].numpy()), atol=1e-12)
    assert torch.allclose(found.sum(1), torch.ones(2).double())


@BOTH
def test_padding_changes_nothing_whatever_it_is(config: SelectionConfig) -> None:
    net, rows, lengths = drawn(config), batch(3, 5), torch.tensor([5, 1, 3])
    rows[torch.arange(5) >= lengths[:, None]] = math.nan
    together = net(rows, lengths)
    for n, length in enumerate(lengths.tolist()):
        assert torch.allclose(together[n], net(rows[n : n + 1, :length])[0])
    together.sum().backward()
    assert all(part.grad is not None and part.grad.isfinite().all() for part in net.parameters())


@BOTH
def test_the_order_of_sections_has_no_effect(config: SelectionConfig) -> None:
    net, rows = drawn(config), batch(2, 5)
    assert torch.allclose(net(rows[:, [3, 0, 4, 1, 2]]), net(rows))


@BOTH
def test_one_section_speaks_for_itself_and_equal_sections_with_one_voice(config: SelectionConfig) -> None:
    net, rows = drawn(config), batch(2, 1)
    assert torch.allclose(net(rows), net.classify(rows[:, 0]).log_softmax(1))
    assert torch.allclose(net(rows.expand(2, 6, 3)), net(rows))


def test_soft_selection_is_a_convex_combination_and_without_attention_the_mean() -> None:
    net, rows = drawn(SOFT), batch(4, 6)
    shares = net.classify(rows).softmax(2)
    found, weights = net(rows).exp(), net.attention(rows)
    assert torch.allclose(found, (weights[..., None] * shares).sum(1))
    assert torch.allclose(weights.sum(1), torch.ones(4).double())
    assert (weights > 0).all()
    assert (found <= shares.amax(1)).all()
    assert (found >= shares.amin(1)).all()
    assert net.attend is not None
    torch.nn.init.zeros_(net.attend.weight)
    assert torch.allclose(net(rows).exp(), shares.mean(1))
    torch.nn.init.constant_(net.attend.weight, 1e4)  # so sharp that the highest sum of features rules
    chosen = rows.sum(2).argmax(1)
    assert torch.allclose(net(rows).exp(), shares[torch.arange(4), chosen])


def test_hard_selection_goes_from_the_maximum_to_the_mean() -> None:
    scores = torch.randn(3, 5, 4, dtype=torch.float64)
    own = torch.ones(3, 5, dtype=torch.bool)
    assert torch.allclose(top_means(scores, own, k=1), scores.amax(1))
    assert torch.allclose(top_means(scores, own, k=5), scores.mean(1))
    assert torch.allclose(top_means(scores, own, k=50), scores.mean(1))
    means = [top_means(scores, own, k=k) for k in range(1, 6)]
    assert all((high >= low).all() for high, low in itertools.pairwise(means))
    for k, mean in enumerate(means, 1):
        assert torch.allclose(mean, TopK(k=k)(scores))


def test_hard_selection_counts_a_videos_own_sections_only() -> None:
    scores = torch.randn(2, 5, 4, dtype=torch.float64) - 9.0  # zeros that pad would win
    lengths = torch.tensor([2, 4])
    found = top_means(scores, own_steps(scores, lengths), k=3)
    assert torch.allclose(found[0], scores[0, :2].mean(0))
    assert torch.allclose(found[1], scores[1, :4].topk(3, dim=0).values.mean(0))


def test_hard_selection_reaches_only_what_it_takes() -> None:
    scores = torch.tensor([[[1.0, 0.0], [3.0, 5.0], [2.0, 4.0]]], requires_grad=True)
    top_means(scores, torch.ones(1, 3, dtype=torch.bool), k=2).sum().backward()
    assert scores.grad is not None
    assert scores.grad[0].tolist() == [[0, 0], [0.5, 0.5], [0.5, 0.5]]


@BOTH
def test_every_weight_gets_a_gradient_that_is_that_of_finite_differences(config: SelectionConfig) -> None:
    net, rows = drawn(config), batch(2, 4)
    members = torch.tensor([[1, 0, 0, 0], [0, 1, 1, 0]])
    selection_loss(net(rows), members).backward()
    for name, part in net.named_parameters():
        assert part.grad is not None, name
        assert (part.grad != 0).any(), name
    assert torch.autograd.gradcheck(lambda x: selection_loss(net(x), members), [rows.requires_grad_()])


def test_the_loss_shares_one_vote() -> None:
    logs = torch.randn(3, 4, dtype=torch.float64).log_softmax(1)
    labels = torch.tensor([2, 0, 1])
    one = torch.nn.functional.one_hot(labels, 4)
    assert torch.allclose(selection_loss(logs, one), torch.nn.functional.nll_loss(logs, labels))
    assert torch.allclose(selection_loss(logs, one > 0), selection_loss(logs, 5.0 * one))
    two = torch.tensor([[True, False, True, False]])
    assert selection_loss(logs[:1], two).item() == pytest.approx(-(logs[0, 0] + logs[0, 2]).item() / 2)


def test_from_labels_of_whole_videos_it_learns_which_sections_count() -> None:
    """Two sections of eight show the class and carry a mark; the rest are noise."""
    rng = np.random.default_rng(0)
    values, labels = rng.normal(0, 1, (480, 8, 5)).astype(np.float32), rng.integers(0, 4, 480)
    shown = rng.random((480, 8)).argsort(1)[:, :2]
    for n, label in enumerate(labels):
        values[n, shown[n], label] += 3.0
        values[n, shown[n], 4] += 3.0
    rows, members = torch.from_numpy(values), torch.nn.functional.one_hot(torch.from_numpy(labels), 4)
    torch.manual_seed(0)
    net = SOFT.build(5, 4)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        selection_loss(net(rows[:240]), members[:240]).backward()
        optimizer.step()
    assert (net(rows[240:]).argmax(1).numpy() == labels[240:]).mean() > 0.9
    held = net.attention(rows[240:]).detach().numpy()
    assert np.take_along_axis(held, shown[240:], axis=1).sum(1).mean() > 0.8


def test_words() -> None:
    with pytest.raises(DataError, match="hard selection needs k >= 1, got 0"):
        SelectionConfig(k=0)
    with pytest.raises(DataError, match="hard selection has no attention over sections; ask for mode 'soft'"):
        drawn(HARD).attention(batch(1, 2))
    with pytest.raises(DataError, match="sequences to aggregate need lengths from 1 to 2 steps, got 0 to 2"):
        drawn(SOFT)(batch(2, 2), torch.tensor([0, 2]))
    with pytest.raises(DataError, match="need a class for every video, got none in row 1"):
        selection_loss(torch.zeros(2, 3), torch.tensor([[1, 0, 0], [0, 0, 0]]))
