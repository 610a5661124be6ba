"""System 08: its members, UntrimmedNet as a consensus, sound that tells apart what looks the same, a second start."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from untrimmed.aggregate.consensus import Average, TopK
from untrimmed.aggregate.selection import SectionSelection, SelectionConfig
from untrimmed.configs import from_plain, to_plain
from untrimmed.features import extract as extraction
from untrimmed.features import learned as of_learned
from untrimmed.features import members as of_members
from untrimmed.features import sequences as of_sequences
from untrimmed.features.clip_sets import Sampling, TestViews
from untrimmed.features.given_files import given_files
from untrimmed.features.learned import StreamFeature
from untrimmed.features.members import Member
from untrimmed.features.row_nets import RowNet
from untrimmed.features.spectrograms import SpectrogramImages
from untrimmed.features.ssn_regions import GroupedRegions
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.fuse.fusion import Equal
from untrimmed.media.writer import write_video
from untrimmed.nets.pose1d import HierarchicalPose
from untrimmed.nets.small import SmallNet
from untrimmed.nets.ssn import SsnConfig, UnifiedConfig
from untrimmed.nets.tsn import Tsn
from untrimmed.propose.tag import RELEASED
from untrimmed.records import Annotation, DataError, Dataset, Instance, NotTrained, Task, Video
from untrimmed.systems.tsn_3d_pose_audio import (
    LAPTOP,
    Tsn3dPoseAudio,
    Tsn3dPoseAudioConfig,
    fine_tuned,
    with_pose,
)
from untrimmed.train import Run, Schedule

RUN = Run(device="cpu", loaders=0)
SCHEDULE = Schedule(steps=30, batch_size=8, optimizer="adamw", learning_rate=3e-3)
SOUND = SpectrogramImages(rate=8000, window_samples=256, hop_samples=200, size=(32, 32), stride=8)


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> Iterator[None]:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (of_members, of_sequences, of_learned):
            patch.setattr(module, "extract", lambda *given, **options: extraction.extract(*given, workers=0, **options))
        yield


def classifier(config: Tsn3dPoseAudioConfig, name: str) -> Stream | RowNet:
    found = next(member.classifier for member in config.members if member.name == name)
    assert isinstance(found, Stream | RowNet)
    return found


def streams(config: Tsn3dPoseAudioConfig) -> Iterator[tuple[str, Stream]]:
    for member in config.members:
        if isinstance(member.classifier, Stream):
            yield member.name, member.classifier


def tiny() -> Tsn3dPoseAudioConfig:
    """The laptop's audio, and its UntrimmedNet and attention turned to sound, made small."""
    net = SmallNet(width=4, input_size=(32, 32), dropout=0.0)
    audio, whole, attention = (classifier(LAPTOP, name) for name in ("audio", "untrimmed", "attention"))
    assert isinstance(audio, Stream)
    assert isinstance(whole, Stream)
    assert isinstance(attention, RowNet)
    audio = replace(audio, net=net, images=SOUND, schedule=SCHEDULE, views=TestViews(positions=3, ten_crop=False))
    whole = replace(whole, net=net, images=SOUND, augmentation=audio.augmentation, schedule=SCHEDULE, views=audio.views)
    rows = attention.sources[0].rows
    assert isinstance(rows, StreamFeature)
    source = replace(attention.sources[0], rows=replace(rows, stream=whole, stride=2))
    attention = replace(attention, sources=(source,), schedule=SCHEDULE)
    named = {"audio": audio, "untrimmed": whole, "attention": attention}
    return Tsn3dPoseAudioConfig(
        members=tuple(Member(name=name, classifier=one) for name, one in named.items()), fusion=Equal()
    )


