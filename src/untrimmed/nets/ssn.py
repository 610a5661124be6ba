"""Structured segment networks over rows of steps: activity, completeness and offsets of proposals.

Two nets stand side by side: the original with its two kinds of classifiers, and the unified one of report 08. Both are
linear in the rows up to the pooling, so that at test each step is scored once, and proposals pool the steps' scores.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from untrimmed.localize.structured import Pyramid, snippet_parts


class Answers(NamedTuple):
    """What a net says of proposals.

    Attributes:
        activity: logits; class 0 is background (unified: background or incomplete), the labels follow.
        completeness: of every label; None of the unified net.
        offsets: shift of the centre and logarithm of the length for every label, standardised.
    """

    activity: Float[Tensor, "n classes_1"]
    completeness: Float[Tensor, "n classes"] | None
    offsets: Float[Tensor, "n classes 2"]


@dataclass(frozen=True, kw_only=True)
class SsnConfig:
    """The original net, "model a" of report 08."""

    pyramid: Pyramid = field(default_factory=Pyramid)
    """The parts that are pooled; SSN, section 3.2. RELEASED is that of the released program."""
    extension: float = 0.5
    """Length of start and end as a share of the proposal's; SSN, section 3.1."""
    snippets: tuple[int, int, int] = (2, 5, 2)
    """Steps drawn of start, course and end in training; SSN, section 3.4: nine in all."""
    dropout: float = 0.8
    """Share of a row's numbers dropped in training; the released program."""
    kept_share: float = 0.17
    """Of the incomplete proposals of a video, the hardest that are learnt: 1 of 6; the released program."""
    completeness_weight: float = 0.1
    """Of the completeness loss; the released program."""
    regression_weight: float = 0.1
    """Of the regression loss, lambda of SSN, equation 4; the released program."""

    def build(self, dims: int, classes: int) -> "SsnNet":
        """The net for rows of so many dims."""
        return SsnNet(self, dims, classes)


@dataclass(frozen=True, kw_only=True)
class UnifiedConfig:
    """One classifier for activity and completeness, "model b" of report 08, section 4.2."""

    pyramid: Pyramid = field(default_factory=Pyramid)
    """As in SsnConfig."""
    extension: float = 0.5
    """As in SsnConfig."""
    snippets: tuple[int, int, int] = (2, 5, 2)
    """As in SsnConfig."""
    dropout: float = 0.8
    """As in SsnConfig."""
    hidden: int = 1024
    """Units of the "fully-connected layer between the STPP and the final classifier"; the paper does not say."""
    regression_weight: float = 0.1
    """As in SsnConfig; the paper says nothing of regression here."""

    def build(self, dims: int, classes: int) -> "UnifiedNet":
        """The net for rows of so many dims."""
        return UnifiedNet(self, dims, classes)


AnySsn = SsnConfig | UnifiedConfig


class RegionLinear(nn.Module):
    """A linear layer on the pooled parts of a proposal side by side, which can be applied before the pooling.

    sum over parts p of W_p * scale_p * mean(rows of p) + b = sum over p of scale_p * mean(W_p * rows of p) + b

    Source: SSN, section 3.5 (the rearranged classifiers).
    """

    def __init__(self, parts: int, dims: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, parts, dims))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.normal_(self.weight, std=0.001)  # as the released program does

    def forward(self, parts: Float[Tensor, "n parts dims"]) -> Float[Tensor, "n outputs"]:
        """Of parts that are pooled and scaled."""
        return torch.einsum("npd,opd->no", parts, self.weight) + self.bias

    def over_steps(
        self,
        rows: Float[Tensor, "steps dims"],
        ranges: Int[Tensor, "n parts 2"],
        scales: Float[Tensor, "n parts"],
    ) -> Float[Tensor, "n outputs"]:
        """Of all steps of a video first, then pooled over the ranges of each proposal's parts."""
        total = self.bias.double().expand(len(ranges), -1)
        for part in range(ranges.shape[1]):
            scores = (rows @ self.weight[:, part].T).double()
            sums = torch.cat([torch.zeros_like(scores[:1]), scores.cumsum(0)])
            first, past = ranges[:, part].unbind(1)
            total = total + (sums[past] - sums[first]) * (scales[:, part] / (past - first))[:, None].double()
        return total.to(rows.dtype)


