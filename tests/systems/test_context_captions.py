"""System 22 on drawn videos: it learns what they show, says it again after saving, and names what it lacks."""

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from untrimmed.caption.beam import BeamConfig
from untrimmed.configs import from_plain, to_plain
from untrimmed.features import learned
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.extract import extract
from untrimmed.features.images import RgbImages
from untrimmed.features.learned import StreamFeature
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.media.writer import write_video
from untrimmed.nets.zoo import C3d, Resnet, SmallNet
from untrimmed.records import Annotation, DataError, Dataset, Event, Instance, NotTrained, Task, Video
from untrimmed.systems import context_captions
from untrimmed.systems.context_captions import LAPTOP, MP, TA, TAC, ContextCaptions, ContextCaptionsConfig
from untrimmed.timeline import even_segments
from untrimmed.train import Run, Schedule

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 220)}
SECONDS, RATE = 4.0, 10
RUN = Run(device="cpu", seed=1, loaders=0)

SIGHT = StreamFeature(
    stream=Stream(
        net=SmallNet(width=4, input_size=(16, 16), dropout=0.0),
        images=RgbImages(size=(24, 32), per_second=5.0),
        sampling=Sampling(sections=1),
        augmentation=Augmentation(flips=False),
        schedule=Schedule(steps=25, batch_size=8, optimizer="adam", learning_rate=0.01),
        views=TestViews(positions=2, ten_crop=False),
    ),
    stride=2,
    learn=True,
)
TINY = ContextCaptionsConfig(
    sights=(SIGHT, replace(SIGHT, stride=3, learn=False)),
    decoder=replace(TAC, embed=16, hidden=32, attend=16, dropout=0.0),
    search=BeamConfig(width=2, most_words=10),
    schedule=Schedule(steps=80, batch_size=8, optimizer="adam", learning_rate=0.01),
    minimum_count=1,
    most_cells=8,
)


def picture(colour: str, place: float) -> np.ndarray:
    """A square on grey."""
    image = np.full((48, 64, 3), 90, np.uint8)
    left = int(place * 40)
    image[12:36, left : left + 24] = COLOURS[colour]
    return image


def annotation(folder: Path, name: str, first: str, second: str, *, subset: str) -> Annotation:
    """A square that moves right in one colour, then left in another."""
    frames = [picture(first, i / 20) for i in range(20)] + [picture(second, 1 - i / 20) for i in range(20)]
    path = folder / f"{name}.mp4"
    write_video(path, frames, fps=RATE)
    video = Video(video_id=name, duration=SECONDS, subset=subset, path=path)
    spans = ((0.0, 2.0), (2.0, 4.0))
    sentences = (f"A {first} square moves to the right.", f"Then a {second} square doesn't stay.")
    instances = tuple(Instance(span, colour) for span, colour in zip(spans, (first, second), strict=True))
    events = tuple(Event(span, sentence) for span, sentence in zip(spans, sentences, strict=True))
    return Annotation(video=video, instances=instances, events=(events, (events[0],)))


@dataclass
class World:
    """Drawn videos, a store and a system that was fitted on them."""

    dataset: Dataset
    store: FeatureStore
    system: ContextCaptions


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> Iterator[None]:
    """Processes take seconds to start; what they do is tested with extraction."""
    alone = partial(extract, workers=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context_captions, "extract", alone)
        patch.setattr(learned, "extract", alone)
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("captions")
    pairs = [(a, b) for a in COLOURS for b in COLOURS if a != b]
    known = [annotation(folder, f"v{i}", a, b, subset="training") for i, (a, b) in enumerate(pairs)]
    unseen = annotation(folder, "unseen", "green", "red", subset="testing")
    dataset = Dataset(name="squares", annotations=(*known, unseen))
    store = FeatureStore(folder / "store")
    system = ContextCaptions(TINY)
    system.fit(dataset, store=store, run=RUN)
    return World(dataset, store, system)


def spans(item: Annotation) -> np.ndarray:
    return np.array([event.segment for event in item.events[0]])


