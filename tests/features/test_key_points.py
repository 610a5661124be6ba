"""Key points as rows: places of people over time, shares of the picture, a net that learns what was drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import write_clip
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.configs import from_plain, to_plain
from untrimmed.data.playground import PlaygroundConfig
from untrimmed.data.skeletons import OPENPOSE18, mirrored
from untrimmed.features import key_points
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.key_points import KeyPoints, PersonPlaces, distance
from untrimmed.features.pose_accuracy import found_joints, learn_and_examine
from untrimmed.features.pose_estimators import PoseEstimator, SmallPose, TorchvisionPose, pose_estimator
from untrimmed.features.pose_learning import PoseItems, PoseLearning, learn_pose_net, with_chest
from untrimmed.features.store import FeatureStore
from untrimmed.nets.pose_net import CHEST, LAYOUT, STRIDE, NarrowPose
from untrimmed.nets.pose_peaks import peaks
from untrimmed.records import DataError, MissingExtra
from untrimmed.train import Run, Schedule

SMALL = SmallPose(net=NarrowPose(width=4), size=(48, 64))


def person(x: float, y: float = 0.5, score: float = 1.0, *, seed: int = 0) -> np.ndarray:
    """A person about a place, who shows all joints."""
    shape = np.random.default_rng(seed).uniform(-0.05, 0.05, (18, 2))
    return np.column_stack([shape + np.array([x, y]), np.full(18, score)])


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(3)), st.integers(0, 1000))
def test_places_do_not_depend_on_the_order_in_which_people_are_found(order: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    plain, mixed = PersonPlaces(2, near=0.2), PersonPlaces(2, near=0.2)
    for _ in range(4):
        people = np.stack([person(x, score=s) for x, s in generator.uniform(0.1, 0.9, (3, 2))])
        np.testing.assert_array_equal(plain.arranged(people), mixed.arranged(people[order]))


def test_people_keep_their_places_while_they_pass_each_other() -> None:
    places = PersonPlaces(2, near=0.2)
    for step in range(11):
        left, right = person(0.2 + 0.06 * step, 0.3), person(0.8 - 0.06 * step, 0.6)
        rows = places.arranged(np.stack([right, left]))
        np.testing.assert_array_equal(rows, [left, right])


def test_a_person_who_comes_back_has_the_old_place_and_a_stranger_a_free_one() -> None:
    places = PersonPlaces(3, near=0.15)
    assert (places.arranged(np.zeros((0, 18, 3))) == 0).all()
    places.arranged(np.stack([person(0.2), person(0.8)]))
    gone = places.arranged(person(0.8)[None])
    assert (gone[[0, 2]] == 0).all()
    back = places.arranged(np.stack([person(0.5), person(0.22), person(0.82)]))
    np.testing.assert_allclose(back[:, :, 0].mean(axis=1), [0.22, 0.82, 0.5], atol=0.02)


def test_the_surest_people_are_kept() -> None:
    rows = PersonPlaces(2, near=0.2).arranged(np.stack([person(0.1, score=0.2), person(0.9), person(0.5, score=0.6)]))
    np.testing.assert_allclose(rows[:, :, 2].mean(axis=1), [0.6, 1.0])
    full = PersonPlaces(1, near=0.1)
    full.arranged(person(0.1)[None])
    np.testing.assert_array_equal(full.arranged(person(0.9)[None])[0], person(0.9))


def test_distance_counts_joints_that_both_show() -> None:
    one, other = person(0.3), person(0.3) + np.array([0.03, 0.04, 0])
    other[5] = (0.9, 0.9, 0)
    assert distance(one, other) == pytest.approx(0.05)
    halves = person(0.3), person(0.6)
    halves[0][:9], halves[1][9:] = 0, 0
    middles = [half[half[:, 2] > 0, :2].mean(axis=0) for half in halves]
    assert distance(*halves) == pytest.approx(np.linalg.norm(middles[0] - middles[1]))


class _Walker(PoseEstimator):
    """Finds one person who walks a tenth of the picture a frame, and sees 40 x 80 pictures."""

    def __init__(self) -> None:
        self.frame = 0

    def people(self, pictures: np.ndarray) -> list[np.ndarray]:
        assert pictures.shape[1:] == (48, 64, 3)
        found = []
        for _ in pictures:
            walker = person(0.2 + 0.1 * self.frame)[None]
            found.append(walker * (64, 48, 1))
            self.frame += 1
        return found

    def maps(self, pictures: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def test_rows_are_shares_of_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_points, "pose_estimator", lambda config, weights: _Walker())
    video = write_clip(tmp_path / "walk.mp4", frames=12, fps=10)
    assert video.path is not None
    feature = KeyPoints(estimator=SMALL, people=2, every=3)
    store = FeatureStore(tmp_path / "store")
    store.write(feature, "walk", feature.rows(video.path, {}))
    found = store.load(feature, "walk")
    assert isinstance(found, FeatureSequence)
    assert found.values.shape == (4, feature.dims) == (4, 2 * 18 * 3)
    assert found.grid.stride == pytest.approx(0.3)
    points = found.values.reshape(4, 2, 18, 3)
    np.testing.assert_allclose(points[:, 0], [person(0.2 + 0.1 * step) for step in range(4)], rtol=1e-5, atol=1e-6)
    assert (points[:, 1] == 0).all()


def test_an_untrained_net_works_and_says_that_it_knows_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = write_clip(tmp_path / "clip.mp4", frames=10, fps=10)
    assert video.path is not None
    feature = KeyPoints(estimator=replace(SMALL, astray=2.5), per_second=5.0)
    assert from_plain(KeyPoints, to_plain(feature)) == feature
    store = FeatureStore(tmp_path / "store")
    store.write(feature, "clip", feature.rows(video.path, {}))
    found = store.load(feature, "clip")
    assert (found.grid.steps, found.grid.stride) == (5, 0.2)
    assert "the small pose net has no weights and finds joints at random" in caplog.text


def drawn_people(seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Pictures of one person of eighteen coloured dots, and where they are."""
    generator = np.random.default_rng(seed)
    pictures, people = np.full((40, 48, 64, 3), 90, np.uint8), []
    for picture in pictures:
        points = with_chest(np.column_stack([generator.uniform((8, 8), (56, 40), (18, 2)), np.ones(18)])[None], 48, 64)
        people.append(points)
        x, y = points[0, 0, :2].astype(int)
        picture[max(0, y - 3) : y + 3, max(0, x - 3) : x + 3] = (250, 60, 60)
    return pictures, people


