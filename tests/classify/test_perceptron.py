"""The fully connected net of report 10: its size, its numbers, the drawn positions, words of errors."""

import math

import numpy as np
import pytest
import torch

from untrimmed.classify.perceptron import PerceptronConfig, PositionItems, perceptron_loss, perceptron_scores
from untrimmed.records import DataError, Instance
from untrimmed.timeline import TimeGrid
from untrimmed.train import Run, Schedule, fit

CLASSES = ["jump", "swim", "throw"]
VIDEOS = [
    ("a", [Instance(segment=(0.0, 10.0), label="jump"), Instance(segment=(5.0, 12.0), label="jump")]),
    ("b", [Instance(segment=(2.0, 6.0), label="swim"), Instance(segment=(4.0, 9.0), label="jump")]),
    ("c", [Instance(segment=(0.0, 20.0), label="fall")]),
]


def _load(video_id: str) -> tuple[np.ndarray, TimeGrid]:
    """A row says which video and step it is of."""
    place = "abc".index(video_id)
    rows = np.stack([np.full(20, place), np.arange(20), np.ones(20)], axis=1).astype(np.float64)
    return rows, TimeGrid(start=0.0, stride=1.0, window=1.0, steps=20)


def test_the_count_of_weights_is_the_reports() -> None:
    net = PerceptronConfig().build(500, 200)
    assert sum(part.numel() for name, part in net.named_parameters() if name.endswith("weight")) == 1_765_376
    assert sum(part.numel() for name, part in net.named_parameters() if name.endswith("bias")) == 2_248
    for layer in net.layers:
        assert isinstance(layer, torch.nn.Linear)
        most = math.sqrt(6 / (layer.in_features + layer.out_features))
        assert 0.99 * most < float(layer.weight.detach().abs().max()) <= most
        assert float(layer.weight.detach().std()) == pytest.approx(most / math.sqrt(3), rel=0.02)
        assert not layer.bias.any()


def test_forward_is_the_layers_written_out() -> None:
    net = PerceptronConfig(hidden=(7, 6)).build(5, 4).double().eval()
    rows = torch.randn(3, 5, dtype=torch.float64)
    weights = [part.detach().numpy() for part in net.parameters()]
    hidden = rows.numpy()
    for weight, bias in zip(weights[0:4:2], weights[1:4:2], strict=True):
        hidden = np.maximum(0, hidden @ weight.T + bias)
    np.testing.assert_allclose(net(rows).detach(), hidden @ weights[4].T + weights[5])
    scores = perceptron_scores(net, rows.numpy())
    np.testing.assert_allclose(scores, net(rows).softmax(dim=1).detach())
    assert perceptron_scores(net, np.zeros((0, 5))).shape == (0, 4)


def test_dropout_works_in_training_only() -> None:
    net = PerceptronConfig(hidden=(4000,)).build(3, 2)
    rows = torch.ones(1, 3)
    assert (net.eval()(rows) == net(rows)).all()
    assert (net.train()(rows) != net(rows)).any()
    assert PerceptronConfig(hidden=()).build(3, 2)(rows).shape == (1, 2)  # no hidden layer: softmax regression


def test_positions_are_unique_steps_inside_their_action() -> None:
    items = PositionItems(_load, VIDEOS, classes=CLASSES, positions_a_class=10, seed=0)
    found = {(int(items.labels[i]), *items.positions[i].tolist()) for i in range(len(items))}
    assert len(found) == len(items) == 10 + 4
    inside = {(0, 0, step) for step in range(12)} | {(0, 1, step) for step in range(4, 9)}
    assert {entry for entry in found if entry[0] == 0} < inside
    assert {entry for entry in found if entry[0] == 1} == {(1, 1, step) for step in range(2, 6)}
    for index in range(len(items)):  # the rows are those of the positions
        row, label = items[index]
        assert row.dtype == torch.float32
        assert row[:2].tolist() == items.positions[index].tolist()
        assert int(label) == items.labels[index]


def test_the_draw_comes_from_the_seed() -> None:
    drawn = [PositionItems(_load, VIDEOS, classes=CLASSES, positions_a_class=6, seed=seed) for seed in (0, 0, 1)]
    assert drawn[0].identity == drawn[1].identity != drawn[2].identity
    every = [PositionItems(_load, VIDEOS, classes=CLASSES, seed=seed) for seed in (0, 1)]
    both = [sorted(map(tuple, items.positions.tolist())) for items in every]
    assert both[0] == both[1]  # all there are, whatever the seed
    assert len(every[0]) == 12 + 5 + 4


def test_every_position_is_as_likely() -> None:
    counts = np.zeros(20)
    for seed in range(400):
        items = PositionItems(_load, VIDEOS[:1], classes=CLASSES, positions_a_class=3, seed=seed)
        counts[items.positions[:, 1]] += 1
    assert not counts[12:].any()
    assert np.abs(counts[:12] / 400 - 0.25).max() < 0.08


def test_it_learns_by_the_training_loop() -> None:
    items = PositionItems(_load, VIDEOS, classes=CLASSES[:2])
    torch.manual_seed(0)
    net = PerceptronConfig(hidden=(32,), dropout=0.0).build(3, 2)
    schedule = Schedule(epochs=150, batch_size=7, optimizer="adam", learning_rate=0.01)
    fit(net, items, perceptron_loss, schedule=schedule, run=Run(device="cpu", loaders=0), name="perceptron")
    scores = perceptron_scores(net, _load("a")[0])
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert (scores[:12, 0] > 0.5).all()


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match=r"units in each hidden layer and a dropout in \[0, 1\), got \(0,\) and 0.5"):
        PerceptronConfig(hidden=(0,))
    with pytest.raises(DataError, match="needs a step inside an action, got none in 1 videos"):
        PositionItems(_load, VIDEOS[2:], classes=CLASSES)
