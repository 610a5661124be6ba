"""How a training runs: where and on what (`Run`), and how long with which step sizes (`Schedule`)."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where a training happens; nothing here changes what is learnt except seed and precision."""

    folder: Path | None = None
    """Checkpoints, log and plot go to folder/<name of the training>; None writes nothing and cannot resume."""
    device: str = "auto"
    """A torch device such as "cpu" or "cuda:1"; "auto" takes the process's own GPU if there is one, else the CPU."""
    seed: int = 0
    """Decides initial weights (where the caller builds the net under it), order, crops and dropout."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Arithmetic of the forward pass; weights, gradients and the optimizer stay float32."""
    progress: bool = False
    """Show a progress bar (first process only)."""
    checkpoint_every_steps: int = 200
    """Steps from one checkpoint to the next; a kill loses at most that many."""
    log_every_steps: int = 10
    """Steps that one row of the log averages over."""
    loaders: int = 2
    """Threads that prepare batches ahead of the net; 0 prepares them in line. The numbers do not depend on it."""

    def __post_init__(self) -> None:
        for name, least in (("checkpoint_every_steps", 1), ("log_every_steps", 1), ("loaders", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise DataError(f"{name} of a run must be at least {least}, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Length, batch and step sizes of a training."""

    steps: int | None = None
    """Length in optimizer steps; give this or epochs."""
    epochs: float | None = None
    """Length in passes over the data; give this or steps."""
    batch_size: int = 32
    """Items a step over all processes together; fewer items than that make the batch smaller."""
    optimizer: Literal["sgd", "adam", "adamw", "rmsprop"] = "sgd"
    """Rule of the step."""
    learning_rate: float = 0.01
    """Largest step size."""
    momentum: float = 0.9
    """Of sgd and rmsprop; the first beta of adam."""
    weight_decay: float = 0.0
    """L2 penalty on all weights (decoupled for adamw)."""
    decay: Literal["milestones", "cosine"] = "milestones"
    """milestones: times gamma at each; cosine: half a wave from the full rate to 0 at the end."""
    milestones: tuple[float, ...] = ()
    """Where the rate falls, in the unit of the length (steps or epochs), rising."""
    gamma: float = 0.1
    """Factor at each milestone."""
    warmup_steps: int = 0
    """Steps over which the rate rises linearly to its full value."""
    clip_gradient: float | None = None
    """Largest L2 norm of the whole gradient; None does not clip."""
    validate_every_epochs: float = 1.0
    """Passes over the data from one validation to the next, if there is a validation."""
    patience: int | None = None
    """Validations without a better figure before training stops; None never stops early."""

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise DataError(f"a schedule needs either steps or epochs, got steps {self.steps} and epochs {self.epochs}")
        positive = ("steps", "epochs", "batch_size", "learning_rate", "validate_every_epochs", "patience")
        for name in (*positive, "clip_gradient", "gamma"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise DataError(f"{name} of a schedule must be positive, got {value}")
        if list(self.milestones) != sorted(self.milestones):
            raise DataError(f"milestones of a schedule must rise, got {self.milestones}")

    def batch(self, items: int) -> int:
        """Items in a batch for data of this size."""
        return min(self.batch_size, items)

    def length_steps(self, items: int) -> int:
        """Optimizer steps in all for data of this size."""
        return (
            self.steps if self.steps is not None else max(1, math.ceil(self._epoch_steps(items) * (self.epochs or 0)))
        )

    def validation_steps(self, items: int) -> int:
        """Steps from one validation to the next."""
        return max(1, round(self._epoch_steps(items) * self.validate_every_epochs))

    def rate(self, step: int, items: int) -> float:
        """The learning rate of one step.

        Args:
            step: from 0.
            items: size of the data; it turns milestones in epochs into steps.
        """
        unit = 1.0 if self.steps is not None else self._epoch_steps(items)
        if self.decay == "cosine":
            share = step / self.length_steps(items)
            factor = 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
        else:
            factor = self.gamma ** bisect_right([stone * unit for stone in self.milestones], step)
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        return self.learning_rate * factor * warm

    def _epoch_steps(self, items: int) -> float:
        return items / self.batch(items)
