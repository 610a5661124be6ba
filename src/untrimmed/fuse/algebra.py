"""A small algebra of scores: how the scores of several files become comparable, become one, and make detections.

Scales bring the scores of one source to [0, 1]:
    unit      they are there already; any other is an error
    share     each video's scores divided by their sum: scores >= 0 of classes that exclude each other
    highest   all scores divided by the highest of the source: scores >= 0
    softmax   exp(x) over the sum of exp of the video's scores: logits of classes that exclude each other
    sigmoid   1 / (1 + exp(-x)): logits that stand alone

Sources with weights w become one by the mean, sum_s w_s x_s / sum_s w_s, where a source that does not name a class (or
a segment) gives it 0.

The score of a detection follows from the proposal's p with weight a and the class's c with weight b:
    product    p^a c^b
    geometric  (p^a c^b)^(1 / (a + b))
    sum        a p + b c
    mean       (a p + b c) / (a + b)
    proposal   p
    class      c

Source: ActionFormer takes the geometric mean, BSN and its kin the product; report 17, section 5.2, fuses linearly.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Float, Int

from untrimmed.records import DataError

K = TypeVar("K", bound=Hashable)

Scale = Literal["unit", "share", "highest", "softmax", "sigmoid"]
"""Names of the scales above."""
Combination = Literal["product", "geometric", "sum", "mean", "proposal", "class"]
"""Names of the ways above to the score of a detection."""


@dataclass(frozen=True, kw_only=True)
class Algebra:
    """From the scores of a proposal and a class to that of a detection."""

    combination: Combination = "product"
    """How, see above."""
    proposal_weight: float = 1.0
    """a, >= 0."""
    class_weight: float = 1.0
    """b, >= 0."""

    def __post_init__(self) -> None:
        weights = (self.proposal_weight, self.class_weight)
        if not all(0 <= weight < np.inf for weight in weights) or not sum(weights) > 0:
            raise DataError(f"weights of proposal and class must be finite and >= 0 and not both 0, got {weights}")

    def __call__(self, proposal: float, of_class: float) -> float:
        """The score of a detection.

        Args:
            proposal: p.
            of_class: c.

        Raises:
            DataError: at a negative score under a product or a root.
        """
        a, b = self.proposal_weight, self.class_weight
        if self.combination == "proposal":
            return proposal
        if self.combination == "class":
            return of_class
        if self.combination in ("sum", "mean"):
            total = a * proposal + b * of_class
            return total if self.combination == "sum" else total / (a + b)
        if min(proposal, of_class) < 0:
            raise DataError(f"a {self.combination} of scores needs both >= 0, got {proposal} and {of_class}")
        both = proposal**a * of_class**b
        return float(both if self.combination == "product" else both ** (1 / (a + b)))


def linear(sources: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None) -> dict[K, float]:
    """The weighted mean over sources of the scores of everything that some source names.

    Args:
        sources: key (a class, a segment) to score, each of one video.
        weights: one number >= 0 a source, not all 0; equal ones by default.

    Returns:
        Key to score, in order of first appearance; of a single source its own scores.

    Raises:
        DataError: when the weights do not fit.
    """
    used = checked_weights(len(sources), weights)
    if len(sources) == 1:
        return dict(sources[0])
    keys = dict.fromkeys(key for source in sources for key in source)
    shares = [weight / sum(used) for weight in used]
    return {
        key: sum(share * source.get(key, 0.0) for share, source in zip(shares, sources, strict=True)) for key in keys
    }


def checked_weights(sources: int, weights: Sequence[float] | None = None) -> list[float]:
    """One weight a source, equal ones by default.

    Raises:
        DataError: when there are more or fewer, a negative one, or only zeros.
    """
    used = [1.0] * sources if weights is None else [float(weight) for weight in weights]
    if len(used) != sources or not all(0 <= weight < np.inf for weight in used) or not sum(used) > 0:
        raise DataError(f"fusing {sources} sources needs a weight >= 0 for each and not all 0, got {weights}")
    return used


def scaled(
    scores: Float[np.ndarray, " n"], video: Int[np.ndarray, " n"], scale: Scale, *, whose: str
) -> Float[np.ndarray, " n"]:
    """Bring the scores of one source to [0, 1].

    Args:
        scores: all scores of the source.
        video: for each the number of its video, >= 0.
        scale: how, see above.
        whose: what messages call the source.

    Raises:
        DataError: when scores are not finite, or not what the scale needs.
    """
    if not np.isfinite(scores).all():
        raise DataError(f"scores of {whose} must be finite")
    if not len(scores):
        return scores
    low, high = float(scores.min()), float(scores.max())
    if scale == "unit":
        if low < 0 or high > 1:
            found = high if high > 1 else low
            raise DataError(
                f"scores of {whose} must be in [0, 1], got {found:g}; say how to bring them there: "
                "share, highest, softmax or sigmoid"
            )
        return scores
    if scale == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-np.clip(scores, -700, 700))))
    if scale == "softmax":
        top = np.full(int(video.max()) + 1, -np.inf)
        np.maximum.at(top, video, scores)
        scores = np.exp(scores - top[video])
    elif low < 0:
        raise DataError(f"scores of {whose} must be >= 0 to be divided by their {scale}, got {low:g}")
    if scale == "highest":
        return scores / high if high > 0 else scores
    sums = np.bincount(video, weights=scores)[video]
    return np.divide(scores, sums, out=np.zeros_like(scores), where=sums > 0)
