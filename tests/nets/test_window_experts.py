"""Experts on stretches of steps."""

import numpy as np
import pytest
import torch

from untrimmed.classify.mixture import MixtureConfig
from untrimmed.nets.recurrent import RecurrentConfig
from untrimmed.nets.window_experts import (
    Stretch,
    StretchItems,
    WindowExperts,
    stretches,
    window_loss,
    window_scores,
)
from untrimmed.records import DataError, Instance
from untrimmed.timeline import TimeGrid

GRID = TimeGrid(start=0.0, stride=0.5, window=0.5, steps=20)
ROWS = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)


def net(recurrent: RecurrentConfig | None, *, classes: int = 4) -> WindowExperts:
    torch.manual_seed(0)
    return WindowExperts(3, classes, recurrent=recurrent, experts=MixtureConfig(mixtures=2))


def test_the_mean_leaves_padding_out() -> None:
    rows = torch.full((2, 5, 3), float("nan"))
    rows[0, :2], rows[1] = torch.ones(2, 3), torch.arange(15.0).reshape(5, 3)
    found = net(None).aggregated(rows, torch.tensor([2, 5]))
    torch.testing.assert_close(found, torch.tensor([[1.0, 1.0, 1.0], [6.0, 7.0, 8.0]]))


@pytest.mark.parametrize("recurrent", [None, RecurrentConfig(cells=6)])
def test_windows_are_judged_as_they_would_be_alone(recurrent: RecurrentConfig | None) -> None:
    model = net(recurrent)
    windows = np.array([[0, 20], [3, 4], [5, 12]])
    together = window_scores(model, ROWS, windows, at_once=2)
    for row, (first, past) in zip(together, windows.tolist(), strict=True):
        alone = model(torch.from_numpy(ROWS[first:past])[None], torch.tensor([past - first]))
        np.testing.assert_allclose(row, alone[0].detach().numpy(), atol=1e-6)
    assert window_scores(model, ROWS, np.zeros((0, 2), np.int64)).shape == (0, 4)


@pytest.mark.parametrize("recurrent", [None, RecurrentConfig(cells=6)])
def test_every_parameter_gets_a_gradient_and_the_loss_falls(recurrent: RecurrentConfig | None) -> None:
    model = net(recurrent, classes=2)
    load = {"a": ROWS, "b": -ROWS - 1}
    pairs = [("a", [Instance((1.0, 4.0), "up")]), ("b", [Instance((2.0, 9.0), "down")])]
    items = StretchItems(lambda name: (load[name], GRID), stretches(pairs, ("down", "up")), classes=2, most_steps=8)
    batch = items.collate([items.at(index, np.random.default_rng(3)) for index in range(2)])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = window_loss(model, batch)
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


def test_a_long_stretch_is_cut_anywhere_within_it_and_a_short_one_is_whole() -> None:
    items = StretchItems(
        lambda _: (ROWS, GRID), [Stretch("a", (1.0, 9.0), 1), Stretch("a", (4.0, 5.0), 0)], classes=2, most_steps=5
    )
    starts = set()
    for seed in range(60):
        rows, wanted = items.at(0, np.random.default_rng(seed))
        (start,) = np.flatnonzero((rows[0].numpy() == ROWS).all(axis=1)).tolist()
        np.testing.assert_array_equal(rows.numpy(), ROWS[start : start + 5])
        starts.add(start)
        assert wanted.tolist() == [0.0, 1.0]
    assert starts == set(range(2, 14))
    np.testing.assert_array_equal(items[1][0].numpy(), ROWS[8:10])


def test_words() -> None:
    with pytest.raises(DataError, match="a stretch must have at least one step, got most_steps 0"):
        StretchItems(lambda _: (ROWS, GRID), [], classes=1, most_steps=0)
