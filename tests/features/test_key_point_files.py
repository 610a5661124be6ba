"""Key points that others found: every form of file gives the same rows, in time, and what is wrong is told."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import write_clip

from untrimmed.cli import call
from untrimmed.cli.train import _with_joints
from untrimmed.configs import from_plain, parts_of, to_plain
from untrimmed.data.pose_folder import PoseForm
from untrimmed.data.skeletons import BODY25, COCO17, JHMDB15, MPI15, OPENPOSE18, Layout, mapped
from untrimmed.features.confidence_maps import ConfidenceMaps
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.key_point_files import PoseFiles
from untrimmed.features.key_points import KeyPoints
from untrimmed.features.store import FeatureStore
from untrimmed.records import DataError
from untrimmed.systems import three_streams, tsn_3d_pose_audio, tsn_and_c3d

FRAMES, HEIGHT, WIDTH = 20, 48, 64


def walked(layout: Layout = BODY25) -> np.ndarray:
    """A person whose every joint is seen, who walks two pixels a frame: (frames, 1, joints, 3) in pixels."""
    shape = np.random.default_rng(0).uniform((2, 5), (20, 45), (len(BODY25.joints), 2))
    points = np.ones((FRAMES, 1, len(BODY25.joints), 3))
    points[:, 0, :, :2] = shape + np.arange(FRAMES)[:, None, None] * np.array([2.0, 0.0])
    return mapped(points, BODY25, layout)


def openpose(points: np.ndarray) -> list[dict[str, Any]]:
    return [{"people": [{"pose_keypoints_2d": person.ravel().tolist()} for person in frame]} for frame in points]


def coco(points: np.ndarray) -> list[dict[str, Any]]:
    """As AlphaPose names frames."""
    return [
        {"image_id": f"{number}.jpg", "keypoints": person.ravel().tolist(), "score": 0.9}
        for number, frame in enumerate(points)
        for person in frame
    ]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = write_clip(tmp_path / "walk.mp4", frames=FRAMES, size=(HEIGHT, WIDTH)).path
    assert path is not None
    return path


@pytest.fixture
def poses(tmp_path: Path) -> Path:
    folder = tmp_path / "poses"
    folder.mkdir()
    return folder


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def measured(video: Path, feature: KeyPoints | ConfidenceMaps) -> tuple[np.ndarray, Any]:
    rows = feature.rows(video, {})
    return np.concatenate(list(rows)), rows.grid()


def key_points(poses: Path, *, form: PoseForm = "openpose", shares: bool = False, every: int = 1) -> KeyPoints:
    return KeyPoints(estimator=PoseFiles(folder=str(poses), form=form, shares=shares), every=every)


def joints_of(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(len(rows), 2, 18, 3)


SHARES = np.array([1 / WIDTH, 1 / HEIGHT, 1.0])


@pytest.mark.parametrize("layout", [OPENPOSE18, BODY25, MPI15], ids=lambda layout: layout.name)
def test_rows_are_what_the_program_wrote(video: Path, poses: Path, layout: Layout) -> None:
    frames = openpose(walked(layout))
    write(poses / "walk.json", frames)
    rows, grid = measured(video, key_points(poses))
    assert rows.shape == (FRAMES, 2 * 18 * 3)
    wanted = mapped(walked(layout), layout, OPENPOSE18) * SHARES
    np.testing.assert_allclose(joints_of(rows)[:, :1], wanted, rtol=1e-6)
    assert not joints_of(rows)[:, 1].any()
    assert (grid.start, grid.steps) == (0.0, FRAMES)
    assert grid.stride == pytest.approx(0.1)
    # a file a frame, as OpenPose names them, and a packed file are the same
    (poses / "walk.json").unlink()
    (poses / "walk").mkdir()
    for number, frame in enumerate(frames):
        write(poses / "walk" / f"walk_{number:012d}_keypoints.json", {"version": 1.3, **frame})
    np.testing.assert_array_equal(measured(video, key_points(poses))[0], rows)
    for file in (poses / "walk").iterdir():
        file.unlink()
    (poses / "walk").rmdir()
    (poses / "walk.json.gz").write_bytes(gzip.compress(json.dumps(frames).encode()))
    np.testing.assert_array_equal(measured(video, key_points(poses))[0], rows)


def test_places_may_be_shares(video: Path, poses: Path) -> None:
    path = write(poses / "walk.json", openpose(walked()))
    pixels = measured(video, key_points(poses))[0]
    write(path, openpose(walked() * SHARES))
    np.testing.assert_allclose(measured(video, key_points(poses, shares=True))[0], pixels, rtol=1e-5)


def test_coco_results_leave_frames_out_in_which_nobody_is(video: Path, poses: Path) -> None:
    points = walked(COCO17)
    kept = [one for one in coco(points) if one["image_id"] not in ("3.jpg", "19.jpg")]
    write(poses / "walk.json", kept[::-1])
    found = joints_of(measured(video, key_points(poses, form="coco"))[0])
    wanted = mapped(points, COCO17, OPENPOSE18) * SHARES
    wanted[[3, 19]] = 0
    assert len(found) == FRAMES
    np.testing.assert_allclose(found[:, :1], wanted, rtol=1e-6)


def test_joints_of_jhmdb_have_no_nose_but_a_face(video: Path, poses: Path) -> None:
    points = walked(JHMDB15)
    write(poses / "walk.json", [{"label": "walk", "pose": points[:, 0, :, :2].tolist()}])
    found = joints_of(measured(video, key_points(poses, form="jhmdb"))[0])
    certain = np.concatenate([points[..., :2], np.ones((*points.shape[:-1], 1))], axis=-1)
    np.testing.assert_allclose(found[:, :1], mapped(certain, JHMDB15, OPENPOSE18) * SHARES, rtol=1e-6)
    np.testing.assert_allclose(
        found[:, 0, OPENPOSE18.index("nose")], certain[:, 0, JHMDB15.index("face")] * SHARES, rtol=1e-6
    )


def test_time_runs_through_the_video_however_many_frames_the_file_has(video: Path, poses: Path) -> None:
    write(poses / "walk.json", openpose(walked()))
    rows, _ = measured(video, key_points(poses))
    thinned, grid = measured(video, key_points(poses, every=3))
    np.testing.assert_array_equal(thinned, rows[::3])
    assert grid.stride == pytest.approx(0.3)
    resampled, grid = measured(video, replace(key_points(poses), per_second=5.0))
    np.testing.assert_array_equal(resampled, rows[::2])
    assert (grid.steps, grid.stride) == (10, 0.2)
    write(poses / "walk.json", openpose(walked()[::2]))  # OpenPose skipped every other frame
    half, grid = measured(video, replace(key_points(poses), per_second=5.0))
    np.testing.assert_array_equal(half, rows[::2])
    assert measured(video, key_points(poses))[1].stride == pytest.approx(0.2)


def test_a_video_in_which_nobody_is_has_rows_of_nothing(video: Path, poses: Path) -> None:
    write(poses / "walk.json", [{"people": []}] * FRAMES)
    assert not measured(video, key_points(poses))[0].any()
    write(poses / "walk.json", [])
    rows, grid = measured(video, key_points(poses, form="coco"))
    assert not rows.any()
    assert grid.steps == FRAMES
    maps, _ = measured(video, ConfidenceMaps(estimator=PoseFiles(folder=str(poses), form="coco"), every=10))
    assert maps.shape == (2, 256, 256, 15)
    assert not maps.any()


def test_maps_are_highest_where_the_joints_are(video: Path, poses: Path) -> None:
    points = walked(MPI15)
    points[..., 2] = np.linspace(0.5, 1, 15)
    write(poses / "walk.json", openpose(points))
    feature = ConfidenceMaps(estimator=PoseFiles(folder=str(poses), sigma_share=0.05), size=(96, 128), every=4)
    maps, grid = measured(video, feature)
    assert (maps.shape, maps.dtype, grid.steps) == ((5, 96, 128, 15), np.uint8, 5)
    for joint in range(15):
        row, column = np.unravel_index(maps[2, :, :, joint].argmax(), (96, 128))
        np.testing.assert_allclose(
            (column + 0.5, row + 0.5), 2 * points[8, 0, joint, :2], atol=1.0
        )  # bytes are level at the top
        assert maps[2, :, :, joint].max() == pytest.approx(255 * points[8, 0, joint, 2], abs=4)


def test_one_command_takes_them_into_a_store(
    video: Path, poses: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(tmp_path / "other.mp4", frames=4, size=(HEIGHT, WIDTH))
    write(poses / "walk.json", coco(walked(COCO17)))
    words = ["extract", str(tmp_path), "--store", str(tmp_path / "store"), "--workers", "0", "--poses", str(poses)]
    options = ["--options.estimator.form", "coco", "--options.every", "2"]
    assert call([*words, "--feature", "keypoints", *options]) == 1
    said = capsys.readouterr().out
    assert "1 measured, 0 there already, 1 failed" in said
    assert "has no key points of video other" in " ".join(said.replace("│", " ").split())
    feature = key_points(poses, form="coco", every=2)
    found = FeatureStore(tmp_path / "store").load(feature, "walk")
    assert isinstance(found, FeatureSequence)
    np.testing.assert_array_equal(found.values, measured(video, feature)[0])
    assert call([*words, "--feature", "joints", "--options.estimator.form", "coco"]) == 1
    assert "1 measured" in capsys.readouterr().out


def test_systems_that_look_at_joints_take_a_folder(poses: Path) -> None:
    for config in (three_streams.ThreeStreamsConfig(), three_streams.LAPTOP, tsn_3d_pose_audio.Tsn3dPoseAudioConfig()):
        given = _with_joints(config, poses)
        parts = [part for part in parts_of(given) if isinstance(part, KeyPoints | ConfidenceMaps)]
        assert parts
        assert {part.estimator for part in parts} == {PoseFiles(folder=str(poses))}
        assert from_plain(type(given), to_plain(given)) == given
    with pytest.raises(DataError, match=r"TsnAndC3dConfig looks at no joints that .*poses could find"):
        _with_joints(tsn_and_c3d.LAPTOP, poses)


@pytest.mark.parametrize(
    ("form", "content", "words"),
    [
        ("openpose", [], "has no frames"),
        ("openpose", [{"people": [{"pose_keypoints_2d": [1.0]}]}], "have one of 54, 75, 45 numbers, got 1"),
        ("openpose", openpose(walked() * SHARES), r"places must be pixels, got none beyond 0\.\d+; set shares"),
        ("coco", coco(walked(BODY25)), "wanted 51 numbers of key points, got 75"),
        ("coco", [{"image_id": "a", "keypoints": [1.0] * 51}], "image_id must be the number of a frame, got 'a'"),
        ("coco", [{"image_id": 22, "keypoints": [9.0] * 51}], "has key points of frame 22, its video has 20 frames"),
        ("jhmdb", [], "must hold the one clip of its video, got 0"),
        ("jhmdb", [{"label": "a", "pose": [[[1.0, 2.0]]]}], "wanted frames of 15 joints"),
    ],
)
def test_words_about_files(video: Path, poses: Path, form: PoseForm, content: Any, words: str) -> None:
    write(poses / "walk.json", content)
    with pytest.raises(DataError, match=words):
        measured(video, key_points(poses, form=form))


def test_words_about_folders(video: Path, poses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"poses has no key points of video walk: wanted walk.json, walk.json.gz or"):
        measured(video, key_points(poses))
    with pytest.raises(DataError, match=r"folder of key points .*nowhere is not there"):
        measured(video, key_points(tmp_path / "nowhere"))
    (poses / "walk").mkdir()
    outside = write(tmp_path / "secret_1.json", openpose(walked())[0])
    (poses / "walk" / "walk_1.json").symlink_to(outside)
    with pytest.raises(DataError, match=r"walk_1.json is a link that leads out of"):
        measured(video, key_points(poses))
    write(poses / "walk.json", openpose(walked()))
    with pytest.raises(DataError, match=r"has key points of video walk more than once: walk.json and walk"):
        measured(video, key_points(poses))
    (poses / "over.json").symlink_to(outside)
    with pytest.raises(DataError, match=r"over.json is a link that leads out of"):
        measured(video.rename(video.with_name("over.mp4")), key_points(poses))
    above = video.with_name("over.mp4").rename(video.with_name("...mp4"))
    assert above.stem == ".."
    with pytest.raises(DataError, match=r"name of a video must be that of a file in .*, got '..'"):
        measured(above, key_points(poses))


def test_words_about_places_and_sizes(
    video: Path, poses: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(poses / "walk.json", openpose(walked()))
    with pytest.raises(DataError, match=r"places must be shares of the picture's sides, got \d+.*; leave shares out"):
        measured(video, key_points(poses, shares=True))
    with pytest.raises(DataError, match=r"files of key points need a folder and sigma_share above 0, got '' and 0.02"):
        PoseFiles(folder="")
    for kind in (KeyPoints, ConfidenceMaps):
        with pytest.raises(DataError, match=f"of {poses} need no weights, got net.safetensors"):
            kind(estimator=PoseFiles(folder=str(poses)), weights=Path("net.safetensors"))
    write(poses / "walk.json", openpose(np.concatenate([walked(), walked()])))
    measured(video, key_points(poses))
    assert "walk.json has 40 frames, its video" in caplog.text
    monkeypatch.setattr("untrimmed.features.key_point_files.MAX_FRAMES", 5)
    with pytest.raises(DataError, match="must have at most 5 steps, but claims 2 s"):
        measured(video, replace(key_points(poses), per_second=5.0))
    monkeypatch.setattr("untrimmed.data.pose_files.MAX_FRAMES", 19)
    with pytest.raises(DataError, match="must be 1 to 19, got 20"):
        measured(video, key_points(poses, form="coco"))
