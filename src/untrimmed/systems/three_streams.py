"""12: three streams, RGB, flow and joint maps (trimmed classification; no rank).

Source: report 12 of the ActivityNet Challenge 2017 (`papers/12-three-stream-pose.txt`).

Recipe:
    every 10th frame, 256 x 256                                -> ResNet-50  \\
    flow of the pairs (f0, f1), (f10, f11) ..., stacked        -> ResNet-50   |
    15 confidence maps of joints of every 10th frame           -> ResNet-50  /
      -> softmax, mean over the video -> weighted mean of the streams -> class scores
    All three start from ImageNet: the mean of the RGB filters is repeated for each channel of flow and joints.

Published, on Kinetics validation, a tenth of which was missing; mean of top-1 and top-5 error: RGB 0.2321, flow 0.6084,
pose 0.6678, all 0.2180, RGB and flow 0.2178, RGB and pose 0.2305, flow and pose 0.5667. Top-1 error: RGB 0.3157, flow
0.7173, pose 0.7697, all 0.2956.

Finding: joints help RGB a little, and nothing over RGB and flow.

Choices:
    - FlowNet 2.0 gives way to the flow methods of `features.flow`, TV-L1 unless the configuration names another.
    - The multi-person estimator (Cao et al., CVPR 2017) is for research only: joints are torchvision's key points, each
      drawn as a bump as high as its score. The report counts 15 joints and names none; they are OpenPose's MPI joints.
    - "1/10" is three frames a second of RGB, since Kinetics has about 30; flow and joints count frames.
    - How many flows are stacked is not said: 5, TSN's number, from as many pairs in a row.
    - How the nets are trained and which pictures are scored at test is not said: one clip a video and step, corner
      crops, TSN's rates, 25 centre crops. Joint maps are not mirrored, since left and right are channels of their own.
    - The "pre-defined weightings" are not told: RGB counts as much as the two others together.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from untrimmed.features import laptop_streams
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.confidence_maps import ConfidenceMaps
from untrimmed.features.flow_pairs import FlowPairs
from untrimmed.features.images import RgbImages
from untrimmed.features.members import Member
from untrimmed.features.pose_estimators import SmallPose, TorchvisionPose
from untrimmed.features.streams import Stream
from untrimmed.fuse.fusion import AnyFusion, Weighted
from untrimmed.nets.resnet import Resnet
from untrimmed.records import DataError
from untrimmed.systems.ensemble import EnsembleSystem
from untrimmed.train import Schedule

RGB = Stream(
    net=Resnet(depth=50, weights="imagenet"),
    images=RgbImages(size=(256, 256), per_second=3.0),
    sampling=Sampling(sections=1),
    augmentation=Augmentation(),
    schedule=Schedule(epochs=30, batch_size=128, learning_rate=1e-3, weight_decay=5e-4, milestones=(15, 25)),
    views=TestViews(positions=25, ten_crop=False),
)
FLOW = replace(RGB, images=FlowPairs(), sampling=Sampling(sections=1, frames=5))
POSE = replace(RGB, images=ConfidenceMaps(estimator=TorchvisionPose()), augmentation=Augmentation(flips=False))

WEIGHTS = {"rgb": 2.0, "flow": 1.0, "pose": 1.0}


@dataclass(frozen=True, kw_only=True)
class ThreeStreamsConfig:
    """Configuration of system 12."""

    members: tuple[Member, ...] = (
        Member(name="rgb", classifier=RGB),
        Member(name="flow", classifier=FLOW),
        Member(name="pose", classifier=POSE),
    )
    """The streams. Report 12, section 2."""
    fusion: AnyFusion = field(default_factory=lambda: Weighted(weights=tuple(WEIGHTS.values())))
    """The weighted mean; section 2.3. The paper does not tell the weights."""

    def __post_init__(self) -> None:
        if isinstance(self.fusion, Weighted) and len(self.fusion.weights) != len(self.members):
            raise DataError(
                f"late fusion of {len(self.members)} streams needs as many weights, got {self.fusion.weights}"
            )


class ThreeStreams(EnsembleSystem[ThreeStreamsConfig]):
    """System 12."""

    number: ClassVar[int] = 12
    config_class = ThreeStreamsConfig


def only(config: ThreeStreamsConfig, names: tuple[str, ...]) -> ThreeStreamsConfig:
    """Some of the streams, with their weights: what table 2 compares.

    Raises:
        DataError: when a stream is not there.
    """
    known = [member.name for member in config.members]
    missing = [name for name in names if name not in known]
    if missing or not names:
        raise DataError(f"streams of system 12 must be among {', '.join(known)}, got {', '.join(names) or 'none'}")
    members = tuple(member for member in config.members if member.name in names)
    fusion = config.fusion
    if isinstance(fusion, Weighted):
        fusion = Weighted(weights=tuple(fusion.weights[known.index(member.name)] for member in members))
    return ThreeStreamsConfig(members=members, fusion=fusion)


LAPTOP = ThreeStreamsConfig(
    members=(
        Member(name="rgb", classifier=laptop_streams.RGB_TSN),
        Member(name="flow", classifier=laptop_streams.FLOW_TSN),
        Member(
            name="pose",
            classifier=replace(
                laptop_streams.RGB_TSN,
                images=ConfidenceMaps(estimator=SmallPose(), size=(64, 86), per_second=12),
                augmentation=Augmentation(flips=False),
            ),
        ),
    )
)
"""The variant for two cores: 64 x 86 pictures twelve times a second, DIS flow, residual nets of ten narrow layers, 300
steps a stream, three sections a video. Its joints come from a small net that has to be taught first: give its file with
`features.given_files.with_feature_weights`; without one it finds joints at random."""
