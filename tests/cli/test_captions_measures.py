"""What the group captions measures, on given rows: floors below ceilings, both rules, every finding has its rows."""

from dataclasses import dataclass, replace
from functools import cached_property

import h5py
import numpy as np
import pytest
import torch
from rich.console import Console

from untrimmed.caption.attribute_decoder import AttributeDecoderConfig
from untrimmed.caption.beam import BeamConfig
from untrimmed.caption.self_critical import SelfCriticalConfig
from untrimmed.cli.measures import captions
from untrimmed.cli.measures.speakers import OLD, STEPS, Say, Segments, Speakers, Stage, designs, retrieved, steps
from untrimmed.cli.results import document
from untrimmed.cli.workshop import Row, Workshop, table_of
from untrimmed.data.playground import PlaygroundConfig
from untrimmed.features.event_attributes import AttributesConfig
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.tables import FeatureTable
from untrimmed.records import Annotation, Caption, Dataset, Event, Instance, Video
from untrimmed.systems.attribute_captions import AttributeCaptionsConfig
from untrimmed.systems.context_captions import ContextCaptions, ContextCaptionsConfig
from untrimmed.train import Schedule

FAST = Schedule(steps=10, batch_size=16, optimizer="adam", learning_rate=0.1)
SHORT = Schedule(steps=25, batch_size=16, optimizer="adam", learning_rate=0.02)
SPANS = ((0.0, 4.0), (4.0, 8.0))
WORDS = {
    "red": ("A red ball rolls.", "Some ball in red rolls."),
    "green": ("A green box stands.", "It is the green box."),
}


class Given(Speakers):
    """17 as it is; 22 says a constant."""

    @cached_property
    def twenty_two(self) -> dict[str, ContextCaptions]:
        return {name: ContextCaptions(ContextCaptionsConfig()) for name in ("MP", "TA", "TAC")}

    def contexts(self, name: str) -> Say:
        return lambda _, segments: [Caption((start, end), 1.0, name) for start, end in segments.tolist()]


