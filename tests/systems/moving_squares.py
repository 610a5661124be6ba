"""Stored pictures of coloured squares that move: colour tells two classes apart in RGB, direction all four in flow."""

from collections.abc import Iterator

import numpy as np

from untrimmed.features.feature import Feature, Rows
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.store import FeatureStore
from untrimmed.records import Annotation, Dataset, Instance, Video
from untrimmed.timeline import TimeGrid

RGB = RgbImages(size=(32, 40), per_second=8)
FLOW = FlowImages(size=(32, 40), per_second=8)
LABELS = ("blue down", "blue up", "red down", "red up")


class Pictures(Rows):
    def __init__(self, pictures: np.ndarray) -> None:
        self.pictures = pictures

    def __iter__(self) -> Iterator[np.ndarray]:
        yield self.pictures

    def grid(self) -> TimeGrid:
        return TimeGrid(start=0.0, stride=1 / 8, window=1 / 8, steps=len(self.pictures))


def squares(label: str | None, *, steps: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """RGB and flow of a square that moves; None draws noise only."""
    rgb = generator.integers(90, 110, (steps, 32, 40, 3)).astype(np.uint8)
    flow = generator.integers(125, 132, (steps, 32, 40, 2)).astype(np.uint8)
    if label is not None:
        left, size, begin = generator.integers(4, 24), generator.integers(9, 13), generator.integers(0, 20)
        for step in range(steps):
            moved = (begin + step) % 20
            top = moved if "down" in label else 19 - moved
            rgb[step, top : top + size, left : left + size] = (220, 30, 30) if "red" in label else (30, 30, 220)
            flow[step, top : top + size, left : left + size, 1] = 190 if "down" in label else 66
    return rgb, flow


def trimmed_set(store: FeatureStore, *, training: int = 6, testing: int = 3) -> Dataset:
    """One square a clip."""
    generator = np.random.default_rng(0)
    annotations = []
    for subset, count in (("training", training), ("validation", 1), ("testing", testing)):
        for label in LABELS:
            for number in range(count):
                steps = int(generator.integers(12, 24))
                name = f"{subset}-{label.replace(' ', '-')}-{number}"
                write(store, name, *squares(label, steps=steps, generator=generator))
                video = Video(video_id=name, duration=steps / 8, subset=subset)
                annotations.append(Annotation(video=video, instances=(Instance((0.0, steps / 8), label),)))
    return Dataset(name="squares", annotations=tuple(annotations), trimmed=True)


def untrimmed_set(store: FeatureStore, *, training: int = 5, testing: int = 2) -> Dataset:
    """Videos that begin and end with noise."""
    generator = np.random.default_rng(1)
    annotations = []
    for subset, count in (("training", training), ("testing", testing)):
        for label in LABELS:
            for number in range(count):
                noise, action = (
                    squares(None, steps=12, generator=generator),
                    squares(label, steps=24, generator=generator),
                )
                name = f"long-{subset}-{label.replace(' ', '-')}-{number}"
                parts = [np.concatenate([noise[kind], action[kind], noise[kind][:4]]) for kind in (0, 1)]
                write(store, name, *parts)
                video = Video(video_id=name, duration=5.0, subset=subset)
                annotations.append(Annotation(video=video, instances=(Instance((1.5, 4.5), label),)))
    return Dataset(name="long squares", annotations=tuple(annotations))


def write(store: FeatureStore, video_id: str, rgb: np.ndarray, flow: np.ndarray) -> None:
    pairs: tuple[tuple[Feature, np.ndarray], ...] = ((RGB, rgb), (FLOW, flow))
    for feature, pictures in pairs:
        store.write(feature, video_id, Pictures(pictures))
