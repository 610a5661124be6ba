"""Stacking with a maxout layer: a net on the scores of all members learns on one half of the videos held out for it.

The other half says when to stop. Nothing is drawn but the halves, so the same scores and seed give the same weights.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from untrimmed.fuse.votes import shares
from untrimmed.records import DataError

log = logging.getLogger(__name__)

SMALLEST = 1e-6
"""Confidences below it count as it, so that their logarithm is finite."""


@dataclass(frozen=True, kw_only=True)
class MaxoutStacking:
    """How the meta-model of report 14, section 2.5.2, learns; the report gives the procedure and no number."""

    starts: tuple[float, ...] = (0.0, 0.5, 0.9)
    """Where learning begins, each in turn: shares in [0, 1) of the way from the maximum over the members to the mean of
    their log-confidences. The report found the maximum far above the mean; members that know different things (colour
    and motion) ask for the mean. At 1 all pieces would be alike and stay so."""
    steps: int = 300
    """Most steps of Adam, each on the whole first half. The paper does not say."""
    learning_rate: float = 0.02
    """Of Adam. The paper does not say."""
    pull: float = 1e-3
    """Penalty, half of it times the squared distance from where the weights start. The paper does not say."""
    patience: int = 50
    """Steps without a lower loss on the second half before learning ends. The paper does not say."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.patience < 1 or not self.learning_rate > 0 or not self.pull >= 0:
            raise DataError(f"stacking needs steps, patience >= 1, learning_rate > 0 and pull >= 0, got {self}")
        if not self.starts or not all(0 <= share < 1 for share in self.starts):
            raise DataError(f"starts of stacking must be shares in [0, 1), got {self.starts}")


class MaxoutMeta(nn.Module):
    """One maxout layer from the log-confidences of all members to a logit a class, with as many pieces as members.

        z_c = max_j (w_jc . x + b_jc),  x = the concatenated log-confidences (members * classes)

    Piece j starts as s / members * (the log-confidences of class c, summed) + (1 - s) * (that of member j). At s = 0
    softmax(z) is the maximum over the members, brought to the sum 1: the best pooling of report 14 is where learning
    begins. Towards s = 1 it becomes their geometric mean.

    Source: report 14, section 2.5.2; Goodfellow et al., Maxout Networks, ICML 2013, section 3.
    """

    def __init__(self, members: int, classes: int, *, start: float = 0.0) -> None:
        super().__init__()
        inputs = members * classes
        own = torch.eye(inputs, dtype=torch.float64).view(members, classes, inputs)
        self.weight = nn.Parameter(start * own.mean(0, keepdim=True) + (1 - start) * own)
        self.bias = nn.Parameter(torch.zeros(members, classes, dtype=torch.float64))

    def forward(self, logs: Float[Tensor, "videos members classes"]) -> Float[Tensor, "videos classes"]:
        """Logits."""
        pieces = logs.flatten(1) @ self.weight.flatten(0, 1).T + self.bias.flatten()
        return pieces.view(len(logs), *self.bias.shape).amax(1)


def halves(
    members: Bool[np.ndarray, "videos classes"], *, seed: int
) -> tuple[Int[np.ndarray, " first"], Int[np.ndarray, " second"]]:
    """The videos that have a class, in two halves that share none: the first learns, the second decides.

    Videos are shuffled, laid class by class, and dealt in turn, so that the halves differ by one video at most, and by
    at most one in every class where a video has one. The report divides "into 2" and does not say how.
    """
    known = np.flatnonzero(members.any(axis=1))
    shuffled = np.random.default_rng(seed).permutation(known)
    laid = shuffled[np.argsort(members[shuffled].argmax(axis=1), kind="stable")]
    return np.sort(laid[::2]), np.sort(laid[1::2])


def fit_stacking(
    config: MaxoutStacking,
    scores: Float[np.ndarray, "members videos classes"],
    members: Bool[np.ndarray, "videos classes"],
    *,
    seed: int,
) -> MaxoutMeta:
    """Learn on the first half with cross-entropy and keep the weights of the lowest loss on the second.

    The starts are among those weights: on the second half the answer is never worse than the maximum over the members.
    A video of several classes counts for each of them in equal parts. Where fewer than two videos have a class, the
    maximum stays, and a warning says so.

    Args:
        config: the schedule.
        scores: >= 0, of videos that the members did not learn from.
        members: which classes each video has.
        seed: of the halves.

    Raises:
        DataError: when scores are negative or not finite.

    Source: report 14, section 2.5.2, "Procedure".
    """
    first, second = (torch.from_numpy(half) for half in halves(members, seed=seed))
    if not len(second):
        log.warning("stacking needs two videos with a class to learn from, got %d: it stays at the maximum", len(first))
        return MaxoutMeta(len(scores), members.shape[1]).eval()
    logs = _logs(scores)
    wanted = torch.from_numpy(members / np.maximum(members.sum(axis=1, keepdims=True), 1))
    found = []
    for start in config.starts:
        meta = MaxoutMeta(len(scores), members.shape[1], start=start)
        found.append((_learn(meta, config, (logs[first], wanted[first]), (logs[second], wanted[second])), meta))
    return min(found, key=lambda pair: pair[0])[1].eval()


def _learn(
    meta: MaxoutMeta, config: MaxoutStacking, teach: tuple[Tensor, Tensor], check: tuple[Tensor, Tensor]
) -> float:
    """Learn in place from log-confidences and shares of classes; the lowest loss on what checks."""
    start = meta.weight.detach().clone()
    optimizer = torch.optim.Adam(meta.parameters(), lr=config.learning_rate)
    best, kept, since = math.inf, {}, 0
    for step in range(config.steps + 1):
        with torch.no_grad():
            checked = float(nn.functional.cross_entropy(meta(check[0]), check[1]))
        since += 1
        if checked < best:
            best, since = checked, 0
            kept = {name: value.clone() for name, value in meta.state_dict().items()}
        if since >= config.patience or step == config.steps:
            break
        loss = nn.functional.cross_entropy(meta(teach[0]), teach[1])
        loss = loss + config.pull / 2 * ((meta.weight - start).square().sum() + meta.bias.square().sum())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    meta.load_state_dict(kept)
    return best


def stacked(
    meta: MaxoutMeta, scores: Float[np.ndarray, "members videos classes"]
) -> Float[np.ndarray, "videos classes"]:
    """Probabilities of the meta-model, each row of sum 1."""
    if scores.shape[::2] != tuple(meta.bias.shape):
        raise DataError(f"stacking was learnt for (members, classes) {tuple(meta.bias.shape)}, got {scores.shape[::2]}")
    with torch.no_grad():
        return np.asarray(meta(_logs(scores)).softmax(dim=1).numpy())


def restored(table: Mapping[str, Tensor], *, where: str) -> MaxoutMeta:
    """The meta-model of a state dict.

    Raises:
        DataError: when the tensors are no meta-model's.
    """
    bias = table.get("bias")
    fits = bias is not None and bias.ndim == 2 and set(table) == {"bias", "weight"}
    if not fits or bias is None or table["weight"].shape != (*bias.shape, bias.numel()):
        got = {name: tuple(value.shape) for name, value in table.items()}
        raise DataError(f"stacking needs a bias (m, c) and a weight (m, c, m * c), got {got} ({where})")
    meta = MaxoutMeta(*bias.shape)
    meta.load_state_dict(dict(table))
    return meta.eval()


def _logs(scores: Float[np.ndarray, "members videos classes"]) -> Float[Tensor, "videos members classes"]:
    return torch.from_numpy(np.log(np.maximum(shares(scores), SMALLEST))).transpose(0, 1)
