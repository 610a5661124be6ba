"""All nets that a stream or a feature may be built on, as one type for configurations."""

from untrimmed.nets.bn_inception import BnInception
from untrimmed.nets.c3d import C3d, Ltc
from untrimmed.nets.googlenet import GoogLeNet
from untrimmed.nets.resnet import Resnet
from untrimmed.nets.small import Small3d, SmallNet

AnyNet = BnInception | C3d | GoogLeNet | Ltc | Resnet | SmallNet | Small3d
"""A configuration field of this type can hold, write and read any of them."""

__all__ = ["AnyNet", "BnInception", "C3d", "GoogLeNet", "Ltc", "Resnet", "Small3d", "SmallNet"]
