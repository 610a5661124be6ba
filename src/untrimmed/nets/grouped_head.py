"""A head on rows that are pooled by the group of a map they fall in, instead of all together."""

from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from untrimmed.aggregate.padding import blanked, own_steps
from untrimmed.aggregate.rsom import RsomConfig, fit_rsom
from untrimmed.classify.maxout import MaxoutHeadConfig, PreluHeadConfig
from untrimmed.records import NotTrained


@dataclass(frozen=True, kw_only=True)
class GroupedHeadConfig:
    """The map and the head on what it parts."""

    groups: RsomConfig = field(default_factory=RsomConfig)
    """The map; report 14, section 2.1: "we cluster data into 25 groups by RSOM"."""
    head: MaxoutHeadConfig | PreluHeadConfig = field(default_factory=MaxoutHeadConfig)
    """The fully connected head on top."""
    rectify: bool = True
    """Leave out rows that the map finds to be outliers. Report 14 does not say; it is what the map is for."""

    def build(self, dims: int, classes: int) -> "GroupedHead":
        """The head for rows of so many dims."""
        return GroupedHead(self, dims, classes)


class GroupedHead(nn.Module):
    """Rows to logits: the mean of a video's rows in parts, one a group, side by side, then a fully connected head.

        part_g = (sum of the video's rows in group g) / (rows of the video)

    The parts add up to the mean over the video, so that a head which treats all groups alike sees the plain mean.
    Outliers are left out of both sums; a video of outliers alone keeps them.

    The map is learnt once, before the head: from the rows given to `learn_groups`, or else from those of the first
    batch in training. It is kept with the weights.

    Source: report 14, section 2.1, ResFeat2: "similar architecture as above, but additionally we cluster data into 25
    groups by RSOM and train a MLP on top of it". What enters the MLP of a clustered video it does not say.
    """

    units: Tensor
    salient: Tensor
    reach: Tensor
    learnt: Tensor

    def __init__(self, config: GroupedHeadConfig, dims: int, classes: int) -> None:
        super().__init__()
        self.config, groups = config, config.groups.groups
        self.register_buffer("units", torch.zeros(groups, dims))
        self.register_buffer("salient", torch.ones(groups, dtype=torch.bool))
        self.register_buffer("reach", torch.zeros(groups))
        self.register_buffer("learnt", torch.tensor(False))
        self.head = config.head.build(groups * dims, classes)

    def learn_groups(self, rows: Float[Tensor, "n dims"]) -> None:
        """Learn the map from rows of training videos; the first process's where there are several.

        Raises:
            DataError: without rows, or on numbers that are not finite.
        """
        found = fit_rsom(rows.detach().float().cpu().numpy(), self.config.groups)
        for kept, values in ((self.units, found.units), (self.salient, found.salient), (self.reach, found.reach)):
            kept.copy_(torch.from_numpy(values))
            if dist.is_available() and dist.is_initialized():
                dist.broadcast(kept, 0)
        self.learnt.fill_(True)

    def groups(self, rows: Float[Tensor, "n steps dims"]) -> tuple[Int[Tensor, "n steps"], Bool[Tensor, "n steps"]]:
        """The group of each row, and whether it is no outlier."""
        distance, group = torch.cdist(rows.to(self.units), self.units[None].expand(len(rows), -1, -1)).min(dim=2)
        return group, self.salient[group] & (distance <= self.reach[group])

    def pooled(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n groups dims"]:
        """The part of each group.

        Raises:
            DataError: on a length below 1 or above the steps of rows.
            NotTrained: before a map was learnt.
        """
        own = own_steps(rows, lengths)
        if not bool(self.learnt):
            if not self.training:
                raise NotTrained("a head over groups has no map yet: train it, or call learn_groups first")
            self.learn_groups(rows[own])
        rows = blanked(rows, own)
        group, inlying = self.groups(rows)
        used = own & inlying if self.config.rectify else own
        used = torch.where(used.any(dim=1, keepdim=True), used, own)
        shares = nn.functional.one_hot(group, len(self.units)) * used[..., None] / used.sum(1)[:, None, None]
        return shares.to(rows).transpose(1, 2) @ rows

    def forward(
        self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n classes"]:
        """Logits; arguments and errors as in pooled."""
        return self.head.classify(self.pooled(rows, lengths).flatten(1))
