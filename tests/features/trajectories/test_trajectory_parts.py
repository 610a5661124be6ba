"""The parts of improved trajectories, each against OpenCV or a slow version of ten lines."""

import re

import cv2
import numpy as np
import pytest
from moving import CANVAS, filmed, shift, turn, view

from features.drawn import texture
from untrimmed.features.flow.farneback import Farneback
from untrimmed.features.trajectories.camera import KeyPoints, camera_homography, corners, matches, turned_back
from untrimmed.features.trajectories.config import Trajectories
from untrimmed.features.trajectories.flows import flows
from untrimmed.features.trajectories.histogram_kernels import describe, direction_sums
from untrimmed.features.trajectories.people import PeopleDetector, background
from untrimmed.features.trajectories.scales import pyramid, sizes
from untrimmed.features.trajectories.track_kernels import free_places
from untrimmed.features.trajectories.verdict import worthy
from untrimmed.records import DataError, MissingExtra

RNG = np.random.default_rng(0)


def directions(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Length of each vector, shared by the two nearest of eight directions: (height, width, 8)."""
    place = np.rad2deg(np.arctan2(y, x)) % 360 / 45
    found = np.zeros((*x.shape, 8))
    for at in np.ndindex(x.shape):
        low = int(place[at])
        found[(*at, low % 8)] += np.hypot(x[at], y[at]) * (1 - place[at] + low)
        found[(*at, (low + 1) % 8)] += np.hypot(x[at], y[at]) * (place[at] - low)
    return found


def gradient(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    given = plane.astype(np.float64)
    return (
        cv2.Sobel(given, cv2.CV_64F, 1, 0, ksize=1, borderType=cv2.BORDER_REFLECT_101),
        cv2.Sobel(given, cv2.CV_64F, 0, 1, ksize=1, borderType=cv2.BORDER_REFLECT_101),
    )


@pytest.mark.parametrize("side", [16, 12, 7, 1])
def test_descriptors_equal_a_sum_over_the_pixels_of_each_cell(side: int) -> None:
    """Shares of the length for direction, L1 norm with epsilon, square root, mean over the span (IJCV 3.3)."""
    height, width, steps, epsilon, still = 48, 61, 15, 0.05, 0.4
    points = RNG.uniform(0, [width, height], (4, steps + 1, 2)).astype(np.float32)
    slots = np.array([2, 0, 3])
    out = np.zeros((4, 3, 132), np.float32)
    wanted = np.zeros((4, 3, 132))
    sums = np.full((height + 1, 33, width), np.nan, np.float32)
    for age in range(steps):
        picture = RNG.integers(0, 256, (height, width)).astype(np.uint8)
        flow = RNG.normal(size=(2, height, width)).astype(np.float32)
        direction_sums(picture, flow[0], flow[1], np.float32(still), side, sums)
        describe(points, slots, np.full(4, age), side, np.float32(epsilon), sums, out)
        moving = np.hypot(*flow) > still
        planes = [
            directions(*gradient(picture)),
            np.dstack([directions(*flow.astype(np.float64)) * moving[:, :, None], ~moving]),
            directions(*gradient(flow[0])),
            directions(*gradient(flow[1])),
        ]
        for slot in slots:
            left, top = np.rint(points[slot, age]).astype(int) - side
            left, top = np.clip(left, 0, width - 2 * side), np.clip(top, 0, height - 2 * side)
            start = 0
            for plane in planes:
                cells = [
                    plane[y : y + side, x : x + side].sum(axis=(0, 1))
                    for x in (left, left + side)
                    for y in (top, top + side)
                ]
                entries = np.concatenate(cells) + epsilon
                wanted[slot, age // 5, start : start + len(entries)] += np.sqrt(entries / entries.sum()) / 5
                start += len(entries)
    # the arc tangent is right to 0.01 degrees, which shows where a cell is one pixel
    np.testing.assert_allclose(out, wanted, atol=2e-4 if side > 1 else 2e-3)
    assert (out[1] == 0).all()


def test_flow_at_one_scale_is_that_of_opencv_with_a_median() -> None:
    first, second = filmed(shift(1.3, -0.7), 2)
    method = Farneback(window=10, iterations=2, neighbours=7, sigma=1.5)
    config = Trajectories(scales=1, flow=method)
    measure = flows(sizes(*first.shape, config), config)
    (found,) = measure.between(measure.prepare(first), measure.prepare(second))
    flag = cv2.OPTFLOW_FARNEBACK_GAUSSIAN
    theirs = cv2.calcOpticalFlowFarneback(first, second, np.empty((1, 1, 2)), 0.5, 0, 10, 2, 7, 1.5, flag)
    for ours, plane in zip(found, theirs.transpose(2, 0, 1), strict=True):
        np.testing.assert_allclose(ours, cv2.medianBlur(np.ascontiguousarray(plane), 5), atol=1e-3)


def test_each_scale_is_smaller_by_the_factor_until_a_side_is_too_small() -> None:
    found = sizes(256, 340, Trajectories())
    assert [(height, width) for _, height, width in found[:3]] == [(256, 340), (181, 240), (128, 170)]
    assert len(found) == 7
    assert min(found[-1][1:]) >= 32
    assert len(sizes(2000, 2000, Trajectories())) == 8
    assert sizes(31, 500, Trajectories()) == []
    picture = texture(256, 340).astype(np.uint8)
    assert [level.shape for level in pyramid(picture, found)] == [(height, width) for _, height, width in found]


def test_the_frame_is_turned_back_by_the_camera_that_was_found() -> None:
    step = turn(2.0, 1.03) @ shift(3, -2)
    first, second = filmed(step, 2)
    points = RNG.uniform(10, 110, (300, 2)).astype(np.float32)
    moved = np.column_stack([points, np.ones(300)]) @ step.T
    there = (moved[:, :2] / moved[:, 2:]).astype(np.float32)
    there[:60] += 9  # these do not agree
    everywhere = np.ones(first.shape, bool)
    homography = camera_homography(points, there, everywhere)
    assert homography is not None
    np.testing.assert_allclose(homography, step, atol=1e-3)
    back = turned_back(first, second, homography)
    assert np.abs(back.astype(int) - first)[16:-16, 16:-16].max() <= 12
    # to 1/32 pixel OpenCV's own
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    theirs = cv2.warpPerspective(second, step, first.shape[::-1], flags=flags)
    assert np.abs(back.astype(int) - theirs)[8:-8, 8:-8].mean() < 0.5
    np.testing.assert_array_equal(turned_back(first, second, shift(1000, 0)), first)
    assert camera_homography(points[:50], there[:50], everywhere) is None
    assert camera_homography(points, there, ~everywhere) is None
    assert camera_homography(points, RNG.uniform(0, 128, (300, 2)).astype(np.float32), everywhere) is None


def test_corners_move_with_the_flow() -> None:
    picture = view(CANVAS, shift(100, 100))
    flow = np.stack([np.full(picture.shape, 2.0), np.full(picture.shape, -1.0)]).astype(np.float32)
    places, moved = corners(picture, flow, 0.001)
    assert 50 < len(places) <= 1000
    np.testing.assert_allclose(moved - places, np.tile([2.0, -1.0], (len(places), 1)), atol=1e-5)


@pytest.mark.parametrize("kind", ["numbers", "bits"])
def test_matches_are_each_others_nearest_within_the_window(kind: str) -> None:
    first, second = (RNG.uniform(0, 80, (count, 2)).astype(np.float32) for count in (40, 50))
    if kind == "numbers":
        words, others = (RNG.normal(size=(count, 128)).astype(np.float32) for count in (40, 50))
        away = ((words[:, None] - others[None]) ** 2).sum(axis=2).astype(np.float64)
    else:
        words, others = (RNG.integers(0, 256, (count, 32)).astype(np.uint8) for count in (40, 50))
        away = np.unpackbits(words[:, None] ^ others[None], axis=2).sum(axis=2).astype(np.float64)
        away += np.arange(50) * 1e-6 + np.arange(40)[:, None] * 1e-6  # of equals the first
    away[np.abs(first[:, None] - second[None]).max(axis=2) > 25] = np.inf
    wanted = {
        (i, int(away[i].argmin()))
        for i in range(40)
        if np.isfinite(away[i].min()) and away[:, away[i].argmin()].argmin() == i
    }
    places, moved = matches(KeyPoints(first, words), KeyPoints(second, others), within=25.0)
    assert len(places) > 5
    assert {(_number(first, a), _number(second, b)) for a, b in zip(places, moved, strict=True)} == wanted
    nobody = KeyPoints(np.zeros((0, 2), np.float32), words[:0])
    assert len(matches(nobody, KeyPoints(second, others), within=25.0)[0]) == 0


def _number(places: np.ndarray, place: np.ndarray) -> int:
    return int(np.abs(places - place).sum(axis=1).argmin())


def test_a_track_begins_in_each_free_square_that_is_strong_enough() -> None:
    strength = np.ones((22, 18), np.float32)
    strength[7] = 0
    points = np.zeros((3, 16, 2), np.float32)
    points[1, 4] = [12.9, 14.99]  # column 2, row 2
    points[2, 0] = [17.5, 21.5]  # beyond the last whole square
    found = free_places(strength, np.float32(0.5), 5, points, np.array([1, 2]), np.array([0, 4, 0]))
    wanted = [(x, y) for y in (2, 12, 17) for x in (2, 7, 12) if (x, y) != (12, 12)]
    assert [tuple(place) for place in found.tolist()] == wanted


def test_static_erratic_and_jumping_tracks_are_not_worthy() -> None:
    line = np.arange(16.0)
    points = {
        "good": np.stack([line * 2, line], axis=1),
        "static": np.stack([line * 0.3, line * 0.3], axis=1),
        "erratic": np.stack([line * 12, line], axis=1),
        "jumps": np.stack([np.where(line < 8, 0, 30) + line * 0.1, line * 0], axis=1),
        "long step among long steps": np.stack([line * 2 + np.where(line < 8, 0, 25), line * 4], axis=1),
    }
    verdict = worthy(np.stack(list(points.values())).astype(np.float32), Trajectories())
    assert dict(zip(points, verdict.tolist(), strict=True)) == {
        "good": True,
        "static": False,
        "erratic": False,
        "jumps": False,
        "long step among long steps": True,
    }


def test_background_is_what_no_box_covers() -> None:
    outside = background(10, 12, np.array([[-3.0, 2.2, 4.1, 5.0], [20.0, 0.0, 30.0, 4.0]]))
    wanted = np.ones((10, 12), bool)
    wanted[2:5, :5] = False
    np.testing.assert_array_equal(outside, wanted)


def test_the_people_detector_sees_nobody_in_noise_or_in_a_small_picture() -> None:
    detector = PeopleDetector()
    assert detector.boxes(np.zeros((64, 64), np.uint8)).shape == (0, 4)
    noise = texture(160, 120).astype(np.uint8)
    if hasattr(cv2, "HOGDescriptor"):
        assert detector.boxes(noise).shape == (0, 4)
        return
    with pytest.raises(MissingExtra, match=r"the people detector needs OpenCV 4, got 5.* without HOGDescriptor: pip"):
        detector.boxes(noise)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scales": 0}, "scales, grid_step and key_points_limit of trajectories must be at least 1, got 0, 5 and 1000"),
        ({"scale_factor": 1.0}, "scale_factor of trajectories must be above 1, got 1.0"),
        ({"patch": 15}, "patch of trajectories must be an even number of pixels, got 15"),
        ({"patch": 48}, "least_side of trajectories must hold a patch of 48 pixels, got 32"),
        ({"epsilon": 0.0}, "epsilon of trajectories must be positive, got 0.0"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_an_error(fields: dict[str, float], words: str) -> None:
    with pytest.raises(DataError, match=re.escape(words)):
        Trajectories(**fields)  # type: ignore[arg-type]


def test_a_detector_that_makes_no_sense_is_an_error() -> None:
    with pytest.raises(DataError, match=r"needs every >= 1, a stride in multiples of 8 and a scale above 1, got 0, 8"):
        PeopleDetector(every=0)
