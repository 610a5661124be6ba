"""Nets of key points in ONNX files: one that finds the brightest column and row finds a bright dot, wherever it is."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.configs import from_plain, to_plain
from untrimmed.data.skeletons import OPENPOSE18
from untrimmed.features import members, onnx_pose, sequences
from untrimmed.features.extract import extract
from untrimmed.features.key_points import KeyPoints
from untrimmed.features.members import Member
from untrimmed.features.onnx_pose import OnnxNet, OnnxPose
from untrimmed.features.pose_estimators import pose_estimator
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.store import FeatureStore
from untrimmed.features.trajectories.people import PeopleDetector
from untrimmed.features.vector_classifiers import VectorClassifier
from untrimmed.features.vectors import VideoVector
from untrimmed.fuse.fusion import AnyFusion, Equal
from untrimmed.media.writer import write_video
from untrimmed.records import Annotation, DataError, Dataset, Instance, Video
from untrimmed.systems.ensemble import EnsembleSystem
from untrimmed.train import Run

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
WHOLE = OnnxPose(people=None, padding=1.0)


def write_net(path: Path, *, joints: int = 26, height: int = 64, width: int = 48, outputs: int = 2) -> Path:
    """A net whose every joint is at the brightest column and row, told in halves of a pixel as RTMPose does."""
    make, numbers = onnx.helper.make_node, onnx.numpy_helper.from_array
    constants = {
        "colours": np.array([1]),
        "rows": np.array([1]),
        "columns": np.array([2]),
        "last": np.array([2]),
        "first": np.array([1]),
        "twice": np.array([1, 1, 2]),
        "wide": np.array([0, 1, 2 * width]),
        "high": np.array([0, 1, 2 * height]),
        "all": np.array([1, joints, 1]),
    }
    nodes = [make("ReduceMax", ["seen", "colours"], ["grey"], keepdims=0)]
    for name, over, shape in (("x", "rows", "wide"), ("y", "columns", "high")):
        nodes += [
            make("ReduceMax", ["grey", over], [f"{name}1"], keepdims=0),
            make("Unsqueeze", [f"{name}1", "last"], [f"{name}2"]),
            make("Tile", [f"{name}2", "twice"], [f"{name}3"]),
            make("Reshape", [f"{name}3", shape], [f"{name}4"]),
            make("Tile", [f"{name}4", "all"], [name]),
        ]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "brightest",
        [info("seen", onnx.TensorProto.FLOAT, ["n", 3, height, width])],
        [info(name, onnx.TensorProto.FLOAT, None) for name in ("x", "y")[:outputs]],
        [numbers(value.astype(np.int64), name) for name, value in constants.items()],
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())
    return path


@pytest.fixture(scope="module")
def net_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_net(tmp_path_factory.mktemp("onnx") / "brightest.onnx")


@settings(max_examples=25, deadline=None)
@given(st.integers(6, 300), st.integers(6, 220), st.sampled_from([(240, 320), (320, 240), (256, 256)]))
def test_a_dot_is_found_where_it_is(net_file: Path, x: int, y: int, shape: tuple[int, int]) -> None:
    x, y = min(x, shape[1] - 10), min(y, shape[0] - 10)
    picture = np.zeros((*shape, 3), np.uint8)
    picture[y - 4 : y + 5, x - 4 : x + 5] = 255
    (people,) = pose_estimator(WHOLE, net_file).people(picture[None])
    assert people.shape == (1, len(OPENPOSE18.joints), 3)
    pixel = max(shape[1] / 48, shape[0] / 64)  # of the net, in the picture's
    assert np.abs(people[0, :, :2] - [x, y]).max() <= pixel + 4
    assert people[0, :, 2].tolist() == [1.0] * len(OPENPOSE18.joints)


def test_people_are_looked_at_one_by_one(net_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.zeros((200, 400, 3), np.uint8)
    picture[98:103, 98:103] = picture[58:63, 298:303] = 255
    boxes = np.array([[60.0, 40, 140, 160], [260.0, 40, 340, 160]])
    monkeypatch.setattr(PeopleDetector, "boxes", lambda self, grey: boxes)
    found = OnnxNet(OnnxPose(), net_file).points(picture)
    assert np.abs(found[:, :, :2] - np.array([[[100, 100]], [[300, 60]]])).max() <= 3
    monkeypatch.setattr(PeopleDetector, "boxes", lambda self, grey: boxes[:0])
    assert OnnxNet(OnnxPose(), net_file).points(picture).shape == (0, 17, 3)


def test_joints_below_the_least_score_are_not_there(net_file: Path) -> None:
    grey = np.full((64, 48, 3), 110, np.uint8)  # below the mean of ImageNet: no score above 0
    assert pose_estimator(WHOLE, net_file).people(grey[None])[0].shape == (0, 18, 3)
    maps = pose_estimator(WHOLE, net_file).maps(grey[None])
    assert maps.shape == (1, 15, 16, 12)
    assert not maps.any()


def test_maps_have_their_peaks_at_the_joints(net_file: Path) -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[30:35, 62:67] = 255
    maps = pose_estimator(WHOLE, net_file).maps(picture[None])[0]
    for own in maps:
        row, column = np.unravel_index(own.argmax(), own.shape)
        assert (abs(int(row) * 4 - 32), abs(int(column) * 4 - 64)) <= (4, 4)


def test_a_feature_with_it_survives_json(net_file: Path) -> None:
    feature = KeyPoints(estimator=WHOLE, weights=net_file)
    assert from_plain(KeyPoints, to_plain(feature)) == feature


@dataclass(frozen=True, kw_only=True)
class DotsConfig:
    """One linear classifier of key points."""

    members: tuple[Member, ...]
    fusion: AnyFusion = Equal()  # noqa: RUF009


class Dots(EnsembleSystem[DotsConfig]):
    """A system for tests."""

    number: ClassVar[int] = 5
    config_class: ClassVar[type[Any]] = DotsConfig


def test_a_saved_system_carries_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (members, sequences):
        monkeypatch.setattr(module, "extract", partial(extract, workers=0))
    net = write_net(tmp_path / "brightest.onnx")
    made = []
    for i in range(12):
        picture = np.zeros((64, 96, 3), np.uint8)
        picture[24:40, (x := (10, 70)[i % 2] + i) : x + 16] = 255
        write_video(tmp_path / f"v{i}.mp4", [picture] * 10, fps=10)
        video = Video(
            video_id=f"v{i}", duration=1.0, subset=("training", "testing")[i // 8], path=tmp_path / f"v{i}.mp4"
        )
        made.append(Annotation(video=video, instances=(Instance((0.0, 1.0), ("left", "right")[i % 2]),)))
    dataset, store = Dataset(name="dots", annotations=tuple(made), trimmed=True), FeatureStore(tmp_path / "store")
    source = SequenceSource(rows=KeyPoints(estimator=WHOLE, weights=net, every=2))
    system = Dots(
        DotsConfig(members=(Member(name="dots", classifier=VectorClassifier(vector=VideoVector(source=source))),))
    )
    system.fit(dataset, store=store, run=Run(device="cpu", loaders=0))
    part = dataset.subset("testing")
    said = list(system.predict(part.videos, store=store))
    assert [one.classes.best(1)[0][0] for one in said if one.classes] == [a.labels[0] for a in part.annotations]
    system.save(tmp_path / "saved")
    content = net.read_bytes()
    net.unlink()
    loaded = Dots.load((tmp_path / "saved").rename(tmp_path / "moved"))
    assert (tmp_path / "moved" / "given-0.onnx").read_bytes() == content
    assert list(loaded.predict(part.videos, store=FeatureStore(tmp_path / "empty"))) == said


def test_bad_files_are_one_line(tmp_path: Path, net_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="needs its file as weights"):
        OnnxNet(WHOLE, None)
    with pytest.raises(DataError, match=r"gone.onnx of an ONNX net of key points is not there"):
        OnnxNet(WHOLE, tmp_path / "gone.onnx")
    (tmp_path / "text.onnx").write_bytes(b"no net")
    with pytest.raises(DataError, match=r"text.onnx is no ONNX net that onnxruntime can run: \S"):
        OnnxNet(WHOLE, tmp_path / "text.onnx")
    with pytest.raises(DataError, match="and two outputs, the columns and the rows of each joint, got"):
        OnnxNet(WHOLE, write_net(tmp_path / "one.onnx", outputs=1))
    few = OnnxNet(WHOLE, write_net(tmp_path / "few.onnx", joints=5))
    with pytest.raises(DataError, match=r"17 joints or more of 1 people, got \(1, 5, 96\) and \(1, 5, 128\)"):
        few.points(np.zeros((64, 48, 3), np.uint8))
    monkeypatch.setattr(onnx_pose, "LARGEST", 100)
    with pytest.raises(DataError, match="must have at most 100 bytes, got"):
        OnnxNet(WHOLE, net_file)
    with pytest.raises(DataError, match="needs padding >= 1"):
        OnnxPose(padding=0.5)
