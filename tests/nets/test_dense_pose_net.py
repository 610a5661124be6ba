"""The dense pose net: sizes, gradients, a loss by hand, and tasks that can be left out."""

import math

import pytest
import torch

from untrimmed.nets.dense_pose import (
    NOT_DENSE,
    DenseMaps,
    DensePoseNet,
    DenseTruth,
    DenseWeights,
    NarrowDensePose,
    dense_pose_loss,
    part_probabilities,
)
from untrimmed.nets.pose_net import LAYOUT, Maps, pose_loss
from untrimmed.records import DataError

JOINTS = len(LAYOUT.joints)


def net() -> DensePoseNet:
    torch.manual_seed(0)
    return NarrowDensePose(width=4).build()


def truth(rows: int, columns: int) -> DenseTruth:
    generator = torch.Generator().manual_seed(1)
    size = (2, rows, columns)
    return DenseTruth(
        torch.rand(2, JOINTS, rows, columns, generator=generator),
        torch.randn(2, 2, rows, columns, generator=generator),
        torch.ones(size),
        torch.randint(0, 25, size, generator=generator),
        torch.rand(2, 2, rows, columns, generator=generator),
        torch.randn(2, 4, rows, columns, generator=generator),
    )


@pytest.mark.parametrize("size", [(32, 32), (50, 71)])
def test_maps_have_a_quarter_of_the_size(size: tuple[int, int]) -> None:
    said = net().eval()(torch.zeros(2, 3, *size, dtype=torch.uint8))
    cells = (-(-size[0] // 4), -(-size[1] // 4))
    assert said.pose.logits.shape == (2, JOINTS, *cells)
    assert said.parts.shape == (2, 25, *cells)
    assert said.places.shape == (2, 24, 2, *cells)
    assert said.shapes.shape == (2, 4, *cells)
    torch.testing.assert_close(part_probabilities(said.parts).sum(1), 1 - said.parts.softmax(1)[:, 0])


def test_gradients_reach_every_parameter() -> None:
    model = net().train()
    torch.nn.init.normal_(model.pose.last.weight, std=0.1)
    pictures = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    dense_pose_loss(model(pictures), truth(16, 16), DenseWeights()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_without_its_teacher_it_learns_joints_alone() -> None:
    model = net().train()
    pictures = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    said, wanted = model(pictures), truth(8, 8)
    alone = dense_pose_loss(said, wanted, NOT_DENSE)
    torch.testing.assert_close(alone, pose_loss(said.pose, wanted.maps, wanted.field, wanted.near))
    alone.backward()
    assert model.parts.weight.grad is None
    assert model.pose.last.weight.grad is not None


def test_each_task_by_hand() -> None:
    """Two cells, one of part 3: uniform logits, U and V of 0.5, shapes of 0."""
    zero = torch.zeros(1, JOINTS, 1, 2)
    pose = Maps(zero - 30, torch.zeros(1, 2, 1, 2))
    said = DenseMaps(pose, torch.zeros(1, 25, 1, 2), torch.full((1, 24, 2, 1, 2), 0.5), torch.zeros(1, 1, 1, 2))
    place = torch.zeros(1, 2, 1, 2)
    place[0, :, 0, 0] = torch.tensor([0.9, 0.52])
    wanted = DenseTruth(
        zero, torch.zeros(1, 2, 1, 2), torch.zeros(1, 1, 2), torch.tensor([[[3, 0]]]), place, torch.ones(1, 1, 1, 2) * 2
    )
    parts = dense_pose_loss(said, wanted, DenseWeights(places=0, shapes=0))
    assert float(parts) == pytest.approx(0.5 * math.log(25), rel=1e-5)
    places = dense_pose_loss(said, wanted, DenseWeights(parts=0, shapes=0))
    assert float(places) == pytest.approx(0.5 * ((0.4 - 0.05) + 0.02**2 / 0.2), rel=1e-4)
    shapes = dense_pose_loss(said, wanted, DenseWeights(parts=0, places=0))
    assert float(shapes) == pytest.approx(0.5 * 1.5, rel=1e-5)


def test_other_parts_places_do_not_count() -> None:
    generator = torch.Generator().manual_seed(2)
    pose = Maps(torch.zeros(2, JOINTS, 3, 3), torch.zeros(2, 2, 3, 3))
    wanted = truth(3, 3)
    places = torch.rand(2, 24, 2, 3, 3, generator=generator)
    own = (wanted.part - 1).clamp(min=0)[:, None, None].expand(-1, 1, 2, -1, -1)
    other = torch.rand(places.shape, generator=generator).scatter(1, own, places.gather(1, own))
    first, second = (
        dense_pose_loss(DenseMaps(pose, torch.zeros(2, 25, 3, 3), x, torch.zeros(2, 4, 3, 3)), wanted, DenseWeights())
        for x in (places, other)
    )
    torch.testing.assert_close(first, second)


def test_words() -> None:
    with pytest.raises(DataError, match="a dense pose net needs width and shapes >= 1, got 0 and 4"):
        NarrowDensePose(width=0)
