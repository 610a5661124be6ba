"""Tracks on videos whose every motion is known: where they end, what they say, and which must not be there."""

import itertools
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from moving import HEIGHT, WIDTH, filmed, shift, turn, with_object

from untrimmed.features.flow.dis import Dis
from untrimmed.features.trajectories import stream
from untrimmed.features.trajectories.block import DESCRIPTORS, TrajectoryBlock
from untrimmed.features.trajectories.config import FAST, Trajectories
from untrimmed.features.trajectories.people import PeopleDetector
from untrimmed.features.trajectories.stream import track, track_video
from untrimmed.media.writer import write_video
from untrimmed.records import DataError

EVERYTHING = replace(Trajectories(), camera_pixels=-1.0)
"""Keeps what moves with the camera."""
PLAIN = replace(Trajectories(), compensated=False)
NOTHING = np.sqrt(np.float32(1 / 32))
"""Each entry of a normalised histogram of 32 that nothing was put in."""

STEPS = {
    "pan": shift(2, 1),
    "pan between pixels": shift(1.3, -0.6),
    "turn": turn(0.6, 1.0),
    "zoom": turn(0.0, 1.015),
}


def joined(blocks: list[TrajectoryBlock], name: str) -> np.ndarray:
    return np.concatenate([getattr(block, name) for block in blocks])


def ends_of(blocks: list[TrajectoryBlock]) -> tuple[np.ndarray, np.ndarray]:
    """First and last place of each track, from its steps and its mean."""
    steps = joined(blocks, "trajectory").reshape(-1, 15, 2) * joined(blocks, "length")[:, None, None]
    places = np.concatenate([np.zeros((len(steps), 1, 2)), steps.cumsum(axis=1)], axis=1)
    places += (joined(blocks, "mean") - places.mean(axis=1))[:, None]
    return places[:, 0], places[:, -1]


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("config", [PLAIN, replace(PLAIN, flow=Dis())], ids=["farneback", "dis"])
def test_tracks_end_where_they_must(name: str, config: Trajectories) -> None:
    blocks = list(track(filmed(STEPS[name], 18), config))
    first, last = ends_of(blocks)
    moved = np.column_stack([first, np.ones(len(first))]) @ np.linalg.matrix_power(STEPS[name], 15).T
    edge = np.minimum(np.minimum(first, last), [WIDTH, HEIGHT] - np.maximum(first, last)).min(axis=1)
    inner = (edge > 24) & (joined(blocks, "scale") == 1)
    assert inner.sum() > 50
    errors = np.linalg.norm(last - moved[:, :2], axis=1)[inner]
    assert np.median(errors) < 0.5
    assert np.quantile(errors, 0.9) < 1.0


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("config", [Trajectories(), FAST], ids=["published", "fast"])
def test_what_moves_with_the_camera_leaves_no_tracks(name: str, config: Trajectories) -> None:
    assert sum(map(len, track(filmed(STEPS[name], 18), PLAIN))) > 400
    assert sum(map(len, track(filmed(STEPS[name], 18), config))) <= 2


def test_a_static_scene_has_no_tracks_even_where_nothing_is_taken_away() -> None:
    assert list(track(filmed(shift(0, 0), 20), replace(PLAIN, camera_pixels=-1.0))) == []


def test_a_blank_video_and_one_that_is_too_short_have_no_tracks() -> None:
    assert list(track([np.full((64, 64), 7, np.uint8)] * 20)) == []
    assert list(track(filmed(shift(2, 1), 15), PLAIN)) == []
    assert list(track([])) == []


def test_flow_has_no_direction_once_the_camera_is_taken_away() -> None:
    blocks = list(track(filmed(shift(2, 1), 20), EVERYTHING))
    assert sum(map(len, blocks)) > 400
    hof = joined(blocks, "hof").reshape(-1, 3, 4, 9)
    # all 16 x 16 pixels of each of 4 cells lie in its zero bin; epsilon is shared by the 36 entries
    total = 4 * 256 + 36 * 0.05
    np.testing.assert_allclose(hof[..., 8], np.sqrt(256.05 / total), rtol=5e-3)
    assert (hof[..., 8] ** 2).sum(axis=2).min() > 0.99


@pytest.mark.parametrize("config", [EVERYTHING, replace(EVERYTHING, flow=Dis())], ids=["farneback", "dis"])
def test_a_pan_that_is_known_to_the_pixel_leaves_nothing(config: Trajectories, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "camera_homography", lambda *_: shift(2, 1))
    blocks = list(track(filmed(shift(2, 1), 20), config))
    mean, mbh = joined(blocks, "mean"), joined(blocks, "mbh")
    if config is EVERYTHING:  # Farneback's flow, OpenCV's too, is not zero at the edges of two equal pictures
        reach = np.array([16 + 15 + 6, 16 + 8 + 6])
        inner = ((mean > reach) & (mean < [WIDTH, HEIGHT] - reach)).all(axis=1) & (joined(blocks, "scale") == 1)
        mean, mbh = mean[inner], mbh[inner]
    assert len(mbh) > 200
    np.testing.assert_allclose(mbh, NOTHING, atol=1e-4)


