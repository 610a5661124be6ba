"""Task T5, dense captioning: BLEU, METEOR, ROUGE-L and CIDEr of captions, recall and precision of their segments.

Conventions
    A caption is compared with every reference sentence of every reference file that it overlaps with tIoU >= t, each
    time as an item of its own; an unmatched caption is compared with a garbage sentence as the rule set says (see
    dense_pairs.py). All items of a video are one small corpus: METEOR and BLEU sum their statistics over it, CIDEr
    counts document frequencies within it (one item scores 0), ROUGE-L and CIDEr are means. A video without an item
    scores 0. A figure is the mean over all videos of the reference files; "average" is the mean over the thresholds.
    Figures of different rule sets cannot be compared: for the same captions METEOR differs by up to a factor of two.

Source: Krishna et al., Dense-Captioning Events in Videos, ICCV 2017, section 5; densevid_eval; coco-caption.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.columns import Sentences
from untrimmed.evaluate.dense_pairs import MAX_CAPTIONS, DensePairs, Rules, find_rules, pair
from untrimmed.evaluate.signature import signature, tiou_words
from untrimmed.evaluate.text import bleu, cider, meteor, rouge
from untrimmed.evaluate.text.items import Items
from untrimmed.evaluate.text.ngrams import NGrams
from untrimmed.evaluate.tokens import tokenize
from untrimmed.records import DataError

TIOUS: Float64[np.ndarray, " thresholds"] = np.array([0.3, 0.5, 0.7, 0.9])
"""The challenge's thresholds."""

RULES = "2018-05"
"""The default rule set: the first that is right in every respect, and the one most papers since use."""

SCORERS = ("Bleu", "METEOR", "ROUGE_L", "CIDEr")

