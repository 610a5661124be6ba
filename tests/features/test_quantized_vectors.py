"""Deep quantization as vectors of videos: maps as rows, sums by brute force, learning, classifiers, the disk, words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import GivenRows, write_clip, write_files
from safetensors.torch import load_file, save_file

from untrimmed.aggregate.quantization import QuantizationConfig
from untrimmed.classify.linear import LinearConfig
from untrimmed.configs import from_plain, to_plain
from untrimmed.features import quantized_vectors, sequences
from untrimmed.features.audio import LogMel
from untrimmed.features.backbone import BackboneFeature
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.extract import extract
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.images import RgbImages
from untrimmed.features.learned import StreamFeature
from untrimmed.features.quantized_rows import QuantizedRow, local_features, quantizer_of
from untrimmed.features.quantized_vectors import Quantized, fit_quantized
from untrimmed.features.sequences import Projection, SequenceSource, fit_sequences
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.features.tables import FeatureTable
from untrimmed.features.vector_classifiers import (
    VectorClassifier,
    fit_vector_classifiers,
    restore_vector_classifiers,
)
from untrimmed.features.vectors import VideoVector
from untrimmed.nets.zoo import C3d, Small3d, SmallNet
from untrimmed.records import Annotation, DataError, Dataset, Instance, Video
from untrimmed.train import Run, Schedule

RUN = Run(seed=0, device="cpu", loaders=0)
SHORT = Schedule(steps=150, batch_size=128, optimizer="adam", learning_rate=0.01)
ROWS = Quantized(local="rows", dims=3, net=QuantizationConfig(hidden=16, code=2), schedule=SHORT, samples=2000)
HEARD = SequenceSource(rows=LogMel())
RGB = RgbImages(size=(48, 64))
SEEN = Stream(
    net=SmallNet(width=4, input_size=(40, 40)),
    images=RGB,
    sampling=Sampling(sections=1),
    augmentation=Augmentation(),
    schedule=SHORT,
    views=TestViews(positions=1, ten_crop=False),
)
MAPS = Quantized(dims=6, net=QuantizationConfig(hidden=5, code=2), schedule=replace(SHORT, steps=5), samples=40)


@pytest.fixture(scope="module", autouse=True)
def _one_process() -> object:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (sequences, quantized_vectors):
            patch.setattr(module, "extract", lambda *given, **options: extract(*given, workers=0, **options))
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, FeatureStore, dict[str, np.ndarray]]:
    """Videos whose rows have mean zero and lie along one axis or along the other: averages say nothing."""
    folder = tmp_path_factory.mktemp("quantized")
    store, rng = FeatureStore(folder / "store"), np.random.default_rng(0)
    annotations, rows = [], {}
    for number, video in enumerate(write_files(folder / "files", [f"v{number}" for number in range(24)])):
        kind = number % 2
        values = rng.normal(0, 0.2, (60, 3)).astype(np.float32)
        values[:, kind] += rng.choice([-2.0, 2.0], 60).astype(np.float32)
        rows[video.video_id] = values - values.mean(axis=0)
        store.write(LogMel(), video.video_id, GivenRows([rows[video.video_id]]), source=video.path)
        annotations.append(_annotation(video, "one" if kind else "other", "training" if number < 12 else "testing"))
    return Dataset(name="axes", annotations=tuple(annotations)), store, rows


def _annotation(video: Video, label: str, subset: str) -> Annotation:
    video = replace(video, subset=subset)
    return Annotation(video=video, instances=(Instance((0.0, video.duration), label),))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, FeatureStore]:
    folder = tmp_path_factory.mktemp("clips")
    made = [write_clip(folder / f"c{number}.mp4", frames=9, seed=number) for number in range(4)]
    found = [_annotation(video, "ab"[number % 2], "training") for number, video in enumerate(made)]
    return Dataset(name="clips", annotations=tuple(found)), FeatureStore(folder / "store")


def _loaded(store: FeatureStore, feature: BackboneFeature | QuantizedRow, video: Video) -> FeatureSequence:
    extract((feature,), [video], store=store, workers=0)
    found = store.load(feature, video.video_id)
    assert isinstance(found, FeatureSequence)
    return found


@pytest.mark.parametrize(("net", "frames", "positions"), [(SEEN.net, 1, 4), (Small3d(frames=8, width=4), 8, 4)])
def test_the_rows_of_a_map_are_its_positions_and_their_mean_is_the_feature(
    clips: tuple[Dataset, FeatureStore], net: SmallNet | Small3d, frames: int, positions: int
) -> None:
    dataset, store = clips
    feature = BackboneFeature(net=net, images=RGB, frames=frames, stride=2)
    plain, maps = (
        _loaded(store, replace(feature, output=output), dataset.videos[0]) for output in ("features", "positions")
    )
    assert len(maps.values) == positions * len(plain.values)
    by_step = np.asarray(maps.values).reshape(len(plain.values), positions, -1)
    np.testing.assert_allclose(by_step.mean(axis=1), plain.values, atol=1e-4)
    assert np.ptp(by_step, axis=1).max() > 0.01
    assert maps.grid.start == plain.grid.start
    assert maps.grid.stride * positions == pytest.approx(plain.grid.stride)


def test_a_video_is_the_score_of_all_positions_and_no_map_is_stored(clips: tuple[Dataset, FeatureStore]) -> None:
    dataset, store = clips
    base = fit_sequences(SequenceSource(rows=StreamFeature(stream=SEEN, stride=3)), dataset, store=store, run=RUN)
    found = fit_quantized(MAPS, base, dataset, store=store, run=RUN)
    row, video = found.feature, dataset.videos[1]
    assert isinstance(row, QuantizedRow)
    vector = _loaded(store, row, video)
    assert vector.values.shape == (1, 6 * (5 + 2))
    assert vector.grid.window == pytest.approx(video.duration, abs=0.15)
    assert row.requires == (RGB,)
    assert isinstance(row.of, BackboneFeature)
    assert not store.has(row.of, video.video_id)

    positions = torch.from_numpy(np.array(_loaded(store, row.of, video).values))
    weights = load_file(row.weights)
    net = quantizer_of(weights, MAPS.net, where=row.weights).net
    local = (positions - weights["mean"]) @ weights["components"].T * weights["scale"]
    np.testing.assert_allclose(vector.values[0], net(local[None])[0].detach().numpy(), atol=1e-5)
    streamed = list(local_features(row.of, Path("c1"), {RGB: store.load(RGB, "c1")}))
    np.testing.assert_allclose(np.concatenate(streamed), positions.numpy(), atol=1e-6)


def test_the_net_sees_projected_features_of_unit_size_and_the_same_seed_gives_the_same_file(
    world: tuple[Dataset, FeatureStore, dict[str, np.ndarray]],
) -> None:
    dataset, store, rows = world
    base = fit_sequences(HEARD, dataset, store=store, run=RUN)
    config = replace(ROWS, dims=2, schedule=replace(SHORT, steps=3), samples=10_000)
    first = fit_quantized(config, base, dataset, store=store, run=RUN).feature
    again = fit_quantized(config, base, dataset, store=store, run=RUN).feature
    assert first == again
    assert isinstance(first, QuantizedRow)
    weights = load_file(first.weights)
    assert set(weights) >= {"mean", "components", "scale", "net.classify.weight"}
    training = np.concatenate([rows[video.video_id] for video in dataset.subset("training").videos])
    projected = (training - weights["mean"].numpy()) @ weights["components"].numpy().T * weights["scale"].numpy()
    assert projected.shape[1] == 2
    assert np.square(projected).mean() == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(weights["mean"], training.mean(axis=0), atol=1e-4)
    alone = replace(config, net=replace(config.net, classification=0.0))
    other = fit_quantized(alone, base, dataset, store=store, run=RUN).feature
    assert isinstance(other, QuantizedRow)
    assert "net.classify.weight" not in load_file(other.weights)


def test_it_tells_apart_what_averages_cannot_and_comes_back_from_the_disk(
    world: tuple[Dataset, FeatureStore, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    dataset, store, _ = world
    svm = LinearConfig(kind="svm", cost=100.0)
    configs = {
        "mean": VectorClassifier(vector=VideoVector(source=HEARD), linear=svm),
        "quantized": VectorClassifier(vector=VideoVector(source=HEARD, quantization=ROWS), linear=svm),
    }
    fitted = fit_vector_classifiers(configs, dataset, store=store, run=RUN)
    testing = dataset.subset("testing")
    videos = fitted.ready(testing.videos, store=store)
    assert len(videos) == 12
    scores = fitted.scores(videos, store=store)
    truth = np.array([dataset.labels.index(annotation.labels[0]) for annotation in testing.annotations])
    right = (scores.argmax(axis=2) == truth).mean(axis=1)
    assert right[1] == 1.0
    assert right[0] < 0.9

    for name, table in fitted.tables().items():
        save_file({key: value.contiguous() for key, value in table.items()}, tmp_path / f"{name}.safetensors")
    tables = {path.stem: load_file(path) for path in tmp_path.glob("*.safetensors")}
    assert set(tables) == {"source-1-quantization", "linear-mean", "linear-quantized"}
    again = restore_vector_classifiers(configs, tables, folder=tmp_path, classes=2)
    assert [feature.key for feature in again.features] == [feature.key for feature in fitted.features]
    np.testing.assert_array_equal(again.scores(videos, store=store), scores)


def test_a_net_and_its_quantization_share_one_training_and_are_both_kept(
    clips: tuple[Dataset, FeatureStore], tmp_path: Path
) -> None:
    dataset, store = clips
    stream = replace(SEEN, schedule=replace(SHORT, steps=2, batch_size=4))
    source = SequenceSource(rows=StreamFeature(stream=stream, stride=4, learn=True))
    vectors = {"mean": VideoVector(source=source), "dq": VideoVector(source=source, quantization=MAPS)}
    configs = {name: VectorClassifier(vector=vector) for name, vector in vectors.items()}
    fitted = fit_vector_classifiers(configs, dataset, store=store, run=RUN)
    plain, quantized = (each.feature for each in fitted.sources.values())
    assert isinstance(plain, BackboneFeature)
    assert isinstance(quantized, QuantizedRow)
    assert isinstance(quantized.of, BackboneFeature)
    assert quantized.of.weights == plain.weights is not None
    tables = fitted.tables()
    assert set(tables) == {"source-0", "source-1", "source-1-quantization", "linear-mean", "linear-dq"}
    for name, table in tables.items():
        save_file({key: value.contiguous() for key, value in table.items()}, tmp_path / f"{name}.safetensors")
    again = restore_vector_classifiers(configs, tables, folder=tmp_path, classes=2)
    assert [feature.key for feature in again.features] == [feature.key for feature in fitted.features]
    with pytest.raises(DataError, match=r"must hold the deep quantization source-1-quantization\.safetensors"):
        restore_vector_classifiers(
            configs, {k: v for k, v in tables.items() if "quantization" not in k}, folder=tmp_path, classes=2
        )
    assert from_plain(VideoVector, to_plain(vectors["dq"])) == vectors["dq"]


def test_words(world: tuple[Dataset, FeatureStore, dict[str, np.ndarray]], tmp_path: Path) -> None:
    dataset, store, _ = world
    with pytest.raises(DataError, match="deep quantization of videos needs dims, samples and videos"):
        Quantized(dims=0)
    with pytest.raises(DataError, match="needs sections 1 and neither norm nor projection, got 2, None and None"):
        VideoVector(source=HEARD, quantization=ROWS, sections=2)
    with pytest.raises(DataError, match="needs sections 1 and neither norm nor projection"):
        VideoVector(source=replace(HEARD, projection=Projection(dims=2)), quantization=ROWS)
    base = fit_sequences(HEARD, dataset, store=store, run=RUN)
    with pytest.raises(DataError, match="deep quantization of positions cannot be measured from LogMel"):
        fit_quantized(replace(ROWS, local="positions"), base, dataset, store=store, run=RUN)
    (tmp_path / "rows.hdf5").touch()
    with pytest.raises(DataError, match="deep quantization of rows cannot be measured from FeatureTable"):
        fit_quantized(
            ROWS, sequences.Sequences(FeatureTable(path=tmp_path / "rows.hdf5")), dataset, store=store, run=RUN
        )
    with pytest.raises(DataError, match="needs training videos with classes and features, axes has none"):
        fit_quantized(ROWS, base, Dataset(name="axes", annotations=()), store=store, run=RUN)
    with pytest.raises(DataError, match="weights none of a deep quantization are not there"):
        QuantizedRow(of=LogMel(), weights=Path("none"), net=ROWS.net)
    with pytest.raises(DataError, match="must hold the projection of a deep quantization, got"):
        quantizer_of({"x": torch.zeros(1)}, ROWS.net, where=Path("w"))
    with pytest.raises(DataError, match="do not fit LocalQuantizer"):
        quantizer_of({"components": torch.zeros(2, 3)}, ROWS.net, where=Path("w"))


def test_a_net_without_a_map_gives_its_rows_alone(clips: tuple[Dataset, FeatureStore]) -> None:
    dataset, store = clips
    net = C3d(width=2, hidden=12, frames=8, input_size=(32, 32))
    stream = replace(SEEN, net=net, sampling=Sampling(sections=1, frames=8))
    base = fit_sequences(SequenceSource(rows=StreamFeature(stream=stream, stride=4)), dataset, store=store, run=RUN)
    with pytest.raises(DataError, match="has no map whose mean over all positions is its feature"):
        fit_quantized(MAPS, base, dataset, store=store, run=RUN)
    found = fit_quantized(replace(MAPS, local="rows"), base, dataset, store=store, run=RUN)
    assert isinstance(found.feature, QuantizedRow)
    assert found.feature.requires == (base.feature,)
    assert _loaded(store, found.feature, dataset.videos[0]).values.shape[1] % 7 == 0
