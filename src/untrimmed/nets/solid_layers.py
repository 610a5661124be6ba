"""The layers of inflated nets: 3-D convolutions, pools and norms that say what happens at the ends of time."""

from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Init = Literal["replicate", "centre"]
Ends = Literal["zeros", "replicate"]


class SolidConv(nn.Conv3d):
    """A 3-D convolution of ceil(time / stride) positions, position i about picture i * stride.

    Attributes:
        ends: what lies before the first and after the last picture: zeros, or that picture again. Under "replicate" a
            still clip looks everywhere as it does in the middle.
        same: pad height and width as TensorFlow does (timm's Conv2dSame) in place of `padding`.
    """

    def __init__(
        self,
        before: int,
        after: int,
        kernel: tuple[int, int, int],
        *,
        stride: tuple[int, int, int] = (1, 1, 1),
        padding: tuple[int, int] = (0, 0),
        dilation: tuple[int, int, int] = (1, 1, 1),
        groups: int = 1,
        bias: bool = False,
        ends: Ends = "zeros",
        same: bool = False,
    ) -> None:
        """`padding` is that of height and width; time is padded by itself."""
        # odd kernels over zeros need no copy of their input: torch pads them
        built_in = ends == "zeros" and kernel[0] % 2 == 1
        inside = (dilation[0] * (kernel[0] // 2) if built_in else 0, *padding)
        super().__init__(
            before, after, kernel, stride=stride, padding=inside, dilation=dilation, groups=groups, bias=bias
        )
        self.ends, self.same = ends, same
        self.around = (0, 0) if built_in else (dilation[0] * ((kernel[0] - 1) // 2), dilation[0] * (kernel[0] // 2))

    def forward(self, x: Float[Tensor, "n before time height width"]) -> Float[Tensor, "n after *positions"]:
        """Convolve."""
        if self.same:
            x = _same(x, self.kernel_size[1:], self.stride[1:], self.dilation[1:])
        return super().forward(_longer(x, self.around, self.ends))


class SolidPool(nn.Module):
    """Pooling over space, then over time, which for a maximum or a mean is pooling over both.

    Gives ceil(time / stride) positions as TensorFlow's padding does; beyond the ends the first and the last picture
    stand still, so that a still clip pools to the pooled picture. A maximum does not see that repetition.
    """

    def __init__(self, space: nn.Module, *, kind: Literal["max", "mean"], kernel: int, stride: int) -> None:
        """`space` is the pool of pictures."""
        super().__init__()
        self.space, self.kind, self.kernel, self.stride = space, kind, kernel, stride

    def forward(self, x: Float[Tensor, "n dims time height width"]) -> Float[Tensor, "n dims *positions"]:
        """Pool."""
        # channels and time are one axis to a pool of pictures, which unlike torch's 3-D pool takes any border
        x = self.space(x.flatten(1, 2)).unflatten(1, x.shape[1:3])
        if self.kernel == self.stride == 1:
            return x
        time = x.shape[2]
        extra = max((-(-time // self.stride) - 1) * self.stride + self.kernel - time, 0)
        x = _longer(x, (extra // 2, extra - extra // 2), "replicate")
        window, stride = (self.kernel, 1, 1), (self.stride, 1, 1)
        if self.kind == "max":
            return functional.max_pool3d(x, window, stride)
        return functional.avg_pool3d(x, window, stride)


class NormAct(nn.BatchNorm3d):
    """Batch normalisation and what follows it in one module, under the names of timm's BatchNormAct2d."""

    def __init__(self, norm: Any) -> None:
        """Take sizes, drop and act of timm's module."""
        super().__init__(
            norm.num_features,
            eps=norm.eps,
            momentum=norm.momentum,
            affine=norm.affine,
            track_running_stats=norm.track_running_stats,
        )
        self.drop, self.act = norm.drop, norm.act

    def forward(self, x: Float[Tensor, "n dims time height width"]) -> Float[Tensor, "n dims time height width"]:
        """Normalise, drop, activate."""
        return self.act(self.drop(super().forward(x)))


def in_time(
    weight: Float[Tensor, "after before height width"], kernel: int, init: Init
) -> Float[Tensor, "after before kernel height width"]:
    """2-D filters as 3-D filters.

    replicate: w[t] = w / kernel for every t; a still clip gets the picture's answer. centre: w at the middle and zeros
    elsewhere; any clip gets its pictures' answers.

    Source: Carreira and Zisserman, Quo Vadis, CVPR 2017, section 2.4; report 15, "Initializing 3D filters".
    """
    if init == "replicate":
        return (weight / kernel).unsqueeze(2).repeat(1, 1, kernel, 1, 1)
    inflated = weight.new_zeros(*weight.shape[:2], kernel, *weight.shape[2:])
    inflated[:, :, (kernel - 1) // 2] = weight
    return inflated


def _longer(x: Tensor, around: tuple[int, int], ends: Ends) -> Tensor:
    if not any(around):
        return x
    return functional.pad(x, (0, 0, 0, 0, *around), mode="replicate" if ends == "replicate" else "constant")


def _same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Tensor:
    around: list[int] = []
    for axis in (1, 0):  # functional.pad begins with the last axis
        length = x.shape[3 + axis]
        covered = (-(-length // stride[axis]) - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1
        extra = max(covered - length, 0)
        around += [extra // 2, extra - extra // 2]
    return functional.pad(x, around) if any(around) else x


def batch_norm(norm: nn.BatchNorm2d) -> nn.BatchNorm3d:
    """The same normalisation for clips; timm's variants keep their activation."""
    made = (
        NormAct(norm)
        if hasattr(norm, "act")
        else nn.BatchNorm3d(
            norm.num_features,
            eps=norm.eps,
            momentum=norm.momentum,
            affine=norm.affine,
            track_running_stats=norm.track_running_stats,
        )
    )
    made.load_state_dict(norm.state_dict(), assign=True)  # with its device and precision
    return made
