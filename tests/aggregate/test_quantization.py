"""Deep quantization: scores equal gradients, bounds equal exact likelihoods, sums, limits, padding, learning."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from untrimmed.aggregate.quantization import DeepQuantization, QuantizationConfig, quantization_loss
from untrimmed.records import DataError

torch.set_num_threads(1)
SMALL = QuantizationConfig(hidden=4, code=2)


def drawn(seed: int = 0, config: QuantizationConfig = SMALL, *, classes: int = 0) -> DeepQuantization:
    torch.manual_seed(seed)
    net = config.build(3, classes).double()
    nn.init.normal_(net.log_variance)
    return net


def batch(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@given(seed=st.integers(0, 20), steps=st.integers(1, 5))
def test_the_score_is_the_gradient_feature_after_feature(seed: int, steps: int) -> None:
    net, rows = drawn(seed), batch(2, steps, 3)
    found = net.score(rows)
    assert found.shape == (2, net.dims) == (2, 3 * (4 + 2))
    for n in range(2):
        wanted = torch.zeros(net.dims, dtype=torch.float64)
        for row in rows[n]:
            code = net.posterior(row[None])[0].detach()
            parts = [net.decode.weight, net.decode.bias, net.log_variance]
            gradients = torch.autograd.grad(net.surprise(row[None], code)[0], parts)
            wanted += torch.cat([gradient.flatten() for gradient in gradients])
        assert torch.allclose(found[n], wanted)


def test_surprise_is_the_density_of_a_normal_distribution() -> None:
    net, rows, codes = drawn(), batch(6, 3), batch(6, 2)
    density = torch.distributions.Normal(net.decode(net.unfold(codes)), (net.log_variance / 2).exp())
    assert torch.allclose(net.surprise(rows, codes), -density.log_prob(rows).sum(1))


def linear(w: Tensor, b: Tensor, log_variance: Tensor) -> DeepQuantization:
    """f = w z + b + noise of such a variance, z one number, with the posterior it truly has; all of it linear.

    Two rectified units, of x and -x, give x back: their difference.
    """
    net = QuantizationConfig(hidden=2, code=1).build(3).double()
    precision = (-log_variance).exp()
    variance = 1 / (1 + (w * w * precision).sum())
    look = variance * w * precision  # the posterior mean is look . (f - b)
    pair = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    values = {
        "encode.0.weight": pair * look,
        "encode.0.bias": -(pair * (look * b).sum())[:, 0],
        "encode.2.weight": torch.stack([pair[:, 0], torch.zeros(2, dtype=torch.float64)]),
        "encode.2.bias": torch.tensor([0.0, variance.log().item()]),
        "unfold.0.weight": pair,
        "unfold.0.bias": torch.zeros(2),
        "decode.weight": w[:, None] * pair[:, 0],
        "decode.bias": b,
        "log_variance": log_variance,
    }
    net.load_state_dict(values)
    return net


def test_where_the_likelihood_is_known_the_bound_is_exact_with_the_true_posterior_and_above_it_with_another() -> None:
    torch.manual_seed(0)
    w, b, log_variance = batch(3), batch(3), batch(3)
    net, rows = linear(w, b, log_variance), batch(4, 3)
    exact = torch.distributions.MultivariateNormal(b, torch.outer(w, w) + torch.diag(log_variance.exp()))
    wanted = -exact.log_prob(rows)
    noise = batch(20_000, 1)
    noise = torch.cat([noise, -noise])  # in pairs, so that the mean over draws is close
    for row, value in zip(rows, wanted, strict=True):
        many = row.expand(len(noise), 3)
        assert net.bound(many, noise).mean().item() == pytest.approx(value.item(), abs=0.03)
    for change in (0.7, -0.7):
        other = linear(w, b, log_variance)
        with torch.no_grad():
            other.encode[2].bias += change  # another mean, another variance
        apart = 0.5 * (change**2 / math.exp(net.encode[2].bias[1].item()) + math.exp(change) - 1 - change)
        for row, value in zip(rows, wanted, strict=True):
            found = other.bound(row.expand(len(noise), 3), noise).mean().item()
            assert found == pytest.approx(value.item() + apart, abs=0.05)  # above it by the distance of the posteriors


def test_at_the_best_layer_the_scores_of_all_that_was_learnt_sum_to_nothing() -> None:
    net, rows = drawn(), batch(1, 40, 3)
    with torch.no_grad():
        hidden = net.unfold(net.posterior(rows[0])[0])
        seen = torch.cat([hidden, torch.ones(40, 1, dtype=torch.float64)], dim=1)
        best = torch.linalg.lstsq(seen, rows[0], driver="gelsd").solution
        net.decode.weight.copy_(best[:-1].T)
        net.decode.bias.copy_(best[-1])
        net.log_variance.copy_((rows[0] - seen @ best).square().mean(0).log())
    assert net.score(rows).abs().max() < 1e-9
    assert net.score(rows[:, :20]).abs().max() > 0.1
    assert torch.allclose(net.score(rows[:, :20]), -net.score(rows[:, 20:]))


def test_scores_add_up_and_the_vector_has_length_one_whatever_the_order_and_the_number() -> None:
    net, rows = drawn(), batch(2, 6, 3)
    assert torch.allclose(net.score(rows[:, :2]) + net.score(rows[:, 2:]), net.score(rows))
    found = net(rows)
    assert torch.allclose(found.norm(dim=1), torch.ones(2).double())
    assert torch.allclose(net(rows[:, [3, 0, 5, 4, 1, 2]]), found)
    assert torch.allclose(net(rows.repeat(1, 3, 1)), found)
    plain = drawn(config=QuantizationConfig(hidden=4, code=2, power=1.0))
    score = net.score(rows)
    assert torch.allclose(plain(rows), score / score.norm(dim=1, keepdim=True))
    assert torch.equal(found.sign(), score.sign())


def test_padding_changes_nothing_whatever_it_is() -> None:
    net, rows, lengths = drawn(), batch(3, 5, 3), torch.tensor([5, 1, 3])
    rows[torch.arange(5) >= lengths[:, None]] = math.nan
    together = net(rows, lengths)
    for n, length in enumerate(lengths.tolist()):
        assert torch.allclose(together[n], net(rows[n : n + 1, :length])[0])


@pytest.mark.parametrize("classes", [0, 3])
def test_every_weight_gets_a_gradient(classes: int) -> None:
    net = drawn(classes=classes)
    quantization_loss(net, [batch(20, 3), torch.arange(20) % 3]).backward()
    for name, part in net.named_parameters():
        assert part.grad is not None, name
        assert (part.grad != 0).any(), name


def test_the_classification_term_is_the_cross_entropy_of_features() -> None:
    net, rows, labels = drawn(classes=3), batch(20, 3), torch.arange(20) % 3
    torch.manual_seed(1)
    loss = quantization_loss(net, [rows, labels])
    torch.manual_seed(1)
    bound = net.bound(rows, torch.randn(20, 2, dtype=torch.float64)).mean()
    assert net.classify is not None
    term = nn.functional.cross_entropy(net.classify(net.posterior(rows)[0]), labels)
    assert torch.allclose(loss, bound + 0.1 * term)


def test_it_tells_apart_sets_whose_means_are_alike() -> None:
    """Two kinds of video, both with mean zero: features along one axis or along the other. Averages say nothing."""
    rng = np.random.default_rng(0)
    kinds = np.arange(24) % 2
    values = rng.normal(0, 0.2, (24, 60, 3)).astype(np.float32)
    values[np.arange(24), :, kinds] += rng.choice([-2.0, 2.0], (24, 60)).astype(np.float32)
    values -= values.mean(1, keepdims=True)
    rows = torch.from_numpy(values)
    torch.manual_seed(0)
    net = QuantizationConfig(hidden=16, code=2).build(3)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = quantization_loss(net, [rows[:12].flatten(0, 1)])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) - 0.5
    found = net(rows).detach().numpy()
    likeness = found[12:] @ found[:12].T
    assert (kinds[:12][likeness.argmax(1)] == kinds[12:]).mean() > 0.9


def test_words() -> None:
    for wrong in ({"hidden": 0}, {"code": 0}, {"classification": -1.0}, {"power": 0.0}, {"power": 1.5}):
        with pytest.raises(DataError, match="needs sizes >= 1, classification >= 0 and a power in"):
            QuantizationConfig(**wrong)
    with pytest.raises(DataError, match="sequences to aggregate need lengths from 1 to 2 steps, got 0 to 2"):
        drawn()(batch(2, 2, 3), torch.tensor([0, 2]))
