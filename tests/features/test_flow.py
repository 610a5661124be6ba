"""Flow: motions that are known, OpenCV's own answers, and the camera taken away."""

import itertools

import cv2
import numpy as np
import pytest
from drawn import texture, view
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.features.flow import median_kernels, tvl1_kernels
from untrimmed.features.flow.camera import camera_motion, compensated
from untrimmed.features.flow.dis import Dis
from untrimmed.features.flow.farneback import Farneback
from untrimmed.features.flow.tvl1 import TvL1
from untrimmed.features.images import bytes_to_flow, flow_to_bytes
from untrimmed.records import DataError

HEIGHT, WIDTH = 96, 128
INNER = np.s_[12:-12, 12:-12]
CANVAS = texture(400, 400, smooth=3.5)


def shifted(dx: float, dy: float) -> np.ndarray:
    return np.array([[1.0, 0, 100 + dx], [0, 1, 100 + dy], [0, 0, 1]])


def turned(degrees: float, zoom: float = 1.0) -> np.ndarray:
    """A camera that turns about the middle of the picture and zooms."""
    angle = np.deg2rad(degrees)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    middle = np.array([[1.0, 0, -WIDTH / 2], [0, 1, -HEIGHT / 2], [0, 0, 1]])
    turn = np.array([[cos, -sin, 100 + WIDTH / 2], [sin, cos, 100 + HEIGHT / 2], [0, 0, 1]])
    return turn @ middle


def true_flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Where the second camera sees what the first sees at each pixel."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    moved = np.linalg.inv(second) @ first @ points
    return (moved[:2] / moved[2] - points[:2]).T.reshape(HEIGHT, WIDTH, 2)


def pair(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return view(CANVAS, first, HEIGHT, WIDTH), view(CANVAS, second, HEIGHT, WIDTH)


def endpoint_error(flow: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(flow - truth, axis=2)[INNER].mean())


CAMERAS = [
    (shifted(0, 0), shifted(2, 0)),
    (shifted(0, 0), shifted(-1.5, 3.25)),
    (shifted(0, 0), shifted(0.3, -0.2)),
    (shifted(0, 0), shifted(4, -3)),
    (turned(0), turned(3)),
    (turned(0), turned(-2, 1.04)),
    (turned(0), turned(0, 0.95)),
]


@pytest.mark.parametrize(("method", "worst"), [(TvL1(), 0.12), (Dis(), 0.25), (Farneback(), 0.35)])
@pytest.mark.parametrize(("first", "second"), CAMERAS)
def test_motions_that_are_known_are_measured(method: TvL1, worst: float, first: np.ndarray, second: np.ndarray) -> None:
    flow = method.flow(*pair(first, second))
    assert flow.shape == (HEIGHT, WIDTH, 2)
    assert flow.dtype == np.float32
    assert endpoint_error(flow, true_flow(first, second)) < worst


def test_tvl1_of_equal_pictures_is_zero_and_a_second_call_changes_nothing() -> None:
    first, second = pair(*CAMERAS[1])
    once = TvL1().flow(first, second)
    assert np.abs(TvL1().flow(first, first)).max() < 1e-6
    np.testing.assert_array_equal(TvL1().flow(first, second), once)  # nothing is left over in its working arrays


def test_tvl1_of_mirrored_pictures_is_mirrored() -> None:
    first, second = pair(*CAMERAS[4])
    flow = TvL1().flow(first, second)
    mirrored = TvL1().flow(np.ascontiguousarray(first[:, ::-1]), np.ascontiguousarray(second[:, ::-1]))
    back = mirrored[:, ::-1] * np.array([-1, 1], np.float32)
    assert np.linalg.norm(flow - back, axis=2)[INNER].mean() < 0.05
    turned_flow = (
        TvL1().flow(np.ascontiguousarray(first.T), np.ascontiguousarray(second.T)).transpose(1, 0, 2)[..., ::-1]
    )
    assert np.linalg.norm(flow - turned_flow, axis=2)[INNER].mean() < 0.05


@pytest.mark.parametrize("size", [(16, 16), (17, 40), (5, 7), (1, 9)])
def test_tvl1_takes_small_pictures(size: tuple[int, int]) -> None:
    first = texture(*size).astype(np.uint8)
    flow = TvL1().flow(first, np.roll(first, 1, axis=1))
    assert flow.shape == (*size, 2)
    assert np.isfinite(flow).all()


def test_tvl1_refuses_nonsense() -> None:
    with pytest.raises(DataError, match=r"TV-L1 needs counts >= 1, 0 < scale_step < 1"):
        TvL1(scale_step=1.0)
    with pytest.raises(DataError, match="TV-L1 needs counts"):
        TvL1(warps=0)


@given(st.integers(1, 12), st.integers(1, 40), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=60, deadline=None)  # the first call compiles
def test_median_is_that_of_opencv(height: int, width: int, seed: int, few: bool) -> None:
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 4, (height, width)) if few else generator.normal(size=(height, width))
    picture = values.astype(np.float32)
    out, room = np.empty_like(picture), np.empty((5, width + 4), np.float32)
    median_kernels.median5(picture, out, room)
    np.testing.assert_array_equal(out, cv2.medianBlur(picture, 5))


