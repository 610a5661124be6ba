"""What is done to the frames of a clip before a net sees them. Every frame of a clip is treated alike.

Clips are uint8 (frames, height, width, channels), arrays or tensors; what comes out is of the kind that went in.
Random choices are drawn from a generator that the caller owns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from untrimmed.records import DataError

# "_": frames, height and width of what comes out may differ from those of what goes in.
Clip = TypeVar("Clip", UInt8[np.ndarray, "_ _ _ channels"], UInt8[Tensor, "_ _ _ channels"])


def resize(clip: Clip, size: tuple[int, int]) -> Clip:
    """Scale to (height, width), bilinear without low-pass, as OpenCV does and the pipelines of 2017 did.

    Tensors stay on their device; they may differ from arrays by one level.
    """
    if min(size) < 1:
        raise DataError(f"size to resize a clip to must be positive (height, width), got {size}")
    if clip.shape[1:3] == tuple(size):
        return clip
    if isinstance(clip, Tensor):
        floats = clip.permute(0, 3, 1, 2).float()
        scaled = torch.nn.functional.interpolate(floats, size=size, mode="bilinear", align_corners=False)
        return scaled.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    import cv2

    frames, _, _, channels = clip.shape
    scaled = np.empty((frames, *size, channels), np.uint8)
    for before, after in zip(clip, scaled, strict=True):
        after[:] = cv2.resize(before, size[::-1], interpolation=cv2.INTER_LINEAR).reshape(after.shape)
    return scaled


def crop(clip: Clip, *, top: int, left: int, size: tuple[int, int]) -> Clip:
    """The rectangle of (height, width) at a place; a view, nothing is copied."""
    height, width = clip.shape[1:3]
    inside = top >= 0 and left >= 0 and top + size[0] <= height and left + size[1] <= width
    if not inside or min(size) < 1:
        raise DataError(f"crop {size} at {(top, left)} must lie inside the frames of the clip, got {(height, width)}")
    return clip[:, top : top + size[0], left : left + size[1]]


def centre_crop(clip: Clip, size: tuple[int, int]) -> Clip:
    """The rectangle of (height, width) in the middle; a view."""
    return crop(clip, top=(clip.shape[1] - size[0]) // 2, left=(clip.shape[2] - size[1]) // 2, size=size)


def corners_and_centre(frame: tuple[int, int], size: tuple[int, int]) -> list[tuple[int, int]]:
    """The (top, left) of the five crops: the corners from the upper left, line by line, then the centre."""
    down, right = frame[0] - size[0], frame[1] - size[1]
    return [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]


@dataclass(frozen=True, kw_only=True)
class CornerCrop:
    """Random crops of TSN: from a corner or the centre, of random height and width, scaled to one size.

    Each corner is drawn as often as the centre, so that the borders of the picture are seen; height and width are
    drawn apart, which jitters scale and aspect.

    Attributes:
        sizes: edges to draw from, for frames of 256 x 340.
        output: edge of what the net sees.
        distortion: how many places in `sizes` height and width may lie apart. 1 is that of the released code; the
            paper draws them freely, which is len(sizes).

    Source: Wang et al., Temporal Segment Networks, ECCV 2016, section 3.2, "data augmentation".
    """

    sizes: tuple[int, ...] = (256, 224, 192, 168)
    output: int = 224
    distortion: int = 1

    def __call__(self, clip: Clip, *, generator: np.random.Generator) -> Clip:
        """One random crop, the same for all frames of the clip.

        Raises:
            DataError: when the frames are smaller than the largest crop.
        """
        frame = (int(clip.shape[1]), int(clip.shape[2]))
        if min(frame) < max(self.sizes):
            raise DataError(f"frames to crop must be at least {max(self.sizes)} high and wide, got {frame}")
        pairs = self.pairs()
        size = pairs[int(generator.integers(len(pairs)))]
        places = corners_and_centre(frame, size)
        top, left = places[int(generator.integers(len(places)))]
        return resize(crop(clip, top=top, left=left, size=size), (self.output, self.output))

    def pairs(self) -> list[tuple[int, int]]:
        """The (height, width) to draw from, each as likely."""
        numbered = list(enumerate(self.sizes))
        return [(high, wide) for i, high in numbered for j, wide in numbered if abs(i - j) <= self.distortion]


def flip(clip: Clip, *, flow: bool = False) -> Clip:
    """Mirror left and right.

    Motion to the right becomes motion to the left: of flow, the x channels (0, 2, 4 ...) change their sign about 128,
    which stands for no motion. Values 1 to 255 come back after two flips; 0 counts as 1.

    Args:
        clip: pictures, or flow with channels x, y, x, y ...
        flow: whether it is flow.
    """
    if isinstance(clip, Tensor):
        mirrored = clip.flip(2)
        if flow:
            mirrored[..., ::2] = (256 - mirrored[..., ::2].to(torch.int16).clamp_(min=1)).to(torch.uint8)
        return mirrored
    turned = np.ascontiguousarray(clip[:, :, ::-1])
    if flow:
        turned[..., ::2] = (256 - np.maximum(turned[..., ::2], 1).astype(np.int16)).astype(np.uint8)
    return turned


def random_flip(clip: Clip, *, generator: np.random.Generator, flow: bool = False) -> Clip:
    """Mirror left and right with probability 1/2, all frames of the clip or none."""
    return flip(clip, flow=flow) if generator.random() < 0.5 else clip


def ten_crop(clip: Clip, size: tuple[int, int], *, flow: bool = False) -> list[Clip]:
    """The four corners and the centre, then the same five mirrored: what TSN averages over at test time.

    Args:
        clip: frames, usually 256 x 340.
        size: height and width of the crops, usually (224, 224).
        flow: whether it is flow, whose x channels change sign when mirrored.

    Returns:
        Ten clips: upper left, upper right, lower left, lower right, centre, and their mirror images in this order.

    Source: Wang et al., Temporal Segment Networks, ECCV 2016, section 3.3.
    """
    frame = (int(clip.shape[1]), int(clip.shape[2]))
    crops = [crop(clip, top=top, left=left, size=size) for top, left in corners_and_centre(frame, size)]
    return crops + [flip(part, flow=flow) for part in crops]


def thin(clip: Clip, step: int) -> Clip:
    """One frame of every step, from the first; a view. The clip then spans step times the time."""
    if step < 1:
        raise DataError(f"step of temporal thinning must be 1 or more, got {step}")
    return clip[::step]


def normalize(
    clip: Clip, *, mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "frames channels height width"]:
    """To float, channels first, as a 2-D net wants it: (value / 255 - mean) / std for each channel.

    Args:
        clip: frames.
        mean: of each channel, in [0, 1]; fewer values than channels are repeated in turn (flow stacks).
        std: likewise, > 0.

    Raises:
        DataError: when the channels are no multiple of the values.
    """
    channels = int(clip.shape[3])
    if not mean or len(mean) != len(std) or channels % len(mean):
        raise DataError(
            f"mean and std must have one value for each of {channels} channels, got {len(mean)} and {len(std)}"
        )
    if min(std) <= 0:
        raise DataError(f"std of a normalization must be positive, got {tuple(std)}")
    tensor = clip if isinstance(clip, Tensor) else torch.from_numpy(np.ascontiguousarray(clip))
    repeats = channels // len(mean)
    centre = torch.tensor(list(mean) * repeats, device=tensor.device).view(1, -1, 1, 1)
    spread = torch.tensor(list(std) * repeats, device=tensor.device).view(1, -1, 1, 1)
    return (tensor.permute(0, 3, 1, 2).float() / 255 - centre) / spread
