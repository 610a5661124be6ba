"""Key points of people over time, as rows: who is where keeps its place from step to step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from untrimmed.data.skeletons import OPENPOSE18, Layout
from untrimmed.features.feature import Feature, Measurement, Rows
from untrimmed.features.frame_blocks import FrameRows, Measure, check_rate
from untrimmed.features.key_point_files import People, PoseFileRows, PoseFiles
from untrimmed.features.pose_estimators import AnyPose, SmallPose, pose_estimator
from untrimmed.records import DataError

FAR = 1e6
"""Distance of a pair of people that may not be one."""


@dataclass(frozen=True, kw_only=True)
class KeyPoints(Feature):
    """The joints of the surest people of every frame: x and y as shares of the picture's sides, and the score.

    A row is (people, 18 joints, 3) flattened, joints in OpenPose's order; what is not found is 0. A person keeps the
    place in the row from step to step (see PersonPlaces); people who come take free places from left to right.
    """

    name = "keypoints"

    estimator: AnyPose | PoseFiles = field(default_factory=SmallPose)
    """What finds the joints, or where the files are in which they were found. Report 08, section 2.3, takes
    OpenPose."""
    weights: Path | None = None
    """Of the estimator: what learn_pose_net wrote, torchvision's .pth file or an ONNX file; see
    pose_estimators.pose_estimator."""
    people: int = 2
    """How many are kept; report 08 does not say."""
    every: int = 5
    """One of so many frames; report 08, section 2.3: "sampled every 5 frames"."""
    per_second: float | None = None
    """Frames a second instead of `every`; None takes `every`."""
    near: float = 0.25
    """How far a person gets from one step to the next, as a share of the picture's sides; farther off it is another."""

    def __post_init__(self) -> None:
        check_rate("key points", every=self.every, per_second=self.per_second)
        if self.people < 1 or not self.near > 0:
            raise DataError(f"key points need people >= 1 and near above 0, got {self.people} and {self.near}")
        if isinstance(self.estimator, PoseFiles) and self.weights is not None:
            raise DataError(f"key points from the files of {self.estimator.folder} need no weights, got {self.weights}")

    @property
    def layout(self) -> Layout:
        """What the joints are called."""
        return OPENPOSE18

    @property
    def dims(self) -> int:
        """Of a row."""
        return self.people * len(self.layout.joints) * 3

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """Rows (n, people * 18 * 3)."""
        estimator, every, per_second = self.estimator, self.every, self.per_second
        if isinstance(estimator, PoseFiles):
            return PoseFileRows(
                video, estimator, self._arranging, layout=self.layout, every=every, per_second=per_second
            )
        begin = partial(self._begin, estimator)
        return FrameRows(video, begin, size=estimator.size, every=every, per_second=per_second)

    def _begin(self, config: AnyPose) -> Measure:
        estimator, arranged = pose_estimator(config, self.weights), self._arranging()

        def measure(pictures: UInt8[np.ndarray, "n height width 3"]) -> Float[np.ndarray, "n dims"]:
            height, width = pictures.shape[1:3]
            shares = np.array([1 / width, 1 / height, 1.0])
            return arranged([people * shares for people in estimator.people(pictures)])

        return measure

    def _arranging(self) -> Callable[[People], Float[np.ndarray, "n dims"]]:
        places = PersonPlaces(self.people, near=self.near)

        def arranged(frames: People) -> Float[np.ndarray, "n dims"]:
            rows = [places.arranged(people) for people in frames]
            return np.stack(rows).reshape(len(rows), -1).astype(np.float32)

        return arranged


class PersonPlaces:
    """Gives people of frame after frame their places, so that one person stays in one place.

    The surest people are kept. They are matched one to one with who was last seen in each place, so that the sum of
    distances is least (the distance of two people is the mean over the joints that both show); pairs farther apart
    than `near` are not one. Who is new goes, from left to right, to places that were never taken, then to those that
    were left the longest ago.
    """

    def __init__(self, places: int, *, near: float) -> None:
        """Begin a video.

        Args:
            places: people a frame.
            near: the largest distance of one person from frame to frame, in the unit of the points.
        """
        self._near = near
        self._last: list[Float[np.ndarray, "joints 3"] | None] = [None] * places
        self._unseen = [0] * places

    def arranged(self, people: Float[np.ndarray, "people joints 3"]) -> Float[np.ndarray, "places joints 3"]:
        """One frame's people in their places; an empty place is 0.

        Args:
            people: x, y and score of each joint, 0 where not found, in any order.
        """
        people = people[(people[:, :, 2] > 0).any(axis=1)]
        surest = np.argsort(-people[:, :, 2].sum(axis=1), kind="stable")[: len(self._last)]
        people = people[surest[np.argsort(_middles(people[surest]), kind="stable")]]
        taken = self._matched(people)
        free = [place for place in range(len(self._last)) if place not in taken.values()]
        free.sort(key=lambda place: (self._last[place] is not None, -self._unseen[place], place))
        for person in range(len(people)):
            if person not in taken:
                taken[person] = free.pop(0)
        out = np.zeros((len(self._last), *people.shape[1:]))
        self._unseen = [count + 1 for count in self._unseen]
        for person, place in taken.items():
            out[place] = people[person]
            self._last[place], self._unseen[place] = people[person], 0
        return out

    def _matched(self, people: Float[np.ndarray, "people joints 3"]) -> dict[int, int]:
        from scipy.optimize import linear_sum_assignment

        known = [(place, last) for place, last in enumerate(self._last) if last is not None]
        if not known or not len(people):
            return {}
        apart = np.array([[distance(person, last) for _, last in known] for person in people])
        apart[apart > self._near] = FAR
        pairs = zip(*linear_sum_assignment(apart), strict=True)
        return {int(row): known[int(column)][0] for row, column in pairs if apart[row, column] < FAR}


def distance(one: Float[np.ndarray, "joints 3"], other: Float[np.ndarray, "joints 3"]) -> float:
    """The mean distance of the joints that both people show; without such joints, that of their middles."""
    both = (one[:, 2] > 0) & (other[:, 2] > 0)
    if both.any():
        return float(np.linalg.norm(one[both, :2] - other[both, :2], axis=1).mean())
    middles = [person[person[:, 2] > 0, :2].mean(axis=0) for person in (one, other)]
    return float(np.linalg.norm(middles[0] - middles[1]))


def _middles(people: Float[np.ndarray, "people joints 3"]) -> Float[np.ndarray, " people"]:
    """The mean x of each person's joints."""
    there = people[:, :, 2] > 0
    return (people[:, :, 0] * there).sum(axis=1) / np.maximum(1, there.sum(axis=1))
