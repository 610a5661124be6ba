"""Training data of nets that label every step: stretches of a video's features and the label of each step."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from untrimmed.nets.multitask_lstm import BACKGROUND, PADDING
from untrimmed.records import DataError, Instance
from untrimmed.timeline import TimeGrid


def step_classes(instances: Sequence[Instance], grid: TimeGrid, labels: Sequence[str]) -> Int[np.ndarray, " steps"]:
    """The label of each step: 1 + the index of the class of the instance its middle lies in, BACKGROUND in none.

    Where instances overlap the shorter one counts; the paper does not say.

    Args:
        instances: of one video.
        grid: when the steps were measured.
        labels: class names in index order.

    Raises:
        DataError: when an instance has another class.
    """
    place = {label: index + 1 for index, label in enumerate(labels)}
    classes = np.full(grid.steps, BACKGROUND, dtype=np.int64)
    for instance in sorted(instances, key=lambda one: one.segment[0] - one.segment[1]):
        if instance.label not in place:
            raise DataError(f"label of an instance must be one of the {len(place)} classes, got {instance.label!r}")
        first, past = grid.step_range(instance.segment)
        classes[first:past] = place[instance.label]
    return classes


class LabelSequences:
    """An item is a stretch of one video, drawn anywhere in it; a shorter video is padded with zeros at the end."""

    def __init__(
        self,
        load: Callable[[str], tuple[Float[np.ndarray, "steps dims"], TimeGrid]],
        instances: Sequence[tuple[str, Sequence[Instance]]],
        labels: Sequence[str],
        *,
        steps: int,
    ) -> None:
        """Keep where to read.

        Args:
            load: gives the features of a video, at least one step, and their grid.
            instances: video_id and what is annotated in it.
            labels: class names in index order.
            steps: of an item.
        """
        self._load, self._instances, self._labels, self._steps = load, list(instances), tuple(labels), steps

    def __len__(self) -> int:
        return len(self._instances)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """The item as one fixed draw."""
        return self.at(index, np.random.default_rng(index))

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Rows (steps, dims) and their labels (steps), PADDING where a video is shorter."""
        video_id, instances = self._instances[index]
        rows, grid = self._load(video_id)
        if not len(rows):
            raise DataError(f"features of video {video_id} must have at least one step, got none")
        classes = step_classes(instances, grid, self._labels)
        first = int(generator.integers(0, max(0, len(rows) - self._steps) + 1))
        cut = np.asarray(rows[first : first + self._steps], np.float32)
        missing = self._steps - len(cut)
        values = np.pad(cut, ((0, missing), (0, 0)))
        wanted = np.pad(classes[first : first + self._steps], (0, missing), constant_values=PADDING)
        return torch.from_numpy(values), torch.from_numpy(wanted)
