"""System 06: fits, predicts, saves and loads; its streams see what they ought to; the published values."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from moving_squares import FLOW, LABELS, RGB, trimmed_set, untrimmed_set

from untrimmed.configs import from_plain, to_plain
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream, accuracy, available, clip_set, fit_stream, stream_scores
from untrimmed.nets.bn_inception import BnInception
from untrimmed.nets.c3d import C3d, Ltc
from untrimmed.nets.small import Small3d, SmallNet
from untrimmed.nets.tsn import Tsn
from untrimmed.records import DataError, Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems.tsn_and_c3d import LAPTOP, TsnAndC3d, TsnAndC3dConfig
from untrimmed.train import Run, Schedule

RUN = Run(device="cpu")
SCHEDULE = Schedule(steps=45, batch_size=8, optimizer="adamw", learning_rate=3e-3)
PLAIN = Augmentation(scales=(1.0, 0.875))


def tiny(net: SmallNet | Small3d, images: object, *, sections: int, frames: int) -> Stream:
    return Stream(
        net=net,
        images=images,  # type: ignore[arg-type]
        sampling=Sampling(sections=sections, frames=frames),
        augmentation=PLAIN,
        schedule=SCHEDULE,
        views=TestViews(positions=3, ten_crop=False),
    )


SMALL = SmallNet(width=8, input_size=(24, 24), dropout=0.0)
SOLID = Small3d(width=4, frames=6, input_size=(24, 24), dropout=0.0)
TINY = TsnAndC3dConfig(
    rgb_tsn=tiny(SMALL, RGB, sections=3, frames=1),
    flow_tsn=tiny(SMALL, FLOW, sections=3, frames=5),
    rgb_c3d=tiny(SOLID, RGB, sections=1, frames=6),
    flow_c3d=tiny(SOLID, FLOW, sections=1, frames=6),
    rgb_ltc=tiny(replace(SOLID, frames=10), RGB, sections=1, frames=10),
    flow_ltc=tiny(replace(SOLID, frames=10), FLOW, sections=1, frames=10),
    trained=("rgb_tsn", "flow_tsn", "rgb_c3d"),
    submitted=("rgb_tsn", "flow_tsn"),
    weights=(1.0, 1.5),
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def trimmed(store: FeatureStore) -> Dataset:
    return trimmed_set(store)


@pytest.fixture(scope="module")
def fitted(store: FeatureStore, trimmed: Dataset) -> TsnAndC3d:
    torch.set_num_threads(1)
    system = TsnAndC3d(TINY)
    system.fit(trimmed, store=store, run=RUN)
    return system


def top1(predictions: list[Prediction], dataset: Dataset) -> float:
    truth = {annotation.video.video_id: annotation.labels[0] for annotation in dataset.annotations}
    right = [p.classes.best(1)[0][0] == truth[p.video.video_id] for p in predictions if p.classes]
    assert len(right) == len(predictions)
    return sum(right) / len(right)


def test_published_values() -> None:
    config = TsnAndC3dConfig()
    assert TsnAndC3d.number == 6
    assert TsnAndC3d.tasks == {Task.CLASSIFICATION, Task.RECOGNITION}
    assert (config.rgb_tsn.net, config.flow_tsn.net) == (BnInception(dropout=0.8), BnInception(dropout=0.7))
    assert (config.rgb_c3d.net, config.rgb_ltc.net) == (C3d(), Ltc())
    assert [config.stream(name).channels for name in config.trained] == [3, 10, 3, 2, 3, 2]
    assert [config.stream(name).sampling.frames for name in config.trained] == [1, 5, 16, 16, 32, 32]
    assert [config.stream(name).sampling.sections for name in config.trained] == [3, 3, 1, 1, 1, 1]
    assert config.rgb_tsn.images.size == (128, 171)
    assert config.flow_tsn.images.compensated  # type: ignore[union-attr]
    assert config.submitted == ("rgb_ltc",)
    assert TsnAndC3d(config).features() == (config.rgb_ltc.images,)


@pytest.mark.parametrize("config", [TsnAndC3dConfig(), LAPTOP, TINY])
def test_configurations_survive_json(config: TsnAndC3dConfig) -> None:
    assert from_plain(TsnAndC3dConfig, to_plain(config)) == config


def test_it_learns_trimmed_clips(fitted: TsnAndC3d, trimmed: Dataset, store: FeatureStore) -> None:
    testing = trimmed.subset("testing")
    predictions = list(fitted.predict(testing.videos, store=store))
    assert [p.video for p in predictions] == list(testing.videos)
    for prediction in predictions:
        assert prediction.classes is not None
        assert tuple(prediction.classes.scores) == LABELS
        assert sum(prediction.classes.scores.values()) == pytest.approx(1)
        assert min(prediction.classes.scores.values()) >= 0
        assert prediction.detections is None
    assert top1(predictions, testing) >= 0.75


def test_fusion_is_the_weighted_mean(fitted: TsnAndC3d, trimmed: Dataset, store: FeatureStore) -> None:
    video = trimmed.subset("testing").videos[3]
    rgb, flow = (fitted.scores(name, video, store=store) for name in ("rgb_tsn", "flow_tsn"))
    prediction = next(fitted.predict([video], store=store))
    assert prediction.classes is not None
    assert np.allclose([prediction.classes.scores[label] for label in fitted.labels], (rgb + 1.5 * flow) / 2.5)


def test_each_stream_sees_what_it_can(fitted: TsnAndC3d, trimmed: Dataset, store: FeatureStore) -> None:
    """Single frames tell colours apart and no directions; flow tells directions and no colours."""
    testing = trimmed.subset("testing").annotations
    for name, place in (("rgb_tsn", 0), ("flow_tsn", 1)):
        right = 0
        for annotation in testing:
            scores = fitted.scores(name, annotation.video, store=store)
            right += LABELS[int(scores.argmax())].split()[place] == annotation.labels[0].split()[place]
        assert right / len(testing) >= 0.9


def test_saved_and_loaded_it_says_the_same(
    fitted: TsnAndC3d, trimmed: Dataset, store: FeatureStore, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "system")
    loaded = TsnAndC3d.load(tmp_path / "system")
    assert loaded.config == fitted.config
    videos = trimmed.subset("testing").videos[:4]
    assert list(loaded.predict(videos, store=store)) == list(fitted.predict(videos, store=store))
    (tmp_path / "system" / "flow_tsn.safetensors").unlink()
    with pytest.raises(DataError, match=r"flow_tsn.safetensors cannot be read"):
        TsnAndC3d.load(tmp_path / "system")


def test_same_seed_same_numbers(trimmed: Dataset, store: FeatureStore) -> None:
    short = replace(TINY.rgb_tsn, schedule=replace(SCHEDULE, steps=4))
    config = replace(TINY, rgb_tsn=short, trained=("rgb_tsn",), submitted=("rgb_tsn",), weights=None)
    video = trimmed.videos[0]
    scores = []
    for seed in (1, 1, 2):
        system = TsnAndC3d(config)
        system.fit(trimmed, store=store, run=replace(RUN, seed=seed))
        scores.append(system.scores("rgb_tsn", video, store=store))
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_it_learns_untrimmed_videos(store: FeatureStore) -> None:
    """Instances are learnt from, whole videos with noise at both ends are scored."""
    dataset = untrimmed_set(store)
    stream = replace(TINY.flow_tsn, views=TestViews(positions=9, ten_crop=False))
    config = replace(TINY, flow_tsn=stream, trained=("flow_tsn",), submitted=("flow_tsn",), weights=None)
    system = TsnAndC3d(config)
    system.fit(dataset, store=store, run=RUN)
    testing = dataset.subset("testing")
    predictions = list(system.predict(testing.videos, store=store))
    directions = [p.classes.best(1)[0][0].split()[1] for p in predictions if p.classes]
    assert directions == [annotation.labels[0].split()[1] for annotation in testing.annotations]


def test_patience_chooses_by_the_validation_subset(trimmed: Dataset, store: FeatureStore, tmp_path: Path) -> None:
    schedule = replace(SCHEDULE, steps=20, patience=1, validate_every_epochs=0.34)
    stream = replace(TINY.rgb_tsn, schedule=schedule, balanced=True)
    backbone = fit_stream(stream, trimmed, store=store, run=replace(RUN, folder=tmp_path), name="chosen")
    pieces = available(trimmed.subset("validation"), stream, store=store)
    figure = accuracy(Tsn(backbone), clip_set(stream, pieces, store=store, size=(24, 24)))
    lines = (tmp_path / "chosen" / "log.jsonl").read_text()
    assert f'"figure": {figure}' in lines


def test_many_views_are_averaged(fitted: TsnAndC3d, trimmed: Dataset, store: FeatureStore) -> None:
    net, stream = fitted._nets["flow_tsn"], TINY.flow_tsn
    video_id = trimmed.videos[0].video_id
    views = replace(stream, views=TestViews(positions=5, ten_crop=True))
    scores = dict(stream_scores(net, views, [video_id], store=store))[video_id]
    assert scores.shape == (4,)
    assert scores.sum() == pytest.approx(1)


def test_words(store: FeatureStore, trimmed: Dataset, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    system = TsnAndC3d(TINY)
    with pytest.raises(NotTrained, match=r"system 06 \(TSN and C3D\) must be fitted or loaded first"):
        next(system.predict([], store=store))
    with pytest.raises(NotTrained, match="system 06"):
        system.save(tmp_path / "x")
    with pytest.raises(DataError, match=r"submitted streams must be among the trained .*got \('rgb_ltc',\)"):
        replace(TINY, submitted=("rgb_ltc",), weights=None)
    with pytest.raises(DataError, match=r"late fusion needs 2 weights, got \(1.0,\)"):
        replace(TINY, weights=(1.0,))
    with pytest.raises(DataError, match="sampling of a stream must give the 6 frames that Small3d takes, got 5"):
        tiny(SOLID, RGB, sections=1, frames=5).build(classes=2)
    with pytest.raises(DataError, match="stream x needs classes and pictures of rgb to learn from"):
        fit_stream(TINY.rgb_tsn, trimmed, store=FeatureStore(tmp_path), run=RUN, name="x")
    assert "is left out: its rgb pictures are not in the store" in caplog.text


def test_a_video_that_cannot_be_read_is_left_out(
    fitted: TsnAndC3d, trimmed: Dataset, store: FeatureStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Video(video_id="broken", duration=3.0, path=tmp_path / "broken.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    videos = [broken, trimmed.videos[0]]
    assert [p.video for p in fitted.predict(videos, store=store)] == videos[1:]
    assert "video broken is left out" in caplog.text