PerVideo = Float64[np.ndarray, "videos thresholds"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """The figures of one submission.

    Attributes:
        per_video: metric to its figure for each video at each threshold; names as the official programs print them,
            so under the rules of 2017-06 "Recall" is precision.
        video_ids: the videos, in the order of the rows.
        tious: the thresholds, in the order of the columns.
        rules: name of the rule set.
        captions: how many captions were looked at.
        signature: how the figures were computed.
    """

    per_video: Mapping[str, PerVideo]
    video_ids: tuple[str, ...]
    tious: Float64[np.ndarray, " thresholds"]
    rules: str
    captions: int
    signature: str

    def by_tiou(self, metric: str) -> Float64[np.ndarray, " thresholds"]:
        """One metric at each threshold, the mean over videos."""
        return self.per_video[metric].mean(axis=0)

    def average(self, metric: str) -> float:
        """One metric, the mean over videos and thresholds: METEOR so is the challenge's figure."""
        return float(self.by_tiou(metric).mean())

    @property
    def figures(self) -> dict[str, Any]:
        """All figures as JSON values; names as the official programs' records have them."""
        return {
            **{metric: self.by_tiou(metric).tolist() for metric in self.per_video},
            "average": {metric: self.average(metric) for metric in self.per_video},
            "tious": self.tious.tolist(),
            "rules": self.rules,
            "n_videos": len(self.video_ids),
            "n_captions": self.captions,
        }


def evaluate(
    references: Sequence[Sentences],
    predictions: Sentences,
    *,
    rules: str = RULES,
    tious: Float64[np.ndarray, " thresholds"] = TIOUS,
    max_captions: int = MAX_CAPTIONS,
    scorers: Sequence[str] = SCORERS,
    scored: meteor.Meteor | None = None,
    dataset: str | None = None,
    subset: str = "validation",
) -> Result:
    """Score dense captions.

    Args:
        references: one for each reference file (annotator).
        predictions: the captions, in file order.
        rules: name of a rule set (dense_pairs.RULES).
        tious: thresholds in (0, 1].
        max_captions: how many captions of a video count, the first in the file.
        scorers: which of Bleu, METEOR, ROUGE_L, CIDEr to compute; recall and precision always come.
        scored: the METEOR to ask; None takes the one in Python. Equal pairs are asked once, also over several calls.
        dataset: its name in the signature; None takes the names of the references.
        subset: its name in the signature.

    Raises:
        DataError: when there is no reference, a threshold is out of range, or a name is unknown.
        MissingExtra: when METEOR is wanted and its tables are not installed.
    """
    chosen = find_rules(rules)
    odd = [name for name in scorers if name not in SCORERS]
    if odd:
        raise DataError(f"scorers must be among {', '.join(SCORERS)}, got {odd[0]!r}")
    pairs = pair(references, predictions, tious=tious, max_captions=max_captions)
    found = _sentence_scores(_Texts.of(references, predictions, pairs, chosen), pairs, chosen, scorers, scored)
    labels = ("Precision", "Recall") if chosen.swapped else ("Recall", "Precision")
    found |= dict(zip(labels, (pairs.recall, pairs.precision(chosen)), strict=True))
    return Result(
        per_video=found,
        video_ids=pairs.video_ids,
        tious=tious,
        rules=chosen.name,
        captions=len(pairs.captions),
        signature=signature(
            "+".join(found),
            dataset=dataset or "+".join(one.name for one in references),
            subset=subset,
            videos=len(pairs.video_ids),
            tiou=tiou_words(tious),
            rules=chosen.name,
            references=str(len(references)),
            **({} if max_captions == MAX_CAPTIONS else {"max_captions": str(max_captions)}),
        ),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Texts:
    """The sentences at hand and what is compared: each distinct (caption, reference) text is one item.

    Attributes:
        tokens: of each distinct sentence; the garbage sentence is the last.
        items: the distinct pairs.
        of_pair: the item of each pair.
        of_charge: for each caption its item with garbage.
    """

    tokens: list[list[str]]
    items: Items
    of_pair: Int64[np.ndarray, " pairs"]
    of_charge: Int64[np.ndarray, " captions"]

    @staticmethod
    def of(references: Sequence[Sentences], predictions: Sentences, pairs: DensePairs, rules: Rules) -> "_Texts":
        number: dict[str, int] = {}
        said = np.array(
            [number.setdefault(predictions.sentences[place], len(number)) for place in pairs.captions.tolist()],
            dtype=np.int64,
        )
        given = [
            np.array([number.setdefault(sentence, len(number)) for sentence in one.sentences], dtype=np.int64)
            for one in references
        ]
        offsets = np.cumsum([0, *(len(one) for one in references[:-1])])
        hypothesis = said[pairs.caption]
        reference = np.concatenate(given)[offsets[pairs.file] + pairs.reference]
        size = len(number) + 1
        keys = np.concatenate([hypothesis * size + reference, said * size + len(number)])
        distinct, inverse = np.unique(keys, return_inverse=True)
        return _Texts(
            tokens=[*tokenize(list(number)), [rules.garbage]],
            items=Items.pairs(distinct // size, distinct % size),
            of_pair=inverse.reshape(-1)[: len(hypothesis)],
            of_charge=inverse.reshape(-1)[len(hypothesis) :],
        )


def _sentence_scores(
    texts: _Texts, pairs: DensePairs, rules: Rules, scorers: Sequence[str], scored: meteor.Meteor | None
) -> dict[str, PerVideo]:
    """Figures of the sentences by video and threshold; each distinct pair of texts is scored once."""
    videos, thresholds = len(pairs.video_ids), len(pairs.tious)
    charges = np.stack([pairs.charges(rules, float(tiou)) for tiou in pairs.tious])
    used = np.zeros(len(texts.items), dtype=bool)
    used[texts.of_pair] = True
    used[texts.of_charge[charges.any(axis=0)]] = True
    place = np.cumsum(used) - 1
    items = Items.pairs(texts.items.hypothesis[used], texts.items.reference[used])
    # BLEU and CIDEr split at every kind of blank, also at those inside the token "7 1/2"; ROUGE-L does not.
    ngrams = NGrams.of([" ".join(tokens).split() for tokens in texts.tokens])
    video = np.concatenate([pairs.caption_video[pairs.caption], pairs.caption_video])
    item = place[np.concatenate([texts.of_pair, texts.of_charge])]

    counts = bleu.statistics(ngrams, items) if "Bleu" in scorers else None
    common = rouge.scores(texts.tokens, items) if "ROUGE_L" in scorers else None
    statistics = meteor.summands(_meteor(texts, items, scored)) if "METEOR" in scorers else None

    names = [f"Bleu_{n}" for n in range(1, 5)] if counts is not None else []
    names += [name for name in ("METEOR", "ROUGE_L", "CIDEr") if name in scorers]
    found = {name: np.zeros((videos, thresholds)) for name in names}
    for column, tiou in enumerate(pairs.tious.tolist()):
        weight = np.concatenate([(pairs.tiou >= tiou).astype(np.int64), charges[column]])
        present = weight > 0
        where, which, times = video[present], item[present], weight[present]
        size = np.bincount(where, weights=times, minlength=videos).astype(np.int64)
        some = size > 0
        if counts is not None:
            scores = bleu.scores(_sums(counts[which] * times[:, None], where, videos))
            for n in range(4):
                found[f"Bleu_{n + 1}"][some, column] = scores[some, n]
        if statistics is not None:
            found["METEOR"][:, column] = meteor.scores(_sums(statistics[which] * times[:, None], where, videos))
        if common is not None:
            total = np.bincount(where, weights=common[which] * times, minlength=videos)
            found["ROUGE_L"][:, column] = total / np.maximum(size, 1)
        if "CIDEr" in scorers:
            near = pairs.tiou >= tiou
            each = texts.of_pair[near]
            matched = Items.pairs(texts.items.hypothesis[each], texts.items.reference[each])
            where = pairs.caption_video[pairs.caption[near]]
            total = np.bincount(where, weights=_cider(ngrams, matched, where, size), minlength=videos)
            found["CIDEr"][:, column] = total / np.maximum(size, 1)
    return found


def _cider(
    ngrams: NGrams, items: Items, corpus: Int64[np.ndarray, " items"], sizes: Int64[np.ndarray, " corpora"]
) -> Float64[np.ndarray, " items"]:
    """CIDEr of items, a few hundred corpora at a time to bound the memory."""
    order = np.argsort(corpus, kind="stable")
    ranked = corpus[order]
    found = np.zeros(len(items))
    low = 0
    while low < len(order):
        high = int(np.searchsorted(ranked, ranked[min(low + 50_000, len(order) - 1)], side="right"))
        part = order[low:high]
        some = Items.pairs(items.hypothesis[part], items.reference[part])
        found[part] = cider.scores(ngrams, some, corpus=corpus[part], sizes=sizes)
        low = high
    return found


def _meteor(texts: _Texts, items: Items, scored: meteor.Meteor | None) -> Int64[np.ndarray, "items 23"]:
    if scored is None:
        from untrimmed.evaluate.text import backends

        scored = backends.shared()
    words = [" ".join(tokens) for tokens in texts.tokens]
    pairs = zip(items.hypothesis.tolist(), items.reference.tolist(), strict=True)
    return scored.statistics([(words[hypothesis], words[reference]) for hypothesis, reference in pairs])


def _sums(
    rows: Int64[np.ndarray, "rows columns"], group: Int64[np.ndarray, " rows"], groups: int
) -> Int64[np.ndarray, "groups columns"]:
    table = np.zeros((groups, rows.shape[1]), dtype=np.int64)
    for column in range(rows.shape[1]):
        table[:, column] = np.bincount(group, weights=rows[:, column], minlength=groups)
    return table
