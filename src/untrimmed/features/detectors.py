"""What finds people and objects in frames: torchvision's nets, OpenCV's people detector, or boxes about poses."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from untrimmed.features.pose_estimators import AnyPose, SmallPose, pose_estimator
from untrimmed.features.trajectories.people import PeopleDetector
from untrimmed.nets.detection_nets import DetectionNet, coco_net, coco_words
from untrimmed.records import DataError

PERSON = "person"


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found in one frame, the highest score first.

    Attributes:
        boxes: left, top, right, bottom, pixels.
        scores: 0 to 1.
        labels: what each is, an index into the words of the detector.
    """

    boxes: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " n"]
    labels: Int[np.ndarray, " n"]

    def __post_init__(self) -> None:
        if len(self.boxes) and not (np.isfinite(self.boxes).all() and (self.boxes[:, 2:] >= self.boxes[:, :2]).all()):
            raise DataError("boxes of detections must be finite, left <= right and top <= bottom")
        if (np.diff(self.scores) > 0).any():
            raise DataError("scores of detections must not rise")

    def __len__(self) -> int:
        return len(self.boxes)

    def only(self, label: int) -> "Detections":
        """Those of one label."""
        kept = self.labels == label
        return Detections(self.boxes[kept], self.scores[kept], self.labels[kept])


def sorted_detections(
    boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, " n"], labels: Int[np.ndarray, " n"]
) -> Detections:
    """The same in the order of their scores."""
    order = np.argsort(-scores, kind="stable")
    return Detections(boxes[order], scores[order], labels[order])


@dataclass(frozen=True, kw_only=True)
class TorchvisionDetector:
    """One of torchvision's nets, which find COCO's 80 kinds of things, people among them.

    Report 03 takes detectors that are not published (GBD, and one of ImageNet's 200 classes).
    """

    net: DetectionNet = "fasterrcnn_resnet50_fpn"
    """Which."""
    size: tuple[int, int] | None = None
    """Height and width of the pictures it is given; None leaves them as they are. It scales them itself."""
    shorter_side: int | None = None
    """Pixels that the shorter side is scaled to; None leaves torchvision's default."""
    least: float = 0.3
    """Score from which on a detection counts, in [0, 1]."""
    pretrained: bool = True
    """Whether it starts from torchvision's COCO weights where no file is given; otherwise at random."""

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 1 or (self.shorter_side is not None and self.shorter_side < 32):
            raise DataError(
                "a detector needs least in [0, 1] and a shorter side of 32 pixels or more, "
                f"got {self.least} and {self.shorter_side}"
            )


@dataclass(frozen=True, kw_only=True)
class HogPeople:
    """OpenCV's pedestrian detector; it needs no weights, finds upright people, and is equally sure of each (1)."""

    detector: PeopleDetector = field(default_factory=PeopleDetector)
    """Its windows; its `every` counts in trajectories only."""
    size: tuple[int, int] | None = None
    """Height and width of the pictures it sees; people must be 100 pixels high there."""


