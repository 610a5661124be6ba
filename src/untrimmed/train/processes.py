"""Several processes that train one net: who they are, and how gradients and batch statistics become those of one.

Started by torchrun, each process takes its share of every batch. Losses are weighted by the share, gradients and the
moments of batch normalisation are summed, so that two processes compute what one would.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True)
class World:
    """This process among those that train together."""

    rank: int
    size: int

    @property
    def first(self) -> bool:
        """Whether this process writes and shows."""
        return self.rank == 0


def join() -> World:
    """Join the processes that torchrun started (RANK, WORLD_SIZE); alone without it."""
    if dist.is_available() and dist.is_initialized():
        return World(dist.get_rank(), dist.get_world_size())
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return World(dist.get_rank(), dist.get_world_size())
    return World(0, 1)


def device_of(wanted: str) -> torch.device:
    """The device that Run.device names; auto is this process's GPU (LOCAL_RANK) if there is one, else the CPU."""
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def share_weights(model: nn.Module, world: World) -> None:
    """Give every process the weights of the first."""
    if world.size > 1:
        for tensor in model.state_dict().values():
            plain = tensor.detach().contiguous()  # gloo takes no other layout, and nets may be laid out channels last
            dist.broadcast(plain, 0)
            tensor.copy_(plain)


def sum_gradients(model: nn.Module, world: World) -> None:
    """Sum the gradients over the processes; a parameter that no process used keeps none."""
    if world.size == 1:
        return
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    used = torch.tensor([float(p.grad is not None) for p in parameters], device=parameters[0].device)
    flat = torch.cat([(p.grad if p.grad is not None else torch.zeros_like(p)).float().flatten() for p in parameters])
    both = torch.cat([flat, used])
    dist.all_reduce(both)
    position = 0
    for parameter, count in zip(parameters, both[len(flat) :].tolist(), strict=True):
        part = both[position : position + parameter.numel()]
        position += parameter.numel()
        parameter.grad = part.view_as(parameter).to(parameter.dtype) if count else None


def first_says(value: float, world: World, device: torch.device) -> float:
    """The first process's number, in every process."""
    if world.size == 1:
        return value
    tensor = torch.tensor([value], dtype=torch.float64, device=device)
    dist.broadcast(tensor, 0)
    return float(tensor.item())


def summed(value: float, world: World, device: torch.device) -> float:
    """The sum of a number over the processes."""
    if world.size == 1:
        return value
    tensor = torch.tensor([value], dtype=torch.float64, device=device)
    dist.all_reduce(tensor)
    return float(tensor.item())


@contextmanager
def joint_batch_statistics(model: nn.Module, world: World) -> Iterator[None]:
    """Let batch normalisation layers in training take their moments over the batches of all processes together.

    torch's SyncBatchNorm does so on GPUs only; this works with every backend.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)] if world.size > 1 else []
    for layer in layers:
        layer.forward = partial(_joint_forward, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _joint_forward(layer: _BatchNorm, x: Tensor) -> Tensor:
    if not layer.training:
        return type(layer).forward(layer, x)
    axes = [axis for axis in range(x.ndim) if axis != 1]
    shape = [1, -1] + [1] * (x.ndim - 2)
    values = x.float()
    local = torch.cat([values.sum(axes), values.new_tensor([x.numel() / x.shape[1]])])
    total = _summed(local)
    count, mean = total[-1].detach(), total[:-1] / total[-1].detach()
    centred = values - mean.view(shape)
    variance = _summed(centred.square().sum(axes)) / count
    if layer.track_running_stats and layer.running_mean is not None and layer.running_var is not None:
        assert layer.num_batches_tracked is not None
        layer.num_batches_tracked += 1
        momentum = layer.momentum if layer.momentum is not None else 1.0 / float(layer.num_batches_tracked)
        layer.running_mean.lerp_(mean.detach(), momentum)
        layer.running_var.lerp_(variance.detach() * count / (count - 1).clamp(min=1), momentum)
    normal = centred * (variance.view(shape) + layer.eps).rsqrt()
    if layer.affine:
        normal = normal * layer.weight.view(shape) + layer.bias.view(shape)
    return normal.to(x.dtype)


def _summed(tensor: Tensor) -> Tensor:
    result: Tensor = _Sum.apply(tensor)
    return result


class _Sum(torch.autograd.Function):
    """The sum over the processes; each process's loss hangs on it, so its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total
