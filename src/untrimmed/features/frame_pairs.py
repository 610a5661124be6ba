"""Pairs of frames of a playground and what is true of them: depth from the geometry, flow as it is measured."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from untrimmed.data.playground.read_truth import read_truth, truth_ids, truth_pictures
from untrimmed.features.depth_motion import grey, returning, share_flow
from untrimmed.features.flow.dis import Dis
from untrimmed.nets.two_frame import TwoFrame
from untrimmed.records import DataError

MOVED = 0.15
"""The second frame is moved by up to this share of width and height in half of the training."""


@dataclass(frozen=True, kw_only=True)
class PairTruth:
    """Which frames are a pair and how what is true of them is found."""

    seconds_apart: float = 0.8
    """Seconds from the first frame of a pair to the second: 20 frames of 25 a second (report 16, section 2.3)."""
    focal: float = 1.46
    """Focal length in picture heights, which turns depth into normals: that of the playground's camera at zoom 1. Its
    zoom is not written, so normals of zoomed shots are somewhat off."""
    method: Dis = field(default_factory=Dis)
    """How the flow that is learnt from is measured."""
    trusted: float = 0.37
    """Flow is learnt where the flow back undoes it to this confidence: 0.37 is one pixel of the map along both axes."""


@dataclass(frozen=True, eq=False)
class FramePairs:
    """Pairs of frames and what is true of them, as items for training; `at` mirrors and moves them.

    Attributes:
        first, second: the frames.
        inverse_depth: 1 / metres of the first frame, at a quarter of its size.
        normals: unit vectors of the same places; right, down, away from the camera.
        flow: from the first frame to the second, shares of width and height.
        trusted: where that flow is undone by the flow back.
    """

    first: UInt8[np.ndarray, "n rows columns 3"]
    second: UInt8[np.ndarray, "n rows columns 3"]
    inverse_depth: Float[np.ndarray, "n 1 height width"]
    normals: Float[np.ndarray, "n 3 height width"]
    flow: Float[np.ndarray, "n 2 height width"]
    trusted: Bool[np.ndarray, "n 1 height width"]

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One pair; channels first."""
        pictures = {"first": self.first[index].transpose(2, 0, 1), "second": self.second[index].transpose(2, 0, 1)}
        maps = {name: getattr(self, name)[index] for name in ("inverse_depth", "normals", "flow", "trusted")}
        return {name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in (pictures | maps).items()}

    def at(self, index: int, generator: np.random.Generator) -> dict[str, Tensor]:
        """One pair, mirrored or not, its second frame moved or not."""
        item = self[index]
        item = mirrored(item) if generator.random() < 0.5 else item
        if generator.random() < 0.5:
            return item
        size = np.array(item["second"].shape[1:])
        most = (MOVED * size).astype(np.int64)
        down, right = generator.integers(-most, most + 1).tolist()
        return moved(item, right=right, down=down)


def moved(item: dict[str, Tensor], *, right: int, down: int) -> dict[str, Tensor]:
    """A pair whose second frame is moved by some pixels; its flow is more by as much. Beyond the edges these go on.

    Flow between frames of one camera is mostly none, and little is learnt from none.
    """
    height, width = item["second"].shape[1:]
    rows, columns = torch.arange(height) - down, torch.arange(width) - right
    second = item["second"][:, rows.clamp(0, height - 1)][:, :, columns.clamp(0, width - 1)]
    more = torch.tensor([right / width, down / height], dtype=item["flow"].dtype)
    return {**item, "second": second, "flow": item["flow"] + more[:, None, None]}


def mirrored(item: dict[str, Tensor]) -> dict[str, Tensor]:
    """A pair as a mirror shows it: what points to the right points to the left."""
    turned = {name: part.flip(-1) for name, part in item.items()}
    for name in ("normals", "flow"):
        turned[name][0] *= -1
    return turned


def frame_pairs(folder: Path, subset: str, net: TwoFrame, *, truth: PairTruth) -> FramePairs:
    """All pairs of a subset whose first frame has its truth; pairs across a cut are among them.

    Raises:
        DataError: when there are none.
    """
    found = [_pairs(folder, name, net, truth) for name in truth_ids(folder, subset=subset)]
    if not found:
        raise DataError(f"a two-frame net needs truth of {subset} videos, but {folder} has none")
    return FramePairs(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _pairs(folder: Path, video_id: str, net: TwoFrame, config: PairTruth) -> tuple[np.ndarray, ...]:
    import cv2

    truth = read_truth(folder, video_id)
    first = truth_pictures(folder, truth, size=net.input_size)
    second = truth_pictures(folder, truth, size=net.input_size, later=config.seconds_apart)
    small, aspect = net.map_size, truth.depth.shape[2] / truth.depth.shape[1]
    inverse = [
        cv2.resize(1 / depth.astype(np.float32), small[::-1], interpolation=cv2.INTER_AREA) for depth in truth.depth
    ]
    normals = [normals_of(part, focal=config.focal, aspect=aspect) for part in inverse]
    flows, trusted = [], []
    for one, other in zip(grey(first), grey(second), strict=True):
        there, back = (share_flow(config.method, *pair, small) for pair in ((one, other), (other, one)))
        flows.append(there)
        trusted.append(returning(there, back).min(axis=0, keepdims=True) >= config.trusted)
    return first, second, np.stack(inverse)[:, None], np.stack(normals), np.stack(flows), np.stack(trusted)


def normals_of(
    inverse_depth: Float[np.ndarray, "height width"], *, focal: float, aspect: float
) -> Float[np.ndarray, "3 height width"]:
    """Unit normals of the surface that a depth map shows, towards the camera: right, down, away.

    Every place is put where it is in front of a pinhole camera, and the normal is across its differences to the places
    beside it, which is exact on planes.

    Args:
        inverse_depth: 1 / metres, positive.
        focal: focal length, picture heights.
        aspect: width of the picture over its height, however the map is scaled.
    """
    height, width = inverse_depth.shape
    depth = 1 / np.maximum(np.asarray(inverse_depth, np.float64), 1e-6)
    x = ((np.arange(width) + 0.5) / width - 0.5) * aspect / focal
    y = ((np.arange(height) + 0.5) / height - 0.5)[:, None] / focal
    points = np.stack([depth * x, depth * y, depth], axis=2)
    across = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))  # down x right looks at the camera
    return (across / np.linalg.norm(across, axis=2, keepdims=True)).transpose(2, 0, 1).astype(np.float32)
