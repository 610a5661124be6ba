"""Multi-scale memory attention: a memory of slots that looks at one feature map of a video after the other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from untrimmed.records import DataError

TINY = 1e-12  # keeps the slope of the square root finite at 0


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """The memory and what it looks at."""

    slots: int = 64
    """Memory slots, m. The paper does not say; as many as the centres of the net of locally aggregated descriptors,
    whose sum of residuals this is."""
    size: int = 512
    """Numbers of each slot, n. The paper does not say; the channels of the narrowest map it looks at."""

    def __post_init__(self) -> None:
        if self.slots < 1 or self.size < 2:
            raise DataError(
                f"a memory needs slots >= 1 and a size >= 2, got {self}"
            )  # a norm over 1 number says nothing

    def build(self, dims: Sequence[int], classes: int) -> "MemoryAttention":
        """The net for maps of so many channels, in the order it looks at them: 512, 1024, 2048 for a deep ResNet."""
        return MemoryAttention(self, dims, classes)


def normalised(memory: Float[Tensor, "n slots size"]) -> Float[Tensor, "n slots size"]:
    """Signed square root of each number, then every slot to length 1, then all slots together to length 1.

    Every slot ends with length 1 / sqrt(slots); a slot that is zero stays zero, and the others share the length.

    Source: report 05, below equation 2 ("SSR normalization followed intra normalization and l2 normalization").
    """
    rooted = memory.sign() * memory.abs().clamp_min(TINY).sqrt()
    return functional.normalize(functional.normalize(rooted, dim=2).flatten(1), dim=1).view_as(memory)


def attend(
    x: Float[Tensor, "n positions size"], memory: Float[Tensor, "n slots size"]
) -> Float[Tensor, "n slots size"]:
    """normalise(sum over positions of softmax(X C^T) (X - C)): what the positions a slot looks at have beyond it.

    Slot k gets sum_j s_jk (x_j - c_k); each position shares one vote between the slots: sum_k s_jk = 1. The paper does
    not say over what the softmax runs; over slots, as a row of X C^T belongs to a position.

    Source: report 05, equation 2.
    """
    shares = (x @ memory.transpose(1, 2)).softmax(dim=2)
    return normalised(shares.transpose(1, 2) @ x - shares.sum(dim=1)[..., None] * memory)


class MemoryAttention(nn.Module):
    """Feature maps of a video, one scale after the other, to logits.

        X' = ReLU(layer norm(W0 X)),  C' = Attend(X', C),  C <- ReLU(layer norm(W1 C'))

    for each scale, each with its own W0, whose shape the map's channels give, and its own W1; what starts as C is
    learnt too. The last C is flattened and classified. The paper does not say whether W1 is shared, how C starts, nor
    whether W0 and W1 have biases: they have none, as the layer norm adds one of its own.

    Source: report 05, equations 1 to 3.
    """

    def __init__(self, config: MemoryConfig, dims: Sequence[int], classes: int) -> None:
        super().__init__()
        if not dims:
            raise DataError("a memory needs at least one feature map to look at, got none")
        self.config, self.dims = config, config.slots * config.size
        # slots of about length 1, so that the first softmax starts out soft
        self.start = nn.Parameter(torch.randn(config.slots, config.size) / math.sqrt(config.size))
        self.look = nn.ModuleList(_layer(channels, config.size) for channels in dims)
        self.turn = nn.ModuleList(_layer(config.size, config.size) for _ in dims)
        self.classify = nn.Linear(self.dims, classes)

    def remember(self, maps: Sequence[Float[Tensor, "n _ _"]]) -> Float[Tensor, "n slots size"]:
        """The memory after the last scale, >= 0.

        Args:
            maps: rows of positions of each scale, (n, positions, channels), in the order of build; scales may differ
                in positions, videos of one batch may not.

        Raises:
            DataError: on another number of maps than of scales.
        """
        if len(maps) != len(self.look):
            raise DataError(f"a memory of {len(self.look)} scales needs a feature map a scale, got {len(maps)}")
        memory = self.start.expand(len(maps[0]), -1, -1)
        for x, look, turn in zip(maps, self.look, self.turn, strict=True):
            memory = turn(attend(look(x), memory))
        return memory

    def forward(self, maps: Sequence[Float[Tensor, "n _ _"]]) -> Float[Tensor, "n classes"]:
        """Logits; arguments and errors as in remember."""
        return self.classify(self.remember(maps).flatten(1))


def _layer(dims: int, size: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dims, size, bias=False), nn.LayerNorm(size), nn.ReLU())


def sampled_positions(
    maps: Float[Tensor, "n frames channels k k"], generator: torch.Generator | None = None
) -> Float[Tensor, "n positions channels"]:
    """1 / k of the positions of each frame's map of size (k, k), which is k of them, as rows.

    Every frame of every video has its own draw, without repeats. At test the paper does not say; pass a generator
    with a seed to get the same positions again.

    Args:
        maps: activations of the frames of videos; the paper takes 16 frames a video at random.
        generator: where the draw comes from, on the CPU; None for torch's own.

    Source: report 05, section 2 ("1 / k positions are sampled from the feature map with size (k, k)").
    """
    n, frames, channels, k, _ = maps.shape
    drawn = torch.rand(n, frames, k * k, generator=generator).argsort(dim=2)[..., :k].to(maps.device)
    rows = maps.flatten(3).transpose(2, 3)
    return rows.gather(2, drawn[..., None].expand(-1, -1, -1, channels)).flatten(1, 2)
