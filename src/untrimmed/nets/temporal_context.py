"""The temporal context network's ranker: a candidate and the stretch about it, side by side, to one score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from untrimmed.propose.pyramid import Pyramid, sampled_steps, with_context
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid, tiou

Load = Callable[[str], tuple[Float[np.ndarray, "steps dims"], TimeGrid, float, Float[np.ndarray, "n 2"]]]
"""Of a video: its rows, when they were measured, its duration in seconds, its instances as shares of it."""


@dataclass(frozen=True, kw_only=True)
class TemporalContextConfig:
    """The net, its samples and its loss; values are those of the released program where nothing else is said."""

    samples: int = 12
    """Steps of a candidate, and of its context."""
    kernel: int = 5
    """Length of the temporal convolution, steps."""
    filters: int | None = None
    """Filters of the convolution over all dims; None is the released reading, one filter in time for all dims."""
    pool: int = 3
    """Steps that are averaged after it."""
    hidden: int = 500
    """Units of the layer on the pair."""
    hidden_relu: bool = False
    """The released program has no non-linearity there."""
    loss: Literal["softmax", "ranking"] = "softmax"
    """softmax: two classes, the released program's; ranking: a positive is to exceed each negative of its batch by
    the margin. Report 18 does not say."""
    margin: float = 1.0
    """Of the ranking loss."""
    positive_tiou: float = 0.7
    """The best level of a place is positive above."""
    negative_tiou: float = 0.3
    """A place is negative where all levels are below."""
    other_tiou: float = 1.0
    """The other levels of a positive place are negative up to this tIoU. 1: however much they overlap, as released;
    positive_tiou spares those that would be positive themselves."""
    positives: int = 32
    """Of a video at most; half of a batch of 1,024 in all."""
    others: int = 16
    """Other levels of positive places, of a video; 256 of 1,024."""
    negatives: int = 16
    """Candidates at negative places, of a video; 256 of 1,024."""

    def __post_init__(self) -> None:
        if not 1 <= self.kernel <= self.samples or min(self.pool, self.hidden, self.filters or 1) < 1:
            raise DataError(
                "a temporal context net needs 1 <= kernel <= samples and sizes >= 1, "
                f"got kernel {self.kernel}, samples {self.samples}"
            )
        if not 0 <= self.negative_tiou <= self.positive_tiou < 1 or min(self.positives, self.negatives) < 1:
            raise DataError(
                "a temporal context net needs 0 <= negative_tiou <= positive_tiou < 1 and samples of both kinds, "
                f"got {self.negative_tiou} and {self.positive_tiou}"
            )

    def build(self, dims: int) -> "TemporalContextNet":
        """The net for rows of so many dims."""
        return TemporalContextNet(self, dims)


class TemporalContextNet(nn.Module):
    """Pairs of rows to logits of nothing and something.

    Each half has its own temporal convolution, ReLU and average; both together go through two layers. Rows are first
    brought to mean 0 and variance 1 (`standardize`), so that zeros beside the video are the mean; the released program
    takes scores as they are.

    Source: Dai et al., Temporal Context Network, ICCV 2017, and its released program; report 18.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: TemporalContextConfig, dims: int) -> None:
        super().__init__()
        self.config, self.dims = config, dims
        self.register_buffer("mean", torch.zeros(dims))
        self.register_buffer("std", torch.ones(dims))
        maps = 1 if config.filters is None else config.filters
        window = (config.kernel, 1 if config.filters is None else dims)
        self.convolutions = nn.ModuleList(nn.Conv2d(1, maps, window) for _ in range(2))
        self.pool = nn.AvgPool2d((config.pool, 1), ceil_mode=True)
        steps = -(-(config.samples - config.kernel + 1) // config.pool)
        self.hidden = nn.Linear(2 * steps * (dims if config.filters is None else maps), config.hidden)
        self.out = nn.Linear(config.hidden, 2)

    def standardize(self, rows: Float[np.ndarray, "n dims"]) -> None:
        """Take mean and variance from these rows; dims that do not vary are left at their size."""
        std = rows.std(axis=0, dtype=np.float64)
        self.mean.copy_(torch.from_numpy(rows.mean(axis=0, dtype=np.float64)))
        self.std.copy_(torch.from_numpy(np.where(std > 1e-6, std, 1.0)))

    def forward(
        self, pairs: Float[Tensor, "n pair samples dims"], inside: Bool[Tensor, "n pair samples"]
    ) -> Float[Tensor, "n 2"]:
        """Logits; samples that are not inside the video count as zeros."""
        rows = (pairs - self.mean) / self.std * inside[..., None]
        halves = [
            self.pool(convolution(rows[:, half, None]).relu()).flatten(1)
            for half, convolution in enumerate(self.convolutions)
        ]
        hidden = self.hidden(torch.cat(halves, dim=1))
        return self.out(hidden.relu() if self.config.hidden_relu else hidden)


def pair_loss(
    logits: Float[Tensor, "n 2"], labels: Int[Tensor, " n"], config: TemporalContextConfig
) -> Float[Tensor, ""]:
    """The loss over candidates of label 1 and 0; those of -1 do not count.

    softmax: the mean cross-entropy. ranking: the mean over pairs of a positive and a negative of
    max(0, margin - (s_positive - s_negative)), s the difference of the two logits; 0 where a kind is missing.
    """
    if config.loss == "softmax":
        kept = labels >= 0
        return nn.functional.cross_entropy(logits[kept], labels[kept], reduction="sum") / max(1, int(kept.sum()))
    scores = logits[:, 1] - logits[:, 0]
    apart = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    return (config.margin - apart).clamp(min=0).sum() / max(1, apart.numel())


def pair_labels(
    pyramid: Pyramid, instances: Float[np.ndarray, "n 2"], config: TemporalContextConfig
) -> tuple[Int[np.ndarray, " positives"], Int[np.ndarray, " others"], Int[np.ndarray, " negatives"]]:
    """The candidates of one video that are positive, other levels of positive places, and at negative places.

    Args:
        pyramid: of the candidates.
        instances: shares of the video.
        config: the thresholds.

    Returns:
        Indices in pyramid.anchors().
    """
    anchors, levels = pyramid.anchors(), len(pyramid.lengths)
    overlap = np.nan_to_num(tiou(anchors, instances)).max(axis=1, initial=0.0).reshape(-1, levels)
    best = overlap.argmax(axis=1)
    index = np.arange(overlap.size).reshape(overlap.shape)
    is_best = np.arange(levels) == best[:, None]
    found = overlap.max(axis=1) > config.positive_tiou
    others = found[:, None] & ~is_best & (overlap <= config.other_tiou)
    return index[found[:, None] & is_best], index[others], index[overlap.max(axis=1) < config.negative_tiou].reshape(-1)


class PairItems:
    """Training data: an item is some candidates of one video, as many of each kind as the configuration says."""

    def __init__(self, load: Load, video_ids: Sequence[str], config: TemporalContextConfig, pyramid: Pyramid) -> None:
        """Keep where to read."""
        self._load, self._video_ids, self._config, self._pyramid = load, tuple(video_ids), config, pyramid

    @property
    def identity(self) -> str:
        """What the items are."""
        return repr((self._video_ids, self._config, self._pyramid))

    def __len__(self) -> int:
        return len(self._video_ids)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """The item as one fixed draw."""
        return self.at(index, np.random.default_rng(index))

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs (n, 2, samples, dims), which samples are inside the video, labels (n): 1, 0, or -1 for no candidate."""
        config = self._config
        rows, grid, duration, instances = self._load(self._video_ids[index])
        kinds = pair_labels(self._pyramid, instances, config)
        counts = (config.positives, config.others, config.negatives)
        labels, chosen = np.full(sum(counts), -1), np.zeros(sum(counts), np.int64)
        begin = 0
        for kind, count, label in zip(kinds, counts, (1, 0, 0), strict=True):
            drawn = generator.choice(kind, min(count, len(kind)), replace=False)
            chosen[begin : begin + len(drawn)], labels[begin : begin + len(drawn)] = drawn, label
            begin += count
        pairs, inside = pair_rows(rows, grid, duration, self._pyramid.anchors()[chosen], samples=config.samples)
        return torch.from_numpy(pairs), torch.from_numpy(inside), torch.from_numpy(labels)


def pair_rows(
    rows: Float[np.ndarray, "steps dims"],
    grid: TimeGrid,
    duration: float,
    segments: Float[np.ndarray, "n 2"],
    *,
    samples: int,
) -> tuple[Float[np.ndarray, "n pair samples dims"], Bool[np.ndarray, "n pair samples"]]:
    """The rows of candidates (shares of the video) and of their contexts, and which lie inside the video."""
    steps = sampled_steps(with_context(segments), grid, duration, samples=samples)
    return np.asarray(rows[np.maximum(steps, 0)], np.float32), steps >= 0


def batch_loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
    """pair_loss of a batch of items."""
    assert isinstance(model, TemporalContextNet)
    pairs, inside, labels = (part.flatten(0, 1) for part in batch)
    return pair_loss(model(pairs, inside), labels, model.config)


def pair_scores(
    model: TemporalContextNet,
    rows: Float[np.ndarray, "steps dims"],
    grid: TimeGrid,
    duration: float,
    segments: Float[np.ndarray, "n 2"],
    *,
    at_once: int = 512,
) -> Float[np.ndarray, " n"]:
    """Score of each candidate of a video, in (0, 1): the softmax's share of something."""
    model.eval()
    found = []
    for first in range(0, len(segments), at_once):
        part = segments[first : first + at_once]
        pairs, inside = pair_rows(rows, grid, duration, part, samples=model.config.samples)
        with torch.inference_mode():
            device = model.mean.device
            logits = model(torch.from_numpy(pairs).to(device), torch.from_numpy(inside).to(device))
            found.append(logits.softmax(1)[:, 1].double().cpu().numpy())
    return np.concatenate(found) if found else np.zeros(0)
