"""Backbones: nets from pictures to a feature and class logits, and the rules that adapt them to another input."""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from untrimmed.files import replacing
from untrimmed.records import DataError

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
FLOW_ZERO = 128.0
"""The byte that stands for no motion in stored flow."""

M = TypeVar("M", bound=nn.Module)
N = TypeVar("N", bound="Net")


class Backbone(nn.Module, ABC):
    """A net from pictures to logits by way of one feature a clip.

    A 2-D backbone takes (n, channels, height, width), a 3-D one (n, channels, time, height, width); bytes are
    prepared (shifted and scaled), floats are taken as prepared. Heights and widths other than `input_size` work
    where the net ends in global pooling.

    Attributes:
        dims: of the pooled feature.
        classes: of the logits.
        channels: of the input.
        input_size: height and width it is meant for, pixels.
        frames: pictures in a clip of a 3-D net; None for a 2-D net.
        mean: subtracted from each channel's byte values.
        std: each channel is divided by it, byte values.
        classifier: the last layer.
        dropout: before it.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        dims: int,
        classes: int,
        channels: int,
        input_size: tuple[int, int],
        frames: int | None,
        dropout: float,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
    ) -> None:
        """Keep the sizes; channels other than three are taken for flow: zero at 128, scaled by the mean of std."""
        super().__init__()
        if classes < 1 or channels < 1:
            raise DataError(f"a backbone needs classes and channels >= 1, got {classes} and {channels}")
        self.dims, self.classes, self.channels = dims, classes, channels
        self.input_size, self.frames = input_size, frames
        colour = channels == 3
        shift = list(mean) if colour else [FLOW_ZERO] * channels
        scale = list(std) if colour else [math.fsum(std) / len(std)] * channels
        self.register_buffer("mean", torch.tensor(shift, dtype=torch.float32), persistent=False)
        self.register_buffer("std", torch.tensor(scale, dtype=torch.float32), persistent=False)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(dims, classes)

    @abstractmethod
    def pooled(self, x: Shaped[Tensor, "n channels *positions"]) -> Float[Tensor, "n dims"]:
        """The feature before the last layer."""

    def forward(self, x: Shaped[Tensor, "n channels *positions"]) -> Float[Tensor, "n classes"]:
        """Logits."""
        return self.classifier(self.dropout(self.pooled(x)))

    def prepared(self, x: Shaped[Tensor, "n channels *positions"]) -> Float[Tensor, "n channels *positions"]:
        """(x - mean) / std a channel for bytes; floats as they are."""
        if x.dtype != torch.uint8:
            return x
        shape = [1, -1] + [1] * (x.ndim - 2)
        return (x.float() - self.mean.view(shape)) / self.std.view(shape)


@runtime_checkable
class Net(Protocol):
    """A configuration of a backbone: a frozen dataclass that builds it."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """A backbone with fresh or pretrained weights and a fresh classifier.

        Args:
            classes: logits.
            channels: of one picture: 3 for RGB, 2 for flow, 10 for five stacked flow pictures.
        """
        ...


def cross_modality(
    weight: Float[Tensor, "filters 3 *window"], channels: int
) -> Float[Tensor, "filters channels *window"]:
    """First-layer filters for another modality: the mean over the RGB channels, repeated.

    A picture that is grey in RGB and the same picture in every one of the channels differ in the answer by the
    factor channels / 3 alone.

    Source: Wang et al., Temporal Segment Networks, ECCV 2016, section 3.2; reports 06, 08, 12.
    """
    mean = weight.mean(dim=1, keepdim=True)
    return mean.expand(-1, channels, *weight.shape[2:]).clone()


def partial_batch_norm(model: M) -> M:
    """Freeze the statistics and weights of every batch normalisation layer but the first, also in later train() calls.

    With few videos the moments of fine-tuning overfit; the first layer must follow the new input's distribution.

    Source: Wang et al., Temporal Segment Networks, ECCV 2016, section 3.2.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    for layer in layers[1:]:
        layer.eval()
        layer.requires_grad_(False)
        layer.train = _stay.__get__(layer)  # type: ignore[method-assign]
    return model


def _stay(self: nn.Module, mode: bool = True) -> nn.Module:
    return self


def save_weights(path: Path, model: nn.Module) -> None:
    """Write a net's weights into a safetensors file, atomically."""
    with replacing(path) as part:
        save_file({key: value.detach().cpu().clone().contiguous() for key, value in model.state_dict().items()}, part)


def load_weights(model: M, path: Path, *, fresh: tuple[str, ...] = ()) -> M:
    """Put the weights of a safetensors file into a net.

    Args:
        model: whose parameters and buffers must all be in the file.
        path: written by save_weights, or by anybody with the same names.
        fresh: beginnings of names that may be absent or of another shape and then stay as they are; filters of the
            first layer with 3 channels adapt to other channels by cross_modality.

    Raises:
        DataError: when the file is absent, is no safetensors file, or its names or shapes do not fit.
    """
    weights = _read(path)
    own = model.state_dict()
    first = next((key for key, value in own.items() if value.ndim >= 4), None)
    for key, value in own.items():
        given = weights.get(key)
        if given is not None and key == first and given.shape != value.shape and given.shape[1] == 3:
            given = cross_modality(given, value.shape[1])
        if given is None or given.shape != value.shape:
            if key.startswith(fresh):
                continue
            got = "nothing" if given is None else str(tuple(given.shape))
            kind = type(model).__name__
            raise DataError(f"weights of {kind} must have {key} {tuple(value.shape)}, got {got} ({path})")
        value.copy_(given)
    return model


def fill(module: nn.Module, tensors: Mapping[str, Tensor], *, where: Path | str) -> None:
    """Put loaded tensors into a net.

    Raises:
        DataError: when names or shapes do not fit.
    """
    try:
        module.load_state_dict(dict(tensors))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise DataError(f"weights in {where} do not fit {type(module).__name__}: {reason:.200}") from error


def without_weights(net: N) -> N:
    """The configuration of the same net with a random start; for nets whose weights are loaded afterwards."""
    if dataclasses.is_dataclass(net) and not isinstance(net, type) and getattr(net, "weights", None) is not None:
        return dataclasses.replace(net, weights=None)  # type: ignore[return-value, type-var, unused-ignore]
    return net


def restored(net: Net, path: Path | None, *, channels: int) -> Backbone:
    """A backbone in evaluation mode with the weights that save_weights wrote; its classes are those of the file.

    Args:
        net: its configuration.
        path: the file; None gives the configuration's own initial weights and one class.
        channels: of its input.
    """
    if path is None:
        return net.build(classes=1, channels=channels).eval()
    bias = _read(path).get("classifier.bias")
    if bias is None:
        raise DataError(f"{path} holds no backbone: it has no classifier.bias")
    return load_weights(without_weights(net).build(classes=len(bias), channels=channels), path).eval()


def _read(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise DataError(f"weights file {path} is not there; put a safetensors file there, or use weights=None")
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise DataError(f"weights file {path} is no safetensors file: {error}") from error
