"""Shifting attention: weighted sums of steps, moved and scaled to one length; several groups of them; context gates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from untrimmed.aggregate.padding import blanked, own_steps
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class ShiftingConfig:
    """One group of shifting attentions, over one set of features."""

    attentions: int = 32
    """Attentions of the group, N_i. The paper does not say; 32 is what the same team released later, for each of the
    pictures and the sound of YouTube-8M."""
    alpha: float = 1.0
    """Multiplies the steps' scores, >= 0; 0 gives every step the same weight. The paper does not say; 1 leaves it to
    the learnt vector, which has the same freedom."""
    beta: float = 10.0
    """Scores are cut to [-beta, beta], > 0: no step weighs more than exp(2 beta) times another. The paper does not
    say; 10 lets one step outweigh many millions, and the weights stay finite."""

    def __post_init__(self) -> None:
        if self.attentions < 1 or not self.alpha >= 0 or not self.beta > 0:
            raise DataError(f"shifting attention needs attentions >= 1, alpha >= 0 and beta > 0, got {self}")

    def build(self, dims: int) -> "ShiftingAttention":
        """The group for steps of so many dims."""
        return ShiftingAttention(self, dims)


class ShiftingAttention(nn.Module):
    """N attentions over the same steps, each of length 1 (report 13, equations 1 and 2).

        lambda = softmax(clip(alpha w X^T, -beta, beta)),  SATT(X) = (lambda X a + b) / ||lambda X a + b||_2

    w is a vector, a and b are numbers, each attention with its own. Without the shift (b = 0) a positive a has no
    effect at all, and no gradient; a shift moves the sum along the diagonal before the length is taken out.

    The paper does not say how a and b start: a is 1, and b is drawn with a spread of 1 / sqrt(dims), so that on rows
    of length 1 the shift is about as long as the row and every attention starts out another way.

    Source: report 13, section 3.1.1.
    """

    def __init__(self, config: ShiftingConfig, dims: int) -> None:
        super().__init__()
        self.config, self.dims = config, config.attentions * dims
        self.score = nn.Linear(dims, config.attentions, bias=False)
        self.scale = nn.Parameter(torch.ones(config.attentions))
        self.shift = nn.Parameter(torch.randn(config.attentions) / math.sqrt(dims))

    def weights(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n attentions steps"]:
        """How much each step counts: from 0 to 1, 1 in sum, 0 on what pads."""
        own = own_steps(rows, lengths)
        scores = self.config.alpha * self.score(blanked(rows, own)).transpose(1, 2)
        cut = scores.clamp(-self.config.beta, self.config.beta)
        return cut.masked_fill(~own[:, None], -math.inf).softmax(dim=2)

    def forward(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n attentions dims"]:
        """The answers of all attentions, each of length 1; one that is zero before its length is taken stays zero.

        Args:
            rows: sequences, padded at the end with anything.
            lengths: steps of each; None where nothing is padded.

        Raises:
            DataError: on a length below 1 or above the steps of rows.
        """
        sums = self.weights(rows, lengths) @ blanked(rows, own_steps(rows, lengths))
        return functional.normalize(sums * self.scale[:, None] + self.shift[:, None], dim=2)


class ContextGating(nn.Module):
    """Values times gates that see all of them: sigmoid(W x + c) * x, with a square W and every gate in (0, 1).

    Source: Miech, Laptev and Sivic, Learnable pooling with context gating for video classification, 2017.
    """

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.gate = nn.Linear(dims, dims)

    def gates(self, rows: Float[Tensor, "n dims"]) -> Float[Tensor, "n dims"]:
        """What each value is multiplied by."""
        return self.gate(rows).sigmoid()

    def forward(self, rows: Float[Tensor, "n dims"]) -> Float[Tensor, "n dims"]:
        """The gated values, each with its own sign."""
        return self.gates(rows) * rows


@dataclass(frozen=True, kw_only=True)
class MultiGroupConfig:
    """Several groups of shifting attentions, one for each set of features, and the classifier on top."""

    groups: tuple[ShiftingConfig, ...] = (ShiftingConfig(), ShiftingConfig(), ShiftingConfig())
    """One group for each of appearance, motion and audio, in that order. Report 13, section 3.1.2."""
    gating: bool = True
    """Whether context gates stand before the softmax. Report 13, section 3.1.2."""

    def __post_init__(self) -> None:
        if not self.groups:
            raise DataError("multi-group shifting attention needs at least one group, got none")

    def build(self, dims: Sequence[int], classes: int) -> "MultiGroupShifting":
        """The net for sets of features of so many dims each, in the order of the groups."""
        return MultiGroupShifting(self, dims, classes)


class MultiGroupShifting(nn.Module):
    """Sets of features of one video to logits: attention groups, each of length 1, side by side; linear; gates.

    A group of N attentions of length 1 is brought to length 1 by 1 / sqrt(N). The context gates act on the logits
    ("before softmax layer"); whether they have batch normalisation the paper does not say: they have none.

    Source: report 13, section 3.1.2 and figure 1.
    """

    def __init__(self, config: MultiGroupConfig, dims: Sequence[int], classes: int) -> None:
        super().__init__()
        if len(dims) != len(config.groups):
            raise DataError(f"every attention group needs dims, got {len(dims)} for {len(config.groups)} groups")
        self.config = config
        self.groups = nn.ModuleList(group.build(size) for group, size in zip(config.groups, dims, strict=True))
        self.dims = sum(group.attentions * size for group, size in zip(config.groups, dims, strict=True))
        self.classify = nn.Linear(self.dims, classes)
        self.gating = ContextGating(classes) if config.gating else nn.Identity()

    def represent(
        self, sets: Sequence[Float[Tensor, "n _ _"]], lengths: Sequence[Int[Tensor, " n"]] | None = None
    ) -> Float[Tensor, "n dims"]:
        """The overall vector of each video, of length sqrt(groups).

        Args:
            sets: the steps of each set of features; sets may differ in steps and dims.
            lengths: the steps of each sequence of each set; None where nothing is padded.

        Raises:
            DataError: on another number of sets than of groups, or on a length out of range.
        """
        if len(sets) != len(self.groups) or (lengths is not None and len(lengths) != len(sets)):
            got = f"{len(sets)} sets" if lengths is None else f"{len(sets)} sets and {len(lengths)} lengths"
            raise DataError(f"multi-group shifting attention needs a set of features a group, got {got}")
        known = lengths if lengths is not None else [None] * len(sets)
        parts = [group(rows, own).flatten(1) for group, rows, own in zip(self.groups, sets, known, strict=True)]
        return torch.cat([functional.normalize(part, dim=1) for part in parts], dim=1)

    def forward(
        self, sets: Sequence[Float[Tensor, "n _ _"]], lengths: Sequence[Int[Tensor, " n"]] | None = None
    ) -> Float[Tensor, "n classes"]:
        """Logits; arguments and errors as in represent."""
        return self.gating(self.classify(self.represent(sets, lengths)))
