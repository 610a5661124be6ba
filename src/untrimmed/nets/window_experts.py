"""Classes of a stretch of steps: the steps become one row, by their mean or a recurrent net, and experts judge it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from untrimmed.classify.mixture import MixtureConfig, MixtureOfExperts, mixture_loss
from untrimmed.nets.recurrent import RecurrentAggregate, RecurrentConfig, padded
from untrimmed.records import DataError, Instance
from untrimmed.timeline import TimeGrid


class WindowExperts(nn.Module):
    """An aggregate of steps under a mixture of experts.

    Source: report 02, section 1 and figure 1.
    """

    def __init__(self, dims: int, classes: int, *, recurrent: RecurrentConfig | None, experts: MixtureConfig) -> None:
        """Make the net.

        Args:
            dims: of a step.
            classes: to judge.
            recurrent: the net whose memory is the row; None takes the mean of the steps.
            experts: the classifier.
        """
        super().__init__()
        self.dims = dims
        self.recurrent: RecurrentAggregate | None = None if recurrent is None else recurrent.build(dims)
        self.experts: MixtureOfExperts = experts.build(dims if recurrent is None else recurrent.cells, classes)

    def aggregated(self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"]) -> Float[Tensor, "n width"]:
        """One row a stretch; what pads a short one is never looked at."""
        if self.recurrent is not None:
            return self.recurrent(rows, lengths)
        inside = torch.arange(rows.shape[1], device=rows.device) < lengths.to(rows.device)[:, None]
        return torch.where(inside[..., None], rows, 0.0).sum(1) / lengths.to(rows)[:, None]

    def forward(self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"]) -> Float[Tensor, "n classes"]:
        """Probabilities, each class by itself."""
        return self.experts(self.aggregated(rows, lengths))


@dataclass(frozen=True)
class Stretch:
    """A part of a video with a class."""

    video_id: str
    segment: tuple[float, float]
    label: int


def stretches(instances: Sequence[tuple[str, Sequence[Instance]]], labels: Sequence[str]) -> list[Stretch]:
    """Every annotated instance of some videos; the label is the place of its class in `labels`."""
    place = {label: index for index, label in enumerate(labels)}
    return [
        Stretch(video_id, instance.segment, place[instance.label])
        for video_id, annotated in instances
        for instance in annotated
    ]


class StretchItems:
    """Training data: the rows of a stretch, their number and its class; of a long one a part drawn at random."""

    def __init__(
        self,
        load: Callable[[str], tuple[Float[np.ndarray, "steps dims"], TimeGrid]],
        items: Sequence[Stretch],
        *,
        classes: int,
        most_steps: int,
    ) -> None:
        """Keep where to read.

        Args:
            load: gives the rows of a video, at least one, and their grid.
            items: what to learn from.
            classes: how many there are.
            most_steps: of an item, >= 1.
        """
        if most_steps < 1:
            raise DataError(f"a stretch must have at least one step, got most_steps {most_steps}")
        self._load, self._items, self._classes, self._most = load, list(items), classes, most_steps

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """The item as one fixed draw."""
        return self.at(index, np.random.default_rng(index))

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Rows (steps, dims) and the class as zeros and a one (classes)."""
        item = self._items[index]
        rows, grid = self._load(item.video_id)
        first, past = grid.step_range(item.segment)
        if past - first > self._most:
            first = int(generator.integers(first, past - self._most + 1))
            past = first + self._most
        wanted = torch.zeros(self._classes)
        wanted[item.label] = 1.0
        return torch.tensor(rows[first:past], dtype=torch.float32), wanted

    @staticmethod
    def collate(items: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
        """Padded rows (n, steps, dims), lengths (n) and classes (n, classes)."""
        rows, lengths = padded([item[0] for item in items])
        return rows, lengths, torch.stack([item[1] for item in items])


def window_loss(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """The mixture's loss of a batch of StretchItems."""
    assert isinstance(model, WindowExperts)
    rows, lengths, members = batch
    return mixture_loss(model.experts, [model.aggregated(rows, lengths), members])


def window_scores(
    model: WindowExperts, rows: Float[np.ndarray, "steps dims"], windows: Int[np.ndarray, "n 2"], *, at_once: int = 64
) -> Float[np.ndarray, "n classes"]:
    """Probabilities of windows [first, past) of one video, in evaluation mode."""
    model.eval()
    weight = model.experts.gates.weight
    given = torch.tensor(rows).to(weight)
    found = []
    with torch.inference_mode():
        for begin in range(0, len(windows), at_once):
            some = [given[first:past] for first, past in windows[begin : begin + at_once].tolist()]
            found.append(model(*padded(some)).double().cpu().numpy())
    return np.concatenate([np.zeros((0, model.experts.classes)), *found])
