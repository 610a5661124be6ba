"""Region pooling in time is the maximum over a loop, and its gradients are those of finite differences."""

import math

import pytest
import torch
from torch import Tensor

from untrimmed.nets.roi_pool import range_maximum, roi_pool, step_parts
from untrimmed.records import DataError


def _looped(maps: Tensor, owners: Tensor, segments: Tensor, size: tuple[int, int, int]) -> Tensor:
    _, dims, steps, height, width = maps.shape
    pooled = torch.empty(len(segments), dims, *size, dtype=maps.dtype)

    def pieces(first: int, past: int, count: int) -> list[slice]:
        length = past - first
        edges = [(math.floor(i * length / count), math.ceil((i + 1) * length / count)) for i in range(count)]
        return [slice(first + low, first + high) for low, high in edges]

    for row, (start, end) in enumerate(segments.tolist()):
        first = min(max(0, math.floor(start)), steps - 1)
        past = max(first + 1, min(steps, math.ceil(end)))
        for i, times in enumerate(pieces(first, past, size[0])):
            for j, rows in enumerate(pieces(0, height, size[1])):
                for k, columns in enumerate(pieces(0, width, size[2])):
                    pooled[row, :, i, j, k] = maps[owners[row]][:, times, rows, columns].amax(dim=(1, 2, 3))
    return pooled


def _regions(count: int, *, steps: int, n: int) -> tuple[Tensor, Tensor]:
    start = torch.rand(count, dtype=torch.float64) * (steps + 2) - 1
    length = torch.rand(count, dtype=torch.float64) ** 2 * steps * 1.2
    return torch.randint(n, (count,)), torch.stack([start, start + length], dim=1)


@pytest.mark.parametrize("size", [(1, 4, 4), (4, 2, 2), (3, 1, 2)])
def test_it_equals_a_loop(size: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    maps = torch.randn(3, 4, 21, 7, 7, dtype=torch.float64)
    owners, segments = _regions(60, steps=21, n=3)
    expected = _looped(maps, owners, segments, size)
    assert torch.equal(roi_pool(maps, owners, segments, size=size), expected)


def test_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(1)
    maps = torch.randperm(2 * 2 * 9 * 5 * 5).double().view(2, 2, 9, 5, 5) / 100  # no two are equal
    maps.requires_grad_(True)
    owners, segments = _regions(7, steps=9, n=2)
    assert torch.autograd.gradcheck(lambda x: roi_pool(x, owners, segments, size=(2, 2, 2)), (maps,))


def test_segments_of_any_length_give_the_same_volume_and_the_longest_the_maximum() -> None:
    torch.manual_seed(2)
    maps = torch.randn(1, 5, 33, 7, 7, dtype=torch.float64)
    segments = torch.tensor([[0.0, 33.0], [-4.0, 99.0], [7.2, 7.3], [40.0, 41.0], [-3.0, -2.0]], dtype=torch.float64)
    owners = torch.zeros(5, dtype=torch.int64)
    pooled = roi_pool(maps, owners, segments)
    assert pooled.shape == (5, 5, 1, 4, 4)
    assert torch.equal(pooled[0], pooled[1])
    assert torch.equal(pooled[0].amax(dim=(1, 2, 3)), maps[0].amax(dim=(1, 2, 3)))
    alone = roi_pool(maps, owners, segments, size=(1, 1, 1)).flatten(1)
    for row, step in ((2, 7), (3, 32), (4, 0)):  # what is too short or outside keeps the nearest step
        assert torch.equal(alone[row], maps[0, :, step].amax(dim=(1, 2)))


def test_a_shift_of_the_maps_shifts_what_is_pooled() -> None:
    torch.manual_seed(3)
    maps = torch.randn(1, 3, 30, 4, 4, dtype=torch.float64)
    owners, segments = torch.zeros(20, dtype=torch.int64), torch.rand(20, 2, dtype=torch.float64).sort(1).values * 20
    moved = torch.cat([torch.full((1, 3, 5, 4, 4), -9.0, dtype=torch.float64), maps], dim=2)
    assert torch.equal(roi_pool(maps, owners, segments), roi_pool(moved, owners, segments + 5))


def test_edges_on_whole_numbers_take_no_step_more() -> None:
    segments = torch.tensor([[2.0, 5.0], [2.0 - 1e-9, 5.0 + 1e-9], [2.0, 5.1]], dtype=torch.float64)
    assert step_parts(segments, 9, parts=1)[:, 0].tolist() == [[2, 5], [2, 5], [2, 6]]
    # parts of a segment shorter than their number share steps, and leave out none
    parts = step_parts(torch.tensor([[3.0, 5.0]], dtype=torch.float64), 9, parts=4)[0].tolist()
    assert parts == [[3, 4], [3, 4], [4, 5], [4, 5]]


def test_no_segments_and_bad_ranges() -> None:
    maps = torch.randn(2, 3, 6, 4, 4)
    none = torch.zeros(0, dtype=torch.int64)
    assert roi_pool(maps, none, torch.zeros(0, 2)).shape == (0, 3, 1, 4, 4)
    with pytest.raises(DataError, match="lie in the 6 steps"):
        range_maximum(torch.randn(2, 6, 3), torch.tensor([0]), torch.tensor([[2, 7]]))
    with pytest.raises(DataError, match=r"a size of positive numbers, got \(0, 4, 4\)"):
        roi_pool(maps, none, torch.zeros(0, 2), size=(0, 4, 4))
