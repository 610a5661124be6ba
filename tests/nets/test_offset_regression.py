"""Offset regression: its targets tell the segment, its loss is the two by hand, its gradients reach everything."""

import numpy as np
import pytest
import torch
from torch import nn

from untrimmed.nets.offset_regression import OffsetConfig, OffsetNet, offset_loss
from untrimmed.nets.small import SmallNet
from untrimmed.records import DataError

SECONDS = OffsetConfig(unit="seconds", weight=0.5)


def test_targets_tell_the_segment() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        start, end = np.sort(rng.uniform(0, 60, 2)).tolist()
        moment = float(rng.uniform(start, end))
        since, until, whole = SECONDS.targets(moment, (start, end), 60.0)
        assert (moment - since, moment + until) == pytest.approx((start, end))
        assert since + until == pytest.approx(whole)
        assert OffsetConfig().targets(moment, (start, end), 60.0) == pytest.approx((since / 60, until / 60, whole / 60))


def test_a_moment_outside_counts_as_the_nearer_end() -> None:
    assert SECONDS.targets(1.0, (2.0, 5.0), 9.0) == (0.0, 3.0, 3.0)
    assert SECONDS.targets(7.0, (2.0, 5.0), 9.0) == (3.0, 0.0, 3.0)


def test_shares_of_the_video_do_not_see_its_speed() -> None:
    slow, fast = OffsetConfig().targets(8.0, (4.0, 10.0), 20.0), OffsetConfig().targets(4.0, (2.0, 5.0), 10.0)
    assert slow == pytest.approx(fast)


def test_the_loss_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    offsets = 3 * torch.randn(6, 4, 3, generator=generator, dtype=torch.float64)
    labels, targets = torch.tensor([0, 3, 1, 1, 2, 0]), torch.rand(6, 3, generator=generator, dtype=torch.float64)
    total = 0.0
    for row, label in enumerate(labels.tolist()):
        total -= float(logits[row].log_softmax(0)[label])
        for number in range(3):
            apart = abs(float(offsets[row, label, number] - targets[row, number]))
            total += 0.5 * (apart**2 / 2 if apart < 1 else apart - 0.5)
    assert float(offset_loss(logits, offsets, labels, targets, SECONDS)) == pytest.approx(total / 6, rel=1e-12)


def test_other_classes_offsets_do_not_matter() -> None:
    offsets = torch.randn(5, 4, 3, requires_grad=True)
    labels = torch.tensor([2, 0, 1, 1, 3])
    offset_loss(torch.randn(5, 4), offsets, labels, torch.rand(5, 3), SECONDS).backward()
    assert offsets.grad is not None
    for row, label in enumerate(labels.tolist()):
        touched = (offsets.grad[row] != 0).any(dim=1)
        assert touched.tolist() == [number == label for number in range(4)]


def test_gradients_reach_every_parameter_and_logits_are_the_backbones() -> None:
    torch.manual_seed(0)
    net = OffsetNet(SmallNet(width=4, input_size=(24, 24), dropout=0.0).build(classes=3, channels=3))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # blocks start as their shortcuts otherwise
    clips = torch.randint(0, 256, (6, 3, 24, 24), dtype=torch.uint8)
    logits, offsets = net(clips)
    assert offsets.shape == (6, 3, 3)
    offset_loss(logits, offsets, torch.tensor([0, 1, 2, 0, 1, 2]), torch.rand(6, 3), OffsetConfig()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad != 0).any(), name
    net.eval()
    torch.testing.assert_close(net(clips)[0], net.backbone(clips))


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match="weight of offset regression must be positive, got 0; take None to leave it"):
        OffsetConfig(weight=0)
