"""The captions of report 17 on given rows: learnt, rewarded, retrieved, and back from the disk."""

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from untrimmed.caption.attribute_decoder import AttributeDecoderConfig
from untrimmed.caption.beam import BeamConfig
from untrimmed.caption.consensus import ConsensusConfig
from untrimmed.caption.reward import RewardConfig
from untrimmed.caption.self_critical import SelfCriticalConfig
from untrimmed.configs import from_plain, to_plain
from untrimmed.features.event_attributes import AttributesConfig
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.store import FeatureStore
from untrimmed.features.tables import FeatureTable
from untrimmed.records import Annotation, DataError, Dataset, Event, Instance, Proposal, Video
from untrimmed.systems.attribute_captions import (
    LAPTOP,
    AttributeCaptionsConfig,
    CaptioningPart,
    fit_captioning,
    meteor_scores,
    restore_captioning,
)
from untrimmed.systems.saving import load_system, save_system
from untrimmed.train import Run, Schedule

COLOURS = ("red", "green", "blue")
RUN = Run(device="cpu", seed=1, loaders=0)
SHORT = Schedule(steps=120, batch_size=16, optimizer="adam", learning_rate=0.02)


@dataclass
class World:
    """Given rows, what is said of them, and a part that was fitted on both."""

    dataset: Dataset
    config: AttributeCaptionsConfig
    store: FeatureStore
    part: CaptioningPart


def said(colour: str, *, first: bool) -> str:
    return f"A {colour} square moves to the right." if first else f"Then a {colour} square doesn't stay."


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two events a video; a row tells the colour and which of the two it is."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("captions")
    rng, annotations = np.random.default_rng(0), []
    with h5py.File(folder / "rows.h5", "w") as file:
        for number, (a, b) in enumerate([(a, b) for _ in range(2) for a in range(3) for b in range(3)]):
            rows = 0.1 * rng.normal(size=(8, 5))
            rows[:4, a] += 1
            rows[4:, b] += 1
            rows[4:, 3] += 1
            name = f"video{number}"
            file.create_dataset(f"v_{name}", data=rows.astype(np.float32))
            video = Video(video_id=name, duration=8.0, subset="training" if number < 15 else "validation")
            spans = ((0.0, 4.0), (4.0, 8.0))
            events = tuple(
                Event(span, said(COLOURS[c], first=i == 0))
                for i, (span, c) in enumerate(zip(spans, (a, b), strict=True))
            )
            acts = tuple(Instance(span, COLOURS[c]) for span, c in zip(spans, (a, b), strict=True))
            annotations.append(Annotation(video=video, instances=acts, events=(events, ())))
    dataset = Dataset(name="rows", annotations=tuple(annotations))
    config = AttributeCaptionsConfig(
        sights=(SequenceSource(rows=FeatureTable(path=folder / "rows.h5")),),
        attributes=AttributesConfig(schedule=SHORT),
        decoder=AttributeDecoderConfig(embed=16, hidden=32, dropout=0.0),
        schedule=SHORT,
        self_critical=SelfCriticalConfig(baseline="others", samples=4, most_words=9),
        reward_schedule=replace(SHORT, steps=15, learning_rate=1e-3),
        search=BeamConfig(width=2, most_words=9),
        retrieved=3,
        minimum_count=1,
    )
    store = FeatureStore(folder / "store")
    return World(dataset, config, store, fit_captioning(config, dataset, store=store, run=RUN))


def spans(item: Annotation) -> np.ndarray:
    return np.array([event.segment for event in item.events[0]])


def test_events_never_seen_are_described_as_their_likes_were(world: World) -> None:
    for item in world.dataset.annotations:
        captions = world.part.caption(item.video, spans(item), store=world.store)
        assert [caption.sentence for caption in captions] == [event.sentence for event in item.events[0]]
        assert [caption.segment for caption in captions] == [event.segment for event in item.events[0]]
        assert all(0 < caption.score <= 1 for caption in captions)
    assert world.part.caption(world.dataset.videos[0], np.zeros((0, 2)), store=world.store) == ()


def test_the_best_proposals_are_described_in_order_of_time(world: World) -> None:
    video = world.dataset.videos[-1]
    segments = [(4.0, 8.0), (0.0, 8.0), (0.0, 4.0), (1.0, 2.0)]
    proposals = [Proposal(segment, 1 - 0.1 * i) for i, segment in enumerate(segments)]
    part = replace(world.part, config=replace(world.config, proposals=3))
    captions = part.describe(video, proposals, store=world.store)
    assert [caption.segment for caption in captions] == [(0.0, 4.0), (0.0, 8.0), (4.0, 8.0)]
    assert part.describe(video, [], store=world.store) == ()


