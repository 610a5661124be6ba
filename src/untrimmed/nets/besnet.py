"""BesNet: ResNet-50 whose 3x3 convolutions look at space alone and whose 1x1 convolutions look along time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, fx, nn
from torch.nn import functional

from untrimmed.nets.backbone import Backbone, load_weights
from untrimmed.nets.inflate import inflate
from untrimmed.nets.inflation_rules import Layer, Reach
from untrimmed.nets.solid_layers import Init, SolidConv
from untrimmed.nets.trunks import TRUNKS, file_weights, fill, library_weights, trunk
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class BesNet:
    """Configuration of the separable 3-D net with random dilation of report 14, section 2.4."""

    net: Literal["resnet50", "resnet101", "resnet152"] = "resnet50"
    """The 2-D net whose order of layers it has; report 14: ResNet-50."""
    frames: int = 16
    """Pictures in a clip. The paper does not say: the net takes any number, since time is never strided."""
    input_size: tuple[int, int] = (224, 224)
    """Height and width of a crop, pixels; ResNet's. The paper does not say."""
    dilations: tuple[int, ...] = (1, 2)
    """What each temporal layer draws its dilation from, anew for every batch in training, by torch's generator."""
    test_dilation: int = 1
    """Of every temporal layer at test. The paper does not say."""
    init: Init = "centre"
    """How 3x1x1 filters come from 1x1 filters: "centre" starts as the 2-D net on each picture, "replicate" divides by
    three. The paper says "inflate" and no more."""
    dropout: float = 0.5
    """Share of the pooled feature that is dropped in training. The paper does not say."""
    weights: Literal["imagenet"] | Path | None = None
    """"imagenet": torchvision's ResNet, inflated (the report's start); a path: a .pth or safetensors file of the 2-D
    net, or one written by save_weights of the 2-D or of this net; None starts at random."""

    def build(self, *, classes: int, channels: int) -> Backbone:
        """The net; a first layer for other than 3 channels starts from the RGB filters' mean.

        Raises:
            DataError: when there are no frames or dilations, or one is < 1, or weights do not fit.
        """
        if self.frames < 1 or not self.dilations or min(*self.dilations, self.test_dilation) < 1:
            raise DataError(
                f"BesNet needs frames and dilations >= 1, got {self.frames}, {self.dilations} and {self.test_dilation}"
            )
        flat = trunk(self.net, channels=channels)
        given = None
        if self.weights is not None:
            given = file_weights(self.weights) if isinstance(self.weights, Path) else library_weights(self.net)
        inflated_before = given is not None and any(value.ndim == 5 for value in given.values())
        if given is not None and not inflated_before:
            fill(flat, given, where=str(self.weights))
        solid = inflate(flat, along_time, init=self.init, pooled=False)
        _let_draw(solid, self)
        if given is None:
            for layer in solid.modules():
                if isinstance(layer, SolidConv):
                    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")  # ResNet's, in 3-D
        net = _BesNet(self, solid, classes=classes, channels=channels)
        if inflated_before and isinstance(self.weights, Path):
            load_weights(net, self.weights, fresh=("classifier.",))
        return net


def along_time(layer: Layer) -> Reach:
    """The rule: 1x1 becomes 3x1x1, all else 1xNxN; no stride in time.

    The 1x1 convolutions of the shortcuts stay as they are; the paper does not say.
    """
    inside = layer.kind == "convolution" and layer.kernel == (1, 1) and "downsample" not in layer.name
    return Reach(kernel=3 if inside else 1)


class DrawnDilation(SolidConv):
    """A 3x1x1 convolution that draws its dilation anew at every call in training.

    Time is padded by the dilation, so that all dilations give as many positions.
    """

    def __init__(self, layer: SolidConv, *, dilations: tuple[int, ...], at_test: int) -> None:
        """Take over the sizes and the filters of `layer`."""
        super().__init__(
            layer.in_channels,
            layer.out_channels,
            (3, 1, 1),
            stride=(1, layer.stride[1], layer.stride[2]),
            groups=layer.groups,
            bias=layer.bias is not None,
        )
        self.weight, self.bias = layer.weight, layer.bias
        self.dilations, self.at_test = dilations, at_test

    def drawn(self) -> int:
        """The dilation of this call: one of `dilations` by torch's CPU generator in training, `at_test` otherwise."""
        if not self.training:
            return self.at_test
        # on the CPU wherever the net lies: no wait for a device, and the same draws on every device
        return self.dilations[int(torch.randint(len(self.dilations), (), device="cpu"))]

    def forward(self, x: Float[Tensor, "n before time height width"]) -> Float[Tensor, "n after *positions"]:
        """Convolve along time."""
        far = self.drawn()
        return functional.conv3d(
            x, self.weight, self.bias, self.stride, padding=(far, 0, 0), dilation=(far, 1, 1), groups=self.groups
        )


def _let_draw(solid: fx.GraphModule, config: BesNet) -> None:
    for name, layer in list(solid.named_modules()):
        if isinstance(layer, SolidConv) and layer.kernel_size == (3, 1, 1):
            drawing = DrawnDilation(layer, dilations=config.dilations, at_test=config.test_dilation)
            solid.set_submodule(name, drawing)


class _BesNet(Backbone):
    def __init__(self, config: BesNet, solid: nn.Module, *, classes: int, channels: int) -> None:
        facts = TRUNKS[config.net]
        super().__init__(
            dims=facts.dims,
            classes=classes,
            channels=channels,
            input_size=config.input_size,
            frames=config.frames,
            dropout=config.dropout,
            mean=facts.mean,
            std=facts.std,
        )
        self.trunk = solid

    def pooled(self, x: Shaped[Tensor, "n channels time height width"]) -> Float[Tensor, "n dims"]:
        """The mean over space, then the maximum over time."""
        return self.trunk(self.prepared(x)).mean((3, 4)).amax(2)
