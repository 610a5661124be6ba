"""Rows of figures of predictions, by the official metrics, and the floors that stand beside systems."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from untrimmed.cli.workshop import Row, Workshop
from untrimmed.columns import ground_truth_of, predictions_of, references_of, sentences_of
from untrimmed.features.feature import ImageSequence
from untrimmed.records import ClassScores, Dataset, Prediction, Proposal, Task, Video

RANDOM_SEED = 0
"""Of the uniform random proposals."""
EVEN_LEVELS = 13
"""1 + 2 + ... + 13 = 91 even segments, the most that stay within 100 proposals a video."""
SENTENCE_FIGURES = ("Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "METEOR", "ROUGE_L", "CIDEr")
"""In the order of table 3 of report 17."""


def classified(code: str, name: str, dataset: Dataset, predictions: Sequence[Prediction]) -> Row:
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


def class_predictions(videos: Sequence[Video], rows: Sequence[np.ndarray], labels: Sequence[str]) -> list[Prediction]:
    return [
        Prediction(video=video, classes=ClassScores(dict(zip(labels, row.tolist(), strict=True))))
        for video, row in zip(videos, rows, strict=True)
    ]


def told_apart(name: str, dataset: Dataset, part: Dataset, scores: np.ndarray) -> Row:
    """Of every pair of twins of the playground, the share of videos whose class is above its twin; chance is 50.

    Args:
        name: of the stream.
        dataset: whose labels the columns of scores are.
        part: the videos of the rows.
        scores: (videos, classes).
    """
    from untrimmed.data.playground.classes import BY_LABEL, twin

    right: dict[str, list[bool]] = {}
    place = {label: column for column, label in enumerate(dataset.labels)}
    for annotation, row in zip(part.annotations, scores, strict=True):
        label = annotation.labels[0]
        right.setdefault(BY_LABEL[label].parent, []).append(bool(row[place[label]] > row[place[twin(label)]]))
    return Row("twins", name, {pair: 100 * float(np.mean(found)) for pair, found in sorted(right.items())})


def most_frequent(dataset: Dataset, part: Dataset) -> list[Prediction]:
    known = [annotation.labels[0] for annotation in dataset.subset("training").annotations if annotation.labels]
    counts = {label: known.count(label) / len(known) for label in dataset.labels}
    return [Prediction(video=video, classes=ClassScores(counts)) for video in part.videos]


def nearest(shop: Workshop, dataset: Dataset, part: Dataset, images: Any) -> list[Prediction]:
    from untrimmed.classify.nearest import nearest_scores
    from untrimmed.features.extract import extract

    training = [annotation for annotation in dataset.subset("training").annotations if annotation.labels]
    videos = [annotation.video for annotation in training]
    extract((images,), [*videos, *part.videos], store=shop.store, progress=shop.shown)
    known = np.stack([_picture(shop, images, video) for video in videos])
    labels = np.array([dataset.labels.index(annotation.labels[0]) for annotation in training])
    queries = np.stack([_picture(shop, images, video) for video in part.videos])
    scores = nearest_scores(queries, known, labels=labels, classes=len(dataset.labels))
    return class_predictions(part.videos, list(scores), dataset.labels)


def _picture(shop: Workshop, images: Any, video: Video) -> np.ndarray:
    """Mean and deviation over time of coarse pictures: (rows,) for the nearest neighbour."""
    sequence = shop.store.load(images, video.video_id)
    assert isinstance(sequence, ImageSequence)  # the feature measures pictures
    frames = sequence.frames(np.arange(0, len(sequence), max(1, len(sequence) // 24))).astype(np.float64)
    coarse = frames[:, ::8, ::8]
    return np.concatenate([coarse.mean(axis=0).ravel(), coarse.std(axis=0).ravel()])


def proposal_floors(dataset: Dataset) -> Iterator[Row]:
    """T3: what looks at nothing but the clock."""
    from untrimmed.propose.windows import uniform_random
    from untrimmed.timeline import even_segments

    part = dataset.subset("testing")
    rng = np.random.default_rng(RANDOM_SEED)
    chance, even = {}, {}
    for video in part.videos:
        segments, scores = uniform_random(video.duration, 100, rng=rng)
        chance[video.video_id] = as_proposals(segments, scores)
        parts = even_segments(video.duration, EVEN_LEVELS)
        even[video.video_id] = as_proposals(parts, 1.0 - np.arange(len(parts)) / len(parts))
    yield proposed("uniform random", dataset, proposing(part.videos, chance))
    yield proposed(f"even segments, {EVEN_LEVELS} levels", dataset, proposing(part.videos, even))


def whole_videos(part: Dataset) -> dict[str, tuple[Proposal, ...]]:
    """One proposal a video: all of it."""
    return {video.video_id: (Proposal((0.0, video.duration), 1.0),) for video in part.videos}


def perfect(part: Dataset) -> dict[str, tuple[Proposal, ...]]:
    """The annotated segments: the ceiling of what proposals can give."""
    return {
        annotation.video.video_id: tuple(Proposal(item.segment, 1.0) for item in annotation.instances)
        for annotation in part.annotations
    }


def as_proposals(segments: np.ndarray, scores: np.ndarray) -> tuple[Proposal, ...]:
    pairs = zip(segments.tolist(), scores.tolist(), strict=True)
    return tuple(Proposal((start, end), score) for (start, end), score in pairs if start < end)


def proposing(videos: Sequence[Video], proposals: dict[str, tuple[Proposal, ...]]) -> list[Prediction]:
    return [Prediction(video=video, proposals=proposals[video.video_id]) for video in videos]


def stamped(videos: Sequence[Video], proposals: dict[str, Any], classes: dict[str, Any]) -> list[Prediction]:
    from untrimmed.localize.stamp import stamp

    return [
        Prediction(video=video, detections=stamp(proposals[video.video_id], classes[video.video_id]))
        for video in videos
        if video.video_id in classes
    ]


def proposed(name: str, dataset: Dataset, predictions: Sequence[Prediction]) -> Row:
    from untrimmed.evaluate import proposals

    result = proposals.evaluate(ground_truth_of(dataset, "testing"), predictions_of(predictions, Task.PROPOSALS))
    numbers = {f"AR@{n}": 100 * result.at(n) for n in (10, 100) if result.numbers[0] <= n <= result.numbers[-1] + 1e-9}
    last = {f"recall@{tiou:g}": 100 * float(result.recall[place, -1]) for tiou, place in ((0.5, 0), (0.9, 8))}
    return Row("T3", name, {"AUC": result.auc, **numbers, **last})


def localized(name: str, dataset: Dataset, predictions: Sequence[Prediction]) -> Row:
    from untrimmed.evaluate import localization

    said = predictions_of(predictions, Task.LOCALIZATION)
    figures = localization.evaluate(ground_truth_of(dataset, "testing"), said, ignore_unknown=True).figures
    by_tiou = figures["mAP"]
    chosen = {"mAP@0.5": by_tiou[0], "mAP@0.75": by_tiou[5], "mAP@0.95": by_tiou[9], "average": figures["average_mAP"]}
    return Row("T4", name, {key: 100 * float(value) for key, value in chosen.items()})


def captioned(
    name: str,
    dataset: Dataset,
    predictions: Sequence[Prediction],
    *,
    task: str = "T5",
    rules: str = "2018-05",
    figures: Sequence[str] = ("METEOR", "Bleu_4", "ROUGE_L", "CIDEr", "Recall", "Precision"),
) -> Row:
    from untrimmed.evaluate import captioning
    from untrimmed.evaluate.text import backends

    result = captioning.evaluate(
        references_of(dataset, "testing"), sentences_of(predictions), rules=rules, scored=backends.shared()
    )
    return Row(task, name, {figure: 100 * result.average(figure) for figure in figures})