def sound(label: str, *, seconds: float, generator: np.random.Generator) -> np.ndarray:
    """A tone with a hum; low or high."""
    hertz = generator.uniform(500, 900) if label == "low" else generator.uniform(2000, 2600)
    wave = 0.2 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * 8000)) / 8000 + generator.uniform(0, 6))
    return (wave + generator.normal(0, 0.02, wave.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Black videos that sound; one more is mute."""
    folder, generator = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0)
    annotations = []
    for subset, count in (("training", 6), ("testing", 3)):
        for label in ("low", "high"):
            for number in range(count):
                name, seconds = f"{subset}-{label}-{number}", 2.0 + number / 4
                path = folder / f"{name}.mp4"
                pictures = [np.zeros((16, 16, 3), np.uint8)] * round(seconds * 8)
                given = sound(label, seconds=seconds, generator=generator)
                write_video(path, pictures, fps=8, audio=given, audio_rate=8000)
                video = Video(video_id=name, duration=seconds, path=path, subset=subset)
                annotations.append(Annotation(video=video, instances=(Instance((0.0, seconds), label),)))
    return Dataset(name="sounds", annotations=tuple(annotations), trimmed=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def fitted(dataset: Dataset, store: FeatureStore, tmp_path_factory: pytest.TempPathFactory) -> Tsn3dPoseAudio:
    """In a folder, so that attention shares the training of its stream."""
    run = replace(RUN, folder=tmp_path_factory.mktemp("run"))
    system = Tsn3dPoseAudio(tiny())
    system.fit(dataset, store=store, run=run)
    assert run.folder is not None
    assert len(list(run.folder.iterdir())) == 3
    return system


def test_published_values() -> None:
    config = Tsn3dPoseAudioConfig()
    assert Tsn3dPoseAudio.number == 8
    assert Tsn3dPoseAudio.tasks == {Task.CLASSIFICATION, Task.RECOGNITION, Task.LOCALIZATION}
    assert all(stream.balanced and stream.views.positions == 25 for _, stream in streams(config))
    frames = {name: (stream.sampling.sections, stream.sampling.frames) for name, stream in streams(config)}
    assert frames["rgb-bn-inception"] == (3, 1)
    assert frames["flow-bn-inception"] == (3, 5)
    assert frames["pools-bn-inception"] == frames["cubes-8-frames"] == (2, 8)
    assert frames["cubes-32-frames"] == (2, 32)
    assert frames["audio"] == (3, 1)
    channels = {name: stream.channels for name, stream in streams(config)}
    assert channels == {name: {"flow": 10, "audi": 1}.get(name[:4], 3) for name in channels}
    pose = classifier(config, "pose")
    assert isinstance(pose, RowNet)
    assert isinstance(pose.head, HierarchicalPose)
    assert pose.window == 48 / 6


def test_published_values_of_localization() -> None:
    own = Tsn3dPoseAudioConfig().localization
    rows = [source.rows for source in own.sources]
    assert all(isinstance(one, StreamFeature) and one.stride == 6 for one in rows)
    assert [type(net) for net in own.nets] == [SsnConfig, UnifiedConfig]
    assert own.net_weights == (1.0, 1.0)
    for net in own.nets:
        assert net.pyramid.levels == ((1,), (1, 2), (1,))
        assert (net.snippets, net.extension) == ((2, 5, 2), 0.5)
    assert own.samples.counts == (1, 1, 6)
    assert isinstance(own.regions, GroupedRegions)
    assert own.regions.rule == RELEASED


def test_trimmed_clips_are_classified_only(fitted: Tsn3dPoseAudio, dataset: Dataset, store: FeatureStore) -> None:
    videos = dataset.subset("testing").videos[:1]
    (prediction,) = fitted.predict(videos, store=store)
    assert prediction.detections is None
    with pytest.raises(NotTrained, match="system 08 localizes once it has been fitted on untrimmed videos"):
        next(fitted.localized(videos, store=store))


@pytest.mark.parametrize("config", [Tsn3dPoseAudioConfig(), LAPTOP, tiny()])
def test_configurations_survive_json(config: Tsn3dPoseAudioConfig) -> None:
    assert from_plain(Tsn3dPoseAudioConfig, to_plain(config)) == config


def test_every_small_stream_takes_its_clips() -> None:
    for _, stream in streams(LAPTOP):
        net = stream.build(classes=5).eval()
        shape = (stream.sampling.frames, *net.input_size) if stream.solid else net.input_size
        clips = torch.zeros(2, stream.sampling.sections, stream.channels, *shape, dtype=torch.uint8)
        assert Tsn(net, consensus=stream.consensus)(clips).shape == (2, 5)


@pytest.mark.slow
def test_every_published_stream_can_be_built() -> None:
    for _, stream in streams(Tsn3dPoseAudioConfig()):
        with torch.device("meta"):
            net = stream.build(classes=400)
            shape = (stream.sampling.frames, *net.input_size) if stream.solid else net.input_size
            assert net.eval()(torch.zeros(1, stream.channels, *shape)).shape == (1, 400)


def test_hard_selection_is_the_consensus_of_a_stream() -> None:
    """A TSN over whole videos with a top-k consensus says what the modules of UntrimmedNet say of its features."""
    whole = classifier(LAPTOP, "untrimmed")
    assert isinstance(whole, Stream)
    assert isinstance(whole.consensus, TopK)
    assert whole.whole_videos
    assert whole.sampling.sections > whole.consensus.k
    backbone = whole.build(classes=4).double().eval()
    modules = SectionSelection(SelectionConfig(mode="hard", k=whole.consensus.k), backbone.dims, 4).double()
    modules.classify.load_state_dict(backbone.classifier.state_dict())
    clips = torch.randn(3, whole.sampling.sections, whole.channels, *backbone.input_size, dtype=torch.float64)
    features = backbone.pooled(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
    logits = Tsn(backbone, consensus=whole.consensus)(clips)
    assert torch.allclose(logits.log_softmax(1), modules(features))
    assert not torch.allclose(logits, Tsn(backbone, consensus=Average())(clips))


def test_only_the_chosen_sections_learn() -> None:
    backbone = SmallNet(width=4, input_size=(16, 16), dropout=0.0).build(classes=2, channels=1).eval()
    clips = torch.randn(1, 7, 1, 16, 16, requires_grad=True)
    Tsn(backbone, consensus=TopK(k=3))(clips)[0, 1].backward()
    assert clips.grad is not None
    assert int((clips.grad.flatten(2).abs().sum(2) > 0).sum()) == 3


def test_the_share_of_sections_is_that_of_the_training() -> None:
    for config, name in ((Tsn3dPoseAudioConfig(), "untrimmed-bn-inception"), (LAPTOP, "untrimmed")):
        whole = classifier(config, name)
        assert isinstance(whole, Stream)
        assert isinstance(whole.test_consensus, TopK)
        assert not whole.views.ten_crop
        assert whole.test_consensus.k / whole.views.positions == pytest.approx(3 / 7, abs=0.06)


def test_sound_tells_apart_what_looks_the_same(fitted: Tsn3dPoseAudio, dataset: Dataset, store: FeatureStore) -> None:
    testing = dataset.subset("testing")
    predictions = list(fitted.predict(testing.videos, store=store))
    assert [prediction.video for prediction in predictions] == list(testing.videos)
    for prediction, annotation in zip(predictions, testing.annotations, strict=True):
        assert prediction.classes is not None
        assert sum(prediction.classes.scores.values()) == pytest.approx(1)
        assert prediction.classes.best(1)[0][0] == annotation.labels[0]
    scores = fitted.member_scores(testing.videos, store=store)
    assert list(scores) == ["audio", "untrimmed", "attention"]
    truth = np.array([dataset.labels.index(annotation.labels[0]) for annotation in testing.annotations])
    for rows in scores.values():
        assert np.mean(rows.argmax(axis=1) == truth) >= 0.8


def test_a_mute_video_is_scored_too(fitted: Tsn3dPoseAudio, store: FeatureStore, tmp_path: Path) -> None:
    write_video(tmp_path / "mute.mp4", [np.zeros((16, 16, 3), np.uint8)] * 16, fps=8)
    video = Video(video_id="mute", duration=2.0, path=tmp_path / "mute.mp4")
    (prediction,) = fitted.predict([video], store=store)
    assert prediction.classes is not None
    assert sum(prediction.classes.scores.values()) == pytest.approx(1)


def test_saved_loaded_and_started_from(
    fitted: Tsn3dPoseAudio, dataset: Dataset, store: FeatureStore, tmp_path: Path
) -> None:
    """The second data set has other classes: all but the classifier is taken over, and attention follows its stream."""
    fitted.save(tmp_path / "first")
    loaded = Tsn3dPoseAudio.load(tmp_path / "first")
    videos = dataset.subset("testing").videos[:3]
    assert list(loaded.predict(videos, store=store)) == list(fitted.predict(videos, store=store))

    config = fine_tuned(tiny(), tmp_path / "first")
    assert from_plain(Tsn3dPoseAudioConfig, to_plain(config)) == config
    assert fitted._members is not None
    for name, stream in streams(config):
        assert stream.partial_batch_norm
        before, after = fitted._members.nets[name].state_dict(), stream.build(classes=5).state_dict()
        changed = [key for key, value in after.items() if not torch.equal(value, before[key].cpu())]
        assert changed == ["classifier.weight", "classifier.bias"]
    attention = classifier(config, "attention")
    assert isinstance(attention, RowNet)
    assert isinstance(attention.sources[0].rows, StreamFeature)
    assert attention.sources[0].rows.stream == classifier(config, "untrimmed")


def test_pose_is_added_with_the_file_of_its_key_points(tmp_path: Path) -> None:
    config = with_pose(LAPTOP, tmp_path / "pose.safetensors")
    assert [member.name for member in config.members[:-1]] == [member.name for member in LAPTOP.members]
    assert given_files(config) == [tmp_path / "pose.safetensors"]
    pose = classifier(config, "pose")
    assert isinstance(pose, RowNet)
    net = pose.build([54], 5).eval()
    assert net([torch.rand(2, 48, 54)], [torch.tensor([48, 20])]).shape == (2, 5)


def test_words(tmp_path: Path) -> None:
    with pytest.raises(NotTrained, match=r"system 08 \(an ensemble\) must be fitted or loaded first"):
        Tsn3dPoseAudio(LAPTOP).features()
    with pytest.raises(DataError, match="must hold trained streams to start from, any of audio, untrimmed, got none"):
        fine_tuned(tiny(), tmp_path)


def test_sections_of_the_findings() -> None:
    """What a finding compares is one replacement away: one patch of sound, one clip without TSN."""
    for name in ("audio", "cubes"):
        stream = classifier(LAPTOP, name)
        assert isinstance(stream, Stream)
        one = replace(stream, sampling=Sampling(sections=1, frames=stream.sampling.frames))
        assert one.build(classes=2).channels == stream.channels
