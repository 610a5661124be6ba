"""Additive attention over the steps of a sequence."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class AdditiveAttention(nn.Module):
    """A weighted mean of values, weighted by how well each fits the decoder's state.

    e_i = w^T tanh(W_a h + U_a v_i + b_a), alpha = softmax(e) over the values that are there, phi = sum_i alpha_i v_i.

    Args:
        hidden: size of h.
        dims: size of a value.
        size: rows of W_a and U_a.

    Source: report 22, equations 3 to 5.
    """

    def __init__(self, hidden: int, dims: int, *, size: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden, size, bias=False)
        self.key = nn.Linear(dims, size)
        self.score = nn.Linear(size, 1, bias=False)

    def keys(self, values: Float[Tensor, "n steps dims"]) -> Float[Tensor, "n steps size"]:
        """U_a v + b_a, which is the same at every word."""
        return self.key(values)

    def forward(
        self,
        hidden: Float[Tensor, "n hidden"],
        values: Float[Tensor, "n steps dims"],
        *,
        keys: Float[Tensor, "n steps size"],
        mask: Bool[Tensor, "n steps"],
    ) -> tuple[Float[Tensor, "n dims"], Float[Tensor, "n steps"]]:
        """phi and alpha; alpha is 0 where the mask is False."""
        energy = self.score(torch.tanh(self.query(hidden)[:, None] + keys)).squeeze(-1)
        alpha = torch.softmax(energy.masked_fill(~mask, -torch.inf), dim=1)
        return torch.bmm(alpha[:, None], values).squeeze(1), alpha
