"""Teach the dense pose net on a playground, whose body parts are known pixel by pixel."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from untrimmed.configs import content_hash
from untrimmed.data.playground.read_truth import read_truth, truth_ids, truth_pictures
from untrimmed.features.dense_pose import SmallDensePose
from untrimmed.features.pose_learning import SIGMA, WITHIN, with_chest
from untrimmed.features.shape_maps import ShapeRule, shape_maps
from untrimmed.nets.backbone import save_weights
from untrimmed.nets.dense_pose import DensePoseNet, DenseTruth, DenseWeights, dense_pose_loss
from untrimmed.nets.pose_net import STRIDE
from untrimmed.nets.pose_peaks import bumps, pointing
from untrimmed.records import DataError
from untrimmed.train import Run, Schedule, fit

log = logging.getLogger(__name__)

SHAPE_ROWS = 18
"""Rows of the small pictures that support vector machines learn shapes from; 18 x 24 cells take some 50 ms."""


@dataclass(frozen=True, kw_only=True)
class DensePoseLearning:
    """How the net is taught; this package's own values, since report 21 gives none."""

    estimator: SmallDensePose = field(default_factory=SmallDensePose)
    """The net and the size of what it sees."""
    weights: DenseWeights = field(default_factory=DenseWeights)
    """Of the auxiliary losses; nets.dense_pose.NOT_DENSE teaches joints alone. On pose_accuracy.LESSONS, seed 0, the
    dense targets find 0.78 of the main person's seen joints and 0.62 of everybody's, joints alone 0.69 and 0.56."""
    shapes: ShapeRule = field(default_factory=ShapeRule)
    """The support vector shapes that are learnt."""
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            steps=1500, batch_size=16, optimizer="adam", learning_rate=3e-3, decay="cosine", warmup_steps=50
        )
    )
    """Length and step sizes."""
    scales: tuple[float, float] = (0.75, 1.5)
    """Least and most that pictures are enlarged by at random."""
    turn: float = 12.0
    """Degrees that pictures are turned by at random, to either side."""
    light: float = 0.25
    """Share by which each colour is brightened or darkened at random."""
    most_frames: int = 1500
    """Frames learnt from at most; of more, every n-th is taken."""

    def __post_init__(self) -> None:
        low, high = self.scales
        if not (0 < low <= high and 0 <= self.turn <= 180 and 0 <= self.light < 1 and self.most_frames >= 1):
            raise DataError(
                "learning dense poses needs rising positive scales, a turn in [0, 180], light in [0, 1) and frames, "
                f"got {self.scales}, {self.turn}, {self.light} and {self.most_frames}"
            )
        if len(self.shapes.weights) != self.estimator.net.shapes:
            raise DataError(
                f"a dense pose net of {self.estimator.net.shapes} shape maps needs as many weights of shapes, "
                f"got {self.shapes.weights}"
            )


def learn_dense_pose_net(
    playground: Path, output: Path, *, run: Run, config: DensePoseLearning | None = None, subset: str = "training"
) -> Path:
    """Learn the dense pose net and write its weights.

    Args:
        playground: a folder drawn with truth.
        output: the safetensors file to write; it appears complete or not at all.
        run: device, seed, folder of checkpoints.
        config: the net and how it learns; DensePoseLearning() if None.
        subset: whose videos and clips it learns from.

    Returns:
        The file, which is what `weights` of the feature names.

    Raises:
        DataError: when the playground holds no truth of that subset.
    """
    config = config or DensePoseLearning()
    data = dense_pose_items(playground, config, subset=subset)
    log.info("the dense pose net learns from %d frames of %s", len(data), playground)
    torch.manual_seed(run.seed)
    net = config.estimator.net.build()

    def loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
        assert isinstance(model, DensePoseNet)
        return dense_pose_loss(model(batch[0]), DenseTruth(*batch[1:]), config.weights)

    # teachings of one folder stay apart
    fit(net, data, loss, schedule=config.schedule, run=run, name=f"dense-pose-{content_hash(config)}")
    save_weights(output, net)
    return output


@dataclass(frozen=True, eq=False)
class DenseFrame:
    """One frame and what is true of it.

    Attributes:
        picture: of the size that the estimator sees.
        people: joints in the net's layout, pixels.
        iuv: part, U and V as bytes, of any size.
        shapes: support vector shapes, a cell for 4 x 4 pixels.
    """

    picture: UInt8[np.ndarray, "height width 3"]
    people: Float[np.ndarray, "people joints 3"]
    iuv: UInt8[np.ndarray, "h w 3"]
    shapes: Float[np.ndarray, "maps rows columns"]


