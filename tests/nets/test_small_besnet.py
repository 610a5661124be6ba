"""The narrow BesNet: time is never strided, dilation is drawn in training only, and weights come back."""

from pathlib import Path

import pytest
import torch

from untrimmed.nets.backbone import save_weights
from untrimmed.nets.besnet import DrawnDilation
from untrimmed.nets.small_besnet import SmallBesNet
from untrimmed.records import DataError

SMALL = SmallBesNet(width=8, input_size=(32, 32), dropout=0.0)


def clips(frames: int, *, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (2, 3, frames, 32, 32), dtype=torch.uint8, generator=generator)


def test_it_takes_any_number_of_pictures_and_gives_one_row() -> None:
    net = SMALL.build(classes=4, channels=3).eval()
    for frames in (1, 5, 8, 20):
        assert net.pooled(clips(frames)).shape == (2, 64)
        assert net(clips(frames)).shape == (2, 4)


def test_space_is_seen_in_planes_and_time_in_lines() -> None:
    net = SMALL.build(classes=4, channels=3)
    kernels = {layer.kernel_size for layer in net.modules() if isinstance(layer, torch.nn.Conv3d)}
    assert kernels == {(1, 5, 5), (1, 3, 3), (1, 1, 1), (3, 1, 1)}
    drawn = [layer for layer in net.modules() if isinstance(layer, DrawnDilation)]
    assert len(drawn) == 8
    assert {layer.kernel_size for layer in drawn} == {(3, 1, 1)}
    strides = {layer.stride[0] for layer in net.modules() if isinstance(layer, torch.nn.Conv3d)}
    assert strides == {1}


def test_dilation_is_drawn_in_training_only_and_by_torchs_generator() -> None:
    torch.manual_seed(0)
    net = SMALL.build(classes=4, channels=3)
    for block in net.modules():
        if isinstance(block, torch.nn.BatchNorm3d):
            torch.nn.init.ones_(block.weight)  # so that the blocks, and not the shortcuts alone, speak
    x = clips(8)
    net.train()
    torch.manual_seed(1)
    first = net.pooled(x)
    torch.manual_seed(1)
    assert torch.equal(net.pooled(x), first)
    assert any(not torch.equal(net.pooled(x), first) for _ in range(4))
    net.eval()
    assert torch.equal(net.pooled(x), net.pooled(x))


def test_pictures_that_stand_still_in_the_middle_decide_by_their_maximum() -> None:
    """A clip that is played backwards under filters of one tap says the same, since the end is a maximum over time."""
    net = SMALL.build(classes=4, channels=3).eval()
    for layer in net.modules():
        if isinstance(layer, DrawnDilation):
            layer.weight.data[:, :, (0, 2)] = 0
    x = clips(6)
    torch.testing.assert_close(net.pooled(x.flip(2)), net.pooled(x))
    torch.testing.assert_close(net.pooled(torch.cat([x, x], dim=2)), net.pooled(x))


def test_gradients_reach_every_parameter_after_a_step() -> None:
    torch.manual_seed(0)
    net = SMALL.build(classes=4, channels=3).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):  # blocks start as their shortcuts: what is inside moves from the second step on
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(clips(5)), torch.tensor([0, 3])).backward()
        optimizer.step()
    for name, part in net.named_parameters():
        assert part.grad is not None, name
        assert bool((part.grad != 0).any()), name


def test_weights_come_back(tmp_path: Path) -> None:
    net = SMALL.build(classes=4, channels=3).eval()
    save_weights(tmp_path / "small.safetensors", net)
    again = SmallBesNet(width=8, input_size=(32, 32), dropout=0.0, weights=tmp_path / "small.safetensors")
    assert torch.equal(again.build(classes=7, channels=3).eval().pooled(clips(4)), net.pooled(clips(4)))


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match=r"frames and dilations >= 1 and a width in fours, got 8, \(1, 0\) and 32"):
        SmallBesNet(dilations=(1, 0)).build(classes=2, channels=3)
