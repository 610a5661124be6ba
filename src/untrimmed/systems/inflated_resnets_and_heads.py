"""16: Inflated ResNets, LSTM or 1-D convolutions on top, depth and motion (trimmed classification; no rank given).

Source: report 16 of the ActivityNet Challenge 2017 (`papers/16-resnet3d-depth-motion.txt`).

Recipe:
    frames, 25 a second, 256 x 256
      -> ResNet-v2-50 and -101 with N x N x N filters, 32 frames at 224    -> softmax, mean over 14 snippets
         -> ResNet-v2-101's feature of 32 frames every 16, seven of them
            -> LSTM of 1024 neurons                                        -> softmax, mean over stretches of 128 frames
            -> 512 convolutions of each width 7, 5, 3, 1; maximum in time  -> the same
      -> pairs 20 frames apart -> two-frame net: depth, normals, flow, confidence, 16 x 56 x 56 x 8
         -> ResNet-v2-50, three levels of the two-frame net added inside   -> softmax, mean over snippets
    mean of the six nets -> class scores

Published: Kinetics validation, top-1 / top-5 / average error: ResNet-50 by Xavier's rule 60.7 / 83.0 / 28.2, inflated
62.5 / 83.9 / 26.8, ResNet-101 inflated 64.6 / 85.1 / 25.2, with LSTM 63.9 / 85.4 / 25.3, with 1-D convolutions 63.7 /
85.5 / 25.4, depth and motion 49.5 / 74.0 / 38.3; the ensemble 24.3 average error on the test set (23.4 in the report's
conclusion).

Finding: heads over time help top-5 and not top-1; a deeper net helps; a net from scratch comes near an inflated one;
depth and motion is below RGB alone and lifts the ensemble.

Choices:
    - "inflated" starts at random too, as in every system here, unless `with_starts` gives weights: ImageNet's by name
      or a file. Depth and motion needs those of a two-frame net to be what it says it is; learn_depth_net writes them.
    - The rate falls "by a factor of 0.16 every 20 epochs", exponentially: in 90 steps, one an epoch. From scratch it
      falls every 30 epochs; how it decays in the last 30 is not said, so it falls at 120 once more.
    - The 101-layer net is fixed while the heads learn. The report starts from its weights and may train them on.
    - Steps of the heads lie on one grid over the video, 16 frames apart, and a stretch takes seven of them, which see
      128 frames together. The report takes three stretches of ten seconds; here they lie side by side and there are as
      many as fit, two in ten seconds. A video of less than seven steps stands still at its last.
    - Schedules of the heads are not said: half the epochs, RMSProp, a tenth of the rate.
    - Snippets of depth and motion follow frame by frame, so that 16 pairs take 36 frames; how many are averaged is not
      said: 14. Where time and place are halved, `nets.injection` says.
    - Which streams had "standard data augmentation" of which kind is not said: crops of 224 and mirror images.
    - How the ensemble is made is not said: the mean.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from untrimmed.aggregate.heads import ConvolutionHeadConfig, LstmHeadConfig
from untrimmed.configs import rewritten
from untrimmed.features import laptop_streams
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.images import RgbImages
from untrimmed.features.learned import StreamFeature
from untrimmed.features.members import Member
from untrimmed.features.row_nets import RowNet
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.streams import Stream
from untrimmed.fuse.fusion import AnyFusion, Equal
from untrimmed.nets.inflated import INFLATED, Inflated
from untrimmed.nets.injection import DepthMotionResnet, TwoStarts
from untrimmed.nets.two_frame import TwoFrame
from untrimmed.systems.ensemble import EnsembleSystem
from untrimmed.train import Schedule

IMAGES = RgbImages(size=(256, 256), per_second=25)
"""Section 2."""
SCRATCH = Schedule(
    epochs=130, batch_size=80, optimizer="rmsprop", learning_rate=0.1, milestones=(30, 60, 90, 120), gamma=0.16
)
"""Section 4, from Xavier's rule."""
INFLATING = Schedule(
    epochs=90, batch_size=80, optimizer="rmsprop", learning_rate=0.004, milestones=tuple(range(1, 90)), gamma=0.16**0.05
)
"""Section 4, from ImageNet's weights."""
HEADS = replace(INFLATING, epochs=45, learning_rate=0.0004)
SUBSEQUENCES, STRIDE = 7, 16
"""Section 2.2: seven sub-sequences of 32 frames, one every 16."""
SNIPPETS = TestViews(positions=14, ten_crop=False)
"""Section 2.1."""


def snippet_stream(net: Inflated | DepthMotionResnet, schedule: Schedule) -> Stream:
    """A stream as report 16 trains and tests it."""
    return Stream(
        net=net,
        images=IMAGES,
        sampling=Sampling(sections=1, frames=net.frames),
        augmentation=Augmentation(scales=(0.875,)),  # 224 of 256
        schedule=schedule,
        views=SNIPPETS,
    )


def over_snippets(
    head: LstmHeadConfig | ConvolutionHeadConfig, stream: Stream, *, stride: int, schedule: Schedule, seconds: float
) -> RowNet:
    """A head over what a stream's net, trained first, says of sub-sequences of its frames.

    Args:
        head: over seven of them at most.
        stream: whose net learns and then stays.
        stride: frames from one to the next.
        schedule: of the head.
        seconds: that seven of them take.
    """
    source = SequenceSource(rows=StreamFeature(stream=stream, stride=stride, learn=True))
    return RowNet(sources=(source,), head=head, schedule=schedule, steps=SUBSEQUENCES, window=seconds)


