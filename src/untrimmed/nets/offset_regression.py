"""Offset regression: a net that, beside the class of a frame, learns how far the ends of the present action are."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone
from untrimmed.records import DataError

TARGETS = 3
"""Since the beginning, until the end, and the whole duration."""


@dataclass(frozen=True, kw_only=True)
class OffsetConfig:
    """The second task and its loss."""

    unit: Literal["video", "seconds"] = "video"
    """In what offsets and duration are told: shares of the video, which keeps the two losses comparable however long
    videos are, or seconds. Report 09 does not say."""
    weight: float = 1.0
    """Of the regression's loss against that of the classes; the report does not say."""

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise DataError(f"weight of offset regression must be positive, got {self.weight}; take None to leave it")

    def targets(self, moment: float, segment: tuple[float, float], duration: float) -> tuple[float, float, float]:
        """What is learnt of a frame.

        Args:
            moment: of the frame, seconds; one outside the segment counts as its nearer end.
            segment: the action about it, seconds.
            duration: of the video, seconds.

        Returns:
            Since the beginning, until the end, and their sum, all >= 0.
        """
        unit = duration if self.unit == "video" else 1.0
        since = min(max(moment - segment[0], 0.0), segment[1] - segment[0])
        whole = segment[1] - segment[0]
        return since / unit, (whole - since) / unit, whole / unit


class OffsetNet(nn.Module):
    """A backbone whose feature goes into two sibling layers: class logits, and three numbers a class.

    Source: report 09, section 2.2.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.offsets = nn.Linear(backbone.dims, TARGETS * backbone.classes)

    def forward(
        self, clips: Shaped[Tensor, "n channels *positions"]
    ) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "n classes targets"]]:
        """Logits, and for each class what the offsets would be if the frame showed it."""
        feature = self.backbone.dropout(self.backbone.pooled(clips))
        return self.backbone.classifier(feature), self.offsets(feature).unflatten(1, (-1, TARGETS))


def offset_loss(
    logits: Float[Tensor, "n classes"],
    offsets: Float[Tensor, "n classes targets"],
    labels: Int[Tensor, " n"],
    targets: Float[Tensor, "n targets"],
    config: OffsetConfig,
) -> Float[Tensor, ""]:
    """Cross-entropy + weight * smooth L1 of the true class's three numbers, summed over them; the mean over frames.

    Source: report 09, section 2.2; Girshick, Fast R-CNN, ICCV 2015, equation 3, for the smooth L1 of one class.
    """
    own = offsets[torch.arange(len(labels), device=labels.device), labels]
    regression = nn.functional.smooth_l1_loss(own, targets, reduction="none").sum(dim=1).mean()
    return nn.functional.cross_entropy(logits, labels) + config.weight * regression
