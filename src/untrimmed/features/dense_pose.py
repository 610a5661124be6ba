"""Dense pose of people over time, as rows: for each person joints, the parts of the body that show, and its shape."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from untrimmed.data.skeletons import OPENPOSE18, mapped
from untrimmed.features.feature import Feature, Measurement, Rows
from untrimmed.features.frame_blocks import FrameRows, Measure, check_rate
from untrimmed.features.key_points import PersonPlaces
from untrimmed.media.transforms import resize
from untrimmed.nets.backbone import load_weights
from untrimmed.nets.dense_pose import PARTS, DensePoseNet, NarrowDensePose, part_probabilities
from untrimmed.nets.pose_net import CHEST, LAYOUT
from untrimmed.nets.pose_peaks import gather_people
from untrimmed.records import DataError

log = logging.getLogger(__name__)

GRID = 4
"""Shapes are kept as means over so many by so many pieces of a person's box."""
ROOM = 0.15
"""Share of its sides by which the box of a person's joints is widened, since a body is wider than its joints."""


@dataclass(frozen=True, kw_only=True)
class SmallDensePose:
    """The narrow net of nets.dense_pose, and how people are found in its maps; see pose_estimators.SmallPose."""

    net: NarrowDensePose = field(default_factory=NarrowDensePose)
    """Its size."""
    size: tuple[int, int] = (144, 192)
    """Height and width of the pictures it sees, pixels."""
    least: float = 0.25
    """Confidence that a joint must have, in (0, 1)."""
    astray: float = 3.0
    """Cells between a chest and the place that a joint says its chest is at, beyond which it is somebody else's."""
    joints: int = 4
    """Of 18 and the chest, how many a person must show."""

    def __post_init__(self) -> None:
        if min(self.size) < 32 or not 0 < self.least < 1 or not self.astray > 0 or self.joints < 1:
            raise DataError(
                "a small dense pose net needs pictures of 32 pixels or more, least in (0, 1), astray > 0 and joints "
                f">= 1, got {self.size}, {self.least}, {self.astray} and {self.joints}"
            )


@dataclass(frozen=True, kw_only=True)
class DensePose(Feature):
    """The surest people of every frame, each as a block of numbers that keeps its place from step to step.

    A block is the mean confidence of the person's joints (0 where nobody is there), the box (centre and sides, shares
    of the picture), 18 joints (x and y as shares of the box, confidence), the share of each of 24 parts in what shows
    of the person, U and V on each part times that share, and each shape map's means over 4 x 4 pieces of the box.
    """

    name = "dense_pose"

    estimator: SmallDensePose = field(default_factory=SmallDensePose)
    """What sees the frames."""
    weights: Path | None = None
    """Of its net: what learn_dense_pose_net wrote; None takes a net that has learnt nothing."""
    people: int = 2
    """How many are kept; report 21 does not say."""
    every: int = 6
    """One of so many frames, as often as SSN looks; report 21 does not say."""
    per_second: float | None = None
    """Frames a second instead of `every`; None takes `every`."""
    near: float = 0.25
    """How far a person gets from one step to the next, as a share of the picture's sides; farther off it is another."""

    def __post_init__(self) -> None:
        check_rate("dense poses", every=self.every, per_second=self.per_second)
        if self.people < 1 or not self.near > 0:
            raise DataError(f"dense poses need people >= 1 and near above 0, got {self.people} and {self.near}")

    @property
    def block(self) -> int:
        """Numbers of one person."""
        return 5 + 3 * len(OPENPOSE18.joints) + 3 * PARTS + self.estimator.net.shapes * GRID * GRID

    @property
    def dims(self) -> int:
        """Of a row."""
        return self.people * self.block

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Rows (n, people * block)."""
        return FrameRows(video, self._begin, size=self.estimator.size, every=self.every, per_second=self.per_second)

    def _begin(self) -> Measure:
        net = dense_pose_net(self.estimator, self.weights)
        places = PersonPlaces(self.people, near=self.near)

        def measure(pictures: UInt8[np.ndarray, "n height width 3"]) -> Float[np.ndarray, "n dims"]:
            rows = []
            for people, blocks in described(net, self.estimator, pictures):
                arranged = places.arranged(people)
                row = np.zeros((self.people, self.block))
                for place, person in enumerate(arranged):
                    same = np.flatnonzero((people == person).all(axis=(1, 2)))
                    if person.any() and len(same):
                        row[place] = blocks[same[0]]
                rows.append(row.ravel())
            return np.stack(rows).astype(np.float32)

        return measure


def described(
    net: DensePoseNet, estimator: SmallDensePose, pictures: UInt8[np.ndarray, "n height width 3"]
) -> list[tuple[Float[np.ndarray, "people 18 3"], Float[np.ndarray, "people block"]]]:
    """The people of each picture: joints as shares of the picture's sides with their confidence, and their blocks."""
    x = torch.from_numpy(resize(pictures, estimator.size).transpose(0, 3, 1, 2))
    with torch.inference_mode():
        said = net(x.to(net.pose.mean.device))
        maps, field_ = said.pose.logits.sigmoid(), said.pose.field
        parts, shapes = part_probabilities(said.parts), said.shapes
        arrays = [part.double().cpu().numpy() for part in (maps, field_, parts, said.places, shapes)]
    found = []
    for own_maps, own_field, own_parts, own_places, own_shapes in zip(*arrays, strict=True):
        people = gather_people(
            own_maps, own_field, least=estimator.least, astray=estimator.astray, joints=estimator.joints
        )
        whose = attention(people, own_field, own_parts.sum(axis=0), astray=estimator.astray)
        cells = np.array([own_maps.shape[2], own_maps.shape[1], 1.0])
        blocks = [
            person_block(person, seen, own_parts, own_places, own_shapes)
            for person, seen in zip(people, whose, strict=True)
        ]
        width = 5 + 3 * len(OPENPOSE18.joints) + 3 * PARTS + len(own_shapes) * GRID * GRID
        found.append((mapped(people / cells, LAYOUT, OPENPOSE18), np.array(blocks).reshape(-1, width)))
    return found


