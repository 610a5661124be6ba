"""Recurrent nets: padding changes nothing, losses equal hand loops, weights as published, gradients, learning."""

import itertools
import math
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from untrimmed.nets.label_sequences import LabelSequences, step_classes
from untrimmed.nets.multitask_lstm import (
    PADDING,
    MultitaskConfig,
    MultitaskLoss,
    MultitaskNet,
    class_shares,
    curves,
    has_transition,
    span_labels,
)
from untrimmed.nets.recurrent import RecurrentConfig, padded
from untrimmed.propose.runs import regions
from untrimmed.records import DataError, Instance
from untrimmed.timeline import TimeGrid, tiou
from untrimmed.train import Run, Schedule, fit

torch.set_num_threads(1)
SMALL = MultitaskConfig(cells=6, sequence_steps=8, span_steps=4)
SUBSETS = [flags for flags in itertools.product((False, True), repeat=3) if any(flags)]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_hand(lstm: nn.LSTM, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Last hidden and cell state of the last layer, and its outputs, by the equations of the paper."""
    for layer in range(lstm.num_layers):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w, u, b, c = (getattr(lstm, f"{name}_l{layer}").detach().double().numpy() for name in names)
        cells = u.shape[1]
        hidden, cell, out = np.zeros(cells), np.zeros(cells), []
        for row in rows:
            i, f, g, o = np.split(w @ row + b + u @ hidden + c, 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            hidden = sigmoid(o) * np.tanh(cell)
            out.append(hidden)
        rows = np.array(out)
    return hidden, cell, rows


@pytest.mark.parametrize("memory", ["cell", "hidden"])
def test_the_aggregate_is_the_memory_at_each_sequences_own_end(memory: Literal["cell", "hidden"]) -> None:
    torch.manual_seed(0)
    net = RecurrentConfig(cells=5, memory=memory).build(3).double()
    sequences = [torch.randn(length, 3, dtype=torch.float64) for length in (4, 7, 1, 6)]
    rows, lengths = padded(sequences)
    assert rows.shape == (4, 7, 3)
    together = net(rows, lengths)
    rows[torch.arange(7) >= lengths[:, None]] = math.nan  # padding is never looked at
    assert torch.allclose(net(rows, lengths), together)
    for number, alone in enumerate(sequences):
        assert torch.allclose(net(alone[None], lengths[number : number + 1])[0], together[number])
        hidden, cell, _ = by_hand(net.lstm, alone.numpy())
        assert np.allclose(together[number].detach(), cell if memory == "cell" else hidden)
    assert together.shape == (4, net.dims)


def test_the_aggregate_has_the_reports_size() -> None:
    net = RecurrentConfig().build(500)
    sizes = [4 * 1024 * (dims + 1024 + 2) for dims in (500, 1024)]  # 2 layers, 1024 cells each, torch's two biases
    assert sum(weight.numel() for weight in net.parameters()) == sum(sizes)
    assert net(torch.zeros(2, 3, 500), torch.tensor([3, 1])).shape == (2, 1024)


def test_every_weight_of_the_aggregate_gets_a_gradient() -> None:
    net = RecurrentConfig(cells=4, dropout=0.2).build(3)
    net(torch.randn(2, 5, 3), torch.tensor([5, 2])).pow(2).sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in net.parameters())


def test_padding_changes_nothing_of_the_multitask_net() -> None:
    torch.manual_seed(0)
    net = SMALL.build(dims=3, classes=2).double()
    rows = torch.randn(1, 6, 3, dtype=torch.float64)
    short = net(rows, torch.tensor([6]))
    filled = torch.cat([rows, torch.full((1, 10, 3), 7.0, dtype=torch.float64)], dim=1)
    long = net(filled, torch.tensor([6]))
    assert torch.allclose(long.steps[:, :6], short.steps)
    assert torch.allclose(long.actionness[:, :6], short.actionness)
    assert torch.allclose(long.spans[:, :2], short.spans)
    labels = torch.tensor([[0, 0, 1, 1, 2, 2]])
    filled_labels = torch.cat([labels, torch.full((1, 10), PADDING)], dim=1)
    loss = MultitaskLoss()
    assert torch.allclose(loss(net, [rows, labels]), loss(net, [filled, filled_labels]))
    assert span_labels(filled_labels, 4, 3).tolist() == [[1, 2, PADDING, PADDING]]


@pytest.mark.parametrize("own", [False, True])
def test_the_heads_are_what_they_say(own: bool) -> None:
    torch.manual_seed(1)
    net = MultitaskConfig(cells=5, sequence_steps=6, span_steps=3, own_actionness=own).build(dims=3, classes=4).double()
    rows = torch.randn(1, 6, 3, dtype=torch.float64)
    said = net(rows, torch.tensor([6]))
    _, _, out = by_hand(net.lstm, rows[0].numpy())
    assert np.allclose(said.steps[0].detach(), net.step(torch.from_numpy(out)).detach())
    for number in range(2):
        joined = torch.from_numpy(out[3 * number : 3 * number + 3].reshape(-1))
        assert np.allclose(said.spans[0, number].detach(), net.span(joined).detach())
    probability = said.actionness.sigmoid()
    background = said.steps.softmax(-1)[..., 0]
    assert torch.allclose(probability, 1 - background) != own


def plain_loss(net: MultitaskNet, rows: Tensor, labels: Tensor, flags: tuple[bool, bool, bool]) -> float:
    """The three losses one step after the other, with the report's weights."""
    said = net(rows, (labels >= 0).sum(1))
    steps, odds, spans = (part.detach().numpy() for part in said[:3])
    detection = actionness = classification = 0.0
    count, judged = 0, 0
    for n, row in enumerate(labels.tolist()):
        row = [label for label in row if label >= 0]
        changes = any(a != b for a, b in itertools.pairwise(row))
        for t, label in enumerate(row):
            weight = (1.0 if label else 0.5) * (1.0 if changes else 0.5)
            shares = np.exp(steps[n, t]) / np.exp(steps[n, t]).sum()
            acts = sigmoid(odds[n, t])
            detection -= weight * np.log(shares[label])
            actionness -= weight * np.log(acts if label else 1 - acts)
            count += 1
        size = net.config.span_steps
        for number in range(math.ceil(len(row) / size)):
            part = row[number * size : (number + 1) * size]
            majority = max(range(net.classes + 1), key=lambda k: (part.count(k), k > 0, -k))
            classification -= np.log((np.exp(spans[n, number]) / np.exp(spans[n, number]).sum())[majority])
            judged += 1
    parts = (detection / count, actionness / count, classification / judged)
    return sum(part for part, flag in zip(parts, flags, strict=True) if flag)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("flags", SUBSETS)
def test_the_loss_equals_a_loop_and_reaches_what_it_uses(flags: tuple[bool, bool, bool], own: bool) -> None:
    torch.manual_seed(2)
    config = MultitaskConfig(cells=5, sequence_steps=8, span_steps=4, own_actionness=own)
    net = config.build(dims=3, classes=3).double()
    rng = np.random.default_rng(3)
    labels = torch.from_numpy(rng.integers(0, 4, (5, 8)))
    labels[1], labels[2] = 0, 2  # without a transition
    labels[3, 5:] = PADDING
    rows = torch.from_numpy(rng.normal(size=(5, 8, 3)))
    detection, actionness, classification = flags
    loss = MultitaskLoss(detection=detection, actionness=actionness, classification=classification)
    value = loss(net, [rows, labels])
    assert value.item() == pytest.approx(plain_loss(net, rows, labels, flags))
    value.backward()
    used = {"lstm": True, "step": detection or (actionness and not own), "span": classification, "action": actionness}
    for name, weight in net.named_parameters():
        reached = weight.grad is not None and weight.grad.abs().sum() > 0
        assert reached == used[name.split(".")[0]], name


def test_weights_as_published() -> None:
    labels = torch.tensor([[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, PADDING], [2, 2, PADDING, PADDING]])
    assert has_transition(labels).tolist() == [False, False, True, False]
    wanted = [[0.25] * 4, [0.5] * 4, [0.5, 1, 1, 0], [0.5, 0.5, 0, 0]]
    assert MultitaskLoss().step_weights(labels).tolist() == wanted


def test_the_label_of_a_span() -> None:
    labels = torch.tensor([[0, 0, 1, 1, 2, 1, 0, 0], [0, 0, 0, 3, 2, 1, PADDING, PADDING]])
    assert span_labels(labels, 4, 4).tolist() == [[1, 0], [0, 1]]
    assert span_labels(labels, 8, 4).tolist() == [[0], [0]]
    assert span_labels(labels, 3, 4).tolist() == [[0, 1, 0], [0, 1, PADDING]]


def test_labels_of_steps() -> None:
    grid = TimeGrid(start=0.0, stride=1.0, window=1.0, steps=10)
    instances = [Instance((4.0, 6.0), "b"), Instance((1.0, 8.0), "a"), Instance((9.2, 9.3), "b")]
    assert step_classes(instances, grid, ("a", "b")).tolist() == [
        0,
        1,
        1,
        1,
        2,
        2,
        1,
        1,
        0,
        2,
    ]  # the shorter one counts
    assert step_classes([], grid, ("a",)).tolist() == [0] * 10


def videos(count: int, *, steps: int = 24) -> tuple[dict[str, np.ndarray], list[tuple[str, tuple[Instance, ...]]]]:
    """One action of one of two classes a video; the class shows in the features."""
    rng = np.random.default_rng(0)
    rows, known = {}, []
    grid = TimeGrid(start=0.0, stride=1.0, window=1.0, steps=steps)
    for number in range(count):
        start = float(rng.integers(0, steps - 10))
        instance = Instance((start, start + 10), "ab"[number % 2])
        values = rng.normal(0, 0.5, (steps, 4)).astype(np.float32)
        values[:, number % 2] += 2 * (step_classes([instance], grid, "ab") > 0)
        rows[f"v{number}"] = values
        known.append((f"v{number}", (instance,)))
    return rows, known


def test_items_are_stretches_with_their_labels() -> None:
    rows, known = videos(4)
    grid = TimeGrid(start=0.0, stride=1.0, window=1.0, steps=24)
    items = LabelSequences(lambda name: (rows[name], grid), known, "ab", steps=8)
    assert len(items) == 4
    starts = set()
    for seed in range(60):
        values, labels = items.at(1, np.random.default_rng(seed))
        first = next(n for n in range(17) if np.array_equal(rows["v1"][n : n + 8], values.numpy()))
        assert labels.tolist() == step_classes(known[1][1], grid, "ab")[first : first + 8].tolist()
        starts.add(first)
    assert {0, 16} <= starts
    assert torch.equal(items[2][0], items[2][0])
    values, labels = LabelSequences(lambda name: (rows[name], grid), known, "ab", steps=30)[0]
    assert values.shape == (30, 4)
    assert labels[24:].tolist() == [PADDING] * 6
    assert not values[24:].any()
    assert np.array_equal(values[:24].numpy(), rows["v0"])


def test_it_learns_where_and_what_and_a_constant_sequence_is_constant() -> None:
    rows, known = videos(24)
    grid = TimeGrid(start=0.0, stride=1.0, window=1.0, steps=24)
    torch.manual_seed(0)
    net = MultitaskConfig(cells=16, sequence_steps=8, span_steps=4).build(dims=4, classes=2)
    items = LabelSequences(lambda name: (rows[name], grid), known[:16], "ab", steps=8)
    schedule = Schedule(steps=150, batch_size=16, optimizer="adam", learning_rate=0.02)
    fit(net, items, MultitaskLoss(), schedule=schedule, run=Run(loaders=0, device="cpu"), name="multitask")
    for name, instances in known[16:]:
        found = curves(net, rows[name])
        assert (found.steps.shape, found.actionness.shape, found.spans.shape) == ((24, 3), (24,), (6, 3))
        wanted = step_classes(instances, grid, "ab")
        assert (found.steps.argmax(1) == wanted).mean() > 0.9
        assert class_shares(found.spans).argmax() == "ab".index(instances[0].label)
        segments, _ = regions(found.actionness > 0.5, found.actionness, grid, 24.0)
        assert tiou(segments, np.array([instances[0].segment])).max() > 0.6
    for label, row in enumerate(([0, 0, 0, 0], [2, 0, 0, 0], [0, 2, 0, 0])):
        steady = curves(net, np.tile(np.array(row, np.float32), (20, 1)))
        assert (steady.steps.argmax(1) == label).all()
        assert (steady.spans.argmax(1) == label).all()


@pytest.mark.parametrize("steps", [1, 3, 8, 13, 21])
def test_curves_judge_one_sequence_after_the_other(steps: int) -> None:
    torch.manual_seed(0)
    net = SMALL.build(dims=3, classes=2)
    rows = np.random.default_rng(0).normal(size=(steps, 3)).astype(np.float32)
    found = curves(net, rows)
    assert len(found.steps) == len(found.actionness) == steps
    assert len(found.spans) == math.ceil(steps / 4)
    assert np.allclose(found.steps.sum(1), 1, atol=1e-6)
    assert np.allclose(found.actionness, 1 - found.steps[:, 0], atol=1e-6)
    for first in range(0, steps, 8):
        part = rows[first : first + 8]
        alone = net(torch.from_numpy(part)[None], torch.tensor([len(part)]))
        assert np.allclose(found.steps[first : first + 8], alone.steps[0].softmax(-1).detach(), atol=1e-5)
        assert np.allclose(
            found.spans[first // 4 :][: alone.spans.shape[1]], alone.spans[0].softmax(-1).detach(), atol=1e-5
        )


def test_class_shares_leave_background_out() -> None:
    assert class_shares(np.array([[0.5, 0.4, 0.1], [0.7, 0.1, 0.2]])).tolist() == pytest.approx([0.625, 0.375])
    assert class_shares(np.zeros((0, 5))).tolist() == [0.25] * 4
    assert curves(SMALL.build(dims=3, classes=2), np.zeros((0, 3), np.float32)).spans.shape == (0, 3)


def test_words() -> None:
    net = RecurrentConfig(cells=2).build(3)
    for lengths in ([0, 2], [5, 1]):
        with pytest.raises(DataError, match=f"a recurrent net needs lengths from 1 to 4 steps, got {min(lengths)} to"):
            net(torch.zeros(2, 4, 3), torch.tensor(lengths))
    with pytest.raises(DataError, match="a recurrent net needs lengths from 1 to 4 steps, got 0 to 0"):
        SMALL.build(dims=3, classes=2)(torch.zeros(1, 4, 3), torch.tensor([0]))
    with pytest.raises(DataError, match=r"a recurrent aggregator needs cells and layers >= 1 and dropout in \[0, 1\)"):
        RecurrentConfig(layers=0)
    with pytest.raises(DataError, match="a multi-task net needs sizes >= 1 and sequences of whole spans, got"):
        MultitaskConfig(sequence_steps=32, span_steps=24)
    with pytest.raises(DataError, match="needs at least one of detection, actionness and classification"):
        MultitaskLoss(detection=False, actionness=False, classification=False)
    with pytest.raises(DataError, match="weights of a multi-task loss must be >= 0, got"):
        MultitaskLoss(still_weight=-1.0)
    grid = TimeGrid(start=0.0, stride=1.0, window=1.0, steps=2)
    with pytest.raises(DataError, match="label of an instance must be one of the 1 classes, got 'b'"):
        step_classes([Instance((0.0, 1.0), "b")], grid, ["a"])
    with pytest.raises(DataError, match="features of video v must have at least one step, got none"):
        LabelSequences(lambda name: (np.zeros((0, 2), np.float32), grid), [("v", ())], ["a"], steps=4)[0]