def test_items_move_with_their_pictures() -> None:
    pictures, people = drawn_people(0)
    config = PoseLearning(estimator=SMALL, light=0.0)
    items = PoseItems(pictures, people, config, identity="dots")
    checked = 0
    for index in range(len(items)):
        picture, maps, field, near = items.at(index, np.random.default_rng(index))
        assert maps.shape == (len(LAYOUT.joints), 12, 16)
        assert set(near.unique().tolist()) <= {0.0, 1.0}
        red = (picture[0].numpy().astype(int) - picture[1].numpy() > 100).astype(float)
        nose = peaks(maps[0].numpy().astype(np.float64), least=0.5)
        if not len(nose) or red.sum() < 25 or red[[0, -1]].any() or red[:, [0, -1]].any():
            continue
        rows, columns = np.nonzero(red)
        np.testing.assert_allclose(nose[0, :2] * STRIDE, (columns.mean() + 0.5, rows.mean() + 0.5), atol=1.5)
        checked += 1
        chest = peaks(maps[CHEST].numpy().astype(np.float64), least=0.5)
        x, y = nose[0, :2].astype(int)
        if len(chest) and near[y, x]:
            to = np.array([x + 0.5, y + 0.5]) + field[:, y, x].numpy()
            assert np.linalg.norm(chest[:, :2] - to, axis=1).min() < 0.2
    assert checked > 15
    again = [part.numpy() for part in items.at(3, np.random.default_rng(9))]
    for one, other in zip(again, items.at(3, np.random.default_rng(9)), strict=True):
        np.testing.assert_array_equal(one, other.numpy())


PLAYGROUND = PlaygroundConfig(
    training=0,
    validation=0,
    testing=1,
    training_clips=1,
    validation_clips=0,
    testing_clips=0,
    width=64,
    height=48,
    fps=6,
    audio_rate=8000,
    shortest=10.0,
    longest=11.0,
    truth=True,
    truth_clips=True,
)