@dataclass
class World:
    """A stage, its speakers and the configuration of 17."""

    stage: Stage
    speakers: Given
    config: AttributeCaptionsConfig


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two events a video; a row tells the colour."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("told")
    rng, annotations = np.random.default_rng(0), []
    names = list(WORDS)
    with h5py.File(folder / "rows.h5", "w") as file:
        for number in range(12):
            colours = [names[number % 2], names[number // 2 % 2]]
            rows = 0.1 * rng.normal(size=(8, 3))
            for half, colour in enumerate(colours):
                rows[4 * half : 4 * half + 4, names.index(colour)] += 1
            file.create_dataset(f"v_video{number}", data=rows.astype(np.float32))
            tracks = tuple(
                tuple(Event(span, WORDS[colour][told]) for span, colour in zip(SPANS, colours, strict=True))
                for told in (0, 1)
            )
            video = Video(video_id=f"video{number}", duration=8.0, subset="training" if number < 8 else "testing")
            acts = tuple(Instance(span, colour) for span, colour in zip(SPANS, colours, strict=True))
            annotations.append(Annotation(video=video, instances=acts, events=tracks))
    dataset = Dataset(name="told", annotations=tuple(annotations))
    config = AttributeCaptionsConfig(
        sights=(SequenceSource(rows=FeatureTable(path=folder / "rows.h5")),),
        attributes=AttributesConfig(schedule=FAST),
        decoder=AttributeDecoderConfig(embed=12, hidden=24, dropout=0.0),
        schedule=SHORT,
        self_critical=SelfCriticalConfig(baseline="others", samples=2, most_words=7),
        reward_schedule=replace(SHORT, steps=2, learning_rate=1e-4),
        search=BeamConfig(width=2, most_words=7),
        retrieved=3,
        minimum_count=1,
    )
    shop = Workshop(folder=folder / "shop", playground=PlaygroundConfig(), seed=0, console=Console(quiet=True))
    return World(Stage(shop, dataset), Given(shop, dataset), config)


@pytest.fixture(scope="module")
def found(world: World) -> list[Row]:
    """All rows but those of the designs that no finding names, with annotated segments in the place of proposals."""
    without = dict(list(designs(world.config).items())[:2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(captions, "designs", lambda _: without)
        missing = list(captions.other_designs(world.stage, world.speakers, world.config))
    places: dict[str, Segments] = {"50 proposals of 17": world.stage.annotated}
    return [
        *captions.floors(world.stage),
        *captions.twenty_two(world.stage, world.speakers),
        *captions.table_three(world.stage, world.speakers, world.config),
        *missing,
        *captions.elsewhere(world.stage, world.speakers, world.config, captions.even_segments(world.stage)),
        *captions.elsewhere(world.stage, world.speakers, world.config, places),
    ]


def test_every_row_stands_under_both_rules_and_every_finding_has_its_rows(found: list[Row]) -> None:
    new, old = ([row for row in found if row.task == task] for task in ("T5", OLD))
    assert [row.name for row in new] == [row.name for row in old]
    assert len({row.name for row in new}) == len(new)
    assert all(
        set(row.figures) - set(same.figures) == {"Recall", "Precision"} for row, same in zip(new, old, strict=True)
    )
    for finding in captions.FINDINGS:
        assert finding.line([found]).count("|") == 8
    table_of(found, Console(quiet=True))
    text = document([found], title=captions.TITLE, findings=captions.FINDINGS, playground=PlaygroundConfig())
    assert "### T5 dense captions (rules 2018-05)" in text
    assert "### T5, rules 2017-06 dense captions" in text
    assert text.count("| 17 LSTM-A3, 15 even segments |") == 2


def test_floors_are_below_what_looks_and_below_people(found: list[Row]) -> None:
    meteor = {(row.task, row.name): row.figures["METEOR"] for row in found}
    for task in ("T5", OLD):
        low, high = meteor[task, "constant sentence"], meteor[task, "people: the first annotator, by both"]
        for name in ("nearest training segment", "17 retrieval alone", STEPS[0], STEPS[2]):
            assert low < meteor[task, name]
        assert low < high
        assert meteor[task, "people: the first annotator, by the second"] < high
        # The same segments under another name give the same figures; on others all is worse.
        assert meteor[task, STEPS[2]] == meteor[task, f"{STEPS[2]}, 50 proposals of 17"]
        assert meteor[task, f"{STEPS[2]}, 15 even segments"] < meteor[task, STEPS[2]]


def test_the_nearest_segment_gives_its_sentence_and_the_consensus_one_of_several(world: World) -> None:
    part = world.speakers.part(steps(world.config)[STEPS[0]])
    item = world.stage.part.annotations[0]
    segments = np.array(SPANS)
    for most in (1, 3):
        said = retrieved(part, world.stage.shop, most)(item.video, segments)
        assert [one.segment for one in said] == list(SPANS)
        for one, event in zip(said, item.events[0], strict=True):
            assert one.sentence in next(each for each in WORDS.values() if event.sentence in each)


def test_one_training_for_likelihood_serves_the_table(world: World, found: list[Row]) -> None:
    assert found
    names = [place.name for place in (world.stage.shop.folder / "training" / "seed-0" / "classes-T1").iterdir()]
    assert sum(name.startswith("words-") for name in names) == 1 + 2
    assert sum(name.startswith("reward-") for name in names) == 1


def test_designs_differ_from_lstm_a3_in_the_decoder_alone(world: World) -> None:
    first = steps(world.config)[STEPS[0]]
    assert first.decoder.variant == "A3"
    assert steps(world.config)[STEPS[2]] == world.config
    decoders = {one.decoder for one in designs(world.config).values()}
    assert len(decoders) == 6
    assert first.decoder not in decoders
    assert {replace(one, decoder=first.decoder) for one in designs(world.config).values()} == {first}


def test_even_segments_are_those_of_report_22(world: World) -> None:
    (even,) = captions.even_segments(world.stage).values()
    assert all(len(each) == 15 and each.min() == 0 and each.max() == 8 for each in even.values())
