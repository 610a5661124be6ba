"""RTMPose and its like in ONNX files: people are found first, then a net says where the joints of each are."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8

from untrimmed.data.skeletons import COCO17
from untrimmed.features.trajectories.people import PeopleDetector
from untrimmed.records import DataError, MissingExtra

LARGEST = 1 << 30
"""Bytes of a file; the largest RTMPose has 0.2 GB."""
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
SPREAD = np.array([58.395, 57.12, 57.375], np.float32)
"""Of ImageNet's red, green and blue, as RTMPose and most nets were trained with."""


@dataclass(frozen=True, kw_only=True)
class OnnxPose:
    """A net of key points in an ONNX file that sees one person at a time; needs `pip install untrimmed[pose]`.

    The file has one input (people, 3, height, width) and two outputs, what each joint scores at every column and at
    every row (SimCC). The first 17 joints must be COCO's, as they are in RTMPose's nets of 17, 26 and 133.

    Source: Jiang et al., RTMPose, 2023; Li et al., SimCC, ECCV 2022. Report 08 took OpenPose.
    """

    people: PeopleDetector | None = field(default_factory=PeopleDetector)
    """What finds people, whose `every` counts in trajectories only; None takes a picture as the box of one person."""
    size: tuple[int, int] | None = None
    """Height and width of the pictures it is given; None leaves them as they are."""
    padding: float = 1.25
    """How much larger than the box of a person what the net sees is, >= 1; RTMPose's."""
    least: float = 0.3
    """Score that a joint must have, in [0, 1]; RTMPose's demonstrations draw joints from 0.3 on."""
    sigma_share: float = 0.02
    """Standard deviation of a joint's confidence map as a share of the picture's height: 7 of 368 pixels in OpenPose's
    training."""

    def __post_init__(self) -> None:
        if not self.padding >= 1 or not 0 <= self.least <= 1 or not self.sigma_share > 0:
            raise DataError(
                "an ONNX net of key points needs padding >= 1, least in [0, 1] and sigma_share above 0, "
                f"got {self.padding}, {self.least} and {self.sigma_share}"
            )


class OnnxNet:
    """The net of a file, ready for pictures."""

    def __init__(self, config: OnnxPose, weights: Path | None, *, threads: int = 1, cuda: bool = False) -> None:
        """Open the file.

        Args:
            config: how it is used.
            weights: the file.
            threads: that one picture takes, >= 1.
            cuda: whether to run on the GPU, where the installed onnxruntime can.

        Raises:
            MissingExtra: when onnxruntime is not installed.
            DataError: when there is no file, it is too large, or it holds no such net.
        """
        if weights is None:
            raise DataError("an ONNX net of key points needs its file as weights, got none")
        self._config, self._path = config, weights
        self._session = _session(weights, threads=threads, cuda=cuda)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shape = inputs[0].shape if len(inputs) == 1 else []
        if len(shape) != 4 or not all(isinstance(side, int) for side in shape[2:]) or len(outputs) != 2:
            raise DataError(
                f"{weights} must have an input (n, 3, height, width) and two outputs, the columns and the rows of each "
                f"joint, got {[one.shape for one in inputs]} and {[one.shape for one in outputs]}"
            )
        self._input, self._height, self._width = inputs[0].name, shape[2], shape[3]

    def points(self, picture: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "people 17 3"]:
        """x, y in pixels and score of COCO's joints of each person in a picture; 0 where a joint was not found."""
        boxes = self._boxes(picture)
        if not len(boxes):
            return np.zeros((0, len(COCO17.joints), 3))
        corners = self._padded(boxes)
        seen = np.stack([self._cut(picture, corner) for corner in corners])
        columns, rows = self._session.run(None, {self._input: seen})
        if columns.ndim != 3 or columns.shape[1] < len(COCO17.joints) or rows.shape[:2] != columns.shape[:2]:
            raise DataError(
                f"{self._path} must say columns and rows of 17 joints or more of {len(seen)} people, "
                f"got {columns.shape} and {rows.shape}"
            )
        columns, rows = columns[:, : len(COCO17.joints)], rows[:, : len(COCO17.joints)]
        place = np.stack([columns.argmax(2) / columns.shape[2], rows.argmax(2) / rows.shape[2]], axis=2)
        score = np.minimum(columns.max(2), rows.max(2)).clip(0, 1).astype(np.float64)
        start, end = corners[:, None, :2], corners[:, None, 2:]
        points = np.concatenate([start + place * (end - start), score[:, :, None]], axis=2)
        points[score < max(self._config.least, 1e-9)] = 0
        found: Float[np.ndarray, "people 17 3"] = points[(points[..., 2] > 0).any(axis=1)]
        return found

    def _boxes(self, picture: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "people 4"]:
        import cv2

        if self._config.people is None:
            return np.array([[0.0, 0.0, picture.shape[1], picture.shape[0]]])
        return self._config.people.boxes(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False))

    def _padded(self, boxes: Float[np.ndarray, "people 4"]) -> Float[np.ndarray, "people 4"]:
        """What the net sees: the box in the middle, in the ratio of the net's sides."""
        centre, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        ratio = self._width / self._height
        width = np.maximum(sides[:, 0], sides[:, 1] * ratio) * self._config.padding
        half = np.stack([width, width / ratio], axis=1) / 2
        return np.concatenate([centre - half, centre + half], axis=1)

    def _cut(
        self, picture: UInt8[np.ndarray, "height width 3"], corner: Float[np.ndarray, " 4"]
    ) -> Float32[np.ndarray, "3 rows columns"]:
        import cv2

        scale = self._width / (corner[2] - corner[0])
        moved = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])
        cut = cv2.warpAffine(picture, moved, (self._width, self._height), flags=cv2.INTER_LINEAR)
        return np.ascontiguousarray(((cut.astype(np.float32) - MEAN) / SPREAD).transpose(2, 0, 1))


def _session(path: Path, *, threads: int, cuda: bool) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("nets of key points in ONNX files need onnxruntime: pip install untrimmed[pose]") from error
    if not path.is_file():
        raise DataError(f"file {path} of an ONNX net of key points is not there")
    if path.stat().st_size > LARGEST:
        raise DataError(f"{path} must have at most {LARGEST} bytes, got {path.stat().st_size}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 4
    wanted = ["CUDAExecutionProvider"] if cuda else []
    there = set(onnxruntime.get_available_providers())
    providers = [name for name in (*wanted, "CPUExecutionProvider") if name in there]
    try:  # from its bytes, so that it can name no other file
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=providers)
    except Exception as error:
        raise DataError(
            f"{path} is no ONNX net that onnxruntime can run: {' '.join(str(error).split()):.200}"
        ) from error
