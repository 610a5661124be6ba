"""13: Shifting attention and three other temporal models on features of three streams (trimmed; rank 1).

Source: report 13 of the ActivityNet Challenge 2017 (`papers/13-shifting-attention-xception.txt`). Its longer version:
Bian et al., Revisiting the effectiveness of off-the-shelf temporal modeling approaches, arXiv 1708.03805.

Recipe:
    rgb    Inception-ResNet-v2, TSN of 3 sections, learns the classes -> a row of 1,536 numbers a frame
    flow   Inception-ResNet-v2 on stacked flow, the same              -> a row of 1,536 numbers a frame
    audio  VGG16 on log-mel patches of 960 ms, TSN of 3 sections      -> a row of 4,096 numbers a patch
      -> attention     groups of shifting attentions, one a stream, context gates
      -> xception      16 pieces of time, separable temporal convolutions, streams joined
      -> multi_stream  a bidirectional LSTM with attention a stream, joined
      -> fast_forward  seven recurrent layers to and fro with fast paths, over the joined rows
    mean of the four models' softmax -> class scores

Published: Kinetics: 12.4 mean of top-1 and top-5 error on test, the ensemble; multi-group shifting attention alone
78.7 / 93.9 top-1 / top-5 on validation ("our best single all attention network"; 77.7 / 93.2 in the longer version).

Finding: a temporal model on learnt features is above averaging them; the four are complementary: their mean is above
each of them.

Choices:
    - Sizes of the sequence models are those of the configurations that the same team released for YouTube-8M, to whose
      report this one refers "for the implementation details" (see `nets.sequence_models`), and so are their optimisers
      and rates; how long they learned is not said: 20 passes. For the other two models the paper gives no size and no
      schedule: those in `aggregate.shifting` and `aggregate.temporal_xception`, and Adam at 0.001.
    - The streams' own schedule is not said: TSN's rate and decay, 40 passes.
    - The fast-forward model joins the streams' rows step by step. Sound has fewer rows a second than pictures; its rows
      are repeated. On YouTube-8M both had one row a second.
    - Sequences keep their own lengths where the paper fills them up with zeros; what pads a batch has no effect.
    - Flow: TV-L1 in stacks of 5, as TSN. The paper starts the flow net from the trained RGB net and RGB from ImageNet;
      nets start at random unless their `weights` name a file or "imagenet".
    - Weights of the ensemble, and of what else it consists, are not said: the mean of the four.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from untrimmed.aggregate.shifting import MultiGroupConfig, ShiftingConfig
from untrimmed.aggregate.temporal_xception import TemporalXceptionConfig
from untrimmed.features import laptop_streams
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.learned import StreamFeature
from untrimmed.features.members import Member
from untrimmed.features.picture_kinds import AnyImages
from untrimmed.features.row_nets import RowNet
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.spectrograms import LogMelImages
from untrimmed.features.streams import Stream
from untrimmed.fuse.fusion import AnyFusion, Equal
from untrimmed.nets.frame_nets import FrameNet
from untrimmed.nets.heads import AnyHead
from untrimmed.nets.sequence_models import FastForward, MultiStream
from untrimmed.nets.vgg_audio import VggAudio
from untrimmed.nets.zoo import AnyNet
from untrimmed.systems.ensemble import EnsembleSystem
from untrimmed.train import Schedule

_CROPS = Augmentation()
_SOUND = Augmentation(flips=False, whole=True)
_TSN_TRAINING = Schedule(
    epochs=40, batch_size=256, learning_rate=1e-3, weight_decay=5e-4, milestones=(20, 32), clip_gradient=40.0
)


def _learnt(
    net: AnyNet,
    images: AnyImages,
    *,
    frames: int = 1,
    augmentation: Augmentation = _CROPS,
    schedule: Schedule = _TSN_TRAINING,
) -> SequenceSource:
    """Rows of a net that learns the classes as a TSN first."""
    stream = Stream(
        net=net,
        images=images,
        sampling=Sampling(sections=3, frames=frames),
        augmentation=augmentation,
        schedule=schedule,
        views=TestViews(),
    )
    return SequenceSource(rows=StreamFeature(stream=stream, stride=1, learn=True))


RGB = _learnt(FrameNet(dropout=0.8), RgbImages(size=(342, 456)))
FLOW = _learnt(FrameNet(dropout=0.7), FlowImages(size=(342, 456), compensated=False), frames=5)
AUDIO = _learnt(VggAudio(), LogMelImages(), augmentation=_SOUND)
SOURCES = (RGB, FLOW, AUDIO)
"""Appearance, motion and sound, at every frame and every patch ("densely extract features"). The net takes 299 pixels,
the share of 342 that 224 are of TSN's 256."""

