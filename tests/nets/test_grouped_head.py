"""The head over groups of rows: its parts add up to the mean, the map is learnt once, and it is kept."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from untrimmed.aggregate.rsom import Rsom, RsomConfig
from untrimmed.classify.maxout import MaxoutHeadConfig, PreluHeadConfig, mean_of_own
from untrimmed.configs import from_plain, to_plain
from untrimmed.nets.grouped_head import GroupedHead, GroupedHeadConfig
from untrimmed.records import DataError, NotTrained

CONFIG = GroupedHeadConfig(
    groups=RsomConfig(height=2, width=2, ordering=5, settling=5), head=MaxoutHeadConfig(hidden=(8,), dropout=0.0)
)
LENGTHS = torch.tensor([12, 5, 9])


def rows(seed: int = 0, *, n: int = 3) -> torch.Tensor:
    """Sequences whose rows lie around four corners."""
    rng = np.random.default_rng(seed)
    corners = 6 * np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0], [1, 1, 1]])
    return torch.from_numpy(corners[rng.integers(0, 4, (n, 12))] + rng.normal(size=(n, 12, 3)))


def taught(config: GroupedHeadConfig = CONFIG) -> GroupedHead:
    torch.manual_seed(0)
    head = config.build(3, 2).double()
    head.learn_groups(rows(5, n=20).flatten(0, 1))
    return head


def test_the_parts_add_up_to_the_mean() -> None:
    head = taught(replace(CONFIG, rectify=False))
    given = rows()
    padded = given.clone()
    padded[1, 5:], padded[2, 9:] = math.nan, math.inf
    parts = head.pooled(padded, LENGTHS)
    assert parts.shape == (3, 4, 3)
    torch.testing.assert_close(parts.sum(1), mean_of_own(given, LENGTHS))


@pytest.mark.parametrize("rectify", [False, True])
def test_a_part_is_the_sum_of_a_groups_rows_over_all_rows(rectify: bool) -> None:
    head = taught(replace(CONFIG, rectify=rectify))
    known = Rsom(head.units.numpy(), np.ones(4), head.salient.numpy(), head.reach.numpy())
    given = rows(1)
    for video, length in enumerate(LENGTHS.tolist()):
        own = given[video, :length].numpy()
        own = own[known.kept(own)] if rectify else own
        group = known.groups(own)
        plain = np.stack([own[group == number].sum(axis=0) / len(own) for number in range(4)])
        np.testing.assert_allclose(head.pooled(given, LENGTHS)[video], plain)


def test_a_video_of_outliers_alone_keeps_them() -> None:
    head = taught()
    far = torch.full((1, 4, 3), 1e3, dtype=torch.float64)
    assert not head.groups(far)[1].any()
    torch.testing.assert_close(head.pooled(far).sum(1), far.mean(1))


def test_the_first_batch_in_training_makes_the_map_and_no_later_one_does() -> None:
    torch.manual_seed(0)
    head = CONFIG.build(3, 2).double()
    with pytest.raises(NotTrained, match="a head over groups has no map yet: train it, or call learn_groups first"):
        head.eval()(rows())
    head.train()(rows(2), LENGTHS)
    first = head.units.clone()
    other = CONFIG.build(3, 2).double()
    other.learn_groups(torch.cat([row[:length] for row, length in zip(rows(2), LENGTHS.tolist(), strict=True)]))
    assert torch.equal(first, other.units)  # of the rows that do not pad
    head(rows(3), LENGTHS)
    assert torch.equal(head.units, first)


def test_the_map_is_kept_with_the_weights() -> None:
    head, fresh = taught().eval(), CONFIG.build(3, 2).double().eval()
    fresh.load_state_dict(head.state_dict())
    assert torch.equal(fresh(rows(), LENGTHS), head(rows(), LENGTHS))


def test_the_order_of_rows_does_not_count_and_gradients_reach_all_weights() -> None:
    head = taught()
    torch.testing.assert_close(head(rows().flip(1)), head(rows()))
    head(rows(), LENGTHS).square().sum().backward()
    for name, part in head.named_parameters():
        assert part.grad is not None, name
        assert bool((part.grad != 0).any()), name


def test_configurations_come_back() -> None:
    for config in (CONFIG, GroupedHeadConfig(head=PreluHeadConfig())):
        assert from_plain(GroupedHeadConfig, to_plain(config)) == config


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match="a map needs rows of finite numbers, got 12 rows"):
        CONFIG.build(3, 2)(torch.full((1, 12, 3), torch.nan))
