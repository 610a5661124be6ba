"""The small inflated net: a still clip is the picture, whatever is inflated; its weights are those of the 2-D net."""

from pathlib import Path

import pytest
import torch

from untrimmed.nets.backbone import save_weights, without_weights
from untrimmed.nets.inflation_rules import Which
from untrimmed.nets.small import SmallNet
from untrimmed.nets.small_inflated import SmallInflated


@pytest.mark.parametrize("which", ["cubes", "pools", "flat"])
def test_of_a_still_clip_it_says_what_the_flat_net_says_of_the_picture(which: Which, tmp_path: Path) -> None:
    torch.manual_seed(0)
    flat = SmallNet(width=4).build(classes=1, channels=3).train()
    pictures = torch.randint(0, 255, (4, 3, 56, 56), dtype=torch.uint8)
    for _ in range(3):
        flat(pictures)  # running statistics of its own
    flat.eval()
    save_weights(tmp_path / "flat.safetensors", flat)
    config = SmallInflated(flat=SmallNet(width=4), which=which, weights=tmp_path / "flat.safetensors")
    solid = config.build(classes=5, channels=3).eval()
    clips = pictures[:, :, None].expand(-1, -1, 8, -1, -1)
    torch.testing.assert_close(solid.pooled(clips), flat.pooled(pictures), atol=1e-5, rtol=1e-4)
    assert without_weights(config).weights is None


def test_every_weight_gets_a_gradient() -> None:
    torch.manual_seed(0)
    net = SmallInflated(flat=SmallNet(width=4)).build(classes=3, channels=2)
    for block in net.modules():
        if isinstance(block, torch.nn.BatchNorm3d):
            torch.nn.init.ones_(block.weight)  # blocks start as their shortcuts
    net(torch.randint(0, 255, (2, 2, 8, 56, 56), dtype=torch.uint8)).square().sum().backward()
    still = [name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert still == []
