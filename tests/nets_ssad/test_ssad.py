"""Prop-SSAD: anchors and logits in one order, what the loss counts, gradients everywhere, learning."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from untrimmed.nets.ssad import SsadConfig, overlap_loss, targets
from untrimmed.records import DataError
from untrimmed.timeline import tiou

torch.set_num_threads(1)
SMALL = replace(SsadConfig(), steps=32, cells=(16, 8, 4, 2, 1), trunk_width=16, trunk_kernel=5, width=24)


def test_published_sizes() -> None:
    config = SsadConfig()
    anchors = config.anchors()
    assert len(anchors) == 126 * 5 + 3
    assert (anchors >= 0).all()
    assert (anchors <= 1).all()
    assert (anchors[:, 0] < anchors[:, 1]).all()
    assert (anchors == [0.0, 1.0]).all(axis=1).any()
    with torch.no_grad():
        assert config.build(3072)(torch.zeros(2, 256, 3072)).shape == (2, 633)


def test_logits_stand_in_the_order_of_the_anchors() -> None:
    torch.manual_seed(0)
    net = SMALL.build(5).eval()
    anchors = SMALL.anchors()
    centre = anchors.mean(axis=1)
    sequence = torch.randn(1, 32, 5)
    changed = sequence.clone()
    changed[:, -1] += 20.0  # the last step: anchors of the finest map feel it only near the end
    with torch.no_grad():
        felt = (net(sequence) - net(changed)).abs()[0].numpy() > 1e-6
    finest = slice(0, 16 * 5)
    assert not felt[finest][centre[finest] < 0.5].any()
    assert felt[finest][centre[finest] > 0.95].all()
    assert felt[-3:].all()  # the coarsest map sees everything


def test_targets_are_overlaps_and_every_instance_has_an_anchor() -> None:
    instances = np.array([[0.1, 0.4], [0.501, 0.506]])
    found = targets(SsadConfig(), instances)
    table = tiou(SsadConfig().anchors(), instances)
    for number in range(2):
        assert (found.positive & (found.instance == number)).any()
    free = ~found.positive
    np.testing.assert_allclose(found.overlap[free], table.max(axis=1)[free])
    assert not targets(SsadConfig(), np.zeros((0, 2))).positive.any()


def test_loss_counts_positives_hard_negatives_and_as_many_easy_ones() -> None:
    config = replace(SsadConfig(), easy_ratio=0.0)
    overlap = torch.tensor([[0.9, 0.2, 0.0, 0.1]])
    positive = torch.tensor([[True, True, False, False]])  # the second by the best-anchor rule
    logits = torch.logit(torch.tensor([[0.6, 0.7, 0.8, 0.3]]))
    counted = ((0.3**2 + 0.5**2 + 0.8**2) / 2) / 3  # the fourth is easy: drawn with probability 1 / 1
    all_four = ((0.3**2 + 0.5**2 + 0.8**2 + 0.2**2) / 2) / 4
    assert overlap_loss(logits, overlap, positive, config).item() == pytest.approx(all_four, rel=1e-5)
    hard_only = overlap_loss(logits[:, :3], overlap[:, :3], positive[:, :3], config)
    assert hard_only.item() == pytest.approx(counted, rel=1e-5)


def test_loss_draws_the_same_under_the_same_seed() -> None:
    logits, overlap = torch.randn(4, 633), torch.rand(4, 633) / 2
    positive = overlap > 0.48
    values = []
    for _ in range(2):
        torch.manual_seed(5)
        values.append(overlap_loss(logits, overlap, positive, SsadConfig()).item())
    assert values[0] == values[1]


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    net = SMALL.build(7)
    found = [targets(SMALL, np.array([[0.1 * i, 0.1 * i + 0.3]])) for i in range(4)]
    overlap = torch.tensor(np.stack([item.overlap for item in found]), dtype=torch.float32)
    positive = torch.tensor(np.stack([item.positive for item in found]))
    overlap_loss(net(torch.randn(4, 32, 7)), overlap, positive, SMALL).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_it_learns_where_a_bump_is() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net, anchors = SMALL.build(4), SMALL.anchors()

    def drawn(count: int) -> tuple[torch.Tensor, list[np.ndarray]]:
        rows, segments = rng.normal(0, 0.3, (count, 32, 4)), []
        for i in range(count):
            start, length = rng.integers(0, 20), rng.integers(4, 12)
            rows[i, start : start + length, 1] += 2
            segments.append(np.array([[start / 32, (start + length) / 32]]))
        return torch.tensor(rows, dtype=torch.float32), segments

    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(60):
        rows, segments = drawn(16)
        found = [targets(SMALL, item) for item in segments]
        overlap = torch.tensor(np.stack([item.overlap for item in found]), dtype=torch.float32)
        positive = torch.tensor(np.stack([item.positive for item in found]))
        optimizer.zero_grad()
        overlap_loss(net(rows), overlap, positive, SMALL).backward()
        optimizer.step()
    net.eval()
    rows, segments = drawn(30)
    with torch.no_grad():
        best = anchors[net(rows).argmax(dim=1).numpy()]
    reached = [tiou(best[i : i + 1], segments[i])[0, 0] for i in range(30)]
    assert np.mean(reached) > 0.55


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match=r"map lengths must halve .* got \(64, 31\) for 256 steps"):
        SsadConfig(cells=(64, 31))
    with pytest.raises(DataError, match="Prop-SSAD takes sequences of 32 steps, got 31"):
        SMALL.build(3)(torch.zeros(1, 31, 3))
