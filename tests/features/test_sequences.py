"""Rows of videos wherever they come from, their PCA, vectors of them, and classifiers on those."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from untrimmed.classify.linear import LinearConfig
from untrimmed.features.annotated import AnnotatedRows
from untrimmed.features.sequences import Projection, Sequences, SequenceSource, fit_sequences
from untrimmed.features.store import FeatureStore
from untrimmed.features.tables import FeatureTable
from untrimmed.features.trajectories.learning import TrajectoryEncoding
from untrimmed.features.vector_classifiers import (
    VectorClassifier,
    VectorClassifiers,
    fit_vector_classifiers,
    restore_vector_classifiers,
)
from untrimmed.features.vectors import VideoVector, class_members
from untrimmed.records import Annotation, DataError, Dataset, Instance, Video
from untrimmed.train import Run

RUN = Run(seed=0, device="cpu")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path, dict[str, np.ndarray]]:
    """Twelve videos of two classes; the first of six numbers tells them apart."""
    path = tmp_path_factory.mktemp("table") / "rows.hdf5"
    rng = np.random.default_rng(0)
    rows, annotations = {}, []
    with h5py.File(path, "w") as file:
        for number in range(12):
            values = rng.normal(size=(number % 3 + 4, 6)).astype(np.float32)
            values[:, 0] += 4 if number % 2 else -4
            rows[f"v{number}"] = values
            file.create_dataset(f"v{number}", data=values)
            video = Video(video_id=f"v{number}", duration=8.0, subset="training" if number < 8 else "testing")
            instances = [Instance((0.0, 4.0), "up" if number % 2 else "down")]
            instances += [Instance((4.0, 8.0), "up")] if number == 0 else []
            annotations.append(Annotation(video=video, instances=tuple(instances)))
    return Dataset(name="table", annotations=tuple(annotations)), path, rows


def test_a_pca_is_learnt_from_the_training_rows_alone_and_survives_the_disk(
    world: tuple[Dataset, Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    dataset, path, rows = world
    source = SequenceSource(rows=FeatureTable(path=path), projection=Projection(dims=2))
    store = FeatureStore(tmp_path / "store")
    found = fit_sequences(source, dataset, store=store, run=RUN)
    training = np.concatenate([rows[f"v{number}"] for number in range(8)])
    assert found.pca is not None
    np.testing.assert_allclose(found.pca.mean, training.mean(axis=0), atol=1e-5)
    video = dataset.videos[11]
    projected = found(video, store=store)
    np.testing.assert_allclose(projected.values, found.pca.project(rows["v11"]), atol=1e-6)
    assert projected.grid.steps == len(rows["v11"])
    for name, table in found.tables("rows").items():
        save_file(dict(table), tmp_path / f"{name}.safetensors")
    tables = {file.stem: load_file(file) for file in tmp_path.glob("*.safetensors")}
    again = Sequences.restore(source, "rows", tables, folder=tmp_path)
    np.testing.assert_array_equal(again(video, store=store).values, projected.values)


def test_vectors_are_section_means_with_a_norm(world: tuple[Dataset, Path, dict[str, np.ndarray]]) -> None:
    dataset, path, rows = world
    source = SequenceSource(rows=FeatureTable(path=path))
    found = fit_sequences(source, dataset, store=FeatureStore(path.parent), run=RUN)
    vector = VideoVector(source=source, sections=2, norm="l1")
    table = vector.table(found, dataset.videos[:3], store=FeatureStore(path.parent))
    assert table.shape == (3, 12)
    np.testing.assert_allclose(np.abs(table).sum(axis=1), 1.0, rtol=1e-5)
    whole = rows["v0"].mean(axis=0)
    np.testing.assert_allclose(VideoVector(source=source).of(rows["v0"]), whole, atol=1e-6)
    unit = VideoVector(source=source, norm="l2").of(rows["v0"])
    np.testing.assert_allclose(unit, whole / np.linalg.norm(whole), rtol=1e-5)
    np.testing.assert_array_equal(VideoVector(source=source, norm="l2").of(np.zeros((2, 3), np.float32)), np.zeros(3))


def test_classifiers_share_sources_and_give_shares_of_one(
    world: tuple[Dataset, Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    dataset, path, _ = world
    vector = VideoVector(source=SequenceSource(rows=FeatureTable(path=path), projection=Projection(dims=3)))
    configs = {
        "svm": VectorClassifier(vector=vector),
        "platt": VectorClassifier(vector=vector, confidence="platt"),
        "softmax": VectorClassifier(vector=vector, linear=LinearConfig(kind="softmax")),
    }
    store = FeatureStore(tmp_path / "store")
    machines = fit_vector_classifiers(configs, dataset, store=store, run=RUN)
    assert len(machines.sources) == 1
    assert machines.features == ()
    videos = machines.ready(dataset.subset("testing").videos, store=store)
    scores = machines.scores(videos, store=store)
    assert scores.shape == (3, 4, 2)
    assert (scores >= 0).all()
    np.testing.assert_allclose(scores.sum(axis=2), 1.0)
    truth = class_members(dataset, videos).argmax(axis=1)
    np.testing.assert_array_equal(scores.argmax(axis=2), np.broadcast_to(truth, (3, 4)))
    tables = {name: dict(table) for name, table in machines.tables().items()}
    again = restore_vector_classifiers(configs, tables, folder=tmp_path, classes=2)
    assert isinstance(again, VectorClassifiers)
    np.testing.assert_array_equal(again.scores(videos, store=store), scores)


def test_annotated_rows_leave_out_what_has_no_features(
    world: tuple[Dataset, Path, dict[str, np.ndarray]], caplog: pytest.LogCaptureFixture
) -> None:
    dataset, path, rows = world
    video = Video(video_id="elsewhere", duration=3.0, subset="training")
    more = Annotation(video=video, instances=(Instance((0.0, 1.0), "up"),))
    bare = Annotation(video=Video(video_id="v1", duration=8.0, subset="training"), instances=())
    known = [annotation for annotation in dataset.annotations if annotation.video.video_id != "v1"]
    wider = Dataset(name="wider", annotations=(*known, more, bare))
    store, found = FeatureStore(path.parent), Sequences(FeatureTable(path=path))
    learnt = AnnotatedRows(found, wider, store=store)
    assert [name for name, _ in learnt.instances] == ["v0", "v2", "v3", "v4", "v5", "v6", "v7"]
    assert learnt.instances[0][1] == dataset.annotations[0].instances
    assert learnt.dims == 6
    values, grid = learnt("v3")
    np.testing.assert_array_equal(values, rows["v3"])
    assert grid.steps == len(values)
    assert learnt("v3")[0] is values
    assert "video elsewhere is left out" in caplog.text
    with pytest.raises(DataError, match="learning needs annotated training videos with features, but only has none"):
        AnnotatedRows(found, Dataset(name="only", annotations=(more,)), store=store)


def test_members_are_all_classes_of_a_video(world: tuple[Dataset, Path, dict[str, np.ndarray]]) -> None:
    dataset, _, _ = world
    assert dataset.labels == ("down", "up")
    assert class_members(dataset, dataset.videos[:2]).tolist() == [[True, True], [False, True]]


def test_words(world: tuple[Dataset, Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    _, path, _ = world
    source = SequenceSource(rows=FeatureTable(path=path), projection=Projection(dims=2))
    store = FeatureStore(tmp_path / "store")
    nobody = Dataset(name="nobody", annotations=(), labels=("a",))
    with pytest.raises(DataError, match="a PCA needs rows of training videos, but no training video of nobody has any"):
        fit_sequences(source, nobody, store=store, run=RUN)
    one = {"svm": VectorClassifier(vector=VideoVector(source=SequenceSource(rows=FeatureTable(path=path))))}
    with pytest.raises(DataError, match="classifiers need training videos with classes and features, but nobody has"):
        fit_vector_classifiers(one, nobody, store=store, run=RUN)
    with pytest.raises(DataError, match=r"rows-pca.safetensors must hold mean, components, variances, got \[\]"):
        Sequences.restore(source, "rows", {}, folder=tmp_path)
    with pytest.raises(DataError, match=r"must hold the codebook rows.safetensors of its trajectories"):
        Sequences.restore(SequenceSource(rows=TrajectoryEncoding()), "rows", {}, folder=tmp_path)
    with pytest.raises(DataError, match=r"must hold weights linear-svm.safetensors of 2 classes"):
        restore_vector_classifiers(one, {}, folder=tmp_path, classes=2)
    with pytest.raises(DataError, match="sections of a video vector must be at least 1, got 0"):
        VideoVector(source=source, sections=0)
    with pytest.raises(DataError, match=r"vectors of all videos must have one length, got \[1, 2\]"):
        _uneven(path).table(*_uneven_rows(tmp_path), store=store)


def _uneven(path: Path) -> VideoVector:
    return VideoVector(source=SequenceSource(rows=FeatureTable(path=path)))


def _uneven_rows(folder: Path) -> tuple[Sequences, list[Video]]:
    path = folder / "uneven.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=np.ones((2, 1), np.float32))
        file.create_dataset("b", data=np.ones((2, 2), np.float32))
    videos = [Video(video_id=name, duration=1.0) for name in ("a", "b")]
    return Sequences(FeatureTable(path=path)), videos
