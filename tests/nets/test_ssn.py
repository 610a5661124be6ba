"""SSN: scoring steps first is pooling first, gradients reach all, the loss by hand, items that hold what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from untrimmed.localize.ssn_samples import BACKGROUND, FOREGROUND, INCOMPLETE, UNUSED, SampleRule
from untrimmed.localize.structured import RELEASED, part_bounds, part_scales, range_means, stages, step_ranges
from untrimmed.nets.ssn import Answers, AnySsn, RegionLinear, SsnConfig, SsnNet, UnifiedConfig, UnifiedNet
from untrimmed.nets.ssn_items import Regions, SsnItems
from untrimmed.nets.ssn_loss import ssn_loss
from untrimmed.propose.anchors import decode
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

DIMS, CLASSES = 6, 3
GRID = TimeGrid(start=0.0, stride=0.5, window=0.5, steps=40)
CONFIGS: tuple[AnySsn, ...] = (
    SsnConfig(),
    SsnConfig(pyramid=RELEASED),
    UnifiedConfig(hidden=8),
)


def built(config: AnySsn) -> SsnNet | UnifiedNet:
    torch.manual_seed(0)
    net = config.build(DIMS, CLASSES)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    net.norm.running_mean.normal_()  # type: ignore[union-attr]
    net.norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return net.double()


def pooled_first(net: SsnNet | UnifiedNet, rows: np.ndarray, segments: np.ndarray) -> Answers:
    """Pool the normalised rows of every part, then apply the layers, as the paper draws it."""
    config = net.config
    found = stages(segments, extension=config.extension)
    bounds = part_bounds(found, config.pyramid)
    normal = net.norm(torch.from_numpy(rows)).detach().numpy()
    means = range_means(normal, step_ranges(bounds, GRID).reshape(-1, 2)).reshape(*bounds.shape[:2], -1)
    parts = torch.from_numpy(means * part_scales(found, 20.0, config.pyramid)[:, :, None])
    offsets = net.regression(parts).unflatten(1, (CLASSES, 2))
    if isinstance(net, UnifiedNet):
        return Answers(net.classifier(net.hidden(parts).relu()), None, offsets)
    course = range_means(normal, step_ranges(found[:, 1], GRID))
    return Answers(net.activity(torch.from_numpy(course)[:, None]), net.completeness(parts), offsets)


@pytest.mark.parametrize("config", CONFIGS)
def test_steps_scored_once_and_pooled_say_what_pooled_rows_say(config: AnySsn) -> None:
    net = built(config).eval()
    rows = np.random.default_rng(0).normal(size=(40, DIMS))
    segments = np.array([[0.0, 20.0], [1.2, 6.4], [15.0, 19.9], [7.0, 7.1], [0.0, 3.0]])
    found = stages(segments)
    ranges = torch.from_numpy(step_ranges(part_bounds(found, config.pyramid), GRID))
    course = torch.from_numpy(step_ranges(found[:, 1], GRID))
    scales = torch.from_numpy(part_scales(found, 20.0, config.pyramid))
    said = net.score(torch.from_numpy(rows), course, ranges, scales)
    for got, wanted in zip(said, pooled_first(net, rows, segments), strict=True):
        if got is None:
            assert wanted is None
        else:
            torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("config", CONFIGS)
def test_training_says_the_same_where_the_snippets_are_all_the_steps(config: AnySsn) -> None:
    config = replace(config, snippets=(2, 4, 2), dropout=0.0)
    net = built(config).eval()
    rows = np.random.default_rng(1).normal(size=(40, DIMS))
    segments = np.array([[4.0, 6.0]])
    scales = torch.from_numpy(part_scales(stages(segments), 20.0, config.pyramid))
    said = net(torch.from_numpy(rows[6:14])[None], scales)
    for got, wanted in zip(said, pooled_first(net, rows, segments), strict=True):
        if got is not None:
            torch.testing.assert_close(got, wanted)


def test_a_region_layer_is_a_linear_layer_on_the_parts_side_by_side() -> None:
    layer = RegionLinear(5, DIMS, 4).double()
    parts = torch.randn(7, 5, DIMS, dtype=torch.float64)
    flat = torch.nn.functional.linear(parts.flatten(1), layer.weight.flatten(1), layer.bias)
    torch.testing.assert_close(layer(parts), flat)


def listed(name: str, segments: np.ndarray, instances: np.ndarray, labels: tuple[int, ...]) -> Regions:
    whole = np.concatenate([segments, instances])
    return Regions(
        name, 20.0, whole, np.zeros(len(whole), np.int64), instances, np.array(labels, np.int64), own=len(segments)
    )


def regions(seed: int, labels: tuple[int, ...] = (0, 2)) -> Regions:
    generator = np.random.default_rng(seed)
    first = generator.uniform(1, 3)
    instances = np.array([[first, first + 5], [12.0, 17.0]])[: len(labels)]
    starts = generator.uniform(0, 16, 40)
    lengths = generator.uniform(0.5, 4, 40)
    near = instances[0] + generator.uniform(-0.4, 0.4, (6, 2))
    segments = np.concatenate([np.stack([starts, starts + lengths], axis=1), near])
    return listed(f"v{seed}", segments, instances, labels)


def items(config: AnySsn, count: int = 3) -> SsnItems:
    rows = {f"v{seed}": np.random.default_rng(seed).normal(size=(40, DIMS)) for seed in range(count)}
    return SsnItems(lambda name, _: (rows[name], GRID), [regions(seed) for seed in range(count)], config, SampleRule())


def batch_of(data: SsnItems) -> list[torch.Tensor]:
    own = [data.at(index, np.random.default_rng(index)) for index in range(len(data))]
    return [torch.stack(parts) for parts in zip(*own, strict=True)]


@pytest.mark.parametrize("config", CONFIGS)
def test_gradients_reach_every_parameter(config: AnySsn) -> None:
    torch.manual_seed(3)
    net = config.build(DIMS, CLASSES).train()
    ssn_loss(net, batch_of(items(config))).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_items_hold_what_they_say() -> None:
    config = SsnConfig()
    data = items(config)
    for seed in range(10):
        rows, scales, kinds, labels, goals = data.at(0, np.random.default_rng(seed))
        assert rows.shape == (8, 9, DIMS)
        assert scales.shape == (8, 5)
        assert kinds.tolist() == [FOREGROUND, BACKGROUND] + [INCOMPLETE] * 6
        assert int(labels[0]) in (0, 2)
        assert (goals[1:] == 0).all()
    again = data.at(0, np.random.default_rng(9))
    assert all(torch.equal(one, other) for one, other in zip(again, (rows, scales, kinds, labels, goals), strict=True))


def test_offsets_lead_from_the_proposal_to_its_instance() -> None:
    video = listed("v0", np.array([[4.0, 9.0], [5.5, 10.0]]), np.array([[5.0, 10.0]]), (1,))
    rule = SampleRule(counts=(3, 1, 1), foreground_tiou=0.6)
    data = SsnItems(lambda _, __: (np.ones((40, DIMS)), GRID), [video], SsnConfig(), rule)
    net = SsnConfig().build(DIMS, CLASSES)
    data.standardise(net)
    _, _, kinds, _, goals = data.at(0, np.random.default_rng(0))
    assert kinds.tolist() == [FOREGROUND] * 3 + [UNUSED] * 2
    shifts = net.shifts(goals[:3]).double().numpy()
    ends = {
        tuple(np.round(decode(segment[None], shift[None])[0], 3))
        for segment in np.array([[4.0, 9.0], [5.5, 10.0], [5.0, 10.0]])
        for shift in shifts
    }
    assert (5.0, 10.0) in ends
    shift = (np.array([0.2, 0.0]) + np.array([-0.25 / 4.5, np.log(5 / 4.5)])) / 2
    np.testing.assert_allclose(data.offset_mean, shift)  # of the two that are no instances themselves


def test_a_kind_that_nobody_has_is_not_learnt() -> None:
    video = listed("v0", np.zeros((0, 2)), np.array([[5.0, 10.0]]), (1,))
    data = SsnItems(lambda _, __: (np.ones((40, DIMS)), GRID), [video], SsnConfig(), SampleRule())
    batch = [part[None] for part in data.at(0, np.random.default_rng(0))]
    assert batch[2].tolist() == [[FOREGROUND] + [UNUSED] * 7]
    assert torch.isfinite(ssn_loss(SsnConfig().build(DIMS, CLASSES).eval(), batch))
    data.check()
    bare = listed("v0", np.array([[1.0, 5.0]]), np.zeros((0, 2)), ())
    with pytest.raises(DataError, match="a structured segment network needs annotated instances, but no video has any"):
        SsnItems(lambda _, __: (np.ones((40, DIMS)), GRID), [bare], SsnConfig(), SampleRule()).check()


def test_the_loss_by_hand() -> None:
    """Zero weights: logits of 0, completeness of 0, offsets of 0."""
    net = SsnConfig().build(DIMS, CLASSES).eval()
    for parameter in net.parameters():
        torch.nn.init.zeros_(parameter)
    kinds = torch.tensor([[FOREGROUND, BACKGROUND, INCOMPLETE, INCOMPLETE]])
    goals = torch.zeros(1, 4, 2)
    goals[0, 0] = torch.tensor([2.0, 0.5])
    batch = [torch.zeros(1, 4, 9, DIMS), torch.ones(1, 4, 5), kinds, torch.ones(1, 4, dtype=torch.long), goals]
    smooth = (1.5 + 0.125) / 2
    assert float(ssn_loss(net, batch).detach()) == pytest.approx(np.log(4) + 0.1 * 1.0 + 0.1 * 2 * smooth)
    unified = UnifiedConfig(hidden=2).build(DIMS, CLASSES).eval()
    for parameter in unified.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        unified.classifier.bias[0] = 1.0
    three, one = -np.log(np.e / (np.e + 3)), -np.log(1 / (np.e + 3))
    assert float(ssn_loss(unified, batch).detach()) == pytest.approx((3 * three + one) / 4 + 0.1 * 2 * smooth, rel=1e-5)
