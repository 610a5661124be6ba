"""Completeness and what SSN learns from: the hinge by hand, the hardest by sorting, kinds by brute force."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.localize.completeness import class_hinge, completeness_loss, hardest
from untrimmed.localize.ssn_samples import (
    BACKGROUND,
    FOREGROUND,
    INCOMPLETE,
    UNUSED,
    SamplePool,
    SampleRule,
    SortedProposals,
    sort_proposals,
)
from untrimmed.records import DataError


def test_the_hinge_looks_at_its_own_class_alone() -> None:
    scores = torch.tensor([[0.4, 9.0], [0.4, 9.0], [-2.0, 9.0], [3.0, 9.0]], dtype=torch.float64)
    losses = class_hinge(scores, torch.zeros(4, dtype=torch.long), torch.tensor([True, False, False, True]))
    assert losses.tolist() == pytest.approx([0.6, 1.4, 0.0, 0.0])


@pytest.mark.parametrize(("share", "members", "wanted"), [(0.17, 6, 1), (0.5, 6, 3), (0.17, 3, 1), (1.0, 4, 4)])
def test_the_hardest_of_each_group_are_kept(share: float, members: int, wanted: int) -> None:
    generator = torch.Generator().manual_seed(0)
    losses = torch.rand(5, members, generator=generator, dtype=torch.float64)
    kept = hardest(losses, torch.ones(5, members, dtype=torch.bool), share=share)
    for row, own in zip(losses, kept, strict=True):
        assert sorted(row[own].tolist()) == sorted(row.tolist())[-wanted:]


def test_what_does_not_count_is_never_hard() -> None:
    losses = torch.tensor([[9.0, 1.0, 2.0], [9.0, 8.0, 7.0]])
    among = torch.tensor([[False, True, True], [False, False, False]])
    assert hardest(losses, among, share=0.17).tolist() == [[False, False, True], [False, False, False]]


def test_completeness_loss_by_hand() -> None:
    scores = torch.zeros(1, 5, 2, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        scores[0, :, 1] = torch.tensor([0.5, 0.2, -0.5, 0.9, 0.0])
    complete = torch.tensor([[True, False, False, False, False]])
    incomplete = torch.tensor([[False, True, True, True, False]])
    labels = torch.ones(1, 5, dtype=torch.long)
    loss = completeness_loss(scores, labels, complete, incomplete, share=0.17)
    assert float(loss.detach()) == pytest.approx((0.5 + 1.9) / 2)  # the whole one and the hardest piece
    loss.backward()
    assert scores.grad is not None
    assert scores.grad[0, :, 1].tolist() == pytest.approx([-0.5, 0, 0, 0.5, 0])
    assert (scores.grad[0, :, 0] == 0).all()
    nothing = torch.zeros(1, 5, dtype=torch.bool)
    assert float(completeness_loss(scores.detach(), labels, nothing, nothing, share=0.17)) == 0


SEGMENTS = st.lists(st.tuples(st.floats(0, 90), st.floats(0.5, 60)), min_size=1, max_size=8)


@settings(max_examples=80, deadline=None)
@given(SEGMENTS, SEGMENTS)
def test_kinds_by_brute_force(proposals: list[tuple[float, float]], instances: list[tuple[float, float]]) -> None:
    rule, duration = SampleRule(), 100.0
    given_ = [(a, min(a + b, duration)) for a, b in proposals]
    known = [(a, min(a + b, duration)) for a, b in instances]
    found = sort_proposals(np.array(given_), np.array(known), duration, rule)
    for (start, end), kind, instance in zip(given_, found.kind, found.instance, strict=True):
        shared = [max(0.0, min(end, b) - max(start, a)) for a, b in known]
        overlaps = [part / (end - start + b - a - part) for part, (a, b) in zip(shared, known, strict=True)]
        best = int(np.argmax(overlaps))
        if sum(overlap > overlaps[best] - 1e-12 for overlap in overlaps) > 1 and overlaps[best] > 0:
            assert overlaps[instance] == pytest.approx(overlaps[best])  # a tie: any of the best will do
            continue
        close = [0.7, 0.3, 0.01]
        if any(abs(overlaps[best] - edge) < 1e-6 for edge in close) or abs(shared[best] / (end - start) - 0.7) < 1e-6:
            continue
        assert instance == (best if overlaps[best] > 0 else -1)
        if overlaps[best] > 0.7:
            assert kind == FOREGROUND
        elif overlaps[best] < 0.3 and shared[best] / (end - start) > 0.7:
            assert kind == INCOMPLETE
        elif overlaps[best] < 0.01 and end - start > 0.02 * duration:
            assert kind == BACKGROUND
        else:
            assert kind == UNUSED


def test_kinds_by_hand() -> None:
    proposals = np.array([[10.0, 30.0], [12.0, 29.0], [14.0, 17.0], [50.0, 60.0], [50.0, 51.0], [5.0, 20.0]])
    found = sort_proposals(proposals, np.array([[10.0, 30.0]]), 100.0, SampleRule())
    assert found.kind.tolist() == [FOREGROUND, FOREGROUND, INCOMPLETE, BACKGROUND, UNUSED, UNUSED]
    bare = sort_proposals(proposals, np.zeros((0, 2)), 100.0, SampleRule())
    assert bare.kind.tolist() == [BACKGROUND] * 4 + [UNUSED, BACKGROUND]
    assert (bare.instance == -1).all()


def test_draws_are_of_the_video_and_else_of_all() -> None:
    kinds = [
        [FOREGROUND, INCOMPLETE, INCOMPLETE, UNUSED],
        [FOREGROUND, FOREGROUND, BACKGROUND, UNUSED],
    ]
    videos = [SortedProposals(np.array(kind), np.zeros(4, np.int64)) for kind in kinds]
    pool = SamplePool(videos, SampleRule())
    for seed in range(20):
        for video in (0, 1):
            drawn = pool.draw(video, np.random.default_rng(seed))
            assert drawn.shape == (8, 2)
            for (owner, row), place in zip(drawn.tolist(), SampleRule().places.tolist(), strict=True):
                assert kinds[owner][row] == place
                if place in kinds[video]:
                    assert owner == video
    alone = SamplePool(videos[1:], SampleRule(counts=(2, 1, 1)))
    drawn = alone.draw(0, np.random.default_rng(0))
    assert sorted(drawn[:2, 1].tolist()) == [0, 1]  # without repetition
    assert drawn[3].tolist() == [-1, -1]  # nobody has a piece


def test_words() -> None:
    with pytest.raises(DataError, match=r"shares of an SSN sample rule must be in \[0, 1\)"):
        SampleRule(foreground_tiou=1.0)
    with pytest.raises(DataError, match="an SSN sample rule needs counts >= 0 and some of the first two"):
        SampleRule(counts=(0, 0, 6))