class _Structured(nn.Module):
    """What both nets share: rows are normalised, dropped, and pooled by the matrix of the snippets."""

    matrix: Tensor
    course: Tensor
    offset_mean: Tensor
    offset_std: Tensor

    def __init__(self, config: AnySsn, dims: int, classes: int) -> None:
        super().__init__()
        self.dims, self.classes = dims, classes
        self.norm = nn.BatchNorm1d(dims)  # sources differ in scale; the paper does not say
        self.dropout = nn.Dropout(config.dropout)
        matrix = torch.from_numpy(snippet_parts(config.snippets, config.pyramid)).float()
        first, count = config.snippets[0], config.snippets[1]
        course = torch.zeros(1, sum(config.snippets))
        course[0, first : first + count] = 1 / count
        self.register_buffer("matrix", matrix, persistent=False)
        self.register_buffer("course", course, persistent=False)
        self.register_buffer("offset_mean", torch.zeros(2))
        self.register_buffer("offset_std", torch.ones(2))
        self.regression = RegionLinear(config.pyramid.parts, dims, 2 * classes)

    def _drawn(self, rows: Float[Tensor, "n snippets dims"]) -> Float[Tensor, "n snippets dims"]:
        return self.dropout(self.norm(rows.flatten(0, 1)).view(rows.shape))

    def _offsets(self, flat: Float[Tensor, "n outputs"]) -> Float[Tensor, "n classes 2"]:
        return flat.view(-1, self.classes, 2)

    def shifts(self, offsets: Float[Tensor, "*some 2"]) -> Float[Tensor, "*some 2"]:
        """Standardised offsets as they are: what was subtracted and divided by in training."""
        return offsets * self.offset_std + self.offset_mean


class SsnNet(_Structured):
    """K + 1 activity classes on the course, K completeness classifiers and K regressors on all parts.

    Source: SSN (Zhao et al., ICCV 2017), section 3.3; report 08, section 4.1.
    """

    def __init__(self, config: SsnConfig, dims: int, classes: int) -> None:
        super().__init__(config, dims, classes)
        self.config = config
        self.activity = RegionLinear(1, dims, classes + 1)
        self.completeness = RegionLinear(config.pyramid.parts, dims, classes)

    def forward(self, rows: Float[Tensor, "n snippets dims"], scales: Float[Tensor, "n parts"]) -> Answers:
        """Of the snippets that training draws."""
        drawn = self._drawn(rows)
        parts = self.matrix @ drawn * scales[:, :, None]
        return Answers(
            self.activity(self.course @ drawn), self.completeness(parts), self._offsets(self.regression(parts))
        )

    def score(
        self,
        rows: Float[Tensor, "steps dims"],
        course: Int[Tensor, "n 2"],
        ranges: Int[Tensor, "n parts 2"],
        scales: Float[Tensor, "n parts"],
    ) -> Answers:
        """Of proposals of one video, whose steps are scored once.

        Args:
            rows: of the whole video.
            course: range of steps of each proposal.
            ranges: of its parts.
            scales: of its parts.
        """
        x = self.norm(rows)
        return Answers(
            self.activity.over_steps(x, course[:, None], torch.ones_like(scales[:, :1])),
            self.completeness.over_steps(x, ranges, scales),
            self._offsets(self.regression.over_steps(x, ranges, scales)),
        )


class UnifiedNet(_Structured):
    """One hidden layer on all parts and one classifier: class 0 is what is background or incomplete.

    Source: report 08, section 4.2.
    """

    def __init__(self, config: UnifiedConfig, dims: int, classes: int) -> None:
        super().__init__(config, dims, classes)
        self.config = config
        self.hidden = RegionLinear(config.pyramid.parts, dims, config.hidden)
        nn.init.normal_(self.hidden.weight, std=(2 / (config.pyramid.parts * dims)) ** 0.5)
        self.classifier = nn.Linear(config.hidden, classes + 1)

    def forward(self, rows: Float[Tensor, "n snippets dims"], scales: Float[Tensor, "n parts"]) -> Answers:
        """Of the snippets that training draws."""
        parts = self.matrix @ self._drawn(rows) * scales[:, :, None]
        activity = self.classifier(self.hidden(parts).relu())
        return Answers(activity, None, self._offsets(self.regression(parts)))

    def score(
        self,
        rows: Float[Tensor, "steps dims"],
        course: Int[Tensor, "n 2"],
        ranges: Int[Tensor, "n parts 2"],
        scales: Float[Tensor, "n parts"],
    ) -> Answers:
        """Of proposals of one video; the hidden layer is what is scored step by step. See SsnNet.score."""
        x = self.norm(rows)
        hidden = self.hidden.over_steps(x, ranges, scales)
        offsets = self._offsets(self.regression.over_steps(x, ranges, scales))
        return Answers(self.classifier(hidden.relu()), None, offsets)
