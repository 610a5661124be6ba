"""What is measured of systems 06, 19 and 22 on the playground: rows of figures beside floors and ceilings."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from untrimmed.cli.findings import Finding
from untrimmed.cli.measures import rows
from untrimmed.cli.workshop import Row, Workshop
from untrimmed.records import Annotation, Caption, Dataset, Prediction

if TYPE_CHECKING:
    from untrimmed.systems.context_captions import ContextCaptions, ContextCaptionsConfig
    from untrimmed.systems.prop_ssad import PropSsad
    from untrimmed.systems.tsn_and_c3d import StreamName, TsnAndC3d

TITLE = "Systems 06, 19 and 22"
RANDOM_SEED = 0
"""Of the random training sentences."""


def measured(shop: Workshop) -> list[Row]:
    """All rows of systems 06, 19 and 22 with one seed."""
    from untrimmed.systems import context_captions, prop_ssad, tsn_and_c3d

    untrimmed, trimmed = shop.draw()
    found: list[Row] = []
    streams: tuple[StreamName, ...] = tsn_and_c3d.ALL_STREAMS
    config = replace(tsn_and_c3d.LAPTOP, trained=streams, submitted=streams)
    mixes: list[tuple[StreamName, ...]] = [("rgb_tsn", "flow_tsn"), ("rgb_c3d", "flow_c3d"), streams]
    for name, dataset in (("06-untrimmed", untrimmed), ("06-trimmed", trimmed)):
        tsn = shop.trained(tsn_and_c3d.TsnAndC3d(config), dataset, name=name)
        found += shop.rows(name, config, lambda s=tsn, d=dataset: classification(shop, s, d, mixes=mixes))  # type: ignore[misc]
    ssad = shop.trained(prop_ssad.PropSsad(prop_ssad.LAPTOP), untrimmed, name="19")
    found += shop.rows("19", ssad.config, lambda: proposals_and_detections(shop, ssad, untrimmed))
    speakers = {
        name: shop.trained(context_captions.ContextCaptions(one), untrimmed, name=f"22-{name}", work="22")
        for name, one in caption_models(context_captions.LAPTOP).items()
    }
    identity = tuple(system.config for system in speakers.values())
    found += shop.rows("22", identity, lambda: captions(shop, speakers, untrimmed, even=["TAC"]))
    return found


def classification(
    shop: Workshop, system: "TsnAndC3d", dataset: Dataset, *, mixes: Sequence[tuple[str, ...]]
) -> Iterator[Row]:
    """T1 or T2: chance, the nearest neighbour, every stream, and equal means of several streams."""
    part = dataset.subset("testing")
    code = "T2" if dataset.trimmed else "T1"
    labels = system.labels
    yield rows.classified(code, "chance: the most frequent class", dataset, rows.most_frequent(dataset, part))
    images = system.config.stream("rgb_tsn").images
    yield rows.classified(
        code, "nearest neighbour on mean pictures", dataset, rows.nearest(shop, dataset, part, images)
    )
    list(system.predict(part.videos, store=shop.store))  # extracts what is missing
    streams: dict[str, list[np.ndarray]] = {
        name: [system.scores(name, video, store=shop.store) for video in part.videos] for name in system.config.trained
    }
    for name, scores in streams.items():
        yield rows.classified(code, f"06 {name}", dataset, rows.class_predictions(part.videos, scores, labels))
    for mix in mixes:
        mean = [np.mean(scores, axis=0) for scores in zip(*(streams[name] for name in mix), strict=True)]
        yield rows.classified(code, "06 " + " + ".join(mix), dataset, rows.class_predictions(part.videos, mean, labels))


def proposals_and_detections(
    shop: Workshop, system: "PropSsad", dataset: Dataset, *, counts: Sequence[int] = (1, 5, 10, 25, 100)
) -> Iterator[Row]:
    """T3 and T4: floors, the system with and without refinement, detections by number, the ceiling."""
    part = dataset.subset("testing")
    yield from rows.proposal_floors(dataset)
    found = list(system.predict(part.videos, store=shop.store))
    plain_system = copy(system)
    plain_system.config = replace(system.config, refine_tiou=None)
    unrefined = list(plain_system.predict(part.videos, store=shop.store))
    yield rows.proposed("19 Prop-SSAD alone", dataset, unrefined)
    yield rows.proposed("19 refined by TAG", dataset, found)
    classes = {said.video.video_id: said.classes for said in found}
    yield rows.localized("whole video", dataset, rows.stamped(part.videos, rows.whole_videos(part), classes))
    for count in counts:
        cut = {said.video.video_id: (said.proposals or ())[:count] for said in found}
        yield rows.localized(f"19, best {count} proposals", dataset, rows.stamped(part.videos, cut, classes))
    plain = {said.video.video_id: said.proposals or () for said in unrefined}
    yield rows.localized("19, best 100, unrefined", dataset, rows.stamped(part.videos, plain, classes))
    yield rows.localized("ceiling: perfect proposals", dataset, rows.stamped(part.videos, rows.perfect(part), classes))


def captions(
    shop: Workshop, systems: "dict[str, ContextCaptions]", dataset: Dataset, *, even: Sequence[str]
) -> Iterator[Row]:
    """T5: a constant and a random training sentence, the models on annotated segments, some on even ones."""
    from untrimmed.timeline import even_segments

    part = dataset.subset("testing")
    told = [event for item in dataset.subset("training").annotations for event in (item.events or ((),))[0]]
    sentences = sorted(event.sentence for event in told)
    constant = max(dict.fromkeys(sentences), key=sentences.count)
    rng = np.random.default_rng(RANDOM_SEED)
    yield rows.captioned("constant sentence, annotated segments", dataset, _said(part, lambda _: constant))
    yield rows.captioned(
        "random training sentence, annotated", dataset, _said(part, lambda _: str(rng.choice(sentences)))
    )
    for name, system in systems.items():
        given = []
        for annotation in part.annotations:
            segments = np.array([event.segment for event in annotation.events[0]], dtype=np.float64).reshape(-1, 2)
            said = system.caption_segments(annotation.video, segments, store=_ready(shop, system, part))
            given.append(Prediction(video=annotation.video, captions=said))
        yield rows.captioned(f"22 {name}, annotated segments", dataset, given)
    for name in even:
        yield rows.captioned(
            f"22 {name}, 15 even segments", dataset, list(systems[name].predict(part.videos, store=shop.store))
        )
    parts = {video: even_segments(video.duration, 5).tolist() for video in part.videos}
    floor = [
        Prediction(video=video, captions=tuple(Caption((start, end), 1.0, constant) for start, end in segments))
        for video, segments in parts.items()
    ]
    yield rows.captioned("constant sentence, 15 even segments", dataset, floor)


def _ready(shop: Workshop, system: "ContextCaptions", part: Dataset) -> Any:
    from untrimmed.features.extract import extract

    extract(system.features(), part.videos, store=shop.store)
    return shop.store


def _said(part: Dataset, sentence: Any) -> list[Prediction]:
    def of(annotation: Annotation) -> tuple[Caption, ...]:
        return tuple(Caption(event.segment, 1.0, sentence(event)) for event in annotation.events[0])

    return [Prediction(video=annotation.video, captions=of(annotation)) for annotation in part.annotations]


def caption_models(config: "ContextCaptionsConfig") -> "dict[str, ContextCaptionsConfig]":
    """MP, TA and TAC of one size: what attends and what knows the context."""
    models = {"MP": (False, False), "TA": (True, False), "TAC": (True, True)}
    return {
        name: replace(config, decoder=replace(config.decoder, attention=attention, contexts=contexts))
        for name, (attention, contexts) in models.items()
    }


def _of_six(claim: str, published: str, left: str, right: str) -> list[Finding]:
    rows = {"left": f"06 {left}", "right": f"06 {right}"}
    return [
        Finding(system=6, claim=claim, published=published, task=task, figure="top-1", **rows) for task in ("T1", "T2")
    ]


def _of_nineteen(claim: str, published: str, task: str, rows: tuple[str, str], figure: str) -> Finding:
    return Finding(system=19, claim=claim, published=published, task=task, left=rows[0], right=rows[1], figure=figure)


def _of_captions(claim: str, published: str, left: str, right: str, figure: str) -> Finding:
    rows = (f"22 {left}, annotated segments", f"22 {right}, annotated segments")
    return Finding(system=22, claim=claim, published=published, task="T5", left=rows[0], right=rows[1], figure=figure)


_REFINED, _PLAIN = "19 refined by TAG", "19 Prop-SSAD alone"
_HUNDRED, _TEN, _ONE = (f"19, best {count} proposals" for count in (100, 10, 1))
FINDINGS: tuple[Finding, ...] = (
    *_of_six("RGB above compensated flow, TSN", "72.73 against 53.40", "rgb_tsn", "flow_tsn"),
    *_of_six("RGB above compensated flow, C3D", "65.36 against 48.27", "rgb_c3d", "flow_c3d"),
    *_of_six("2D above 3D, RGB", "72.73 against 65.36", "rgb_tsn", "rgb_c3d"),
    *_of_six("2D above 3D, flow", "53.40 against 48.27", "flow_tsn", "flow_c3d"),
    *_of_six("a longer LTC above C3D, RGB", "in words", "rgb_ltc", "rgb_c3d"),
    *_of_six("a longer LTC above C3D, flow", "in words, most of all for flow", "flow_ltc", "flow_c3d"),
    *_of_six("two streams above RGB alone", "-", "rgb_tsn + flow_tsn", "rgb_tsn"),
    *_of_six("two streams above flow alone", "-", "rgb_tsn + flow_tsn", "flow_tsn"),
    _of_nineteen("Prop-SSAD above uniform random", "61.52 against 44.88", "T3", (_PLAIN, "uniform random"), "AUC"),
    _of_nineteen("refined above unrefined", "64.40 against 61.52", "T3", (_REFINED, _PLAIN), "AUC"),
    _of_nineteen("refined above unrefined, AR@100", "73.01 against 69.54", "T3", (_REFINED, _PLAIN), "AR@100"),
    _of_nineteen("refinement helps at high tIoU", "in words", "T3", (_REFINED, _PLAIN), "recall@0.9"),
    _of_nineteen("100 proposals above 10", "32.26 against 31.41", "T4", (_HUNDRED, _TEN), "average"),
    _of_nineteen("10 proposals above 1", "31.41 against 27.00", "T4", (_TEN, _ONE), "average"),
    _of_captions("attention above mean pooling", "10.79 against 10.50", "TA", "MP", "METEOR"),
    _of_captions("attention above mean pooling", "28.93 against 28.41", "TA", "MP", "CIDEr"),
    _of_captions("contexts above none, CIDEr", "31.39 against 28.93", "TAC", "TA", "CIDEr"),
    _of_captions("contexts below none, METEOR", "10.67 against 10.79", "TA", "TAC", "METEOR"),
)
