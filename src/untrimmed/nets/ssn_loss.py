"""What structured segment networks learn: activity, completeness and regression together."""

import torch
from torch import Tensor, nn

from untrimmed.localize.completeness import completeness_loss
from untrimmed.localize.ssn_samples import BACKGROUND, FOREGROUND, INCOMPLETE
from untrimmed.nets.ssn import SsnNet, UnifiedNet


def ssn_loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
    """Activity, completeness and regression of a batch of videos.

    The activity classifier learns from foreground and background, the unified one from all with incomplete proposals
    as background; regression from the foreground: twice the smooth L1 of standardised offsets.

    Args:
        model: SsnNet or UnifiedNet.
        batch: rows (videos, samples, snippets, dims), scales (videos, samples, parts), kinds, labels (from 0) and
            standardised offsets, as SsnItems gives them.

    Source: SSN, equations 3 and 4; report 08, sections 4.1 and 4.2.
    """
    assert isinstance(model, SsnNet | UnifiedNet)
    rows, scales, kinds, labels, goals = batch
    found = model(rows.flatten(0, 1), scales.flatten(0, 1))
    kind, label = kinds.flatten(), labels.flatten()
    used = (kind == FOREGROUND) | (kind == BACKGROUND)
    if isinstance(model, UnifiedNet):
        used |= kind == INCOMPLETE
    wanted = torch.where(kind == FOREGROUND, label + 1, torch.zeros_like(label))
    each = nn.functional.cross_entropy(found.activity, wanted, reduction="none")
    loss = (each * used).sum() / used.sum().clamp(min=1)
    if isinstance(model, SsnNet):
        assert found.completeness is not None
        scores = found.completeness.unflatten(0, kinds.shape)
        complete, incomplete = kinds == FOREGROUND, kinds == INCOMPLETE
        own = completeness_loss(scores, labels, complete, incomplete, share=model.config.kept_share)
        loss = loss + model.config.completeness_weight * own
    foreground = kind == FOREGROUND
    moved = found.offsets[torch.arange(len(label), device=label.device), label]
    missed = nn.functional.smooth_l1_loss(moved, goals.flatten(0, 1), reduction="none").mean(dim=1)
    return loss + model.config.regression_weight * 2 * (missed * foreground).sum() / foreground.sum().clamp(min=1)
