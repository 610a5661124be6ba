"""Learn the small pose net from the key points of a playground, which are true of what was drawn."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from untrimmed.data.playground.read_truth import read_truth, truth_ids, truth_pictures
from untrimmed.data.skeletons import mirrored
from untrimmed.features.pose_estimators import SmallPose
from untrimmed.nets.backbone import save_weights
from untrimmed.nets.pose_net import LAYOUT, STRIDE, pose_loss
from untrimmed.nets.pose_peaks import bumps, pointing
from untrimmed.records import DataError
from untrimmed.train import Run, Schedule, fit

log = logging.getLogger(__name__)

SIGMA = 1.0
"""Cells: standard deviation of the bump that stands for a joint."""
WITHIN = 1.5
"""Cells about a joint in which the field is learnt."""
SIDES = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


@dataclass(frozen=True, kw_only=True)
class PoseLearning:
    """How the small pose net learns; this package's own values, for some minutes on one core."""

    estimator: SmallPose = field(default_factory=SmallPose)
    """The net and the size of what it sees."""
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            steps=1500, batch_size=16, optimizer="adam", learning_rate=3e-3, decay="cosine", warmup_steps=50
        )
    )
    """Length and step sizes; a step takes about 0.11 s on one free core, the whole about three minutes. On the videos
    of pose_accuracy.LESSONS these steps find 0.71 of the main person's seen joints, 0.58 of everybody's, within a fifth
    of the torso."""
    scales: tuple[float, float] = (0.75, 1.5)
    """Least and most that pictures are enlarged by at random."""
    turn: float = 12.0
    """Degrees that pictures are turned by at random, to either side."""
    light: float = 0.25
    """Share by which each colour is brightened or darkened at random."""
    most_frames: int = 6000
    """Pictures held in memory at most (83 kB each of 144 x 192); of more, every n-th is taken."""

    def __post_init__(self) -> None:
        low, high = self.scales
        if not (0 < low <= high and 0 <= self.turn <= 180 and 0 <= self.light < 1 and self.most_frames >= 1):
            raise DataError(
                "learning poses needs rising positive scales, a turn in [0, 180], light in [0, 1) and frames, got "
                f"{self.scales}, {self.turn}, {self.light} and {self.most_frames}"
            )


def learn_pose_net(
    playground: Path, output: Path, *, run: Run, config: PoseLearning | None = None, subset: str = "training"
) -> Path:
    """Learn the small pose net and write its weights.

    Args:
        playground: a folder drawn with truth.
        output: the safetensors file to write; it appears complete or not at all.
        run: device, seed, folder of checkpoints.
        config: the net and how it learns; PoseLearning() if None.
        subset: whose videos and clips it learns from.

    Returns:
        The file, which is what `weights` of a feature names.

    Raises:
        DataError: when the playground holds no truth of that subset.
    """
    config = config or PoseLearning()
    data = pose_items(playground, config, subset=subset)
    log.info("the pose net learns from %d frames of %s", len(data), playground)
    torch.manual_seed(run.seed)
    net = config.estimator.net.build()
    fit(net, data, _loss, schedule=config.schedule, run=run, name="pose")
    save_weights(output, net)
    return output


