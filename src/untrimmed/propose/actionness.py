"""Actionness: how likely something happens at a step, whatever it is, by a net with one hidden layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from untrimmed.records import Instance
from untrimmed.timeline import TimeGrid

ROWS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class ActionnessConfig:
    """The net."""

    hidden: int = 512
    """Units of the hidden layer. Report 19, section 2.2: "one hidden layer", no size."""
    dropout: float = 0.5
    """Share of hidden units dropped in training; the paper does not say."""

    def build(self, dims: int) -> "ActionnessNet":
        """The net for features of so many dims."""
        return ActionnessNet(self, dims)


class ActionnessNet(nn.Module):
    """Features of steps to one logit each; rows are judged alone.

    Source: report 19, section 2.2, "TAG".
    """

    def __init__(self, config: ActionnessConfig, dims: int) -> None:
        super().__init__()
        self.dims = dims
        self.norm = nn.BatchNorm1d(dims)  # two streams differ in scale; the paper does not say
        self.hidden = nn.Linear(dims, config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.hidden, 1)

    def forward(self, rows: Float[Tensor, "n dims"]) -> Float[Tensor, " n"]:
        """Logits of action."""
        return self.out(self.dropout(self.hidden(self.norm(rows)).relu()))[:, 0]


def step_labels(instances: Sequence[Instance], grid: TimeGrid) -> Float[np.ndarray, " steps"]:
    """1 where the middle of a step lies in an annotated instance, else 0; an instance of any length marks a step."""
    labels = np.zeros(grid.steps)
    for instance in instances:
        first, past = grid.step_range(instance.segment)
        labels[first:past] = 1.0
    return labels


def actionness(model: ActionnessNet, rows: Float[np.ndarray, "steps dims"]) -> Float[np.ndarray, " steps"]:
    """Probability of action at each step, in [0, 1]."""
    model.eval()
    device = model.out.weight.device
    with torch.inference_mode():
        parts = [model(torch.from_numpy(part).to(device)).sigmoid().cpu() for part in _parts(rows)]
    return torch.cat(parts).double().numpy() if parts else np.zeros(0)


class StepItems:
    """Training data: an item is some steps of one video, half of them in action where the video has both kinds."""

    def __init__(
        self,
        load: Callable[[str], tuple[Float[np.ndarray, "steps dims"], TimeGrid]],
        instances: Sequence[tuple[str, Sequence[Instance]]],
        *,
        steps_a_video: int = 32,
    ) -> None:
        """Keep where to read.

        Args:
            load: gives the features of a video and their grid.
            instances: video_id and what is annotated in it.
            steps_a_video: how many an item holds; drawn again and again where a video has fewer.
        """
        self._load, self._instances, self._count = load, list(instances), steps_a_video

    def __len__(self) -> int:
        return len(self._instances)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """The item as one fixed draw."""
        return self.at(index, np.random.default_rng(index))

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Rows (count, dims) and their labels (count)."""
        video_id, instances = self._instances[index]
        rows, grid = self._load(video_id)
        labels = step_labels(instances, grid)
        kinds = [np.flatnonzero(labels == value) for value in (0, 1)]
        present = [kind for kind in kinds if len(kind)]
        shares = np.array_split(np.arange(self._count), len(present))
        drawn = np.concatenate([generator.choice(kind, len(part)) for kind, part in zip(present, shares, strict=True)])
        return torch.from_numpy(np.asarray(rows[drawn], np.float32)), torch.from_numpy(labels[drawn].astype(np.float32))


def actionness_loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
    """Mean binary cross-entropy over the steps of a batch of items."""
    rows, labels = batch
    return nn.functional.binary_cross_entropy_with_logits(model(rows.flatten(0, 1)), labels.flatten())


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    # copies, since rows of the store are mapped files that must not be written
    return [np.array(rows[first : first + ROWS_AT_ONCE], np.float32) for first in range(0, len(rows), ROWS_AT_ONCE)]