_ADAM = Schedule(epochs=20, batch_size=256, optimizer="adam", learning_rate=1e-3, milestones=(10, 15))
_MULTI_STREAM_TRAINING = Schedule(
    epochs=20,
    batch_size=240,
    optimizer="rmsprop",
    learning_rate=1e-3,
    momentum=0.0,
    weight_decay=8e-4,
    milestones=(10, 15),
    clip_gradient=25.0,
)
_FAST_FORWARD_TRAINING = Schedule(
    epochs=20, batch_size=1200, optimizer="adam", learning_rate=5e-4, weight_decay=8e-4, milestones=(10, 15)
)


def _model(head: AnyHead, schedule: Schedule, *, sources: tuple[SequenceSource, ...] = SOURCES) -> RowNet:
    return RowNet(sources=sources, head=head, schedule=schedule)


@dataclass(frozen=True, kw_only=True)
class ShiftingAndXceptionConfig:
    """Configuration of system 13."""

    attention: RowNet = _model(MultiGroupConfig(), _ADAM)  # noqa: RUF009
    """Multi-group shifting attention; section 3.1."""
    xception: RowNet = _model(TemporalXceptionConfig(), _ADAM)  # noqa: RUF009
    """Temporal Xception network; section 3.2."""
    multi_stream: RowNet = _model(MultiStream(), _MULTI_STREAM_TRAINING)  # noqa: RUF009
    """Multi-stream sequence model; section 3 refers to the YouTube-8M report."""
    fast_forward: RowNet = _model(FastForward(), _FAST_FORWARD_TRAINING)  # noqa: RUF009
    """Fast-forward sequence model; the same."""
    fusion: AnyFusion = Equal()  # noqa: RUF009
    """Of the four; section 5 speaks of "the ensemble of our individual models"."""

    @property
    def members(self) -> tuple[Member, ...]:
        """The four models, in the order of the report."""
        return (
            Member(name="attention", classifier=self.attention),
            Member(name="xception", classifier=self.xception),
            Member(name="multi_stream", classifier=self.multi_stream),
            Member(name="fast_forward", classifier=self.fast_forward),
        )


class ShiftingAndXception(EnsembleSystem[ShiftingAndXceptionConfig]):
    """System 13."""

    number: ClassVar[int] = 13
    config_class = ShiftingAndXceptionConfig


SMALL_SOURCES = (
    SequenceSource(rows=StreamFeature(stream=laptop_streams.RGB_TSN, stride=3, learn=True)),
    SequenceSource(rows=StreamFeature(stream=laptop_streams.FLOW_TSN, stride=3, learn=True)),
    _learnt(
        VggAudio(width=4, hidden=64),
        LogMelImages(stride=24),
        augmentation=_SOUND,
        schedule=replace(laptop_streams.SCHEDULE, batch_size=16),
    ),
)
"""Four rows a second of pictures, of flow and of sound."""
_SMALL_TRAINING = replace(laptop_streams.SCHEDULE, learning_rate=1e-3)
_GROUP = ShiftingConfig(attentions=8)

LAPTOP = ShiftingAndXceptionConfig(
    attention=_model(MultiGroupConfig(groups=(_GROUP, _GROUP, _GROUP)), _SMALL_TRAINING, sources=SMALL_SOURCES),
    xception=_model(TemporalXceptionConfig(pieces=8), _SMALL_TRAINING, sources=SMALL_SOURCES),
    multi_stream=_model(MultiStream(embedding=32, cells=32, hidden=(128, 64)), _SMALL_TRAINING, sources=SMALL_SOURCES),
    fast_forward=_model(FastForward(cells=24, hidden=64), _SMALL_TRAINING, sources=SMALL_SOURCES),
)
"""The variant for two cores: nets of ten narrow layers on 64 x 86 pictures and DIS flow, VGG16 a sixteenth as wide on
sound, 300 steps each, and narrow models of the same depth on four rows a second."""
