"""Fusion weights learned from data, and scores fused with weights that never saw the video they are used on.

Two rules learn: a search over the simplex for one weight a system, by the figure that counts, and non-negative
stacking for one weight a system and class. Both are called with (scores, members) and give weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from untrimmed.fuse.weights import weighted_mean
from untrimmed.records import DataError

Figure = Literal["hit@1", "mAP"]
"""hit@1: videos whose best class is one of theirs; mAP: mean over the classes of interpolated average precision."""

Rule = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From scores (systems, videos, classes) and members (videos, classes) to weights (systems) or (systems, classes)."""


@dataclass(frozen=True, kw_only=True)
class WeightSearch:
    """One weight a system, on the simplex, by coordinate search: no chance, no gradient.

    It starts from the best of equal weights and each system alone, equal ones if they are as good. Then each system
    in turn moves along the line w(t) = (1 - t) * (the others as they stand) + t * (this one alone), t on an even grid
    of [0, 1], to the first t with the highest figure, if that beats the present one. Rounds go on until one changes
    nothing.

    Source: report 09, section 2.3 (a convex weight found by cross-validation; 0.55 and 0.45 there). It names no search.
    """

    figure: Figure = "hit@1"
    """What the weights shall raise; the challenge of 2017 ranked by hit@1."""
    levels: int = 20
    """Equal steps of the grid; 20 tries every 0.05."""
    rounds: int = 10
    """Most rounds over all systems."""

    def __post_init__(self) -> None:
        if self.levels < 1 or self.rounds < 1:
            raise DataError(f"a weight search needs levels >= 1 and rounds >= 1, got {self.levels} and {self.rounds}")

    def __call__(
        self, scores: Float[np.ndarray, "systems videos classes"], members: Bool[np.ndarray, "videos classes"]
    ) -> Float[np.ndarray, " systems"]:
        """The weights, >= 0, of sum 1.

        Raises:
            DataError: when there is nothing to learn from.
        """
        _check(scores, members)
        systems = len(scores)
        starts = [np.full(systems, 1 / systems), *np.eye(systems)]
        figures = [figure_of(weighted_mean(scores, list(start)), members, self.figure) for start in starts]
        weights, best = starts[int(np.argmax(figures))], max(figures)
        for _ in range(self.rounds):
            before = best
            for system in range(systems):
                weights, best = self._along(scores, members, weights, best, system)
            if best == before:
                break
        return weights

    def _along(
        self, scores: np.ndarray, members: np.ndarray, weights: np.ndarray, best: float, system: int
    ) -> tuple[np.ndarray, float]:
        alone = np.eye(len(weights))[system]
        others = np.where(alone > 0, 0.0, weights)
        if not others.sum() > 0:
            return weights, best
        others /= others.sum()
        rest = weighted_mean(scores, list(others))
        for t in np.arange(self.levels + 1) / self.levels:
            figure = figure_of((1 - t) * rest + t * scores[system], members, self.figure)
            if figure > best:
                weights, best = (1 - t) * others + t * alone, figure
        return weights, best


@dataclass(frozen=True, kw_only=True)
class Stacking:
    """One weight a system and class: the members of each class by least squares on its scores, weights >= 0.

    Source: Breiman, Stacked Regressions, Machine Learning 24, 1996 (non-negative weights, held-out predictions).
    """

    def __call__(
        self, scores: Float[np.ndarray, "systems videos classes"], members: Bool[np.ndarray, "videos classes"]
    ) -> Float[np.ndarray, "systems classes"]:
        """The weights, >= 0, as least squares gives them; a class without a member gets equal ones of sum 1.

        Raises:
            DataError: when there is nothing to learn from.
        """
        from scipy.optimize import nnls

        _check(scores, members)
        weights = np.full((len(scores), scores.shape[2]), 1 / len(scores))
        for number in np.flatnonzero(members.any(axis=0)):
            weights[:, number] = nnls(scores[:, :, number].T.astype(np.float64), members[:, number].astype(float))[0]
        return weights


