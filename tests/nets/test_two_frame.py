"""The two-frame net: its layers, sizes, units, warping, and the laws of what it learns by."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from untrimmed.configs import from_plain, to_plain
from untrimmed.nets.backbone import save_weights
from untrimmed.nets.two_frame import Answer, TwoFrame, as_channels, warped
from untrimmed.nets.two_frame_losses import LossWeights, agreement, difference_loss, length, two_frame_loss
from untrimmed.records import DataError

SMALL = TwoFrame(widths=(4, 6, 8, 10, 12), predict=5, input_size=(64, 64))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def frames(*size: int, items: int = 2) -> Tensor:
    return torch.randint(0, 256, (items, 3, *size), dtype=torch.uint8)


def truth(answer: Answer) -> dict[str, Tensor]:
    """Something to learn, of the right shapes."""
    normals = nn.functional.normalize(torch.randn_like(answer.normals), dim=1)
    return {
        "inverse_depth": torch.rand_like(answer.inverse_depth) + 0.01,
        "normals": normals,
        "flow": 0.1 * torch.randn_like(answer.flow),
        "trusted": torch.ones_like(answer.inverse_depth),
    }


def pair(before: int, after: int, kernel: int) -> int:
    """Weights of a filter down and a filter across."""
    return after * (before * kernel + 1) + after * (after * kernel + 1)


def square(before: int, after: int, kernel: int) -> int:
    return after * (before * kernel * kernel + 1)


def test_parameters_are_those_of_the_published_layers() -> None:
    """Counted by hand from DeMoN's table: two encoders that differ at the second and the fifth halving."""
    with torch.device("meta"):
        net = TwoFrame().build()
    deep = sum(pair(before, after, 5) + pair(after, after, 3) for before, after in pairwise((64, 128, 256)))
    flow_end = pair(256, 512, 5) + pair(512, 512, 3)
    depth_end = pair(256, 512, 3) + pair(512, 512, 3)
    flow = pair(6, 32, 9) + pair(32, 64, 7) + pair(64, 64, 3) + deep + flow_end
    flow += square(512, 24, 3) + square(24, 4, 3) + (4 * 2 * 16 + 2)  # the coarse answer, and it made larger
    flow += square(512, 256, 4) + square(514, 128, 4) + square(256, 64, 4) + square(128, 24, 3) + square(24, 4, 3)
    depth = pair(6, 32, 9) + pair(32, 32, 7) + pair(7, 32, 3) + pair(64, 64, 3) + deep + depth_end
    depth += square(512, 256, 4) + square(512, 128, 4) + square(256, 64, 4) + square(128, 24, 3) + square(24, 4, 3)
    assert sum(p.numel() for p in net.flow_net.parameters()) == flow
    assert sum(p.numel() for p in net.depth_net.parameters()) == depth


def test_sizes_at_the_published_input() -> None:
    """56 x 56 out of 224 x 224, and features of 128, 256 and 512 channels where blocks 2, 3 and 4 are as large."""
    with torch.device("meta"):
        answer = TwoFrame().build()(torch.zeros(1, 3, 224, 224), torch.zeros(1, 3, 224, 224))
    assert TwoFrame().map_size == (56, 56)
    assert as_channels(answer, TwoFrame()).shape == (1, 8, 56, 56)
    assert [tuple(level.shape[1:]) for level, _ in answer.levels] == [(128, 28, 28), (256, 14, 14), (512, 7, 7)]
    assert all(flow.shape == depth.shape for flow, depth in answer.levels)
    assert answer.coarse.shape == (1, 4, 7, 7)


