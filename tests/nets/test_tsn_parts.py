"""Temporal segment networks: consensus and the sampling of sections, by their laws."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.aggregate.consensus import Average, Maximum, TopK
from untrimmed.nets.small import Small3d, SmallNet
from untrimmed.nets.tsn import Tsn, clip_indices, section_starts
from untrimmed.records import DataError


def test_consensus() -> None:
    scores = torch.randn(3, 5, 4, dtype=torch.float64)
    assert torch.allclose(TopK(k=5)(scores), Average()(scores))
    assert torch.allclose(TopK(k=99)(scores), Average()(scores))
    assert torch.equal(TopK(k=1)(scores), Maximum()(scores))
    brute = np.sort(scores.numpy(), axis=1)[:, -2:].mean(1)
    assert np.allclose(TopK(k=2)(scores).numpy(), brute)
    shuffled = scores[:, torch.randperm(5)]
    for consensus in (Average(), TopK(k=2), Maximum()):
        assert torch.allclose(consensus(scores), consensus(shuffled))
    with pytest.raises(DataError, match="k of a top-k consensus must be at least 1, got 0"):
        TopK(k=0)


@pytest.mark.parametrize(
    ("net", "positions"), [(SmallNet(width=4), (24, 24)), (Small3d(width=4, frames=4), (4, 24, 24))]
)
def test_tsn_is_the_consensus_of_its_backbone(net: SmallNet | Small3d, positions: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    backbone = net.build(classes=3, channels=3).eval()
    x = torch.randint(0, 256, (2, 5, 3, *positions), dtype=torch.uint8)
    with torch.no_grad():
        each = torch.stack([backbone(x[:, section]) for section in range(5)], dim=1)
        assert torch.allclose(Tsn(backbone)(x), each.mean(1), atol=1e-5)
        assert torch.allclose(Tsn(backbone, consensus=TopK(k=2))(x), TopK(k=2)(each), atol=1e-5)
    backbone.train()
    Tsn(backbone)(x).sum().backward()
    assert all(parameter.grad is not None for parameter in Tsn(backbone).parameters())


@given(
    length=st.integers(1, 200), sections=st.integers(1, 30), span=st.integers(1, 40), seed=st.none() | st.integers(0, 9)
)
def test_sections(length: int, sections: int, span: int, seed: int | None) -> None:
    generator = None if seed is None else np.random.default_rng(seed)
    starts = section_starts(length, sections=sections, span=span, generator=generator)
    possible = max(1, length - span + 1)
    assert starts.shape == (sections,)
    assert (np.diff(starts) >= 0).all()
    assert starts.min() >= 0
    assert starts.max() < possible
    for number, start in enumerate(starts):
        assert number * possible / sections - 1 < start < (number + 1) * possible / sections
    indices = clip_indices(starts, frames=span, stride=1, length=length)
    assert indices.max() < length
    if length >= span:
        assert (np.diff(indices, axis=1) == 1).all()


def test_training_can_draw_every_start_and_testing_is_symmetric() -> None:
    generator = np.random.default_rng(0)
    drawn = np.concatenate([section_starts(12, sections=3, span=4, generator=generator) for _ in range(300)])
    assert set(drawn) == set(range(9))
    assert abs(np.bincount(drawn) - 100).max() < 40
    middle = section_starts(99, sections=5, span=1)
    assert np.array_equal(middle, 98 - middle[::-1])
    assert section_starts(100, sections=25, span=1).tolist() == list(range(2, 100, 4))


def test_short_videos_stand_still() -> None:
    indices = clip_indices(section_starts(3, sections=2, span=5), frames=5, stride=1, length=3)
    assert indices.tolist() == [[0, 1, 2, 2, 2]] * 2
    assert clip_indices(np.array([1]), frames=3, stride=4, length=8).tolist() == [[1, 5, 7]]


@pytest.mark.parametrize("wrong", [{"length": 0}, {"sections": 0}, {"span": 0}])
def test_words(wrong: dict[str, int]) -> None:
    with pytest.raises(DataError, match="sections need length, sections and span >= 1"):
        section_starts(**{"length": 5, "sections": 1, "span": 1, **wrong})
