"""The pose net: sizes, gradients, a loss that is least where the maps are right, peaks and people from maps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.nets.pose_net import CHEST, LAYOUT, REACH, Maps, NarrowPose, PoseNet, pose_loss
from untrimmed.nets.pose_peaks import bumps, gather_people, peaks, pointing
from untrimmed.records import DataError

JOINTS = len(LAYOUT.joints)
SHAPE = (36, 48)


@pytest.fixture(scope="module")
def net() -> PoseNet:
    torch.manual_seed(0)
    return NarrowPose(width=4).build()


@pytest.mark.parametrize("size", [(32, 32), (50, 71), (64, 96)])
def test_maps_have_a_quarter_of_the_size(net: PoseNet, size: tuple[int, int]) -> None:
    said = net.eval()(torch.zeros(2, 3, *size, dtype=torch.uint8))
    wanted = (-(-size[0] // 4), -(-size[1] // 4))
    assert said.logits.shape == (2, JOINTS, *wanted)
    assert said.field.shape == (2, 2, *wanted)


def test_gradients_reach_every_parameter(net: PoseNet) -> None:
    torch.manual_seed(1)
    net.train()
    torch.nn.init.normal_(net.last.weight, std=0.1)
    said = net(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    pose_loss(said, torch.rand_like(said.logits), torch.randn_like(said.field), torch.ones(2, 16, 16)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_loss_is_least_where_maps_and_field_are_right() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(1, JOINTS, 4, 5, dtype=torch.float64, generator=generator) * 0.98 + 0.01
    field = torch.randn(1, 2, 4, 5, dtype=torch.float64, generator=generator)
    near = (torch.rand(1, 4, 5, generator=generator) < 0.5).double()
    right = pose_loss(Maps(maps.logit(), field), maps, field, near)
    assert float(right) == pytest.approx(0, abs=1e-12)
    for _ in range(5):
        other = maps.logit() + 0.3 * torch.randn(maps.shape, dtype=torch.float64, generator=generator)
        assert float(pose_loss(Maps(other, field), maps, field, near)) > 0
    aside = field + REACH * (1 - near)  # does not count
    assert float(pose_loss(Maps(maps.logit(), aside), maps, field, near)) == pytest.approx(0, abs=1e-12)
    moved = torch.stack([field[:, 0] + REACH, field[:, 1]], dim=1)
    assert float(pose_loss(Maps(maps.logit(), moved), maps, field, near)) == pytest.approx(1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(2, 46), st.floats(2, 34)), min_size=1, max_size=1), st.floats(0.8, 2.0))
def test_the_peak_of_a_gaussian_is_found_between_the_cells(places: list[tuple[float, float]], sigma: float) -> None:
    points = np.array([[[x, y, 1.0] for x, y in places]])
    found = peaks(bumps(points, SHAPE, sigma=sigma)[0], least=0.3)
    best = found[0]
    np.testing.assert_allclose(best[:2], places[0], atol=1e-6)


def test_peaks_come_in_the_order_of_their_height() -> None:
    values = np.zeros((9, 9))
    values[2, 3], values[6, 6], values[6, 7], values[8, 0] = 0.5, 0.9, 0.7, 0.2
    found = peaks(values, least=0.3)
    np.testing.assert_allclose(found[:, 2], [0.9, 0.5])
    assert (found[1].astype(int)[:2] == (3, 2)).all()
    assert len(peaks(np.zeros((4, 4)), least=0.3)) == 0


def crowd(count: int, seed: int) -> np.ndarray:
    """People side by side, some joints missing, none at the same place as another's of the same kind."""
    generator = np.random.default_rng(seed)
    points = np.zeros((count, JOINTS, 3))
    points[:, :, 0] = (np.arange(count)[:, None] + 0.5) * SHAPE[1] / count + generator.uniform(-4, 4, (count, JOINTS))
    points[:, :, 1] = generator.uniform(3, SHAPE[0] - 3, (count, JOINTS))
    points[:, :, 2] = generator.random((count, JOINTS)) < 0.8
    points[:, CHEST, 2] = 1
    points[:, :, :2] *= points[:, :, 2:]
    return points


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (2, 1), (3, 2), (3, 3)])
def test_people_come_back_from_their_maps(count: int, seed: int) -> None:
    points = crowd(count, seed)
    maps = bumps(points, SHAPE, sigma=1.0)
    field, _ = pointing(points, SHAPE, within=1.5)
    # a joint's own cell points where the joint's person is, also where bodies overlap
    for person in points:
        for x, y, score in person:
            if score:
                field[:, int(y), int(x)] = person[CHEST, :2] - (int(x) + 0.5, int(y) + 0.5)
    found = gather_people(maps, field, least=0.3, astray=3.0, joints=2)
    assert len(found) == count
    order = [int(np.argmin(np.abs(found[:, CHEST, 0] - person[CHEST, 0]))) for person in points]
    same_cell = 0
    for person, own in zip(points, found[order], strict=True):
        close = (np.abs(own - person)[:, :2].max(axis=1) < 0.05) & ((own[:, 2] > 0) == (person[:, 2] > 0))
        same_cell += int((~close).sum())
    assert same_cell <= 2  # two joints of a kind less than two cells apart melt into one peak


def test_no_chest_no_person() -> None:
    points = crowd(2, 0)
    maps = bumps(points, SHAPE, sigma=1.0)
    maps[CHEST] = 0
    assert gather_people(maps, np.zeros((2, *SHAPE)), least=0.3, astray=3.0, joints=2).shape == (0, JOINTS, 3)


def test_a_person_needs_some_joints() -> None:
    points = np.zeros((1, JOINTS, 3))
    points[0, CHEST], points[0, 0] = (20, 20, 1), (22, 10, 1)
    maps, (field, _) = bumps(points, SHAPE, sigma=1.0), pointing(points, SHAPE, within=1.5)
    assert len(gather_people(maps, field, least=0.3, astray=3.0, joints=2)) == 1
    assert len(gather_people(maps, field, least=0.3, astray=3.0, joints=3)) == 0


def test_maps_of_several_people_are_the_highest_of_each() -> None:
    points = crowd(3, 5)
    one_by_one = [bumps(points[i : i + 1], SHAPE, sigma=1.3) for i in range(3)]
    np.testing.assert_allclose(bumps(points, SHAPE, sigma=1.3), np.max(one_by_one, axis=0))
    assert (bumps(points[:0], SHAPE, sigma=1.0) == 0).all()


def test_the_field_points_to_the_chest_of_the_nearer_person() -> None:
    points = np.zeros((2, JOINTS, 3))
    points[0, CHEST], points[1, CHEST] = (10, 10, 1), (30, 20, 1)
    points[:, 0] = (20, 15, 1)  # both noses in one place: the first person is in front
    field, near = pointing(points, SHAPE, within=1.5)
    y, x = np.nonzero(near)
    target = np.stack([x + 0.5, y + 0.5], axis=1) + field[:, y, x].T
    at_nose = np.hypot(x + 0.5 - 20, y + 0.5 - 15) <= 1.5
    np.testing.assert_allclose(target[at_nose], [[10, 10]] * int(at_nose.sum()))
    assert (field[:, near == 0] == 0).all()


def test_a_net_has_some_width() -> None:
    with pytest.raises(DataError, match="width of a pose net must be at least 1, got 0"):
        NarrowPose(width=0)
