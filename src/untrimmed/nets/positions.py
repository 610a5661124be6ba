"""Nets on clips that may be larger and longer than they were trained with: features and logits at every position."""

from abc import abstractmethod
from collections.abc import Iterable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from untrimmed.nets.backbone import Backbone
from untrimmed.records import DataError


class SolidBackbone(Backbone):
    """A 3-D backbone that ends in the mean over all positions, so that it takes clips of any size and length.

    The last layer is linear: its answer to the mean of the features is the mean of its answers to the features.
    """

    @abstractmethod
    def feature_map(self, x: Shaped[Tensor, "n channels time height width"]) -> Float[Tensor, "n dims *positions"]:
        """The feature at every position left after the last block: (time, height, width)."""

    def pooled(self, x: Shaped[Tensor, "n channels time height width"]) -> Float[Tensor, "n dims"]:
        """The mean over all positions."""
        return self.feature_map(x).mean((2, 3, 4))


def feature_map(net: Backbone, x: Shaped[Tensor, "n channels *places"]) -> Float[Tensor, "n dims *positions"]:
    """The feature at every position of the last map: what the net's pooled feature is the mean of.

    A SolidBackbone says it itself. Of other nets it is the last answer of any of their layers that has as many
    channels as the pooled feature and this as its mean.

    Args:
        net: in evaluation mode.
        x: pictures of a 2-D net, or clips of a 3-D one.

    Raises:
        DataError: when the net does not end in the mean over a map.
    """
    if isinstance(net, SolidBackbone):
        return net.feature_map(x)
    maps: list[Tensor] = []

    def look(_layer: nn.Module, _given: tuple[object, ...], answer: object) -> None:
        if isinstance(answer, Tensor) and answer.ndim == x.ndim and answer.shape[:2] == (len(x), net.dims):
            maps.append(answer)

    handles = [layer.register_forward_hook(look) for layer in net.modules()]
    try:
        pooled = net.pooled(x)
    finally:
        for handle in handles:
            handle.remove()
    maps.sort(key=lambda each: each[0, 0].numel() > 1)  # what has one position may be the pooled feature itself
    for found in reversed(maps):
        if torch.allclose(found.flatten(2).mean(2), pooled, rtol=1e-3, atol=1e-4):
            return found
    raise DataError(f"{type(net).__name__} has no map whose mean over all positions is its feature of {net.dims} dims")


def position_logits(
    net: Backbone, x: Shaped[Tensor, "n channels time height width"], *, window: tuple[int, int] | None = None
) -> Float[Tensor, "n classes *positions"]:
    """The logits at every place a window of the feature map can stand, averaged within it.

    This is the net as a fully convolutional one: its global mean becomes a mean of fixed size that moves by one. With
    a window of one position the mean of the answer over all positions is net(x).

    Args:
        net: a 3-D one in evaluation mode.
        x: clips of any height, width and time that leave one window.
        window: height and width, in positions of the feature map: 7 x 7 for nets trained at 224 pixels. None takes one
            position.

    Returns:
        (n, classes, time, height, width) over the places of the window; in time every position has its own.

    Raises:
        DataError: when the map is smaller than the window, or the net has none.
    """
    features = feature_map(net, x)
    if window is not None:
        if window[0] > features.shape[3] or window[1] > features.shape[4]:
            raise DataError(f"pictures of {tuple(x.shape[-2:])} leave a map of {tuple(features.shape[3:])}, less than "
                            f"the window {window}")  # fmt: skip
        features = functional.avg_pool3d(features, (1, *window), stride=1)
    return net.classifier(features.movedim(1, -1)).movedim(-1, 1)


def multi_scale_scores(
    net: Backbone,
    scales: Iterable[Shaped[Tensor, "n channels time _height _width"]],
    *,
    window: tuple[int, int] = (7, 7),
) -> Float[Tensor, "n classes"]:
    """Scores of the same clips at several sizes.

    Logits are averaged over time, their softmax over the places of the window, and that over the scales.

    Args:
        net: whose training mode does not matter: it is set to evaluation and back.
        scales: the clips at each size: 224, 256 and 320 pixels in the report.
        window: what one crop of the training's size leaves, in positions.

    Returns:
        Each row sums to 1.

    Raises:
        DataError: when there are no scales, or pictures are smaller than the window.

    Source: report 15, section 2 ("Training Details": logits over time) and Observation 4.
    """
    training = net.training
    net.eval()
    try:
        with torch.inference_mode():
            each = [position_logits(net, x, window=window).mean(2).softmax(1).mean((2, 3)) for x in scales]
    finally:
        net.train(training)
    if not each:
        raise DataError("scores over several scales need at least one, got none")
    return torch.stack(each).mean(0)