def test_learning_on_a_playground_leaves_weights_that_measure(tmp_path: Path) -> None:
    config = PoseLearning(estimator=SMALL, schedule=Schedule(steps=2, batch_size=2, optimizer="adam"), most_frames=30)
    run = Run(device="cpu", loaders=0)
    weights, accuracy = learn_and_examine(tmp_path, run=run, playground=PLAYGROUND, config=config, workers=1)
    assert (accuracy.frames, accuracy.share) == (10, 0.2)
    assert 0 <= accuracy.seen <= 1
    again = learn_pose_net(tmp_path / "playground", tmp_path / "again.safetensors", run=run, config=config)
    assert again.read_bytes() == weights.read_bytes()
    feature = KeyPoints(estimator=SMALL, weights=weights)
    assert feature.key == replace(feature, weights=again).key != KeyPoints(estimator=SMALL).key
    with pytest.raises(DataError, match="holds no truth of its validation subset"):
        learn_pose_net(tmp_path / "playground", again, run=run, config=config, subset="validation")


def test_joints_are_found_within_a_share_of_the_torso() -> None:
    truth = np.stack([person(10 * i, seed=i) * (1, 1, 0) + (0, 0, 1) for i in range(2)])
    truth[:, OPENPOSE18.index("neck"), :2] = truth[:, OPENPOSE18.index("right_hip"), :2] + (0, 1)
    truth[:, OPENPOSE18.index("left_hip"), :2] = truth[:, OPENPOSE18.index("right_hip"), :2]
    joints, people = found_joints(truth, truth[::-1])
    assert joints.all()
    assert people.all()
    moved = truth + np.array([0.21, 0, 0])
    assert not found_joints(truth, moved)[0].any()
    assert found_joints(truth, moved, share=0.22)[0].all()
    hidden = truth.copy()
    hidden[0, 3, 2] = 0
    assert found_joints(hidden, truth)[0].sum() == found_joints(truth, hidden)[0].sum() == 35
    assert found_joints(truth, truth[:0])[1].tolist() == [False, False]
    assert found_joints(truth[:0], truth)[0].shape == (0, 18)


def test_a_mirror_of_the_net_layout_is_that_of_its_joints() -> None:
    points = with_chest(np.stack([person(30, 20)]), 48, 64)
    np.testing.assert_allclose(mirrored(mirrored(points, LAYOUT, width=64), LAYOUT, width=64), points)
    assert LAYOUT.mirror[CHEST] == CHEST


def test_key_point_rcnn_gives_eighteen_joints() -> None:
    config = TorchvisionPose(pretrained=False, shorter_side=32, least=0.0)
    torch.manual_seed(0)
    (people,) = pose_estimator(config, None).people(np.zeros((1, 32, 48, 3), np.uint8))
    assert people.shape[1:] == (18, 3)
    assert ((people[:, :, 2] >= 0) & (people[:, :, 2] <= 1)).all()


def test_what_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import get_model_weights

    def no_network(*given: object, **options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(type(get_model_weights("keypointrcnn_resnet50_fpn").DEFAULT), "get_state_dict", no_network)
    with pytest.raises(
        MissingExtra, match=r"COCO weights of keypointrcnn_resnet50_fpn cannot be had .*put that file at"
    ):
        pose_estimator(TorchvisionPose(), None)
    with pytest.raises(DataError, match=r"weights file .* is not there"):
        pose_estimator(SMALL, tmp_path / "none.safetensors")
    with pytest.raises(DataError, match=r"key points need people >= 1 and near above 0, got 0 and 0.25"):
        KeyPoints(people=0)
    with pytest.raises(DataError, match=r"key points need every >= 1"):
        KeyPoints(every=0)
    with pytest.raises(DataError, match=r"a small pose net needs pictures of 32 pixels or more"):
        SmallPose(size=(16, 64))
    with pytest.raises(DataError, match=r"key-point R-CNN needs a shorter side of 32 pixels or more"):
        TorchvisionPose(shorter_side=8)
    with pytest.raises(DataError, match=r"learning poses needs rising positive scales"):
        PoseLearning(scales=(2.0, 1.0))
