"""Checkpoints: model, optimizer and progress in one safetensors file that appears complete or not at all."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from untrimmed.files import replacing
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a training has come.

    Attributes:
        identity: what is trained how; a checkpoint continues the training of the same identity only.
        step: optimizer steps done.
        seconds: training time so far.
        loss_sum: of the steps that no log row has reported yet.
        loss_steps: how many those are.
        best_step: the step with the best validation figure so far, or None.
        best_figure: that figure.
        without_gain: validations since then.
        finished: whether the training is over.
        scaler: state of the float16 gradient scaler, else None.
    """

    identity: str
    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_steps: int = 0
    best_step: int | None = None
    best_figure: float | None = None
    without_gain: int = 0
    finished: bool = False
    scaler: dict[str, float] | None = None


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and a JSON object about them into one safetensors file, atomically."""
    plain = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    with replacing(path) as part:
        save_file(plain, part, metadata={"about": json.dumps(about)})


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What write_tensors wrote: the tensors on the CPU and the JSON object.

    Raises:
        DataError: when the file is not such a file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise DataError(f"{path} cannot be read as a safetensors file: {error}") from error


def write_checkpoint(path: Path, *, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Write everything that a training needs to go on exactly."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            if value is not None:
                tensors[f"optimizer.{number}.{key}"] = torch.as_tensor(value)
    write_tensors(path, tensors, asdict(progress))


def read_checkpoint(
    path: Path, *, model: nn.Module, optimizer: torch.optim.Optimizer, identity: str
) -> Progress | None:
    """Put model and optimizer where a checkpoint left them; None if there is none.

    Raises:
        DataError: when it is the checkpoint of another training or cannot be read.
    """
    if not path.exists():
        return None
    tensors, about = read_tensors(path)
    try:
        progress = Progress(**about)
    except TypeError as error:
        raise DataError(f"{path} is not a checkpoint of a training: {error}") from error
    if progress.identity != identity:
        raise DataError(
            f"{path} belongs to another training (its model, data, schedule, seed or precision differ): wanted "
            f"{identity}, got {progress.identity}; remove the folder or choose another"
        )
    model.load_state_dict(_under("model.", tensors))
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under("optimizer.", tensors).items():
        number, key = name.split(".", 1)
        states.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
    return progress


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
