"""ResNet v2 in 3-D whose units let something be added before their 3 x 3 x 3 convolution; it halves no input at first.

nets.inflated makes such nets of any library's 2-D net; this one is written out, since report 16 adds to its inside.
Names of weights are those of timm's ResNet v2.
"""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from untrimmed.nets.solid_layers import in_time
from untrimmed.nets.trunks import fill

STAGES = 4


class Bottleneck(nn.Module):
    """A bottleneck unit of ResNet v2: norms and rectifiers come before the convolutions.

    Source: He et al., Identity mappings in deep residual networks, ECCV 2016, figure 1; N x N became N x N x N
    (report 16, section 2.1).
    """

    def __init__(self, before: int, inner: int, after: int, *, stride: tuple[int, int, int] = (1, 1, 1)) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm3d(before), nn.Conv3d(before, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm3d(inner)
        self.conv2 = nn.Conv3d(inner, inner, 3, stride=stride, padding=1, bias=False)
        self.norm3, self.conv3 = nn.BatchNorm3d(inner), nn.Conv3d(inner, after, 1, bias=False)
        changes = before != after or max(stride) > 1
        self.downsample = _Shortcut(before, after, stride) if changes else None

    def forward(
        self,
        x: Float[Tensor, "n before time height width"],
        added: Float[Tensor, "n inner time height width"] | None = None,
    ) -> Float[Tensor, "n after *positions"]:
        """The unit's answer.

        Args:
            x: its input.
            added: to the narrow maps that the 3 x 3 x 3 convolution sees.
        """
        open_ = self.norm1(x).relu()
        shortcut = x if self.downsample is None else self.downsample(open_)
        narrow = self.norm2(self.conv1(open_)).relu()
        if added is not None:
            narrow = narrow + added
        return self.conv3(self.norm3(self.conv2(narrow)).relu()) + shortcut


class _Shortcut(nn.Module):
    def __init__(self, before: int, after: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv3d(before, after, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class SolidResnet(nn.Module):
    """Maps of small pictures in time to the features of the last block, which halve time, height and width three times.

    Without the halving convolution and pool at the beginning: only then are its blocks 2, 3 and 4 as large as the maps
    that report 16 adds to them. The first unit of these blocks halves in its 3 x 3 x 3 convolution, so something is
    added to the second.
    """

    def __init__(self, *, channels: int, layers: tuple[int, int, int, int], width: int) -> None:
        """`layers` says how many units each block has, `width` what the first block's narrow maps have."""
        super().__init__()
        self.stem = nn.Sequential()
        self.stem.add_module("conv", nn.Conv3d(channels, width, 7, padding=3, bias=False))
        self.stages = nn.ModuleList()
        before = width
        for stage, units in enumerate(layers):
            inner = width * 2**stage
            first = (1, 1, 1) if stage == 0 else (2, 2, 2)
            self.stages.append(_Stage(before, inner, units=units, stride=first))
            before = 4 * inner
        self.norm = nn.BatchNorm3d(before)
        self.dims = before
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.xavier_uniform_(module.weight)  # report 16, section 3

    def forward(
        self, x: Float[Tensor, "n channels time height width"], added: Sequence[Tensor] = ()
    ) -> Float[Tensor, "n dims *positions"]:
        """Features at every position.

        Args:
            x: the maps.
            added: to the narrow maps of blocks 2, 3, 4, in order; may end early.
        """
        x = self.stem(x)
        for stage, block in enumerate(self.stages):
            place = stage - 1
            x = block(x, added[place] if 0 <= place < len(added) else None)
        return self.norm(x).relu()


class _Stage(nn.Module):
    def __init__(self, before: int, inner: int, *, units: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        made = [Bottleneck(before, inner, 4 * inner, stride=stride)]
        self.blocks = nn.ModuleList(made + [Bottleneck(4 * inner, inner, 4 * inner) for _ in range(units - 1)])

    def forward(self, x: Tensor, added: Tensor | None) -> Tensor:
        for place, unit in enumerate(self.blocks):
            x = unit(x, added if place == 1 else None)
        return x


def fill_inflated(net: SolidResnet, flat: Mapping[str, Tensor], *, where: str) -> None:
    """Put the weights of a 2-D ResNet v2 into its 3-D form: each filter repeated in time and divided by its length.

    The first layer's RGB filters start the other channels' with their mean.

    Args:
        net: of the same blocks and width.
        flat: by timm's names.
        where: what messages call them.

    Raises:
        DataError: when a name is missing or a shape is another.

    Source: report 16, section 2.1; Carreira and Zisserman, CVPR 2017, section 2.4.
    """
    own = net.state_dict()
    solid = {
        key: in_time(value, own[key].shape[2], "replicate") if key in own and value.ndim == 4 else value
        for key, value in flat.items()
    }
    fill(net, solid, where=where)
