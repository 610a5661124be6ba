"""Dense pose as rows: attention is shared out, blocks do not depend on place, lessons stay aligned, rows are valid."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from untrimmed.data.playground import PlaygroundConfig, write_playground
from untrimmed.data.playground.read_truth import read_truth, truth_ids, video_file
from untrimmed.features.dense_pose import (
    GRID,
    DensePose,
    SmallDensePose,
    attention,
    box,
    box_means,
    dense_pose_net,
    person_block,
)
from untrimmed.features.dense_pose_learning import (
    DenseFrame,
    DensePoseItems,
    DensePoseLearning,
    dense_pose_items,
    learn_dense_pose_net,
)
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.pose_accuracy import gain_of_dense_targets, pose_accuracy
from untrimmed.nets.dense_pose import NOT_DENSE, NarrowDensePose
from untrimmed.nets.pose_net import CHEST, LAYOUT
from untrimmed.records import DataError
from untrimmed.train import Run, Schedule

JOINTS = len(LAYOUT.joints)
ROWS, COLUMNS = 36, 48
SMALL = SmallDensePose(net=NarrowDensePose(width=4), size=(72, 96))


def somebody(x: float, y: float, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    person = np.ones((JOINTS, 3))
    person[:, 0], person[:, 1] = x + generator.uniform(-4, 4, JOINTS), y + generator.uniform(-7, 7, JOINTS)
    person[CHEST, :2] = x, y
    return person


def test_attention_shares_out_the_body_where_somebody_is() -> None:
    people = np.stack([somebody(15, 18), somebody(30, 18, 1)])
    rows, columns = np.mgrid[:ROWS, :COLUMNS] + 0.5
    nearer = np.where(columns < 22.5, 15.0, 30.0)
    field = np.stack([nearer - columns, 18.0 - rows])
    body = np.random.default_rng(0).random((ROWS, COLUMNS))
    whose = attention(people, field, body, astray=3.0)
    assert (whose >= 0).all()
    anybody = whose.sum(axis=0)
    inside = anybody > 0
    np.testing.assert_allclose(anybody[inside], body[inside])
    for own, person in zip(whose, people, strict=True):
        left, top, right, bottom = box(person)
        outside = (columns < left) | (columns > right) | (rows < top) | (rows > bottom)
        assert (own[outside] == 0).all()
    alone = attention(people[:1], field, body, astray=3.0)[0]
    assert (alone >= whose[0] - 1e-12).all()


def test_a_block_moves_with_its_person() -> None:
    """Maps and person moved by whole cells: all but the box's centre stays."""
    generator = np.random.default_rng(3)
    person = somebody(16, 16)
    maps = {
        "seen": np.zeros((ROWS, COLUMNS)),
        "parts": np.zeros((24, ROWS, COLUMNS)),
        "places": np.zeros((24, 2, ROWS, COLUMNS)),
        "shapes": np.zeros((4, ROWS, COLUMNS)),
    }
    for array in maps.values():
        array[..., 4:30, 6:28] = generator.random(array[..., 4:30, 6:28].shape)
    moved = person + np.array([9.0, 3.0, 0.0])
    first = person_block(person, *maps.values())
    second = person_block(moved, *(np.roll(array, (3, 9), axis=(-2, -1)) for array in maps.values()))
    np.testing.assert_allclose(second[1:3] - first[1:3], [9 / COLUMNS, 3 / ROWS])
    np.testing.assert_allclose(np.delete(second, [1, 2]), np.delete(first, [1, 2]), atol=1e-9)
    assert len(first) == DensePose().block


def test_shares_of_parts_sum_to_one_and_places_are_weighted_by_them() -> None:
    generator = np.random.default_rng(4)
    parts = generator.random((24, ROWS, COLUMNS))
    seen = generator.random((ROWS, COLUMNS))
    places = np.broadcast_to(generator.random((24, 2))[:, :, None, None], (24, 2, ROWS, COLUMNS))
    block = person_block(somebody(20, 18), seen, parts, places, np.zeros((4, ROWS, COLUMNS)))
    shares, where = block[59:83], block[83:131].reshape(24, 2)
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(where, shares[:, None] * places[:, :, 0, 0])


