"""SODA: does a list of captions tell the story of a video, in order and each event once?

Conventions
    Predictions are sorted by start; a matching keeps the order on both sides and uses every sentence once at most. With
    the tIoU o (dense captioning's) and METEOR m of every (reference, prediction),
        SODA_c is the best sum of o * m, SODA_d the best sum of o,
        SODA_b the sum of m over the matching that is best for o,
        SODA_a the same with o below t set to 0, mean over t = 0.3, 0.5, 0.7, 0.9.
    precision = sum / predictions, recall = sum / references, f1 their harmonic mean (0 if both are 0); means over the
    videos that both sides have. With several reference files, "multi" takes the file with the best f1 for each video,
    "merged" joins the files into one list by start, "pdvc" is the mean over the files of f1.
    The published figures score the reference sentence against the prediction, as the released program does (order
    "released"); METEOR is not symmetric, and the paper's definition has it the other way round (order "natural").

Source: Fujita et al., SODA, ECCV 2020, section 3.
The order of arguments and of ties is that of the released program, as described in words by those who ran it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from untrimmed.columns import Sentences
from untrimmed.evaluate.signature import signature, tiou_words
from untrimmed.evaluate.story import Event, Story, by_start
from untrimmed.evaluate.text import meteor
from untrimmed.evaluate.tokens import tokenize
from untrimmed.records import DataError

TIOUS: Float64[np.ndarray, " thresholds"] = np.array([0.3, 0.5, 0.7, 0.9])
KINDS = ("soda_a", "soda_b", "soda_c", "soda_d")

Order = Literal["released", "natural"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """The figures of one submission.

    Attributes:
        tables: kind to precision, recall and f1 (last axis) of each video against each list of references: first each
            file as it is, then each file sorted by start, at last all files joined and sorted by start. SODA_a has a
            row for each threshold, the others one. NaN where a file lacks the video.
        video_ids: the videos that both sides have.
        order: which sentence METEOR took as the hypothesis.
        signature: how the figures were computed.
    """

    tables: dict[str, Float64[np.ndarray, "lists videos _ 3"]]
    video_ids: tuple[str, ...]
    order: Order
    signature: str

    def merged(self, kind: str) -> Float64[np.ndarray, "videos 3"]:
        """Precision, recall and f1 of each video against all files joined."""
        return self.tables[kind][-1].mean(axis=1)

    def multi(self, kind: str) -> Float64[np.ndarray, "videos 3"]:
        """Precision, recall and f1 of each video against the file with the best f1, the first among equals."""
        table = self.tables[kind][: self._files]
        best = np.argmax(np.nan_to_num(table[..., 2], nan=-1.0), axis=0)
        return np.take_along_axis(table, best[None, ..., None], axis=0)[0].mean(axis=1)

    def by_file(self, kind: str) -> Float64[np.ndarray, "files videos"]:
        """f1 of each video against each file sorted by start; NaN where a file lacks the video."""
        return self.tables[kind][self._files : -1, ..., 2].mean(axis=2)

    @property
    def figures(self) -> dict[str, Any]:
        """All figures as JSON values; names as the recorded ones have them."""
        found: dict[str, Any] = {}
        for kind in KINDS:
            for name, table in (("merged", self.merged(kind)), ("multi", self.multi(kind))):
                precision, recall, f1 = table.mean(axis=0).tolist() if len(table) else (0.0, 0.0, 0.0)
                found[f"{kind}_{name}"] = {"precision": precision, "recall": recall, "f1": f1}
            each = [row[~np.isnan(row)].mean() for row in self.by_file(kind) if not np.isnan(row).all()]
            found[f"{kind}_pdvc_mean_f1"] = float(np.mean(each)) if each else 0.0
        return found

    @property
    def _files(self) -> int:
        return (len(self.tables[KINDS[0]]) - 1) // 2


def evaluate(
    references: Sequence[Sentences],
    predictions: Sentences,
    *,
    order: Order = "released",
    tious: Float64[np.ndarray, " thresholds"] = TIOUS,
    scored: meteor.Meteor | None = None,
    dataset: str | None = None,
    subset: str = "validation",
) -> Result:
    """Score captions as stories.

    Args:
        references: one for each reference file.
        predictions: the captions, in any order of time.
        order: "released" scores the reference against the prediction, as the published figures do; "natural" the
            prediction against the reference, as the paper defines.
        tious: the thresholds of SODA_a.
        scored: the METEOR to ask; None takes the one in Python.
        dataset: its name in the signature; None takes the names of the references.
        subset: its name in the signature.

    Raises:
        DataError: when there is no reference sentence.
        MissingExtra: when METEOR's tables are not installed.
    """
    if not any(len(one) for one in references):
        raise DataError("SODA needs at least one reference sentence, got none")
    if scored is None:
        from untrimmed.evaluate.text import backends

        scored = backends.shared()
    said, given = _by_video(predictions), [_by_video(one) for one in references]
    known = tuple(video_id for video_id in dict.fromkeys(key for one in given for key in one) if video_id in said)
    lists = 2 * len(given) + 1
    stories: list[Story] = []
    places: list[tuple[int, int]] = []
    for place, video_id in enumerate(known):
        captions = by_start(said[video_id])
        seen = [file for file, one in enumerate(given) if video_id in one]
        for file in seen:
            events = given[file][video_id]
            stories += [Story.of(events, captions, tious=tious), Story.of(by_start(events), captions, tious=tious)]
            places += [(file, place), (len(given) + file, place)]
        joined = by_start([event for file in seen for event in given[file][video_id]])
        stories.append(Story.of(joined, captions, tious=tious))
        places.append((lists - 1, place))
    tables = {kind: np.full((lists, len(known), len(tious) if kind == "soda_a" else 1, 3), np.nan) for kind in KINDS}
    for (row, place), story, scores in zip(places, stories, _meteor(stories, scored, order), strict=True):
        for kind, figures in story.figures(scores).items():
            tables[kind][row, place] = figures
    return Result(
        tables=tables,
        video_ids=known,
        order=order,
        signature=signature(
            "SODA",
            dataset=dataset or "+".join(one.name for one in references),
            subset=subset,
            videos=len(known),
            tiou=tiou_words(tious),
            order=order,
            references=str(len(references)),
        ),
    )


def _by_video(sentences: Sentences) -> dict[str, list[Event]]:
    """The events of each video that has any, in file order, with their tokens joined by blanks."""
    texts = [" ".join(tokens) for tokens in tokenize(sentences.sentences)]
    table: dict[str, list[Event]] = {}
    for video, (start, end), text in zip(sentences.video.tolist(), sentences.segments.tolist(), texts, strict=True):
        table.setdefault(sentences.video_ids[video], []).append((start, end, text))
    return table


def _meteor(stories: list[Story], scored: meteor.Meteor, order: Order) -> Iterator[Float64[np.ndarray, "m n"]]:
    """For each story METEOR of the pairs that it needs, 0 elsewhere; all pairs are asked for at once."""
    cells = [story.cells() for story in stories]
    pairs = [
        (story.references[i], story.predictions[j]) for story, own in zip(stories, cells, strict=True) for i, j in own
    ]
    if order == "natural":
        pairs = [(prediction, reference) for reference, prediction in pairs]
    values = iter(meteor.scores(scored.statistics(pairs)).tolist())
    for story, own in zip(stories, cells, strict=True):
        table = np.zeros(story.tiou.shape)
        for cell in own:
            table[cell] = next(values)
        yield table