@dataclass(frozen=True, kw_only=True)
class PosePeople:
    """A box about the joints of each person that a pose estimator finds; the score is the mean of those of joints."""

    estimator: AnyPose = field(default_factory=SmallPose)
    """What finds joints."""
    margin: float = 0.15
    """What is added on each side, as a share of the larger side of the box: bodies are thicker than their joints."""

    def __post_init__(self) -> None:
        if not self.margin >= 0:
            raise DataError(f"margin of boxes about poses must not be negative, got {self.margin}")

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the pictures it sees."""
        return self.estimator.size


AnyDetector = TorchvisionDetector | HogPeople | PosePeople


class Detector(ABC):
    """A detector with its weights, ready for pictures.

    Attributes:
        words: what labels stand for.
    """

    words: tuple[str, ...]

    @abstractmethod
    def found(self, pictures: UInt8[np.ndarray, "n height width 3"]) -> list[Detections]:
        """What is in each picture, boxes in its pixels and cut to it."""


def words_of(config: AnyDetector) -> tuple[str, ...]:
    """What the labels of a detector stand for."""
    return coco_words(config.net) if isinstance(config, TorchvisionDetector) else (PERSON,)


def detector(config: AnyDetector, weights: Path | None) -> Detector:
    """The detector on torch's default device; it is built once a process.

    Args:
        config: which.
        weights: torchvision's .pth file, or those of the pose estimator; None takes torchvision's own. OpenCV's
            detector has none.

    Raises:
        MissingExtra: where weights cannot be had or OpenCV lacks its detector; the message says what to do.
    """
    stat = None if weights is None or not weights.is_file() else weights.stat()
    stamp = None if stat is None else (stat.st_mtime_ns, stat.st_size)
    return _built(config, weights, str(torch.get_default_device()), stamp)


@lru_cache(maxsize=2)
def _built(config: AnyDetector, weights: Path | None, device: str, stamp: tuple[int, int] | None) -> Detector:
    match config:
        case TorchvisionDetector():
            return _Torchvision(config, weights, device)
        case HogPeople():
            if weights is not None:
                raise DataError(f"OpenCV's people detector takes no weights, got {weights}")
            return _Hog(config)
        case PosePeople():
            return _AboutPoses(config, weights)


class _Torchvision(Detector):
    def __init__(self, config: TorchvisionDetector, weights: Path | None, device: str) -> None:
        self.words, self._least, self._device = coco_words(config.net), config.least, device
        self._net = coco_net(
            config.net, weights=weights, pretrained=config.pretrained, shorter_side=config.shorter_side
        ).to(device)

    def found(self, pictures: UInt8[np.ndarray, "n height width 3"]) -> list[Detections]:
        out = []
        for picture in pictures:  # one by one: memory grows with the pictures at once
            x = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).to(self._device).float() / 255
            with torch.inference_mode():
                said = {key: value.cpu().numpy() for key, value in self._net([x])[0].items()}
            kept = said["scores"] >= self._least
            boxes, scores = said["boxes"][kept].astype(np.float64), said["scores"][kept].astype(np.float64)
            out.append(sorted_detections(boxes, scores, said["labels"][kept].astype(np.int64)))
        return out


class _Hog(Detector):
    words = (PERSON,)

    def __init__(self, config: HogPeople) -> None:
        self._config = config

    def found(self, pictures: UInt8[np.ndarray, "n height width 3"]) -> list[Detections]:
        import cv2

        out = []
        for picture in pictures:
            boxes = self._config.detector.boxes(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
            out.append(_people(_cut(boxes, *picture.shape[:2]), np.ones(len(boxes))))
        return out


class _AboutPoses(Detector):
    words = (PERSON,)

    def __init__(self, config: PosePeople, weights: Path | None) -> None:
        self._config, self._estimator = config, pose_estimator(config.estimator, weights)

    def found(self, pictures: UInt8[np.ndarray, "n height width 3"]) -> list[Detections]:
        out = []
        for people in self._estimator.people(pictures):
            people = people[(people[:, :, 2] > 0).any(axis=1)]
            boxes = _cut(boxes_about(people, margin=self._config.margin), *pictures.shape[1:3])
            scores = people[:, :, 2].sum(axis=1) / np.maximum(1, (people[:, :, 2] > 0).sum(axis=1))
            out.append(_people(boxes, scores))
        return out


def boxes_about(people: Float[np.ndarray, "people joints 3"], *, margin: float) -> Float[np.ndarray, "people 4"]:
    """The smallest boxes that hold the joints found of each person, widened on every side.

    Args:
        people: x, y and score of each joint, 0 where not found; each person has at least one.
        margin: share of the larger side.
    """
    there = people[:, :, 2] > 0
    low = np.where(there[:, :, None], people[:, :, :2], np.inf).min(axis=1)
    high = np.where(there[:, :, None], people[:, :, :2], -np.inf).max(axis=1)
    more = margin * (high - low).max(axis=1, keepdims=True)
    return np.concatenate([low - more, high + more], axis=1)


def _people(boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, " n"]) -> Detections:
    return sorted_detections(boxes, scores, np.zeros(len(boxes), np.int64))


def _cut(boxes: Float[np.ndarray, "n 4"], height: int, width: int) -> Float[np.ndarray, "n 4"]:
    return np.clip(boxes, 0, np.array([width, height, width, height], dtype=np.float64))
