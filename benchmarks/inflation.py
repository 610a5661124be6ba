"""Nets on clips: the cost of inflating, of pooling in two steps, and of a clip against its pictures one by one."""

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.table import Row, at_least, at_most, cpu_seconds
from untrimmed.nets.backbone import Net
from untrimmed.nets.inflate import inflate
from untrimmed.nets.inflation_rules import rule
from untrimmed.nets.solid_layers import SolidPool
from untrimmed.nets.trunks import trunk
from untrimmed.nets.zoo import BesNet, FrameNet, GoogLeNet, Inflated, P3d

CLIP = (1, 3, 16, 112, 112)
ROUNDS = 5


def run() -> list[Row]:
    """All rows."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.no_grad():
        return [*_pools(), _tracing(), *_clips()]


def _pools() -> list[Row]:
    x = torch.randn(1, 192, 16, 28, 28)
    largest = SolidPool(nn.MaxPool2d(3, 1, padding=1), kind="max", kernel=3, stride=1)
    whole = nn.MaxPool3d(3, 1, padding=1)
    own, torchs = _alternating(lambda: largest(x), lambda: whole(x))
    note = "192 x 16 x 28 x 28, one thread"
    return [at_least("3x3x3 maximum in two steps against torch's MaxPool3d", torchs / own, 1.1, note=note)]


def _tracing() -> Row:
    flat = [trunk("inception_v1", channels=3) for _ in range(3)]
    spent = cpu_seconds(lambda: inflate(flat.pop(), rule("cubes", strides=(2, 1, 1, 2, 2))), repeat=3)
    return at_most("inflating Inception-v1", spent, 2.0, unit="s", note="trace, 3-D filters, new layers")


def _clips() -> list[Row]:
    pairs: list[tuple[str, Net, Net]] = [
        ("Inception-v1, I3D strides", Inflated(), GoogLeNet()),
        ("ResNet-50, 3x3x3", Inflated(net="resnet50", strides=(2, 1, 2, 2, 2)), FrameNet(net="resnet50")),
        ("P3D-63", P3d(depth=63), FrameNet(net="resnet50")),
        ("BesNet", BesNet(), FrameNet(net="resnet50")),
    ]
    rows = []
    for title, solid, flat in pairs:
        clips, pictures = torch.randn(CLIP), torch.randn(CLIP[2], CLIP[1], *CLIP[3:])
        net, frame = solid.build(classes=400, channels=3).eval(), flat.build(classes=400, channels=3).eval()
        one, each = _alternating(_bound(net, clips), _bound(frame, pictures))
        what = f"{title}: a clip against its pictures by the 2-D net"
        rows.append(Row(what=what, value=one / each, note=f"16 x 112 x 112, {one * 1e3:.0f} ms a clip, one thread"))
    return rows


def _bound(net: nn.Module, x: torch.Tensor) -> Callable[[], object]:
    return lambda: net(x)


def _alternating(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Least CPU seconds of each, in turns."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for i, call in enumerate((first, second)):
            best[i] = min(best[i], cpu_seconds(call))
    return best[0], best[1]
