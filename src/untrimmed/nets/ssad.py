"""Prop-SSAD: overlaps of anchors at seven scales from a sequence of features, in one pass of temporal convolutions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from untrimmed.propose.anchors import Matches, grid_anchors, match
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class SsadConfig:
    """The net and its loss. Report 19 gives the map lengths and that only the overlap is learnt; the rest is SSAD's or
    that of public code for the same task, named at each field."""

    steps: int = 256
    """Length of the input sequence; section 2.1."""
    cells: tuple[int, ...] = (64, 32, 16, 8, 4, 2, 1)
    """Lengths of the maps with anchors, finest first, each half of the one before; section 2.2."""
    ratios: tuple[float, ...] = (0.5, 0.75, 1.0, 1.5, 2.0)
    """Anchor lengths relative to a cell's; SSAD, section 3.3. The paper does not say."""
    coarsest_ratios: tuple[float, ...] = (0.5, 0.75, 1.0)
    """The same on the last map, where longer ones would leave the video; public code for Prop-SSAD's task."""
    trunk_width: int = 256
    """Filters of the first layers; SSAD, section 3.3."""
    trunk_kernel: int = 9
    """Their length in steps; SSAD, section 3.3."""
    width: int = 512
    """Filters of the anchor layers; SSAD, section 3.3."""
    dropout: float = 0.0
    """Share of input features dropped in training; the paper does not say, SSAD has none."""
    positive_tiou: float = 0.5
    """An anchor is positive above; SSAD, section 3.4."""
    hard_score: float = 0.5
    """A negative anchor whose predicted overlap exceeds this is hard and always learnt; SSAD, section 3.4."""
    easy_ratio: float = 1.0
    """Random other negatives for each positive; SSAD, section 3.4 ("nearly 1:1")."""

    def __post_init__(self) -> None:
        halves = all(a == 2 * b for a, b in zip(self.cells, self.cells[1:], strict=False))
        pools = self.steps // self.cells[0] if self.cells else 0
        if not (halves and pools >= 1 and pools & (pools - 1) == 0 and pools * self.cells[0] == self.steps):
            raise DataError(
                "map lengths must halve and the first must be the steps halved some times, "
                f"got {self.cells} for {self.steps} steps"
            )

    def anchors(self) -> Float[np.ndarray, "anchors 2"]:
        """All anchors as shares of the sequence, cut to [0, 1], the finest map first.

        They are cut before they are matched, so that what is learnt is the overlap of what comes out.
        """
        maps = [grid_anchors(cells, ratios) for cells, ratios in self._maps()]
        return np.clip(np.concatenate(maps), 0.0, 1.0)

    def build(self, dims: int) -> "SsadNet":
        """The net for features of so many dims."""
        return SsadNet(self, dims)

    def _maps(self) -> list[tuple[int, tuple[float, ...]]]:
        last = len(self.cells) - 1
        return [
            (cells, self.coarsest_ratios if number == last else self.ratios) for number, cells in enumerate(self.cells)
        ]


class SsadNet(nn.Module):
    """(n, steps, dims) to the logit of each anchor's overlap with the nearest instance.

    Two kinds of layers: a trunk that halves the sequence down to the finest map, then one convolution of stride 2 a
    map, each with a convolution that predicts for its cells.

    Source: report 19, section 2.2; Lin, Zhao and Shou, Single Shot Temporal Action Detection, ACM MM 2017.
    """

    def __init__(self, config: SsadConfig, dims: int) -> None:
        super().__init__()
        self.config, self.dims = config, dims
        self.norm = nn.BatchNorm1d(dims)  # two streams differ in scale; the paper does not say
        self.dropout = nn.Dropout1d(config.dropout)
        trunk: list[nn.Module] = []
        before, length = dims, config.steps
        while length > config.cells[0]:
            trunk += [_convolution(before, config.trunk_width, config.trunk_kernel), nn.ReLU(), nn.MaxPool1d(2)]
            before, length = config.trunk_width, length // 2
        self.trunk = nn.Sequential(*trunk)
        layers, heads = [], []
        for number, (_, ratios) in enumerate(config._maps()):
            layers.append(_convolution(before, config.width, 3, stride=1 if number == 0 else 2))
            heads.append(nn.Conv1d(config.width, len(ratios), 3, padding=1))
            before = config.width
        self.layers, self.heads = nn.ModuleList(layers), nn.ModuleList(heads)

    def forward(self, sequences: Float[Tensor, "n steps dims"]) -> Float[Tensor, "n anchors"]:
        """Logits in the order of config.anchors()."""
        if sequences.shape[1] != self.config.steps:
            raise DataError(f"Prop-SSAD takes sequences of {self.config.steps} steps, got {sequences.shape[1]}")
        maps = self.trunk(self.dropout(self.norm(sequences.transpose(1, 2))))
        logits = []
        for layer, head in zip(self.layers, self.heads, strict=True):
            maps = layer(maps).relu()
            logits.append(head(maps).transpose(1, 2).flatten(1))  # cell by cell, the ratios of each in order
        return torch.cat(logits, dim=1)


