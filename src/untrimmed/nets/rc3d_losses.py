"""What R-C3D learns: the four losses of its two subnets, together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from untrimmed.nets.rc3d import STEP_FRAMES, Rc3dNet, joined
from untrimmed.propose.anchors import encode
from untrimmed.propose.temporal_anchors import POSITIVE, OverlapLabels, draw, label_by_overlap, step_anchors


class Losses(NamedTuple):
    """Each a mean over what a batch draws."""

    anchor_score: Tensor
    anchor_offset: Tensor
    class_score: Tensor
    class_offset: Tensor


def joint_loss(model: nn.Module, batch: Sequence[Tensor]) -> Tensor:
    """Sum of the four losses, the two of regression times lambda.

    Source: report 20 (R-C3D), section 3.4, equation 1.
    """
    assert isinstance(model, Rc3dNet)
    frames, lengths, segments, labels = batch
    found = losses(model, frames, lengths, segments, labels)
    offsets = found.anchor_offset + found.class_offset
    return found.anchor_score + found.class_score + model.config.trade_off * offsets


def losses(
    net: Rc3dNet,
    frames: Tensor,
    lengths: Float[Tensor, " n"],
    segments: Float[Tensor, "n most 2"],
    labels: Int[Tensor, "n most"],
) -> Losses:
    """The losses of a batch of buffers.

    Softmax losses are means over what is drawn, smooth L1 losses are sums over the positives of it divided by the same
    number. The annotated segments are among the proposals that the classification subnet learns from. Random draws
    come from torch's generator of the CPU.

    Args:
        net: in training mode.
        frames: the buffers.
        lengths: frames of content in each.
        segments: annotated, in frames of the buffer, padded.
        labels: their classes, -1 for padding.
    """
    config = net.config
    maps = net.maps(frames)
    logits, offsets = net.proposed(maps)
    steps = maps.shape[2]
    anchors = step_anchors(steps, config.scales)
    known = segments.detach().double().cpu().numpy() / STEP_FRAMES
    classes = labels.cpu().numpy()
    ends = (lengths / STEP_FRAMES).tolist()
    places, kinds, goals = [], [], []
    regions, region_classes, region_goals = [], [], []
    for number, end in enumerate(ends):
        real = classes[number] >= 0
        instances, names = known[number][real], classes[number][real]
        found = label_by_overlap(
            anchors,
            instances,
            positive_tiou=config.anchor_positive_tiou,
            negative_tiou=config.anchor_negative_tiou,
            best=True,
            allowed=_learnt(anchors, steps, crossing=config.crossing),
        )
        chosen = _drawn(found, count=config.anchors_drawn, positive_share=1 / 2, fill=config.fill)
        places.append(chosen + number * len(anchors))
        kinds.append(found.kind[chosen])
        goals.append(_goals(anchors, instances, found, chosen))
        candidates = net.candidates(logits[number], offsets[number], steps=end, most=config.training_proposals)
        proposals = np.concatenate([candidates.segments, instances])
        found = label_by_overlap(
            proposals,
            instances,
            positive_tiou=config.proposal_positive_tiou,
            negative_tiou=config.proposal_positive_tiou,
            least_negative_tiou=config.proposal_least_tiou,
        )
        chosen = _drawn(found, count=config.proposals_drawn, positive_share=1 / 4, fill=config.fill)
        regions.append(proposals[chosen])
        named = np.append(names, net.classes)[np.where(found.kind[chosen] == POSITIVE, found.instance[chosen], -1)]
        region_classes.append(named)
        region_goals.append(_goals(proposals, instances, found, chosen) / np.asarray(config.offset_scale))
    device = maps.device
    place = torch.from_numpy(np.concatenate(places)).to(device)
    anchor_losses = _pair(
        logits.flatten(0, 1)[place],
        offsets.flatten(0, 1)[place],
        torch.from_numpy(np.concatenate(kinds)).to(device),
        torch.from_numpy(np.concatenate(goals)).to(device),
        background=0,
    )
    table, owners = joined(regions, device=device)
    scores, moves = net.classified(maps, owners, table)
    goal_class = torch.from_numpy(np.concatenate(region_classes)).to(device)
    own = goal_class.clamp(max=net.classes - 1)  # the background's row is not used
    own_moves = moves[torch.arange(len(own), device=device), own]
    goal_move = torch.from_numpy(np.concatenate(region_goals)).to(device)
    class_losses = _pair(scores, own_moves, goal_class, goal_move, background=net.classes)
    return Losses(*anchor_losses, *class_losses)


def _learnt(anchors: Float[np.ndarray, "n 2"], steps: int, *, crossing: bool) -> Bool[np.ndarray, " n"]:
    inside = (anchors[:, 0] >= -1e-9) & (anchors[:, 1] <= steps + 1e-9)
    # a buffer shorter than every anchor would teach nothing
    return np.ones(len(anchors), dtype=bool) if crossing or not inside.any() else inside


def _drawn(found: OverlapLabels, *, count: int, positive_share: float, fill: bool) -> Int[np.ndarray, " drawn"]:
    keys = torch.rand(len(found.kind)).double().numpy()
    return draw(found.kind, count=count, positive_share=positive_share, keys=keys, fill=fill)


def _goals(
    segments: Float[np.ndarray, "n 2"],
    instances: Float[np.ndarray, "m 2"],
    found: OverlapLabels,
    chosen: Int[np.ndarray, " drawn"],
) -> Float[np.ndarray, "drawn 2"]:
    """Where the instance of each positive lies, relative to it; 0 for the others."""
    goals = np.zeros((len(chosen), 2))
    positive = found.kind[chosen] == POSITIVE
    own = chosen[positive]
    goals[positive] = encode(segments[own], instances[found.instance[own]])
    return goals


def _pair(
    logits: Float[Tensor, "n kinds"],
    offsets: Float[Tensor, "n 2"],
    kind: Int[Tensor, " n"],
    goal: Float[Tensor, "n 2"],
    *,
    background: int,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Softmax loss, and smooth L1 of what is no background."""
    score = nn.functional.cross_entropy(logits, kind)
    each = nn.functional.smooth_l1_loss(offsets, goal.to(offsets.dtype), reduction="none").sum(1)
    return score, (each * (kind != background)).sum() / len(kind)
