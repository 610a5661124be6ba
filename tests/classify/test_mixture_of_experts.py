"""Mixture of experts: against plain loops, logistic regression as a special case, gradients, words of errors."""

import math

import numpy as np
import pytest
import torch
from cloud_rows import clouds

from untrimmed.classify.mixture import MixtureConfig, MixtureOfExperts, RowItems, mixture_loss, mixture_scores
from untrimmed.records import DataError
from untrimmed.train import Run, Schedule, fit


def _net(dims: int = 5, classes: int = 3, mixtures: int = 4) -> MixtureOfExperts:
    torch.manual_seed(0)
    net = MixtureOfExperts(dims, classes, mixtures).double()
    torch.nn.init.normal_(net.experts.bias)
    return net


def test_forward_is_the_sum_written_out() -> None:
    net, rows = _net(), torch.randn(6, 5, dtype=torch.float64)
    found = net(rows).detach()
    gates = net.gates.weight.detach().view(3, 5, 5)
    experts, biases = net.experts.weight.detach().view(3, 4, 5), net.experts.bias.detach().view(3, 4)
    for n, row in enumerate(rows):
        for c in range(3):
            powers = [math.exp(float(gates[c, k] @ row)) for k in range(5)]
            wanted = sum(
                powers[k] / sum(powers) / (1 + math.exp(-float(experts[c, k] @ row + biases[c, k]))) for k in range(4)
            )
            assert float(found[n, c]) == pytest.approx(wanted, rel=1e-12)


def test_both_logs_are_exact_and_probabilities_bounded() -> None:
    net, rows = _net(), torch.randn(50, 5, dtype=torch.float64)
    yes, no = net.logs(rows)
    torch.testing.assert_close(yes.exp() + no.exp(), torch.ones(50, 3, dtype=torch.float64))
    far = net(1e4 * rows)
    assert ((far >= 0) & (far <= 1)).all()
    assert all(torch.isfinite(part).all() for part in net.logs(1e4 * rows))


@pytest.mark.parametrize("mixtures", [1, 4])
def test_without_a_pull_of_the_gates_it_is_a_share_of_the_mean_sigmoid(mixtures: int) -> None:
    net, rows = _net(mixtures=mixtures), torch.randn(6, 5, dtype=torch.float64)
    torch.nn.init.zeros_(net.gates.weight)
    experts = net.experts(rows).sigmoid().view(6, 3, mixtures)
    torch.testing.assert_close(net(rows), experts.sum(dim=2) / (mixtures + 1))


def test_one_expert_with_its_gate_open_is_logistic_regression() -> None:
    net = _net(mixtures=1)
    rows = torch.randn(6, 5, dtype=torch.float64)
    rows[:, 0] = 1.0  # a constant, by which the gates can be opened
    with torch.no_grad():
        gates = net.gates.weight.view(3, 2, 5)
        gates.zero_()
        gates[:, 0, 0] = 50.0
    torch.testing.assert_close(net(rows), net.experts(rows).sigmoid())
    members = (torch.rand(6, 3) < 0.5).double()
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(net.experts(rows), members, reduction="none")
    found = mixture_loss(net, [rows, members]) - net.held_back()
    torch.testing.assert_close(found, wanted.sum(dim=1).mean())


def test_loss_is_the_cross_entropy_and_the_penalty() -> None:
    net, rows = MixtureConfig(mixtures=2, penalty=0.3).build(5, 3).double(), torch.randn(8, 5, dtype=torch.float64)
    members = (torch.rand(8, 3) < 0.4).double()
    chance = net(rows)
    entropy = -(members * chance.log() + (1 - members) * (1 - chance).log()).sum(dim=1).mean()
    weights = (net.gates.weight**2).sum() + (net.experts.weight**2).sum()
    torch.testing.assert_close(mixture_loss(net, [rows, members]), entropy + 0.15 * weights)


def test_gradients_are_those_of_finite_differences() -> None:
    net = _net(dims=3, classes=2, mixtures=2)
    rows, members = torch.randn(4, 3, dtype=torch.float64), (torch.rand(4, 2) < 0.5).double()
    weights = [weight.detach().clone().requires_grad_() for weight in net.parameters()]
    names = [name for name, _ in net.named_parameters()]

    def loss(*given: torch.Tensor) -> torch.Tensor:
        state = {f"net.{name}": weight for name, weight in zip(names, given, strict=True)}
        yes, no = torch.func.functional_call(_Logs(net), state, rows)
        return -(members * yes + (1 - members) * no).sum()

    assert torch.autograd.gradcheck(loss, weights)


class _Logs(torch.nn.Module):
    def __init__(self, net: MixtureOfExperts) -> None:
        super().__init__()
        self.net = net

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.net.logs(rows)


def test_it_learns_what_no_single_sigmoid_can() -> None:
    """A class on both sides of another: experts share the work, by the training loop of the package."""
    rng = np.random.default_rng(0)
    rows = np.stack([rng.uniform(-1, 1, 400), np.ones(400)], axis=1)  # the gates have no bias: a constant is given
    members = np.stack([np.abs(rows[:, 0]) > 0.5, np.abs(rows[:, 0]) <= 0.5], axis=1)
    torch.manual_seed(0)
    net = MixtureConfig().build(2, 2)
    schedule = Schedule(epochs=60, batch_size=50, optimizer="adam", learning_rate=0.1)
    history = fit(
        net, RowItems(rows, members), mixture_loss, schedule=schedule, run=Run(device="cpu", loaders=0), name="mixture"
    )
    losses = [row.loss for row in history.rows]
    assert losses[-1] < 0.3 * losses[0]
    found = mixture_scores(net, rows)
    assert ((found > 0.5) == members).mean() > 0.95


def test_items_and_scores() -> None:
    rows, members = clouds(0, 9)
    items = RowItems(rows, members)
    row, mine = items[4]
    assert len(items) == 9
    assert row.dtype == mine.dtype == torch.float32
    np.testing.assert_allclose(row, rows[4], rtol=1e-6)
    np.testing.assert_array_equal(mine.bool(), members[4])
    net = _net(dims=6, classes=4)
    np.testing.assert_allclose(mixture_scores(net, rows), net(torch.from_numpy(rows)).detach(), atol=1e-12)
    assert mixture_scores(net, rows[:0]).shape == (0, 4)


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match="needs an expert or more and a penalty of 0 or more, got 0 and 1e-08"):
        MixtureConfig(mixtures=0)
    with pytest.raises(DataError, match="training rows need as many labels, got 3 rows and 2 labels"):
        RowItems(np.zeros((3, 2)), np.ones((2, 2), dtype=bool))
