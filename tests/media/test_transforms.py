"""Laws of the transforms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.media.transforms import (
    CornerCrop,
    centre_crop,
    crop,
    flip,
    normalize,
    random_flip,
    resize,
    ten_crop,
    thin,
)
from untrimmed.records import DataError


def _clip(frames: int = 3, height: int = 12, width: int = 16, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_ten_crop_is_five_crops_and_their_mirror_images(kind: object) -> None:
    clip = kind(_clip())  # type: ignore[operator]
    crops = ten_crop(clip, (6, 5))
    places = [(0, 0), (0, 11), (6, 0), (6, 11), (3, 5)]
    for part, (top, left) in zip(crops[:5], places, strict=True):
        assert (part == clip[:, top : top + 6, left : left + 5]).all()
    for part, mirrored in zip(crops[:5], crops[5:], strict=True):
        np.testing.assert_array_equal(np.asarray(mirrored), np.asarray(part)[:, :, ::-1])
    assert (crops[4] == centre_crop(clip, (6, 5))).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), flow=st.booleans(), tensor=st.booleans())
def test_two_flips_are_none(seed: int, flow: bool, tensor: bool) -> None:
    values = np.maximum(_clip(channels=4, seed=seed), 1)
    clip = torch.from_numpy(values.copy()) if tensor else values.copy()
    twice = flip(flip(clip, flow=flow), flow=flow)
    np.testing.assert_array_equal(np.asarray(twice), values)
    np.testing.assert_array_equal(np.asarray(clip), values)  # nothing is changed in place


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_a_flip_turns_motion_in_x_around_and_leaves_y(kind: object) -> None:
    clip = _clip(channels=4)
    clip[0, 0, 0] = [128, 128, 0, 255]
    flipped = np.asarray(flip(kind(clip.copy()), flow=True))[:, :, ::-1]  # type: ignore[operator]
    motion, turned = np.maximum(clip.astype(int), 1) - 128, flipped.astype(int) - 128
    np.testing.assert_array_equal(turned[..., 0::2], -motion[..., 0::2])
    np.testing.assert_array_equal(flipped[..., 1::2], clip[..., 1::2])


def test_random_flips_are_half_of_all_and_repeat_by_seed() -> None:
    clip = _clip()
    generator = np.random.default_rng(0)
    turned = [not np.array_equal(random_flip(clip, generator=generator), clip) for _ in range(400)]
    assert 160 < sum(turned) < 240
    again = np.random.default_rng(0)
    assert turned == [not np.array_equal(random_flip(clip, generator=again), clip) for _ in range(400)]


def test_resizing_a_tensor_is_resizing_an_array() -> None:
    clip = _clip(height=20, width=30)
    for size in ((10, 15), (7, 31), (40, 60), (1, 1), (20, 30)):
        array, tensor = resize(clip, size), resize(torch.from_numpy(clip), size)
        assert array.shape == (3, *size, 3)
        assert np.abs(array.astype(int) - tensor.numpy()).max() <= 1
    two = _clip(channels=2)
    assert resize(two[..., :1], (4, 5)).shape == (3, 4, 5, 1)
    np.testing.assert_array_equal(resize(two, (4, 5))[..., 1], resize(two[..., 1:], (4, 5))[..., 0])


def test_corner_crops_come_from_all_places_and_sizes_and_are_alike_in_a_clip() -> None:
    config = CornerCrop()
    assert len(config.pairs()) == 10
    assert len(CornerCrop(distortion=4).pairs()) == 16
    rows, columns = np.mgrid[0:256, 0:340]
    picture = np.stack([rows, columns * 255 // 339, rows * 0], axis=2).astype(np.uint8)
    clip = np.stack([picture] * 3)
    generator = np.random.default_rng(0)
    corners = set()
    for _ in range(60):
        out = config(clip, generator=generator)
        assert out.shape == (3, 224, 224, 3)
        np.testing.assert_array_equal(out[0], out[2])
        top, bottom = int(out[0, 0, 0, 0]), int(out[0, -1, 0, 0])
        assert min(abs(bottom - top + 1 - size) for size in config.sizes) <= 2
        left, right = int(out[0, 0, 0, 1]), int(out[0, 0, -1, 1])
        corners.add((top == 0, bottom == 255, left == 0, right == 255))
    assert {(True, False, True, False), (False, True, False, True), (False, False, False, False)} <= corners
    first = config(clip, generator=np.random.default_rng(7))
    np.testing.assert_array_equal(first, config(clip, generator=np.random.default_rng(7)))
    assert config(torch.from_numpy(clip), generator=np.random.default_rng(7)).shape == (3, 224, 224, 3)


def test_thinning_keeps_every_nth_frame() -> None:
    clip = _clip(frames=7)
    np.testing.assert_array_equal(thin(clip, 3), clip[[0, 3, 6]])
    np.testing.assert_array_equal(thin(thin(clip, 2), 2), thin(clip, 4))


def test_normalizing_is_undone_by_its_inverse() -> None:
    clip = _clip(channels=4)
    mean, std = (0.5, 0.4), (0.25, 0.2)
    floats = normalize(clip, mean=mean, std=std)
    assert floats.shape == (3, 4, 12, 16)
    assert floats.dtype == torch.float32
    back = floats.permute(0, 2, 3, 1) * torch.tensor(std * 2) + torch.tensor(mean * 2)
    np.testing.assert_allclose(back.numpy() * 255, clip, atol=1e-3)
    assert torch.equal(floats, normalize(torch.from_numpy(clip), mean=mean, std=std))


def test_what_cannot_be_done_is_refused() -> None:
    clip = _clip()
    with pytest.raises(DataError, match=r"crop \(6, 6\) at \(8, 0\) must lie inside the frames of the clip, got \(12"):
        crop(clip, top=8, left=0, size=(6, 6))
    with pytest.raises(DataError, match=r"must lie inside the frames"):
        centre_crop(clip, (13, 4))
    with pytest.raises(DataError, match=r"frames to crop must be at least 256 high and wide, got"):
        CornerCrop()(clip, generator=np.random.default_rng(0))
    with pytest.raises(DataError, match=r"mean and std must have one value for each of 3 channels, got 2 and 2"):
        normalize(clip, mean=(0.5, 0.5), std=(1.0, 1.0))
    with pytest.raises(DataError, match=r"std of a normalization must be positive"):
        normalize(clip, mean=(0.5,), std=(0.0,))
    with pytest.raises(DataError, match=r"step of temporal thinning must be 1 or more, got 0"):
        thin(clip, 0)
    with pytest.raises(DataError, match=r"size to resize a clip to must be positive"):
        resize(clip, (0, 3))