_DEEP = snippet_stream(INFLATED["16 ResNet-v2-101"], INFLATING)
_SHALLOW = INFLATED["16 ResNet-v2-50"]
_STRETCH = SUBSEQUENCES * STRIDE / 25


def _head(head: LstmHeadConfig | ConvolutionHeadConfig) -> RowNet:
    return over_snippets(head, _DEEP, stride=STRIDE, schedule=HEADS, seconds=_STRETCH)


RGB_MEMBERS = (
    Member(name="resnet50_scratch", classifier=snippet_stream(replace(_SHALLOW, weights=None), SCRATCH)),
    Member(name="resnet50", classifier=snippet_stream(_SHALLOW, INFLATING)),
    Member(name="resnet101", classifier=_DEEP),
    Member(name="resnet101_lstm", classifier=_head(LstmHeadConfig())),
    Member(name="resnet101_convolutions", classifier=_head(ConvolutionHeadConfig(hold=True))),
)
"""The five of table 1 on RGB, one above the other."""
DEPTH_MEMBER = Member(name="depth_motion", classifier=snippet_stream(DepthMotionResnet(), INFLATING))
"""Section 2.3."""


@dataclass(frozen=True, kw_only=True)
class InflatedResnetsAndHeadsConfig:
    """Configuration of system 16."""

    members: tuple[Member, ...] = (*RGB_MEMBERS, DEPTH_MEMBER)
    """"An ensemble of six models: five based on RGB and one based on depth and motion" (abstract): those of table 1."""
    fusion: AnyFusion = Equal()  # noqa: RUF009
    """The mean; how the ensemble is made the paper does not say."""


class InflatedResnetsAndHeads(EnsembleSystem[InflatedResnetsAndHeadsConfig]):
    """System 16."""

    number: ClassVar[int] = 16
    config_class = InflatedResnetsAndHeadsConfig


def with_starts(
    config: InflatedResnetsAndHeadsConfig,
    *,
    resnet: Literal["imagenet"] | None = None,
    two_frame: Path | None = None,
) -> InflatedResnetsAndHeadsConfig:
    """The same ensemble with weights that its nets start from; the member from scratch keeps none.

    Args:
        config: the ensemble.
        resnet: what every other inflated ResNet v2 starts from, that of depth and motion too where a library has it.
        two_frame: weights of the two-frame net, which then stay as they are.
    """

    def started(part: Any) -> Any:
        if isinstance(part, Inflated):
            return replace(part, weights=resnet)
        if isinstance(part, DepthMotionResnet):
            starts = TwoStarts(two_frame=two_frame, resnet=resnet)
            return replace(part, weights=starts, learns_two_frame=part.learns_two_frame and two_frame is None)
        return part

    members = (one if one.name.endswith("_scratch") else rewritten(one, started) for one in config.members)
    return replace(config, members=tuple(members))


PUBLISHED = InflatedResnetsAndHeadsConfig()
WITHOUT_INJECTION = snippet_stream(DepthMotionResnet(injected=False), INFLATING)
"""Depth and motion by the two-frame net's answers alone, to measure what injection brings."""

LAPTOP_TWO_FRAME = TwoFrame(widths=(8, 16, 16, 32, 64), predict=16, input_size=(64, 64))
"""The net of pairs of the variant for two cores; learn_depth_net teaches it in some minutes."""
_LAPTOP_CLIPS = laptop_streams.RGB_CLIPS
_LAPTOP_DEPTH = DepthMotionResnet(
    layers=(1, 2, 2, 2), width=8, pairs=8, apart=10, two_frame=LAPTOP_TWO_FRAME, learns_two_frame=True, dropout=0.3
)
_LAPTOP_HEADS = replace(laptop_streams.SCHEDULE, learning_rate=1e-3)


def _laptop_head(head: LstmHeadConfig | ConvolutionHeadConfig) -> RowNet:
    return over_snippets(head, _LAPTOP_CLIPS, stride=8, schedule=_LAPTOP_HEADS, seconds=SUBSEQUENCES * 8 / 12)


LAPTOP = InflatedResnetsAndHeadsConfig(
    members=(
        Member(name="clips", classifier=_LAPTOP_CLIPS),
        Member(name="clips_lstm", classifier=_laptop_head(LstmHeadConfig(cells=64))),
        Member(name="clips_convolutions", classifier=_laptop_head(ConvolutionHeadConfig(channels=32, hold=True))),
        Member(
            name="depth_motion",
            classifier=replace(
                _LAPTOP_CLIPS,
                net=_LAPTOP_DEPTH,
                sampling=Sampling(sections=1, frames=_LAPTOP_DEPTH.frames),
                schedule=replace(laptop_streams.CLIP_SCHEDULE, batch_size=8),
            ),
        ),
    )
)
"""The variant for two cores: a narrow 3-D net on 16 pictures of 64 x 86 twelve times a second, both heads over it, and
depth and motion of eight pairs ten pictures apart, as many seconds as in the report. Its two-frame net learns with the
classes unless `with_starts` gives it weights."""