@dataclass(frozen=True, eq=False)
class CrossFused:
    """Scores fused by cross-validation.

    Attributes:
        scores: of each video, by the weights of its fold.
        weights: of each fold, learned on the videos of all other folds.
        fold: of each video.
    """

    scores: Float[np.ndarray, "videos classes"]
    weights: Float[np.ndarray, "folds systems *classes"]
    fold: Int[np.ndarray, " videos"]


def cross_fused(
    scores: Float[np.ndarray, "systems videos classes"],
    members: Bool[np.ndarray, "videos classes"],
    *,
    rule: Rule | None = None,
    folds: int = 10,
    seed: int = 0,
) -> CrossFused:
    """Fuse every video with weights learned on the other folds, so that what is scored was never looked at.

    Args:
        scores: of systems on a comparable scale, e.g. after fuse.votes.shares; higher is surer.
        members: which classes each video has.
        rule: what learns the weights; a WeightSearch by default.
        folds: parts of nearly equal size, from 2 to the number of videos.
        seed: decides which video falls in which.

    Raises:
        DataError: when the folds or shapes do not fit.
    """
    _check(scores, members)
    if not 2 <= folds <= len(members):
        raise DataError(f"cross-validation needs from 2 to {len(members)} folds (videos), got {folds}")
    learn = rule or WeightSearch()
    fold = np.random.default_rng(seed).permutation(np.arange(len(members)) % folds)
    fused, weights = np.zeros(members.shape), []
    for number in range(folds):
        out = fold == number
        weights.append(learn(scores[:, ~out], members[~out]))
        fused[out] = apply(scores[:, out], weights[-1])
    return CrossFused(fused, np.stack(weights), fold)


def apply(
    scores: Float[np.ndarray, "systems videos classes"], weights: Float[np.ndarray, "systems *classes"]
) -> Float[np.ndarray, "videos classes"]:
    """sum over systems of weight * score; weights of a system alone or of a system and class, used as they are."""
    subscripts = "svc,s->vc" if weights.ndim == 1 else "svc,sc->vc"
    return np.einsum(subscripts, scores.astype(np.float64), weights)


def figure_of(
    scores: Float[np.ndarray, "videos classes"], members: Bool[np.ndarray, "videos classes"], figure: Figure
) -> float:
    """The figure a search raises, in [0, 1].

    Equal scores count against the system in mAP and go to the lower class index in hit@1; videos without a class do
    not count in hit@1, classes without a video not in mAP.
    """
    if figure == "hit@1":
        known = members.any(axis=1)
        return float(np.take_along_axis(members, scores.argmax(axis=1)[:, None], axis=1)[known].mean())
    columns: Shaped[np.ndarray, "classes videos"] = np.ascontiguousarray(scores.T)
    ranked = np.sort(columns, axis=1)
    found = [
        _precision(columns[number, members[:, number]], ranked[number])
        for number in np.flatnonzero(members.any(axis=0))
    ]
    return float(np.mean(found))


def _precision(positives: Float[np.ndarray, " hits"], rising: Float[np.ndarray, " videos"]) -> float:
    """Interpolated average precision of a class from the scores of its members and of all."""
    own = np.sort(positives)
    at_least = len(rising) - np.searchsorted(rising, own, side="left")
    hits = np.arange(len(own), 0, -1)
    ahead = at_least - (len(own) - np.searchsorted(own, own, side="left"))  # others with this score or a higher one
    return float(np.maximum.accumulate(hits / (ahead + hits)).mean())


def _check(scores: np.ndarray, members: np.ndarray) -> None:
    if not len(scores) or scores.shape[1:] != members.shape:
        raise DataError(f"fusion needs scores of systems, each {members.shape} as the members, got {scores.shape}")
    if not np.isfinite(scores).all() or not members.any():
        raise DataError("learning fusion weights needs finite scores and a video with a class")
