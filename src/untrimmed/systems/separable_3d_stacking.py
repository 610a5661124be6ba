"""14: A separable 3-D net with random dilation, clustering, stacking (trimmed classification; rank 3, error 14.4).

Source: report 14 of the ActivityNet Challenge 2017 (`papers/14-besnet-stacking.txt`).

Recipe:
    frames -> ResNet-101 pool, every frame
                -> resfeat1  the mean over the video                                  -> maxout MLP
                -> resfeat2  25 groups by a rectifying self-organising map, a mean each -> maxout MLP
           -> resnet3d  ResNet-50 inflated, clips
           -> besnet    ResNet-50 with 1x3x3 in space and 3x1x1 in time, dilation 1 or 2 drawn, wide scale jitter
                        -> twice an epoch on the quarter of highest entropy
    Farneback flow as colours of direction and magnitude -> flow  the net of resnet3d
    sound -> log spectra -> audio  Deep Speech 2, the mean hidden state
    six rows of class scores -> a maxout layer learnt on one half of the validation set, stopped by the other

Published: Kinetics validation, top-1 (top-5): resfeat1 65 (PReLU 64), resfeat2 67.8 (PReLU 66.2), resnet3d 64.30
(85.58), flow 42.65 (68.09), audio 17.86 (34.39), besnet 70, with test-time augmentation 74. Ensembles: average 71,
majority 72, maximum 77, stacking 78. Test: 14.4 % mean of top-1 and top-5 error.

Finding: hard mining lifts besnet (70 to 72); the maximum is above average and majority; stacking is above them all;
resfeat2 is above resfeat1, and maxout above PReLU.

Choices:
    - The report gives no length, rate, batch or crop of any training. The 3-D nets take I3D's 64 frames, BesNet 16; all
      are trained for 30 epochs of the ResNet papers' SGD; the heads by Adam.
    - Nets start at random unless their `weights` name a file or "imagenet", where the report starts all of them.
    - "For each frame" is taken at five frames a second.
    - How clusters enter the MLP is not said: `nets.grouped_head` parts the mean over a video by group, and learns the
      map from the first batch. ResFeat1 is the sum of the parts.
    - "Magnitude and direction ... as RGB images" is read as OpenCV's own example does it, hue and value
      (`features.flow_pictures`). Such pictures are not mirrored, since that would turn no direction.
    - Hard mining starts when training has ended; the report waits for "decent results on validation set".
    - Score tables are probabilities where the abstract speaks of logits and section 2.5.2 of "class confidences".
    - The meta-model is one maxout layer that starts as the maximum over the members (`fuse.stacking`). `fusion` takes
      Highest(), Equal() and Majority() for the other ensembles; which models were "the best combination" is not said.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from untrimmed.aggregate.rsom import RsomConfig
from untrimmed.classify.maxout import MaxoutHeadConfig
from untrimmed.features import laptop_streams
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.flow.farneback import Farneback
from untrimmed.features.flow_pictures import PolarFlow
from untrimmed.features.hard_mining import HardMining
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.learned import StreamFeature
from untrimmed.features.members import Member
from untrimmed.features.row_nets import RowNet
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.spectrograms import SpectrumRows
from untrimmed.features.streams import Stream
from untrimmed.fuse.fusion import AnyFusion, Stacked
from untrimmed.nets.besnet import BesNet
from untrimmed.nets.deep_speech import DeepSpeech
from untrimmed.nets.grouped_head import GroupedHeadConfig
from untrimmed.nets.heads import AnyHead
from untrimmed.nets.inflated import Inflated
from untrimmed.nets.resnet import Resnet
from untrimmed.nets.small_besnet import SmallBesNet
from untrimmed.systems.ensemble import EnsembleSystem
from untrimmed.train import Schedule

_RGB = RgbImages(size=(256, 340))
_FLOW = PolarFlow(flow=FlowImages(size=(256, 340), method=Farneback(), compensated=False))
_TRAINING = Schedule(epochs=30, batch_size=32, learning_rate=0.01, weight_decay=1e-4, milestones=(15, 25))
_HEAD_TRAINING = Schedule(epochs=30, batch_size=256, optimizer="adam", learning_rate=1e-3, milestones=(20,))
_WIDE = Augmentation(scales=(1.0, 0.875, 0.75, 0.66, 0.5, 0.4))
"""Section 2.4: "wide-range scale jitter, random cropping"; the range is not said."""
_STILL_VIEWS = TestViews(positions=10, ten_crop=False)

RESNET_3D = Stream(
    net=Inflated(net="resnet50", frames=64, strides=(2, 1, 2, 2, 2)),
    images=_RGB,
    sampling=Sampling(sections=1, frames=64),
    augmentation=Augmentation(),
    schedule=_TRAINING,
    views=_STILL_VIEWS,
)
FLOW = replace(RESNET_3D, images=_FLOW, augmentation=Augmentation(flips=False))
BESNET = Stream(
    net=BesNet(),
    images=_RGB,
    sampling=Sampling(sections=1, frames=16),
    augmentation=_WIDE,
    schedule=_TRAINING,
    views=TestViews(positions=10, ten_crop=True),
    hard_mining=HardMining(),
)
RESNET_ROWS = SequenceSource(
    rows=StreamFeature(
        stream=Stream(
            net=Resnet(depth=101),
            images=replace(_RGB, per_second=5),
            sampling=Sampling(sections=1, frames=1),
            augmentation=Augmentation(),
            schedule=_TRAINING,
            views=TestViews(),
        ),
        stride=1,
    )
)
"""2,048 numbers a frame, of a net that is not tuned."""


def _head(head: AnyHead, source: SequenceSource, schedule: Schedule) -> RowNet:
    return RowNet(sources=(source,), head=head, schedule=schedule)


@dataclass(frozen=True, kw_only=True)
class Separable3dStackingConfig:
    """Configuration of system 14."""

    resfeat1: RowNet = _head(MaxoutHeadConfig(), RESNET_ROWS, _HEAD_TRAINING)  # noqa: RUF009
    """Section 2.1; `classify.maxout.PreluHeadConfig` is its other nonlinearity."""
    resfeat2: RowNet = _head(GroupedHeadConfig(), RESNET_ROWS, _HEAD_TRAINING)  # noqa: RUF009
    """Section 2.1, with 25 groups."""
    resnet3d: Stream = RESNET_3D
    """Section 2.2."""
    flow: Stream = FLOW
    """Section 2.2, "Optical Flow"."""
    audio: RowNet = RowNet(  # noqa: RUF009
        sources=(SequenceSource(rows=SpectrumRows()),),
        head=DeepSpeech(),
        schedule=replace(_HEAD_TRAINING, batch_size=32),
    )
    """Section 2.3."""
    besnet: Stream = BESNET
    """Section 2.4, hard mining included."""
    fusion: AnyFusion = Stacked()  # noqa: RUF009
    """Section 2.5."""

    @property
    def members(self) -> tuple[Member, ...]:
        """The six models, in the order of the report."""
        names = ("resfeat1", "resfeat2", "resnet3d", "flow", "audio", "besnet")
        return tuple(Member(name=name, classifier=getattr(self, name)) for name in names)


class Separable3dStacking(EnsembleSystem[Separable3dStackingConfig]):
    """System 14."""

    number: ClassVar[int] = 14
    config_class = Separable3dStackingConfig


_SMALL_ROWS = SequenceSource(rows=StreamFeature(stream=laptop_streams.RGB_TSN, stride=3, learn=True))
_SMALL_HEAD = MaxoutHeadConfig(hidden=(64,))
_SMALL_TRAINING = replace(laptop_streams.SCHEDULE, learning_rate=1e-3)

LAPTOP = Separable3dStackingConfig(
    resfeat1=_head(_SMALL_HEAD, _SMALL_ROWS, _SMALL_TRAINING),
    resfeat2=_head(
        GroupedHeadConfig(groups=RsomConfig(height=3, width=3), head=_SMALL_HEAD), _SMALL_ROWS, _SMALL_TRAINING
    ),
    resnet3d=laptop_streams.RGB_CLIPS,
    flow=replace(
        laptop_streams.RGB_CLIPS,
        images=PolarFlow(flow=laptop_streams.FLOW, bound=8.0),
        augmentation=Augmentation(flips=False),
    ),
    audio=RowNet(
        sources=(SequenceSource(rows=SpectrumRows(rate=8000, window_samples=320, hop_samples=320)),),
        head=DeepSpeech(filters=8, windows=((5, 11), (5, 7)), layers=2, cells=32),
        schedule=_SMALL_TRAINING,
    ),
    besnet=replace(
        laptop_streams.RGB_CLIPS,
        net=SmallBesNet(),
        sampling=Sampling(sections=1, frames=8),
        augmentation=_WIDE,
        hard_mining=HardMining(learning_rate=5e-4),
    ),
)
"""The variant for two cores: 64 x 86 pictures twelve times a second, DIS flow as colours, nets of ten to fourteen
narrow layers, nine groups, 25 spectra a second under two recurrent layers, some hundred steps each."""
