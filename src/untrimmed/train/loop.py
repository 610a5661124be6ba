"""The training loop."""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from untrimmed.records import DataError
from untrimmed.train.batches import Batches, Items
from untrimmed.train.checkpoint import Progress, read_checkpoint, read_tensors, write_checkpoint, write_tensors
from untrimmed.train.log import History, LogRow, append_row, plot, read_log
from untrimmed.train.processes import (
    World,
    device_of,
    first_says,
    join,
    joint_batch_statistics,
    share_weights,
    sum_gradients,
    summed,
)
from untrimmed.train.schedule import Run, Schedule

log = logging.getLogger(__name__)

Loss = Callable[[nn.Module, Any], Tensor]
Validate = Callable[[nn.Module], float]


def fit(
    model: nn.Module,
    data: Items,
    loss: Loss,
    *,
    schedule: Schedule,
    run: Run,
    name: str,
    validate: Validate | None = None,
) -> History:
    """Train a model in place.

    Every random choice of step s comes from (seed, s), so a training that was killed at any moment and is started
    again with the same arguments ends with the same weights: byte for byte on a CPU, on a GPU as far as its kernels
    repeat themselves. Started by torchrun, the processes share each batch and compute what one would (dropout masks
    apart).

    Args:
        model: the net; parameters that require no gradient stay as they are. It comes back on the run's device, in
            evaluation mode, with the best weights if a validation chose, else with the last.
        data: what to learn from.
        loss: the mean loss over the items of a batch, from the model in training mode and a batch on its device.
        schedule: length, batch and step sizes.
        run: where to.
        name: of this training, unique in the run; becomes a folder.
        validate: a figure of the model in evaluation mode, higher is better; the first process calls it alone.

    Returns:
        The log and which step's weights the model holds.

    Raises:
        DataError: when there is no data, the loss is not finite, or the folder holds another training.
    """
    _check_name(name)
    world, device = join(), device_of(run.device)
    model.to(device)
    share_weights(model, world)
    trainer = _Trainer(model, data, loss, schedule=schedule, run=run, name=name, world=world, device=device)
    with joint_batch_statistics(model, world):
        trainer.train(validate)
    model.eval()
    return trainer.history()