def test_what_was_learnt_is_said_of_every_event_and_of_a_video_never_seen(world: World) -> None:
    unseen = world.dataset.annotations[-1]
    extract(world.system.features(), [unseen.video], store=world.store, workers=0)
    for item in world.dataset.annotations:
        captions = world.system.caption_segments(item.video, spans(item), store=world.store)
        assert [caption.sentence for caption in captions] == [event.sentence for event in item.events[0]]
        assert [caption.segment for caption in captions] == [event.segment for event in item.events[0]]
        assert all(0 < caption.score <= 1 for caption in captions)
    assert world.system.caption_segments(unseen.video, np.zeros((0, 2)), store=world.store) == ()


def test_predict_says_fifteen_captions_a_video_in_order_of_time(world: World) -> None:
    predictions = list(world.system.predict(world.dataset.videos[-2:], store=world.store))
    assert [prediction.video for prediction in predictions] == list(world.dataset.videos[-2:])
    for prediction in predictions:
        captions = prediction.captions
        assert captions is not None
        segments = [caption.segment for caption in captions]
        assert segments == sorted(segments)
        wanted = even_segments(SECONDS, 5)
        np.testing.assert_allclose(sorted(segments), sorted(map(tuple, wanted)))
        assert all(caption.sentence for caption in captions)
        assert prediction.detections is prediction.classes is prediction.proposals is None


def test_a_saved_system_says_the_same_without_its_first_store(world: World, tmp_path: Path) -> None:
    world.system.save(tmp_path / "system")
    loaded = ContextCaptions.load(tmp_path / "system")
    assert loaded.config == world.system.config
    assert [f.key for f in loaded.features()] == [f.key for f in world.system.features()]
    fresh = FeatureStore(tmp_path / "store")
    videos = world.dataset.videos[:2]
    again = list(loaded.predict(videos, store=fresh))
    assert again == list(world.system.predict(videos, store=world.store))
    loaded.save(tmp_path / "copy")
    for name in ("config.json", "sight-0.safetensors", "decoder.safetensors"):
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / "system" / name).read_bytes()


def test_the_same_seed_gives_the_same_system_and_another_seed_another(world: World, tmp_path: Path) -> None:
    few = replace(SIGHT, stream=replace(SIGHT.stream, schedule=replace(SIGHT.stream.schedule, steps=2)))
    config = replace(TINY, sights=(few,), schedule=replace(TINY.schedule, steps=3))
    said = []
    for number, seed in enumerate((1, 1, 2)):
        system = ContextCaptions(config)
        system.fit(world.dataset, store=world.store, run=replace(RUN, seed=seed, folder=tmp_path / str(number)))
        said.append((system.features(), list(system.predict(world.dataset.videos[:2], store=world.store))))
    assert said[0] == said[1]
    assert said[0] != said[2]


@pytest.mark.parametrize("decoder", [MP, TA], ids=["MP", "TA"])
def test_the_other_models_work_with_nets_that_learnt_words(world: World, tmp_path: Path, decoder: object) -> None:
    few = replace(SIGHT.stream, schedule=replace(SIGHT.stream.schedule, steps=2))
    config = replace(
        TINY,
        sights=(replace(SIGHT, stream=few),),
        learn_from="words",
        decoder=replace(TINY.decoder, attention=decoder.attention, contexts=decoder.contexts),  # type: ignore[attr-defined]
        schedule=replace(TINY.schedule, steps=6, validate_every_epochs=0.5),
    )
    *known, first, second = world.dataset.annotations[:-1]
    moved = [replace(item, video=replace(item.video, subset="validation")) for item in (first, second)]
    system = ContextCaptions(config)
    system.fit(Dataset(name="parts", annotations=(*known, *moved)), store=world.store, run=RUN)
    system.save(tmp_path / "system")
    loaded = ContextCaptions.load(tmp_path / "system")
    videos = world.dataset.videos[:1]
    assert list(loaded.predict(videos, store=world.store)) == list(system.predict(videos, store=world.store))


