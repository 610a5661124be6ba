"""System 17, recognition: table 1's components, and a small one that learns colours of real files and comes back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from untrimmed.aggregate.quantization import QuantizationConfig
from untrimmed.caption.attribute_decoder import AttributeDecoderConfig
from untrimmed.caption.beam import BeamConfig
from untrimmed.caption.self_critical import SelfCriticalConfig
from untrimmed.configs import from_plain, to_plain
from untrimmed.features import learned, members, quantized_vectors, sequences
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.event_attributes import AttributesConfig
from untrimmed.features.extract import extract
from untrimmed.features.images import RgbImages
from untrimmed.features.learned import StreamFeature
from untrimmed.features.quantized_rows import QuantizedRow
from untrimmed.features.quantized_vectors import Quantized
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.features.trajectories.learning import TrajectoryEncoding
from untrimmed.features.vector_classifiers import VectorClassifier
from untrimmed.fuse.fusion import Searched
from untrimmed.media.writer import write_video
from untrimmed.nets.p3d import P3d
from untrimmed.nets.resnet import Resnet
from untrimmed.nets.small import SmallNet
from untrimmed.nets.zoo import AnyNet
from untrimmed.records import Annotation, Dataset, Event, Instance, NotTrained, Task, Video
from untrimmed.systems.attribute_captions import AttributeCaptionsConfig
from untrimmed.systems.p3d_quantization import LAPTOP, P3dQuantization, P3dQuantizationConfig
from untrimmed.systems.tag_reranking import TagRerankingConfig
from untrimmed.train import Run, Schedule

NAMES = [
    f"{net}_{way}" for net in ("frame", "clip", "frame_motion", "clip_motion") for way in ("mean", "quantized")
] + ["trajectories"]
SCHEDULE = Schedule(steps=20, batch_size=8, optimizer="adam", learning_rate=0.02)


def seen(net: AnyNet, frames: int) -> SequenceSource:
    stream = Stream(
        net=net,
        images=RgbImages(size=(40, 40), per_second=5.0),
        sampling=Sampling(sections=1, frames=frames),
        augmentation=Augmentation(),
        schedule=SCHEDULE,
        views=TestViews(),
    )
    return SequenceSource(rows=StreamFeature(stream=stream, stride=2, learn=True))


FRAME = seen(SmallNet(width=4, input_size=(40, 40), dropout=0.0), 1)
TINY = P3dQuantizationConfig(
    frame=FRAME,
    clip=seen(P3d(depth=63, width=4, frames=4, input_size=(40, 40), dropout=0.0), 4),
    frame_motion=seen(SmallNet(width=4, input_size=(40, 40), dropout=0.0), 2),
    clip_motion=FRAME,
    trajectories=FRAME,
    quantization=Quantized(dims=8, net=QuantizationConfig(hidden=8, code=4), schedule=SCHEDULE, samples=200),
)


@pytest.fixture(scope="module", autouse=True)
def _one_process() -> Iterator[None]:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (learned, members, quantized_vectors, sequences):
            patch.setattr(module, "extract", lambda *given, **options: extract(*given, workers=0, **options))
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, FeatureStore]:
    """Red and blue videos of one second with noise."""
    folder = tmp_path_factory.mktemp("colours")
    rng, made = np.random.default_rng(0), []
    for number in range(16):
        picture = rng.integers(0, 90, (10, 48, 48, 3)).astype(np.uint8)
        picture[..., 0 if number % 2 else 2] += 90
        path = folder / f"v{number}.mp4"
        write_video(path, list(picture), fps=10)
        subset = ("training", "training", "validation", "testing")[number // 2 % 4]
        video = Video(video_id=f"v{number}", duration=1.0, subset=subset, path=path)
        label = "red" if number % 2 else "blue"
        made.append(Annotation(video=video, instances=(Instance((0.0, 1.0), label),)))
    return Dataset(name="colours", annotations=tuple(made), trimmed=True), FeatureStore(folder / "store")


def test_its_components_are_those_of_table_1() -> None:
    config = P3dQuantizationConfig()
    assert P3dQuantization.number == 17
    assert P3dQuantization.tasks == {Task.RECOGNITION, Task.PROPOSALS, Task.CAPTIONING}
    assert [member.name for member in config.members] == NAMES
    assert isinstance(config.fusion, Searched)
    streams = {}
    for member in config.members:
        one = member.classifier
        assert isinstance(one, VectorClassifier)
        assert (one.linear.kind, one.linear.cost) == ("svm", 100.0)
        assert (one.vector.quantization is not None) == member.name.endswith("quantized")
        rows = one.vector.source.rows
        if isinstance(rows, StreamFeature):
            streams[member.name] = rows.stream
        else:
            assert isinstance(rows, TrajectoryEncoding)
            assert rows.codebook.descriptors == ("trajectory", "hog", "hof", "mbh")
    assert {name: stream.channels for name, stream in streams.items() if name.endswith("mean")} == {
        "frame_mean": 3,
        "clip_mean": 3,
        "frame_motion_mean": 32,
        "clip_motion_mean": 2,
    }
    assert {type(stream.net) for name, stream in streams.items() if "clip" in name} == {P3d}
    assert {type(stream.net) for name, stream in streams.items() if "frame" in name} == {Resnet}
    assert {stream.sampling.frames for name, stream in streams.items() if "clip" in name} == {16}
    for each in (config, LAPTOP, TINY):
        assert from_plain(P3dQuantizationConfig, to_plain(each)) == each


def test_it_learns_keeps_no_map_and_comes_back_from_the_disk(
    world: tuple[Dataset, FeatureStore], tmp_path: Path
) -> None:
    dataset, store = world
    system = P3dQuantization(TINY)
    system.fit(dataset, store=store, run=Run(device="cpu", loaders=0, folder=tmp_path / "run"))
    testing = dataset.subset("testing")
    before = list(system.predict(testing.videos, store=store))
    scores = system.member_scores(testing.videos, store=store)
    truth = np.array([dataset.labels.index(annotation.labels[0]) for annotation in testing.annotations])
    right = {name: (table.argmax(axis=1) == truth).mean() for name, table in scores.items()}
    assert list(right) == NAMES
    assert right["frame_mean"] == right["frame_quantized"] == 1.0
    assert (system.fused(testing.videos, store=store).argmax(axis=1) == truth).all()
    kinds = {type(feature) for feature in system.features()}
    assert QuantizedRow in kinds
    positions = [f.of for f in system.features() if isinstance(f, QuantizedRow)]
    assert len(positions) == 3  # equal sources and their quantizations are learnt once
    assert not any(store.has(feature, testing.videos[0].video_id) for feature in positions)

    system.save(tmp_path / "saved")
    loaded = P3dQuantization.load(tmp_path / "saved")
    assert [feature.key for feature in loaded.features()] == [feature.key for feature in system.features()]
    assert list(loaded.predict(testing.videos, store=store)) == before
    assert all((prediction.proposals, prediction.captions) == (None, None) for prediction in before)  # of clips
    other = FeatureStore(tmp_path / "other")
    again = list(loaded.predict(testing.videos[:1], store=other))
    assert again[0].classes is not None
    assert before[0].classes is not None
    for label, score in before[0].classes.scores.items():
        assert again[0].classes.scores[label] == pytest.approx(score, abs=1e-6)


def test_the_classification_term_can_be_left_out(world: tuple[Dataset, FeatureStore]) -> None:
    plain = replace(TINY.quantization, net=replace(TINY.quantization.net, classification=0.0))
    assert replace(TINY, quantization=plain).members[1] != TINY.members[1]
    assert replace(TINY, quantization=plain).members[0] == TINY.members[0]


def test_untrimmed_videos_get_proposals_too(tmp_path: Path) -> None:
    rng, made = np.random.default_rng(0), []
    for number in range(8):
        pictures = rng.integers(0, 90, (20, 48, 48, 3)).astype(np.uint8)
        pictures[8:16, ..., 0 if number % 2 else 2] += 90
        path = tmp_path / f"u{number}.mp4"
        write_video(path, list(pictures), fps=10)
        subset = ("training", "training", "validation", "testing")[number // 2 % 4]
        video = Video(video_id=f"u{number}", duration=2.0, subset=subset, path=path)
        made.append(Annotation(video=video, instances=(Instance((0.8, 1.6), "red" if number % 2 else "blue"),)))
    dataset, store = Dataset(name="stretches", annotations=tuple(made)), FeatureStore(tmp_path / "store")
    short = replace(SCHEDULE, steps=3, batch_size=2)
    parts = TagRerankingConfig(streams=(FRAME,), actionness_schedule=short, ranker_schedule=short, levels=2)
    system = P3dQuantization(replace(TINY, proposals=parts))
    system.fit(dataset, store=store, run=Run(device="cpu", loaders=0))
    videos = dataset.subset("testing").videos
    before = list(system.predict(videos, store=store))
    for prediction in before:
        assert prediction.proposals is not None
        assert prediction.classes is not None
        assert len({proposal.segment for proposal in prediction.proposals}) == len(prediction.proposals)
    system.save(tmp_path / "saved")
    loaded = P3dQuantization.load(tmp_path / "saved")
    assert [feature.key for feature in loaded.features()] == [feature.key for feature in system.features()]
    assert list(loaded.predict(videos, store=store)) == before


def test_where_sentences_are_learnt_proposals_are_described(tmp_path: Path) -> None:
    rng, made = np.random.default_rng(0), []
    for number in range(6):
        pictures = rng.integers(0, 90, (20, 48, 48, 3)).astype(np.uint8)
        colour = "red" if number % 2 else "blue"
        pictures[8:16, ..., 0 if number % 2 else 2] += 90
        path = tmp_path / f"t{number}.mp4"
        write_video(path, list(pictures), fps=10)
        video = Video(video_id=f"t{number}", duration=2.0, subset="training" if number < 4 else "testing", path=path)
        told = (Event((0.8, 1.6), f"The picture turns {colour} for a while."),)
        made.append(Annotation(video=video, instances=(Instance((0.8, 1.6), colour),), events=(told,)))
    dataset, store = Dataset(name="told", annotations=tuple(made)), FeatureStore(tmp_path / "store")
    short = replace(SCHEDULE, steps=3, batch_size=2)
    proposals = TagRerankingConfig(streams=(FRAME,), actionness_schedule=short, ranker_schedule=short, levels=2)
    captions = AttributeCaptionsConfig(
        sights=(FRAME,),
        proposals=4,
        attributes=AttributesConfig(schedule=short),
        decoder=AttributeDecoderConfig(embed=8, hidden=8),
        schedule=short,
        self_critical=SelfCriticalConfig(most_words=6),
        reward_schedule=short,
        search=BeamConfig(width=2, most_words=8),
        retrieved=2,
        minimum_count=1,
    )
    system = P3dQuantization(replace(TINY, proposals=proposals, captions=captions))
    system.fit(dataset, store=store, run=Run(device="cpu", loaders=0))
    videos = dataset.subset("testing").videos
    before = list(system.predict(videos, store=store))
    for prediction in before:
        assert prediction.proposals is not None
        assert prediction.captions is not None
        best = sorted(proposal.segment for proposal in prediction.proposals[:4])
        assert [caption.segment for caption in prediction.captions] == best
        assert all(caption.sentence for caption in prediction.captions)
    system.save(tmp_path / "saved")
    loaded = P3dQuantization.load(tmp_path / "saved")
    assert [feature.key for feature in loaded.features()] == [feature.key for feature in system.features()]
    assert list(loaded.predict(videos, store=store)) == before


def test_untrained_it_says_so(world: tuple[Dataset, FeatureStore]) -> None:
    dataset, store = world
    with pytest.raises(NotTrained, match=r"system 17 \(an ensemble\) must be fitted or loaded first"):
        list(P3dQuantization(TINY).predict(dataset.videos, store=store))
