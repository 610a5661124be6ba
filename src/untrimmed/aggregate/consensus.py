"""Consensus: one row of class scores from those of several sections of a video."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class Average:
    """The mean over the sections; the choice of temporal segment networks.

    Source: Wang et al., Temporal Segment Networks, ECCV 2016, section 3.1.
    """

    def __call__(self, scores: Float[Tensor, "n sections classes"]) -> Float[Tensor, "n classes"]:
        """Scores or logits of the whole."""
        return scores.mean(1)


@dataclass(frozen=True, kw_only=True)
class TopK:
    """For each class the mean over the k sections that score it highest; k 1 is the maximum, k >= sections the mean.

    Source: Wang et al., UntrimmedNets, CVPR 2017, section 3.3; report 08, section 2.1.
    """

    k: int = 3
    """Sections that count."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise DataError(f"k of a top-k consensus must be at least 1, got {self.k}")

    def __call__(self, scores: Float[Tensor, "n sections classes"]) -> Float[Tensor, "n classes"]:
        """Scores or logits of the whole."""
        return scores.topk(min(self.k, scores.shape[1]), dim=1).values.mean(1)


@dataclass(frozen=True, kw_only=True)
class Maximum:
    """For each class the score of the section that scores it highest.

    Source: Wang et al., Temporal Segment Networks, ECCV 2016, section 4.3 ("max pooling").
    """

    def __call__(self, scores: Float[Tensor, "n sections classes"]) -> Float[Tensor, "n classes"]:
        """Scores or logits of the whole."""
        return scores.amax(1)


Consensus = Average | TopK | Maximum
