"""What training and scoring the published nets through a stream cost above the bare net: TSN, I3D and P3D.

CPU seconds of this process, in rounds that alternate, the least of each; one thread of torch. Every picture is decoded
from its JPEG, as in the first epoch; later ones may find it in memory. Pictures, crops and clips have the published
sizes: 256 x 340 stored as JPEG, 224 x 224 for BN-Inception and Inception-v1 (96 frames), 160 x 160 for P3D (16 frames),
400 classes. Batches are what a small machine holds: 4 videos of 3 sections, 1 clip and 2 clips, in place of 256, 384
and 128.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.table import Row, at_most, cpu_seconds
from untrimmed.features.clip_sets import Augmentation, ClipSet, Piece, Sampling, TestViews
from untrimmed.features.feature import Rows
from untrimmed.features.images import RgbImages
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream, clip_set, cross_entropy, stream_scores
from untrimmed.nets.backbone import Backbone
from untrimmed.nets.tsn import Tsn
from untrimmed.nets.zoo import AnyNet, BnInception, Inflated, P3d
from untrimmed.timeline import TimeGrid
from untrimmed.train import Run, Schedule, fit

CLASSES = 400
PICTURES = 100
ROUNDS = 3
MOST = 1.1
"""A tenth more than the bare net."""
IMAGES = RgbImages(size=(256, 340))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A stream, the videos in a batch, the steps of one round, and the videos that are scored in one."""

    title: str
    stream: Stream
    batch: int
    steps: int
    scored: int = 1


def _stream(net: AnyNet, *, sections: int, frames: int, positions: int, ten_crop: bool = False) -> Stream:
    return Stream(
        net=net,
        images=IMAGES,
        sampling=Sampling(sections=sections, frames=frames),
        augmentation=Augmentation(),
        schedule=Schedule(steps=1, learning_rate=1e-3, weight_decay=5e-4),
        views=TestViews(positions=positions, ten_crop=ten_crop),
    )


CASES = (
    Case(
        title="TSN, BN-Inception",
        stream=_stream(BnInception(), sections=3, frames=1, positions=3, ten_crop=True),
        batch=4,
        steps=3,
    ),
    Case(title="I3D, Inception-v1", stream=_stream(Inflated(), sections=1, frames=96, positions=1), batch=1, steps=1),
    Case(title="P3D-199", stream=_stream(P3d(), sections=1, frames=16, positions=4), batch=2, steps=2),
)


class _Drawn(Rows):
    """Smooth pictures with noise, about as hard to code as real ones."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __iter__(self) -> Iterator[np.ndarray]:
        import cv2

        generator = np.random.default_rng(self._seed)
        coarse = generator.integers(60, 200, (9, 12, 3)).astype(np.float32)
        picture = cv2.resize(coarse, (340, 256), interpolation=cv2.INTER_CUBIC)
        for _ in range(PICTURES):
            noise = generator.normal(0, 6, picture.shape)
            yield np.clip(picture + noise, 0, 255).astype(np.uint8)[None]

    def grid(self) -> TimeGrid:
        return TimeGrid(start=0.0, stride=1 / 25, window=1 / 25, steps=PICTURES)


def run() -> list[Row]:
    """Overhead ratios and clips a CPU second of each net, in training and in scoring."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = FeatureStore(Path(folder))
            ids = [f"video-{number}" for number in range(4)]
            for number, video_id in enumerate(ids):
                store.write(IMAGES, video_id, _Drawn(number))
            return [row for case in CASES for row in _rows(case, ids, store)]
    finally:
        torch.set_num_threads(threads)


def _rows(case: Case, ids: list[str], store: FeatureStore) -> list[Row]:
    stream = case.stream
    torch.manual_seed(0)
    backbone = stream.build(classes=CLASSES)
    pieces = [Piece(video_id, None, number) for number, video_id in enumerate(ids)]

    def clips_of_disk() -> ClipSet:  # new ones each round, which remember no picture
        return clip_set(stream, pieces, store=store, size=backbone.input_size)

    schedule = replace(stream.schedule, batch_size=case.batch, steps=case.steps)
    batch = torch.stack([clips_of_disk()[number][0] for number in range(case.batch)])

    def trained() -> None:
        data = clips_of_disk()
        fit(Tsn(backbone), data, cross_entropy, schedule=schedule, run=Run(device="cpu"), name="benchmark")

    whole, bare = _alternating(trained, lambda: _bare_training(Tsn(backbone), batch, schedule))
    clips = case.steps * case.batch * stream.sampling.sections
    views = stream.views.positions * (10 if stream.views.ten_crop else 1)
    seen = batch.flatten(0, 1)
    seen = seen.repeat(-(-views // len(seen)), *[1] * (seen.ndim - 1))[:views]

    def scores() -> None:
        list(stream_scores(backbone, stream, ids[: case.scored], store=store))

    scored, passes = _alternating(scores, lambda: _bare_passes(backbone, seen, case.scored))
    size = " x ".join(map(str, batch.shape[2:]))
    note = f"clips of {size}, {case.batch} videos of {stream.sampling.sections} a batch"
    return [
        at_most(f"training {case.title} / bare net", whole / bare, MOST, note=note),
        Row(what=f"training {case.title}", value=clips / whole, unit="clips per CPU second", note=note),
        at_most(f"scoring {case.title} / bare net", scored / passes, MOST, note=f"{views} views a video"),
        Row(what=f"scoring {case.title}", value=case.scored * views / scored, unit="clips per CPU second"),
    ]


def _bare_training(model: nn.Module, batch: torch.Tensor, schedule: Schedule) -> None:
    """Steps of the same rule on one batch that is at hand."""
    optimizer = torch.optim.SGD(
        model.parameters(), lr=schedule.learning_rate, momentum=schedule.momentum, weight_decay=schedule.weight_decay
    )
    labels = torch.arange(len(batch))
    model.train()
    for _ in range(schedule.steps or 0):
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(batch), labels).backward()
        optimizer.step()


def _bare_passes(backbone: Backbone, clips: torch.Tensor, videos: int) -> None:
    backbone.eval()
    with torch.inference_mode():
        for _ in range(videos):
            backbone(clips)


def _alternating(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Least CPU seconds of each, in turns."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for place, call in enumerate((first, second)):
            best[place] = min(best[place], cpu_seconds(call))
    return best[0], best[1]
