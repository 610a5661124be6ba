"""Suppression of overlapping segments: every convention in use, each under its own name.

The conventions differ in what they do at equality, in how they measure length, in the number type, in the decay and in
when they stop; results at the third decimal hang on it. So a caller always names the rule. Segments with equal scores
are taken in the order of the input.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from untrimmed.propose import suppress_kernels as kernels
from untrimmed.propose.suppress_rules import (
    ActionFormerNms,
    ActionFormerSoftNms,
    BsnSoftNms,
    HardNms,
    InclusiveNms,
    MmactionSoftNms,
    OpenTadSoftNms,
    Rule,
    SoftNms,
)
from untrimmed.records import DataError, Detection, Proposal

__all__ = [
    "ActionFormerNms",
    "ActionFormerSoftNms",
    "BsnSoftNms",
    "HardNms",
    "InclusiveNms",
    "Kept",
    "MmactionSoftNms",
    "OpenTadSoftNms",
    "Rule",
    "SoftNms",
    "suppress",
    "suppress_detections",
    "suppress_proposals",
    "vote",
]


@dataclass(frozen=True, eq=False)
class Kept:
    """What suppression leaves, in falling score.

    Attributes:
        segments: as given, or as voted.
        scores: after decay.
        indices: places in the input.
    """

    segments: Float[np.ndarray, "m 2"]
    scores: Float[np.ndarray, " m"]
    indices: Int[np.ndarray, " m"]


def suppress(
    segments: Float[np.ndarray, "n 2"],
    scores: Float[np.ndarray, " n"],
    rule: Rule,
    *,
    labels: Int[np.ndarray, " n"] | None = None,
    duration: float | None = None,
) -> Kept:
    """Suppress overlapping segments by a named rule.

    Args:
        segments: seconds; for InclusiveNms the unit its 1 is meant in.
        scores: higher is surer; soft rules need scores >= 0.
        rule: which convention.
        labels: class of each; needed by rules with per_class, ignored by the others.
        duration: of the video in the unit of the segments; needed by the rules whose threshold grows with the share
            of the video (BsnSoftNms, MmactionSoftNms, OpenTadSoftNms). Without it seconds would silently switch them
            off.

    Raises:
        DataError: on times or scores that are not finite, ends before starts, or what the rule needs and lacks.

    Source: the programs named in the rules; recorded outputs of them are met to 1e-6.
    """
    _check(segments, scores, rule, duration)
    if isinstance(rule, SoftNms) and rule.longest is not None:
        short = np.flatnonzero(segments[:, 1] - segments[:, 0] < rule.longest)
        part = labels if labels is None else labels[short]
        kept = suppress(segments[short], scores[short], replace(rule, longest=None), labels=part, duration=duration)
        return Kept(kept.segments, kept.scores, short[kept.indices])
    if not getattr(rule, "per_class", False):
        chosen, new_scores = _one_class(segments, scores, rule, duration)
    elif labels is None:
        raise DataError(f"{type(rule).__name__} with per_class needs the class of every segment, got no labels")
    else:
        chosen, new_scores = _by_class(segments, scores, rule, labels)
    voting = getattr(rule, "voting_tiou", None)
    moved = vote(segments[chosen], segments, scores, tiou=voting) if voting is not None else segments[chosen]
    order = np.argsort(np.negative(new_scores), kind="stable")[: _most(rule, len(segments))]
    return Kept(moved[order], new_scores[order], chosen[order])


def vote(
    kept: Float[np.ndarray, "m 2"],
    segments: Float[np.ndarray, "n 2"],
    scores: Float[np.ndarray, " n"],
    *,
    tiou: float,
) -> Float[np.ndarray, "m 2"]:
    """Move kept segments to the mean of all segments that overlap them, weighted by score times overlap.

    Args:
        kept: what suppression left.
        segments: what it was given.
        scores: of those, before any decay.
        tiou: least overlap of a voter, in (0, 1].

    Returns:
        One voted segment for each kept one.

    Source: ActionFormer's segment voting, in single precision.
    """
    mine, voters = kept.astype(np.float32)[:, None], segments.astype(np.float32)[None]
    shared = np.maximum(0, np.minimum(mine[..., 1], voters[..., 1]) - np.maximum(mine[..., 0], voters[..., 0]))
    lengths = (mine[..., 1] - mine[..., 0]) + (voters[..., 1] - voters[..., 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        overlaps = np.nan_to_num(shared / (lengths - shared))
    weights = np.where(overlaps >= np.float32(tiou), scores.astype(np.float32) * overlaps, np.float32(0))
    total = weights.sum(axis=1, keepdims=True)
    voted = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0) @ segments.astype(np.float32)
    return np.where(total > 0, voted, kept).astype(segments.dtype)


def suppress_proposals(
    proposals: Sequence[Proposal], rule: Rule, *, duration: float | None = None
) -> tuple[Proposal, ...]:
    """Suppress proposals of one video; they come back in falling score."""
    kept = suppress(*_arrays(proposals), rule, duration=duration)
    return tuple(
        Proposal((float(start), float(end)), float(score))
        for (start, end), score in zip(kept.segments, kept.scores, strict=True)
    )


def suppress_detections(
    detections: Sequence[Detection], rule: Rule, *, duration: float | None = None
) -> tuple[Detection, ...]:
    """Suppress detections of one video; they come back in falling score."""
    index = {label: number for number, label in enumerate(dict.fromkeys(item.label for item in detections))}
    labels = np.array([index[item.label] for item in detections], dtype=np.int64)
    kept = suppress(*_arrays(detections), rule, labels=labels, duration=duration)
    return tuple(
        Detection((float(start), float(end)), float(score), detections[i].label)
        for (start, end), score, i in zip(kept.segments, kept.scores, kept.indices, strict=True)
    )


def _arrays(items: Sequence[Proposal] | Sequence[Detection]) -> tuple[np.ndarray, np.ndarray]:
    segments = np.array([item.segment for item in items], dtype=np.float64).reshape(-1, 2)
    return segments, np.array([item.score for item in items], dtype=np.float64)


def _check(segments: np.ndarray, scores: np.ndarray, rule: Rule, duration: float | None) -> None:
    name = type(rule).__name__
    if not (np.isfinite(segments).all() and np.isfinite(scores).all()):
        raise DataError(f"{name} needs finite times and scores")
    if (segments[:, 1] < segments[:, 0]).any():
        start, end = segments[np.argmax(segments[:, 1] < segments[:, 0])]
        raise DataError(f"{name} needs segments with start <= end, got [{start}, {end}]")
    if isinstance(rule, BsnSoftNms | MmactionSoftNms | OpenTadSoftNms) and not (duration is not None and duration > 0):
        raise DataError(f"{name} needs the video's duration, since its threshold is a share of it; got {duration}")
    if not isinstance(rule, HardNms | InclusiveNms | ActionFormerNms) and len(scores) and scores.min() < 0:
        raise DataError(f"{name} lets scores decay towards 0 and needs scores >= 0, got {scores.min()}")
    for word in ("sigma", "alpha"):
        if not getattr(rule, word, 1.0) > 0:
            raise DataError(f"{name} needs {word} > 0, got {getattr(rule, word)}")
    tiou = getattr(rule, "tiou", 0.5)
    strict = isinstance(rule, ActionFormerNms) or getattr(rule, "drop_equal", False)
    if not 0 <= tiou <= 1 or (strict and tiou == 0):
        raise DataError(f"{name} needs a tiou in {'(0, 1]' if strict else '[0, 1]'}, got {tiou}")
    if getattr(rule, "voting_tiou", None) is not None and getattr(rule, "per_class", False):
        raise DataError(f"{name} votes over all classes: voting_tiou needs per_class=False")


def _most(rule: Rule, count: int) -> int:
    if rule.most is None:
        return count
    return rule.most + 1 if isinstance(rule, MmactionSoftNms) else rule.most


def _by_class(
    segments: np.ndarray, scores: np.ndarray, rule: Rule, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(labels, kind="stable")
    edges = np.flatnonzero(np.diff(labels[order])) + 1
    chosen, new_scores = [np.zeros(0, np.int64)], [np.zeros(0, scores.dtype)]
    for members in np.split(order, edges) if len(order) else []:
        part, part_scores = _one_class(segments[members], scores[members], rule, None)
        chosen.append(members[part])
        new_scores.append(part_scores)
    indices, values = np.concatenate(chosen), np.concatenate(new_scores)
    rising = np.argsort(indices)  # so that equal scores of different classes end in the order of the input
    return indices[rising], values[rising]


def _one_class(
    segments: np.ndarray, scores: np.ndarray, rule: Rule, duration: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Kept indices and their scores, best first."""
    single = isinstance(rule, ActionFormerNms | ActionFormerSoftNms | OpenTadSoftNms)
    kind = np.float32 if single else np.float64
    starts = np.ascontiguousarray(segments[:, 0], dtype=kind)
    ends = np.ascontiguousarray(segments[:, 1], dtype=kind)
    values = scores.astype(kind)
    extra = kind(1e-6 if single else 1.0 if isinstance(rule, InclusiveNms) else 0.0)
    if isinstance(rule, HardNms | InclusiveNms | ActionFormerNms):
        order = np.argsort(np.negative(values), kind="stable")
        if isinstance(rule, ActionFormerNms):
            order = order[values[order] > kind(rule.least_score)]
        if isinstance(rule, InclusiveNms):  # [s, e] with length e - s + 1 is [s, e + 1)
            ends, extra = ends + 1, kind(0.0)
        drop_equal = isinstance(rule, ActionFormerNms) or (isinstance(rule, HardNms) and rule.drop_equal)
        by_start = np.argsort(starts, kind="stable")
        keep = kernels.hard(starts, ends, order, by_start, kind(rule.tiou), drop_equal, extra)
        chosen = order[keep[order]]
        return chosen, scores[chosen]
    decay, sigma, low, slope, least = kernels.GAUSSIAN, 1.0, -1.0, 0.0, 0.0
    if isinstance(rule, SoftNms):
        decay = kernels.GAUSSIAN if rule.decay == "gaussian" else kernels.LINEAR
        sigma, low, least = rule.sigma, rule.tiou, rule.least_score
    elif isinstance(rule, ActionFormerSoftNms):
        sigma, least = rule.sigma, rule.least_score
    else:
        assert duration is not None
        sigma, low, slope = rule.alpha, rule.low, (rule.high - rule.low) / duration
        least = rule.least_score if isinstance(rule, OpenTadSoftNms) else least
    by_start = np.argsort(starts, kind="stable")
    chosen, new_scores = kernels.soft(
        starts[by_start],
        ends[by_start],
        values[by_start],
        by_start,
        decay,
        float(sigma),
        float(low),
        float(slope),
        extra,
        kind(least),
        _most(rule, len(segments)),
        isinstance(rule, BsnSoftNms),
    )
    return chosen, new_scores.astype(scores.dtype)
