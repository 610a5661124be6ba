"""A video scored by a 3-D net as a fully convolutional one: larger pictures, several scales, logits averaged over time.

At test a stream sees crops of the size that it was trained with. A net that ends in the mean over a map takes larger
ones too: then its global mean becomes a mean of fixed size that moves over the map, and every place has its say.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from untrimmed.features.clip_sets import Sampling, arranged, middle
from untrimmed.features.feature import ImageSequence
from untrimmed.media.transforms import resize
from untrimmed.nets.backbone import Backbone
from untrimmed.nets.positions import feature_map, position_logits
from untrimmed.nets.tsn import clip_indices, section_starts
from untrimmed.records import DataError


def whole_scores(
    net: Backbone,
    images: ImageSequence,
    *,
    sampling: Sampling,
    positions: int,
    scales: tuple[int, ...],
    window: tuple[int, int],
    resized_to: tuple[int, int] | None = None,
) -> Float[np.ndarray, " classes"]:
    """Scores of one video over several scales.

    At each scale the logits of every place are averaged over time, within clips and over all of them; the softmax of
    that is averaged over the places, and these scores over the scales.

    Args:
        net: a trained 3-D one, in evaluation mode, that ends in the mean over a map.
        images: the video.
        sampling: pictures in a clip and their stride; its sections do not count here.
        positions: clips, at the middles of as many sections.
        scales: height of the centre crop, pixels; its width follows from the shape of the net's input. A crop of the
            net's own size shows what it shows in `views_of`.
        window: places of the map that one crop of the training's size leaves, see trained_window.
        resized_to: height and width that the pictures are scaled to first.

    Returns:
        Sum 1.

    Raises:
        DataError: when there are no scales, the net is 2-D, or a scale leaves less than the window.

    Source: report 15, section 2 (the mean of the logits over time) and Observation 4 (scales, the mean over places
    after the softmax).
    """
    if not scales or net.frames is None:
        raise DataError(f"scores over whole views need scales and a 3-D net, got {scales} and {type(net).__name__}")
    sums: list[Tensor | None] = [None] * len(scales)
    with torch.inference_mode():
        for crops in _clips(images, sampling=sampling, positions=positions, resized_to=resized_to):
            for number, scale in enumerate(scales):
                logits = _logits(net, crops, scale=scale, frames=sampling.frames, window=window)
                before = sums[number]
                sums[number] = logits if before is None else before + logits
        # every clip leaves as many moments, so the mean over clips is the mean over time
        each = [(logits / positions).softmax(1).mean((2, 3)) for logits in sums if logits is not None]
        return torch.stack(each).mean(0)[0].double().cpu().numpy()


def trained_window(net: Backbone) -> tuple[int, int]:
    """Height and width, in positions, of the last map of a 3-D net that sees a crop of the size it is meant for.

    Args:
        net: in evaluation mode.

    Raises:
        DataError: when the net does not end in the mean over a map.
    """
    blank = torch.zeros((1, net.channels, net.frames or 1, *net.input_size), dtype=torch.uint8, device=net.mean.device)
    with torch.inference_mode():
        shape = feature_map(net, blank).shape
    return int(shape[-2]), int(shape[-1])


def _clips(
    images: ImageSequence, *, sampling: Sampling, positions: int, resized_to: tuple[int, int] | None
) -> Iterator[UInt8[np.ndarray, "frames edge edge channels"]]:
    """The centre crops of one clip after the other."""
    starts = section_starts(len(images), sections=positions, span=sampling.span)
    for row in clip_indices(starts, frames=sampling.frames, stride=sampling.stride, length=len(images)):
        pictures = images.frames(row)
        yield middle(pictures if resized_to is None else resize(pictures, resized_to))


def _logits(
    net: Backbone,
    crops: UInt8[np.ndarray, "frames edge edge channels"],
    *,
    scale: int,
    frames: int,
    window: tuple[int, int],
) -> Float[Tensor, "1 classes high wide"]:
    """The mean over time of the logits at every place of one clip."""
    height, width = net.input_size
    scaled = resize(np.ascontiguousarray(crops), (scale, round(scale * width / height)))
    clip = torch.from_numpy(arranged(scaled, frames=frames, solid=True)).to(net.mean.device)
    return position_logits(net, clip, window=window).mean(2)
