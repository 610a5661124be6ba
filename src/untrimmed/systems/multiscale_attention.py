"""05: Multi-scale attention over two streams (trimmed classification; no rank given).

Source: report 05 of the ActivityNet Challenge 2017 (`papers/05-multiscale-attention.txt`).

Recipe:
    frames, TV-L1 flow, 256 x 340
      -> rgb_101        ResNet-101 (v1), one frame               -> softmax, mean over 25 positions and ten crops
      -> rgb_152        ResNet-152 (v2), one frame               -> the same
      -> rgb_attention  ResNet-101, 32 frames at once, of which 16 are drawn in training
                          -> maps of blocks 2, 3, 4, 1 / k of the positions of a map of k x k
                          -> a memory that attends to one map after the other -> softmax, mean over ten crops
      -> flow_101       ResNet-101, 10 stacked flows             -> softmax, mean over 25 positions and ten crops
    mean of the three RGB nets -> mean with flow -> class scores

Published: Kinetics validation, top-1 / top-5, single nets: ResNet-101 RGB 69.9 / 88.2, flow 60.5 / 81.1, both 72.6 /
89.8; ResNet-152 RGB 70.2 / 88.5; multi-scale attention 71.1 / 90.0. Fused: RGB nets 72.4 / 90.4, with flow 74.2 / 91.0.

Finding: attention is above average pooling at the same backbone (rgb_attention above rgb_101), and the mean with flow
above RGB alone.

Choices:
    - The memory net is given 32 frames of a video, every eighth from a random first one, and draws 16 of them; at test
      it looks at all 32 and at all positions, as the memory's length is taken out. The paper says how frames and
      positions are drawn in training and nothing of test.
    - The rest of what the memory leaves open stands in `aggregate.memory`: 64 slots of 512 numbers, softmax over slots,
      and a W1 for each scale.
    - Its trunk learns with it. The paper does not say, nor with what schedule: that of ResNet-101.
    - Training ends after three of the paper's steps of 200,000; it says where the rate falls and not where training
      ends. A weight decay is not said: 1e-4, as in the papers of ResNet.
    - The two-stream nets are tested as in the paper they follow (Simonyan and Zisserman, NIPS 2014): 25 positions, ten
      crops, and 10 stacked flows.
    - Nets start at random unless their `weights` name a file or "imagenet": the paper starts RGB from ImageNet and flow
      from the trained RGB net; train that first and name its file. For ResNet-152 v2 nobody publishes weights.
    - Which RGB nets "all RGB models" are is not said: the three that have a row in the report's table.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from untrimmed.aggregate.memory import MemoryConfig
from untrimmed.features import laptop_streams
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.members import Member
from untrimmed.features.picture_kinds import AnyImages
from untrimmed.features.streams import Stream
from untrimmed.fuse.fusion import AnyFusion, Weighted
from untrimmed.nets.frame_nets import FrameNet
from untrimmed.nets.memory_net import MemoryNet
from untrimmed.nets.resnet import Resnet
from untrimmed.nets.small import SmallNet
from untrimmed.nets.zoo import AnyNet
from untrimmed.systems.ensemble import EnsembleSystem
from untrimmed.train import Schedule

_RGB = RgbImages(size=(256, 340))
_FLOW = FlowImages(size=(256, 340), compensated=False)
_TRAINING = Schedule(
    steps=600_000, batch_size=256, learning_rate=0.01, weight_decay=1e-4, milestones=(200_000, 400_000)
)
"""Section 2: "SGD with momentum 0.9, and the initial learning rate is 0.01", decayed "every 200,000 iterations"."""
_SMALLER_BATCH = replace(_TRAINING, batch_size=128)
_ALONE = TestViews(positions=1)


def _stream(
    net: AnyNet,
    images: AnyImages,
    *,
    frames: int = 1,
    stride: int = 1,
    schedule: Schedule = _TRAINING,
    views: TestViews = TestViews(),  # noqa: B008 (frozen)
) -> Stream:
    return Stream(
        net=net,
        images=images,
        sampling=Sampling(sections=1, frames=frames, stride=stride),
        augmentation=Augmentation(),
        schedule=schedule,
        views=views,
    )


RGB_101 = _stream(Resnet(depth=101), _RGB)
RGB_152 = _stream(FrameNet(net="resnet152_v2", input_size=(224, 224), dropout=0.5), _RGB, schedule=_SMALLER_BATCH)
RGB_ATTENTION = _stream(MemoryNet(), _RGB, frames=32, stride=8, views=_ALONE)
FLOW_101 = _stream(Resnet(depth=101), _FLOW, frames=10)


@dataclass(frozen=True, kw_only=True)
class MultiscaleAttentionConfig:
    """Configuration of system 05."""

    rgb_101: Stream = RGB_101
    """ResNet-101 on single frames; average pooling, what the attention is compared with."""
    rgb_152: Stream = RGB_152
    """ResNet-152 v2 on single frames; section 2 gives it batches of 128."""
    rgb_attention: Stream = RGB_ATTENTION
    """The multi-scale attention model on ResNet-101."""
    flow_101: Stream = FLOW_101
    """ResNet-101 on stacked flow."""
    fusion: AnyFusion = Weighted(weights=(1.0, 1.0, 1.0, 3.0))  # noqa: RUF009
    """Section 2: "fused all RGB models by average fusion. The RGB scores and flow scores are also averaged", so that
    flow weighs as much as the three RGB nets."""

    @property
    def members(self) -> tuple[Member, ...]:
        """The four nets, RGB first."""
        return (
            Member(name="rgb_101", classifier=self.rgb_101),
            Member(name="rgb_152", classifier=self.rgb_152),
            Member(name="rgb_attention", classifier=self.rgb_attention),
            Member(name="flow_101", classifier=self.flow_101),
        )


class MultiscaleAttention(EnsembleSystem[MultiscaleAttentionConfig]):
    """System 05."""

    number: ClassVar[int] = 5
    config_class = MultiscaleAttentionConfig


LAPTOP = MultiscaleAttentionConfig(
    rgb_101=laptop_streams.RGB_TSN,
    rgb_152=replace(laptop_streams.RGB_TSN, net=SmallNet(width=24)),
    rgb_attention=Stream(
        net=MemoryNet(trunk=SmallNet(), memory=MemoryConfig(slots=16, size=32), frames=12, drawn=8, dropout=0.3),
        images=laptop_streams.RGB,
        sampling=Sampling(sections=1, frames=12, stride=3),
        augmentation=Augmentation(),
        schedule=laptop_streams.CLIP_SCHEDULE,
        views=TestViews(positions=2, ten_crop=False),
    ),
    flow_101=laptop_streams.FLOW_TSN,
)
"""The variant for two cores: 64 x 86 pictures twelve times a second, DIS flow, residual nets of ten narrow layers under
TSN, one of them half as wide again in place of the deeper one, and a memory of 16 slots that sees 8 of 12 frames."""
