"""Figures, tables and plots of task T5 for `untrimmed evaluate`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from untrimmed.cli.evaluate import Arguments
from untrimmed.cli.scoring import Part, Watch, number, read_blocked
from untrimmed.columns import Sentences
from untrimmed.evaluate import captioning, floors, paragraphs, soda, uncertainty
from untrimmed.evaluate.text import backends
from untrimmed.evaluate.text.meteor import Meteor
from untrimmed.records import DataError
from untrimmed.report.score_table import ScoreTable

if TYPE_CHECKING:
    from untrimmed.report.scores import Plot


def scorer(arguments: Arguments, watch: Watch) -> Callable[[Path], Part]:
    """Reads the references once and scores one file after the other; equal pairs of sentences are scored once."""
    from untrimmed.data.submissions import read_captions

    if not arguments.meteor and (arguments.soda or arguments.paragraphs):
        raise DataError(
            "SODA and paragraph scores are made of METEOR; leave --no-meteor out, or --soda and --paragraphs"
        )
    blocked = set(read_blocked(arguments.blocked))
    references = tuple(_without(one, blocked) for one in _references(arguments))
    pool = [sentence for one in _training(arguments) for sentence in one.sentences]
    scored = backends.shared(arguments.meteor_backend, progress=watch("METEOR")) if arguments.meteor else None

    def one(path: Path) -> Part:
        return _score(arguments, references, _without(read_captions(path), blocked), scored, pool)

    return one


def _score(
    arguments: Arguments,
    references: tuple[Sentences, ...],
    found: Sentences,
    scored: Meteor | None,
    pool: list[str],
) -> Part:
    tious = np.array(arguments.tious, dtype=np.float64) if arguments.tious else captioning.TIOUS
    rules = arguments.rules or captioning.RULES
    names = [name for name in captioning.SCORERS if arguments.meteor or name != "METEOR"]
    subset = arguments.subset or "validation"

    def evaluate(captions: Sentences) -> captioning.Result:
        return captioning.evaluate(
            references,
            captions,
            rules=rules,
            tious=tious,
            scorers=names,
            scored=scored,
            dataset=arguments.name,
            subset=subset,
        )

    result = evaluate(found)
    figures: dict[str, Any] = {**result.figures, "signature": result.signature}
    headline = dict(result.figures["average"])
    signatures = [result.signature]
    tables = [_by_tiou(result)]
    told: soda.Result | None = None
    if arguments.soda:
        told = soda.evaluate(
            references, found, order=arguments.soda_order, scored=scored, dataset=arguments.name, subset=subset
        )
        figures["soda"] = told.figures
        headline |= {f"{kind}_merged": told.figures[f"{kind}_merged"]["f1"] for kind in soda.KINDS}
        signatures.append(told.signature)
    if arguments.paragraphs:
        whole = paragraphs.evaluate(references, found, scored=scored, dataset=arguments.name, subset=subset)
        figures["paragraphs"] = whole.figures
        signatures.append(whole.signature)
        rows = tuple((name, number(value)) for name, value in whole.scores.items())
        tables.append(ScoreTable(title="paragraphs", header=("metric", "figure"), rows=rows))
    if arguments.floors or pool:
        floor = {name: evaluate(captions) for name, captions in _floors(arguments, references, found, pool).items()}
        figures["floors"] = {name: one.figures["average"] for name, one in floor.items()}
        tables.append(_floor_table(result, floor))

    def draw() -> "list[Plot]":
        from untrimmed.report import scores

        shown = [name for name in ("METEOR", "Bleu_4", "ROUGE_L", "Recall", "Precision") if name in result.per_video]
        drawn = [scores.lines_by_tiou({name: result.by_tiou(name) for name in shown}, tious, title="By overlap")]
        if "METEOR" in result.per_video:
            drawn.append(
                scores.histogram(
                    result.per_video["METEOR"].mean(axis=1),
                    name="meteor_by_video",
                    title="METEOR of the videos",
                    words="Mean over the thresholds; how many videos reach it.",
                )
            )
        lengths = np.concatenate([one.segments[:, 1] - one.segments[:, 0] for one in references])
        return [
            *drawn,
            scores.length_histogram(lengths, found.segments[:, 1] - found.segments[:, 0], what="captions"),
        ]

    def weigh() -> list[uncertainty.Weighed]:
        captions = uncertainty.weigh_captions(result)
        return [captions] if told is None else [captions, uncertainty.weigh_stories(told)]

    return Part(
        figures=figures,
        headline=headline,
        signatures=tuple(signatures),
        weigh=weigh,
        tables=tuple(tables),
        draw=draw,
    )


def _references(arguments: Arguments) -> tuple[Sentences, ...]:
    """Files of captions are taken whole unless a subset is asked for; a data set's validation part."""
    from untrimmed.data.datasets import read_references
    from untrimmed.data.formats import Format, recognise

    found: list[Sentences] = []
    for path in arguments.ground_truth:
        whole = recognise(path) is Format.CAPTIONS
        found += read_references(path, subset=arguments.subset or (None if whole else "validation"))
    return tuple(found)


def _training(arguments: Arguments) -> tuple[Sentences, ...]:
    from untrimmed.data.datasets import read_references

    return read_references(*arguments.training) if arguments.training else ()


def _without(sentences: Sentences, blocked: set[str]) -> Sentences:
    if not blocked:
        return sentences
    from dataclasses import replace

    kept = np.array([sentences.video_ids[video] not in blocked for video in sentences.video.tolist()], dtype=bool)
    return replace(
        sentences,
        video=sentences.video[kept],
        segments=sentences.segments[kept],
        sentences=tuple(text for text, stays in zip(sentences.sentences, kept.tolist(), strict=True) if stays),
        scores=None if sentences.scores is None else sentences.scores[kept],
    )


def _floors(
    arguments: Arguments, references: tuple[Sentences, ...], found: Sentences, pool: list[str]
) -> dict[str, Sentences]:
    table: dict[str, Sentences] = {}
    if arguments.floors:
        table["constant sentence"] = floors.constant(found)
        durations: dict[str, float] = {}
        for one in references:
            for video_id, duration in zip(one.video_ids, one.durations.tolist(), strict=True):
                durations.setdefault(video_id, duration)
        table["the same, even segments"] = floors.even_segments(
            tuple(durations), np.array(list(durations.values()), dtype=np.float64)
        )
    if pool:
        table["random sentence"] = floors.random_sentence(found, pool, seed=arguments.seed)
    return table


def _floor_table(result: captioning.Result, floor: dict[str, captioning.Result]) -> ScoreTable:
    names = [
        name for name in ("METEOR", "Bleu_4", "ROUGE_L", "CIDEr", "Recall", "Precision") if name in result.per_video
    ]
    rows = [("submission", *(number(result.average(name)) for name in names))]
    rows += [(label, *(number(one.average(name)) for name in names)) for label, one in floor.items()]
    return ScoreTable(title="beside the floors", header=("captions", *names), rows=tuple(rows))


def _by_tiou(result: captioning.Result) -> ScoreTable:
    rows = tuple((name, *(number(value) for value in result.by_tiou(name).tolist())) for name in result.per_video)
    header = ("metric", *(f"{tiou:.2f}" for tiou in result.tious.tolist()))
    return ScoreTable(title=f"by tIoU, rules of {result.rules}", header=header, rows=rows)
