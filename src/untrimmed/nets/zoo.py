"""All nets that a stream or a feature may be built on, as one type for configurations."""

from untrimmed.nets.besnet import BesNet
from untrimmed.nets.bn_inception import BnInception
from untrimmed.nets.c3d import C3d, Ltc
from untrimmed.nets.frame_nets import FrameNet
from untrimmed.nets.inflated import Inflated
from untrimmed.nets.injection import DepthMotionResnet
from untrimmed.nets.memory_net import MemoryNet
from untrimmed.nets.multi_scale import Resnet3d
from untrimmed.nets.p3d import P3d
from untrimmed.nets.resnet import Resnet
from untrimmed.nets.small import Small3d, SmallNet
from untrimmed.nets.small_besnet import SmallBesNet
from untrimmed.nets.small_inflated import SmallInflated
from untrimmed.nets.vgg_audio import VggAudio

AnyNet = (
    BesNet
    | BnInception
    | C3d
    | DepthMotionResnet
    | FrameNet
    | Inflated
    | Ltc
    | MemoryNet
    | P3d
    | Resnet
    | Resnet3d
    | SmallBesNet
    | SmallInflated
    | SmallNet
    | Small3d
    | VggAudio
)
"""A configuration field of this type can hold, write and read any of them."""

__all__ = [
    "AnyNet",
    "BesNet",
    "BnInception",
    "C3d",
    "DepthMotionResnet",
    "FrameNet",
    "Inflated",
    "Ltc",
    "MemoryNet",
    "P3d",
    "Resnet",
    "Resnet3d",
    "Small3d",
    "SmallBesNet",
    "SmallInflated",
    "SmallNet",
    "VggAudio",
]