@pytest.mark.parametrize("size", [(64, 64), (50, 70), (33, 41)])
def test_frames_of_any_size(size: tuple[int, int]) -> None:
    config = TwoFrame(widths=SMALL.widths, predict=5, input_size=size)
    net = config.build().eval()
    with torch.no_grad():
        answer = net(frames(*size), frames(*size))
    assert answer.flow.shape[2:] == config.map_size == (-(-size[0] // 4), -(-size[1] // 4))
    assert bool((answer.inverse_depth > 0).all())


def test_bytes_and_centred_floats_are_the_same_frames() -> None:
    net = SMALL.build().eval()
    first, second = frames(64, 64), frames(64, 64)
    with torch.no_grad():
        one, other = net(first, second), net(first.float() / 255 - 0.5, second.float() / 255 - 0.5)
    assert torch.equal(one.flow, other.flow)
    assert torch.equal(one.inverse_depth, other.inverse_depth)


def test_gradients_reach_all_and_depth_does_not_bend_flow() -> None:
    net = SMALL.build()
    answer = net(frames(64, 64), frames(64, 64))
    two_frame_loss(answer, LossWeights(), **truth(answer)).backward()
    assert not [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    net.zero_grad()
    net(frames(64, 64), frames(64, 64)).inverse_depth.sum().backward()
    assert all(p.grad is None for p in net.flow_net.parameters())


def test_it_learns_one_pair() -> None:
    net = SMALL.build()
    first, second = frames(64, 64, items=1), frames(64, 64, items=1)
    with torch.no_grad():
        given = truth(net(first, second))
    given["inverse_depth"] = given["inverse_depth"].mean((2, 3), keepdim=True).expand_as(given["inverse_depth"])
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        loss = two_frame_loss(net(first, second), LossWeights(), **given)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.75 * losses[0]


def test_channels_have_the_units_they_say() -> None:
    config = TwoFrame(nearest=2.0, bound=0.1)
    maps = torch.tensor([1e-9, 0.25, 0.5, 9.0]).view(1, 1, 1, 4)  # farther than all, 4 m, 2 m, nearer than nearest
    answer = Answer(
        inverse_depth=maps,
        normals=torch.tensor([0.0, 3.0, -4.0]).view(1, 3, 1, 1).expand(1, 3, 1, 4),
        flow=torch.tensor([[0.05, -0.1, 0.2, 0.0], [0.0, 0.01, -0.3, 0.1]]).view(1, 2, 1, 4),
        confidence=torch.tensor([[-1.0, 0.5, 1.0, 2.0]] * 2).view(1, 2, 1, 4),
        coarse=torch.zeros(1, 4, 1, 1),
        levels=(),
    )
    channels = as_channels(answer, config)[0, :, 0]
    wanted = torch.tensor(
        [
            [-1, 0, 1, 1],
            [0, 0, 0, 0],
            [0.6, 0.6, 0.6, 0.6],
            [-0.8, -0.8, -0.8, -0.8],
            [0.5, -1, 1, 0],
            [0, 0.1, -1, 1],
            [-1, 0, 1, 1],
            [-1, 0, 1, 1],
        ]
    )
    assert torch.allclose(channels, wanted, atol=1e-6)


def test_warping_undoes_a_shift_and_leaves_what_stands() -> None:
    picture = torch.rand(1, 2, 8, 10, dtype=torch.float64)
    still = torch.zeros(1, 2, 8, 10, dtype=torch.float64)
    assert torch.allclose(warped(picture, still), picture)
    moved = torch.roll(picture, (1, 3), dims=(2, 3))  # everything goes down by 1 and right by 3
    flow = torch.tensor([3 / 10, 1 / 8], dtype=torch.float64)[None, :, None, None].expand(1, 2, 8, 10)
    seen = warped(moved, flow)
    assert torch.allclose(seen[:, :, :-1, :-3], picture[:, :, :-1, :-3])
    assert not seen[:, :, -1].any()  # outside
    assert not seen[:, :, :, -3:].any()


def test_differences_know_no_scale() -> None:
    one, other = (torch.rand(2, 1, 12, 12, dtype=torch.float64) + 0.1 for _ in range(2))
    assert float(difference_loss(one, one)) == pytest.approx(0, abs=1e-5)
    assert float(difference_loss(one, 3 * one)) == pytest.approx(0, abs=1e-5)
    assert float(difference_loss(0.2 * one, 5 * other)) == pytest.approx(float(difference_loss(one, other)))
    # one spacing by hand
    f, g = one[0, 0, :2, :2], other[0, 0, :2, :2]
    off = [(a[i, j] - a[0, 0]) / (a[i, j] + a[0, 0]) for a in (f, g) for i, j in ((0, 1), (1, 0))]
    wanted = math.hypot(off[0] - off[2], off[1] - off[3])
    assert float(difference_loss(f[None, None], g[None, None], spacings=(1,))) == pytest.approx(wanted)
    assert float(difference_loss(f[None, None], g[None, None], spacings=(4,))) == 0


def test_confidence_is_what_the_flow_deserves() -> None:
    flow = torch.zeros(1, 2, 4, 8, dtype=torch.float64)
    assert torch.equal(agreement(flow, flow), torch.ones_like(flow))
    off = agreement(flow, flow + torch.tensor([1 / 8, 2 / 4], dtype=torch.float64)[None, :, None, None])
    assert torch.allclose(off[0, 0], torch.full((4, 8), math.exp(-1), dtype=torch.float64))  # one pixel along x
    assert torch.allclose(off[0, 1], torch.full((4, 8), math.exp(-2), dtype=torch.float64))  # two along y


def test_a_perfect_answer_loses_nothing_and_untrusted_flow_does_not_count() -> None:
    net = SMALL.build().eval()
    with torch.no_grad():
        given = net(frames(64, 64), frames(64, 64))
        known = truth(given)
        coarse = nn.functional.adaptive_avg_pool2d(known["flow"], given.coarse.shape[2:])  # type: ignore[arg-type]
        perfect = Answer(
            known["inverse_depth"],
            known["normals"],
            known["flow"],
            torch.ones_like(known["flow"]),
            torch.cat([coarse, coarse], dim=1),
            given.levels,
        )
        assert float(two_frame_loss(perfect, LossWeights(), **known)) == pytest.approx(0, abs=1e-4)
        wrong = known | {"trusted": torch.zeros_like(known["trusted"])}
        only = LossWeights(confidence=0, depth=0, edges=0, normals=0)
        assert float(two_frame_loss(given, only, **wrong)) == 0
        assert float(two_frame_loss(given, only, **known)) > 0


def test_the_length_of_no_vector_has_a_gradient() -> None:
    x = torch.zeros(1, 2, 1, 1, requires_grad=True)
    length(x).sum().backward()
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())


def test_weights_on_disk_and_configuration(tmp_path: Path) -> None:
    net = SMALL.build().eval()
    save_weights(tmp_path / "net.safetensors", net)
    first, second = frames(64, 64), frames(64, 64)
    with torch.no_grad():
        assert torch.equal(SMALL.build(tmp_path / "net.safetensors")(first, second).flow, net(first, second).flow)
    for config in (SMALL, TwoFrame()):
        assert from_plain(TwoFrame, to_plain(config)) == config


def test_words_of_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a two-frame net needs filters >= 1, two at the second halving, got \(4, 1"):
        TwoFrame(widths=(4, 1, 4, 4, 4))
    with pytest.raises(DataError, match="a two-frame net needs a positive input_size, nearest and bound"):
        TwoFrame(bound=0.0)
    with pytest.raises(DataError, match=r"weights file .*none.safetensors is not there"):
        SMALL.build(tmp_path / "none.safetensors")
