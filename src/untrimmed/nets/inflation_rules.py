"""Rules of inflation: how far each layer of a 2-D net reaches in time, and where time is halved."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What a rule is told of a convolution or pool of the 2-D net."""

    name: str
    """Its path in the net, e.g. "layer1.0.conv2"; of a function call the graph's name for it."""
    kind: Literal["convolution", "pool"]
    """What it is; global pools always take in all of time and no rule is asked about them."""
    kernel: tuple[int, int]
    """Height and width of its window."""
    stride: int
    """Of height and width, the larger."""
    halvings: int
    """How often height and width were halved before it: 0 for the first layer."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What a layer does in time."""

    kernel: int = 1
    """Pictures it looks at, >= 1."""
    stride: int = 1
    """Pictures from one position to the next, >= 1."""

    def __post_init__(self) -> None:
        if self.kernel < 1 or self.stride < 1:
            raise DataError(f"a layer's reach in time needs kernel and stride >= 1, got {self.kernel}, {self.stride}")


Rule = Callable[[Layer], Reach]

Which = Literal["cubes", "pools", "stem", "flat"]

Strides = tuple[int, int, int, int, int]
"""Of time where height and width are halved for the first, ..., fifth time."""


def rule(which: Which, *, strides: Strides = (1, 1, 1, 1, 1)) -> Rule:
    """One of the papers' rules.

    All branches of a block and its shortcut halve the picture together, so a stride of time that goes with the halving
    keeps them in step. A pool that halves is inflated only where time is halved too: the 1x3x3 pools of I3D.

    Args:
        which: "cubes" inflates every square window, NxN to NxNxN, and leaves 1x7 and 7x1 at 1x1x7 and 1x7x1; "pools"
            the pools alone; "stem" the pools and the first convolution; "flat" nothing.
        strides: of time at each of the five halvings, >= 1. I3D: (2, 1, 1, 2, 2).

    Source: reports 15 (section 2), 16 (section 2.1) and 08 (section 2.2); Carreira and Zisserman, CVPR 2017.
    """
    if min(strides) < 1:
        raise DataError(f"strides of time must be >= 1, got {strides}")

    def reach(layer: Layer) -> Reach:
        stride = strides[layer.halvings] if layer.stride > 1 and layer.halvings < len(strides) else 1
        square = layer.kernel[0] == layer.kernel[1]
        if layer.kind == "pool":
            inflated = which != "flat" and (layer.stride == 1 or stride > 1)
        else:
            inflated = which == "cubes" or (which == "stem" and layer.halvings == 0 and layer.stride > 1)
        return Reach(kernel=layer.kernel[0] if inflated and square else 1, stride=stride)

    return reach
