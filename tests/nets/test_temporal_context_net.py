"""The ranker: what it sees, what is positive, its two losses by hand, and that it learns where something is."""

import numpy as np
import pytest
import torch
from torch import nn

from untrimmed.nets.temporal_context import (
    PairItems,
    TemporalContextConfig,
    batch_loss,
    pair_labels,
    pair_loss,
    pair_rows,
    pair_scores,
)
from untrimmed.propose.pyramid import Pyramid
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid, tiou
from untrimmed.train import Run, Schedule, fit

RELEASED = TemporalContextConfig()
SMALL = TemporalContextConfig(hidden=16)
PYRAMID = Pyramid()


def test_size_of_the_released_net() -> None:
    net = RELEASED.build(202)
    shapes = {name: tuple(value.shape) for name, value in net.named_parameters()}
    assert shapes["convolutions.0.weight"] == (1, 1, 5, 1)
    assert shapes["hidden.weight"] == (500, 2 * 3 * 202)
    assert shapes["out.weight"] == (2, 500)


@pytest.mark.parametrize("filters", [None, 7])
def test_gradients_reach_every_parameter(filters: int | None) -> None:
    torch.manual_seed(0)
    net = TemporalContextConfig(filters=filters, hidden=8).build(5)
    inside = torch.ones(9, 2, 12, dtype=torch.bool)
    pair_loss(net(torch.randn(9, 2, 12, 5), inside), torch.tensor([1, 0, -1] * 3), net.config).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad != 0).any(), name


def test_the_shared_filter_is_a_moving_average_of_each_dim() -> None:
    torch.manual_seed(1)
    net = TemporalContextConfig(samples=7, kernel=3, pool=5, hidden=4).build(2).double()
    pairs = torch.randn(3, 2, 7, 2, dtype=torch.float64)
    inside = torch.rand(3, 2, 7) > 0.3
    rows = (pairs * inside[..., None]).numpy()
    halves = []
    for half in range(2):
        kernel = net.convolutions[half].weight.detach().numpy()[0, 0, :, 0]  # type: ignore[union-attr, operator]
        bias = net.convolutions[half].bias.detach().item()  # type: ignore[union-attr, operator]
        moved = [sum(kernel[k] * rows[:, half, t + k] for k in range(3)) + bias for t in range(5)]
        halves.append(np.maximum(0, np.stack(moved)).mean(axis=0))
    hidden = net.hidden(torch.from_numpy(np.concatenate(halves, axis=1)))
    torch.testing.assert_close(net(pairs, inside), net.out(hidden))


def test_what_lies_outside_the_video_does_not_matter_and_rows_lose_their_scale() -> None:
    torch.manual_seed(2)
    rng = np.random.default_rng(2)
    rows, net = rng.normal(3, 5, (200, 4)), SMALL.build(4)
    net.standardize(rows)
    scaled = SMALL.build(4)
    scaled.load_state_dict(net.state_dict())
    scaled.standardize(10 * rows - 7)
    pairs, inside = torch.randn(6, 2, 12, 4), torch.rand(6, 2, 12) > 0.4
    torch.testing.assert_close(net(pairs, inside), scaled(10 * pairs - 7, inside), rtol=1e-4, atol=1e-5)
    noise = torch.where(inside[..., None], pairs, torch.randn_like(pairs))
    torch.testing.assert_close(net(pairs, inside), net(noise, inside))
    still = SMALL.build(2)
    still.standardize(np.ones((5, 2)))
    assert still.std.tolist() == [1, 1]


def test_losses_by_hand() -> None:
    logits = torch.tensor([[0.5, 1.0], [2.0, 0.0], [0.0, 3.0], [1.0, 1.0], [9.0, 9.0]], dtype=torch.float64)
    labels = torch.tensor([1, 0, 0, 1, -1])
    scores = (logits[:, 1] - logits[:, 0]).tolist()
    softmax = [np.log1p(np.exp(-scores[row] if labels[row] == 1 else scores[row])) for row in range(4)]
    assert float(pair_loss(logits, labels, RELEASED)) == pytest.approx(np.mean(softmax))
    ranking = TemporalContextConfig(loss="ranking", margin=1.5)
    hinges = [max(0.0, 1.5 - (scores[p] - scores[n])) for p in (0, 3) for n in (1, 2)]
    assert float(pair_loss(logits, labels, ranking)) == pytest.approx(np.mean(hinges))
    for config in (RELEASED, ranking):
        assert float(pair_loss(logits, torch.full((5,), -1), config)) == 0.0
        moved = pair_loss(logits + torch.randn(5, 1, dtype=torch.float64), labels, config)
        assert float(moved) == pytest.approx(float(pair_loss(logits, labels, config)))


