"""R-C3D's net: C3D's convolutions over a buffer of any length, segments proposed on them, classified and moved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from untrimmed.nets.backbone import Backbone, fill, load_weights
from untrimmed.nets.c3d import C3d
from untrimmed.nets.roi_pool import roi_pool
from untrimmed.propose.anchors import decode
from untrimmed.propose.suppress import HardNms, suppress
from untrimmed.propose.temporal_anchors import step_anchors
from untrimmed.records import DataError

STEP_FRAMES = 8
"""Frames that one step of the maps stands for: conv5b has seen three poolings in time."""
LARGEST_LOG = 4.0
"""A predicted length stays within a factor of 55 of its anchor's, so that no exponential overflows."""
LEAST_STEPS = 1 / STEP_FRAMES
"""A proposal is a frame long at least."""

ACTIVITYNET_SCALES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64)


@dataclass(frozen=True, kw_only=True)
class Rc3dNetConfig:
    """The net and what it learns. Report 20 is quoted by section; the released code is the authors'."""

    trunk: C3d = C3d()  # noqa: RUF009
    """Its layers up to conv5b see the buffers; its input size, and the width of its hidden layers, are the net's."""
    scales: tuple[float, ...] = ACTIVITYNET_SCALES
    """Lengths of the anchors in steps of 8 frames; section 4.2."""
    frozen: int = 2
    """Convolutions, from the first, that do not learn; section 4.2. None on THUMOS'14."""
    pool: tuple[int, int, int] = (1, 4, 4)
    """Parts of a proposal in time, height and width; section 3.3. A port of the code has (4, 2, 2)."""
    dropout: float = 0.5
    """After both hidden layers in training; the paper does not say, Fast R-CNN's."""
    anchor_positive_tiou: float = 0.7
    """Above it an anchor is positive; section 3.2."""
    anchor_negative_tiou: float = 0.3
    """Below it an anchor is negative; section 3.2."""
    anchors_drawn: int = 64
    """Anchors of a buffer that one step learns from, half of them positive (section 3.2); the released code's."""
    crossing: bool = False
    """Whether anchors that reach beyond the buffer are learnt; the paper does not say, the released code drops them."""
    proposal_tiou: float = 0.7
    """Proposals that overlap more are suppressed; section 3.3. The released files have 0.8 in training, 0.9 at test."""
    training_proposals: int = 2000
    """Proposals of a buffer left by suppression in training; the paper does not say, the released code's."""
    proposals: int = 300
    """The same at test; the paper does not say, the released code's."""
    proposal_positive_tiou: float = 0.5
    """Above it a proposal has its instance's class, below it none; section 3.3."""
    proposal_least_tiou: float = 0.0
    """Proposals that overlap less are not learnt; the paper has no such bound, the released ActivityNet file 0.1."""
    proposals_drawn: int = 128
    """Proposals of a buffer that one step learns from, a quarter of them positive (section 3.3); the released code's
    number."""
    fill: bool = False
    """Draw negatives up to these numbers where positives are few, as the released code does, instead of 1:1 and 1:3."""
    offset_scale: tuple[float, float] = (1.0, 1.0)
    """What shifts and log lengths of proposals are divided by; the paper's equation 2 has none, the released code
    divides by 0.1 and 0.2."""
    trade_off: float = 1.0
    """Weight of the two regression losses, lambda of equation 1; section 3.4."""

    def __post_init__(self) -> None:
        if self.frozen < 0 or not self.scales or min(self.scales) <= 0:
            raise DataError(f"R-C3D needs scales > 0 and frozen >= 0, got {self.scales} and {self.frozen}")

    def build(self, *, classes: int, channels: int, pretrained: bool = True) -> "Rc3dNet":
        """The net; class number `classes` is the background."""
        return Rc3dNet(self, classes=classes, channels=channels, weights=self.trunk.weights if pretrained else None)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Proposals of one buffer in falling score: segments in steps, scores in (0, 1)."""

    segments: Float[np.ndarray, "n 2"]
    scores: Float[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Found:
    """What the net says of one buffer.

    Attributes:
        proposals: in falling score.
        probabilities: of each class for each proposal; the background's is left out.
        refined: each proposal as moved for each class, in steps, cut to the buffer's content.
    """

    proposals: Candidates
    probabilities: Float[np.ndarray, "n classes"]
    refined: Float[np.ndarray, "n classes 2"]


class Rc3dNet(nn.Module):
    """Shared maps -> proposal subnet; shared maps and proposals -> classification subnet.

    Source: report 20 (Xu, Das and Saenko, R-C3D, ICCV 2017), sections 3.1 to 3.3.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: Rc3dNetConfig, *, classes: int, channels: int, weights: Path | None) -> None:
        super().__init__()
        self.config, self.classes, self.channels = config, classes, channels
        # only the convolutions are kept, so the other layers may be as small as can be
        whole = replace(config.trunk, hidden=1, weights=None).build(classes=1, channels=channels)
        if weights is not None:
            load_weights(whole, weights, fresh=("fc6.", "fc7.", "classifier."))
        self.trunk = nn.Sequential(*list(_layers(whole))[:-1])  # without pool5
        self.register_buffer("mean", whole.mean.view(1, -1, 1, 1, 1), persistent=False)
        self.register_buffer("std", whole.std.view(1, -1, 1, 1, 1), persistent=False)
        for layer in [layer for layer in self.trunk if isinstance(layer, nn.Conv3d)][: config.frozen]:
            layer.requires_grad_(False)
        dims, anchors, hidden = 8 * config.trunk.width, len(config.scales), config.trunk.hidden
        self.context = nn.Conv3d(dims, dims, 3, padding=1)
        self.anchor_scores = nn.Conv1d(dims, 2 * anchors, 1)
        self.anchor_offsets = nn.Conv1d(dims, 2 * anchors, 1)
        self.fc6 = nn.Linear(dims * config.pool[0] * config.pool[1] * config.pool[2], hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(hidden, classes + 1)
        self.regressor = nn.Linear(hidden, 2 * classes)
        for module in (self.context, self.fc6, self.fc7):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        # Faster R-CNN's: every anchor is as likely, and no segment moves, at first
        for head, deviation in (
            (self.anchor_scores, 0.01),
            (self.anchor_offsets, 0.01),
            (self.classifier, 0.01),
            (self.regressor, 0.001),
        ):
            nn.init.normal_(head.weight, std=deviation)
            assert head.bias is not None
            nn.init.zeros_(head.bias)

    def start_from(self, backbone: Backbone) -> None:
        """Take the convolutions of a C3D that has learnt to classify clips."""
        convolutions = nn.Sequential(*list(_layers(backbone))[:-1])
        fill(self.trunk, convolutions.state_dict(), where=f"a {type(backbone).__name__}")

    def maps(self, frames: Shaped[Tensor, "n channels frames height width"]) -> Float[Tensor, "n dims steps high wide"]:
        """conv5b: a step for every 8 frames, a cell for every 16 pixels. Bytes are shifted and scaled first."""
        given = (frames.float() - self.mean) / self.std if frames.dtype == torch.uint8 else frames
        return self.trunk(given)

    def proposed(
        self, maps: Float[Tensor, "n dims steps high wide"]
    ) -> tuple[Float[Tensor, "n anchors 2"], Float[Tensor, "n anchors 2"]]:
        """Logits (nothing, something) and offsets of each anchor, in the order of step_anchors."""
        context = self.context(maps).relu().amax(dim=(3, 4))
        scores, offsets = self.anchor_scores(context), self.anchor_offsets(context)
        n, _, steps = context.shape
        # (n, scales * 2, steps) -> (n, steps * scales, 2)
        return (
            scores.view(n, -1, 2, steps).permute(0, 3, 1, 2).reshape(n, -1, 2),
            offsets.view(n, -1, 2, steps).permute(0, 3, 1, 2).reshape(n, -1, 2),
        )

    def classified(
        self,
        maps: Float[Tensor, "n dims steps high wide"],
        owners: Int[Tensor, " segments"],
        segments: Float[Tensor, "segments 2"],
    ) -> tuple[Float[Tensor, "segments classes_and_none"], Float[Tensor, "segments classes 2"]]:
        """Logits, the background last, and the offsets that each class would move a proposal by."""
        pooled = roi_pool(maps, owners, segments, size=self.config.pool).flatten(1)
        hidden = self.dropout(self.fc6(pooled).relu())
        hidden = self.dropout(self.fc7(hidden).relu())
        return self.classifier(hidden), self.regressor(hidden).view(len(segments), self.classes, 2)

    def candidates(
        self, logits: Float[Tensor, "anchors 2"], offsets: Float[Tensor, "anchors 2"], *, steps: float, most: int
    ) -> Candidates:
        """The proposals of one buffer: anchors moved by their offsets, cut to the content, suppressed.

        Args:
            logits: of its anchors.
            offsets: of its anchors.
            steps: where its content ends; what is padded behind holds no proposal.
            most: proposals at most.
        """
        anchors = step_anchors(len(logits) // len(self.config.scales), self.config.scales)
        segments = _moved(anchors, offsets.detach().double().cpu().numpy())
        segments = np.clip(segments, 0.0, steps)
        scores = logits.detach().double().softmax(1)[:, 1].cpu().numpy()
        kept = segments[:, 1] - segments[:, 0] >= LEAST_STEPS
        left = suppress(segments[kept], scores[kept], HardNms(tiou=self.config.proposal_tiou, most=most))
        return Candidates(left.segments, left.scores)

    def forward(
        self, frames: Shaped[Tensor, "n channels frames height width"], lengths: Float[Tensor, " n"]
    ) -> list[Found]:
        """What is found in each buffer, in one pass.

        Args:
            frames: the buffers, padded behind their content; of any length.
            lengths: frames of content.
        """
        maps = self.maps(frames)
        logits, offsets = self.proposed(maps)
        ends = (lengths / STEP_FRAMES).tolist()
        chosen = [
            self.candidates(one, other, steps=end, most=self.config.proposals)
            for one, other, end in zip(logits, offsets, ends, strict=True)
        ]
        segments, owners = joined([one.segments for one in chosen], device=maps.device)
        scores, moves = self.classified(maps, owners, segments)
        counts = [len(one.scores) for one in chosen]
        probabilities = scores.double().softmax(1)[:, :-1].cpu().numpy()
        scaled = moves.double().cpu().numpy() * np.asarray(self.config.offset_scale)
        found, first = [], 0
        for one, count, end in zip(chosen, counts, ends, strict=True):
            part = slice(first, first + count)
            repeated = np.repeat(one.segments, self.classes, axis=0)
            refined = np.clip(_moved(repeated, scaled[part].reshape(-1, 2)), 0.0, end)
            found.append(Found(one, probabilities[part], refined.reshape(count, self.classes, 2)))
            first += count
        return found


def joined(
    segments: Sequence[Float[np.ndarray, "_ 2"]], *, device: torch.device
) -> tuple[Float[Tensor, "n 2"], Int[Tensor, " n"]]:
    """The segments of several buffers in one table, and which buffer each lies in."""
    owners = np.repeat(np.arange(len(segments)), [len(part) for part in segments])
    return torch.from_numpy(np.concatenate(segments)).to(device), torch.from_numpy(owners).to(device)


def _moved(segments: Float[np.ndarray, "n 2"], offsets: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    limited = np.stack([offsets[:, 0], np.clip(offsets[:, 1], -LARGEST_LOG, LARGEST_LOG)], axis=1)
    return decode(segments, limited)


def _layers(backbone: Backbone) -> nn.Sequential:
    layers = getattr(backbone, "layers", None)
    if not isinstance(layers, nn.Sequential):
        raise DataError(f"R-C3D starts from a C3D, got a {type(backbone).__name__}")
    return layers
