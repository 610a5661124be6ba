"""Teach a two-frame net on a playground whose truth was written, and measure how well it has learnt."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from untrimmed.features.frame_pairs import FramePairs, PairTruth, frame_pairs
from untrimmed.nets.backbone import save_weights
from untrimmed.nets.two_frame import TwoFrame, TwoFrameNet
from untrimmed.nets.two_frame_losses import LossWeights, two_frame_loss
from untrimmed.train import Run, Schedule, fit

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DepthLearning:
    """How the net is taught; the numbers are this package's own, since report 16 takes DeMoN's released weights."""

    truth: PairTruth = field(default_factory=PairTruth)
    """What is learnt."""
    weights: LossWeights = field(default_factory=LossWeights)
    """Of the parts of the loss."""
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            steps=5000, batch_size=16, optimizer="adamw", learning_rate=1e-3, weight_decay=1e-4, decay="cosine",
            warmup_steps=50, clip_gradient=5.0,
        )
    )  # fmt: skip
    """Length and step sizes."""


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
        learning: how; the default takes five minutes of one core for a net of 64 x 64 and at most 64 filters.
        run: device, seed, folder of checkpoints.

    Returns:
        `to`.

    Raises:
        DataError: when the playground has no truth of training videos.
    """
    learning, run = learning or DepthLearning(), run or Run()
    pairs = frame_pairs(folder, "training", net, truth=learning.truth)
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
    """Correlation of confidence with what it should have been, -1 to 1; 0 where one of them never changes."""


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
        confidence=_correlation(confidence, wanted),
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


def _correlation(found: np.ndarray, truth: np.ndarray) -> float:
    if not (found.std() > 0 and truth.std() > 0):
        return 0.0
    return float(np.corrcoef(found.reshape(-1), truth.reshape(-1))[0, 1])


def _angle(found: np.ndarray, truth: np.ndarray) -> float:
    cosine = (found * truth).sum(axis=1) / np.maximum(np.linalg.norm(found, axis=1), 1e-9)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())
