"""How the scores of an ensemble's members become one: the rules of the reports, fixed or learnt, behind one call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from untrimmed.fuse.search import WeightSearch
from untrimmed.fuse.stacking import MaxoutMeta, MaxoutStacking, fit_stacking, restored, stacked
from untrimmed.fuse.votes import majority, shares
from untrimmed.fuse.weights import weighted_mean
from untrimmed.records import DataError

TABLE = "fusion"
"""The name under which what was learnt is stored."""


@dataclass(frozen=True, kw_only=True)
class Equal:
    """The mean over the members."""

    learns: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class Weighted:
    """The mean over the members with given weights."""

    learns: ClassVar[bool] = False

    weights: tuple[float, ...]
    """One number >= 0 a member, in their order, not all 0."""

    def __post_init__(self) -> None:
        if not all(0 <= weight < np.inf for weight in self.weights) or not sum(self.weights) > 0:
            raise DataError(f"weights of a fusion must be finite and >= 0 and not all 0, got {self.weights}")


@dataclass(frozen=True, kw_only=True)
class Searched:
    """The mean over the members with weights that are searched for on validation videos."""

    learns: ClassVar[bool] = True

    search: WeightSearch = field(default_factory=WeightSearch)
    """How, and which figure they raise."""


@dataclass(frozen=True, kw_only=True)
class Highest:
    """The largest score of any member for each class, brought to the sum 1.

    Source: report 14, section 2.5.1, "Maxing out".
    """

    learns: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class Majority:
    """The class that most members put first; equal counts are decided by the mean over the members.

    Source: report 04; report 14, section 2.5.1.
    """

    learns: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class Stacked:
    """A meta-model on the scores of all members, learnt on validation videos.

    Source: report 14, section 2.5.2.
    """

    learns: ClassVar[bool] = True

    stacking: MaxoutStacking = field(default_factory=MaxoutStacking)
    """How it learns."""


AnyFusion = Equal | Weighted | Searched | Highest | Majority | Stacked
"""`learns` says whether a fusion needs scores of validation videos."""


@dataclass(frozen=True, eq=False)
class FittedFusion:
    """A fusion that is ready to be used.

    Attributes:
        fusion: the rule.
        weights: of the members, where they were searched for.
        meta: the meta-model, where scores are stacked.
    """

    fusion: AnyFusion
    weights: Float[np.ndarray, " members"] | None = None
    meta: MaxoutMeta | None = None

    def __call__(self, scores: Float[np.ndarray, "members videos classes"]) -> Float[np.ndarray, "videos classes"]:
        """Fuse.

        Args:
            scores: >= 0; each member's row is first divided by its sum, and a row of zeros abstains.

        Returns:
            Rows of sum 1, with every class ranked; where all members abstain, every class gets the same.

        Raises:
            DataError: without a member, on scores that are negative or not finite, or on another number of members.
        """
        if not len(scores):
            raise DataError("fusion needs scores of at least one member, got none")
        fused = self._fused(shares(scores))
        sums = fused.sum(axis=1, keepdims=True)
        return np.divide(fused, sums, out=np.full_like(fused, 1 / fused.shape[1]), where=sums > 0)

    def _fused(self, given: Float[np.ndarray, "members videos classes"]) -> Float[np.ndarray, "videos classes"]:
        match self.fusion:
            case Highest():
                return np.asarray(given.max(axis=0))
            case Majority():
                return majority(given)
            case Stacked():
                assert self.meta is not None
                return stacked(self.meta, given)
            case Weighted(weights=weights):
                return weighted_mean(given, weights)
            case Searched():
                assert self.weights is not None
                return weighted_mean(given, self.weights.tolist())
            case Equal():
                return weighted_mean(given)

    def tables(self) -> dict[str, dict[str, Tensor]]:
        """What was learnt, as tables of tensors by name; empty for a fusion that does not learn."""
        if self.weights is not None:
            return {TABLE: {"weights": torch.from_numpy(self.weights)}}
        return {} if self.meta is None else {TABLE: dict(self.meta.state_dict())}


def fit_fusion(
    fusion: AnyFusion,
    scores: Float[np.ndarray, "members videos classes"],
    members: Bool[np.ndarray, "videos classes"],
    *,
    seed: int,
) -> FittedFusion:
    """Make a fusion ready; one that does not learn looks at nothing, so there may be no videos.

    Args:
        fusion: the rule.
        scores: >= 0, of validation videos, which the members did not learn from.
        members: which classes each video has.
        seed: of what is drawn (the halves of stacking).

    Raises:
        DataError: when there is nothing to learn from, or scores are negative or not finite.
    """
    if not fusion.learns:
        return FittedFusion(fusion)
    if not len(scores) or scores.shape[1:] != members.shape:
        raise DataError(f"fusion needs scores of members, each {members.shape} as the classes, got {scores.shape}")
    if isinstance(fusion, Stacked):
        return FittedFusion(fusion, meta=fit_stacking(fusion.stacking, scores, members, seed=seed))
    assert isinstance(fusion, Searched)
    return FittedFusion(fusion, weights=fusion.search(shares(scores), members))


def restore_fusion(fusion: AnyFusion, tables: Mapping[str, Mapping[str, Tensor]], *, where: str) -> FittedFusion:
    """The fusion whose `tables` were stored; other tables are not looked at.

    Args:
        fusion: the rule.
        tables: by name.
        where: they come from, for messages.

    Raises:
        DataError: when the table of a fusion that learns is missing or not its own.
    """
    if not fusion.learns:
        return FittedFusion(fusion)
    table = tables.get(TABLE)
    if table is None:
        raise DataError(f"{where} must hold what the fusion {type(fusion).__name__} learnt, got no table {TABLE!r}")
    if isinstance(fusion, Stacked):
        return FittedFusion(fusion, meta=restored(table, where=where))
    weights = table.get("weights")
    if weights is None or weights.ndim != 1 or not bool((weights >= 0).all()):
        raise DataError(f"a searched fusion needs weights >= 0, one a member, got {weights} ({where})")
    return FittedFusion(fusion, weights=weights.double().numpy())
