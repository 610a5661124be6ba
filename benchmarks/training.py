"""What training and scoring through the package cost above the bare net: decoding, crops, batches, the loop.

CPU seconds of this process; the laptop's nets on pictures drawn here and stored as JPEG, one thread of torch.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.table import Row, at_most, cpu_seconds
from untrimmed.features.clip_sets import Piece
from untrimmed.features.feature import Rows
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream, clip_set, cross_entropy, stream_scores
from untrimmed.nets.backbone import Backbone
from untrimmed.nets.tsn import Tsn
from untrimmed.systems.tsn_and_c3d import LAPTOP, StreamName
from untrimmed.timeline import TimeGrid
from untrimmed.train import Run, Schedule, fit

STEPS = 12
VIDEOS = 24
CLASSES = 20
STREAMS: tuple[StreamName, ...] = ("rgb_tsn", "flow_tsn", "rgb_c3d")


class _Drawn(Rows):
    """Three seconds of smooth pictures, about as hard to code as real ones."""

    def __init__(self, size: tuple[int, int], channels: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        coarse = generator.integers(60, 200, (1, 9, 12, channels)).astype(np.float32)
        picture = np.kron(coarse, np.ones((1, 8, 8, 1), np.float32))[:, : size[0], : size[1]]
        noise = generator.normal(0, 6, (36, *picture.shape[1:]))
        self.pictures = np.clip(picture + noise, 0, 255).astype(np.uint8)

    def __iter__(self) -> Iterator[np.ndarray]:
        yield self.pictures

    def grid(self) -> TimeGrid:
        return TimeGrid(start=0.0, stride=1 / 12, window=1 / 12, steps=len(self.pictures))


def run() -> list[Row]:
    """Overhead ratios and clips a CPU second, for a 2-D stream on frames, one on stacked flow, and a 3-D stream."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return [row for name in STREAMS for row in _rows(name, LAPTOP.stream(name), FeatureStore(Path(folder)))]
    finally:
        torch.set_num_threads(threads)


def _rows(name: str, stream: Stream, store: FeatureStore) -> list[Row]:
    ids = [f"{name}-{number}" for number in range(VIDEOS)]
    for number, video_id in enumerate(ids):
        store.write(stream.images, video_id, _Drawn(stream.images.size, stream.images.channels, number))
    torch.manual_seed(0)
    backbone = stream.build(classes=CLASSES)
    data = clip_set(
        stream,
        [Piece(video_id, None, number % CLASSES) for number, video_id in enumerate(ids)],
        store=store,
        size=backbone.input_size,
    )
    schedule = replace(stream.schedule, batch_size=8, steps=STEPS)
    clips = STEPS * 8 * stream.sampling.sections
    whole = cpu_seconds(
        lambda: fit(Tsn(backbone), data, cross_entropy, schedule=schedule, run=Run(device="cpu"), name="benchmark"),
        repeat=3,
    )
    batch = torch.stack([data[number][0] for number in range(8)])
    bare = cpu_seconds(lambda: _bare_training(Tsn(backbone), batch, schedule), repeat=3)
    scored = cpu_seconds(lambda: list(stream_scores(backbone, stream, ids, store=store)), repeat=3)
    views = len(ids) * stream.views.positions
    passes = cpu_seconds(lambda: _bare_passes(backbone, batch.flatten(0, 1), views), repeat=3)
    note = f"{stream.sampling.frames} pictures of 64 x 86 a clip, {type(stream.net).__name__}"
    return [
        at_most(f"training {name} / bare net", whole / bare, 1.5, note=note),
        Row(what=f"training {name}", value=clips / whole, unit="clips per CPU second", note=note),
        at_most(f"scoring {name} / bare net", scored / passes, 2.5, note=note),
        Row(what=f"scoring {name}", value=views / scored, unit="clips per CPU second", note=note),
    ]


def _bare_training(model: nn.Module, batch: torch.Tensor, schedule: Schedule) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=schedule.learning_rate)
    labels = torch.arange(len(batch))
    model.train()
    for _ in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(batch), labels).backward()
        optimizer.step()


def _bare_passes(backbone: Backbone, clips: torch.Tensor, views: int) -> None:
    backbone.eval()
    with torch.inference_mode():
        for _ in range(0, views, 8):
            backbone(clips[:8])
