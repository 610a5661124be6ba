"""What a two-frame net learns by: flow, confidence, inverse depth and its edges, surface normals."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from untrimmed.nets.two_frame import Answer


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """What each part of the loss counts. DeMoN's are for its own data; these make the parts alike in size at first."""

    flow: float = 10.0
    """Of the distance of flow, in shares of the picture."""
    coarse: float = 5.0
    """Of the same at a 32nd of the size."""
    confidence: float = 0.3
    """Of confidence against what it should have been."""
    depth: float = 10.0
    """Of inverse depth, in 1 / metres."""
    edges: float = 0.3
    """Of the scale-invariant differences of inverse depth."""
    normals: float = 1.0
    """Of surface normals."""


def two_frame_loss(
    answer: Answer,
    weights: LossWeights,
    *,
    inverse_depth: Float[Tensor, "n 1 height width"],
    normals: Float[Tensor, "n 3 height width"],
    flow: Float[Tensor, "n 2 height width"],
    trusted: Float[Tensor, "n 1 height width"],
) -> Float[Tensor, ""]:
    """The weighted sum of all parts, each a mean over places.

    Args:
        answer: of the net.
        weights: of the parts.
        inverse_depth: 1 / metres of the first frame.
        normals: unit vectors.
        flow: measured between the two frames, shares of width and height.
        trusted: 1 where the measured flow is to be learnt from, else 0; confidence is learnt everywhere.

    Source: Ummenhofer et al., CVPR 2017, on losses.
    """
    wanted = agreement(answer.flow.detach(), flow)
    small = (answer.coarse.shape[2], answer.coarse.shape[3])
    near = functional.adaptive_avg_pool2d(trusted, small)
    coarse = answer.coarse[:, :2] - functional.adaptive_avg_pool2d(flow * trusted, small) / near.clamp_min(1e-6)
    depth, edges = answer.inverse_depth - inverse_depth, difference_loss(answer.inverse_depth, inverse_depth)
    return (
        weights.flow * _mean(length(answer.flow - flow), trusted)
        + weights.coarse * _mean(length(coarse), near)
        + weights.confidence * (answer.confidence - wanted).abs().mean()
        + weights.depth * depth.abs().mean()
        + weights.edges * edges
        + weights.normals * length(answer.normals - normals).mean()
    )


def agreement(
    flow: Float[Tensor, "n 2 height width"], truth: Float[Tensor, "n 2 height width"]
) -> Float[Tensor, "n 2 height width"]:
    """What the confidence of a flow should have been: e^(-|flow - truth|), along x and along y, in (0, 1].

    The difference counts in pixels of the map, both flows are given in shares of it.

    Source: Ummenhofer et al., CVPR 2017, on losses.
    """
    size = flow.new_tensor([flow.shape[3], flow.shape[2]])[:, None, None]
    return (-(flow - truth).abs() * size).exp()


def difference_loss(
    found: Float[Tensor, "n 1 height width"],
    truth: Float[Tensor, "n 1 height width"],
    *,
    spacings: tuple[int, ...] = (1, 2, 4, 8, 16),
) -> Float[Tensor, ""]:
    """How far relative differences to places beside are off, over several spacings.

        g_h(x) = (f(x + h) - f(x)) / (|f(x + h)| + |f(x)|), to the right and down

    It does not change when either map is multiplied by a positive number. Spacings that do not fit are left out.

    Source: Ummenhofer et al., CVPR 2017, on losses.
    """
    parts = []
    for spacing in spacings:
        if spacing < min(found.shape[2:]):
            off = _relative(found, spacing) - _relative(truth, spacing)
            parts.append(length(off).mean())
    return torch.stack(parts).sum() if parts else found.new_zeros(())


def length(x: Float[Tensor, "n dims height width"]) -> Float[Tensor, "n 1 height width"]:
    """Of vectors along the channels; its gradient is finite at 0."""
    return (x.square().sum(1, keepdim=True) + 1e-12).sqrt()


def _relative(x: Tensor, h: int) -> Tensor:
    here, right, down = x[:, :, :-h, :-h], x[:, :, :-h, h:], x[:, :, h:, :-h]
    each = [(there - here) / (there.abs() + here.abs()).clamp_min(1e-6) for there in (right, down)]
    return torch.cat(each, dim=1)


def _mean(x: Tensor, weight: Tensor) -> Tensor:
    return (x * weight).sum() / weight.sum().clamp_min(1e-6)
