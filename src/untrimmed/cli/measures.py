"""What is measured of the built systems on the playground: rows of figures beside floors and ceilings."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from untrimmed.cli.workshop import Row, Workshop
from untrimmed.columns import ground_truth_of, predictions_of, references_of, sentences_of
from untrimmed.features.feature import ImageSequence
from untrimmed.records import (
    Annotation,
    Caption,
    ClassScores,
    Dataset,
    Prediction,
    Proposal,
    Task,
    Video,
)

if TYPE_CHECKING:
    from untrimmed.systems.context_captions import ContextCaptions, ContextCaptionsConfig
    from untrimmed.systems.prop_ssad import PropSsad
    from untrimmed.systems.tsn_and_c3d import TsnAndC3d

RANDOM_SEED = 0
"""Of the uniform random proposals."""
EVEN_LEVELS = 13
"""1 + 2 + ... + 13 = 91 even segments, the most that stay within 100 proposals a video."""


def classification(
    shop: Workshop, system: "TsnAndC3d", dataset: Dataset, *, mixes: Sequence[tuple[str, ...]]
) -> Iterator[Row]:
    """T1 or T2: chance, the nearest neighbour, every stream, and equal means of several streams."""
    part = dataset.subset("testing")
    code = "T2" if dataset.trimmed else "T1"
    labels = system.labels
    yield _classified(code, "chance: the most frequent class", dataset, _most_frequent(dataset, part))
    images = system.config.stream("rgb_tsn").images
    yield _classified(code, "nearest neighbour on mean pictures", dataset, _nearest(shop, dataset, part, images))
    list(system.predict(part.videos, store=shop.store))  # extracts what is missing
    streams: dict[str, list[np.ndarray]] = {
        name: [system.scores(name, video, store=shop.store) for video in part.videos] for name in system.config.trained
    }
    for name, rows in streams.items():
        yield _classified(code, f"06 {name}", dataset, _predictions(part.videos, rows, labels))
    for mix in mixes:
        mean = [np.mean(rows, axis=0) for rows in zip(*(streams[name] for name in mix), strict=True)]
        yield _classified(code, "06 " + " + ".join(mix), dataset, _predictions(part.videos, mean, labels))


def _classified(code: str, name: str, dataset: Dataset, predictions: Sequence[Prediction]) -> Row:
    from untrimmed.evaluate import classification as untrimmed_rules
    from untrimmed.evaluate import recognition as trimmed_rules

    truth = ground_truth_of(dataset, "testing")
    if code == "T1":
        said = predictions_of(predictions, Task.CLASSIFICATION)
        figures = untrimmed_rules.evaluate(truth, said, top=(1, 3), ignore_unknown=True).figures
        chosen = {"top-1": figures["hit@1"], "top-3": figures["hit@3"], "mAP": figures["mAP"]}
    else:
        said = predictions_of(predictions, Task.RECOGNITION)
        figures = trimmed_rules.evaluate(truth, said, ignore_unknown=True).figures
        chosen = {"top-1": figures["hit@1"], "top-5": figures["hit@5"], "average error": figures["average_error"]}
    return Row(code, name, {key: 100 * float(value) for key, value in chosen.items()})


def _predictions(videos: Sequence[Video], rows: Sequence[np.ndarray], labels: Sequence[str]) -> list[Prediction]:
    return [
        Prediction(video=video, classes=ClassScores(dict(zip(labels, row.tolist(), strict=True))))
        for video, row in zip(videos, rows, strict=True)
    ]


def _most_frequent(dataset: Dataset, part: Dataset) -> list[Prediction]:
    known = [annotation.labels[0] for annotation in dataset.subset("training").annotations if annotation.labels]
    counts = {label: known.count(label) / len(known) for label in dataset.labels}
    return [Prediction(video=video, classes=ClassScores(counts)) for video in part.videos]


def _nearest(shop: Workshop, dataset: Dataset, part: Dataset, images: Any) -> list[Prediction]:
    from untrimmed.classify.nearest import nearest_scores
    from untrimmed.features.extract import extract

    training = [annotation for annotation in dataset.subset("training").annotations if annotation.labels]
    videos = [annotation.video for annotation in training]
    extract((images,), [*videos, *part.videos], store=shop.store, progress=shop.shown)
    known = np.stack([_picture(shop, images, video) for video in videos])
    labels = np.array([dataset.labels.index(annotation.labels[0]) for annotation in training])
    queries = np.stack([_picture(shop, images, video) for video in part.videos])
    scores = nearest_scores(queries, known, labels=labels, classes=len(dataset.labels))
    return _predictions(part.videos, list(scores), dataset.labels)


def _picture(shop: Workshop, images: Any, video: Video) -> np.ndarray:
    """Mean and deviation over time of coarse pictures: (rows,) for the nearest neighbour."""
    sequence = shop.store.load(images, video.video_id)
    assert isinstance(sequence, ImageSequence)  # the feature measures pictures
    frames = sequence.frames(np.arange(0, len(sequence), max(1, len(sequence) // 24))).astype(np.float64)
    coarse = frames[:, ::8, ::8]
    return np.concatenate([coarse.mean(axis=0).ravel(), coarse.std(axis=0).ravel()])


def proposals_and_detections(
    shop: Workshop, system: "PropSsad", dataset: Dataset, *, counts: Sequence[int] = (1, 5, 10, 25, 100)
) -> Iterator[Row]:
    """T3 and T4: floors, the system with and without refinement, detections by number, the ceiling."""
    from untrimmed.propose.windows import uniform_random
    from untrimmed.timeline import even_segments

    part = dataset.subset("testing")
    rng = np.random.default_rng(RANDOM_SEED)
    chance, even, whole = {}, {}, {}
    for video in part.videos:
        segments, scores = uniform_random(video.duration, 100, rng=rng)
        chance[video.video_id] = _proposals(segments, scores)
        parts = even_segments(video.duration, EVEN_LEVELS)
        even[video.video_id] = _proposals(parts, 1.0 - np.arange(len(parts)) / len(parts))
        whole[video.video_id] = (Proposal((0.0, video.duration), 1.0),)
    yield _proposed("uniform random", dataset, _with(part.videos, chance))
    yield _proposed(f"even segments, {EVEN_LEVELS} levels", dataset, _with(part.videos, even))
    found = list(system.predict(part.videos, store=shop.store))
    plain_system = copy(system)
    plain_system.config = replace(system.config, refine_tiou=None)
    unrefined = list(plain_system.predict(part.videos, store=shop.store))
    yield _proposed("19 Prop-SSAD alone", dataset, unrefined)
    yield _proposed("19 refined by TAG", dataset, found)
    classes = {said.video.video_id: said.classes for said in found}
    truth = {
        annotation.video.video_id: tuple(Proposal(item.segment, 1.0) for item in annotation.instances)
        for annotation in part.annotations
    }
    yield _localized("whole video", dataset, _stamped(part.videos, whole, classes))
    for count in counts:
        cut = {said.video.video_id: (said.proposals or ())[:count] for said in found}
        yield _localized(f"19, best {count} proposals", dataset, _stamped(part.videos, cut, classes))
    plain = {said.video.video_id: said.proposals or () for said in unrefined}
    yield _localized("19, best 100, unrefined", dataset, _stamped(part.videos, plain, classes))
    yield _localized("ceiling: perfect proposals", dataset, _stamped(part.videos, truth, classes))


def _proposals(segments: np.ndarray, scores: np.ndarray) -> tuple[Proposal, ...]:
    pairs = zip(segments.tolist(), scores.tolist(), strict=True)
    return tuple(Proposal((start, end), score) for (start, end), score in pairs if start < end)


def _with(videos: Sequence[Video], proposals: dict[str, tuple[Proposal, ...]]) -> list[Prediction]:
    return [Prediction(video=video, proposals=proposals[video.video_id]) for video in videos]


def _stamped(videos: Sequence[Video], proposals: dict[str, Any], classes: dict[str, Any]) -> list[Prediction]:
    from untrimmed.localize.stamp import stamp

    return [
        Prediction(video=video, detections=stamp(proposals[video.video_id], classes[video.video_id]))
        for video in videos
        if video.video_id in classes
    ]


def _proposed(name: str, dataset: Dataset, predictions: Sequence[Prediction]) -> Row:
    from untrimmed.evaluate import proposals

    result = proposals.evaluate(ground_truth_of(dataset, "testing"), predictions_of(predictions, Task.PROPOSALS))
    numbers = {f"AR@{n}": 100 * result.at(n) for n in (10, 100) if result.numbers[0] <= n <= result.numbers[-1] + 1e-9}
    last = {f"recall@{tiou:g}": 100 * float(result.recall[place, -1]) for tiou, place in ((0.5, 0), (0.9, 8))}
    return Row("T3", name, {"AUC": result.auc, **numbers, **last})


def _localized(name: str, dataset: Dataset, predictions: Sequence[Prediction]) -> Row:
    from untrimmed.evaluate import localization

    said = predictions_of(predictions, Task.LOCALIZATION)
    figures = localization.evaluate(ground_truth_of(dataset, "testing"), said, ignore_unknown=True).figures
    by_tiou = figures["mAP"]
    chosen = {"mAP@0.5": by_tiou[0], "mAP@0.75": by_tiou[5], "mAP@0.95": by_tiou[9], "average": figures["average_mAP"]}
    return Row("T4", name, {key: 100 * float(value) for key, value in chosen.items()})


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
    yield _captioned("constant sentence, annotated segments", dataset, _said(part, lambda _: constant))
    yield _captioned("random training sentence, annotated", dataset, _said(part, lambda _: str(rng.choice(sentences))))
    for name, system in systems.items():
        given = []
        for annotation in part.annotations:
            segments = np.array([event.segment for event in annotation.events[0]], dtype=np.float64).reshape(-1, 2)
            said = system.caption_segments(annotation.video, segments, store=_ready(shop, system, part))
            given.append(Prediction(video=annotation.video, captions=said))
        yield _captioned(f"22 {name}, annotated segments", dataset, given)
    for name in even:
        yield _captioned(
            f"22 {name}, 15 even segments", dataset, list(systems[name].predict(part.videos, store=shop.store))
        )
    parts = {video: even_segments(video.duration, 5).tolist() for video in part.videos}
    floor = [
        Prediction(video=video, captions=tuple(Caption((start, end), 1.0, constant) for start, end in segments))
        for video, segments in parts.items()
    ]
    yield _captioned("constant sentence, 15 even segments", dataset, floor)


def _ready(shop: Workshop, system: "ContextCaptions", part: Dataset) -> Any:
    from untrimmed.features.extract import extract

    extract(system.features(), part.videos, store=shop.store)
    return shop.store


def _said(part: Dataset, sentence: Any) -> list[Prediction]:
    def of(annotation: Annotation) -> tuple[Caption, ...]:
        return tuple(Caption(event.segment, 1.0, sentence(event)) for event in annotation.events[0])

    return [Prediction(video=annotation.video, captions=of(annotation)) for annotation in part.annotations]


def _captioned(name: str, dataset: Dataset, predictions: Sequence[Prediction]) -> Row:
    from untrimmed.evaluate import captioning
    from untrimmed.evaluate.text import java

    result = captioning.evaluate(
        references_of(dataset, "testing"), sentences_of(predictions), rules="2018-05", scored=java.shared()
    )
    chosen = {
        name: 100 * result.average(name) for name in ("METEOR", "Bleu_4", "ROUGE_L", "CIDEr", "Recall", "Precision")
    }
    return Row("T5", name, chosen)


def caption_models(config: "ContextCaptionsConfig") -> "dict[str, ContextCaptionsConfig]":
    """MP, TA and TAC of one size: what attends and what knows the context."""
    models = {"MP": (False, False), "TA": (True, False), "TAC": (True, True)}
    return {
        name: replace(config, decoder=replace(config.decoder, attention=attention, contexts=contexts))
        for name, (attention, contexts) in models.items()
    }
