"""R-C3D's net: maps of any length, what is proposed and found, the four losses, what is frozen and where it starts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from untrimmed.nets.backbone import save_weights
from untrimmed.nets.c3d import C3d
from untrimmed.nets.rc3d import STEP_FRAMES, Rc3dNet, Rc3dNetConfig
from untrimmed.nets.rc3d_losses import Losses, joint_loss, losses
from untrimmed.nets.small import SmallNet
from untrimmed.propose.temporal_anchors import step_anchors
from untrimmed.records import DataError
from untrimmed.timeline import tiou

TRUNK = C3d(width=2, hidden=8, input_size=(32, 32))
TINY = Rc3dNetConfig(trunk=TRUNK, scales=(1, 2, 4), dropout=0.0, proposals=20)


def _net(config: Rc3dNetConfig = TINY, *, seed: int = 0) -> Rc3dNet:
    torch.manual_seed(seed)
    return config.build(classes=3, channels=3)


def _batch(frames: int = 64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    pictures = torch.randint(0, 256, (2, 3, frames, 32, 32), generator=generator, dtype=torch.uint8)
    segments = torch.tensor([[[3.0, 21.0], [30.0, 60.0]], [[16.0, 48.0], [0.0, 0.0]]])
    return [pictures, torch.tensor([64.0, 50.0]), segments, torch.tensor([[0, 2], [1, -1]])]


@pytest.mark.parametrize("frames", [8, 16, 72])
def test_buffers_of_any_length_give_a_step_for_eight_frames(frames: int) -> None:
    net = _net()
    maps = net.maps(torch.zeros(1, 3, frames, 112, 112, dtype=torch.uint8))
    assert maps.shape == (1, 8 * TRUNK.width, frames // STEP_FRAMES, 7, 7)
    scores, offsets = net.proposed(maps)
    assert scores.shape == offsets.shape == (1, frames // STEP_FRAMES * 3, 2)


def test_the_published_net_has_the_papers_shapes() -> None:
    with torch.device("meta"):
        net = Rc3dNetConfig().build(classes=200, channels=3)
    assert net.context.weight.shape == (512, 512, 3, 3, 3)
    assert net.anchor_scores.weight.shape == net.anchor_offsets.weight.shape == (40, 512, 1)
    assert net.fc6.weight.shape == (4096, 512 * 4 * 4)
    assert net.classifier.weight.shape == (201, 4096)
    frozen = [layer for layer in net.trunk if isinstance(layer, nn.Conv3d) and not layer.weight.requires_grad]
    assert [layer.weight.shape[0] for layer in frozen] == [64, 128]


def test_scores_and_offsets_of_an_anchor_come_from_its_own_step_and_scale() -> None:
    net = _net()
    for head in (net.anchor_scores, net.anchor_offsets):
        nn.init.zeros_(head.weight)
        assert head.bias is not None
        with torch.no_grad():
            head.bias.copy_(torch.arange(6.0))  # scale by scale: 0 1, 2 3, 4 5
    scores, offsets = net.proposed(net.maps(torch.zeros(1, 3, 16, 32, 32)))
    assert scores[0].tolist() == offsets[0].tolist() == [[0, 1], [2, 3], [4, 5]] * 2


def test_maps_do_not_depend_on_what_else_is_in_the_batch() -> None:
    net = _net().eval()
    frames = _batch()[0]
    with torch.no_grad():
        together = net(frames, torch.tensor([64.0, 50.0]))
        for row, length in enumerate((64.0, 50.0)):
            alone = net(frames[row : row + 1], torch.tensor([length]))[0]
            np.testing.assert_allclose(alone.probabilities, together[row].probabilities, atol=1e-6)
            np.testing.assert_allclose(alone.refined, together[row].refined, atol=1e-4)


def test_what_is_found_lies_in_the_content_and_keeps_the_rules() -> None:
    net = _net(seed=3).eval()
    for head in (net.anchor_scores, net.anchor_offsets, net.classifier, net.regressor):
        nn.init.normal_(head.weight)  # a trained net's spread
    with torch.no_grad():
        found = net(_batch()[0], torch.tensor([64.0, 50.0]))
    for one, end in zip(found, (8.0, 6.25), strict=True):
        proposals = one.proposals
        assert 0 < len(proposals.scores) <= 20
        assert (np.diff(proposals.scores) <= 0).all()
        assert proposals.segments.min() >= 0
        assert proposals.segments.max() <= end
        overlaps = tiou(proposals.segments, proposals.segments)
        np.fill_diagonal(overlaps, 0)
        assert overlaps.max() <= 0.7
        assert one.probabilities.shape == (len(proposals.scores), 3)
        assert (one.probabilities.sum(axis=1) < 1).all()
        assert one.refined.min() >= 0
        assert one.refined.max() <= end


def test_a_net_that_knows_the_offsets_proposes_the_instance() -> None:
    net, instance = _net(), np.array([2.3, 6.1])
    anchors = step_anchors(8, TINY.scales)
    shift = (instance.sum() - anchors.sum(axis=1)) / 2 / (anchors[:, 1] - anchors[:, 0])
    stretch = np.log(3.8 / (anchors[:, 1] - anchors[:, 0]))
    offsets = torch.from_numpy(np.stack([shift, stretch], axis=1))
    found = net.candidates(torch.zeros_like(offsets), offsets, steps=8.0, most=10)
    np.testing.assert_allclose(found.segments, instance[None])  # all are the same, and one is left
    np.testing.assert_allclose(found.scores, 0.5)


def test_all_that_may_learn_gets_a_gradient_and_the_first_two_convolutions_stay() -> None:
    net = _net().train()
    joint_loss(net, _batch()).backward()
    still = [name for name, value in net.named_parameters() if value.grad is None or not value.grad.any()]
    assert still == ["trunk.0.weight", "trunk.0.bias", "trunk.3.weight", "trunk.3.bias"]
    free = _net(replace(TINY, frozen=0)).train()
    joint_loss(free, _batch()).backward()
    assert all(value.grad is not None for value in free.parameters())


def test_the_loss_is_the_sum_of_four_and_its_gradient_that_of_finite_differences() -> None:
    net, batch = _net(replace(TINY, trade_off=0.7)).double().eval(), _batch()
    batch[0] = batch[0][..., ::2, ::2].double() / 100 - 1

    def each() -> Losses:
        torch.manual_seed(0)
        return losses(net, batch[0], *batch[1:])

    torch.manual_seed(0)
    found, first = joint_loss(net, batch), each()
    assert torch.allclose(found, first.anchor_score + first.class_score + 0.7 * (first[1] + first[3]))
    # the heads say next to nothing at the start: log 2 of two kinds, log 4 of three classes and none
    assert first.anchor_score.item() == pytest.approx(np.log(2), abs=0.05)
    assert first.class_score.item() == pytest.approx(np.log(4), abs=0.05)

    def proposing() -> Tensor:  # where a proposal lies is no path for gradients, so that each subnet is held by itself
        return each()[0] + each()[1]

    def classifying() -> Tensor:
        return each()[2] + each()[3]

    _check_slope(proposing, net.anchor_scores.bias, net.anchor_offsets.weight, net.context.weight)
    _check_slope(classifying, net.regressor.bias, net.classifier.weight, net.fc6.weight)


def _check_slope(value: Callable[[], Tensor], *parameters: Tensor | None) -> None:
    for parameter in parameters:
        assert parameter is not None
        (gradient,) = torch.autograd.grad(value(), [parameter])
        place, step = int(gradient.abs().argmax()), 1e-6
        flat = parameter.detach().view(-1)
        flat[place] += step
        above = value().item()
        flat[place] -= 2 * step
        below = value().item()
        flat[place] += step
        assert (above - below) / (2 * step) == pytest.approx(gradient.flatten()[place].item(), rel=1e-3)


def test_padding_of_the_labels_teaches_nothing() -> None:
    net, batch = _net().eval(), _batch()
    padded = [*batch[:2], torch.cat([batch[2], torch.rand(2, 3, 2)], dim=1)]
    padded.append(torch.cat([batch[3], torch.full((2, 3), -1)], dim=1))
    values = []
    for one in (batch, padded):
        torch.manual_seed(0)
        values.append(joint_loss(net, one))
    assert torch.equal(*values)


def test_it_learns_one_batch_by_heart() -> None:
    config = replace(TINY, frozen=0, trunk=replace(TRUNK, width=4, hidden=32), offset_scale=(0.1, 0.2))
    net, batch = _net(config), _batch()
    pictures = batch[0][..., ::2, ::2] // 4
    for picture, segments, labels in zip(pictures, batch[2], batch[3], strict=True):
        for (first, past), label in zip(segments.int().tolist(), labels.tolist(), strict=True):
            picture[label, first:past] += 150  # a colour a class
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(100):
        torch.manual_seed(step)
        loss = joint_loss(net, [pictures, *batch[1:]])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found = net.eval()(pictures, batch[1])
    for one, segments, labels in zip(found, batch[2], batch[3], strict=True):
        for segment, label in zip(segments.numpy().astype(np.float64), labels.tolist(), strict=True):
            if label >= 0:
                best = one.probabilities[:, label].argmax()
                assert one.probabilities[best].argmax() == label
                assert tiou(one.refined[best, label][None], segment[None] / STEP_FRAMES) > 0.5


def test_it_starts_from_a_c3d_or_from_its_file(tmp_path: Path) -> None:
    torch.manual_seed(9)
    backbone = TRUNK.build(classes=7, channels=3)
    net = _net()
    net.start_from(backbone)
    path = tmp_path / "c3d.safetensors"
    save_weights(path, backbone)
    filed = _net(replace(TINY, trunk=replace(TRUNK, weights=path)))
    first = [layer.weight for layer in backbone.modules() if isinstance(layer, nn.Conv3d)]
    for other in (net, filed):
        own = [layer.weight for layer in other.trunk if isinstance(layer, nn.Conv3d)]
        assert len(own) == len(first) == 8
        assert all(torch.equal(a, b) for a, b in zip(own, first, strict=True))
    with pytest.raises(DataError, match="weights in a _SmallResnet do not fit Sequential"):
        net.start_from(SmallNet(width=2).build(classes=2, channels=3))


def test_bad_settings_are_named() -> None:
    with pytest.raises(DataError, match=r"scales > 0 and frozen >= 0, got \(\) and 2"):
        Rc3dNetConfig(scales=())
