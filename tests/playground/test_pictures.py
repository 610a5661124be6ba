"""Pictures and truth: the same seed gives the same pixels, and what is said of a picture agrees with it."""

import numpy as np
import pytest

from untrimmed.data.playground import PlaygroundConfig
from untrimmed.data.playground.classes import LABELS
from untrimmed.data.playground.director import plan_clip, plan_video
from untrimmed.data.playground.pieces import STAGE, project
from untrimmed.data.playground.plan import VideoPlan
from untrimmed.data.playground.raster import ShotPainter, draw, outlines
from untrimmed.data.playground.scenes import PAINTERS, paint
from untrimmed.data.playground.sound import synthesise, voice
from untrimmed.data.playground.truth import FrameTruth, truth_frames, truth_of, video_truth

CONFIG = PlaygroundConfig(width=96, height=72, audio_rate=16000)


def frames(plan: VideoPlan) -> np.ndarray:
    return np.stack(list(draw(plan, CONFIG)))


def main_points(plan: VideoPlan) -> np.ndarray:
    shown = [ShotPainter(shot, CONFIG) for shot in plan.shots]
    return np.concatenate([painter.staged.joints[0] for painter in shown])


def test_the_same_seed_draws_the_same_pixels_and_sounds() -> None:
    plan = plan_clip("a", "training", "Opening a door", CONFIG)
    again = plan_clip("a", "training", "Opening a door", CONFIG)
    assert np.array_equal(frames(plan), frames(again))
    assert np.array_equal(synthesise(plan, 16000, difficulty=0.3), synthesise(again, 16000, difficulty=0.3))
    other = plan_clip("b", "training", "Opening a door", CONFIG)
    assert frames(plan).shape != frames(other).shape or not np.array_equal(frames(plan), frames(other))


def test_sound_twins_have_the_same_pixels_and_another_sound() -> None:
    for video_id in ("s1", "s2"):
        song = plan_clip(video_id, "testing", "Singing", CONFIG)
        speech = plan_clip(video_id, "testing", "Giving a speech", CONFIG)
        assert np.array_equal(frames(song), frames(speech))
        one, other = (synthesise(plan, 16000, difficulty=0.3) for plan in (song, speech))
        assert one.shape == other.shape
        assert np.abs(one - other).mean() > 0.01
    long = [plan_video("s3", "testing", (label,), CONFIG) for label in ("Singing", "Giving a speech")]
    assert np.array_equal(frames(long[0]), frames(long[1]))


def test_object_twins_move_alike_and_look_different() -> None:
    one, other = (plan_clip("o", "testing", label, CONFIG) for label in ("Drinking from a mug", "Eating an apple"))
    assert np.array_equal(main_points(one), main_points(other))
    assert not np.array_equal(frames(one), frames(other))


def test_place_twins_move_alike_in_another_place() -> None:
    one, other = (plan_clip("p", "testing", label, CONFIG) for label in ("Sweeping a kitchen", "Sweeping a street"))
    assert np.array_equal(main_points(one), main_points(other))
    difference = np.abs(frames(one).astype(int) - frames(other)).mean()
    assert difference > 10


@pytest.mark.parametrize("name", sorted(PAINTERS))
def test_places_fill_the_canvas_and_follow_their_seed(name: str) -> None:
    canvas = paint(name, seed=3, per_unit=40.0)
    assert (canvas.image.max(axis=2) > 0).mean() > 0.99
    assert canvas.image.std() > 15
    assert np.array_equal(canvas.image, paint(name, seed=3, per_unit=40.0).image)
    assert not np.array_equal(canvas.image, paint(name, seed=4, per_unit=40.0).image)


def test_shapes_stay_put_on_the_moving_background() -> None:
    """A point of the world and the background move by the same matrix: a camera that pans moves both alike."""
    plan = plan_clip("pan", "testing", "Holding a tree pose", CONFIG)
    painter = ShotPainter(plan.shots[0], CONFIG)
    place = project(np.array([0.3, 0.4, STAGE]), STAGE)
    for frame in (0, len(painter.polygons) - 1):
        view = painter.staged.views[frame]
        pixel = view[:, :2] @ place + view[:, 2]
        back = painter._back[frame]
        source = back[:, :2] @ (pixel - 0.5) + back[:, 2]
        expected = painter.canvas.per_unit * (place - np.array([-1.3, -0.25])) - 0.5
        assert source == pytest.approx(expected, abs=1e-6)


def test_outlines_are_hulls_of_their_discs() -> None:
    plan = plan_clip("hull", "testing", "Lifting a barbell", CONFIG)
    staged = ShotPainter(plan.shots[0], CONFIG).staged
    polygons = outlines(staged.pieces, staged.views)[0]
    edges = np.roll(polygons, -1, axis=1) - polygons
    turns = edges[:, :, 0] * np.roll(edges, -1, axis=1)[:, :, 1] - edges[:, :, 1] * np.roll(edges, -1, axis=1)[:, :, 0]
    assert (turns > -1e-6).all()  # convex, turning one way


@pytest.fixture(scope="module")
def truths() -> list[tuple[ShotPainter, int, FrameTruth]]:
    found = []
    for number, label in enumerate(LABELS):
        plan = plan_clip(f"truth {number}", "testing", label, CONFIG)
        painter = ShotPainter(plan.shots[0], CONFIG)
        frame = len(painter.polygons) // 2
        found.append((painter, frame, truth_of(painter, frame)))
    return found


