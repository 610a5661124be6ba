"""What a structured segment network says of regions of one video, and the scores that are made of it, each by name."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import softmax
from torch import Tensor

from untrimmed.localize.structured import part_bounds, part_scales, stages, step_ranges
from untrimmed.nets.ssn import Answers, SsnNet, UnifiedNet
from untrimmed.timeline import TimeGrid

Scoring = Literal["foreground", "background", "raw"]
"""What a region's activity counts for, times exp(completeness - 1): the softmax over the classes alone, the softmax
with the background among them, or the logit itself, which may be negative."""


def score_regions(
    net: SsnNet | UnifiedNet,
    values: Float[np.ndarray, "steps dims"],
    grid: TimeGrid,
    segments: Float[np.ndarray, "n 2"],
    duration: float,
) -> Answers:
    """Score every step of a video once, and pool the scores over the parts of each region.

    Args:
        net: trained; it is put into evaluation mode.
        values: rows of the video.
        grid: of the rows.
        segments: regions, seconds.
        duration: of the video, seconds.

    Source: SSN (Zhao et al., ICCV 2017), section 3.5; report 08, section 4.1 ("extracted densely").
    """
    config, device = net.config, net.norm.weight.device
    found = stages(segments, extension=config.extension)

    def tensor(array: Float[np.ndarray, "..."] | Int[np.ndarray, "..."]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    net.eval()
    with torch.inference_mode():
        return net.score(
            tensor(values.astype(np.float32)),
            tensor(step_ranges(found[:, 1], grid)),
            tensor(step_ranges(part_bounds(found, config.pyramid), grid)),
            tensor(part_scales(found, duration, config.pyramid).astype(np.float32)),
        )


def class_scores(said: Answers, scoring: Scoring) -> Float[np.ndarray, "n classes"]:
    """Scores of every class from what a net says of regions.

    exp(completeness - 1) is 1 where the hinge of a whole instance is met, so that the scores of several nets are of one
    size; the released program leaves the 1 out, which changes no order. The unified net has no completeness; its class
    0 stands for what is incomplete too, so it always takes the softmax with it.

    Source: SSN (Zhao et al., ICCV 2017), section 3.3; its released program.
    """
    activity = said.activity.double().cpu().numpy()
    if said.completeness is None:
        return np.asarray(softmax(activity, axis=1)[:, 1:], dtype=np.float64)
    if scoring == "raw":
        values = activity[:, 1:]
    else:
        values = softmax(activity[:, 1:], axis=1) if scoring == "foreground" else softmax(activity, axis=1)[:, 1:]
    return np.asarray(values * np.exp(said.completeness.double().cpu().numpy() - 1), dtype=np.float64)