class DensePoseItems:
    """Frames as items for training: a picture, and what DenseTruth names."""

    def __init__(self, frames: list[DenseFrame], config: DensePoseLearning, *, identity: str) -> None:
        """Keep the frames.

        Args:
            frames: what there is.
            config: how they are changed at random.
            identity: text that differs where the frames do.
        """
        self.frames, self.config = frames, config
        self.identity = repr((identity, config))

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """One frame as it is."""
        return _item(self.frames[index], np.eye(2, 3), np.ones(3))

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, ...]:
        """One frame enlarged, turned, shifted and lit at random.

        It is not mirrored: the parts of the left side would become those of the right, and U would run backwards.
        """
        import cv2

        frame, config = self.frames[index], self.config
        height, width = frame.picture.shape[:2]
        scale = float(np.exp(generator.uniform(*np.log(config.scales))))
        turn = float(generator.uniform(-config.turn, config.turn))
        matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), turn, scale), dtype=np.float64)
        matrix[:, 2] += generator.uniform(-0.5, 0.5, 2) * np.array([width, height]) * max(abs(scale - 1), 0.1)
        return _item(frame, matrix, generator.uniform(1 - config.light, 1 + config.light, 3))


def dense_pose_items(playground: Path, config: DensePoseLearning, *, subset: str) -> DensePoseItems:
    """The frames of a playground's videos and clips whose truth is known, with the shapes of their bodies."""
    from untrimmed.media.transforms import resize

    names = truth_ids(playground, subset=subset)
    truths = [read_truth(playground, name) for name in names]
    total = sum(len(truth.seconds) for truth in truths)
    if not total:
        raise DataError(f"the playground {playground} holds no truth of its {subset} subset")
    every = -(-total // config.most_frames)
    height, width = config.estimator.size
    frames, seen = [], 0
    for truth in truths:
        taken = np.arange(-seen % every, len(truth.seconds), every)
        seen += len(truth.seconds)
        whole = truth_pictures(playground, truth)
        own = whole.shape[1:3]
        for index in taken.tolist():
            people = with_chest(truth.people(index).astype(np.float64), *own)
            people[:, :, :2] *= (width / own[1], height / own[0])
            iuv = truth.iuv[index]
            frames.append(
                DenseFrame(
                    resize(whole[[index]], (height, width))[0],
                    people,
                    iuv,
                    shape_maps(_small(iuv), _cells(height, width), config.shapes),
                )
            )
    return DensePoseItems(frames, config, identity=f"{names} {total}")


def _small(iuv: UInt8[np.ndarray, "h w 3"]) -> np.ndarray:
    """Where the body covers half of a cell or more, in few cells."""
    import cv2

    body = (iuv[:, :, 0] > 0).astype(np.float32)
    size = (round(SHAPE_ROWS * iuv.shape[1] / iuv.shape[0]), SHAPE_ROWS)
    return np.asarray(cv2.resize(body, size, interpolation=cv2.INTER_AREA) >= 0.5)


def _cells(height: int, width: int) -> tuple[int, int]:
    return -(-height // STRIDE), -(-width // STRIDE)


def _item(frame: DenseFrame, matrix: Float[np.ndarray, "2 3"], gains: Float[np.ndarray, " 3"]) -> tuple[Tensor, ...]:
    """A frame moved by a matrix of pixel corners, and its truth in cells."""
    import cv2

    height, width = frame.picture.shape[:2]
    rows, columns = _cells(height, width)
    lines = cv2.BORDER_REPLICATE
    moved = cv2.warpAffine(frame.picture, _middles(matrix), (width, height), borderMode=lines)
    picture = np.clip(moved * gains, 0, 255).astype(np.uint8)
    people = frame.people.copy()
    people[:, :, :2] = people[:, :, :2] @ matrix[:, :2].T + matrix[:, 2]
    inside = ((people[:, :, :2] >= 0) & (people[:, :, :2] < (width, height))).all(axis=2)
    people[:, :, 2] = inside & (people[:, :, 2] > 0)
    people[:, :, :2] /= STRIDE
    pointed, near = pointing(people, (rows, columns), within=WITHIN)
    # from pixels of the map of parts to those of the picture, there moved, and then to cells
    up = np.array([width / frame.iuv.shape[1], height / frame.iuv.shape[0]])
    to_cells = np.column_stack([matrix[:, :2] * up, matrix[:, 2]]) / STRIDE
    iuv = cv2.warpAffine(frame.iuv, _middles(to_cells), (columns, rows), flags=cv2.INTER_NEAREST)
    in_cells = np.column_stack([matrix[:, :2], matrix[:, 2] / STRIDE])
    shapes = [
        cv2.warpAffine(one.astype(np.float32), _middles(in_cells), (columns, rows), borderMode=lines)
        for one in frame.shapes
    ]
    return (
        torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))),
        torch.from_numpy(bumps(people, (rows, columns), sigma=SIGMA).astype(np.float32)),
        torch.from_numpy(pointed.astype(np.float32)),
        torch.from_numpy(near.astype(np.float32)),
        torch.from_numpy(iuv[:, :, 0].astype(np.int64)),
        torch.from_numpy(iuv[:, :, 1:].transpose(2, 0, 1).astype(np.float32) / 255),
        torch.from_numpy(np.stack(shapes)),
    )


def _middles(matrix: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "2 3"]:
    """A matrix of corners as one of the middles of pixels, which is how OpenCV counts."""
    out = matrix.copy()
    out[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    return out
