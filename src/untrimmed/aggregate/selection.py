"""Selection: class scores of the sections of an untrimmed video to those of the whole, learnt from the whole's labels.

Sections are judged by a classification module, and a selection module says which of them count: for every class the
k that score it highest (hard), or all by the weight of an attention that knows no class (soft).
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor, nn

from untrimmed.aggregate.padding import blanked, own_steps
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class SelectionConfig:
    """The two modules on top of the features of sections."""

    mode: Literal["soft", "hard"] = "soft"
    """How sections are selected. Report 08, section 3.1, does not say which one made its figures."""
    k: int = 3
    """Sections a class that count in hard selection, >= 1; all of them where there are fewer. Report 08 does not say;
    the value of the consensus TopK."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise DataError(f"hard selection needs k >= 1, got {self.k}")

    def build(self, dims: int, classes: int) -> "SectionSelection":
        """The modules for sections of so many dims."""
        return SectionSelection(self, dims, classes)


class SectionSelection(nn.Module):
    """Features of sections to log-probabilities of classes for the whole video.

    With x_j the logits of section j, a_j its attention and S_c the k sections that score class c highest:

        soft: p = sum_j softmax_j(a) softmax(x_j)        hard: p = softmax(r),  r_c = mean of x_jc over j in S_c

    The soft weights are the same for all classes, so probabilities are mixed; the hard ones are not, so logits are.
    Report 08 only names the frame; the formulas are those of the paper it cites. A mean stands where that paper has a
    sum over S_c, so that k and videos of fewer than k sections do not change how sharp the answer is.

    Source: report 08, section 3.1; Wang, Xiong, Lin and Van Gool, UntrimmedNets for Weakly Supervised Action
    Recognition and Detection, CVPR 2017.
    """

    def __init__(self, config: SelectionConfig, dims: int, classes: int) -> None:
        super().__init__()
        self.config = config
        self.classify = nn.Linear(dims, classes)
        # a constant added to every section's attention changes nothing: no bias
        self.attend = nn.Linear(dims, 1, bias=False) if config.mode == "soft" else None

    def attention(
        self, rows: Float[Tensor, "n sections dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n sections"]:
        """How much each section counts in soft selection: from 0 to 1, 1 in sum, 0 on what pads.

        Raises:
            DataError: on hard selection, which has no attention, or on a length out of range.
        """
        return self._log_attention(rows, own_steps(rows, lengths)).exp()

    def forward(
        self, rows: Float[Tensor, "n sections dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n classes"]:
        """Log-probabilities, whose exponentials are 1 in sum.

        Args:
            rows: features of sections, padded at the end with anything.
            lengths: sections of each video; None where nothing is padded.

        Raises:
            DataError: on a length below 1 or above the sections of rows.
        """
        own = own_steps(rows, lengths)
        logits = self.classify(blanked(rows, own))
        if self.attend is None:
            return top_means(logits, own, k=self.config.k).log_softmax(dim=1)
        return (self._log_attention(rows, own)[..., None] + logits.log_softmax(dim=2)).logsumexp(dim=1)

    def _log_attention(
        self, rows: Float[Tensor, "n sections dims"], own: Bool[Tensor, "n sections"]
    ) -> Float[Tensor, "n sections"]:
        if self.attend is None:
            raise DataError("hard selection has no attention over sections; ask for mode 'soft'")
        return self.attend(blanked(rows, own))[..., 0].masked_fill(~own, -math.inf).log_softmax(dim=1)


def top_means(
    scores: Float[Tensor, "n sections classes"], own: Bool[Tensor, "n sections"], *, k: int
) -> Float[Tensor, "n classes"]:
    """For each class the mean over the k own sections that score it highest, or over all where they are fewer.

    Args:
        scores: logits or probabilities.
        own: which sections are the video's own; at least one each.
        k: >= 1.
    """
    highest = scores.masked_fill(~own[..., None], -math.inf).topk(min(k, scores.shape[1]), dim=1).values
    taken = own.sum(dim=1).clamp(max=k)[:, None]
    counts = torch.arange(highest.shape[1], device=scores.device) < taken
    return highest.masked_fill(~counts[..., None], 0.0).sum(dim=1) / taken


def selection_loss(
    log_probabilities: Float[Tensor, "n classes"], members: Num[Tensor, "n classes"] | Bool[Tensor, "n classes"]
) -> Float[Tensor, ""]:
    """Cross entropy with labels that share one vote: -sum_c y_c log p_c, y of sum 1, mean over videos.

    Args:
        log_probabilities: of each video.
        members: which classes each video has; at least one each.

    Raises:
        DataError: on a video without a class.

    Source: Wang et al., UntrimmedNets, CVPR 2017 (multi-label videos, labels normalised to sum 1).
    """
    votes = members.to(log_probabilities)
    total = votes.sum(dim=1, keepdim=True)
    if not bool((total > 0).all()):
        row = int((total[:, 0] <= 0).nonzero()[0])
        raise DataError(f"labels of a selection loss need a class for every video, got none in row {row}")
    return -(votes / total * log_probabilities).sum(dim=1).mean()
