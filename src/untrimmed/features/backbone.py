"""Features by a net: one step a window of stored pictures, RGB or flow, 2-D nets and 3-D nets alike."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from untrimmed.features.clip_sets import arranged
from untrimmed.features.feature import Feature, ImageSequence, Measurement, Rows
from untrimmed.features.images import RgbImages
from untrimmed.features.picture_kinds import AnyImages
from untrimmed.media.transforms import centre_crop, resize
from untrimmed.nets.backbone import Backbone, restored
from untrimmed.nets.positions import feature_map
from untrimmed.nets.zoo import AnyNet, SmallNet
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

PICTURES = 128
"""Pictures decoded and put through a net at once, about."""
CROP_SHARE = 7 / 8
"""Edge of the centre crop as a share of the picture's shorter edge: 224 of 256, as the nets were trained with."""


@dataclass(frozen=True, kw_only=True)
class BackboneFeature(Feature):
    """What a net says of every window of pictures.

    Step i stands for pictures [i * stride, (i + 1) * stride), and the net sees the `frames` pictures about their
    middle; beyond the ends of the video the first and the last picture stand still. Steps cover the whole video. The
    net runs on torch's default device, which is no part of the configuration.
    """

    name = "backbone"

    net: AnyNet = field(default_factory=SmallNet)
    """The net's configuration; a 3-D net sees clips, a 2-D net sees the pictures of a window stacked as channels."""
    weights: Path | None = None
    """Safetensors file of the trained net; None takes the configuration's own initial weights, drawn by `seed`."""
    images: AnyImages = field(default_factory=RgbImages)
    """The pictures, which are measured and stored first."""
    frames: int = 1
    """Pictures in a window: 1 for RGB in TSN, 5 for flow there (report 06, section 2), 16 for C3D."""
    stride: int = 1
    """Pictures from one step to the next, >= 1."""
    resized_to: tuple[int, int] | None = None
    """Height and width that stored pictures are scaled to first; None leaves them. Report 06: (256, 340) for TSN."""
    whole: bool = False
    """Whether pictures are scaled to the net's input as they are, instead of the centre being cut out."""
    output: Literal["features", "logits", "scores", "positions"] = "features"
    """The pooled feature before the last layer, the last layer's logits, their softmax, or the features at all
    positions of the last map, which follow each other within the stretch of their step."""
    seed: int = 0
    """Draws the weights where there is no file; counts only then."""

    def __post_init__(self) -> None:
        if self.frames < 1 or self.stride < 1:
            raise DataError(f"a backbone feature needs frames and stride >= 1, got {self.frames} and {self.stride}")
        wanted = clip_frames(self.net)
        if wanted not in (None, self.frames):
            raise DataError(f"{type(self.net).__name__} takes clips of {wanted} pictures, got frames {self.frames}")
        if self.weights is not None and not self.weights.is_file():
            raise DataError(f"weights file {self.weights} is not there; put a safetensors file there, or use none")

    @property
    def requires(self) -> tuple[Feature, ...]:
        """The pictures."""
        return (self.images,)

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """One row a step, (steps, dims) or (steps, classes); (steps * positions, dims) of maps."""
        pictures = given[self.images]
        if not isinstance(pictures, ImageSequence):
            raise DataError(f"feature {self.key} of {video.name} is measured from pictures, got rows")
        return _NetRows(self, pictures)

    def grid(self, pictures: TimeGrid) -> TimeGrid:
        """When the steps look, given the grid of the pictures."""
        begin = pictures.start + ((self.stride - self.frames) // 2) * pictures.stride
        stride, window = self.stride * pictures.stride, (self.frames - 1) * pictures.stride + pictures.window
        return TimeGrid(start=begin, stride=stride, window=window, steps=-(-pictures.steps // self.stride))


class _NetRows(Rows):
    def __init__(self, feature: BackboneFeature, pictures: ImageSequence) -> None:
        self._feature = feature
        self._pictures = pictures
        self._net = _net(feature, str(torch.get_default_device()))
        self._rows_a_step = 1

    def grid(self) -> TimeGrid:
        steps = self._feature.grid(self._pictures.grid)
        rows = self._rows_a_step
        return replace(steps, stride=steps.stride / rows, steps=steps.steps * rows)

    def __iter__(self) -> Iterator[np.ndarray]:
        feature = self._feature
        together = max(1, PICTURES // feature.frames)
        count = feature.grid(self._pictures.grid).steps
        for first in range(0, count, together):
            steps = np.arange(first, min(first + together, count))
            rows = self._measured(window_indices(steps, feature=feature, length=len(self._pictures)))
            self._rows_a_step = len(rows) // len(steps)
            yield rows

    def _measured(self, windows: Int[np.ndarray, "steps frames"]) -> Float[np.ndarray, "rows dims"]:
        needed, place = np.unique(windows, return_inverse=True)
        crops = net_input(self._pictures.frames(needed), feature=self._feature, size=self._net.input_size)
        clips = arranged(crops[place.reshape(-1)], frames=self._feature.frames, solid=self._net.frames is not None)
        with torch.inference_mode():
            answer = self._answer(torch.from_numpy(clips).to(self._net.mean.device))
        return answer.float().cpu().numpy()

    def _answer(self, clips: Tensor) -> Tensor:
        if self._feature.output == "features":
            return self._net.pooled(clips)
        if self._feature.output == "positions":
            return feature_map(self._net, clips).movedim(1, -1).flatten(0, -2)
        logits = self._net(clips)
        return logits if self._feature.output == "logits" else logits.softmax(1)


def window_indices(
    steps: Int[np.ndarray, " steps"], *, feature: BackboneFeature, length: int
) -> Int[np.ndarray, "steps frames"]:
    """The pictures that some steps look at; beyond the ends the first and the last stand still."""
    begin = steps * feature.stride + (feature.stride - feature.frames) // 2
    return np.clip(begin[:, None] + np.arange(feature.frames), 0, length - 1)


def net_input(
    pictures: UInt8[np.ndarray, "n height width channels"], *, feature: BackboneFeature, size: tuple[int, int]
) -> UInt8[np.ndarray, "n out_height out_width channels"]:
    """Pictures as a net is tested: scaled, the centre cut out, and made as large as the net's input."""
    scaled = pictures if feature.resized_to is None else resize(pictures, feature.resized_to)
    if feature.whole:
        return resize(scaled, size)
    edge = int(min(scaled.shape[1:3]) * CROP_SHARE)
    return resize(np.ascontiguousarray(centre_crop(scaled, (edge, edge))), size)


def _net(feature: BackboneFeature, device: str) -> Backbone:
    stat = None if feature.weights is None else feature.weights.stat()
    # what is asked of a net, and when, makes no other net of it
    alone = replace(feature, output="features", stride=1, resized_to=None, whole=False)
    return _built(alone, device, None if stat is None else (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=4)
def _built(feature: BackboneFeature, device: str, stamp: tuple[int, int] | None) -> Backbone:
    """The net, once a process; `stamp` makes changed weights another net."""
    channels = feature.images.channels
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        if clip_frames(feature.net) is None:
            channels *= feature.frames
        torch.manual_seed(feature.seed)
        net = restored(feature.net, feature.weights, channels=channels)
    return net.to(device).eval()


def clip_frames(net: AnyNet) -> int | None:
    """Pictures in a clip of a 3-D net; None for a 2-D net, whose configuration has no `frames`."""
    return getattr(net, "frames", None)