class PoseItems:
    """Frames with their people, as (picture, maps, field, where the field counts)."""

    def __init__(
        self,
        pictures: UInt8[np.ndarray, "n height width 3"],
        people: list[Float[np.ndarray, "_ joints 3"]],
        config: PoseLearning,
        *,
        identity: str,
    ) -> None:
        """Keep the frames.

        Args:
            pictures: of the size that the estimator sees.
            people: joints of each frame in the net's layout, pixels.
            config: how they are changed at random.
            identity: text that differs where the frames do.
        """
        self.pictures, self.people, self.config = pictures, people, config
        self.identity = repr((identity, config))

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One frame as it is."""
        return _item(self.pictures[index], self.people[index])

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One frame enlarged, turned, shifted, lit and mirrored at random."""
        import cv2

        picture, people, config = self.pictures[index], self.people[index], self.config
        height, width = picture.shape[:2]
        if generator.random() < 0.5:
            picture, people = picture[:, ::-1], mirrored(people, LAYOUT, width=width)
        scale = float(np.exp(generator.uniform(*np.log(config.scales))))
        turn = float(generator.uniform(-config.turn, config.turn))
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, scale)
        # what is enlarged is shifted, so that the borders of the picture are seen as often as its middle
        matrix[:, 2] += generator.uniform(-0.5, 0.5, 2) * np.array([width, height]) * max(abs(scale - 1), 0.1)
        # the matrix is one of pixel corners, OpenCV's is one of their middles
        middles = matrix.copy()
        middles[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
        picture = cv2.warpAffine(
            np.ascontiguousarray(picture), middles, (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        gains = generator.uniform(1 - config.light, 1 + config.light, 3)
        picture = np.clip(picture * gains, 0, 255).astype(np.uint8)
        moved = people.copy()
        moved[:, :, :2] = people[:, :, :2] @ matrix[:, :2].T + matrix[:, 2]
        return _item(picture, _inside(moved, height, width))


def pose_items(playground: Path, config: PoseLearning, *, subset: str) -> PoseItems:
    """The frames of a playground's videos and clips whose truth is known, scaled to what the estimator sees."""
    names = truth_ids(playground, subset=subset)
    truths = [read_truth(playground, name) for name in names]
    total = sum(len(truth.seconds) for truth in truths)
    if not total:
        raise DataError(f"the playground {playground} holds no truth of its {subset} subset")
    every = -(-total // config.most_frames)
    height, width = config.estimator.size
    pictures, people, seen = [], [], 0
    for truth in truths:
        taken = np.arange(-seen % every, len(truth.seconds), every)
        seen += len(truth.seconds)
        whole = truth_pictures(playground, truth)
        own = whole.shape[1:3]
        for index in taken.tolist():
            pictures.append(_scaled(whole[index], (height, width)))
            points = with_chest(truth.people(index).astype(np.float64), *own)
            points[:, :, :2] *= (width / own[1], height / own[0])
            people.append(points)
    return PoseItems(np.stack(pictures), people, config, identity=f"{names} {total}")


def with_chest(
    people: Float[np.ndarray, "people 18 3"], height: int, width: int
) -> Float[np.ndarray, "people joints 3"]:
    """Key points with the mean of shoulders and hips as one more; it counts where it lies inside the picture."""
    sides = [LAYOUT.index(name) for name in SIDES]
    chest = np.ones((len(people), 1, 3))
    chest[:, 0, :2] = people[:, sides, :2].mean(axis=1)
    joined = np.concatenate([people, chest], axis=1)
    return _inside(joined, height, width)


def _inside(people: Float[np.ndarray, "people joints 3"], height: int, width: int) -> np.ndarray:
    """Scores of 1 for joints inside the picture, hidden or not, and 0 outside."""
    out = people.copy()
    there = ((people[:, :, :2] >= 0) & (people[:, :, :2] < (width, height))).all(axis=2)
    out[:, :, 2] = there & (people[:, :, 2] > 0)
    return out


def _item(
    picture: UInt8[np.ndarray, "height width 3"], people: Float[np.ndarray, "people joints 3"]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    shape = (-(-picture.shape[0] // STRIDE), -(-picture.shape[1] // STRIDE))
    cells = people.copy()
    cells[:, :, :2] /= STRIDE
    field, near = pointing(cells, shape, within=WITHIN)
    maps = bumps(cells, shape, sigma=SIGMA)
    pixels = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
    parts = (torch.from_numpy(part.astype(np.float32)) for part in (maps, field, near))
    first, second, third = parts
    return pixels, first, second, third


def _loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
    pictures, maps, field, near = batch
    return pose_loss(model(pictures), maps, field, near)


def _scaled(picture: UInt8[np.ndarray, "_h _w 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "height width 3"]:
    import cv2

    return picture if picture.shape[:2] == size else cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
