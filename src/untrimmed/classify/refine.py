"""Class-wise refinement: for the hardest classes a classifier of two classes re-ranks the videos within the class.

Report 03 says in three sentences what it does. The reading here: a video stands in the ranking of every class that is
among its ten best (98.4 % of the videos have their own class there). One class of ten is right, so that in the mean
over the classes one video in such a ranking is a member and nine are not, which is the report's ratio of 1:9. Each
hard class has a classifier of its own that knows members from those nine. What it says changes the order of the
videos in the class's ranking and nothing else: the scores that the class gave to them are dealt out anew, the highest
to the video that the classifier holds for the surest member. The class keeps its scores as a set, so that it stays
comparable with the classes that are not refined, and a video's best class changes where it lost or gained.

Source: report 03, sections 5 and 6.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from untrimmed.classify.linear import Linear, LinearConfig, fit_linear
from untrimmed.records import DataError


def _two_class() -> LinearConfig:
    return LinearConfig(kind="softmax", cost=100.0)


@dataclass(frozen=True, kw_only=True)
class RefinementConfig:
    """How many classes are refined, and how."""

    classes: int = 100
    """Hardest classes that are refined; section 6: 50 in submission 2, 100 in submission 3. 0 refines none."""
    depth: int = 10
    """A video is re-ranked within its so many best classes, >= 1; section 5 gives the accuracy of the best ten."""
    negatives: int = 9
    """Videos of other classes for each member in the training of a classifier, at most, >= 1; section 5: "the mean
    ratio of positive samples and negative samples is 1 : 9"."""
    linear: LinearConfig = field(default_factory=_two_class)
    """The classifier of two classes. The paper fine-tunes a net for each class; this is its last layer alone."""

    def __post_init__(self) -> None:
        if self.classes < 0 or self.depth < 1 or self.negatives < 1:
            raise DataError(
                "refinement needs classes >= 0, depth >= 1 and negatives >= 1, got "
                f"{self.classes}, {self.depth} and {self.negatives}"
            )


@dataclass(frozen=True, eq=False)
class Refiner:
    """The trained classifiers of the refined classes.

    Attributes:
        classes: which are refined, as columns of the scores.
        linear: one row of weights for each of them; its margins rise with membership.
        depth: as in the configuration.
    """

    classes: Int[np.ndarray, " refined"]
    linear: Linear
    depth: int

    def __call__(
        self, scores: Float[np.ndarray, "videos classes"], rows: Float[np.ndarray, "videos dims"]
    ) -> Float[np.ndarray, "videos classes"]:
        """Re-rank videos that are scored together; one video alone keeps its scores.

        Args:
            scores: fused scores of the videos.
            rows: what the classifiers see of the same videos.

        Returns:
            The same scores; within each refined class those of its candidates are permuted.
        """
        refined = scores.copy()
        if not len(self.classes):
            return refined
        among, margins = candidates(scores, depth=self.depth), self.linear.margins(rows)
        for place, column in enumerate(self.classes):
            refined[:, column] = dealt(scores[:, column], margins[:, place], among[:, column])
        return refined

    def tensors(self) -> dict[str, Tensor]:
        """What restore_refiner takes."""
        parts = {"classes": self.classes, "weight": self.linear.weight, "bias": self.linear.bias}
        return {name: torch.from_numpy(values) for name, values in parts.items()}


def restore_refiner(
    tensors: Mapping[str, Tensor], config: RefinementConfig, *, classes: int, dims: int, where: str
) -> Refiner:
    """The refiner whose tensors these are.

    Args:
        tensors: from Refiner.tensors.
        config: what it was trained as.
        classes: columns of the scores.
        dims: numbers in what its classifiers see.
        where: the file, for the message.

    Raises:
        DataError: when they do not fit.
    """
    chosen, weight, bias = (tensors.get(name, torch.zeros(0)).numpy() for name in ("classes", "weight", "bias"))
    fits = weight.shape == (len(chosen), dims) and bias.shape == chosen.shape and set(chosen) <= set(range(classes))
    if not fits or chosen.dtype != np.int64:
        raise DataError(f"{where} must hold a row of {dims} weights for some of {classes} classes, got {weight.shape}")
    return Refiner(chosen, Linear(weight, bias, config.linear), config.depth)


