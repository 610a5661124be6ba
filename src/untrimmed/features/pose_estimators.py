"""What finds the joints of people in pictures: the small net that this package trains, torchvision's, or a file's."""

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from untrimmed.data.skeletons import COCO17, MPI15, OPENPOSE18, mapped
from untrimmed.features.onnx_pose import OnnxNet, OnnxPose
from untrimmed.media.transforms import resize
from untrimmed.nets.backbone import load_weights
from untrimmed.nets.detection_nets import KEY_POINT_NET, coco_net
from untrimmed.nets.pose_net import LAYOUT, STRIDE, NarrowPose, PoseNet
from untrimmed.nets.pose_peaks import bumps, gather_people
from untrimmed.records import DataError

log = logging.getLogger(__name__)

HEAD = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
"""The joints whose maps together are the map of the head."""


@dataclass(frozen=True, kw_only=True)
class SmallPose:
    """The narrow net of nets.pose_net; it knows the people of a playground once features.pose_learning taught it."""

    net: NarrowPose = field(default_factory=NarrowPose)
    """Its size."""
    size: tuple[int, int] = (144, 192)
    """Height and width of the pictures it sees, pixels."""
    least: float = 0.25
    """Confidence that a joint must have, in (0, 1)."""
    astray: float = 3.0
    """Cells of 4 pixels between a chest and the place that a joint says its chest is at, beyond which the joint
    belongs to somebody else."""
    joints: int = 4
    """Of 18 and the chest, how many a person must show."""

    def __post_init__(self) -> None:
        if min(self.size) < 32 or not 0 < self.least < 1 or not self.astray > 0 or self.joints < 1:
            raise DataError(
                "a small pose net needs pictures of 32 pixels or more, least in (0, 1), astray > 0 and joints >= 1, "
                f"got {self.size}, {self.least}, {self.astray} and {self.joints}"
            )


@dataclass(frozen=True, kw_only=True)
class TorchvisionPose:
    """torchvision's key-point R-CNN (ResNet-50 with a feature pyramid), which finds COCO's 17 joints.

    Source: He et al., Mask R-CNN, ICCV 2017. Report 08 took OpenPose, report 12 the net it is made of; both give the
    18 joints that these are mapped to, and their weights are for research only.
    """

    size: tuple[int, int] | None = None
    """Height and width of the pictures it is given; None leaves them as they are. It scales them itself."""
    shorter_side: int = 800
    """Pixels that the shorter side is scaled to; torchvision's default."""
    least: float = 0.5
    """Score that a person must have, in [0, 1]."""
    pretrained: bool = True
    """Whether it starts from torchvision's COCO weights where no file is given; otherwise at random."""
    sigma_share: float = 0.02
    """Standard deviation of a joint's confidence map as a share of the picture's height: 7 of 368 pixels in OpenPose's
    training."""

    def __post_init__(self) -> None:
        if self.shorter_side < 32 or not 0 <= self.least <= 1 or not self.sigma_share > 0:
            raise DataError(
                "key-point R-CNN needs a shorter side of 32 pixels or more, least in [0, 1] and sigma_share above 0, "
                f"got {self.shorter_side}, {self.least} and {self.sigma_share}"
            )


AnyPose = SmallPose | TorchvisionPose | OnnxPose


class PoseEstimator(ABC):
    """An estimator with its weights, ready for pictures."""

    @abstractmethod
    def people(self, pictures: UInt8[np.ndarray, "n height width 3"]) -> list[Float[np.ndarray, "_ 18 3"]]:
        """The people of each picture, the surest first: x and y in pixels and the score, 0 where not found; COCO-18."""

    @abstractmethod
    def maps(self, pictures: UInt8[np.ndarray, "n height width 3"]) -> Float[np.ndarray, "n 15 rows columns"]:
        """Confidence maps of the 15 joints of OpenPose's MPI model, 0 to 1, of any size."""


def pose_estimator(config: AnyPose, weights: Path | None) -> PoseEstimator:
    """The estimator on torch's default device; it is built once a process.

    Args:
        config: which.
        weights: a safetensors file (SmallPose), torchvision's .pth (TorchvisionPose) or an ONNX file (OnnxPose, which
            needs one); None takes torchvision's own, and for SmallPose a net that learnt nothing.
    """
    stat = None if weights is None or not weights.is_file() else weights.stat()
    stamp = None if stat is None else (stat.st_mtime_ns, stat.st_size)
    return _built(config, weights, str(torch.get_default_device()), stamp)


@lru_cache(maxsize=2)
def _built(config: AnyPose, weights: Path | None, device: str, stamp: tuple[int, int] | None) -> PoseEstimator:
    if isinstance(config, TorchvisionPose):
        return _TorchvisionEstimator(config, weights, device)
    if isinstance(config, OnnxPose):
        return _OnnxEstimator(config, weights, device)
    if weights is None:
        log.warning("the small pose net has no weights and finds joints at random: learn them with learn_pose_net")
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.manual_seed(0)
        net = config.net.build()
    return _SmallEstimator(config, net if weights is None else load_weights(net, weights), device)


