"""Confidence maps: fifteen channels in the order of their layout, bytes, sizes, and the mirror."""

from pathlib import Path

import numpy as np
import pytest
from drawn import write_clip

from untrimmed.configs import from_plain, to_plain
from untrimmed.data.skeletons import COCO17, MPI15
from untrimmed.features import confidence_maps
from untrimmed.features.confidence_maps import ConfidenceMaps
from untrimmed.features.feature import ImageSequence
from untrimmed.features.frame_blocks import FrameRows
from untrimmed.features.pose_estimators import PoseEstimator, SmallPose, TorchvisionPose, mpi_maps, pose_estimator
from untrimmed.features.store import FeatureStore
from untrimmed.nets.pose_net import LAYOUT, NarrowPose
from untrimmed.records import DataError

SMALL = SmallPose(net=NarrowPose(width=2), size=(32, 48))


class _Numbered(PoseEstimator):
    """Map j is j / 20 everywhere but in the upper left quarter, where it is 1."""

    def people(self, pictures: np.ndarray) -> list[np.ndarray]:
        raise NotImplementedError

    def maps(self, pictures: np.ndarray) -> np.ndarray:
        maps = np.broadcast_to(np.arange(15)[None, :, None, None] / 20, (len(pictures), 15, 8, 12)).copy()
        maps[:, :, :4, :6] = 1
        return maps


def test_maps_are_stored_as_bytes_of_fifteen_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confidence_maps, "pose_estimator", lambda config, weights: _Numbered())
    video = write_clip(tmp_path / "clip.mp4", frames=12)
    assert video.path is not None
    feature = ConfidenceMaps(estimator=SMALL, size=(32, 48), every=5)
    store = FeatureStore(tmp_path / "store")
    store.write(feature, "clip", feature.rows(video.path, {}))
    found = store.load(feature, "clip")
    assert isinstance(found, ImageSequence)
    assert (len(found), found.shape, feature.channels) == (3, (32, 48, 15), 15)
    pictures = found.frames(np.arange(3)).astype(float)
    wanted = np.arange(15) / 20 * 255
    assert np.abs(pictures[:, 20:, 30:] - wanted).max() <= 3  # JPEG
    assert np.abs(pictures[:, :12, :18] - 255).max() <= 3


def test_an_untrained_net_gives_maps_that_can_be_stored(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "clip.mp4", frames=4)
    assert video.path is not None
    feature = ConfidenceMaps(estimator=SMALL, size=(24, 24), per_second=5)
    assert from_plain(ConfidenceMaps, to_plain(feature)) == feature
    (block,) = list(feature.rows(video.path, {}))
    assert block.shape == (2, 24, 24, 15)
    assert block.dtype == np.uint8
    assert block.max() < 40  # hardly a cell shows a joint before anything is learnt


def test_maps_of_the_net_are_named_as_the_layout_says() -> None:
    maps = np.broadcast_to(np.arange(len(LAYOUT.joints))[None, :, None, None], (1, len(LAYOUT.joints), 2, 3)) / 100.0
    found = mpi_maps(maps)
    for place, joint in enumerate(MPI15.joints):
        wanted = LAYOUT.index("left_ear" if joint == "head" else joint) / 100  # the highest of the head
        np.testing.assert_allclose(found[0, place], wanted)


def test_the_mirror_exchanges_left_and_right() -> None:
    mirror = ConfidenceMaps().mirror
    assert [mirror[index] for index in mirror] == list(range(15))
    for place, other in enumerate(mirror):
        names = MPI15.joints[place], MPI15.joints[other]
        assert names[0].replace("left", "right") == names[1].replace("left", "right")
        assert (place == other) == ("_" not in names[0])


def test_gaussians_of_found_joints(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = pose_estimator(TorchvisionPose(pretrained=False, shorter_side=32, sigma_share=0.05), None)
    points = np.zeros((2, 17, 3))
    points[0, COCO17.index("left_wrist")] = (40, 20, 0.8)
    points[1, COCO17.index("left_wrist")] = (80, 60, 0.5)
    points[1, COCO17.index("nose")] = (82, 42, 1.0)
    monkeypatch.setattr(estimator, "points", lambda picture: points)
    (maps,) = estimator.maps(np.zeros((1, 80, 120, 3), np.uint8))
    assert maps.shape == (15, 20, 30)
    wrist = maps[MPI15.index("left_wrist")]
    cell = np.exp(-2 * 0.5**2 / 2)  # the joint lies at the corner of four cells, sigma is one cell
    assert wrist[5, 10] == pytest.approx(0.8 * cell)
    assert wrist[15, 20] == pytest.approx(0.5 * cell)
    assert maps[MPI15.index("head")].argmax() == 10 * 30 + 20
    assert (maps[MPI15.index("right_knee")] == 0).all()


def test_frames_give_an_even_grid(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "clip.mp4", frames=41, fps=20)
    assert video.path is not None

    def count(pictures: np.ndarray) -> np.ndarray:
        return np.ones((len(pictures), 1), np.float32)

    for every, per_second, steps, stride in ((1, None, 41, 0.05), (10, None, 5, 0.5), (3, 4.0, 9, 0.25)):
        rows = FrameRows(video.path, lambda: count, size=(16, 16), every=every, per_second=per_second)
        for _ in range(2):  # a second pass begins anew
            assert sum(len(block) for block in rows) == steps
        assert (rows.grid().steps, rows.grid().stride) == (steps, pytest.approx(stride))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"size of confidence maps must be 1 to 1024 pixels high and wide, got \(0, 4\)"
    ):
        ConfidenceMaps(size=(0, 4))
    with pytest.raises(DataError, match=r"confidence maps need every >= 1 and per_second .*, got 10 and 0"):
        ConfidenceMaps(per_second=0)