class _Trainer:
    """The state of one call of fit."""

    def __init__(
        self,
        model: nn.Module,
        data: Items,
        loss: Loss,
        *,
        schedule: Schedule,
        run: Run,
        name: str,
        world: World,
        device: torch.device,
    ) -> None:
        self.model, self.loss, self.schedule, self.run, self.name = model, loss, schedule, run, name
        self.world, self.device = world, device
        self.batches = Batches(data, size=schedule.batch(len(data)), seed=run.seed, share=(world.rank, world.size))
        self.items = len(data)
        self.length = schedule.length_steps(self.items)
        self.optimizer = _optimizer(model, schedule)
        self.scaler = GradScaler(device.type, enabled=run.precision == "float16")
        self.progress = Progress(identity=_identity(model, data, schedule=schedule, run=run))
        self.rows: list[LogRow] = []
        self.best: dict[str, Tensor] | None = None
        self.folder: Path | None = None
        if run.folder is not None:
            self.folder = run.folder / name
            self.folder.mkdir(parents=True, exist_ok=True)
            self._resume(self.folder)

    def train(self, validate: Validate | None) -> None:
        first, begun, spent = self.progress.step, time.perf_counter(), self.progress.seconds
        every = self.schedule.validation_steps(self.items)
        last = first if self.progress.finished else self.length
        show = self.run.progress and self.world.first
        with (
            closing(self.batches.ahead(first, last, threads=self.run.loaders)) as batches,
            _bar(self.name, first, self.length, show=show) as advance,
        ):
            for step, (batch, count) in enumerate(batches, first):
                value = self._step(step, batch, count)
                advance(value)
                done, figure = step + 1, None
                self.progress = replace(
                    self.progress,
                    step=done,
                    seconds=spent + time.perf_counter() - begun,
                    loss_sum=self.progress.loss_sum + value,
                    loss_steps=self.progress.loss_steps + 1,
                )
                if validate is not None and (done % every == 0 or done == self.length):
                    figure = self._validate(validate)
                if figure is not None or done % self.run.log_every_steps == 0 or done == self.length:
                    self._report(figure)
                tired = self.schedule.patience is not None and self.progress.without_gain >= self.schedule.patience
                if tired or done == self.length:
                    self.progress = replace(self.progress, finished=True)
                if tired or done == self.length or done % self.run.checkpoint_every_steps == 0:
                    self._checkpoint()
                if tired:
                    break
        if self.best is not None:
            self.model.load_state_dict(self.best)

    def history(self) -> History:
        progress = self.progress
        return History(
            rows=tuple(self.rows),
            steps=progress.step,
            best_step=progress.best_step if progress.best_step is not None else progress.step,
            best_figure=progress.best_figure,
            stopped_early=progress.step < self.length,
        )

    def _step(self, step: int, batch: Any, count: int) -> float:
        torch.manual_seed(_mixed(self.run.seed, step, self.world.rank))
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(step, self.items)
        self.optimizer.zero_grad(set_to_none=True)
        kind = torch.bfloat16 if self.run.precision == "bfloat16" else torch.float16
        with torch.autocast(self.device.type, dtype=kind, enabled=self.run.precision != "float32"):
            value = self.loss(self.model, _moved(batch, self.device)) * (count / self.batches.size)
        total = summed(float(value.detach()), self.world, self.device)
        if not math.isfinite(total):
            raise DataError(
                f"loss of {self.name} must be finite, got {total} at step {step}: lower the learning rate or check "
                "the data"
            )
        self.scaler.scale(value).backward()  # type: ignore[no-untyped-call]
        sum_gradients(self.model, self.world)
        if self.schedule.clip_gradient is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.schedule.clip_gradient)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return total

    def _validate(self, validate: Validate) -> float:
        self.model.eval()
        with torch.no_grad():
            figure = first_says(validate(self.model) if self.world.first else 0.0, self.world, self.device)
        if self.progress.best_figure is None or figure > self.progress.best_figure:
            self.progress = replace(
                self.progress, best_step=self.progress.step, best_figure=float(figure), without_gain=0
            )
            self.best = {key: value.detach().clone() for key, value in self.model.state_dict().items()}
            if self.folder is not None and self.world.first:
                write_tensors(self._best_file(self.folder), self.best, {"step": self.progress.step, "figure": figure})
        else:
            self.progress = replace(self.progress, without_gain=self.progress.without_gain + 1)
        return float(figure)

    def _report(self, figure: float | None) -> None:
        progress = self.progress
        row = LogRow(
            step=progress.step,
            loss=progress.loss_sum / max(1, progress.loss_steps),
            learning_rate=self.schedule.rate(progress.step - 1, self.items),
            figure=figure,
            seconds=round(progress.seconds, 3),
        )
        self.progress = replace(progress, loss_sum=0.0, loss_steps=0)
        self.rows.append(row)
        log.debug("%s", row)
        if self.folder is not None and self.world.first:
            append_row(self.folder / "log.jsonl", row)

    def _checkpoint(self) -> None:
        if self.folder is None or not self.world.first:
            return
        scaler = {key: float(value) for key, value in self.scaler.state_dict().items()}
        self.progress = replace(self.progress, scaler=scaler or None)
        write_checkpoint(
            self.folder / "checkpoint.safetensors", model=self.model, optimizer=self.optimizer, progress=self.progress
        )
        for old in self.folder.glob("best-*.safetensors"):
            if old != self._best_file(self.folder):
                old.unlink(missing_ok=True)
        if self.progress.finished:
            plot(self.folder / "log.png", self.rows, title=self.name)

    def _resume(self, folder: Path) -> None:
        progress = read_checkpoint(
            folder / "checkpoint.safetensors",
            model=self.model,
            optimizer=self.optimizer,
            identity=self.progress.identity,
        )
        if progress is not None:
            self.progress = progress
            log.info("%s goes on at step %d", self.name, progress.step)
            if progress.scaler is not None:
                self.scaler.load_state_dict(
                    {key: int(v) if "interval" in key or "tracker" in key else v for key, v in progress.scaler.items()}
                )
            if progress.best_step is not None:
                tensors, _ = read_tensors(self._best_file(folder))
                self.best = {key: value.to(self.device) for key, value in tensors.items()}
        if self.world.first:
            self.rows = read_log(folder / "log.jsonl", up_to_step=self.progress.step)

    def _best_file(self, folder: Path) -> Path:
        return folder / f"best-{self.progress.best_step or 0:09d}.safetensors"


def _optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise DataError("the model has no parameter that requires a gradient")
    rate, decay, momentum = schedule.learning_rate, schedule.weight_decay, schedule.momentum
    match schedule.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, lr=rate, momentum=momentum, weight_decay=decay)
        case "adam":
            return torch.optim.Adam(parameters, lr=rate, betas=(momentum, 0.999), weight_decay=decay)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=rate, betas=(momentum, 0.999), weight_decay=decay)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=rate, momentum=momentum, weight_decay=decay)


def _identity(model: nn.Module, data: Items, *, schedule: Schedule, run: Run) -> str:
    shapes = [(key, tuple(value.shape), str(value.dtype)) for key, value in model.state_dict().items()]
    what = (repr(model), len(data), getattr(data, "identity", ""))  # layers with their settings, and the data
    meaning = repr((shapes, what, sorted(asdict(schedule).items()), run.seed, run.precision))
    return hashlib.sha256(meaning.encode()).hexdigest()[:12]


def _mixed(*numbers: int) -> int:
    """One 63-bit seed of several numbers."""
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def _moved(batch: Any, device: torch.device) -> Any:
    """A batch with its tensors and arrays on a device."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: _moved(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_moved(value, device) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(_moved(value, device) for value in batch)
    return batch.to(device) if hasattr(batch, "to") else batch


def _check_name(name: str) -> None:
    if not name or not all(letter.isalnum() or letter in "-_." for letter in name) or name.startswith("."):
        raise DataError(f"name of a training must be letters, digits, '-', '_' or '.', got {name!r}")


@contextmanager
def _bar(name: str, done: int, total: int, *, show: bool) -> Iterator[Callable[[float], None]]:
    if not show:
        yield lambda value: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(name, total=total, completed=done)
        yield lambda value: bar.update(task, advance=1, description=f"{name} loss {value:.3f}")