def test_median_network_is_right_for_every_split_of_zeros_and_ones() -> None:
    """A network of minima and maxima that is right for all zeros and ones is right for all numbers (0-1 principle)."""
    counts = np.array(list(itertools.product(range(6), repeat=5)))  # ones in each sorted column: 7776 cases say it all
    ranks = [np.where(counts > 4 - rank, 1.0, 0.0).astype(np.float32) for rank in range(5)]
    wrong = 0
    for case in range(len(counts)):
        rows = tuple(tuple(rank[case]) for rank in ranks)
        wrong += median_kernels._median25.py_func(*rows) != float(counts[case].sum() > 12)
    assert wrong == 0


def test_resize_is_that_of_opencv() -> None:
    picture = texture(61, 83)
    for size in [(49, 66), (77, 104), (61, 83)]:
        out = np.empty(size, np.float32)
        tvl1_kernels.resize(picture, out, 61 / size[0], 83 / size[1], np.float32(1))
        assert np.abs(out - cv2.resize(picture, size[::-1], interpolation=cv2.INTER_LINEAR)).max() < 0.01


def test_warp_is_bicubic_with_nothing_outside() -> None:
    first, second = texture(40, 50, seed=1), texture(40, 50, seed=2)
    generator = np.random.default_rng(0)
    u = (generator.integers(-12 * 32, 12 * 32, (2, 40, 50)) / 32).astype(np.float32)  # OpenCV knows 32nds of a pixel
    padded = np.empty((40 + 2 * tvl1_kernels.PAD, 50 + 2 * tvl1_kernels.PAD, 4), np.float32)
    state = np.empty((4, 40, 50), np.float32)
    tvl1_kernels.pad_with_gradients(second, padded)
    tvl1_kernels.warp(first, padded, u[0], u[1], state)
    y, x = np.mgrid[:40, :50].astype(np.float32)
    dx, dy = np.gradient(second, axis=1), np.gradient(second, axis=0)
    dx[:, [0, -1]] *= 0.5  # the edge is repeated, so its difference is one-sided over two pixels
    dy[[0, -1]] *= 0.5
    expected = [cv2.remap(plane, x + u[0], y + u[1], cv2.INTER_CUBIC) for plane in (second, dx, dy)]
    np.testing.assert_allclose(state[0], expected[1], atol=0.05)
    np.testing.assert_allclose(state[1], expected[2], atol=0.05)
    residual = state[3] + state[0] * u[0] + state[1] * u[1] + first
    np.testing.assert_allclose(residual, expected[0], atol=0.05)