def test_visible_key_points_lie_on_their_own_body(truths: list[tuple[ShotPainter, int, FrameTruth]]) -> None:
    seen = 0
    for _, _, truth in truths:
        for person, points in enumerate(truth.key_points):
            for x, y, score in points:
                if score == 1:
                    assert truth.owners[int(y), int(x)] == person
                    assert truth.iuv[int(y), int(x), 0] > 0
                    seen += 1
                elif score == 0:
                    assert not (0 <= x < CONFIG.width and 0 <= y < CONFIG.height)
        # the main person stands in the picture, mostly unhidden
    assert seen > 12 * len(truths)


def test_body_part_maps_are_in_range(truths: list[tuple[ShotPainter, int, FrameTruth]]) -> None:
    parts: set[int] = set()
    for _, _, truth in truths:
        index = truth.iuv[..., 0]
        parts |= set(np.unique(index).tolist())
        assert index.max() <= 24
        assert (truth.iuv[index == 0] == 0).all()
        assert np.array_equal(index > 0, truth.owners >= 0)
    assert len(parts) > 18
    spread = np.concatenate([truth.iuv[truth.iuv[..., 0] > 0][:, 1:] for _, _, truth in truths])
    assert spread.min() < 20
    assert spread.max() > 235
    assert 100 < spread[:, 0].mean() < 155


def test_left_and_right_parts_follow_the_body_not_the_picture(
    truths: list[tuple[ShotPainter, int, FrameTruth]],
) -> None:
    """Where a hand's key point is seen, the map says the same hand."""
    checked = 0
    for _, _, truth in truths:
        for points in truth.key_points:
            for joint, parts in ((4, (3, 20, 22)), (7, (4, 19, 21)), (9, (7, 9, 11, 13)), (12, (8, 10, 12, 14))):
                x, y, score = points[joint]
                found = int(truth.iuv[int(y), int(x), 0]) if score == 1 else 0
                own_side = {4: (3, 6, 7, 9, 11, 13, 16, 18, 20, 22), 7: (4, 5, 8, 10, 12, 14, 15, 17, 19, 21)}
                if found in own_side[4] + own_side[7] and joint in (4, 7):
                    checked += found in parts
    assert checked > 10


def test_depth_agrees_with_the_order_of_drawing(truths: list[tuple[ShotPainter, int, FrameTruth]]) -> None:
    for painter, _, truth in truths:
        depth = truth.depth.astype(np.float64)
        assert (depth > 1).all()
        for person, distance in enumerate(painter.staged.distances):
            own = truth.owners == person
            if own.any():
                assert np.abs(depth[own] - distance).max() < 1.2
        # the place lies behind whoever stands before it: at the feet the ground is as far as the person
        far = depth[: CONFIG.height // 4][truth.owners[: CONFIG.height // 4] == -1]
        assert not len(far) or far.min() > 4.5


def test_boxes_hold_all_pixels_of_their_object(truths: list[tuple[ShotPainter, int, FrameTruth]]) -> None:
    boxed = 0
    for _, _, truth in truths:
        assert len(truth.boxes) == len(truth.objects)
        for index, box in enumerate(truth.boxes):
            rows, columns = np.nonzero(truth.owners == -2 - index)
            if not len(rows):
                assert (box == -1).all()
                continue
            assert tuple(box) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            boxed += 1
    assert boxed >= 10


def test_the_picture_shows_a_body_where_the_map_says_so(truths: list[tuple[ShotPainter, int, FrameTruth]]) -> None:
    for painter, frame, truth in truths:
        picture, place = painter.frame(frame).astype(int), painter.background(frame).astype(int)
        changed = np.abs(picture - place).max(axis=2) > 12
        inside = truth.owners >= 0
        assert changed[inside].mean() > 0.85
        assert changed[~inside & (truth.owners == -1)].mean() < 0.15


def test_truth_of_a_video_is_padded_and_says_when() -> None:
    plan = plan_clip("file", "testing", "Lifting a box", CONFIG)
    arrays, words = video_truth(plan, CONFIG)
    count = len(truth_frames(plan, CONFIG.truth_per_second))
    assert {len(value) for value in arrays.values()} == {count}
    assert arrays["key_points"].shape[2:] == (18, 3)
    assert arrays["iuv"].shape[1:] == (CONFIG.height // 2, CONFIG.width // 2, 3)
    assert arrays["depth"].shape[1:] == (CONFIG.height // 2, CONFIG.width // 2)
    assert "box" in words["objects"].split(",")
    assert (arrays["seconds"] < plan.duration).all()
    named = arrays["boxes_word"]
    assert ((named >= 0) <= (named < len(words["objects"].split(",")))).all()


def test_sounds_last_as_long_as_the_video_and_stay_in_range() -> None:
    for label in LABELS:
        plan = plan_clip("sound", "testing", label, CONFIG)
        sound = synthesise(plan, 16000, difficulty=1.0)
        assert sound.dtype == np.float32
        assert len(sound) == round(plan.duration * 16000)
        assert np.abs(sound).max() <= 1
        assert sound.std() > 1e-3


def test_voices_are_as_loud_singing_as_speaking() -> None:
    loud = [voice(np.random.default_rng(k), 80000, 16000, singing=k % 2 == 0).std() for k in range(8)]
    assert max(loud) < 2.5 * min(loud)