def test_without_classes_the_nets_stay_as_they_are_and_a_warning_says_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    spoken = tuple(replace(item, instances=()) for item in world.dataset.annotations)
    system = ContextCaptions(replace(TINY, schedule=replace(TINY.schedule, steps=2)))
    system.fit(Dataset(name="spoken", annotations=spoken), store=world.store, run=RUN)
    assert "sight-0: no class is annotated in spoken, so the net is taken untrained" in caplog.text
    assert all(feature.weights is None for feature in system.features())


def test_videos_that_cannot_be_read_are_left_out_and_named(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    video = Video(video_id="bad", duration=4.0, path=bad)
    with caplog.at_level(logging.WARNING):
        assert [
            p.video.video_id for p in world.system.predict([video, world.dataset.videos[0]], store=world.store)
        ] == ["v0"]
    assert "video bad is left out" in caplog.text
    caplog.clear()
    events = ((Event((0.0, 2.0), "A red square moves."),),)
    broken = Annotation(video=replace(video, subset="training"), events=events)
    parts = (*world.dataset.annotations[:4], broken)
    system = ContextCaptions(replace(TINY, sights=TINY.sights[1:], schedule=replace(TINY.schedule, steps=2)))
    system.fit(Dataset(name="broken", annotations=parts), store=world.store, run=RUN)
    assert "video bad is left out" in caplog.text


def test_before_fit_there_is_nothing_to_say(world: World, tmp_path: Path) -> None:
    system = ContextCaptions(TINY)
    message = "system 22 \\(captions with contexts\\) must be fitted or loaded first"
    with pytest.raises(NotTrained, match=message):
        system.features()
    with pytest.raises(NotTrained, match=message):
        list(system.predict(world.dataset.videos, store=world.store))
    with pytest.raises(NotTrained, match=message):
        system.save(tmp_path / "system")


def test_what_it_cannot_learn_from_is_named(world: World) -> None:
    silent = tuple(replace(item, events=()) for item in world.dataset.annotations)
    message = "system 22 learns from sentences, but the training subset of silent has none"
    with pytest.raises(DataError, match=message):
        ContextCaptions(TINY).fit(Dataset(name="silent", annotations=silent), store=world.store, run=RUN)


def test_a_folder_that_holds_something_else_is_refused(world: World, tmp_path: Path) -> None:
    world.system.save(tmp_path / "system")
    about = json.loads((tmp_path / "system" / "config.json").read_text())
    words = about["extra"]["words"]
    for change, message in (
        ({"extra": {"words": [1], "nets": []}}, "must hold the words, the decoder and the nets of a ContextCaptions"),
        ({"extra": {"words": words}}, "must hold the words, the decoder and the nets"),
        ({"tables": ["sight-0"]}, "must hold the words, the decoder and the nets"),
        ({"tables": ["decoder"]}, "must hold the words, the decoder and the nets"),
        ({"extra": {"words": ["a"], "nets": []}}, "a vocabulary must begin with <start> <end> <unknown>"),
        ({"extra": {"words": words[:5], "nets": []}}, "do not fit EventSpeaker"),
    ):
        shutil.copytree(tmp_path / "system", tmp_path / "other", dirs_exist_ok=True)
        (tmp_path / "other" / "config.json").write_text(json.dumps({**about, **change}))
        with pytest.raises(DataError, match=message):
            ContextCaptions.load(tmp_path / "other")


def test_the_published_configuration_is_the_default() -> None:
    config = ContextCaptionsConfig()
    assert [type(sight.stream.net) for sight in config.sights] == [C3d, Resnet]
    assert [sight.stride for sight in config.sights] == [8, 8]
    assert [sight.stream.sampling.frames for sight in config.sights] == [16, 1]
    assert config.levels == 5
    assert config.decoder == TAC
    for variant in (config, LAPTOP, replace(config, decoder=MP)):
        assert from_plain(ContextCaptionsConfig, to_plain(variant)) == variant
    assert ContextCaptions.number == 22
    assert ContextCaptions.tasks == {Task.CAPTIONING}
