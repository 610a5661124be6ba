"""The memory net: frames of one video together, the order that does not count, draws in training alone, its trunks."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from untrimmed.aggregate.memory import MemoryConfig
from untrimmed.configs import from_plain, to_plain
from untrimmed.nets.backbone import load_weights, save_weights
from untrimmed.nets.memory_net import MemoryNet, drawn_frames
from untrimmed.nets.resnet import Resnet
from untrimmed.nets.small import SmallNet
from untrimmed.nets.tsn import Tsn
from untrimmed.records import DataError

SMALL = MemoryNet(
    trunk=SmallNet(width=4, dropout=0.0), memory=MemoryConfig(slots=3, size=6), frames=5, drawn=3
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def clips(count: int, *, frames: int = 5, channels: int = 3) -> Tensor:
    return torch.randint(0, 256, (count, channels, frames, 56, 56), dtype=torch.uint8)


def test_it_is_the_memory_on_the_maps_of_the_trunks_last_three_blocks() -> None:
    """The same by the trunk's own forward pass, its blocks looked into, frame by frame."""
    net = SMALL.build(classes=4, channels=3).eval()
    torch.manual_seed(0)
    trunk = SMALL.trunk.build(classes=1, channels=3).eval()
    trunk.layers.load_state_dict(
        {
            **{
                key.removeprefix("first."): value for key, value in net.state_dict().items() if key.startswith("first.")
            },
            **{
                f"{int(key.split('.')[1]) + 5}.{key.split('.', 2)[2]}": value
                for key, value in net.state_dict().items()
                if key.startswith("blocks.")
            },
        }
    )
    x, seen = clips(1), {}
    for number in (5, 6, 7):
        trunk.layers[number].register_forward_hook(lambda *given, number=number: seen.setdefault(number, given[-1]))
    rows: list[list[Tensor]] = [[], [], []]
    with torch.no_grad():
        for t in range(5):
            seen.clear()
            trunk.pooled(x[:, :, t])
            for place, number in enumerate((5, 6, 7)):
                rows[place].append(seen[number].flatten(2).transpose(1, 2))
        wanted = net.memory.remember([torch.cat(part, dim=1) for part in rows]).flatten(1)
        assert [part[0].shape[1] for part in rows] == [49, 16, 4]
        assert torch.allclose(net.pooled(x), wanted, atol=1e-5)
        assert torch.allclose(net(x), net.classifier(wanted), atol=1e-5)


def test_at_test_neither_the_order_of_frames_counts_nor_how_often_they_stand_there() -> None:
    net = SMALL.build(classes=4, channels=3).eval()
    x = clips(2)
    with torch.no_grad():
        once = net(x)
        assert torch.allclose(net(x[:, :, [3, 0, 4, 1, 2]]), once, atol=1e-5)
        assert torch.allclose(net(x.repeat(1, 1, 2, 1, 1)), once, atol=1e-5)
        assert torch.allclose(net(x[1:]), once[1:], atol=1e-5)  # videos do not see each other
        other = x.clone()
        other[0, :, 2] = 255 - other[0, :, 2]
        assert not torch.allclose(net(other)[0], once[0], atol=1e-4)  # every frame counts
        assert torch.allclose(net(other)[1], once[1], atol=1e-5)


def test_training_draws_frames_and_positions_and_the_seed_decides() -> None:
    net = SMALL.build(classes=4, channels=3)
    seen: list[tuple[int, ...]] = []
    net.memory.look[0].register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    answers = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        answers.append(net(clips_of_one_picture()))
    assert seen == [(2, 3 * 7, 8)] * 3  # 3 of 5 frames, 7 of 49 positions of each
    assert torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2])


def clips_of_one_picture() -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (2, 3, 5, 56, 56), dtype=torch.uint8, generator=generator)