def test_candidates_are_labelled_as_the_released_program_does() -> None:
    rng = np.random.default_rng(3)
    anchors = PYRAMID.anchors().reshape(-1, 6, 2)
    for _ in range(10):
        starts = rng.uniform(0, 0.7, 2)
        instances = np.stack([starts, starts + rng.uniform(0.05, 0.3, 2)], axis=1)
        positive, others, negative = (set(part.tolist()) for part in pair_labels(PYRAMID, instances, RELEASED))
        _, spared, _ = pair_labels(PYRAMID, instances, TemporalContextConfig(other_tiou=0.7))
        for place, own in enumerate(anchors):
            overlap = tiou(own, instances).max(axis=1)
            indices = set(range(6 * place, 6 * place + 6))
            best = 6 * place + int(overlap.argmax())
            assert (best in positive) == (overlap.max() > 0.7)
            assert others & indices == (indices - {best} if overlap.max() > 0.7 else set())
            assert negative & indices == (indices if overlap.max() < 0.3 else set())
        flat = tiou(PYRAMID.anchors(), instances).max(axis=1)
        assert set(spared.tolist()) == {index for index in others if flat[index] <= 0.7}
    assert [len(part) for part in pair_labels(PYRAMID, np.zeros((0, 2)), RELEASED)] == [0, 0, 62 * 6]


GRID = TimeGrid(start=0.0, stride=0.5, window=0.5, steps=128)


def _video(name: str) -> tuple[np.ndarray, TimeGrid, float, np.ndarray]:
    """Noise, louder on one dim while something happens."""
    rng = np.random.default_rng(int(name))
    start = float(rng.uniform(0, 0.6))
    instances = np.array([[start, start + float(rng.uniform(0.1, 0.35))]])
    rows = rng.normal(size=(128, 3)).astype(np.float32)
    first, past = (instances[0] * 128).round().astype(int)
    rows[first:past, 1] += 6
    return rows, GRID, 64.0, instances


def test_items_hold_pairs_and_their_labels() -> None:
    items = PairItems(_video, [str(number) for number in range(6)], RELEASED, PYRAMID)
    pairs, inside, labels = items[2]
    assert pairs.shape == (64, 2, 12, 3)
    assert inside.shape == (64, 2, 12)
    assert set(labels[:32].tolist()) <= {1, -1}
    assert set(labels[32:].tolist()) <= {0, -1}
    assert (labels[48:] == 0).all()  # there is enough of nothing
    one, other = (items.at(2, np.random.default_rng(5)) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True))
    assert items.identity != PairItems(_video, ["0"], RELEASED, PYRAMID).identity
    rows, grid, duration, _ = _video("2")
    whole, everywhere = pair_rows(rows, grid, duration, np.array([[0.0, 1.0]]), samples=128)
    np.testing.assert_array_equal(whole[0, 0], rows)
    assert everywhere[0, 0].all()
    assert everywhere[0, 1].sum() == 64


@pytest.mark.parametrize("loss", ["softmax", "ranking"])
def test_it_learns_where_something_is(loss: str) -> None:
    torch.manual_seed(4)
    config = TemporalContextConfig(hidden=16, hidden_relu=True, filters=8, loss=loss)  # type: ignore[arg-type]
    net = config.build(3)
    net.standardize(np.concatenate([_video(str(number))[0] for number in range(24)]))
    items = PairItems(_video, [str(number) for number in range(24)], config, PYRAMID)
    schedule = Schedule(steps=60, batch_size=8, optimizer="adam", learning_rate=0.01)
    fit(net, items, batch_loss, schedule=schedule, run=Run(device="cpu", loaders=0), name="ranker")
    anchors, best, random = PYRAMID.anchors(), [], []
    for number in range(100, 112):
        rows, grid, duration, instances = _video(str(number))
        scores = pair_scores(net, rows, grid, duration, anchors, at_once=100)
        assert scores.shape == (62 * 6,)
        assert ((scores >= 0) & (scores <= 1)).all()
        overlap = tiou(anchors, instances)[:, 0]
        best.append(overlap[scores.argmax()])
        random.append(overlap.mean())
    assert np.mean(best) > 0.5
    assert np.mean(best) > 2 * np.mean(random)
    assert pair_scores(net, rows, grid, duration, np.zeros((0, 2))).shape == (0,)


def test_words_of_errors() -> None:
    with pytest.raises(
        DataError, match="a temporal context net needs 1 <= kernel <= samples and sizes >= 1, got kernel"
    ):
        TemporalContextConfig(kernel=20)
    with pytest.raises(DataError, match="needs 0 <= negative_tiou <= positive_tiou < 1 and samples of both kinds, got"):
        TemporalContextConfig(negative_tiou=0.8)
    assert isinstance(SMALL.build(3), nn.Module)
