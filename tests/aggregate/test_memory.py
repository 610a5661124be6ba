"""Memory attention: equations by hand, norms of slots, order of positions, limits, sampling, gradients."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from untrimmed.aggregate.memory import MemoryAttention, MemoryConfig, attend, normalised, sampled_positions
from untrimmed.records import DataError

torch.set_num_threads(1)


def drawn(dims: list[int], seed: int = 0, *, slots: int = 4, size: int = 5) -> MemoryAttention:
    torch.manual_seed(seed)
    net = MemoryConfig(slots=slots, size=size).build(dims, 3).double()
    for layers in (*net.look, *net.turn):
        for part in layers[1].parameters():  # so that the layer norm's own weights count
            nn.init.normal_(part)
    return net


def batch(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def layer_by_hand(layers: nn.Sequential, rows: np.ndarray) -> np.ndarray:
    """ReLU(layer norm(W x)) of one row after the other."""
    w, gain, bias = (part.detach().numpy() for part in layers.parameters())
    found = []
    for row in rows:
        y = w @ row
        centred = y - y.mean()
        found.append(np.maximum(centred / math.sqrt((centred**2).mean() + 1e-5) * gain + bias, 0))
    return np.array(found)


def attend_by_hand(x: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Equation 2, one position and one slot after the other."""
    total = np.zeros_like(c)
    for row in x:
        powers = [math.exp(row @ slot) for slot in c]
        for k, power in enumerate(powers):
            total[k] += power / sum(powers) * (row - c[k])
    rooted = np.array([[math.copysign(math.sqrt(abs(value)), value) for value in row] for row in total])
    slots = np.array([row / math.sqrt(sum(row**2)) for row in rooted])
    return slots / math.sqrt((slots**2).sum())


@given(seed=st.integers(0, 20), positions=st.integers(1, 6))
def test_attention_is_the_formula_and_every_slot_is_as_long_as_the_next(seed: int, positions: int) -> None:
    torch.manual_seed(seed)
    x, c = batch(2, positions, 5), batch(2, 4, 5)
    found = attend(x, c)
    for n in range(2):
        np.testing.assert_allclose(found[n], attend_by_hand(x[n].numpy(), c[n].numpy()), atol=1e-10)
    assert torch.allclose(found.norm(dim=2), torch.full((2, 4), 1 / math.sqrt(4)).double())


def test_the_net_is_the_equations_scale_after_scale() -> None:
    net = drawn([3, 6])
    maps = [batch(2, 7, 3), batch(2, 4, 6)]
    found = net.remember(maps)
    for n in range(2):
        c = net.start.detach().numpy()
        for x, look, turn in zip(maps, net.look, net.turn, strict=True):
            c = layer_by_hand(turn, attend_by_hand(layer_by_hand(look, x[n].numpy()), c))
        np.testing.assert_allclose(found[n].detach(), c, atol=1e-10)
    assert (found >= 0).all()
    assert torch.allclose(net(maps), net.classify(found.flatten(1)))


def test_one_scale_is_the_plain_formula_and_scales_are_taken_in_turn() -> None:
    net = drawn([3, 3])
    one, maps = drawn([3]), [batch(2, 7, 3), batch(2, 4, 3)]
    names = {name for name, _ in one.named_parameters()}
    one.load_state_dict({name: value for name, value in net.state_dict().items() if name in names})
    once = one.remember(maps[:1])
    start = net.start.expand(2, -1, -1)
    assert torch.allclose(once, net.turn[0](attend(net.look[0](maps[0]), start)))
    assert torch.allclose(net.remember(maps), net.turn[1](attend(net.look[1](maps[1]), once)))
    assert not torch.allclose(net.remember(maps), net.remember(maps[::-1]))


def test_the_order_of_positions_has_no_effect_and_neither_have_positions_that_stand_twice() -> None:
    net, x = drawn([3]), batch(2, 5, 3)
    once = net([x])
    assert torch.allclose(net([x[:, [3, 0, 4, 1, 2]]]), once)
    assert torch.allclose(net([x.repeat(1, 2, 1)]), once)  # twice the sum has the same direction


