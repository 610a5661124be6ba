"""Teach a two-frame net on a playground whose truth was written: depth from the geometry, flow as it is measured."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from untrimmed.data.playground.read_truth import read_truth, truth_ids, truth_pictures
from untrimmed.features.depth_motion import grey, returning, share_flow
from untrimmed.features.flow.dis import Dis
from untrimmed.nets.backbone import save_weights
from untrimmed.nets.two_frame import TwoFrame, TwoFrameNet
from untrimmed.nets.two_frame_losses import LossWeights, two_frame_loss
from untrimmed.records import DataError
from untrimmed.train import Run, Schedule, fit

log = logging.getLogger(__name__)

MOVED = 0.15
"""The second frame is moved by up to this share of width and height in half of the training."""


@dataclass(frozen=True, kw_only=True)
class DepthLearning:
    """How the net is taught; the numbers are this package's own, since report 16 takes DeMoN's released weights."""

    seconds_apart: float = 0.8
    """Seconds from the first frame of a pair to the second: 20 frames of 25 a second (report 16, section 2.3)."""
    focal: float = 1.46
    """Focal length in picture heights, which turns depth into normals: that of the playground's camera at zoom 1. Its
    zoom is not written, so normals of zoomed shots are somewhat off."""
    method: Dis = field(default_factory=Dis)
    """How the flow that is learnt from is measured."""
    trusted: float = 0.37
    """Flow is learnt where the flow back undoes it to this confidence: 0.37 is one pixel of the map along both axes."""
    weights: LossWeights = field(default_factory=LossWeights)
    """Of the parts of the loss."""
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            steps=1500, batch_size=16, optimizer="adamw", learning_rate=1e-3, weight_decay=1e-4, decay="cosine",
            warmup_steps=50, clip_gradient=5.0,
        )
    )  # fmt: skip
    """Length and step sizes."""


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


def learn_depth_net(
    folder: Path,
    net: TwoFrame,
    *,
    to: Path,
    learning: DepthLearning | None = None,
    run: Run | None = None,
) -> Path:
    """Train a two-frame net on the training videos of a playground and write its weights.

    Args:
        folder: of a playground that was drawn with truth=True.
        net: sizes of the net.
        to: the safetensors file that is written; DepthMotion takes it as weights.
        learning: how; the default takes some ten minutes on one core at 96 x 96.
        run: device, seed, folder of checkpoints.

    Returns:
        `to`.

    Raises:
        DataError: when the playground has no truth of training videos.
    """
    learning, run = learning or DepthLearning(), run or Run()
    pairs = frame_pairs(folder, "training", net, learning=learning)
    torch.manual_seed(run.seed)
    model = net.build()
    fit(model, pairs, _Loss(learning.weights), schedule=learning.schedule, run=run, name="two-frame")
    to.parent.mkdir(parents=True, exist_ok=True)
    save_weights(to, model)
    log.info("a two-frame net learnt from %d pairs of %s (%s)", len(pairs), folder, to)
    return to


class _Loss:
    def __init__(self, weights: LossWeights) -> None:
        self._weights = weights

    def __call__(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        answer = model(batch["first"], batch["second"])
        return two_frame_loss(
            answer,
            self._weights,
            inverse_depth=batch["inverse_depth"],
            normals=batch["normals"],
            flow=batch["flow"],
            trusted=batch["trusted"].float(),
        )


def frame_pairs(folder: Path, subset: str, net: TwoFrame, *, learning: DepthLearning) -> FramePairs:
    """All pairs of a subset whose first frame has its truth; pairs across a cut are among them.

    Raises:
        DataError: when there are none.
    """
    found = [_pairs(folder, name, net, learning) for name in truth_ids(folder, subset=subset)]
    if not found:
        raise DataError(f"a two-frame net needs truth of {subset} videos, but {folder} has none")
    return FramePairs(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _pairs(folder: Path, video_id: str, net: TwoFrame, learning: DepthLearning) -> tuple[np.ndarray, ...]:
    import cv2

    truth = read_truth(folder, video_id)
    first = truth_pictures(folder, truth, size=net.input_size)
    second = truth_pictures(folder, truth, size=net.input_size, later=learning.seconds_apart)
    small, aspect = net.map_size, truth.depth.shape[2] / truth.depth.shape[1]
    inverse = [
        cv2.resize(1 / depth.astype(np.float32), small[::-1], interpolation=cv2.INTER_AREA) for depth in truth.depth
    ]
    normals = [normals_of(part, focal=learning.focal, aspect=aspect) for part in inverse]
    flows, trusted = [], []
    for one, other in zip(grey(first), grey(second), strict=True):
        there, back = (share_flow(learning.method, *pair, small) for pair in ((one, other), (other, one)))
        flows.append(there)
        trusted.append(returning(there, back).min(axis=0, keepdims=True) >= learning.trusted)
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


@dataclass(frozen=True, kw_only=True)
class DepthErrors:
    """Mean errors of a net, and of the constants that come nearest to what it learnt from."""

    inverse_depth: float
    """|difference| of inverse depth, 1 / metres."""
    constant_depth: float
    """The same of the median inverse depth of the training pairs, at each place of the map its own."""
    flow: float
    """Distance of flow where it is trusted, pixels of the map."""
    no_flow: float
    """The same of no motion."""
    normals: float
    """Angle to the normals, degrees."""
    constant_normals: float
    """The same of the mean normal of the training pairs, at each place of the map its own."""
    confidence: float
    """Correlation of confidence with what it should have been, -1 to 1."""


def depth_errors(net: TwoFrameNet, tested: FramePairs, *, training: FramePairs) -> DepthErrors:
    """How well a net says what is true of some pairs, beside constants of the training pairs."""
    answers = _answers(net.eval(), tested)
    depth, normals, flow, confidence = (torch.cat(parts).numpy() for parts in zip(*answers, strict=True))
    size = np.array(tested.flow.shape[:1:-1], np.float32)[:, None, None]
    usual = np.median(training.inverse_depth, axis=0)
    wanted = np.exp(-np.abs(flow - tested.flow) * size)
    return DepthErrors(
        inverse_depth=float(np.abs(depth - tested.inverse_depth).mean()),
        constant_depth=float(np.abs(usual - tested.inverse_depth).mean()),
        flow=_distance((flow - tested.flow) * size, tested.trusted),
        no_flow=_distance(tested.flow * size, tested.trusted),
        normals=_angle(normals, tested.normals),
        constant_normals=_angle(training.normals.mean(axis=0, keepdims=True), tested.normals),
        confidence=float(np.corrcoef(confidence.reshape(-1), wanted.reshape(-1))[0, 1]),
    )


def _answers(net: TwoFrameNet, pairs: FramePairs) -> Sequence[tuple[Tensor, ...]]:
    device, found = next(net.parameters()).device, []
    for begin in range(0, len(pairs), 32):
        frames = (part[begin : begin + 32].transpose(0, 3, 1, 2) for part in (pairs.first, pairs.second))
        with torch.inference_mode():
            answer = net(*(torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in frames))
        found.append(tuple(part.cpu() for part in answer[:4]))
    return found


def _distance(off: np.ndarray, trusted: np.ndarray) -> float:
    return float(np.linalg.norm(off, axis=1, keepdims=True)[trusted].mean())


def _angle(found: np.ndarray, truth: np.ndarray) -> float:
    cosine = (found * truth).sum(axis=1) / np.maximum(np.linalg.norm(found, axis=1), 1e-9)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())