def test_iterations_lower_the_energy() -> None:
    """What is made least goes down from scale to scale: compare few iterations with many."""
    first, second = pair(*CAMERAS[1])

    def energy(flow: np.ndarray) -> float:
        y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
        warped = cv2.remap(second.astype(np.float32), x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC)
        data = np.abs(warped - first)[INNER].sum() * 0.15
        smooth = sum(np.hypot(*np.gradient(flow[..., k]))[INNER].sum() for k in range(2))
        return float(data + smooth)

    few = TvL1(warps=1, outer_iterations=1, inner_iterations=2).flow(first, second)
    some = TvL1(warps=1, outer_iterations=1).flow(first, second)
    assert energy(TvL1().flow(first, second)) < energy(some) < energy(few) < energy(np.zeros_like(few))


@pytest.mark.parametrize(("first", "second"), [*CAMERAS, (turned(0), turned(4, 0.93)), (shifted(0, 0), shifted(5, 5))])
@pytest.mark.parametrize("method", [TvL1(), Dis()])
def test_nothing_is_left_of_the_cameras_own_motion(method: TvL1, first: np.ndarray, second: np.ndarray) -> None:
    picture, following = pair(first, second)
    flow = method.flow(picture, following)
    left = compensated(flow, camera_motion(picture, flow))
    assert np.linalg.norm(left, axis=2)[INNER].mean() < 0.25
    if np.linalg.norm(flow, axis=2).mean() > 1:
        assert np.linalg.norm(left, axis=2)[INNER].mean() < 0.15 * np.linalg.norm(flow, axis=2)[INNER].mean()


@pytest.mark.parametrize("camera", [(shifted(0, 0), shifted(4, -2)), (turned(0), turned(2, 1.03))])
def test_a_moving_object_keeps_its_own_motion(camera: tuple[np.ndarray, np.ndarray]) -> None:
    picture, following = pair(*camera)
    thing = texture(30, 30, seed=9, smooth=3.0).astype(np.uint8)
    top, left = 40, 50
    camera_there = np.rint(true_flow(*camera)[top + 15, left + 15]).astype(int)
    own = np.array([2, -3])
    x, y = np.array([left, top]) + camera_there + own
    picture[top : top + 30, left : left + 30] = thing
    following[y : y + 30, x : x + 30] = thing
    flow = TvL1().flow(picture, following)
    kept = compensated(flow, camera_motion(picture, flow))
    inside = kept[top + 8 : top + 22, left + 8 : left + 22].reshape(-1, 2)
    expected = own + camera_there - true_flow(*camera)[top + 15, left + 15]
    np.testing.assert_allclose(np.median(inside, axis=0), expected, atol=0.4)
    outside = np.linalg.norm(kept, axis=2)[12:30, 12:-12]
    assert outside.mean() < 0.25


def test_pictures_without_corners_have_a_still_camera() -> None:
    flat = np.full((HEIGHT, WIDTH), 90, np.uint8)
    flow = np.full((HEIGHT, WIDTH, 2), 3, np.float32)
    np.testing.assert_array_equal(camera_motion(flat, flow), np.eye(3))
    np.testing.assert_array_equal(compensated(flow, np.eye(3)), flow)


def test_flow_that_nobody_agrees_on_has_a_still_camera() -> None:
    picture, _ = pair(*CAMERAS[0])
    flow = np.random.default_rng(0).uniform(-60, 60, (HEIGHT, WIDTH, 2)).astype(np.float32)
    np.testing.assert_array_equal(camera_motion(picture, flow), np.eye(3))


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=20), st.floats(0.5, 64))
def test_flow_as_bytes_keeps_zero_sign_and_half_a_level(values: list[float], bound: float) -> None:
    flow = np.array(values, np.float32)
    coded = flow_to_bytes(flow, bound)
    back = bytes_to_flow(coded, bound)
    assert np.abs(back - np.clip(flow, -bound, bound)).max() <= bound / 254 * 1.001
    np.testing.assert_array_equal(flow_to_bytes(-flow, bound), 256 - coded.astype(int))
    assert flow_to_bytes(np.zeros(1, np.float32), bound) == 128
