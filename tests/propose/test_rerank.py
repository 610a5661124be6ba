"""Means over segments add up as time does; the classifier learns from what overlaps well and what hardly does."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from untrimmed.propose.actionness import ActionnessConfig, actionness, actionness_loss
from untrimmed.propose.rerank import Candidates, PairItems, PairRule, ProposalRows, means_within, pairs
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid, tiou

GRID = TimeGrid(start=0.0, stride=0.5, window=0.5, steps=20)
ROWS = np.random.default_rng(0).normal(size=(20, 3))


def segments_of(count: int, seed: int = 0, *, span: float = 10.0) -> np.ndarray:
    ends = np.sort(np.random.default_rng(seed).uniform(0, span, (count, 2)), axis=1)
    return ends[ends[:, 1] > ends[:, 0]]


def test_a_mean_is_that_of_many_fine_samples() -> None:
    segments = segments_of(40)
    places = segments[:, :1] + np.diff(segments, axis=1) * (np.arange(4000) + 0.5) / 4000
    steps = np.clip((places / 0.5).astype(int), 0, 19)
    np.testing.assert_allclose(means_within(ROWS, GRID, segments), ROWS[steps].mean(axis=1), atol=2e-3)


def test_whole_steps_give_plain_means_and_constants_stay() -> None:
    np.testing.assert_allclose(means_within(ROWS, GRID, np.array([[1.0, 3.0]]))[0], ROWS[2:6].mean(axis=0))
    np.testing.assert_allclose(means_within(np.full((20, 2), 7.0), GRID, segments_of(9)), 7.0)


def test_neighbours_add_up_by_length() -> None:
    start, middle, end = np.sort(np.random.default_rng(4).uniform(0, 10, (30, 3)), axis=1).T
    left, right = (means_within(ROWS, GRID, np.stack(pair, axis=1)) for pair in ((start, middle), (middle, end)))
    whole = means_within(ROWS, GRID, np.stack([start, end], axis=1))
    share = ((middle - start) / (end - start))[:, None]
    np.testing.assert_allclose(whole, share * left + (1 - share) * right, atol=1e-9)


def test_outside_the_rows_nothing_counts() -> None:
    found = means_within(ROWS, GRID, np.array([[-5.0, 1.0], [9.0, 30.0], [11.0, 12.0], [-2.0, -1.0]]))
    np.testing.assert_allclose(found[0], ROWS[:2].mean(axis=0))
    np.testing.assert_allclose(found[1], ROWS[18:].mean(axis=0))
    np.testing.assert_array_equal(found[2:], 0.0)
    assert means_within(np.zeros((0, 3)), replace(GRID, steps=0), np.array([[0.0, 1.0]])).tolist() == [[0, 0, 0]]


def test_a_proposal_is_described_with_what_lies_around_it() -> None:
    segment = np.array([[4.0, 6.0]])
    row = ProposalRows(context=0.5, length=True)(ROWS, GRID, segment, duration=10.0)[0]
    wanted = [ROWS[8:12].mean(axis=0), ROWS[6:8].mean(axis=0), ROWS[12:14].mean(axis=0), [np.log(0.2)]]
    np.testing.assert_allclose(row, np.concatenate(wanted))
    np.testing.assert_allclose(ProposalRows()(ROWS, GRID, segment, duration=10.0)[0], ROWS[8:12].mean(axis=0))


def test_pairs_are_those_of_all_comparisons() -> None:
    proposals, instances = segments_of(200, 1), np.array([[1.0, 3.0], [6.0, 9.5]])
    rule = PairRule(with_instances=False)
    found, kinds = pairs(proposals, instances, rule)
    best = tiou(proposals, instances).max(axis=1)
    assert found[kinds == 1].tolist() == proposals[best >= 0.7].tolist()
    assert found[kinds == 0].tolist() == proposals[best <= 0.3].tolist()
    assert len(found[kinds == 1])
    more, more_kinds = pairs(proposals, instances, PairRule())
    assert more[: len(instances)].tolist() == instances.tolist()
    assert more_kinds.sum() == kinds.sum() + 2
    nothing, none = pairs(proposals, np.zeros((0, 2)), PairRule())
    assert len(nothing) == len(proposals)
    assert not none.any()


def world(count: int) -> tuple[dict[str, np.ndarray], list[Candidates]]:
    """Videos whose rows rise by one in the first number while something happens."""
    rng = np.random.default_rng(2)
    rows, videos = {}, []
    for number in range(count):
        start = rng.uniform(1, 5)
        instance = np.array([[start, start + rng.uniform(1.5, 4)]])
        values = rng.normal(0, 0.2, (20, 4))
        first, past = GRID.step_range((float(instance[0, 0]), float(instance[0, 1])))
        values[first:past, 0] += 1
        rows[f"v{number}"] = values
        videos.append(
            Candidates(video_id=f"v{number}", duration=10.0, segments=segments_of(60, number), instances=instance)
        )
    return rows, videos


def test_items_hold_both_kinds_and_repeat_by_their_generator() -> None:
    rows, videos = world(3)
    items = PairItems(lambda name: (rows[name], GRID), videos, seen=ProposalRows(), rule=PairRule(a_video=10))
    described, kinds = items[1]
    assert described.shape == (10, 4)
    assert kinds.tolist() == [0.0] * 5 + [1.0] * 5
    torch.testing.assert_close(items.at(1, np.random.default_rng(1))[0], described)
    assert len(items) == 3


def test_a_classifier_learns_to_put_whole_instances_first() -> None:
    torch.manual_seed(0)
    rows, videos = world(40)
    seen = ProposalRows(context=0.5)
    items = PairItems(lambda name: (rows[name], GRID), videos[:30], seen=seen, rule=PairRule())
    net = ActionnessConfig(hidden=16, dropout=0.0).build(12)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    rng = np.random.default_rng(0)
    net.train()
    for _ in range(60):
        drawn = [items.at(int(index), rng) for index in rng.integers(0, 30, 8)]
        loss = actionness_loss(net, [torch.stack(part) for part in zip(*drawn, strict=True)])
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())
        optimizer.step()
    firsts = []
    for video in videos[30:]:
        scores = actionness(net, seen(rows[video.video_id], GRID, video.segments, duration=10.0))
        overlaps = tiou(video.segments, video.instances)[:, 0]
        firsts.append(overlaps[scores.argsort()[-5:]].mean() - overlaps.mean())
    assert np.mean(firsts) > 0.25


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match=r"context of a proposal must be a share >= 0, got -0.5"):
        ProposalRows(context=-0.5)
    with pytest.raises(DataError, match="a pair rule needs 0 <= negative < positive tIoU <= 1 and 2 or more a video"):
        PairRule(negative_tiou=0.8)
    empty = Candidates(video_id="v", duration=1.0, segments=np.zeros((0, 2)), instances=np.zeros((0, 2)))
    with pytest.raises(DataError, match="re-ranking needs proposals that overlap an instance well or hardly"):
        PairItems(lambda _: (ROWS, GRID), [empty], seen=ProposalRows(), rule=PairRule())
