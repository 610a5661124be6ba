"""Watershed on an actionness curve: the basins that fill when its complement is flooded, joined by TAG.

The curve is turned upside down and water rises in it, so that water collects where actionness is high. A level of water
in the complement is a threshold 1 - level on actionness. Where the waters of two peaks meet the classic algorithm
builds a dam; temporal actionness grouping (TAG) lets them flow together. Both stand here.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from untrimmed.propose.suppress import suppress
from untrimmed.propose.tag import PAPER, Groups, TagRule, group
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid, clip_segments, runs


@dataclass(frozen=True, kw_only=True)
class BasinRule:
    """From a curve to proposals."""

    tag: TagRule = PAPER
    """Levels, and how basins are joined, scored and thinned out; report 17, section 5.1, names TAG's paper and no
    values."""
    dams: bool = False
    """Also take each basin of the classic watershed, cut from its neighbours by dams, as a proposal. Report 17 says
    "the classic watershed algorithm"; TAG's paper says the same of basins without dams."""


def dams(curve: Float[np.ndarray, " steps"]) -> Int[np.ndarray, " m"]:
    """Where the waters of neighbouring peaks meet: between step dam - 1 and step dam.

    That is in the lowest place between two peaks; on a flat bottom the waters come from both ends at one speed and
    meet in its middle, an odd step going to the earlier peak.

    Args:
        curve: actionness, finite.

    Returns:
        Rising positions in (0, steps), one fewer than there are peaks.

    Source: Vincent and Soille, Watersheds in Digital Spaces, PAMI 13(6), 1991; Roerdink and Meijster, The Watershed
    Transform, Fundamenta Informaticae 41, 2000, section 4.
    """
    _check(curve)
    if len(curve) < 3:
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.diff(curve, prepend=np.nan) != 0)  # of the flat stretches
    pasts = np.append(starts[1:], len(curve))
    heights = curve[starts]
    bottom = np.flatnonzero((heights[1:-1] < heights[:-2]) & (heights[1:-1] < heights[2:])) + 1
    return np.asarray((starts[bottom] + pasts[bottom] + 1) // 2, dtype=np.int64)


def basins(curve: Float[np.ndarray, " steps"], threshold: float, *, dammed: bool = False) -> Int[np.ndarray, "n 2"]:
    """The basins that are filled when water stands at 1 - threshold in the complement of a curve.

    Args:
        curve: actionness, finite.
        threshold: steps above it are under water.
        dammed: keep the waters of neighbouring peaks apart, as the classic watershed does; a maximal run of steps
            under water is then several basins that touch.

    Returns:
        Half-open ranges of steps in order of time. Together they are the steps above the threshold.
    """
    _check(curve)
    found = runs(curve > threshold)
    if not dammed or not len(found):
        return found
    cuts = dams(curve)
    owner = np.searchsorted(found[:, 0], cuts, side="right") - 1
    inside = (owner >= 0) & (cuts > found[owner, 0]) & (cuts < found[owner, 1])
    starts = np.sort(np.concatenate([found[:, 0], cuts[inside]]))
    ends = np.sort(np.concatenate([found[:, 1], cuts[inside]]))
    return np.stack([starts, ends], axis=1)


def group_basins(curve: Float[np.ndarray, " steps"], rule: BasinRule) -> Groups:
    """Fill basins at every level and join them as TAG does; near copies are suppressed.

    Args:
        curve: actionness in [0, 1].
        rule: levels, joining, score and suppression.

    Returns:
        As tag.group; without dams exactly what it gives.

    Source: report 17, section 5.1, "Temporal actionness grouping".
    """
    if not rule.dams:
        return group(curve, rule.tag)
    joined = group(curve, replace(rule.tag, suppression=None))
    alone = [basins(curve, threshold, dammed=True) for threshold in rule.tag.thresholds]
    boxes = np.unique(np.concatenate([joined.steps, *alone]), axis=0)
    total = np.concatenate([[0.0], np.cumsum(curve)])
    scores = total[np.minimum(boxes[:, 1], len(curve))] - total[boxes[:, 0]]
    if rule.tag.score == "mean":
        scores = scores / (boxes[:, 1] - boxes[:, 0])
    if rule.tag.suppression is None:
        return Groups(boxes, scores)
    kept = suppress(boxes.astype(np.float64), scores, rule.tag.suppression)
    return Groups(boxes[kept.indices], kept.scores)


def candidates(
    curve: Float[np.ndarray, " steps"], grid: TimeGrid, duration: float, rule: BasinRule
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Proposals of one video in seconds, cut to it, and their scores in falling order; see group_basins."""
    found = group_basins(curve, rule)
    segments, kept = clip_segments(grid.to_seconds(found.steps.astype(np.float64)), duration)
    return segments, found.scores[kept]


def _check(curve: Float[np.ndarray, " steps"]) -> None:
    if not np.isfinite(curve).all():
        raise DataError("a watershed needs a curve of finite numbers")