def test_the_scale_of_a_map_has_no_effect() -> None:
    net, x = drawn([3]), batch(2, 5, 3)
    assert torch.allclose(net([1000 * x]), net([100 * x]), atol=1e-4)  # the layer norm takes it out


def test_one_slot_gets_the_sum_of_what_it_lacks() -> None:
    x, c = batch(2, 6, 5), batch(2, 1, 5)
    rooted = (x - c).sum(1).sign() * (x - c).sum(1).abs().sqrt()
    assert torch.allclose(attend(x, c)[:, 0], rooted / rooted.norm(dim=1, keepdim=True))


def test_slots_in_another_order_give_the_same_in_that_order() -> None:
    x, c = batch(2, 6, 5), batch(2, 4, 5)
    assert torch.allclose(attend(x, c[:, [2, 0, 3, 1]]), attend(x, c)[:, [2, 0, 3, 1]])


def test_normalising_keeps_signs_evens_out_bursts_and_leaves_nothing_at_nothing() -> None:
    values = torch.tensor([[[4.0, -9.0], [0.0, 0.0], [1.0, 0.0]]], dtype=torch.float64, requires_grad=True)
    found = normalised(values)
    half = math.sqrt(0.5)
    wanted = torch.tensor([[2 / math.sqrt(13) * half, -3 / math.sqrt(13) * half], [0, 0], [half, 0]]).double()
    assert torch.allclose(found[0], wanted, atol=1e-7)
    found.sum().backward()
    assert values.grad is not None
    assert values.grad.isfinite().all()
    assert torch.allclose(normalised(7 * values), found)


def test_every_weight_gets_a_gradient_that_is_that_of_finite_differences() -> None:
    net, maps = drawn([3, 6]), [batch(2, 7, 3), batch(2, 4, 6)]
    nn.functional.cross_entropy(net(maps), torch.tensor([0, 2])).backward()
    for name, part in net.named_parameters():
        assert part.grad is not None, name
        assert (part.grad != 0).any(), name
    x, c = batch(1, 3, 4).requires_grad_(), batch(1, 2, 4).requires_grad_()
    assert torch.autograd.gradcheck(attend, [x, c])


def test_sizes_of_a_deep_resnet() -> None:
    net = MemoryConfig(slots=3, size=8).build([512, 1024, 2048], 400)
    maps = [torch.randn(1, 16, channels, k, k) for channels, k in ((512, 28), (1024, 14), (2048, 7))]
    rows = [sampled_positions(part) for part in maps]
    assert [part.shape for part in rows] == [(1, 16 * 28, 512), (1, 16 * 14, 1024), (1, 16 * 7, 2048)]
    assert net(rows).shape == (1, 400)
    assert net.dims == 24


def test_sampled_positions_are_k_of_each_frame_all_alike_and_none_twice() -> None:
    k, frames = 4, 3
    maps = torch.arange(2 * frames * k * k, dtype=torch.float64).reshape(2, frames, 1, k, k).expand(-1, -1, 2, -1, -1)
    seen: Counter[float] = Counter()
    for seed in range(200):
        rows = sampled_positions(maps, torch.Generator().manual_seed(seed))
        assert torch.equal(rows[..., 0], rows[..., 1])  # all channels of one position
        for n in range(2):
            for frame, part in enumerate(rows[n, :, 0].split(k)):
                values = part.tolist()
                seen.update(values)
                assert len(set(values)) == k
                assert all((n * frames + frame) * k * k <= value < (n * frames + frame + 1) * k * k for value in values)
    assert len(seen) == maps[:, :, 0].numel()
    assert all(20 <= count <= 80 for count in seen.values())  # 50 times each in the mean, deviation 6.1
    again = [sampled_positions(maps, torch.Generator().manual_seed(1)) for _ in range(2)]
    assert torch.equal(*again)


def test_words() -> None:
    for wrong in ({"slots": 0}, {"size": 1}):
        with pytest.raises(DataError, match="a memory needs slots >= 1 and a size >= 2, got"):
            MemoryConfig(**wrong)
    with pytest.raises(DataError, match="a memory needs at least one feature map to look at, got none"):
        MemoryConfig().build([], 3)
    with pytest.raises(DataError, match="a memory of 2 scales needs a feature map a scale, got 1"):
        drawn([3, 6])([batch(1, 2, 3)])