def attention(
    people: Float[np.ndarray, "people joints 3"],
    field_: Float[np.ndarray, "2 rows columns"],
    body: Float[np.ndarray, "rows columns"],
    *,
    astray: float,
) -> Float[np.ndarray, "people rows columns"]:
    """How much each cell belongs to each person: where there is a body, by the chest that its field points to.

    Cells outside the box of a person's joints belong to others; what is shared is split by exp(-(distance / astray)^2).

    Args:
        people: joints in cells, the chest the last.
        field_: cells from here to the chest of who is here.
        body: probability of a body.
        astray: cells.

    Source: report 21, section 1: "spacial attentions"; this package's own rule, since it gives none.
    """
    rows, columns = body.shape
    y, x = np.mgrid[:rows, :columns] + 0.5
    weights = np.zeros((len(people), rows, columns))
    for number, person in enumerate(people):
        left, top, right, bottom = box(person)
        inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
        apart = (x + field_[0] - person[CHEST, 0]) ** 2 + (y + field_[1] - person[CHEST, 1]) ** 2
        weights[number] = inside * np.exp(-np.minimum(apart / astray**2, 50.0))
    total = weights.sum(axis=0)
    return body * np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def box(person: Float[np.ndarray, "joints 3"]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a person's joints, with some room; at least a cell to either side."""
    points = person[person[:, 2] > 0, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    room = np.maximum(ROOM * (high - low), 1.0)
    (left, top), (right, bottom) = (low - room).tolist(), (high + room).tolist()
    return left, top, right, bottom


def person_block(
    person: Float[np.ndarray, "joints 3"],
    seen: Float[np.ndarray, "rows columns"],
    parts: Float[np.ndarray, "24 rows columns"],
    places: Float[np.ndarray, "24 2 rows columns"],
    shapes: Float[np.ndarray, "shapes rows columns"],
) -> Float[np.ndarray, " block"]:
    """What is said of one person; see DensePose.

    Args:
        person: joints in cells, the chest the last.
        seen: how much each cell belongs to the person.
        parts: probabilities.
        places: U and V on each part.
        shapes: support vector shapes.
    """
    rows, columns = seen.shape
    left, top, right, bottom = box(person)
    centre = [(left + right) / 2 / columns, (top + bottom) / 2 / rows]
    frame = [*centre, (right - left) / columns, (bottom - top) / rows]
    points = mapped(person[None], LAYOUT, OPENPOSE18)[0]
    there = points[:, 2] > 0
    joints = np.zeros_like(points)
    joints[there] = (points[there] - (left, top, 0)) / (right - left, bottom - top, 1)
    mine = seen * parts / np.maximum(parts.sum(axis=0), 1e-9)
    total = max(float(seen.sum()), 1e-9)
    shares = mine.sum(axis=(1, 2)) / total
    where = (mine[:, None] * places).sum(axis=(2, 3)) / total
    return np.concatenate(
        [
            [person[:, 2].mean()],
            frame,
            joints.ravel(),
            shares,
            where.ravel(),
            box_means(shapes, (left, top, right, bottom)).ravel(),
        ]
    )


def box_means(
    maps: Float[np.ndarray, "maps rows columns"], edges: tuple[float, float, float, float]
) -> Float[np.ndarray, "maps pieces"]:
    """Means of maps over 4 x 4 equal pieces of a box; a piece without the middle of a cell takes the nearest cell."""
    left, top, right, bottom = edges
    ranges = []
    for first, past, count in ((top, bottom, maps.shape[1]), (left, right, maps.shape[2])):
        bounds = np.ceil(first + (past - first) * np.arange(GRID + 1) / GRID - 0.5)
        begin = np.clip(bounds[:-1], 0, count - 1).astype(np.int64)
        ranges.append(np.stack([begin, np.maximum(begin + 1, np.clip(bounds[1:], 0, count))], axis=1).astype(np.int64))
    means = [
        maps[:, first:past, begin:end].mean(axis=(1, 2))
        for first, past in ranges[0].tolist()
        for begin, end in ranges[1].tolist()
    ]
    return np.stack(means, axis=1)


def dense_pose_net(estimator: SmallDensePose, weights: Path | None) -> DensePoseNet:
    """The net with its weights on torch's default device; it is built once a process."""
    if weights is not None and not weights.is_file():
        raise DataError(f"weights file {weights} is not there; learn_dense_pose_net writes one, or use none")
    stat = None if weights is None else weights.stat()
    stamp = None if stat is None else (stat.st_mtime_ns, stat.st_size)
    return _built(estimator.net, weights, str(torch.get_default_device()), stamp)


@lru_cache(maxsize=2)
def _built(config: NarrowDensePose, weights: Path | None, device: str, stamp: tuple[int, int] | None) -> DensePoseNet:
    if weights is None:
        log.warning("the dense pose net has no weights and sees people at random: learn them with learn_dense_pose_net")
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.manual_seed(0)
        net = config.build()
    return (net if weights is None else load_weights(net, weights)).to(device).eval()
