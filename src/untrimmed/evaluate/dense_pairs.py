"""Which captions meet which references in time, and what unmatched captions cost: the rule sets of dense captioning.

Conventions
    tIoU = intersection / (min(hull, sum of lengths) + 1e-8). A pair is scored from tIoU >= t on, but counts for recall
    and precision only above (tIoU > t), as in the official program. At most the first 1000 captions of a video are
    looked at, in file order. Videos are those that any reference file has.

Source: densevid_eval, the evaluators of the ActivityNet Challenges 2017 to 2020, in its four states.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from untrimmed.columns import Sentences
from untrimmed.records import DataError

MAX_CAPTIONS = 1000
_AT_ONCE = 1 << 21  # pairs of segments compared at a time


@dataclass(frozen=True, kw_only=True)
class Rules:
    """One state of the official program.

    Attributes:
        name: when its code was published.
        garbage: the sentence that an unmatched caption is compared with.
        per_file: whether an unmatched caption is charged once for every reference file up to the first that matches.
        last_only: whether only the last caption of a video can be charged (each charge is overwritten by what follows).
        one_less: whether precision divides by the number of captions minus one (by one for a single caption, where
            the program stops with a division by zero).
        swapped: whether recall is printed as precision and precision as recall.
        aliases: other names in use.
    """

    name: str
    garbage: str = "abc123!@#"
    per_file: bool = False
    last_only: bool = False
    one_less: bool = False
    swapped: bool = False
    aliases: tuple[str, ...] = ()


RULES = (
    Rules(name="2017-06", last_only=True, one_less=True, swapped=True, aliases=("2017", "challenge")),
    Rules(name="2017-11", per_file=True),
    Rules(name="2018-05", aliases=("2018", "METEOR2018")),
    # The program draws 10 to 20 random letters; they never match, so one word that is none does the same.
    Rules(name="2019-06", garbage="qzxjvkwqzxjvk", aliases=("2019", "2021", "METEOR2021")),
)


def find_rules(name: str) -> Rules:
    """The rule set of a name or alias; capitals do not matter, and a leading v and underscores are allowed.

    Raises:
        DataError: when there is none of that name.
    """
    wanted = name.lower().removeprefix("v").replace("_", "-")
    for rules in RULES:
        if wanted in (rules.name, *(alias.lower() for alias in rules.aliases)):
            return rules
    known = ", ".join(" = ".join((rules.name, *rules.aliases)) for rules in RULES)
    raise DataError(f"rules of dense captioning must be one of {known}; got {name!r}")


@dataclass(frozen=True, eq=False, kw_only=True)
class DensePairs:
    """What of a submission is compared with what.

    Attributes:
        tious: the thresholds.
        video_ids: all videos of the reference files.
        captions: the captions that count, as indices of the submission, sorted by video, in file order within.
        caption_video: the video of each.
        caption: for each pair its place in captions.
        file: for each pair the number of its reference file.
        reference: for each pair the sentence of that file.
        tiou: of each pair, at least the least threshold.
        has: whether a file has a video.
        recall: share of references above the threshold, the best over the files.
        matched: captions above the threshold, the file in which they are the most.
    """

    tious: Float64[np.ndarray, " thresholds"]
    video_ids: tuple[str, ...]
    captions: Int64[np.ndarray, " captions"]
    caption_video: Int64[np.ndarray, " captions"]
    caption: Int64[np.ndarray, " pairs"]
    file: Int64[np.ndarray, " pairs"]
    reference: Int64[np.ndarray, " pairs"]
    tiou: Float64[np.ndarray, " pairs"]
    has: Bool[np.ndarray, "files videos"]
    recall: Float64[np.ndarray, "videos thresholds"]
    matched: Int64[np.ndarray, "videos thresholds"]

    def precision(self, rules: Rules) -> Float64[np.ndarray, "videos thresholds"]:
        """Share of the captions of each video that meet a reference; 0 for a video without captions."""
        count = np.bincount(self.caption_video, minlength=len(self.video_ids))
        return self.matched / np.maximum(count - int(rules.one_less), 1)[:, None]

    def charges(self, rules: Rules, tiou: float) -> Int64[np.ndarray, " captions"]:
        """How often each caption is compared with garbage at one threshold."""
        meets = np.zeros((len(self.has), len(self.captions)), dtype=bool)
        near = self.tiou >= tiou
        meets[self.file[near], self.caption[near]] = True
        unmatched = ~meets.any(axis=0)
        if rules.last_only:
            following = np.append(self.caption_video[1:], -1)
            return (unmatched & (self.caption_video != following)).astype(np.int64)
        if rules.per_file:
            untouched = np.logical_and.accumulate(~meets, axis=0)
            return np.asarray((untouched & self.has[:, self.caption_video]).sum(axis=0), dtype=np.int64)
        return np.asarray(unmatched, dtype=np.int64)


def dense_tiou(first: Float64[np.ndarray, "n 2"], second: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, " n"]:
    """tIoU of segments pair by pair as dense captioning has it: intersection / (min(hull, sum of lengths) + 1e-8)."""
    start, end = np.maximum(first[:, 0], second[:, 0]), np.minimum(first[:, 1], second[:, 1])
    hull = np.maximum(first[:, 1], second[:, 1]) - np.minimum(first[:, 0], second[:, 0])
    lengths = first[:, 1] - first[:, 0] + second[:, 1] - second[:, 0]
    return np.asarray(np.maximum(0.0, end - start) / (np.minimum(hull, lengths) + 1e-8), dtype=np.float64)


def pair(
    references: Sequence[Sentences],
    predictions: Sentences,
    *,
    tious: Float64[np.ndarray, " thresholds"],
    max_captions: int = MAX_CAPTIONS,
) -> DensePairs:
    """Find all pairs of a caption and a reference that overlap enough at the least threshold.

    Args:
        references: one for each reference file; their order matters under the rules of 2017-11.
        predictions: the captions, in file order.
        tious: thresholds in (0, 1].
        max_captions: how many captions of a video count, the first in the file, >= 1.

    Raises:
        DataError: when there is no reference or a threshold is out of range.
    """
    if not any(len(one) for one in references):
        raise DataError("dense captioning needs at least one reference sentence, got none")
    if not len(tious) or not ((tious > 0) & (tious <= 1)).all():
        raise DataError(f"tIoU thresholds must be in (0, 1], got {tious.tolist()}")
    number = {video_id: place for place, video_id in enumerate(dict.fromkeys(_ids(references)))}
    videos, thresholds = len(number), len(tious)
    captions, caption_video = _first_of_each(predictions, number, max_captions)
    edges = np.searchsorted(caption_video, np.arange(videos + 1))

    has = np.zeros((len(references), videos), dtype=bool)
    recall = np.zeros((videos, thresholds))
    matched = np.zeros((videos, thresholds), dtype=np.int64)
    parts: list[tuple[np.ndarray, ...]] = []
    for number_of_file, one in enumerate(references):
        video = np.array([number.get(video_id, -1) for video_id in one.video_ids], dtype=np.int64)[one.video]
        has[number_of_file, video] = True
        found = np.zeros((len(one), thresholds), dtype=bool)
        hit = np.zeros((len(captions), thresholds), dtype=bool)
        for reference_run, caption_run in _runs(edges[video], edges[video + 1] - edges[video]):
            overlap = dense_tiou(predictions.segments[captions[caption_run]], one.segments[reference_run])
            for column, threshold in enumerate(tious):
                above = overlap > threshold
                found[reference_run[above], column] = True
                hit[caption_run[above], column] = True
            near = overlap >= tious.min()
            files = np.full(int(near.sum()), number_of_file)
            parts.append((caption_run[near], files, reference_run[near], overlap[near]))
        count = np.maximum(np.bincount(video, minlength=videos), 1)
        for column in range(thresholds):
            share = np.bincount(video, weights=found[:, column], minlength=videos) / count
            recall[:, column] = np.maximum(recall[:, column], share)
            hits = np.bincount(caption_video, weights=hit[:, column], minlength=videos).astype(np.int64)
            matched[:, column] = np.maximum(matched[:, column], hits)
    caption, file, reference, tiou = (np.concatenate(column) for column in zip(*parts, strict=True))
    return DensePairs(
        tious=tious,
        video_ids=tuple(number),
        captions=captions,
        caption_video=caption_video,
        caption=caption,
        file=file,
        reference=reference,
        tiou=tiou,
        has=has,
        recall=recall,
        matched=matched,
    )


def _ids(references: Sequence[Sentences]) -> list[str]:
    return [one.video_ids[place] for one in references for place in dict.fromkeys(one.video.tolist())]


def _first_of_each(
    predictions: Sentences, number: dict[str, int], most: int
) -> tuple[Int64[np.ndarray, " captions"], Int64[np.ndarray, " captions"]]:
    """Indices of the captions that count, by video and then in file order, and their videos."""
    place = np.array([number.get(video_id, -1) for video_id in predictions.video_ids], dtype=np.int64)
    video = place[predictions.video]
    order = np.argsort(video, kind="stable")
    order = order[video[order] >= 0]
    ranked = video[order]
    rank = np.arange(len(order)) - np.searchsorted(ranked, ranked)
    return order[rank < most], ranked[rank < most]


def _runs(
    starts: Int64[np.ndarray, " n"], sizes: Int64[np.ndarray, " n"]
) -> list[tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]]:
    """All (index, start + 0 ... start + size - 1), in runs of bounded length."""
    blocks = np.searchsorted(np.cumsum(sizes), np.arange(_AT_ONCE, sizes.sum() + _AT_ONCE, _AT_ONCE), side="left")
    edges = np.unique(np.concatenate(([0], np.minimum(blocks + 1, len(sizes)), [len(sizes)])))
    found = []
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        size = sizes[low:high]
        index = np.repeat(np.arange(low, high), size)
        first = np.repeat(np.cumsum(size) - size, size)
        found.append((index, np.repeat(starts[low:high], size) + np.arange(len(index)) - first))
    return found