def candidates(scores: Float[np.ndarray, "videos classes"], *, depth: int) -> Bool[np.ndarray, "videos classes"]:
    """Which classes are among the `depth` best of each video; the first named wins among equals."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    among = np.zeros(scores.shape, bool)
    np.put_along_axis(among, best, True, axis=1)
    return among


def dealt(
    column: Float[np.ndarray, " videos"], ranks: Float[np.ndarray, " videos"], among: Bool[np.ndarray, " videos"]
) -> Float[np.ndarray, " videos"]:
    """The scores of one class dealt out anew among some videos: the k-th highest to the video of the k-th highest rank.

    Where ranks are equal the old order of scores stays. Ranks that put every member first never lower the average
    precision: of the places in the ranking that candidates hold, members then hold the first.

    Args:
        column: a score for each video.
        ranks: higher for surer members.
        among: the candidates; the others keep their scores.

    Returns:
        A permutation of the column.
    """
    places = np.flatnonzero(among)
    order = places[np.lexsort((-column[places], -ranks[places]))]
    new = column.copy()
    new[order] = np.sort(column[places])[::-1]
    return new


def class_errors(
    scores: Float[np.ndarray, "videos classes"], members: Bool[np.ndarray, "videos classes"]
) -> Float[np.ndarray, " classes"]:
    """Top-1 error of each class: the share of its videos whose best class is none of theirs; NaN without a video.

    Source: report 03, table 1.
    """
    wrong = ~np.take_along_axis(members, scores.argmax(axis=1)[:, None], axis=1)[:, 0]
    counts = members.sum(axis=0)
    errors = np.full(members.shape[1], np.nan)
    np.divide((members & wrong[:, None]).sum(axis=0), counts, out=errors, where=counts > 0)
    return errors


def hardest(
    scores: Float[np.ndarray, "videos classes"], members: Bool[np.ndarray, "videos classes"], count: int
) -> Int[np.ndarray, " hardest"]:
    """The `count` classes of the highest top-1 error, the hardest first; fewer if fewer have a video.

    Among equal errors the class goes first that gives its own videos less on the average.

    Args:
        scores: of held-out videos, >= 0.
        members: their classes.
        count: >= 0.
    """
    errors, counts = class_errors(scores, members), members.sum(axis=0)
    own = np.where(members, scores, 0.0).sum(axis=0) / np.maximum(counts, 1)
    order = np.lexsort((own, -errors))
    return order[counts[order] > 0][:count]


def learning_set(
    column: Float[np.ndarray, " videos"], members: Bool[np.ndarray, " videos"], *, negatives: int
) -> Int[np.ndarray, " chosen"]:
    """The videos that a classifier of two classes learns from: all members, and those most easily taken for one.

    Args:
        column: scores of the class.
        members: which videos have it.
        negatives: videos without it for each member, at most; those with the highest scores.

    Returns:
        Indices that rise.
    """
    others = np.flatnonzero(~members)
    order = others[np.argsort(-column[others], kind="stable")]
    return np.sort(np.concatenate([np.flatnonzero(members), order[: negatives * int(members.sum())]]))


def fit_refiner(
    rows: Float[np.ndarray, "videos dims"],
    scores: Float[np.ndarray, "videos classes"],
    members: Bool[np.ndarray, "videos classes"],
    config: RefinementConfig,
    *,
    classes: Int[np.ndarray, " hardest"],
) -> Refiner:
    """Train the classifiers of some classes on training videos.

    Args:
        rows: what the classifiers see of each video.
        scores: fused scores of the same videos; they choose the negatives.
        members: their classes.
        config: how.
        classes: those to refine, from `hardest`; one without a member, or with nothing else, is left out.

    Raises:
        DataError: on rows that are not finite.
    """
    counts = members.sum(axis=0)
    kept = classes[(counts[classes] > 0) & (counts[classes] < len(members))]
    weight, bias = np.zeros((len(kept), rows.shape[1])), np.zeros(len(kept))
    for place, column in enumerate(kept):
        chosen = learning_set(scores[:, column], members[:, column], negatives=config.negatives)
        own = members[chosen, column]
        linear = fit_linear(rows[chosen], np.column_stack([~own, own]), config.linear)
        weight[place], bias[place] = linear.weight[1] - linear.weight[0], linear.bias[1] - linear.bias[0]
    return Refiner(kept, Linear(weight, bias, config.linear), config.depth)
