"""Hard mining by entropy: more epochs on those items alone of which a trained net is least sure."""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import default_collate

from untrimmed.files import write_text
from untrimmed.records import DataError
from untrimmed.train import Items, Run, Schedule, fit
from untrimmed.train.loop import Loss

log = logging.getLogger(__name__)

Logits = Callable[[nn.Module, Any], Tensor]
"""The logits (n, classes) of a model for a batch that does not lie on its device yet."""


@dataclass(frozen=True, kw_only=True)
class HardMining:
    """How much is mined how often."""

    rounds: int = 2
    """Times that hard items are picked, each followed by one epoch on them. Report 14: "a couple of times"."""
    share: float = 0.25
    """Share of the items that are hard. The paper does not say."""
    learning_rate: float | None = None
    """Of these epochs; None goes on with that of the last step of training before, which is next to nothing after a
    cosine. The paper does not say."""

    def __post_init__(self) -> None:
        if self.rounds < 1 or not 0 < self.share <= 1:
            raise DataError(f"hard mining needs rounds >= 1 and a share in (0, 1], got {self.rounds} and {self.share}")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise DataError(f"learning_rate of hard mining must be positive, got {self.learning_rate}")


class HardItems:
    """Some items of a data set, as one by themselves: drawn, collated and named as there."""

    def __init__(self, data: Items, picked: Int[np.ndarray, " hard"]) -> None:
        self.data, self.picked = data, picked
        self.collate: Callable[[list[Any]], Any] = getattr(data, "collate", default_collate)

    @property
    def identity(self) -> str:
        """Changes with the items and with which of them are picked."""
        return f"{getattr(self.data, 'identity', '')} {hashlib.sha256(self.picked.tobytes()).hexdigest()}"

    def __len__(self) -> int:
        return len(self.picked)

    def __getitem__(self, index: int) -> Any:
        """The item without chance."""
        return self.data[int(self.picked[index])]

    def at(self, index: int, generator: np.random.Generator) -> Any:
        """The item as it is drawn in training."""
        draw = getattr(self.data, "at", None)
        return self[index] if draw is None else draw(int(self.picked[index]), generator)


def entropies(model: nn.Module, data: Items, logits: Logits, *, at_once: int = 32) -> Float[np.ndarray, " items"]:
    """How unsure a net is of each item: -sum_c p_c ln p_c of its softmax in evaluation mode, in [0, ln classes].

    Items are seen without chance: `data[index]`, the middle of a clip.
    """
    collate: Callable[[list[Any]], Any] = getattr(data, "collate", default_collate)
    was_training = model.training
    model.eval()
    found = []
    with torch.no_grad():
        for first in range(0, len(data), at_once):
            batch = collate([data[index] for index in range(first, min(first + at_once, len(data)))])
            logs = logits(model, batch).double().log_softmax(dim=1)
            found.append(-(logs.exp() * logs).sum(dim=1).cpu().numpy())
    model.train(was_training)
    return np.concatenate(found)


def hardest(uncertainty: Float[np.ndarray, " items"], *, share: float) -> Int[np.ndarray, " hard"]:
    """The items of the highest entropy, at least one, in rising index; of equal ones the first."""
    count = max(1, round(share * len(uncertainty)))
    return np.sort(np.argsort(-uncertainty, kind="stable")[:count])


def mine(
    model: nn.Module,
    data: Items,
    loss: Loss,
    logits: Logits,
    *,
    mining: HardMining,
    schedule: Schedule,
    run: Run,
    name: str,
) -> tuple[Int[np.ndarray, " hard"], ...]:
    """Train a net that is trained already on its hard items, in place: pick, one epoch, and again.

    Each round is a training of its own, NAME-hard-ROUND, and goes on where it was killed; what it picked is kept in
    its folder, since a net on a GPU may not give the same entropies twice.

    Args:
        model: the trained net.
        data: what it was trained on.
        loss: as it was trained.
        logits: what its entropy is taken of.
        mining: how much, how often.
        schedule: of the training before; batch size, optimizer and their like stay.
        run: device, seed, folder.
        name: of the training before.

    Returns:
        The items of each round.

    Source: report 14, section 2.4, "Entropy based Hard-mining". Items that are surely wrong are not picked: "entropy
    based selections seems to be resilient".
    """
    last = schedule.rate(schedule.length_steps(len(data)) - 1, len(data))
    epoch = replace(
        schedule,
        steps=None,
        epochs=1.0,
        learning_rate=mining.learning_rate or last,
        milestones=(),
        decay="milestones",
        warmup_steps=0,
        patience=None,
    )
    rounds = []
    for number in range(mining.rounds):
        title = f"{name}-hard-{number}"
        known = None if run.folder is None else run.folder / title / "picked.json"
        picked = _read(known, data)
        if picked is None:
            picked = hardest(entropies(model, data, logits), share=mining.share)
            _write(known, picked, data)
        log.info("%s: %d of %d items are hard", title, len(picked), len(data))
        fit(model, HardItems(data, picked), loss, schedule=epoch, run=run, name=title)
        rounds.append(picked)
    return tuple(rounds)


def clip_logits(model: nn.Module, batch: list[Tensor]) -> Tensor:
    """Of a batch of clips and their classes, as `clip_sets.ClipSet` gives them."""
    logits: Tensor = model(batch[0].to(next(model.parameters()).device))
    return logits


def _read(path: Path | None, data: Items) -> Int[np.ndarray, " hard"] | None:
    if path is None or not path.is_file():
        return None
    known = json.loads(path.read_text(encoding="utf-8"))
    return np.array(known["items"], dtype=np.int64) if known["of"] == _of(data) else None


def _write(path: Path | None, picked: Int[np.ndarray, " hard"], data: Items) -> None:
    if path is not None:
        write_text(path, json.dumps({"of": _of(data), "items": picked.tolist()}))


def _of(data: Items) -> str:
    return hashlib.sha256(f"{len(data)} {getattr(data, 'identity', '')}".encode()).hexdigest()
