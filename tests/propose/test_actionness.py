"""Actionness: labels of steps, drawing, learning."""

import numpy as np
import torch

from untrimmed.propose.actionness import ActionnessConfig, StepItems, actionness, actionness_loss, step_labels
from untrimmed.records import Instance
from untrimmed.timeline import TimeGrid
from untrimmed.train import Run, Schedule, fit

torch.set_num_threads(1)
GRID = TimeGrid(start=0.0, stride=1.0, window=1.0, steps=40)


def test_labels_are_those_of_the_middles() -> None:
    instances = (Instance((2.4, 5.6), "a"), Instance((5.0, 7.5), "b"), Instance((20.1, 20.2), "a"))
    wanted = [
        float(any(i.segment[0] <= centre < i.segment[1] for i in instances) or number == 20)  # a short one marks one
        for number, centre in enumerate(GRID.centres)
    ]
    assert step_labels(instances, GRID).tolist() == wanted
    assert step_labels((), GRID).sum() == 0


def _videos(count: int) -> tuple[dict[str, np.ndarray], list[tuple[str, tuple[Instance, ...]]]]:
    rng = np.random.default_rng(0)
    rows, known = {}, []
    for number in range(count):
        start = rng.integers(0, 25)
        instance = Instance((float(start), float(start + 10)), "a")
        values = rng.normal(0, 1, (40, 6)).astype(np.float32)
        values[:, 2] += 3 * step_labels((instance,), GRID).astype(np.float32)
        rows[f"v{number}"] = values
        known.append((f"v{number}", (instance,)))
    return rows, known


def test_items_hold_both_kinds_and_follow_their_generator() -> None:
    rows, known = _videos(3)
    items = StepItems(lambda name: (rows[name], GRID), known, steps_a_video=16)
    values, labels = items.at(1, np.random.default_rng(0))
    assert values.shape == (16, 6)
    assert labels.sum() == 8
    again, _ = items.at(1, np.random.default_rng(0))
    other, _ = items.at(1, np.random.default_rng(1))
    assert torch.equal(values, again)
    assert not torch.equal(values, other)
    empty = StepItems(lambda name: (rows[name], GRID), [("v0", ())], steps_a_video=5)
    assert empty[0][1].tolist() == [0.0] * 5


def test_it_learns_what_tells_action_from_background() -> None:
    rows, known = _videos(12)
    torch.manual_seed(0)
    net = ActionnessConfig(hidden=16, dropout=0.1).build(6)
    items = StepItems(lambda name: (rows[name], GRID), known[:8])
    schedule = Schedule(steps=60, batch_size=4, optimizer="adam", learning_rate=0.01)
    fit(net, items, actionness_loss, schedule=schedule, run=Run(loaders=0, device="cpu"), name="actionness")
    for name, instances in known[8:]:
        curve = actionness(net, rows[name])
        labels = step_labels(instances, GRID)
        assert ((curve >= 0) & (curve <= 1)).all()
        assert ((curve > 0.5) == (labels > 0.5)).mean() > 0.8
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in net.parameters())
    assert actionness(net, np.zeros((0, 6), np.float32)).shape == (0,)