def test_attributes_are_the_classes_of_the_events(world: World) -> None:
    assert world.part.detector.exclusive
    assert world.part.detector.linear.out_features == 3
    assert world.part.features == ()
    assert len(world.part.told) == 30  # validation is not told


def test_it_comes_back_from_the_disk(world: World, tmp_path: Path) -> None:
    part = world.part
    save_system(tmp_path / "part", system="Part", config=world.config, tensors=part.tables(), extra=part.extra())
    config, extra, tables = load_system(tmp_path / "part", system="Part", config_class=AttributeCaptionsConfig)
    again = restore_captioning(config, tables, extra, folder=tmp_path / "part")
    for item in world.dataset.annotations[-3:]:
        segments = np.concatenate([spans(item), [[1.0, 7.0], [0.0, 8.0]]])
        wanted = part.caption(item.video, segments, store=world.store)
        assert again.caption(item.video, segments, store=world.store) == wanted
    for change in ({"words": None}, {"sentences": [1]}):
        with pytest.raises(DataError, match="must hold the words, the attributes, the speaker and the segments"):
            restore_captioning(config, tables, {**extra, **change}, folder=tmp_path)
    for name in ("attributes", "speaker", "told"):
        less = {key: table for key, table in tables.items() if key != f"captions-{name}"}
        with pytest.raises(DataError, match="must hold the words, the attributes, the speaker and the segments"):
            restore_captioning(config, less, extra, folder=tmp_path)


def test_each_row_of_table_3_can_be_fitted_and_shares_what_came_before(world: World, tmp_path: Path) -> None:
    run = replace(RUN, folder=tmp_path)
    few = replace(world.config.schedule, steps=4)
    rows = [replace(world.config, schedule=few, reward_schedule=few, reward=None, retrieved=0)]
    rows.append(replace(rows[0], reward=RewardConfig()))
    rows.append(replace(rows[1], retrieved=300))
    parts = [fit_captioning(row, world.dataset, store=world.store, run=run) for row in rows]
    kinds = [path.name.split("-")[0] for path in tmp_path.iterdir()]
    assert sorted(kinds) == ["attributes", "reward", "words"]
    weights = [part.speaker.words.output.weight for part in parts]
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])
    item = world.dataset.annotations[-1]
    told = {event.sentence for one in world.dataset.annotations[:15] for event in one.events[0]}
    plain, _, retrieved = (part.caption(item.video, spans(item), store=world.store) for part in parts)
    assert {caption.sentence for caption in retrieved} <= told
    assert all(0 < caption.score <= 1 for caption in plain)


def test_without_actions_the_attributes_are_words_and_a_warning_says_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    silent = tuple(replace(item, instances=()) for item in world.dataset.annotations)
    few = replace(SHORT, steps=3)
    config = replace(world.config, schedule=few, reward=None, attributes=AttributesConfig(words=4, schedule=few))
    part = fit_captioning(config, Dataset(name="told", annotations=silent), store=world.store, run=RUN)
    assert "no action is annotated, so the attributes of events are their most frequent words" in caplog.text
    assert not part.detector.exclusive
    assert part.detector.linear.out_features == 4


def test_what_it_cannot_learn_from_is_named(world: World) -> None:
    silent = tuple(replace(item, events=()) for item in world.dataset.annotations)
    with pytest.raises(DataError, match="but the training subset of silent has none"):
        fit_captioning(world.config, Dataset(name="silent", annotations=silent), store=world.store, run=RUN)
    absent = tuple(replace(a, video=replace(a.video, video_id=f"x{a.video.video_id}")) for a in silent)
    told = tuple(replace(a, events=b.events) for a, b in zip(absent, world.dataset.annotations, strict=True))
    with pytest.raises(DataError, match="no training video of absent that has sentences has features"):
        fit_captioning(world.config, Dataset(name="absent", annotations=told), store=world.store, run=RUN)


def test_the_published_configuration_is_the_default(world: World) -> None:
    config = AttributeCaptionsConfig(sights=world.config.sights)
    assert (config.decoder.variant, config.decoder.embed, config.decoder.hidden) == ("A3", 1024, 1024)
    assert config.retrieved == 300
    assert config.attributes.kind == "classes"
    assert config.self_critical.baseline == "greedy"
    assert config.consensus == ConsensusConfig()
    for each in (config, LAPTOP, world.config, replace(config, reward=None)):
        assert from_plain(AttributeCaptionsConfig, to_plain(each)) == each


def test_meteor_of_pairs_is_the_evaluators() -> None:
    found = meteor_scores([("the cat was sat on the mat", "the cat sat on the mat"), ("", "a dog")])
    assert found[0] == pytest.approx(0.5119556177223324, abs=1e-12)
    assert found[1] == 0
