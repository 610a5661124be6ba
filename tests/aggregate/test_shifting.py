"""Shifting attention: the formula step by step, weights, lengths, order, padding, gates, gradients."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from untrimmed.aggregate.shifting import (
    ContextGating,
    MultiGroupConfig,
    MultiGroupShifting,
    ShiftingAttention,
    ShiftingConfig,
)
from untrimmed.records import DataError

torch.set_num_threads(1)


def drawn(
    seed: int = 0, *, attentions: int = 4, dims: int = 3, alpha: float = 1.0, beta: float = 10.0
) -> ShiftingAttention:
    torch.manual_seed(seed)
    net = ShiftingConfig(attentions=attentions, alpha=alpha, beta=beta).build(dims).double()
    torch.nn.init.normal_(net.scale)
    return net


def batch(count: int, steps: int, dims: int = 3) -> Tensor:
    return torch.randn(count, steps, dims, dtype=torch.float64)


def by_hand(net: ShiftingAttention, rows: np.ndarray) -> np.ndarray:
    """Equations 1 and 2, one attention and one step after the other."""
    w, a, b = (part.detach().numpy() for part in (net.score.weight, net.scale, net.shift))
    found = []
    for k in range(len(w)):
        powers = [
            math.exp(min(max(net.config.alpha * sum(w[k] * row), -net.config.beta), net.config.beta)) for row in rows
        ]
        moved = sum(power / sum(powers) * row for power, row in zip(powers, rows, strict=True)) * a[k] + b[k]
        found.append(moved / math.sqrt(sum(moved**2)))
    return np.array(found)


@given(seed=st.integers(0, 20), steps=st.integers(1, 6), alpha=st.sampled_from([0.0, 0.5, 3.0]))
def test_it_is_the_formula_and_every_answer_has_length_one(seed: int, steps: int, alpha: float) -> None:
    net = drawn(seed, alpha=alpha, beta=1.0)
    rows = batch(2, steps)
    found = net(rows).detach()
    for n in range(2):
        np.testing.assert_allclose(found[n], by_hand(net, rows[n].numpy()), atol=1e-12)
    assert torch.allclose(found.norm(dim=2), torch.ones(2, 4).double())
    assert net.dims == found[0].numel()


def test_padding_changes_nothing_whatever_it_is() -> None:
    net = drawn()
    rows, lengths = batch(3, 6), torch.tensor([6, 1, 4])
    rows[torch.arange(6) >= lengths[:, None]] = math.nan
    together, weights = net(rows, lengths), net.weights(rows, lengths)
    for n, length in enumerate(lengths.tolist()):
        assert torch.allclose(together[n], net(rows[n : n + 1, :length])[0])
        assert not weights[n, :, length:].any()
    together.sum().backward()
    assert all(part.grad is not None and part.grad.isfinite().all() for part in net.parameters())


def test_weights_are_a_distribution_and_sharpness_is_held() -> None:
    net = drawn(alpha=50.0, beta=1.5)
    weights = net.weights(batch(3, 7))
    assert torch.allclose(weights.sum(2), torch.ones(3, 4).double())
    assert (weights > 0).all()
    ratio = weights.amax(2) / weights.amin(2)
    assert (ratio <= math.exp(3.0) + 1e-9).all()
    assert ratio.max().item() == pytest.approx(math.exp(3.0))  # so sharp that both ends are cut


def test_without_sharpness_or_with_equal_rows_it_is_the_mean() -> None:
    rows = batch(2, 5)
    assert torch.allclose(drawn(alpha=0.0).weights(rows), torch.full((2, 4, 5), 0.2).double())
    equal = rows[:, :1].expand(2, 5, 3)
    assert torch.allclose(drawn().weights(equal), torch.full((2, 4, 5), 0.2).double())
    assert torch.allclose(drawn()(equal), drawn()(rows[:, :1]))


def test_the_order_of_steps_has_no_effect_and_neither_have_steps_that_stand_twice() -> None:
    net, rows = drawn(), batch(2, 5)
    assert torch.allclose(net(rows[:, [3, 0, 4, 1, 2]]), net(rows))
    assert torch.allclose(net(rows.repeat(1, 2, 1)), net(rows))


def test_without_a_shift_a_positive_scale_has_no_effect() -> None:
    net, rows = drawn(), batch(2, 5)
    torch.nn.init.zeros_(net.shift)
    torch.nn.init.constant_(net.scale, 0.3)
    once = net(rows)
    (once * batch(2, 4)).sum().backward()
    assert net.scale.grad is not None
    assert net.scale.grad.abs().max() < 1e-12
    torch.nn.init.constant_(net.scale, 7.0)
    assert torch.allclose(net(rows), once)
    assert not net(torch.zeros_like(rows)).any()  # what has no length stays zero


def test_two_attentions_that_look_alike_differ_by_their_shift() -> None:
    net = drawn(attentions=2)
    with torch.no_grad():
        net.score.weight[1] = net.score.weight[0]
        net.scale[1] = net.scale[0]
        net.shift.copy_(torch.tensor([0.0, 0.5]))
    first, second = net(batch(1, 4))[0]
    assert not torch.allclose(first, second)
    flat = torch.ones(3, dtype=torch.float64)
    assert second @ flat > first @ flat  # moved towards the diagonal


def test_each_group_is_as_long_as_the_next_and_equals_a_division_by_the_root_of_its_attentions() -> None:
    torch.manual_seed(0)
    groups = (ShiftingConfig(attentions=4), ShiftingConfig(attentions=9))
    net = MultiGroupConfig(groups=groups).build([3, 2], 5).double()
    sets = [batch(2, 6), batch(2, 4, 2)]
    found = net.represent(sets)
    assert net.dims == 4 * 3 + 9 * 2 == found.shape[1]
    parts = found.split([12, 18], dim=1)
    for part, group, rows in zip(parts, net.groups, sets, strict=True):
        assert torch.allclose(part.norm(dim=1), torch.ones(2).double())
        assert torch.allclose(part, group(rows).flatten(1) / math.sqrt(group.config.attentions))


def test_logits_are_those_of_the_vector_times_gates() -> None:
    torch.manual_seed(1)
    groups = (ShiftingConfig(attentions=2),)
    gated = MultiGroupConfig(groups=groups).build([3], 4).double()
    plain = MultiGroupConfig(groups=groups, gating=False).build([3], 4).double()
    plain.load_state_dict({name: value for name, value in gated.state_dict().items() if "gating" not in name})
    sets = [batch(3, 5)]
    logits = plain(sets)
    assert isinstance(gated.gating, ContextGating)
    assert torch.allclose(gated(sets), logits * gated.gating.gates(logits))


def test_gates_are_between_zero_and_one_and_keep_the_sign() -> None:
    torch.manual_seed(2)
    gating, rows = ContextGating(4).double(), torch.randn(6, 4, dtype=torch.float64)
    w, c = gating.gate.weight.detach().numpy(), gating.gate.bias.detach().numpy()
    for row, found in zip(rows.numpy(), gating(rows).detach().numpy(), strict=True):
        np.testing.assert_allclose(found, [x / (1 + math.exp(-(w[k] @ row + c[k]))) for k, x in enumerate(row)])
    assert ((gating.gates(rows) > 0) & (gating.gates(rows) < 1)).all()
    assert torch.equal(gating(rows).sign(), rows.sign())
    torch.nn.init.zeros_(gating.gate.weight)
    torch.nn.init.zeros_(gating.gate.bias)
    assert torch.allclose(gating(rows), rows / 2)


def test_groups_with_lengths_of_their_own() -> None:
    torch.manual_seed(3)
    net = MultiGroupConfig(groups=(ShiftingConfig(attentions=2),) * 2).build([3, 3], 4).double()
    sets, lengths = [batch(2, 5), batch(2, 3)], [torch.tensor([5, 2]), torch.tensor([1, 3])]
    together = net(sets, lengths)
    for n in range(2):
        alone = [rows[n : n + 1, : own[n]] for rows, own in zip(sets, lengths, strict=True)]
        assert torch.allclose(net(alone)[0], together[n])


def test_every_weight_gets_a_gradient() -> None:
    torch.manual_seed(4)
    net = MultiGroupConfig(groups=(ShiftingConfig(attentions=2),) * 3).build([3, 4, 5], 6)
    torch.nn.functional.cross_entropy(net([torch.randn(8, 5, k) for k in (3, 4, 5)]), torch.arange(8) % 6).backward()
    for name, part in net.named_parameters():
        assert part.grad is not None, name
        assert (part.grad != 0).any(), name


def test_the_gradient_is_that_of_finite_differences() -> None:
    net, rows = drawn(attentions=2), batch(1, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: net(x), [rows])


def test_words() -> None:
    for wrong in ({"attentions": 0}, {"alpha": -1.0}, {"beta": 0.0}):
        with pytest.raises(DataError, match="shifting attention needs attentions >= 1, alpha >= 0 and beta > 0, got"):
            ShiftingConfig(**wrong)
    with pytest.raises(DataError, match="multi-group shifting attention needs at least one group, got none"):
        MultiGroupConfig(groups=())
    with pytest.raises(DataError, match="every attention group needs dims, got 2 for 3 groups"):
        MultiGroupConfig().build([3, 4], 5)
    net: MultiGroupShifting = MultiGroupConfig(groups=(ShiftingConfig(attentions=1),)).build([3], 2)
    with pytest.raises(DataError, match="needs a set of features a group, got 2 sets"):
        net([torch.zeros(1, 2, 3), torch.zeros(1, 2, 3)])
    with pytest.raises(DataError, match="needs a set of features a group, got 1 sets and 0 lengths"):
        net([torch.zeros(1, 2, 3)], [])
    for lengths in ([0, 2], [1, 3]):
        with pytest.raises(DataError, match=f"need lengths from 1 to 2 steps, got {lengths[0]} to {lengths[1]}"):
            drawn()(batch(2, 2), torch.tensor(lengths))
