"""Pictures of depth and motion: units, pairs, confidence, storage; and what a two-frame net learns on a playground."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import texture, write_clip
from jaxtyping import Int, UInt8

from untrimmed.configs import from_plain, to_plain
from untrimmed.data.playground.config import PlaygroundConfig
from untrimmed.data.playground.write import write_playground
from untrimmed.features.depth_learning import DepthErrors, DepthLearning, depth_errors, learn_depth_net
from untrimmed.features.depth_motion import DepthMotion, FlowOnly, channel_bytes, measured, pair_indices, returning
from untrimmed.features.extract import extract
from untrimmed.features.feature import FeatureSequence, ImageSequence
from untrimmed.features.frame_pairs import FramePairs, PairTruth, frame_pairs, mirrored, moved, normals_of
from untrimmed.features.images import RgbImages
from untrimmed.features.store import FeatureStore
from untrimmed.nets.backbone import FLOW_ZERO, save_weights
from untrimmed.nets.two_frame import TwoFrame, TwoFrameNet, as_channels
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid
from untrimmed.train import Run, Schedule

NET = TwoFrame(widths=(4, 4, 6, 8, 10), predict=4, input_size=(32, 32))
IMAGES = RgbImages(size=(40, 48))
FLOW = DepthMotion(estimator=FlowOnly(map_size=(24, 32)), images=IMAGES, apart=3)


class Given(ImageSequence):
    """Pictures that are known beforehand."""

    def __init__(self, pictures: np.ndarray) -> None:
        self.pictures, self.shape = pictures, pictures.shape[1:]
        self.grid = TimeGrid(start=0.0, stride=0.1, window=0.1, steps=len(pictures))

    def frames(self, indices: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n height width channels"]:
        return self.pictures[indices]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def noise(count: int, *size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *size, 3)).astype(np.uint8)


def rows_of(feature: DepthMotion, pictures: np.ndarray) -> np.ndarray:
    rows = feature.rows(Path("x.mp4"), {feature.images: Given(pictures)})
    blocks = list(rows)
    assert rows.grid() == Given(pictures).grid
    return np.concatenate(blocks)


def shifted_textures(right: int, down: int) -> tuple[np.ndarray, np.ndarray]:
    """Two views of one canvas; what is at p in the first is at p + (right, down) in the second."""
    canvas = np.repeat(texture(160, 192)[:, :, None], 3, axis=2).astype(np.uint8)
    first = canvas[32 : 32 + 96, 32 : 32 + 128]
    return first[None], canvas[32 - down : 128 - down, 32 - right : 160 - right][None]


def test_published_values() -> None:
    feature = DepthMotion()
    assert (feature.channels, feature.size, feature.apart) == (8, (56, 56), 20)
    assert feature.images == RgbImages(size=(256, 256), per_second=25)
    assert feature.requires == (feature.images,)
    for each in (feature, FLOW, DepthMotion(estimator=NET)):
        assert from_plain(DepthMotion, to_plain(each)) == each


@pytest.mark.parametrize(("length", "apart"), [(10, 3), (4, 3), (3, 3), (1, 20)])
def test_pairs_are_so_far_apart_and_the_last_stand_still(length: int, apart: int) -> None:
    first, second = pair_indices(np.arange(length), apart=apart, length=length)
    assert bool(((first >= 0) & (second < length)).all())
    if length > apart:
        assert bool((second - first == apart).all())
        assert first.tolist() == [min(i, length - 1 - apart) for i in range(length)]
    else:
        assert (set(first), set(second)) == ({0}, {length - 1})


@pytest.mark.parametrize(("right", "down"), [(4, 0), (-6, 4), (0, -8)])
def test_flow_of_a_shift_is_the_shift_and_is_trusted(right: int, down: int) -> None:
    config = FlowOnly(map_size=(24, 32), bound=0.25)
    channels = measured(config, *shifted_textures(right, down))[0, 4:-4, 4:-4]
    assert not channels[..., :4].any()
    assert channels[..., 4] * 0.25 * 128 == pytest.approx(right, abs=0.4)
    assert channels[..., 5] * 0.25 * 96 == pytest.approx(down, abs=0.4)
    assert channels[..., 6:].mean() > 0.7
    other = measured(config, *(part[:, :, ::-1] for part in shifted_textures(right, down)))[0, 4:-4, 4:-4]
    assert other[..., 4] == pytest.approx(-channels[:, ::-1, 4], abs=0.05)


def test_confidence_is_low_where_flows_do_not_undo_each_other() -> None:
    there = np.zeros((2, 6, 8), np.float32)
    assert returning(there, there) == pytest.approx(1)
    assert returning(there, there + np.float32(2 / 8))[0] == pytest.approx(np.exp(-2), rel=1e-5)
    there[0] = 3 / 8  # three pixels to the right: the last three columns leave the picture
    trusted = returning(there, -there)
    assert trusted[:, :, :5] == pytest.approx(1)
    assert not trusted[:, :, 5:].any()


def test_confidence_is_low_between_pictures_of_different_things() -> None:
    config = FlowOnly(map_size=(24, 32))
    same = measured(config, *shifted_textures(4, 2))
    one, other = (
        np.repeat(texture(96, 128, seed=seed)[None, :, :, None], 3, axis=3).astype(np.uint8) for seed in (1, 2)
    )
    assert measured(config, one, other)[..., 6:].mean() < same[..., 6:].mean() - 0.3


def test_bytes_stand_for_what_a_backbone_makes_of_them() -> None:
    values = np.linspace(-1, 1, 101, dtype=np.float32)
    found = channel_bytes(values)
    assert found.dtype == np.uint8
    assert (found.astype(float) - FLOW_ZERO) / 127 == pytest.approx(values, abs=0.5 / 127 + 1e-6)
    assert channel_bytes(np.zeros(1, np.float32))[0] == FLOW_ZERO


def test_pictures_are_what_the_net_says_of_pairs(tmp_path: Path) -> None:
    net = NET.build().eval()
    save_weights(tmp_path / "net.safetensors", net)
    feature = DepthMotion(estimator=NET, weights=tmp_path / "net.safetensors", images=IMAGES, apart=5)
    pictures = noise(40, 32, 32)  # more than a block, of the net's own size
    found = rows_of(feature, pictures)
    assert found.shape == (40, 8, 8, 8)
    frames = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    with torch.no_grad():
        wanted = as_channels(net(frames[:-5], frames[5:]), NET).permute(0, 2, 3, 1).numpy()
    assert found[:35].astype(int) == pytest.approx(128 + 127 * wanted, abs=0.51)
    assert np.array_equal(found[35:], np.repeat(found[34:35], 5, axis=0))


def test_a_short_video_pairs_its_ends() -> None:
    pictures = noise(3, 40, 48)
    found = rows_of(FLOW, pictures)
    assert found.shape == (3, 24, 32, 8)
    assert np.array_equal(found[0], found[2])
    still = rows_of(FLOW, np.repeat(pictures[:1], 6, axis=0))
    assert bool((still[..., :6] == 128).all())
    assert bool((still[..., 6:] == 255).all())


def test_stored_pictures_come_back(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "clip.mp4", frames=12)
    store = FeatureStore(tmp_path / "store")
    extract((FLOW,), [video], store=store)
    found = store.load(FLOW, "clip")
    assert isinstance(found, ImageSequence)
    frames = store.load(FLOW.images, "clip")
    assert isinstance(frames, ImageSequence)
    assert found.grid == frames.grid
    wanted = rows_of(FLOW, frames.frames(np.arange(12)))
    got = found.frames(np.arange(12)).astype(int)
    assert np.abs(got - wanted).mean() < 2  # JPEG


def test_a_net_that_has_learnt_nothing_says_so(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    feature = DepthMotion(estimator=NET, images=IMAGES)
    with caplog.at_level(logging.WARNING):
        one = rows_of(feature, noise(3, 40, 48))
    assert "depth and motion of x.mp4 are said by a net that has learnt nothing: give weights" in caplog.text
    assert np.array_equal(one, rows_of(feature, noise(3, 40, 48)))  # the same start each time
    for name in ("one", "other"):
        save_weights(tmp_path / f"{name}.safetensors", NET.build())
    keys = {replace(feature, weights=tmp_path / f"{name}.safetensors").key for name in ("one", "other")}
    assert len(keys | {feature.key}) == 3


def test_normals_of_planes_are_exact() -> None:
    """A plane n . p = -c has an inverse depth that is linear in the picture."""
    height, width, focal, aspect = 9, 12, 1.46, 4 / 3
    y, x = (np.mgrid[:height, :width] + 0.5) / np.array([height, width])[:, None, None] - 0.5
    for normal in ([0.0, 0.0, -1.0], [0.3, -0.5, -0.8], [0.0, -0.99, -0.14]):
        unit = np.array(normal) / np.linalg.norm(normal)
        inverse = -(unit[0] * x * aspect / focal + unit[1] * y / focal + unit[2]) / 4.0
        seen = inverse > 0.005
        found = normals_of(np.where(seen, inverse, 0.005), focal=focal, aspect=aspect)
        inner = seen & np.roll(seen, 1, 0) & np.roll(seen, -1, 0)
        inner[[0, -1]] = False
        assert bool(inner.any())
        assert found[:, inner] == pytest.approx(np.repeat(unit[:, None], int(inner.sum()), axis=1), abs=1e-5)
    depth = np.random.default_rng(0).uniform(0.1, 1, (height, width)).astype(np.float32)
    turned = normals_of(depth[:, ::-1], focal=focal, aspect=aspect)[:, :, ::-1]
    assert turned == pytest.approx(normals_of(depth, focal=focal, aspect=aspect) * [[[-1]], [[1]], [[1]]], abs=1e-5)


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("playground")
    config = PlaygroundConfig(
        training=2, validation=0, testing=1, training_clips=0, validation_clips=0, testing_clips=0, width=96,
        height=72, shortest=10.0, longest=12.0, truth=True, truth_per_second=2.0,
    )  # fmt: skip
    write_playground(folder, config, workers=1)
    return folder


@pytest.fixture(scope="module")
def pairs(playground: Path) -> FramePairs:
    return frame_pairs(playground, "training", NET, truth=PairTruth())


def test_pairs_of_a_playground(pairs: FramePairs, playground: Path) -> None:
    assert len(pairs) >= 40
    assert pairs.first.shape[1:] == pairs.second.shape[1:] == (32, 32, 3)
    assert pairs.inverse_depth.shape[1:] == (1, 8, 8)
    assert bool((pairs.inverse_depth > 0.01).all())  # the sky is at 80 m
    assert np.linalg.norm(pairs.normals, axis=1) == pytest.approx(1, abs=1e-5)
    assert bool((pairs.normals[:, 2] <= 0.0).mean() > 0.99)  # towards the camera
    assert pairs.trusted.mean() > 0.5
    with pytest.raises(DataError, match=r"a two-frame net needs truth of validation videos, but .* has none"):
        frame_pairs(playground, "validation", NET, truth=PairTruth())


def test_mirrored_twice_is_as_before_and_flow_follows_what_is_moved(pairs: FramePairs) -> None:
    item = pairs[3]
    again = mirrored(mirrored(item))
    assert all(torch.equal(again[name], item[name]) for name in item)
    once = mirrored(item)
    assert torch.equal(once["flow"][0], -item["flow"][0].flip(-1))
    assert torch.equal(once["flow"][1], item["flow"][1].flip(-1))
    step = moved(item, right=3, down=-2)
    assert torch.allclose(step["flow"] - item["flow"], torch.tensor([3 / 32, -2 / 32])[:, None, None], atol=1e-6)
    assert torch.equal(step["second"][:, :-2, 3:], item["second"][:, 2:, :-3])
    assert torch.equal(step["first"], item["first"])
    generator = np.random.default_rng(0)
    drawn = [pairs.at(3, generator) for _ in range(12)]
    assert len({round(float(one["flow"].sum()), 4) for one in drawn}) > 4


def test_it_learns_and_writes_its_weights(playground: Path, pairs: FramePairs, tmp_path: Path) -> None:
    learning = DepthLearning(schedule=Schedule(steps=30, batch_size=8, optimizer="adamw", learning_rate=3e-3))
    run = Run(device="cpu", loaders=0)
    path = learn_depth_net(playground, NET, to=tmp_path / "nets" / "net.safetensors", learning=learning, run=run)
    assert path == tmp_path / "nets" / "net.safetensors"
    torch.manual_seed(0)
    before = depth_errors(NET.build(), pairs, training=pairs)
    after = depth_errors(NET.build(path), pairs, training=pairs)
    assert after.inverse_depth < before.inverse_depth
    assert after.normals < before.normals
    assert (after.constant_depth, after.no_flow) == (before.constant_depth, before.no_flow)
    feature = DepthMotion(estimator=NET, weights=path, images=IMAGES)
    assert rows_of(feature, noise(2, 40, 48)).shape == (2, 8, 8, 8)


def test_errors_of_a_perfect_answer_and_of_the_constants(pairs: FramePairs) -> None:
    class Perfect(TwoFrameNet):
        place = 0

        def forward(self, first: torch.Tensor, second: torch.Tensor) -> Any:
            part = slice(self.place, self.place + len(first))
            self.place += len(first)
            known = (pairs.inverse_depth, pairs.normals, pairs.flow, np.ones_like(pairs.flow) * pairs.trusted)
            return tuple(torch.from_numpy(each[part]) for each in known)

    found = depth_errors(Perfect(NET), pairs, training=pairs)
    assert isinstance(found, DepthErrors)
    assert (found.inverse_depth, found.flow) == pytest.approx((0, 0), abs=1e-6)
    assert found.normals == pytest.approx(0, abs=0.1)
    assert found.confidence == 0  # it is 1 everywhere, as it should be
    size = 8
    assert found.no_flow == pytest.approx(
        float(np.linalg.norm(pairs.flow * size, axis=1)[pairs.trusted[:, 0]].mean()), rel=1e-5
    )


def test_words_of_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="frames of a pair must be at least 1 apart, got 0"):
        DepthMotion(apart=0)
    with pytest.raises(DataError, match="flow alone is not learnt, so weights must be None, got x"):
        DepthMotion(estimator=FlowOnly(), weights=Path("x"))
    with pytest.raises(DataError, match=r"weights file .*none is not there; learn_depth_net writes one"):
        rows_of(DepthMotion(weights=tmp_path / "none"), noise(1, 40, 48))
    with pytest.raises(DataError, match=r"flow of pairs needs a positive map_size and bound, got \(0, 4\), 0.25"):
        FlowOnly(map_size=(0, 4))
    rows = FeatureSequence(np.zeros((1, 2), np.float32), TimeGrid(start=0.0, stride=1.0, window=1.0, steps=1))
    with pytest.raises(DataError, match=r"of x\.mp4 is measured from pictures, got rows"):
        FLOW.rows(Path("x.mp4"), {FLOW.images: rows})
