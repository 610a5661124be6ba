"""Temporal Xception: separable equals full convolution, blocks by hand, pooling to pieces, padding, gradients."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from untrimmed.aggregate.temporal_xception import (
    SeparableConvolution,
    TemporalBlock,
    TemporalXception,
    TemporalXceptionConfig,
    adaptive_maxima,
)
from untrimmed.records import DataError

torch.set_num_threads(1)
SMALL = TemporalXceptionConfig(pieces=4, blocks=2)


def drawn(dims: list[int], config: TemporalXceptionConfig = SMALL) -> TemporalXception:
    torch.manual_seed(0)
    return config.build(dims, 3).double()


def batch(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@given(seed=st.integers(0, 20), width=st.sampled_from([1, 3, 5]), pieces=st.integers(1, 6))
def test_separable_is_the_full_convolution_with_the_product_of_kernels(seed: int, width: int, pieces: int) -> None:
    torch.manual_seed(seed)
    layer, x = SeparableConvolution(4, width).double(), batch(2, 4, pieces)
    product = layer.pointwise.weight * layer.depthwise.weight.transpose(0, 1)  # (out, in, 1) and (1, in, width)
    assert torch.allclose(layer(x), functional.conv1d(x, product, padding=width // 2))
    deep, point = (part.weight.detach().numpy() for part in (layer.depthwise, layer.pointwise))
    found, values = layer(x).detach().numpy(), np.pad(x.numpy(), ((0, 0), (0, 0), (width // 2, width // 2)))
    for n, o, place in np.ndindex(*found.shape):
        seen = [sum(deep[i, 0, t] * values[n, i, place + t] for t in range(width)) for i in range(4)]
        assert found[n, o, place] == pytest.approx(sum(point[o, i, 0] * seen[i] for i in range(4)), abs=1e-12)


def test_separable_has_as_many_fewer_weights() -> None:
    weights = sum(part.numel() for part in SeparableConvolution(32, 3).parameters())
    assert weights == 32 * 3 + 32 * 32 < 32 * 32 * 3


def test_a_block_is_its_formula_with_the_statistics_of_the_batch_and_with_kept_ones() -> None:
    torch.manual_seed(0)
    block, x = TemporalBlock(4, 3).double(), batch(3, 4, 5)
    nn.init.normal_(block.norm.weight)
    nn.init.normal_(block.norm.bias)
    middle = block.first(x).detach().numpy()
    mean, spread = middle.mean(axis=(0, 2), keepdims=True), middle.var(axis=(0, 2), keepdims=True)
    gain, bias = (part.detach().numpy()[None, :, None] for part in (block.norm.weight, block.norm.bias))
    active = np.maximum((middle - mean) / np.sqrt(spread + 1e-5) * gain + bias, 0)
    assert torch.allclose(block(x), x + block.second(torch.from_numpy(active)))
    block.eval()
    mean, spread = (part.numpy()[None, :, None] for part in (block.norm.running_mean, block.norm.running_var))
    active = np.maximum((middle - mean) / np.sqrt(spread + 1e-5) * gain + bias, 0)
    assert torch.allclose(block(x), x + block.second(torch.from_numpy(active)))
    nn.init.zeros_(block.second.pointwise.weight)
    assert torch.equal(block(x), x)  # only the shortcut is left


@given(steps=st.integers(1, 12), pieces=st.integers(1, 7), seed=st.integers(0, 5))
def test_pooling_is_that_of_every_piece(steps: int, pieces: int, seed: int) -> None:
    torch.manual_seed(seed)
    rows = batch(2, steps, 3)
    found = adaptive_maxima(rows, pieces)
    assert torch.equal(found, functional.adaptive_max_pool1d(rows.transpose(1, 2), pieces))
    for piece in range(pieces):
        taken = [t for t in range(steps) if t * pieces < (piece + 1) * steps and (t + 1) * pieces > piece * steps]
        assert torch.equal(found[:, :, piece], rows[:, taken].amax(1))  # every step that overlaps the piece


def test_pooling_limits() -> None:
    rows = batch(2, 5, 3)
    assert torch.equal(adaptive_maxima(rows, 1)[..., 0], rows.amax(1))
    assert torch.equal(adaptive_maxima(rows, 5), rows.transpose(1, 2))
    assert torch.equal(adaptive_maxima(rows.repeat_interleave(3, dim=1), 5), rows.transpose(1, 2))  # slowed down
    assert torch.equal(adaptive_maxima(rows, 4).amax(2), rows.amax(1))


def test_with_lengths_padding_changes_nothing_and_without_them_it_counts_as_published() -> None:
    net = drawn([3, 2]).eval()
    sets, lengths = [batch(3, 9, 3), batch(3, 5, 2)], [torch.tensor([9, 1, 6]), torch.tensor([3, 5, 4])]
    for rows, own in zip(sets, lengths, strict=True):
        rows[torch.arange(rows.shape[1]) >= own[:, None]] = math.nan
    together = net(sets, lengths)
    for n in range(3):
        alone = [rows[n : n + 1, : own[n]] for rows, own in zip(sets, lengths, strict=True)]
        assert torch.allclose(net(alone)[0], together[n])
    together.sum().backward()
    assert all(part.grad is not None and part.grad.isfinite().all() for part in net.parameters())
    below = -torch.ones(1, 2, 3, dtype=torch.float64)
    filled = torch.cat([below, torch.zeros(1, 2, 3, dtype=torch.float64)], dim=1)
    assert adaptive_maxima(filled, 2)[0, 0].tolist() == [-1, 0]
    assert adaptive_maxima(filled, 1)[0, 0].tolist() == [0]
    assert adaptive_maxima(filled, 1, lengths=torch.tensor([2]))[0, 0].tolist() == [-1]


def test_streams_stand_side_by_side_and_the_net_is_its_parts() -> None:
    net = drawn([3, 2]).eval()
    sets = [batch(2, 9, 3), batch(2, 5, 2)]
    parts = []
    for rows, stream in zip(sets, net.streams, strict=True):
        x = functional.adaptive_max_pool1d(rows.transpose(1, 2), 4)
        for block in stream:
            x = block(x)
        parts.append(x.mean(2))
    assert torch.allclose(net.represent(sets), torch.cat(parts, dim=1))
    assert torch.allclose(net(sets), net.classify(torch.cat(parts, dim=1)))
    assert net.dims == 5 == net.classify.in_features


def test_time_backwards_through_kernels_backwards_is_the_same() -> None:
    net = drawn([3]).eval()
    rows = batch(2, 8, 3)
    forwards = net([rows])
    assert not torch.allclose(net([rows.flip(1)]), forwards)
    for block in net.streams[0]:
        for layer in (block.first, block.second):
            layer.depthwise.weight.data = layer.depthwise.weight.data.flip(2)
    assert torch.allclose(net([rows.flip(1)]), forwards)


def test_every_weight_gets_a_gradient_that_is_that_of_finite_differences() -> None:
    net = drawn([3, 2])
    sets = [batch(4, 9, 3), batch(4, 5, 2)]
    functional.cross_entropy(net(sets), torch.tensor([0, 1, 2, 0])).backward()
    for name, part in net.named_parameters():
        assert part.grad is not None, name
        assert (part.grad != 0).any(), name
    net.eval()
    assert torch.autograd.gradcheck(lambda x: net([x, sets[1][:1]]), [sets[0][:1].requires_grad_()])


def test_defaults_on_the_three_streams_of_the_report() -> None:
    net = TemporalXceptionConfig().build([1536, 1536, 128], 400).eval()
    assert net([torch.zeros(1, 20, 1536), torch.zeros(1, 20, 1536), torch.zeros(1, 10, 128)]).shape == (1, 400)


def test_words() -> None:
    for wrong in ({"pieces": 0}, {"width": 2}, {"blocks": 0}):
        with pytest.raises(DataError, match="a temporal Xception needs pieces and blocks >= 1 and an odd width >= 1"):
            TemporalXceptionConfig(**wrong)
    with pytest.raises(DataError, match="a temporal Xception needs at least one stream, got none"):
        SMALL.build([], 2)
    with pytest.raises(DataError, match="a temporal Xception of 2 streams needs a set a stream, got 1 sets"):
        drawn([3, 2])([batch(1, 2, 3)])
    with pytest.raises(DataError, match="a set a stream, got 1 sets and 2 lengths"):
        drawn([3])([batch(1, 2, 3)], [torch.tensor([1]), torch.tensor([1])])
    with pytest.raises(DataError, match="adaptive pooling needs pieces >= 1, got 0"):
        adaptive_maxima(batch(1, 2, 3), 0)
    with pytest.raises(DataError, match="sequences to aggregate need lengths from 1 to 2 steps, got 3 to 3"):
        drawn([3])([batch(1, 2, 3)], [torch.tensor([3])])