def test_means_over_a_box_by_brute_force() -> None:
    maps = np.random.default_rng(5).normal(size=(2, ROWS, COLUMNS))
    left, top, right, bottom = edges = (3.2, 4.9, 23.7, 31.1)
    found = box_means(maps, edges).reshape(2, GRID, GRID)
    rows, columns = np.arange(ROWS) + 0.5, np.arange(COLUMNS) + 0.5
    for i in range(GRID):
        for j in range(GRID):
            own = (rows >= top + (bottom - top) * i / GRID) & (rows < top + (bottom - top) * (i + 1) / GRID)
            across = (columns >= left + (right - left) * j / GRID) & (columns < left + (right - left) * (j + 1) / GRID)
            np.testing.assert_allclose(found[:, i, j], maps[:, own][:, :, across].mean(axis=(1, 2)))
    assert np.isfinite(box_means(maps, (-5.0, -5.0, -4.0, 60.0))).all()


def test_lessons_stay_aligned() -> None:
    """The picture shows the truth itself: wherever it is moved to, what the cells say is what the pixels show."""
    generator = np.random.default_rng(6)
    parts = np.kron(generator.integers(0, 25, (6, 8)), np.ones((24, 24), np.int64)).astype(np.uint8)
    iuv = np.stack([parts, 10 * parts, 255 - 10 * parts], axis=2)
    person = np.ones((JOINTS, 3))
    person[:, 0], person[:, 1] = generator.uniform(40, 150, JOINTS), generator.uniform(40, 100, JOINTS)
    shapes = np.stack([parts[2::4, 2::4].astype(np.float64)] * 4)
    frame = DenseFrame(iuv, person[None], iuv[::2, ::2], shapes)
    items = DensePoseItems([frame], DensePoseLearning(light=0.0), identity="drawn")
    for seed in (None, 0, 1, 2):
        item = items[0] if seed is None else items.at(0, np.random.default_rng(seed))
        picture, maps, _, _, part, place, shape = item
        shown = picture[0, 2::4, 2::4].long()
        inside = torch.zeros_like(shown, dtype=torch.bool)
        inside[2:-2, 2:-2] = True
        assert ((shown == part) & inside).sum() > 0.8 * inside.sum()  # but for the borders of blocks
        assert ((shape[0] - part.float()).abs() < 1)[inside].float().mean() > 0.7
        body = part > 0
        torch.testing.assert_close(place[0][body] * 255, 10.0 * part[body], atol=0.01, rtol=0)
        assert maps.shape == (JOINTS, ROWS, COLUMNS)


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dense") / "playground"
    config = PlaygroundConfig(
        training=1, validation=0, testing=1, training_clips=0, validation_clips=0, testing_clips=0,
        width=96, height=72, shortest=10.0, longest=11.0, truth=True,
    )  # fmt: skip
    write_playground(folder, config, workers=1)
    return folder


