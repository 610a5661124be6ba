"""A net's features weighted by people and objects in time and space, as rows whose plain mean is the attended vector.

Detections are measured and stored as a feature of their own, and linked to tubelets when they are looked at: a box
counts as surely as its tubelet does in the mean, and what is seen for a moment only need not count. The net's last
map, of every step, is averaged under the weights of `aggregate.attended`: once under those of people, once under those
of the objects of the object table, and both are set side by side. The classifiers of a system average the rows of a
video, and get the attended vector.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from untrimmed.aggregate.attended import TiedObjects, attended_rows, attention, evidence, tied_kinds
from untrimmed.features.backbone import CROP_SHARE, BackboneFeature
from untrimmed.features.boxes import Boxes, detections
from untrimmed.features.detectors import PERSON, TorchvisionDetector
from untrimmed.features.feature import Feature, FeatureSequence, ImageSequence, Measurement, Rows
from untrimmed.features.learned import StreamFeature
from untrimmed.features.tubelets import Linking, Tubelet, link_tubelets
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid


@dataclass(frozen=True, kw_only=True)
class Attention:
    """What is looked for, and how much it counts."""

    boxes: Boxes = field(default_factory=lambda: Boxes(detector=TorchvisionDetector(), per_second=2.0))
    """The detector. Report 03 had GBD, trained on ImageNet and COCO (82.79 mAP on ImageNet DET val2), and another with
    a tracker for ImageNet's objects; how often they looked it does not say."""
    linking: Linking = field(default_factory=Linking)
    """How boxes become tubelets, and how long these must be to count. The paper does not say."""
    table: tuple[TiedObjects, ...] = ()
    """Objects of activities. What any class is tied to counts for every video, since its class is not known; without
    a table only people count. The paper's table, with 76 classes and objects of ImageNet DET, is not printed."""
    floor: float = 0.25
    """Weight of what no box covers, as a share of that of a sure detection, in (0, 1]. The paper does not say."""

    def __post_init__(self) -> None:
        if not 0 < self.floor <= 1:
            raise DataError(f"attention needs a floor in (0, 1], got {self.floor}")

    def groups(self, words: tuple[str, ...]) -> list[Bool[np.ndarray, " words"]]:
        """The kinds of things that make one set of weights each: people, and all objects of the table if there is one.

        Args:
            words: what the detector finds.

        Raises:
            DataError: on an object that it does not find.
        """
        people = np.array([word == PERSON for word in words])
        if not self.table:
            return [people]
        labels = list(dict.fromkeys(row.label for row in self.table))
        return [people, tied_kinds(self.table, labels=labels, kinds=words).any(axis=0) & ~people]


@dataclass(frozen=True, kw_only=True)
class AttendedStream:
    """A source of rows: the net of a stream, which may first learn the classes, under attention."""

    frames: StreamFeature
    """The net, its pictures, its steps, and whether it learns; a 2-D net that ends in the mean over a map."""
    attention: Attention = field(default_factory=Attention)
    """Where it looks."""

    def __post_init__(self) -> None:
        if self.frames.stream.solid:
            raise DataError(f"attention in space needs a 2-D net, got {type(self.frames.stream.net).__name__}")

    def feature(self, weights: Path | None) -> "AttendedRows":
        """The feature, with the weights of a file or those that the net's configuration names."""
        return AttendedRows(of=replace(self.frames.feature(weights), output="positions"), attention=self.attention)


