"""A training small enough to be killed and repeated many times; as a program it trains into the folder it is given."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from untrimmed.train import Run, Schedule, fit


class Points:
    """Two noisy classes; each item is shifted at random, so that a training depends on every random choice."""

    def __init__(self, items: int = 48) -> None:
        generator = np.random.default_rng(0)
        self.labels = generator.integers(0, 2, items)
        self.values = generator.normal(size=(items, 6)).astype(np.float32)
        self.values += self.labels[:, None].astype(np.float32)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.values[index], int(self.labels[index])

    def at(self, index: int, generator: np.random.Generator) -> tuple[np.ndarray, int]:
        values, label = self[index]
        return values + generator.normal(size=6).astype(np.float32), label


def cross_entropy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def net(*, dropout: float = 0.3) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(6, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(16, 8),
        nn.ReLU(),
        nn.Linear(8, 2),
    )


def accuracy(model: nn.Module) -> float:
    data = Points(200)
    scores = model(torch.from_numpy(data.values))
    return float((scores.argmax(1).numpy() == data.labels).mean())


SCHEDULE = Schedule(
    epochs=20, batch_size=10, optimizer="adam", learning_rate=0.01, milestones=(15,), warmup_steps=5, weight_decay=1e-4
)


def train(folder: Path, *, pause: bool = False) -> nn.Module:
    torch.set_num_threads(1)
    model = net()
    loss = slow_cross_entropy if pause else cross_entropy
    run = Run(folder=folder, device="cpu", checkpoint_every_steps=7, log_every_steps=5)
    fit(model, Points(), loss, schedule=SCHEDULE, run=run, name="points", validate=accuracy)
    return model


def slow_cross_entropy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    torch.ones(90, 90, 90).sum()  # some time for a kill to fall into
    return cross_entropy(model, batch)


if __name__ == "__main__":
    print("begin", flush=True)
    train(Path(sys.argv[1]), pause=True)
