"""torchvision's nets that find objects or key points, with the COCO weights it publishes or those of a file."""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from untrimmed.nets.published_weights import weights_from_file
from untrimmed.records import DataError, MissingExtra

DetectionNet = Literal[
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "retinanet_resnet50_fpn",
    "ssdlite320_mobilenet_v3_large",
    "ssd300_vgg16",
    "keypointrcnn_resnet50_fpn",
]
"""torchvision's names."""
KEY_POINT_NET: DetectionNet = "keypointrcnn_resnet50_fpn"
_OWN_SIZE = ("ssdlite320_mobilenet_v3_large", "ssd300_vgg16")
"""Nets that see pictures of one size."""


def coco_net(
    name: DetectionNet, *, weights: Path | None = None, pretrained: bool = True, shorter_side: int | None = None
) -> nn.Module:
    """A net in evaluation mode.

    Args:
        name: which.
        weights: torchvision's .pth file; None takes its own loading code.
        pretrained: False leaves the net at random where no file is given.
        shorter_side: pixels that pictures are scaled to, for nets that see any size; None leaves the default.

    Raises:
        MissingExtra: when the weights are neither in torchvision's cache nor on the network; the message says where the
            file belongs.
        DataError: when the file is absent or of another net.
    """
    import torchvision

    sized: dict[str, Any] = {}
    if shorter_side is not None and name not in _OWN_SIZE:
        sized = {"min_size": shorter_side}
    net: nn.Module = torchvision.models.get_model(name, weights=None, weights_backbone=None, **sized)
    if weights is not None or pretrained:
        state = _published(name) if weights is None else weights_from_file(weights)
        try:
            net.load_state_dict(state)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise DataError(f"weights in {weights} do not fit {name}: {reason:.200}") from error
    return net.eval()


def coco_words(name: DetectionNet) -> tuple[str, ...]:
    """What the labels of a net stand for; label 0 is the background."""
    import torchvision

    known: Any = torchvision.models.get_model_weights(name).DEFAULT
    return tuple(known.meta["categories"])


def _published(name: DetectionNet) -> dict[str, torch.Tensor]:
    import torchvision

    known: Any = torchvision.models.get_model_weights(name).DEFAULT
    try:
        return known.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except OSError as error:  # no network and no cache
        file = Path(torch.hub.get_dir()) / "checkpoints" / known.url.rsplit("/", 1)[-1]
        raise MissingExtra(
            f"COCO weights of {name} cannot be had from {known.url} ({error}): put that file at {file}, or give its "
            "path as weights"
        ) from error