@dataclass(frozen=True, kw_only=True)
class AttendedRows(Feature):
    """Rows of a net under attention, one a step: people's weights first, then those of objects."""

    name = "attended"

    of: BackboneFeature
    """The net, with output "positions"."""
    attention: Attention
    """Where it looks."""

    @property
    def weights(self) -> Path | None:
        """The file of the net."""
        return self.of.weights

    @property
    def requires(self) -> tuple[Feature, ...]:
        """The pictures and the detections."""
        return (self.of.images, self.attention.boxes)

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Rows (steps, groups * dims)."""
        pictures, boxes = given[self.of.images], given[self.attention.boxes]
        if not isinstance(pictures, ImageSequence) or not isinstance(boxes, FeatureSequence):
            raise DataError(f"feature {self.key} of {video.name} is measured from pictures and rows of boxes")
        return _AttendedRows(self, video, pictures, boxes, given)


class _AttendedRows(Rows):
    def __init__(
        self,
        feature: AttendedRows,
        video: Path,
        pictures: ImageSequence,
        boxes: FeatureSequence,
        given: Mapping[Feature, Measurement],
    ) -> None:
        self._feature, self._boxes, self._pictures = feature, boxes, pictures
        self._maps = feature.of.rows(video, given)

    def grid(self) -> TimeGrid:
        return self._feature.of.grid(self._pictures.grid)

    def __iter__(self) -> Iterator[np.ndarray]:
        grid, weights, first = self.grid(), None, 0
        for block in self._maps:
            if weights is None:  # the first block tells how many positions a step has
                shape = map_shape(self._maps.grid().steps // grid.steps, self._feature.of)
                weights = self._weights(shape, grid)
            maps = block.reshape(-1, *weights[0].shape[1:], block.shape[1]).astype(np.float64)
            part = slice(first, first + len(maps))
            rows = [attended_rows(maps, each[part], steps=grid.steps) for each in weights]
            first += len(maps)
            yield np.concatenate(rows, axis=1).astype(np.float32)

    def _weights(self, shape: tuple[int, int], grid: TimeGrid) -> list[Float[np.ndarray, "steps height width"]]:
        """Of each group of kinds, over all steps of the video."""
        look = self._feature.attention
        boxes, strength, step, kind = flat(link_tubelets(detections(self._boxes), linking=look.linking))
        which, at = standing(step, self._boxes.grid, grid)
        boxes = within(boxes, seen_part(self._pictures.shape, self._feature.of))
        weights = []
        for kinds in look.groups(look.boxes.words):
            mine = kinds[kind[which]]
            chosen = which[mine]
            there = evidence(boxes[chosen], strength[chosen], at[mine], steps=grid.steps, positions=shape)
            weights.append(attention(there, floor=look.floor))
        return weights


def flat(
    tubelets: Sequence[Tubelet],
) -> tuple[
    Float[np.ndarray, "boxes 4"], Float[np.ndarray, " boxes"], Int[np.ndarray, " boxes"], Int[np.ndarray, " boxes"]
]:
    """The boxes of all tubelets: where they are, the mean score of their tubelet, cut to 1, their frame, and what."""
    boxes, strength, step, kind = [np.zeros((0, 4))], [np.zeros(0)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for tubelet in tubelets:
        count = len(tubelet.boxes)
        boxes.append(tubelet.boxes)
        strength.append(np.full(count, min(1.0, float(tubelet.scores.mean()))))
        step.append(np.arange(tubelet.first, tubelet.past))
        kind.append(np.full(count, tubelet.label))
    return np.concatenate(boxes), np.concatenate(strength), np.concatenate(step), np.concatenate(kind)


def map_shape(positions: int, feature: BackboneFeature) -> tuple[int, int]:
    """Height and width of a net's last map, whose cells are as square as its input allows.

    Raises:
        DataError: when so many positions make no such rectangle.
    """
    height, width = getattr(feature.net, "input_size", (1, 1))  # a net that says none takes squares
    high = max(1, round((positions * height / width) ** 0.5))
    if positions % high:
        raise DataError(f"{positions} positions of a {type(feature.net).__name__} make no map of {height} to {width}")
    return high, positions // high


def standing(
    step: Int[np.ndarray, " boxes"], measured: TimeGrid, wanted: TimeGrid
) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    """Which boxes stand at which steps of another grid: those of the step whose stretch a step's middle lies in.

    Args:
        step: of each box on the grid it was measured on.
        measured: that grid; before its start and behind its end the first and the last step stand.
        wanted: the other grid.

    Returns:
        The box and the wanted step of each pair, in order of the steps.
    """
    if not len(step):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.argsort(step, kind="stable")
    place = np.floor(measured.to_steps(wanted.centres)).astype(np.int64).clip(0, measured.steps - 1)
    first, past = (np.searchsorted(step[order], place, side=side) for side in ("left", "right"))
    count = past - first
    at = np.repeat(np.arange(wanted.steps), count)
    inside = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
    return order[np.repeat(first, count) + inside], at


def seen_part(shape: tuple[int, ...], feature: BackboneFeature) -> tuple[float, float, float, float]:
    """The part of stored pictures that a net sees: left, top, right, bottom as shares of the picture.

    Args:
        shape: height and width of the stored pictures first.
        feature: the net; see `features.backbone.net_input`.
    """
    if feature.whole:
        return 0.0, 0.0, 1.0, 1.0
    height, width = feature.resized_to or (shape[0], shape[1])
    edge = int(min(height, width) * CROP_SHARE)
    left, top = (width - edge) / 2 / width, (height - edge) / 2 / height
    return left, top, 1 - left, 1 - top


def within(
    boxes: Float[np.ndarray, "boxes 4"], part: tuple[float, float, float, float]
) -> Float[np.ndarray, "boxes 4"]:
    """Boxes as shares of a part of the picture instead of the whole; they may reach beyond it."""
    corner = np.array([part[0], part[1], part[0], part[1]])
    size = np.array([part[2] - part[0], part[3] - part[1]] * 2)
    return np.asarray((boxes - corner) / size)