class _SmallEstimator(PoseEstimator):
    def __init__(self, config: SmallPose, net: PoseNet, device: str) -> None:
        self._config, self._net = config, net.to(device).eval()

    def people(self, pictures: UInt8[np.ndarray, "n height width 3"]) -> list[Float[np.ndarray, "_ 18 3"]]:
        config = self._config
        maps, field = self._said(pictures)
        height, width = pictures.shape[1:3]
        back = np.array([STRIDE * width / config.size[1], STRIDE * height / config.size[0], 1.0])
        found = []
        for own, pointing in zip(maps, field, strict=True):
            cells = gather_people(own, pointing, least=config.least, astray=config.astray, joints=config.joints)
            found.append(mapped(cells * back, LAYOUT, OPENPOSE18))
        return found

    def maps(self, pictures: UInt8[np.ndarray, "n height width 3"]) -> Float[np.ndarray, "n 15 rows columns"]:
        return mpi_maps(self._said(pictures)[0])

    def _said(self, pictures: UInt8[np.ndarray, "n height width 3"]) -> tuple[np.ndarray, np.ndarray]:
        x = torch.from_numpy(resize(pictures, self._config.size).transpose(0, 3, 1, 2))
        with torch.inference_mode():
            said = self._net(x.to(self._net.mean.device))
        return said.logits.sigmoid().double().cpu().numpy(), said.field.double().cpu().numpy()


def mpi_maps(maps: Float[np.ndarray, "n joints rows columns"]) -> Float[np.ndarray, "n 15 rows columns"]:
    """The maps of the small net as those of OpenPose's MPI joints: the head is the highest of nose, eyes and ears."""
    head = maps[:, [LAYOUT.index(name) for name in HEAD]].max(axis=1)
    rest = maps[:, [LAYOUT.index(name) for name in MPI15.joints if name != "head"]]
    place = MPI15.index("head")
    return np.insert(rest, place, head, axis=1)


class _CocoEstimator(PoseEstimator):
    """One that finds COCO's 17 joints of each person."""

    def __init__(self, *, sigma_share: float) -> None:
        self._sigma_share = sigma_share

    @abstractmethod
    def points(self, picture: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "people 17 3"]:
        """x, y in pixels and score of each person, the surest first."""

    def people(self, pictures: UInt8[np.ndarray, "n height width 3"]) -> list[Float[np.ndarray, "_ 18 3"]]:
        return [mapped(self.points(picture), COCO17, OPENPOSE18) for picture in pictures]

    def maps(self, pictures: UInt8[np.ndarray, "n height width 3"]) -> Float[np.ndarray, "n 15 rows columns"]:
        height, width = pictures.shape[1:3]
        rows, columns = -(-height // STRIDE), -(-width // STRIDE)
        return np.stack([self._drawn(self.points(picture), (rows, columns)) for picture in pictures])

    def _drawn(self, points: Float[np.ndarray, "people 17 3"], shape: tuple[int, int]) -> np.ndarray:
        cells = points / np.array([STRIDE, STRIDE, 1.0])
        return bumps(mapped(cells, COCO17, MPI15), shape, sigma=self._sigma_share * shape[0])


class _TorchvisionEstimator(_CocoEstimator):
    def __init__(self, config: TorchvisionPose, weights: Path | None, device: str) -> None:
        super().__init__(sigma_share=config.sigma_share)
        self._config, self._device = config, device
        net = coco_net(KEY_POINT_NET, weights=weights, pretrained=config.pretrained, shorter_side=config.shorter_side)
        self._net = net.to(device).eval()

    def points(self, picture: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "people 17 3"]:
        x = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).to(self._device).float() / 255
        with torch.inference_mode():
            said = self._net([x])[0]
        kept = said["scores"] >= self._config.least
        # the height of the heat map at its peak, a logit, becomes a share of the person's score
        sure = said["keypoints_scores"][kept].sigmoid() * said["scores"][kept, None]
        points = torch.cat([said["keypoints"][kept, :, :2], sure[:, :, None]], dim=2)
        return np.asarray(points.double().cpu().numpy())


class _OnnxEstimator(_CocoEstimator):
    def __init__(self, config: OnnxPose, weights: Path | None, device: str) -> None:
        super().__init__(sigma_share=config.sigma_share)
        self._net = OnnxNet(config, weights, threads=torch.get_num_threads(), cuda=device.startswith("cuda"))

    def points(self, picture: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "people 17 3"]:
        found = self._net.points(picture)
        return found[np.argsort(-found[..., 2].mean(axis=1), kind="stable")]
