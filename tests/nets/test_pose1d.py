"""Pose nets: published sizes, padding, people, mirrors, preparation against a plain account, gradients."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from untrimmed.configs import from_plain, to_plain
from untrimmed.data.playground.skeleton import KEY_POINTS, STAND, joints
from untrimmed.data.skeletons import COCO17, JHMDB15, OPENPOSE18, PARTS, Layout, layout_of, mirrored
from untrimmed.nets.pose1d import (
    SMALL_FLAT,
    SMALL_HIERARCHICAL,
    FlatPose,
    HierarchicalPose,
    PoseConvolutions,
    PoseSequenceNet,
    window_shares,
)
from untrimmed.nets.pose_rows import TRUNK, Shaking, prepared, shaken, with_motion
from untrimmed.records import DataError

torch.set_num_threads(1)
SHORT = PoseConvolutions(channels=((6, 6), (6, 8)), strides=(1, 2), pool=3)
FLAT = FlatPose(layout="jhmdb15", first=(4, 6), trunk=SHORT, motion=True)
PARTED = HierarchicalPose(layout="jhmdb15", first=(4, 6), part=(3, 4), trunk=SHORT)
BOTH = pytest.mark.parametrize("config", [FLAT, PARTED], ids=["flat", "hierarchical"])


def drawn(shape: tuple[int, ...], *, seed: int = 0, lost: float = 0.2, layout: Layout = JHMDB15) -> Tensor:
    """Points (*shape, joints, 3)."""
    torch.manual_seed(seed)
    points = torch.randn(*shape, len(layout.joints), 3, dtype=torch.float64)
    points[..., 2] = torch.rand(points.shape[:-1]) * 0.8 + 0.2
    points[torch.rand(points.shape[:-1]) < lost] = 0
    return points


def built(config: FlatPose | HierarchicalPose, *, people: int = 1, seed: int = 0) -> PoseSequenceNet:
    torch.manual_seed(seed)
    net = config.build(3 * len(layout_of(config.layout).joints) * people, 5).double()
    for name, value in net.named_buffers():
        if "running" in name:  # statistics as after some training
            value.copy_(torch.rand_like(value) + 0.5 if "var" in name else torch.randn_like(value) / 10)
    for norm in (module for module in net.modules() if isinstance(module, torch.nn.BatchNorm1d)):
        torch.nn.init.normal_(norm.bias)
    return net


def without_dropout(net: PoseSequenceNet) -> PoseSequenceNet:
    net.dropout.p = 0.0
    return net


def all_of(points: Tensor) -> Tensor:
    return torch.ones(points.shape[:2], dtype=torch.bool)


def test_the_flat_net_has_the_reports_filters() -> None:
    net = FlatPose().build(54, 400)
    shapes = [tuple(part.shape) for name, part in net.named_parameters() if "convolutions" in name]
    sizes = [54, 128, 256, 256, 256, 256, 256, 256, 256, 512, 1024, 1024, 1024]
    assert shapes == [(after, before, 3) for before, after in pairwise(sizes)]
    assert net.classify.weight.shape == (400, 1024)
    steps = []
    own = torch.ones(1, 48, dtype=torch.bool)
    across = torch.zeros(1, 54, 48)
    for unit in (net.first[0], *net.trunk):
        across, own = unit(across, own)
        steps.append(across.shape[2])
    assert steps == [48, 48, 24, 12, 6, 6]  # table 4's sizes
    assert net.config.trunk.pool == steps[-1]


def test_the_hierarchical_net_has_a_unit_a_part() -> None:
    net = HierarchicalPose().build(54, 400)
    before = [unit.convolutions[0].in_channels for unit in net.first]
    assert before == [54, *(3 * len(OPENPOSE18.part(name)) for name in PARTS)]
    assert net.trunk[0].convolutions[0].in_channels == 6 * 256
    small = [SMALL_FLAT.build(54, 14), SMALL_HIERARCHICAL.build(54, 14)]
    counts = [sum(part.numel() for part in one.parameters()) for one in small]
    assert max(counts) < 400_000


@BOTH
@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_nothing_whatever_it_is(config: FlatPose | HierarchicalPose, training: bool) -> None:
    net = without_dropout(built(config))
    rows, lengths = drawn((3, 9)).flatten(2), torch.tensor([9, 4, 7])
    net.train(training)
    for fill in (0.0, math.nan, 7.0):
        rows[torch.arange(9) >= lengths[:, None]] = fill
        longer = torch.cat([rows, torch.full((3, 4, 45), fill, dtype=torch.float64)], dim=1)
        assert torch.allclose(net(rows, lengths), net(longer, lengths), atol=1e-9)
        if not training:
            together = net(rows, lengths)
            assert not torch.allclose(together[0], together[1])
            for n, length in enumerate(lengths.tolist()):
                assert torch.allclose(together[n], net(rows[n : n + 1, :length])[0], atol=1e-9)


@BOTH
def test_moving_and_enlarging_the_picture_changes_nothing(config: FlatPose | HierarchicalPose) -> None:
    net, points = built(config).eval(), drawn((2, 8))
    moved = points.clone()
    moved[..., :2] = torch.where(points[..., 2:] > 0, 40 * points[..., :2] + torch.tensor([300.0, -7.0]), 0)
    assert torch.allclose(net(points.flatten(2)), net(moved.flatten(2)))


@BOTH
def test_people_have_no_order_and_who_is_absent_has_no_effect(config: FlatPose | HierarchicalPose) -> None:
    net, points = built(config, people=3).eval(), drawn((2, 8, 3))
    points[1, :, 1] = 0
    found = net(points.flatten(2))
    assert torch.allclose(found, net(points[:, :, [2, 0, 1]].flatten(2)))
    fewer = built(config, people=2).eval()  # the filters do not know how many people there are
    assert torch.allclose(found[1], fewer(points[1:, :, [0, 2]].flatten(2))[0])
    alone = built(config).eval()
    each = torch.stack([alone(points[:1, :, person].flatten(2)) for person in range(3)])
    assert torch.allclose(found[:1], each.mean(0))
    empty = torch.zeros_like(points).flatten(2)
    assert net(empty).isfinite().all()


@BOTH
def test_every_weight_gets_a_gradient_that_is_that_of_finite_differences(config: FlatPose | HierarchicalPose) -> None:
    net, rows = without_dropout(built(config)).train(), drawn((4, 8)).flatten(2)
    target = torch.tensor([0, 1, 2, 3])
    torch.nn.functional.cross_entropy(net(rows), target).backward()
    generator = torch.Generator().manual_seed(1)
    for name, part in net.named_parameters():
        assert part.grad is not None, name
        assert (part.grad != 0).any(), name
        place = int(torch.randint(part.numel(), (), generator=generator))
        ends = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                part.view(-1)[place] += step
                ends.append(float(torch.nn.functional.cross_entropy(net(rows), target)))
                part.view(-1)[place] -= step
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(float(part.grad.view(-1)[place]), abs=1e-6), name


@given(length=st.integers(1, 12), width=st.integers(1, 8), padding=st.integers(0, 3))
def test_window_shares_are_the_mean_over_all_windows(length: int, width: int, padding: int) -> None:
    own = (torch.arange(length + padding) < length)[None]
    values = torch.randn(1, 1, length, dtype=torch.float64)
    used = min(width, length)
    wanted = values.unfold(2, used, 1).mean(3).mean()
    shares = window_shares(own, width, dtype=torch.float64)[0]
    assert float(shares[:length] @ values[0, 0]) == pytest.approx(float(wanted))
    assert float(shares.sum()) == pytest.approx(1)
    assert not shares[length:].any()


def plainly(points: np.ndarray, centre: str) -> np.ndarray:
    """prepared, for one sequence, step by step."""
    trunk = [JHMDB15.index(name) for name in TRUNK]
    middles, torsos, spread = {}, [], []
    for step, pose in enumerate(points):
        seen = pose[:, 2] > 0
        chosen = [joint for joint in trunk if seen[joint]] or list(np.flatnonzero(seen))
        if not chosen:
            continue
        middles[step] = pose[chosen, :2].mean(axis=0)
        spread += [((pose[joint, :2] - middles[step]) ** 2).sum() for joint in np.flatnonzero(seen)]
        if seen[trunk].all():
            torsos.append(np.linalg.norm(pose[trunk[:2], :2].mean(axis=0) - pose[trunk[2:], :2].mean(axis=0)))
    length = np.mean(torsos) if torsos else np.sqrt(np.mean(spread)) if spread else 1.0
    out = np.zeros_like(points)
    for step, pose in enumerate(points):
        for joint in np.flatnonzero(pose[:, 2] > 0):
            middle = middles[step] if centre == "step" else np.mean(list(middles.values()), axis=0)
            out[step, joint] = [*((pose[joint, :2] - middle) / length), pose[joint, 2]]
    return out


@given(seed=st.integers(0, 30), lost=st.sampled_from([0.0, 0.3, 0.8]), centre=st.sampled_from(["sequence", "step"]))
def test_preparing_is_what_it_says(seed: int, lost: float, centre: str) -> None:
    points = drawn((2, 5), seed=seed, lost=lost)
    given_points = points.clone()
    given_points[1, 3:] = math.nan
    own = torch.arange(5) < torch.tensor([5, 3])[:, None]
    found = prepared(given_points, JHMDB15, own=own, centre="step" if centre == "step" else "sequence")
    np.testing.assert_allclose(found[0], plainly(points[0].numpy(), centre), atol=1e-9)
    np.testing.assert_allclose(found[1, :3], plainly(points[1, :3].numpy(), centre), atol=1e-9)
    assert not found[1, 3:].any()


def test_a_standing_body_keeps_its_size_without_a_torso() -> None:
    body = torch.from_numpy(joints(STAND.array[None])[:, : len(KEY_POINTS)])[None]
    points = torch.cat([body[..., :2], torch.ones(1, 1, 18, 1)], dim=3)
    whole = prepared(points, OPENPOSE18, own=all_of(points))
    points[:, :, OPENPOSE18.index("left_hip")] = 0
    partly = prepared(points, OPENPOSE18, own=all_of(points))
    heights = [float(one[0, 0, :, 1].max() - one[0, 0, :, 1].min()) for one in (whole, partly)]
    assert heights[1] == pytest.approx(heights[0], rel=0.25)


@pytest.mark.parametrize("layout", [JHMDB15, OPENPOSE18, COCO17], ids=lambda layout: layout.name)
def test_shaking_mirrors_turns_and_loses_as_it_says(layout: Layout) -> None:
    points = prepared(drawn((64, 3), layout=layout), layout, own=torch.ones(64, 3, dtype=torch.bool))
    torch.testing.assert_close(shaken(points, layout, Shaking()), points)
    flipped = shaken(points, layout, Shaking(mirror=True))
    other = torch.from_numpy(mirrored(points.numpy(), layout))
    kept = (flipped == points).flatten(1).all(1)
    assert 16 < int(kept.sum()) < 48
    torch.testing.assert_close(flipped[~kept], other[~kept])
    turned = shaken(points, layout, Shaking(turn_degrees=20))
    lengths = [one[..., :2].norm(dim=3) for one in (points, turned)]
    torch.testing.assert_close(lengths[0], lengths[1])
    cosines = torch.nn.functional.cosine_similarity(points[..., :2], turned[..., :2], dim=3)[points[..., 2] > 0]
    assert math.cos(math.radians(20)) - 1e-9 < float(cosines.min()) < 0.96
    for how in (Shaking(jitter=0.1), Shaking(stretch=0.1), Shaking(turn_degrees=5, mirror=True)):
        changed = shaken(points, layout, how)
        assert not torch.equal(changed, points)
        assert not changed[changed[..., 2] == 0].any()
        torch.testing.assert_close(changed[..., 2].sort(dim=2).values, points[..., 2].sort(dim=2).values)
    lost = shaken(points, layout, Shaking(lost=0.5))
    gone = (lost[..., 2] == 0) & (points[..., 2] > 0)
    assert 0.4 < float(gone.sum() / (points[..., 2] > 0).sum()) < 0.6
    assert not (gone.any(1) & (lost[..., 2] > 0).any(1)).any()  # a joint is lost throughout or not at all


def test_shaking_is_for_training_alone() -> None:
    net = without_dropout(built(FlatPose(layout="jhmdb15", first=(4, 6), trunk=SHORT, shaking=Shaking(jitter=0.1))))
    rows = drawn((2, 8)).flatten(2)
    assert torch.equal(net.eval()(rows), net(rows))
    assert not torch.equal(net.train()(rows), net(rows))


def test_motion_is_the_way_since_the_step_before() -> None:
    points = drawn((2, 6))
    found = with_motion(points)
    torch.testing.assert_close(found[..., :3], points)
    assert not found[:, 0, :, 3:].any()
    for step in range(1, 6):
        both = ((points[:, step, :, 2] > 0) & (points[:, step - 1, :, 2] > 0))[..., None]
        wanted = torch.where(both, points[:, step, :, :2] - points[:, step - 1, :, :2], 0)
        torch.testing.assert_close(found[:, step, :, 3:], wanted)


@BOTH
def test_a_sequence_backwards_is_another(config: FlatPose | HierarchicalPose) -> None:
    net, rows = built(config).eval(), drawn((2, 8)).flatten(2)
    assert not torch.allclose(net(rows), net(rows.flip(1)))


@BOTH
def test_configurations_become_json_and_back(config: FlatPose | HierarchicalPose) -> None:
    assert from_plain(type(config), to_plain(config)) == config


def test_words() -> None:
    with pytest.raises(DataError, match="rows of openpose18 must have a multiple of 54 numbers, got 55"):
        FlatPose().build(55, 3)
    with pytest.raises(DataError, match="a pose net needs a stride a unit, sizes >= 1 and a dropout"):
        PoseConvolutions(strides=(1, 2))
    for sizes in ({"first": (0, 1)}, {"part": (3, 0)}):
        with pytest.raises(DataError, match="the first convolutions of a pose net need sizes >= 1, got"):
            HierarchicalPose(**sizes)
    with pytest.raises(DataError, match="shaking of poses needs numbers >= 0 and a lost share below 1, got"):
        Shaking(lost=1)
    with pytest.raises(DataError, match="key points of coco17 have 17 joints, got 15"):
        prepared(drawn((1, 2)), COCO17, own=torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(DataError, match="sequences to aggregate need lengths from 1 to 4 steps, got 0 to 0"):
        built(FLAT)(drawn((1, 4)).flatten(2), torch.tensor([0]))
