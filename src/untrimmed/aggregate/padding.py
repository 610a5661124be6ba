"""Padding: which steps of a batch are a sequence's own and which only fill it up to the longest."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from untrimmed.records import DataError


def own_steps(
    rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None, *, least: int = 1
) -> Bool[Tensor, "n steps"]:
    """Which steps are a sequence's own.

    Args:
        rows: sequences, padded at the end with anything.
        lengths: steps of each, from `least` to the steps of rows; None where nothing is padded.
        least: the shortest sequence that is of use.

    Raises:
        DataError: on a length outside that range, or rows of fewer than `least` steps.
    """
    count, steps, _ = rows.shape
    if steps < least:
        raise DataError(f"sequences to aggregate need at least {least} steps, got {steps}")
    if lengths is None:
        lengths = torch.full((count,), steps, device=rows.device)
    if count and not (int(lengths.min()) >= least and int(lengths.max()) <= steps):
        got = f"{int(lengths.min())} to {int(lengths.max())}"
        raise DataError(f"sequences to aggregate need lengths from {least} to {steps} steps, got {got}")
    return torch.arange(steps, device=rows.device) < lengths.to(rows.device)[:, None]


def blanked(rows: Float[Tensor, "n steps dims"], own: Bool[Tensor, "n steps"]) -> Float[Tensor, "n steps dims"]:
    """The rows with zeros where a sequence is padded, whatever stood there, also what is no number."""
    return rows.masked_fill(~own[..., None], 0.0)