def test_it_learns_and_measures(playground: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    config = DensePoseLearning(
        estimator=SMALL, schedule=Schedule(steps=3, batch_size=2, optimizer="adam", learning_rate=1e-3), most_frames=6
    )
    data = dense_pose_items(playground, config, subset="training")
    assert len(data) <= 6
    assert any((frame.iuv[:, :, 0] > 0).any() for frame in data.frames)
    run = Run(device="cpu", loaders=0)
    file = learn_dense_pose_net(playground, tmp_path / "net.safetensors", run=run, config=config)
    again = learn_dense_pose_net(playground, tmp_path / "again.safetensors", run=run, config=config)
    assert file.read_bytes() == again.read_bytes()
    # joints everywhere, so that somebody is found
    sure = replace(SMALL, least=0.001, astray=1e3, joints=1)
    feature = DensePose(estimator=sure, weights=file, people=2, per_second=2.0)
    rows = feature.rows(video_file(playground, truth_ids(playground, subset="testing")[0]), {})
    values = np.concatenate(list(rows))
    found = FeatureSequence(values, rows.grid())
    assert found.values.shape == (rows.grid().steps, feature.dims)
    assert np.isfinite(values).all()
    blocks = values.reshape(len(values), 2, feature.block)
    there = blocks[:, :, 0] > 0
    assert there.any()
    assert (blocks[~there] == 0).all()
    shares = blocks[:, :, 59:83].sum(axis=2)
    assert (np.abs(shares[there] - 1) < 1e-4).mean() > 0.9


def test_what_dense_targets_are_worth_is_measured_on_joints(
    playground: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    sure = replace(SMALL, least=0.001, astray=1e3, joints=1)
    config = DensePoseLearning(
        estimator=sure, schedule=Schedule(steps=3, batch_size=2, optimizer="adam", learning_rate=1e-3), most_frames=6
    )
    run = Run(folder=tmp_path / "work", device="cpu", loaders=0)
    gain = gain_of_dense_targets(playground, tmp_path, run=run, config=config)
    files = [tmp_path / "dense-pose.safetensors", tmp_path / "joints-alone.safetensors"]
    assert files[0].read_bytes() != files[1].read_bytes()
    for file, found, weights in zip(files, (gain.dense, gain.alone), (config.weights, NOT_DENSE), strict=True):
        assert found == pose_accuracy(playground, sure, file)
        taught = replace(config, weights=weights)
        other = learn_dense_pose_net(playground, tmp_path / "other.safetensors", run=Run(loaders=0), config=taught)
        assert other.read_bytes() == file.read_bytes()
        assert found.frames == gain.dense.frames > 0
        other.unlink()
    monkeypatch.setattr("untrimmed.features.pose_accuracy.learn_dense_pose_net", None)  # nothing is learnt twice
    assert gain_of_dense_targets(playground, tmp_path, run=run, config=config) == gain
    with pytest.raises(DataError, match="a gain of dense targets needs weights of auxiliary losses above 0"):
        gain_of_dense_targets(playground, tmp_path, run=run, config=replace(config, weights=NOT_DENSE))


def test_a_net_that_knows_all_joints_finds_them_all(playground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (name,) = truth_ids(playground, subset="testing")
    truth = read_truth(playground, name)
    known = iter([truth.people(index).astype(np.float64) for index in range(len(truth.seconds))])

    def all_known(net: object, estimator: object, pictures: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        height, width = pictures.shape[1:3]
        return [(next(known) / (width, height, 1), np.zeros((0, 0))) for _ in pictures]

    monkeypatch.setattr("untrimmed.features.pose_accuracy.described", all_known)
    found = pose_accuracy(playground, SMALL, None)
    assert (found.main, found.seen, found.present, found.frames) == (1.0, 1.0, 1.0, len(truth.seconds))


def test_words(playground: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError, match="dense poses need people >= 1 and near above 0, got 0 and 0"):
        DensePose(people=0)
    with pytest.raises(DataError, match="a small dense pose net needs pictures of 32 pixels or more"):
        SmallDensePose(size=(8, 8))
    with pytest.raises(DataError, match="learning dense poses needs rising positive scales"):
        DensePoseLearning(scales=(2.0, 1.0))
    with pytest.raises(DataError, match="a dense pose net of 2 shape maps needs as many weights of shapes"):
        DensePoseLearning(estimator=SmallDensePose(net=NarrowDensePose(shapes=2)))
    with pytest.raises(DataError, match="holds no truth of its validation subset"):
        dense_pose_items(playground, DensePoseLearning(), subset="validation")
    with pytest.raises(DataError, match="is not there; learn_dense_pose_net writes one, or use none"):
        dense_pose_net(SMALL, tmp_path / "absent.safetensors")
    with caplog.at_level("WARNING"):
        dense_pose_net(replace(SMALL, net=NarrowDensePose(width=3)), None)
    assert "the dense pose net has no weights and sees people at random" in caplog.text
