"""Key points: layouts against each other, and every file layout, right and broken."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_folder import shared
from untrimmed.data.playground.skeleton import KEY_POINTS
from untrimmed.data.pose_clips import read_jhmdb, read_pose_table
from untrimmed.data.pose_files import KeyPoints, key_points_of, read_coco_results, read_openpose
from untrimmed.data.skeletons import (
    BODY25,
    COCO17,
    DERIVED,
    JHMDB15,
    LAYOUTS,
    MPI15,
    OPENPOSE18,
    PARTS,
    Layout,
    layout_of,
    mapped,
    mirrored,
)
from untrimmed.fuse.weights import weighted_mean
from untrimmed.records import DataError

EACH = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))


def drawn(layout: Layout, seed: int = 0, *, lost: float = 0.3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    points = generator.uniform(0.1, 1, (4, 2, len(layout.joints), 3))
    points[generator.random(points.shape[:-1]) < lost] = 0
    return points


def test_layouts_have_the_published_order() -> None:
    assert {name: len(layout.joints) for name, layout in LAYOUTS.items()} == {
        "openpose18": 18,
        "body25": 25,
        "coco17": 17,
        "jhmdb15": 15,
        "mpi15": 15,
    }
    assert OPENPOSE18.joints == KEY_POINTS  # the playground's truth
    given = json.loads(shared("data/pose/openpose18_sequence_113frames.json").read_text())
    long = [name.replace("R", "right_", 1) if name[0] == "R" else name for name in given["body_parts"]]
    long = [name.replace("L", "left_", 1) if name[0] == "L" else name for name in long]
    assert tuple(name.lower() for name in long) == OPENPOSE18.joints
    # the file joins the shoulders to the ears too, which only the matching of people needs
    pairs = {frozenset(pair) for pair in given["pairs"]}
    assert pairs - {frozenset(pair) for pair in OPENPOSE18.limb_indices} == {frozenset({2, 16}), frozenset({5, 17})}


@EACH
def test_a_layout_is_one_body(layout: Layout) -> None:
    joined = {layout.joints[0]}
    for _ in layout.joints:
        joined |= {joint for limb in layout.limbs if joined & set(limb) for joint in limb}
    assert joined == set(layout.joints)
    assert sorted(layout.mirror) == list(range(len(layout.joints)))
    assert [layout.mirror[other] for other in layout.mirror] == list(range(len(layout.joints)))
    both = {frozenset(pair) for pair in layout.limb_indices}
    assert {frozenset(layout.mirror[end] for end in pair) for pair in both} == both


@EACH
def test_parts_cover_the_body_and_are_the_same_in_a_mirror(layout: Layout) -> None:
    parts = {name: set(layout.part(name)) for name in PARTS}
    assert list(parts) == ["upper", "lower", "head", "arms", "limbs"]
    assert parts["upper"] | parts["lower"] == set(range(len(layout.joints)))
    assert not parts["upper"] & parts["lower"]
    assert parts["head"] | parts["arms"] <= parts["upper"]
    assert parts["arms"] < parts["limbs"]
    for places in parts.values():
        assert places
        assert {layout.mirror[place] for place in places} == places


@EACH
@given(seed=st.integers(0, 20), width=st.sampled_from([0.0, 1.0, 640.0]))
def test_a_mirror_twice_is_the_identity(layout: Layout, seed: int, width: float) -> None:
    points = drawn(layout, seed)
    once = mirrored(points, layout, width=width)
    np.testing.assert_allclose(mirrored(once, layout, width=width), points, atol=1e-12)
    left, right = layout.index("left_wrist"), layout.index("right_wrist")
    np.testing.assert_array_equal(once[..., left, 1:], points[..., right, 1:])
    assert not once[once[..., 2] == 0].any()


@given(seed=st.integers(0, 20), names=st.tuples(*[st.sampled_from(sorted(LAYOUTS))] * 2))
def test_there_and_back_keeps_what_both_layouts_have(seed: int, names: tuple[str, str]) -> None:
    source, target = (layout_of(name) for name in names)
    points = drawn(source, seed)
    there = mapped(points, source, target)
    back = mapped(there, target, source)
    for joint in set(source.joints) & set(target.joints):
        np.testing.assert_array_equal(there[..., target.index(joint), :], points[..., source.index(joint), :])
        np.testing.assert_array_equal(back[..., source.index(joint), :], points[..., source.index(joint), :])
    # a mirror before or after is the same
    np.testing.assert_allclose(mirrored(there, target), mapped(mirrored(points, source), source, target), atol=1e-12)


def test_a_neck_is_the_middle_of_the_shoulders_if_both_are_found() -> None:
    points = drawn(COCO17, lost=0)
    points[0, 0, COCO17.index("left_shoulder")] = 0
    found = mapped(points, COCO17, OPENPOSE18)
    neck = found[..., OPENPOSE18.index("neck"), :]
    pair = points[..., [COCO17.index("left_shoulder"), COCO17.index("right_shoulder")], :]
    assert not neck[0, 0].any()
    np.testing.assert_allclose(neck[1:, :, :2], pair[1:, :, :, :2].mean(axis=2))
    np.testing.assert_array_equal(neck[1:, :, 2], pair[1:, :, :, 2].min(axis=2))
    # nothing stands for an eye or a toe
    assert not mapped(drawn(JHMDB15, lost=0), JHMDB15, BODY25)[..., BODY25.index("left_eye"), :].any()
    unmade = {joint for joint in MPI15.joints if joint not in OPENPOSE18.joints and joint not in DERIVED}
    assert not unmade


def person(size: int, start: float = 0.0) -> list[float]:
    return [start + value for value in range(1, size + 1)]


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize(("size", "layout"), [(54, OPENPOSE18), (75, BODY25), (45, MPI15)], ids=["18", "25", "15"])
def test_one_pose_in_every_layout_of_openpose(tmp_path: Path, size: int, layout: Layout) -> None:
    frames = [
        {"people": [{"pose_keypoints_2d": person(size)}, {"pose_keypoints_2d": person(size, 100)}]},
        {"people": []},
        {"people": [{"pose_keypoints_2d": person(size, 7)}]},
    ]
    whole = read_openpose(write(tmp_path / "list.json", frames))
    named = read_openpose(write(tmp_path / "named.json", {"pose_sequence": frames}))
    old = [{"people": [{"pose_keypoints": one["pose_keypoints_2d"]} for one in frame["people"]]} for frame in frames]
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in zip((9, 10, 11), old, strict=True):  # by number, not by letters
        write(folder / f"clip_{number}_keypoints.json", frame)
    packed = tmp_path / "list.json.gz"
    packed.write_bytes(gzip.compress((tmp_path / "list.json").read_bytes()))
    assert whole.layout == layout
    assert whole.points.shape == (3, 2, size // 3, 3)
    np.testing.assert_array_equal(whole.points[0, 1].ravel(), person(size, 100))
    assert not whole.points[1].any()
    assert not whole.points[2, 1].any()
    for other in (named, read_openpose(folder), read_openpose(packed)):
        np.testing.assert_array_equal(other.points, whole.points)
    one = read_openpose(write(tmp_path / "one.json", frames[0]))
    np.testing.assert_array_equal(one.points, whole.points[:1])
    assert whole.rows.shape == (3, 2 * size)


def test_what_was_not_found_is_zero_however_it_is_written() -> None:
    points = np.ones((1, 1, 18, 3))
    points[0, 0, :5] = [[-1, -1, -1], [3, 4, 0], [math.nan, 1, 1], [1, math.inf, 1], [1e300, 1, 1]]
    found = key_points_of(points, OPENPOSE18)
    assert not found.points[0, 0, :5].any()
    assert (found.points[0, 0, 5:] == 1).all()
    assert found.to(COCO17).points.shape == (1, 1, 17, 3)


def test_coco_results(tmp_path: Path) -> None:
    results = [
        {"image_id": 12, "category_id": 1, "keypoints": person(51), "score": 0.2},
        {"image_id": 3, "category_id": 1, "keypoints": person(51, 5), "score": 0.5},
        {"image_id": 12, "category_id": 1, "keypoints": person(51, 9), "score": 0.9},
    ]
    path = write(tmp_path / "results.json", results)
    found = read_coco_results(path)
    assert found.points.shape == (2, 2, 17, 3)
    np.testing.assert_array_equal(found.points[1, 0].ravel(), person(51, 9))  # the surer one first
    wider = read_coco_results(path, images=range(13))
    assert wider.points.shape == (13, 2, 17, 3)
    np.testing.assert_array_equal(wider.points[[3, 12]], found.points)
    assert not wider.points[4:12].any()
    with pytest.raises(DataError, match="has key points of 2 images, none of the 1 wanted"):
        read_coco_results(path, images=["a"])
    with pytest.raises(DataError, match=r"\$\[0\]: wanted 51 numbers of key points, got 3"):
        read_coco_results(write(path, [{"image_id": 1, "keypoints": [1, 2, 3]}]))


def arrays(**changes: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "poses": np.arange(150, dtype=np.float32).reshape(5, 15, 2),
        "offsets": np.array([0, 2, 5]),
        "labels": np.array([1, 0]),
        "classes": np.array(["run", "sit"]),
        "split": np.array(["train", "test"]),
    } | changes


def test_jhmdb_as_arrays_and_as_json(tmp_path: Path) -> None:
    np.savez(tmp_path / "poses.npz", **arrays())
    first, second = read_jhmdb(tmp_path / "poses.npz")
    assert (first.label, first.subset, second.label, second.subset) == ("sit", "train", "run", "test")
    assert second.key_points.points.shape == (3, 1, 15, 3)
    np.testing.assert_array_equal(second.key_points.points[:, 0, :, :2], arrays()["poses"][2:])
    assert (first.key_points.points[..., 2] == 1).all()
    lists = [{"label": "sit", "pose": arrays()["poses"][:2].tolist()}]
    (again,) = read_jhmdb(write(tmp_path / "poses.json", lists))
    np.testing.assert_array_equal(again.key_points.points, first.key_points.points)


HEADER = ",".join(f"{joint}_{axis}" for joint in OPENPOSE18.joints for axis in "xy") + ",class"


def test_a_table_becomes_a_clip_for_each_run(tmp_path: Path) -> None:
    lines = [",".join(map(str, [0, 0, *person(34)])) + f",{name}" for name in ("walk", "walk", "sit", "walk")]
    path = tmp_path / "poses.csv"
    path.write_text("\n".join([HEADER, *lines]))
    clips = read_pose_table(path)
    assert [(clip.label, len(clip.key_points.points)) for clip in clips] == [("walk", 2), ("sit", 1), ("walk", 1)]
    np.testing.assert_array_equal(clips[0].key_points.points[1, 0, :2], [[0, 0, 0], [1, 2, 1]])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "has no frames"),
        ("{}", "wanted `people` or `pose_sequence`"),
        ('[{"people": []}]', "people of OpenPose all have one of 54, 75, 45 numbers, got no person"),
        ('[{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}]', "got 3"),
        ('[{"people": [{"pose_keypoints_2d": [null]}]}]', "expected float, got null"),
        ("[[]]", "expected object, got array"),
    ],
)
def test_words_about_openpose_files(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "poses.json"
    path.write_text(content)
    with pytest.raises(DataError, match=words):
        read_openpose(path)


def test_words_about_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"has no \.json file"):
        read_openpose(tmp_path)
    path = write(tmp_path / "1.json", {"people": [{"pose_keypoints_2d": person(54)}]})
    monkeypatch.setattr("untrimmed.data.pose_files.MAX_NUMBERS", 53)
    with pytest.raises(DataError, match="has 1 frames of up to 1 people, more than the limit"):
        read_openpose(path)
    monkeypatch.setattr("untrimmed.data.pose_files.MAX_FILES", 0)
    with pytest.raises(DataError, match="has more than the limit of 0 files"):
        read_openpose(tmp_path)
    monkeypatch.setattr("untrimmed.data.pose_files.MAX_BYTES", 10)
    with pytest.raises(DataError, match="the limit is 10"):
        read_openpose(path)
    np.savez(tmp_path / "poses.npz", **arrays())
    monkeypatch.setattr("untrimmed.data.pose_clips.MAX_ARCHIVE_BYTES", 10)
    with pytest.raises(DataError, match=r"poses.npz unpacks to \d+ bytes, the limit is 10"):
        read_jhmdb(tmp_path / "poses.npz")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"poses": np.zeros((5, 14, 2))}, r"must hold poses \(frames, 15, 2\)"),
        ({"offsets": np.array([], dtype=np.int64)}, "must hold poses"),
        ({"offsets": np.array([0, 3, 2])}, "must rise from 0 to its 5 frames"),
        ({"offsets": np.array([0, 5, 5])}, "must rise from 0 to its 5 frames"),
        ({"labels": np.array([0, 2])}, "must be from 0 to 1, got 0 to 2"),
        ({"split": np.array(["train", None], dtype=object)}, "is not a readable .npz file: Object arrays"),
    ],
)
def test_words_about_arrays(tmp_path: Path, changes: dict[str, np.ndarray], words: str) -> None:
    np.savez(tmp_path / "poses.npz", allow_pickle=True, **arrays(**changes))
    with pytest.raises(DataError, match=words):
        read_jhmdb(tmp_path / "poses.npz")


def test_words_about_what_else_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "file"
    np.savez(tmp_path / "file.npz", poses=np.zeros((1, 15, 2)))
    with pytest.raises(DataError, match="has no array offsets, labels, classes, split; it has poses"):
        read_jhmdb(tmp_path / "file.npz")
    with pytest.raises(DataError, match=r"\$\[0\]\.pose: wanted frames of 15 joints"):
        read_jhmdb(write(path, [{"label": "sit", "pose": [[[0, 0]] * 14]}]))
    path.write_text(HEADER)
    with pytest.raises(DataError, match="has no poses"):
        read_pose_table(path)
    path.write_text("nose_x,class\n1,walk")
    with pytest.raises(DataError, match="line 2: wanted 36 coordinates and a class, got 1 fields and the class 'walk'"):
        read_pose_table(path)
    path.write_text(HEADER + "\n" + ",".join(["nan"] * 36) + ",walk")
    with pytest.raises(DataError, match="line 2: a coordinate must be a finite number, got 'nan'"):
        read_pose_table(path)


def test_words_about_key_points() -> None:
    with pytest.raises(DataError, match="key points of coco17 have 17 joints, got 3"):
        KeyPoints(points=np.zeros((1, 1, 3, 3), np.float32), layout=COCO17)
    with pytest.raises(DataError, match="key points of coco17 must be finite and their scores >= 0"):
        KeyPoints(points=np.full((1, 1, 17, 3), -1, np.float32), layout=COCO17)
    with pytest.raises(DataError, match="that were not found must be 0, 0 with score 0"):
        KeyPoints(points=np.tile(np.float32([1, 1, 0]), (1, 1, 17, 1)), layout=COCO17)
    for call in (lambda: mapped(np.zeros((2, 3)), COCO17, COCO17), lambda: mirrored(np.zeros((2, 3)), COCO17)):
        with pytest.raises(DataError, match="key points of coco17 have 17 joints, got 2"):
            call()
    with pytest.raises(DataError, match="layout coco17 has no joint 'tail'; it has nose, left_eye"):
        COCO17.index("tail")
    with pytest.raises(DataError, match=r"layout of key points must be one of openpose18, .*, got 'dog'"):
        layout_of("dog")
    with pytest.raises(DataError, match=r"layout one must name each joint, .* once: left_arm"):
        Layout(name="one", joints=("right_arm",), limbs=())
    with pytest.raises(DataError, match=r"layout two must name each joint, .* once: a joint twice"):
        Layout(name="two", joints=("nose", "nose"), limbs=())


def test_real_files() -> None:
    several = read_openpose(shared("data/pose/openpose18_sequence_113frames.json"))
    assert several.points.shape == (113, 3, 18, 3)
    assert several.layout == OPENPOSE18
    signer = read_openpose(shared("data/pose/openpose_body25_du_wohn_wo.json.gz"))
    assert signer.points.shape == (175, 1, 25, 3)
    # BODY_25's own neck lies near the middle of the shoulders
    neck = signer.to(COCO17).to(OPENPOSE18).points[:, 0, 1]
    assert np.abs(neck - signer.points[:, 0, 1])[:, :2].max() < 10
    clips = read_jhmdb(shared("video/pose/jhmdb_pose.npz"))
    training = [clip for clip in clips if clip.subset == "train"]
    assert (len(clips), len(training)) == (545, 433)
    published = read_jhmdb(shared("data/pose/jhmdb_split1_train.json.gz"))
    assert {clip.label for clip in clips} == {clip.label for clip in published}
    assert len(published) == 433
    # on the whole people are upright: the names stand at the right joints
    points = np.concatenate([clip.key_points.points[:, 0, :, 1] for clip in clips])
    order = points.mean(axis=0)[
        [JHMDB15.index(joint) for joint in ("face", "neck", "belly", "left_knee", "left_ankle")]
    ]
    assert (np.diff(order) > 0).all()
    table = read_pose_table(shared("data/pose/openpose18_actions_4class.csv.gz"))
    assert [(clip.label, len(clip.key_points.points)) for clip in table] == [
        ("stand", 744),
        ("walk", 722),
        ("squat", 668),
        ("wave", 692),
    ]


def test_joint_and_bone_streams_fused_reach_the_published_figure() -> None:
    given = json.loads(gzip.decompress(shared("data/pose/two_stream_scores_joint_bone.json.gz").read_bytes()))
    streams, label = np.array([given["joint"], given["bone"]]), np.array(given["label"])
    right = [float((table.argmax(axis=1) == label).mean()) for table in (*streams, weighted_mean(streams))]
    assert right == pytest.approx([55 / 60, 56 / 60, 56 / 60])