def targets(config: SsadConfig, instances: Float[np.ndarray, "n 2"]) -> Matches:
    """What the net learns for one video.

    Args:
        config: of the net.
        instances: annotated segments as shares of the sequence.
    """
    return match(config.anchors(), instances, positive_tiou=config.positive_tiou)


def overlap_loss(
    logits: Float[Tensor, "n anchors"],
    overlap: Float[Tensor, "n anchors"],
    positive: Bool[Tensor, "n anchors"],
    config: SsadConfig,
) -> Float[Tensor, ""]:
    """Smooth L1 between predicted and true overlap, over positives, hard negatives and some easy ones.

    Hard negatives are those predicted above hard_score; positives by the best-anchor rule are never among them. Of
    the easy ones about easy_ratio for each positive of the video are drawn, at least one; every video counts by the
    anchors it has in the mean.

    Source: SSAD, section 3.4, "only overlap loss is used" by report 19, section 2.2.
    """
    predicted = logits.sigmoid()
    hard = ~positive & (predicted.detach() > config.hard_score)
    easy = ~positive & ~hard
    wanted = torch.clamp(config.easy_ratio * positive.sum(1, keepdim=True), min=1.0)
    share = wanted / torch.clamp(easy.sum(1, keepdim=True), min=1)
    drawn = easy & (torch.rand_like(predicted) < share)
    used = (positive | hard | drawn).float()
    each = nn.functional.smooth_l1_loss(predicted, overlap, reduction="none", beta=1.0)
    return (each * used).sum() / torch.clamp(used.sum(), min=1)


class SsadItems:
    """Training data: an item is the sequence of one video and what its anchors stand for."""

    def __init__(
        self,
        load: Callable[[str], tuple[Float[np.ndarray, "steps dims"], Float[np.ndarray, "n 2"]]],
        video_ids: Sequence[str],
        config: SsadConfig,
    ) -> None:
        """Keep where to read.

        Args:
            load: gives the sequence of a video, config.steps long, and its instances as shares of the sequence.
            video_ids: the videos.
            config: of the net.
        """
        self._load, self._video_ids, self._config = load, tuple(video_ids), config

    def __len__(self) -> int:
        return len(self._video_ids)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Sequence (steps, dims), overlap (anchors) and whether an anchor is positive (anchors)."""
        sequence, instances = self._load(self._video_ids[index])
        found = targets(self._config, instances)
        overlap = torch.from_numpy(found.overlap.astype(np.float32))
        return torch.from_numpy(np.asarray(sequence, np.float32)), overlap, torch.from_numpy(found.positive)


def batch_loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
    """overlap_loss of a batch of items."""
    assert isinstance(model, SsadNet)
    sequences, overlap, positive = batch
    return overlap_loss(model(sequences), overlap, positive, model.config)


def overlaps(model: SsadNet, sequence: Float[np.ndarray, "steps dims"]) -> Float[np.ndarray, " anchors"]:
    """Predicted overlap of every anchor with an instance, in (0, 1), in the order of config.anchors()."""
    model.eval()
    given = torch.from_numpy(np.asarray(sequence, np.float32))[None].to(model.norm.weight.device)
    with torch.inference_mode():
        return model(given).sigmoid()[0].double().cpu().numpy()


def _convolution(before: int, after: int, kernel: int, *, stride: int = 1) -> nn.Conv1d:
    layer = nn.Conv1d(before, after, kernel, stride=stride, padding=kernel // 2)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
