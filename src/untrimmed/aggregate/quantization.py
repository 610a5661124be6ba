"""Deep quantization: the way a video's local features would pull a generative net that learnt them all."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from untrimmed.aggregate.padding import blanked, own_steps
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class QuantizationConfig:
    """The generative net. Report 17, section 3, gives its objective and none of its sizes."""

    hidden: int = 256
    """Units of the hidden layer on either side of the code; a video's vector has dims * (hidden + 2) numbers. The
    paper does not say."""
    code: int = 128
    """Numbers of the code, >= 1. The paper does not say."""
    classification: float = 0.1
    """lambda, the weight of the classification term, >= 0; of effect only in a net that was built with classes. The
    paper does not say."""
    power: float = 0.5
    """Power of each number before a video's vector is brought to length 1; 1 changes nothing. The paper says
    "normalize"; the signed square root is customary with Fisher vectors."""

    def __post_init__(self) -> None:
        if self.hidden < 1 or self.code < 1 or not self.classification >= 0 or not 0 < self.power <= 1:
            raise DataError(
                f"deep quantization needs sizes >= 1, classification >= 0 and a power in (0, 1], got {self}"
            )

    def build(self, dims: int, classes: int = 0) -> "DeepQuantization":
        """The net for local features of so many dims; with classes, it learns to tell them apart as well."""
        return DeepQuantization(self, dims, classes)


class DeepQuantization(nn.Module):
    """A variational auto-encoder of local features, and the Fisher score of a set of them under it.

        q(z | f) = N(m(f), s(f)^2),  p(z) = N(0, 1),  p(f | z) = N(W h(z) + b, v)
        -log p(f) <= KL(q(z | f) || p(z)) - E_q log p(f | z)

    with one hidden layer of rectified units on either side, h the one of the decoder, and a variance v for each dim.
    The score is the gradient of -log p(f | z) at z = m(f) in W, b and log v, the layer that says what a feature looks
    like; over which of the net's parameters the report differentiates, it does not say.

    Source: report 17, section 3, equations 2 and 3; Qiu, Yao and Mei, Deep Quantization: Encoding Convolutional
    Activations with Deep Generative Model, CVPR 2017; Kingma and Welling, Auto-encoding variational Bayes, 2014.
    """

    def __init__(self, config: QuantizationConfig, dims: int, classes: int = 0) -> None:
        super().__init__()
        self.config, self.dims = config, dims * (config.hidden + 2)
        self.encode = nn.Sequential(
            nn.Linear(dims, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 2 * config.code)
        )
        self.unfold = nn.Sequential(nn.Linear(config.code, config.hidden), nn.ReLU())
        self.decode = nn.Linear(config.hidden, dims)
        self.log_variance = nn.Parameter(torch.zeros(dims))
        self.classify = nn.Linear(config.code, classes) if classes else None

    def posterior(self, rows: Float[Tensor, "n dims"]) -> tuple[Float[Tensor, "n code"], Float[Tensor, "n code"]]:
        """The mean of each feature's code and the logarithm of its variance."""
        mean, log_variance = self.encode(rows).chunk(2, dim=1)
        return mean, log_variance

    def surprise(self, rows: Float[Tensor, "n dims"], codes: Float[Tensor, "n code"]) -> Float[Tensor, " n"]:
        """-log p(f | z) of each feature, in nats."""
        beyond = rows - self.decode(self.unfold(codes))
        parts = beyond.square() * (-self.log_variance).exp() + self.log_variance + math.log(2 * math.pi)
        return parts.sum(dim=1) / 2

    def bound(self, rows: Float[Tensor, "n dims"], noise: Float[Tensor, "n code"]) -> Float[Tensor, " n"]:
        """An estimate of the upper bound on -log p(f) of each feature, by one draw of its code.

        Args:
            rows: local features.
            noise: drawn from N(0, 1), one row for each feature.
        """
        mean, log_variance = self.posterior(rows)
        apart = (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2  # KL(q || p)
        return apart + self.surprise(rows, mean + (log_variance / 2).exp() * noise)

    @torch.no_grad()
    def score(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n numbers"]:
        """The sum of the gradients of a video's features: of W row by row, then of b, then of log v.

        With r = f - W h - b they are -(r / v) h^T, -r / v and (1 - r^2 / v) / 2.

        Args:
            rows: the local features of each video, padded at the end with anything.
            lengths: features of each video; None where nothing is padded.

        Raises:
            DataError: on a length below 1 or above the steps of rows.
        """
        own = own_steps(rows, lengths)
        rows = blanked(rows, own)
        mean, _ = self.posterior(rows.flatten(0, 1))
        hidden = self.unfold(mean)
        beyond = rows - self.decode(hidden).view_as(rows)
        precision = (-self.log_variance).exp()
        pulls = blanked(-beyond * precision, own)
        spreads = blanked((1 - beyond.square() * precision) / 2, own)
        weights = pulls.transpose(1, 2) @ hidden.view(*own.shape, -1)
        return torch.cat([weights.flatten(1), pulls.sum(dim=1), spreads.sum(dim=1)], dim=1)

    def forward(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n numbers"]:
        """The vector of each video: its score, each number to the power, of length 1; arguments and errors as there."""
        return self.comparable(self.score(rows, lengths))

    def comparable(self, score: Float[Tensor, "n numbers"]) -> Float[Tensor, "n numbers"]:
        """Scores, which may be sums over parts of a video, as vectors: each number to the power, of length 1."""
        return functional.normalize(score.sign() * score.abs() ** self.config.power, dim=1)


def quantization_loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
    """Mean over local features of the bound on -log p(f), plus lambda times the cross entropy of their classes.

    The report asks for the arg max of this; the minimum is what is meant. Its classification term is not spelt out:
    here a linear classifier on the mean of the code, each feature with the class of its video.

    Args:
        model: a DeepQuantization.
        batch: features (n, dims) and, where it was built with classes, their classes (n).

    Source: report 17, section 3, equation 3.
    """
    assert isinstance(model, DeepQuantization)
    rows = batch[0]
    loss = model.bound(rows, torch.randn(len(rows), model.config.code, device=rows.device, dtype=rows.dtype)).mean()
    if model.classify is None:
        return loss
    mean, _ = model.posterior(rows)
    return loss + model.config.classification * functional.cross_entropy(model.classify(mean), batch[1])
