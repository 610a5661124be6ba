"""Weights that others publish: torchvision's own for ImageNet, from its cache or the network, and .pth files."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from untrimmed.records import DataError, MissingExtra


def imagenet_weights(name: str, *, title: str) -> dict[str, Tensor]:
    """The ImageNet weights of one of torchvision's nets, by its own loading code.

    Args:
        name: torchvision's name of the net, e.g. "resnet50".
        title: what messages call it.

    Raises:
        MissingExtra: when they are neither in the cache nor on the network; the message says where the file belongs.
    """
    import torchvision

    known: Any = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    try:
        return known.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except OSError as error:  # no network and no cache
        file = Path(torch.hub.get_dir()) / "checkpoints" / known.url.rsplit("/", 1)[-1]
        raise MissingExtra(
            f"ImageNet weights of {title} cannot be had from {known.url} ({error}): put that file at {file}, or "
            "give its path as weights, or use weights=None"
        ) from error


def weights_from_file(path: Path) -> dict[str, Tensor]:
    """The tensors of a .pth file as torchvision publishes it.

    Raises:
        DataError: when it is absent or holds anything but tensors.
    """
    if not path.exists():
        raise DataError(f"weights file {path} is not there; put torchvision's .pth file there, or use weights=None")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)  # tensors only, never code
    except Exception as error:  # whatever a damaged archive makes torch raise
        raise DataError(f"weights file {path} is no .pth file of tensors: {type(error).__name__}") from error
    if not isinstance(state, dict):
        raise DataError(f"weights file {path} must hold a table of tensors, got {type(state).__name__}")
    return state
