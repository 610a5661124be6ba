"""The fully connected net of report 10, which names the action at a position of a video from its C3D features."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from untrimmed.records import DataError, Instance
from untrimmed.timeline import TimeGrid

ROWS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class PerceptronConfig:
    """The net: fully connected layers with ReLU and dropout between them."""

    hidden: tuple[int, ...] = (1024, 1024)
    """Units of each hidden layer. Report 10, table 1."""
    dropout: float = 0.5
    """Share of hidden units dropped in training, after each ReLU. Report 10, table 1."""

    def __post_init__(self) -> None:
        if any(units < 1 for units in self.hidden) or not 0 <= self.dropout < 1:
            got = f"{self.hidden} and {self.dropout}"
            raise DataError(f"a perceptron needs units in each hidden layer and a dropout in [0, 1), got {got}")

    def build(self, dims: int, classes: int) -> "Perceptron":
        """The net for features of so many dims."""
        return Perceptron(self, dims, classes)


class Perceptron(nn.Module):
    """Features to one logit a class.

    With 500 dims and 200 classes it has the report's 1,765,376 weights, a count that leaves out biases. The layers
    have biases all the same (2,248), which start at 0, as in the programs of the time. Weights are drawn as Glorot and
    Bengio do, whom the report cites.

    Source: report 10, section 2.1, table 1.
    """

    def __init__(self, config: PerceptronConfig, dims: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        sizes = (dims, *config.hidden, classes)
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.dropout = nn.Dropout(config.dropout)
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, rows: Float[Tensor, "n dims"]) -> Float[Tensor, "n classes"]:
        """Logits."""
        for layer in self.layers[:-1]:
            rows = self.dropout(layer(rows).relu())
        return self.layers[-1](rows)


class PositionItems:
    """Training data: an item is one step inside an annotated action and its class.

    Up to so many unique positions of each class are drawn over all videos; a class that has fewer gives what it has.
    The drawn rows are read once and kept: 4,000 positions of 200 classes with 500 dims are 1.6 GB.

    Source: report 10, section 2.1: "Randomly select 4k unique positions (frame numbers) from actions of each
    category". The report draws frames and divides by the eight frames of a C3D step; here the steps are drawn.
    """

    def __init__(
        self,
        load: Callable[[str], tuple[Float[np.ndarray, "steps dims"], TimeGrid]],
        instances: Sequence[tuple[str, Sequence[Instance]]],
        *,
        classes: Sequence[str],
        positions_a_class: int = 4000,
        seed: int = 0,
    ) -> None:
        """Draw and read.

        Args:
            load: gives the features of a video and their grid; called twice a video.
            instances: video_id and what is annotated in it.
            classes: labels in the order of the net's outputs; instances of other labels are left out.
            positions_a_class: at most so many of each.
            seed: of the draw.

        Raises:
            DataError: when no step lies in an instance of a class.
        """
        videos, steps = _candidates(load, instances, classes)
        generator = np.random.default_rng(seed)
        drawn = [generator.permutation(len(mine))[:positions_a_class] for mine in steps]
        self.labels = np.repeat(np.arange(len(classes)), [len(mine) for mine in drawn])
        if not len(self.labels):
            raise DataError(f"drawing positions needs a step inside an action, got none in {len(instances)} videos")
        self._places = np.concatenate([mine[kept] for mine, kept in zip(videos, drawn, strict=True)])
        self._steps = np.concatenate([mine[kept] for mine, kept in zip(steps, drawn, strict=True)])
        rows: np.ndarray | None = None
        for place in np.unique(self._places):
            given, _ = load(instances[place][0])
            here = self._places == place
            if rows is None:
                rows = np.empty((len(self.labels), given.shape[1]), np.float32)
            rows[here] = given[self._steps[here]]
        assert rows is not None
        self._rows = rows

    @property
    def positions(self) -> Int[np.ndarray, "n 2"]:
        """Place of the video in the list and step of each item."""
        return np.stack([self._places, self._steps], axis=1)

    @property
    def identity(self) -> str:
        """Changes when the items do."""
        parts = (self.positions, self.labels, self._rows)
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()[:12]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Features (dims) and the class."""
        return torch.from_numpy(self._rows[index]), torch.tensor(int(self.labels[index]))


def perceptron_loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
    """Mean softmax cross-entropy of a batch of positions."""
    rows, labels = batch
    return nn.functional.cross_entropy(model(rows), labels)


def perceptron_scores(model: Perceptron, rows: Float[np.ndarray, "n dims"]) -> Float[np.ndarray, "n classes"]:
    """Probabilities at each step, a row sums to 1; in evaluation mode, in parts of 4,096."""
    model.eval()
    weight = next(model.parameters())
    found = np.empty((len(rows), model.classes))
    with torch.inference_mode():
        for first in range(0, len(rows), ROWS_AT_ONCE):
            part = torch.tensor(rows[first : first + ROWS_AT_ONCE]).to(weight)
            found[first : first + ROWS_AT_ONCE] = model(part).double().softmax(dim=1).cpu().numpy()
    return found


def _candidates(
    load: Callable[[str], tuple[np.ndarray, TimeGrid]],
    instances: Sequence[tuple[str, Sequence[Instance]]],
    classes: Sequence[str],
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """For each class, the places of videos and the steps inside its actions, each pair once."""
    videos: list[list[np.ndarray]] = [[] for _ in classes]
    steps: list[list[np.ndarray]] = [[] for _ in classes]
    for place, (video_id, annotated) in enumerate(instances):
        grid = load(video_id)[1]
        for index, label in enumerate(classes):
            inside = np.zeros(grid.steps, dtype=bool)
            for instance in annotated:
                if instance.label == label:
                    first, past = grid.step_range(instance.segment)
                    inside[first:past] = True
            found = np.flatnonzero(inside)
            videos[index].append(np.full(len(found), place))
            steps[index].append(found)
    nothing = np.zeros(0, np.int64)
    return [np.concatenate([nothing, *mine]) for mine in videos], [np.concatenate([nothing, *mine]) for mine in steps]