def test_an_object_before_a_panning_camera_keeps_its_tracks() -> None:
    frames = filmed(shift(2, 1), 20)
    with_object(frames, (0, 1), (104, 56), 32)
    plain, blocks = list(track(frames, PLAIN)), list(track(frames))
    swept = np.array([[104, 56], [136, 107]])  # flow smears an object's motion over a few pixels beyond its edge
    mean, every = joined(blocks, "mean"), joined(plain, "mean")
    assert np.count_nonzero(beside(every, swept, 20)) > 200
    assert np.count_nonzero(beside(mean, swept, 20)) <= 2
    middle, middles = (np.array([120.0, 72.0]) + np.outer(joined(b, "ends") - 7.5, [0.0, 1.0]) for b in (blocks, plain))
    inner, inners = np.abs(mean - middle).max(axis=1) < 10, np.abs(every - middles).max(axis=1) < 10
    assert np.count_nonzero(inner) >= 0.95 * np.count_nonzero(inners) > 20
    # beside the camera the object moves by (-2, 0)
    steps = joined(blocks, "trajectory")[inner].reshape(-1, 15, 2)
    np.testing.assert_allclose(np.median(steps, axis=(0, 1)), [-1 / 15, 0], atol=0.004)


def beside(places: np.ndarray, box: np.ndarray, margin: float) -> np.ndarray:
    return np.asarray((places < box[0] - margin).any(axis=1) | (places > box[1] + margin).any(axis=1))


def test_boxes_keep_a_person_who_fills_the_picture_from_passing_for_the_camera() -> None:
    frames = filmed(shift(0, 0), 20)
    with_object(frames, (1.5, 0), (25, 12), 100)
    box = np.array([[17.0, 4.0, 160.0, 120.0]])

    def on_the_person(blocks: list[TrajectoryBlock]) -> int:
        middle = np.array([75.0, 62.0]) + np.outer(joined(blocks, "ends") - 7.5, [1.5, 0.0])
        return np.count_nonzero(np.abs(joined(blocks, "mean") - middle).max(axis=1) < 46)

    assert on_the_person(list(track(frames))) < 20
    assert on_the_person(list(track(frames, people=lambda _: box))) > 500
    detector = _Seeing()
    asked.clear()
    assert on_the_person(list(track(frames, replace(Trajectories(), people=detector)))) > 500
    assert asked == [HEIGHT] * 4  # frames 0, 5, 10 and 15


asked: list[int] = []


class _Seeing(PeopleDetector):
    """Sees the person of the test above, and remembers that it was asked."""

    def boxes(self, picture: np.ndarray) -> np.ndarray:
        asked.append(len(picture))
        return np.array([[17.0, 4.0, 160.0, 120.0]])


@pytest.mark.parametrize("config", [Trajectories(), replace(FAST, key_points=None)], ids=["published", "fast"])
def test_the_same_video_gives_the_same_blocks_however_it_is_read(config: Trajectories) -> None:
    frames = filmed(turn(0.8, 1.01), 19)
    with_object(frames, (2, 1), (40, 30), 40)
    at_once = list(track(frames, config))
    one_by_one = list(track(iter(frame.copy() for frame in frames), config))
    assert len(at_once) >= 3
    for block, other in zip(at_once, one_by_one, strict=True):
        for name in ("ends", "mean", "variance", "length", "scale", *DESCRIPTORS):
            np.testing.assert_array_equal(getattr(block, name), getattr(other, name))


def test_what_ends_in_a_frame_does_not_depend_on_frames_after_it() -> None:
    frames = filmed(turn(0.8, 1.01), 20)
    short, long = list(track(frames[:18], PLAIN)), list(track(frames, PLAIN))
    for block, other in zip(short, long, strict=False):
        np.testing.assert_array_equal(block.mbh, other.mbh)
        np.testing.assert_array_equal(block.mean, other.mean)


def test_the_descriptors_of_a_block_have_their_published_sizes() -> None:
    (block,) = track(filmed(shift(2, 1), 16), PLAIN)
    assert {name: block.descriptor(name).shape[1] for name in DESCRIPTORS} == DESCRIPTORS
    assert sum(DESCRIPTORS.values()) == 426
    assert (block.ends == 15).all()
    steps = block.trajectory.reshape(-1, 15, 2)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=2).sum(axis=1), 1, rtol=1e-5)
    assert (block.variance.max(axis=1) > np.sqrt(3)).all()


def test_memory_does_not_grow_with_the_video() -> None:
    loop = filmed(shift(1.5, 1), 12)
    endless = itertools.chain.from_iterable(itertools.repeat([*loop, *loop[::-1]]))
    config = replace(FAST, flow=Dis(preset="ultrafast"), compensated=False)
    blocks = track(endless, config)
    for _ in range(60):
        next(blocks)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):
        next(blocks)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4096  # KiB; a frame of tracks has 100 to 700


def test_a_video_file_is_tracked_as_its_frames_are(tmp_path: Path) -> None:
    frames = filmed(shift(2, 1), 18)
    write_video(tmp_path / "pan.mp4", (np.repeat(frame[:, :, None], 3, axis=2) for frame in frames), fps=25)
    blocks = list(track_video(tmp_path / "pan.mp4", PLAIN))
    assert [int(block.ends[0]) for block in blocks] == [15, 16, 17]
    small = list(track_video(tmp_path / "pan.mp4", PLAIN, size=(64, 80)))
    assert set(joined(small, "scale").round(2)) <= {1.0, np.float32(1.41), 2.0}


def test_frames_of_another_size_or_too_small_are_errors() -> None:
    frames = filmed(shift(0, 0), 2)
    with pytest.raises(DataError, match=r"frame 1 to track in must be 128 x 160 as the first, got 100 x 160"):
        list(track(iter([frames[0], frames[1][:100]])))
    with pytest.raises(DataError, match=r"frames to track in must have at least 32 pixels a side, got 20 x 160"):
        list(track([frames[0][:20]]))
