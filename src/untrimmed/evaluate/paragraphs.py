"""Captions of a video read as one paragraph: METEOR, CIDEr, BLEU, ROUGE-L, and how much it repeats itself.

Conventions
    The sentences of a video are sorted by start and joined by blanks, on both sides; times play no further role. All
    videos that both sides have are one corpus, so CIDEr counts document frequencies over videos, and each reference
    file gives one reference paragraph. RE-4 is the share of 4-grams of a paragraph that it has said before, the mean
    over videos (lower is better); distinct-n the number of different n-grams of all paragraphs over the number of all.

Source: Park et al., Adversarial Inference for Multi-Sentence Video Description, CVPR 2019, section 4 (RE-4 after Xiong
et al., Move Forward and Tell, ECCV 2018); Li et al., A Diversity-Promoting Objective Function, NAACL 2016 (distinct-n).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from untrimmed.columns import Sentences
from untrimmed.evaluate.signature import signature
from untrimmed.evaluate.text import bleu, cider, meteor, rouge
from untrimmed.evaluate.text.items import Items
from untrimmed.evaluate.text.ngrams import ORDERS, NGrams
from untrimmed.evaluate.tokens import tokenize
from untrimmed.records import DataError


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """The figures of one submission.

    Attributes:
        scores: metric to figure: Bleu_1 to 4, METEOR, ROUGE_L, CIDEr, RE_4, distinct_1 to 4.
        videos: how many both sides have.
        missing: how many the references have and the submission has not.
        signature: how the figures were computed.
    """

    scores: dict[str, float]
    videos: int
    missing: int
    signature: str

    @property
    def figures(self) -> dict[str, Any]:
        """All figures as JSON values."""
        return {**self.scores, "n_videos": self.videos, "n_missing": self.missing}


def evaluate(
    references: Sequence[Sentences],
    predictions: Sentences,
    *,
    scored: meteor.Meteor | None = None,
    dataset: str | None = None,
    subset: str = "validation",
) -> Result:
    """Score paragraphs.

    Args:
        references: one for each reference file.
        predictions: the captions.
        scored: the METEOR to ask; None takes the one in Python.
        dataset: its name in the signature; None takes the names of the references.
        subset: its name in the signature.

    Raises:
        DataError: when no video has both a caption and a reference.
        MissingExtra: when METEOR's tables are not installed.
    """
    said, given = joined(predictions), [joined(one) for one in references]
    wanted = list(dict.fromkeys(video_id for one in given for video_id in one))
    known = [video_id for video_id in wanted if video_id in said]
    if not known:
        raise DataError("paragraphs need a video with both captions and references, got none")
    if scored is None:
        from untrimmed.evaluate.text import backends

        scored = backends.shared()
    owners = [(place, one[video_id]) for place, video_id in enumerate(known) for one in given if video_id in one]
    tokens = tokenize([*(said[video_id] for video_id in known), *(text for _, text in owners)])
    items = Items(
        hypothesis=np.arange(len(known)),
        reference=np.arange(len(known), len(tokens)),
        item=np.array([place for place, _ in owners], dtype=np.int64),
    )
    ngrams = NGrams.of([" ".join(words).split() for words in tokens])
    words = [" ".join(row) for row in tokens]
    rows = scored.statistics([(words[place], words[len(known) + i]) for i, (place, _) in enumerate(owners)])
    best = meteor.best(rows, items)
    corpus = bleu.scores(bleu.statistics(ngrams, items).sum(axis=0, keepdims=True))[0]
    scores = {f"Bleu_{n + 1}": float(corpus[n]) for n in range(ORDERS)}
    scores["METEOR"] = float(meteor.scores(meteor.summands(best).sum(axis=0, keepdims=True))[0])
    scores["ROUGE_L"] = float(rouge.scores(tokens, items).mean())
    scores["CIDEr"] = float(cider.scores(ngrams, items).mean())
    scores |= _repetition(ngrams, len(known))
    return Result(
        scores=scores,
        videos=len(known),
        missing=len(wanted) - len(known),
        signature=signature(
            "paragraphs",
            dataset=dataset or "+".join(one.name for one in references),
            subset=subset,
            videos=len(known),
            references=str(len(references)),
        ),
    )


def joined(sentences: Sentences) -> dict[str, str]:
    """Each video's sentences in order of their start as one text; videos without a sentence are left out."""
    order = np.lexsort((sentences.segments[:, 0], sentences.video))
    table: dict[str, list[str]] = {}
    for place in order.tolist():
        table.setdefault(sentences.video_ids[sentences.video[place]], []).append(sentences.sentences[place].strip())
    return {video_id: " ".join(texts) for video_id, texts in table.items()}


def _repetition(ngrams: NGrams, paragraphs: int) -> dict[str, float]:
    """RE-4 and distinct-n of the first sentences of a table."""
    owner, gram, count = ngrams.rows_of(np.arange(paragraphs))
    order = ngrams.order[gram]
    fours = order == ORDERS - 1
    all_fours = np.bincount(owner[fours], weights=count[fours], minlength=paragraphs)
    different = np.bincount(owner[fours], minlength=paragraphs)
    found = {"RE_4": float(((all_fours - different) / np.maximum(all_fours, 1)).mean())}
    for n in range(ORDERS):
        here = order == n
        found[f"distinct_{n + 1}"] = len(np.unique(gram[here])) / max(int(count[here].sum()), 1)
    return found