def test_drawn_frames_are_some_of_each_clip_in_order_and_all_come_up() -> None:
    x = torch.arange(6).repeat(50, 2, 1) + 10 * torch.arange(50)[:, None, None]
    found = drawn_frames(x[..., None, None], 4)[..., 0, 0]
    assert found.shape == (50, 2, 4)
    assert torch.equal(found[:, 0], found[:, 1])  # the channels of a picture stay together
    places = found[:, 0] - 10 * torch.arange(50)[:, None]
    assert ((places[:, 1:] - places[:, :-1]) > 0).all()
    assert set(places.flatten().tolist()) == set(range(6))
    assert len({tuple(row) for row in places.tolist()}) > 5  # each clip its own draw


def test_a_stream_carries_it_as_one_clip_a_video() -> None:
    net = Tsn(SMALL.build(classes=4, channels=2))
    logits = net(clips(3, channels=2)[:, None])
    assert logits.shape == (3, 4)
    assert net.backbone.frames == 5


def test_every_weight_gets_a_gradient() -> None:
    net = SMALL.build(classes=4, channels=3)
    for block in net.modules():  # the last norm of each residual block starts at zero
        if isinstance(block, nn.BatchNorm2d):
            nn.init.ones_(block.weight)
    nn.functional.cross_entropy(net(clips(6)), torch.arange(6) % 4).backward()
    for name, part in net.named_parameters():
        assert part.grad is not None, name
        assert (part.grad != 0).any(), name


def test_maps_of_the_published_net() -> None:
    with torch.device("meta"):
        net = MemoryNet().build(classes=400, channels=3)
        maps = net._maps(torch.zeros(2, 3, 224, 224))
    assert [tuple(part.shape[1:]) for part in maps] == [(512, 28, 28), (1024, 14, 14), (2048, 7, 7)]
    assert [look[0].in_features for look in net.memory.look] == [512, 1024, 2048]
    assert (net.dims, net.classifier.in_features, net.frames, net.drawn) == (64 * 512, 64 * 512, 32, 16)


def test_the_trunk_starts_from_a_trained_net_of_frames(tmp_path: Path) -> None:
    flat = Resnet(depth=18).build(classes=7, channels=3)
    save_weights(tmp_path / "rgb.safetensors", flat)
    config = MemoryNet(trunk=Resnet(depth=18), weights=tmp_path / "rgb.safetensors", memory=SMALL.memory)
    net = config.build(classes=4, channels=2)
    assert torch.equal(net.blocks[2][1].conv2.weight, flat.trunk.layer4[1].conv2.weight)
    mean = flat.trunk.conv1.weight.mean(dim=1, keepdim=True)  # RGB filters adapt to flow
    assert torch.allclose(net.first[0].weight, mean.expand(-1, 2, -1, -1))


def test_weights_and_configuration_come_back(tmp_path: Path) -> None:
    net = SMALL.build(classes=4, channels=3).eval()
    save_weights(tmp_path / "net.safetensors", net)
    again = load_weights(SMALL.build(classes=4, channels=3), tmp_path / "net.safetensors").eval()
    x = clips(1)
    with torch.no_grad():
        assert torch.equal(again(x), net(x))
    for config in (SMALL, MemoryNet()):
        assert from_plain(MemoryNet, to_plain(config)) == config


def test_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a memory net draws from 1 to 5 of its frames, got 6"):
        MemoryNet(frames=5, drawn=6)
    with pytest.raises(DataError, match="weights of a memory net belong to itself and not to its trunk, got imagenet"):
        MemoryNet(trunk=Resnet(weights="imagenet"))
    with pytest.raises(DataError, match="nobody has trained a small net on ImageNet"):
        MemoryNet(trunk=SmallNet(), weights="imagenet")
    with pytest.raises(DataError, match=r"weights file .*none\.safetensors is not there"):
        MemoryNet(trunk=SmallNet(), weights=tmp_path / "none.safetensors").build(classes=2, channels=3)
