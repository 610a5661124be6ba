"""Depth, surface normals, flow and its confidence of pairs of frames, as pictures of eight channels (report 16)."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from untrimmed.features.feature import Feature, ImageSequence, Measurement, Rows
from untrimmed.features.flow.dis import Dis
from untrimmed.features.flow.tvl1 import TvL1
from untrimmed.features.images import BLOCK, ZERO, RgbImages
from untrimmed.media.transforms import resize
from untrimmed.nets.two_frame import CHANNELS, TwoFrame, TwoFrameNet, as_channels, warped
from untrimmed.nets.two_frame_losses import agreement
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FlowOnly:
    """Flow measured without learning and its confidence; depth and normals are left unknown, at 128.

    Confidence along x is e^(-|u + u'|), along y likewise, of the flow there and the flow back from where it leads, in
    pixels of the map: 1 where the two cancel.
    """

    method: Dis | TvL1 = field(default_factory=Dis)
    """How flow is measured."""
    map_size: tuple[int, int] = (56, 56)
    """Height and width of the pictures, pixels; frames are seen four times as large."""
    bound: float = 0.25
    """Flow at which the flow channels end, as a share of the picture's width and height."""

    def __post_init__(self) -> None:
        if min(self.map_size) < 1 or not self.bound > 0:
            raise DataError(f"flow of pairs needs a positive map_size and bound, got {self.map_size}, {self.bound}")

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the frames, pixels."""
        return 4 * self.map_size[0], 4 * self.map_size[1]


@dataclass(frozen=True, kw_only=True)
class DepthMotion(Feature):
    """What can be said of each frame together with one a little later: eight channels as bytes, 128 for none.

    The channels are those of nets.two_frame.as_channels, byte = 128 + round(127 * value): inverse depth 1, normals 3,
    flow 2, confidence 2. Picture i is about frames i and i + apart; the last `apart` pictures repeat the one before
    them, so that there are as many as frames. A video of no more than `apart` frames pairs its first with its last.

    Mirrored, such a picture is not that of the mirrored video, since flow and normals point the other way: streams of
    it take an augmentation without flips.
    """

    name = "depth_motion"

    estimator: TwoFrame | FlowOnly = field(default_factory=TwoFrame)
    """Who says it."""
    weights: Path | None = None
    """Safetensors file of a TwoFrame net, written by learn_depth_net; None takes a net that has learnt nothing."""
    images: RgbImages = field(default_factory=lambda: RgbImages(size=(256, 256), per_second=25))
    """The frames, which are measured and stored first. Report 16, section 2: 25 a second, 256 x 256."""
    apart: int = 20
    """Frames from the first to the second of a pair; report 16, section 2.3."""

    def __post_init__(self) -> None:
        if self.apart < 1:
            raise DataError(f"frames of a pair must be at least 1 apart, got {self.apart}")
        if self.weights is not None and isinstance(self.estimator, FlowOnly):
            raise DataError(f"flow alone is not learnt, so weights must be None, got {self.weights}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures; report 16: 56 x 56."""
        return self.estimator.map_size

    @property
    def channels(self) -> int:
        """Of one picture."""
        return CHANNELS

    @property
    def requires(self) -> tuple[Feature, ...]:
        """The frames."""
        return (self.images,)

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Pictures (n, height, width, 8), as they are measured."""
        frames = given[self.images]
        if not isinstance(frames, ImageSequence):
            raise DataError(f"feature {self.key} of {video.name} is measured from pictures, got rows")
        if self.weights is not None and not self.weights.is_file():
            raise DataError(f"weights file {self.weights} is not there; learn_depth_net writes one, or use none")
        if isinstance(self.estimator, TwoFrame) and self.weights is None:
            log.warning("depth and motion of %s are said by a net that has learnt nothing: give weights", video)
        return _PairRows(frames, self)


def pair_indices(
    steps: Int[np.ndarray, " n"], *, apart: int, length: int
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """First and second frame of the pairs that some pictures are about, in a video of so many frames."""
    first = np.minimum(steps, max(0, length - 1 - apart))
    return first, np.minimum(first + apart, length - 1)


def channel_bytes(channels: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """128 + round(127 * value) of values in [-1, 1]."""
    return (ZERO + np.rint(127 * channels)).astype(np.uint8)


class _PairRows(Rows):
    def __init__(self, frames: ImageSequence, feature: DepthMotion) -> None:
        self._frames, self._feature = frames, feature

    def grid(self) -> TimeGrid:
        return self._frames.grid

    def __iter__(self) -> Iterator[np.ndarray]:
        length = len(self._frames)
        for begin in range(0, length, BLOCK):
            steps = np.arange(begin, min(length, begin + BLOCK))
            first, second = pair_indices(steps, apart=self._feature.apart, length=length)
            needed, place = np.unique(np.concatenate([first, second]), return_inverse=True)
            frames = resize(self._frames.frames(needed), self._feature.estimator.input_size)
            ones, others = np.split(place.reshape(-1), 2)
            yield channel_bytes(self._said(frames[ones], frames[others]))

    def _said(
        self, first: UInt8[np.ndarray, "n rows columns 3"], second: UInt8[np.ndarray, "n rows columns 3"]
    ) -> Float[np.ndarray, "n height width 8"]:
        feature = self._feature
        if isinstance(feature.estimator, FlowOnly):
            return measured(feature.estimator, first, second)
        net = _net(feature, str(torch.get_default_device()))
        device = next(net.parameters()).device
        with torch.inference_mode():
            answer = net(*(torch.from_numpy(part).to(device).permute(0, 3, 1, 2) for part in (first, second)))
            return as_channels(answer, feature.estimator).permute(0, 2, 3, 1).cpu().numpy()


def measured(
    config: FlowOnly, first: UInt8[np.ndarray, "n rows columns 3"], second: UInt8[np.ndarray, "n rows columns 3"]
) -> Float[np.ndarray, "n height width 8"]:
    """The eight channels of flow alone, in [-1, 1]; depth and normals are 0."""
    said = []
    for one, other in zip(grey(first), grey(second), strict=True):
        there, back = (share_flow(config.method, *pair, config.map_size) for pair in ((one, other), (other, one)))
        said.append(np.concatenate([there / config.bound, 2 * returning(there, back) - 1]).clip(-1, 1))
    rows = np.stack(said)
    return np.concatenate([np.zeros_like(rows), rows], axis=1).transpose(0, 2, 3, 1)


def share_flow(
    method: Dis | TvL1,
    first: UInt8[np.ndarray, "rows columns"],
    second: UInt8[np.ndarray, "rows columns"],
    map_size: tuple[int, int],
) -> Float[np.ndarray, "2 height width"]:
    """Flow as shares of width and height, averaged down to a map."""
    import cv2

    flow = method.flow(first, second) / np.array(first.shape[::-1], np.float32)
    small = cv2.resize(np.ascontiguousarray(flow), map_size[::-1], interpolation=cv2.INTER_AREA)
    return small.transpose(2, 0, 1).astype(np.float32)


def returning(
    there: Float[np.ndarray, "2 height width"], back: Float[np.ndarray, "2 height width"]
) -> Float[np.ndarray, "2 height width"]:
    """How far the flow back from where a flow leads undoes it: e^(-|u + u'|) along x and y, in pixels of the map."""
    flow = torch.from_numpy(there)[None]
    undone = warped(torch.from_numpy(back)[None], flow)
    inside = warped(torch.ones_like(undone), flow)  # what left the picture has no way back
    return (agreement(flow, -undone) * inside)[0].numpy()


def grey(pictures: UInt8[np.ndarray, "n height width 3"]) -> UInt8[np.ndarray, "n height width"]:
    """Luma of RGB."""
    return np.rint(pictures @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.uint8)


def _net(feature: DepthMotion, device: str) -> TwoFrameNet:
    stat = None if feature.weights is None else feature.weights.stat()
    return _built(feature, device, None if stat is None else (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=2)
def _built(feature: DepthMotion, device: str, stamp: tuple[int, int] | None) -> TwoFrameNet:
    """The net, once a process; `stamp` makes changed weights another net, and without any the start is the same."""
    assert isinstance(feature.estimator, TwoFrame)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.manual_seed(0)
        net = feature.estimator.build(feature.weights)
    return net.to(device).eval()
