"""What is measured of the captions of system 17 beside those of 22: what is said of the same segments, by two rules."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from untrimmed.cli.findings import Finding
from untrimmed.cli.measures import localization, main_path
from untrimmed.cli.measures.speakers import OLD, STEPS, Segments, Speakers, Stage, designs, retrieved, steps
from untrimmed.cli.workshop import Row, Workshop
from untrimmed.records import Caption, Prediction, Video

if TYPE_CHECKING:
    from untrimmed.systems.attribute_captions import AttributeCaptionsConfig
    from untrimmed.systems.tag_reranking import TagRerankingConfig

TITLE = "Systems 17 and 22: what is said"
RANDOM_SEED = 0
"""Of the random training sentences."""
EVEN_LEVELS = 5
"""1 + 2 + ... + 5 = 15 even segments, as report 22 has them."""
FEW = 10
"""Of the best proposals, beside the published 50: videos of the playground have one to nine events."""


def measured(shop: Workshop) -> list[Row]:
    """All rows with one seed."""
    from untrimmed.systems import context_captions, p3d_quantization

    untrimmed, _ = shop.draw()
    seventeen = p3d_quantization.LAPTOP
    models = main_path.caption_models(context_captions.LAPTOP)
    stage = Stage(shop, untrimmed)
    speakers = Speakers(shop, untrimmed)
    words, proposals = seventeen.captions, seventeen.proposals
    identity = (words, tuple(models.values()))
    found = shop.rows("captions-floors", None, lambda: floors(stage))
    found += shop.rows("captions-22", tuple(models.values()), lambda: twenty_two(stage, speakers))
    found += shop.rows("captions-17", words, lambda: table_three(stage, speakers, words))
    found += shop.rows("captions-designs", words, lambda: other_designs(stage, speakers, words))
    found += shop.rows("captions-even", identity, lambda: elsewhere(stage, speakers, words, even_segments(stage)))
    found += shop.rows(
        "captions-proposals",
        (*identity, proposals),
        lambda: elsewhere(stage, speakers, words, own_proposals(stage, proposals, words.proposals)),
    )
    return found


def floors(stage: Stage) -> Iterator[Row]:
    """What looks at no picture, and people: no strict ceiling, since what both would say may meet both better."""
    rng = np.random.default_rng(RANDOM_SEED)

    def random(_: Video, segments: np.ndarray) -> list[Caption]:
        return [Caption((start, end), 1.0, str(rng.choice(stage.sentences))) for start, end in segments.tolist()]

    yield from stage.told("constant sentence", stage.annotated, stage.constant)
    yield from stage.told("random training sentence", stage.annotated, random)
    first = [
        Prediction(video=one.video, captions=tuple(Caption(event.segment, 1.0, event.sentence) for event in track))
        for one in stage.part.annotations
        for track in one.events[:1]
    ]
    others = replace(
        stage.dataset, annotations=tuple(replace(one, events=one.events[1:]) for one in stage.dataset.annotations)
    )
    yield from stage.scored("people: the first annotator, by the second", first, dataset=others)
    yield from stage.scored("people: the first annotator, by both", first)


def twenty_two(stage: Stage, speakers: Speakers) -> Iterator[Row]:
    """Mean pooling, attention, contexts."""
    for name in speakers.twenty_two:
        yield from stage.told(f"22 {name}", stage.annotated, speakers.contexts(name))


def table_three(stage: Stage, speakers: Speakers, config: "AttributeCaptionsConfig") -> Iterator[Row]:
    """Table 3 of report 17 on annotated segments, and what its retrieval says without the LSTM."""
    part = speakers.part(replace(config, reward=None, retrieved=0))
    for name, most in (("nearest training segment", 1), ("17 retrieval alone", config.retrieved)):
        yield from stage.told(name, stage.annotated, retrieved(part, stage.shop, most))
    for name, one in steps(config).items():
        yield from stage.told(name, stage.annotated, speakers.say(one))


def other_designs(stage: Stage, speakers: Speakers, config: "AttributeCaptionsConfig") -> Iterator[Row]:
    """LSTM-A3 without one of its parts, and the other designs; all for likelihood, on annotated segments."""
    for name, one in designs(config).items():
        yield from stage.told(name, stage.annotated, speakers.say(one))


def elsewhere(
    stage: Stage, speakers: Speakers, config: "AttributeCaptionsConfig", places: Mapping[str, Segments]
) -> Iterator[Row]:
    """What is said of segments that nobody annotated."""
    says = {name: speakers.say(one) for name, one in steps(config).items()}
    for place, segments in places.items():
        yield from stage.told(f"constant sentence, {place}", segments, stage.constant)
        yield from stage.told(f"22 TAC, {place}", segments, speakers.contexts("TAC"))
        for name, say in says.items():
            yield from stage.told(f"{name}, {place}", segments, say)


def even_segments(stage: Stage) -> dict[str, Segments]:
    """The proposals of report 22."""
    from untrimmed.timeline import even_segments as even

    return {"15 even segments": {video.video_id: even(video.duration, EVEN_LEVELS) for video in stage.part.videos}}


def own_proposals(stage: Stage, config: "TagRerankingConfig", most: int) -> dict[str, Segments]:
    """The proposals of report 17: as many as are published, and a few."""
    from untrimmed.systems.tag_reranking import fit_proposals

    store, run = stage.shop.store, stage.shop.run(localization.WORK)
    part = fit_proposals(config, stage.dataset, store=store, run=run)
    part.ready(stage.part.videos, store=store)
    found = {
        video.video_id: np.array([one.segment for one in part.propose(video, store=store)], dtype=np.float64)
        for video in stage.part.videos
    }
    return {
        f"{count} proposals of 17": {name: each.reshape(-1, 2)[:count] for name, each in found.items()}
        for count in (most, FEW)
    }


_RULES = ("T5", OLD)
"""Both rules, which differ only where segments meet no reference: on annotated ones a claim is compared once."""


def _of(
    system: int,
    claim: str,
    published: str,
    left: str,
    right: str,
    figure: str = "METEOR",
    *,
    tasks: Sequence[str] = ("T5",),
) -> list[Finding]:
    return [
        Finding(system=system, claim=claim, published=published, task=task, left=left, right=right, figure=figure)
        for task in tasks
    ]


def _of_table_three(place: str, tasks: Sequence[str]) -> list[Finding]:
    """What table 3 of report 17 shows from row to row, of one kind of segments."""
    said, rewarded, whole = (f"{name}{place}" for name in STEPS)
    claims = (
        ("policy gradient lifts METEOR", "8.47 against 7.71", rewarded, said, "METEOR"),
        ("policy gradient lifts ROUGE-L", "14.28 against 13.27", rewarded, said, "ROUGE_L"),
        ("policy gradient lowers B@4", "3.07 against 3.38", said, rewarded, "Bleu_4"),
        ("policy gradient lowers CIDEr", "13.82 against 16.08", said, rewarded, "CIDEr"),
        ("retrieval lifts METEOR", "8.73 against 8.47", whole, rewarded, "METEOR"),
        ("retrieval lifts B@4", "3.13 against 3.07", whole, rewarded, "Bleu_4"),
        ("retrieval lifts CIDEr", "14.75 against 13.82", whole, rewarded, "CIDEr"),
    )
    return [
        one
        for claim, published, left, right, figure in claims
        for one in _of(17, f"{claim}{place}", published, left, right, figure, tasks=tasks)
    ]


_A3, _, _WHOLE = STEPS
_OWN = ", 50 proposals of 17"
_EVEN = ", 15 even segments"
FINDINGS: tuple[Finding, ...] = (
    *_of_table_three("", ("T5",)),
    *_of_table_three(_OWN, _RULES),
    *_of(17, "attributes above none", "on COCO 25.2 against 23.1", _A3, "17 LSTM, no attributes"),
    *_of(17, "attributes above none", "on COCO 98.4 against 84.3", _A3, "17 LSTM, no attributes", "CIDEr"),
    *_of(17, "contexts above none", "in words", _A3, "17 LSTM-A3, no contexts"),
    *_of(17, "contexts above none", "in words", _A3, "17 LSTM-A3, no contexts", "CIDEr"),
    *_of(17, "17 above 22", "12.84 against 9.62 (testing)", f"{_WHOLE}{_OWN}", f"22 TAC{_EVEN}", tasks=_RULES),
    *_of(17, "17 above 22, equal segments", "-", _WHOLE, "22 TAC"),
    *_of(22, "attention above mean pooling", "10.79 against 10.50", "22 TA", "22 MP"),
    *_of(22, "attention above mean pooling", "28.93 against 28.41", "22 TA", "22 MP", "CIDEr"),
    *_of(22, "contexts above none", "31.39 against 28.93", "22 TAC", "22 TA", "CIDEr"),
    *_of(22, "contexts below none", "10.67 against 10.79", "22 TA", "22 TAC"),
)
