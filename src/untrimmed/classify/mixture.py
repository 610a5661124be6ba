"""Mixture of experts: for each class, a gate weighs a few sigmoids and an expert that always says no."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from untrimmed.records import DataError

ROWS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class MixtureConfig:
    """The classifier of report 02."""

    mixtures: int = 4
    """Experts a class, beside the one that says 0. Report 02: "We use 4 mixtures"."""
    penalty: float = 1e-8
    """Of half the squared weights of gates and experts; biases go free. The paper does not say: YouTube-8M's value."""

    def __post_init__(self) -> None:
        if self.mixtures < 1 or not self.penalty >= 0:
            got = f"{self.mixtures} and {self.penalty}"
            raise DataError(f"a mixture of experts needs an expert or more and a penalty of 0 or more, got {got}")

    def build(self, dims: int, classes: int) -> "MixtureOfExperts":
        """The classifier for features of so many dims."""
        return MixtureOfExperts(dims, classes, mixtures=self.mixtures, penalty=self.penalty)


class MixtureOfExperts(nn.Module):
    """Features to one probability a class, each class by itself: sum_k gate_k sigmoid(expert_k).

    The gates of a class are a softmax over its experts and one more, whose answer is 0. Gates have no bias.

    Source: Abu-El-Haija et al., YouTube-8M, section 4; the MoeModel of its published program.
    """

    def __init__(self, dims: int, classes: int, mixtures: int = 4, *, penalty: float = 1e-8) -> None:
        super().__init__()
        self.classes, self.mixtures, self.penalty = classes, mixtures, penalty
        self.gates = nn.Linear(dims, classes * (mixtures + 1), bias=False)
        self.experts = nn.Linear(dims, classes * mixtures)
        for layer in (self.gates, self.experts):
            nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(self.experts.bias)

    def forward(self, rows: Float[Tensor, "n dims"]) -> Float[Tensor, "n classes"]:
        """Probabilities, in [0, 1]."""
        return self.logs(rows)[0].exp()

    def logs(self, rows: Float[Tensor, "n dims"]) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "n classes"]]:
        """Logarithms of the probabilities and of what is missing from 1; exact where either is tiny."""
        gates = self.gates(rows).view(-1, self.classes, self.mixtures + 1).log_softmax(dim=2)
        experts = self.experts(rows).view(-1, self.classes, self.mixtures)
        open_gates = gates[..., : self.mixtures]
        yes = (open_gates + nn.functional.logsigmoid(experts)).logsumexp(dim=2)
        no = torch.cat([open_gates + nn.functional.logsigmoid(-experts), gates[..., self.mixtures :]], dim=2)
        return yes, no.logsumexp(dim=2)

    def held_back(self) -> Float[Tensor, ""]:
        """The penalty on the weights."""
        return self.penalty / 2 * (self.gates.weight.square().sum() + self.experts.weight.square().sum())


class RowItems:
    """Training data: an item is the features of one video and which classes it has."""

    def __init__(self, rows: Float[np.ndarray, "n dims"], members: Bool[np.ndarray, "labels classes"]) -> None:
        if len(rows) != len(members):
            raise DataError(f"training rows need as many labels, got {len(rows)} rows and {len(members)} labels")
        self._rows, self._members = rows, members

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Features (dims) and labels (classes), both float32."""
        row, mine = self._rows[index].astype(np.float32), self._members[index].astype(np.float32)
        return torch.from_numpy(row), torch.from_numpy(mine)


def mixture_loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
    """Cross entropy of each class by itself, summed over classes, mean over videos, and the penalty on the weights.

    Source: report 02, "cross entropy loss"; the CrossEntropyLoss of YouTube-8M, without its 1e-5 inside the
    logarithms, which the exact logarithms make needless.
    """
    assert isinstance(model, MixtureOfExperts)
    rows, members = batch
    yes, no = model.logs(rows)
    return -(members * yes + (1 - members) * no).sum(dim=1).mean() + model.held_back()


def mixture_scores(model: MixtureOfExperts, rows: Float[np.ndarray, "n dims"]) -> Float[np.ndarray, "n classes"]:
    """Probabilities of videos, in evaluation mode, in parts of 4,096."""
    model.eval()
    weight = model.gates.weight
    found = np.empty((len(rows), model.classes))
    with torch.inference_mode():
        for part in range(math.ceil(len(rows) / ROWS_AT_ONCE)):
            some = slice(part * ROWS_AT_ONCE, (part + 1) * ROWS_AT_ONCE)
            found[some] = model(torch.from_numpy(np.asarray(rows[some])).to(weight)).cpu().numpy()
    return found
