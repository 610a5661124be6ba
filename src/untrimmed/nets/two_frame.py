"""A net that sees two frames: flow and its confidence first, then depth and surface normals (the net of report 16)."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from untrimmed.nets.backbone import load_weights
from untrimmed.records import DataError

CHANNELS = 8
"""Of what the net says of a pair: depth 1, normals 3, flow 2, confidence of flow 2."""
_SLOPE = 0.1
_FAR = -2.0
"""Before the softplus: at first the net says about 8 m."""


@dataclass(frozen=True, kw_only=True)
class TwoFrame:
    """Sizes of the net; the default has the layers of DeMoN's bootstrap net.

    Source: Ummenhofer et al., DeMoN: Depth and Motion Network for Learning Monocular Stereo, CVPR 2017; the layers as
    its authors released them.
    """

    widths: tuple[int, int, int, int, int] = (32, 64, 128, 256, 512)
    """Filters at each of the five halvings; DeMoN's. Report 16 injects those of the last three."""
    predict: int = 24
    """Filters before each prediction; DeMoN's."""
    input_size: tuple[int, int] = (224, 224)
    """Height and width of the frames, pixels. Four times the 56 x 56 of its answer (report 16, section 2.3); DeMoN's
    own frames have 192 x 256."""
    nearest: float = 1.0
    """Metres: the depth at which the depth channel ends. The paper does not say how outputs are scaled."""
    bound: float = 0.25
    """Flow at which the flow channels end, as a share of the picture's width and height. The paper does not say."""

    def __post_init__(self) -> None:
        if min(*self.widths, self.predict) < 1 or self.widths[1] < 2:
            raise DataError(f"a two-frame net needs filters >= 1, two at the second halving, got {self.widths}")
        if min(self.input_size) < 1 or not (self.nearest > 0 and self.bound > 0):
            raise DataError(f"a two-frame net needs a positive input_size, nearest and bound, got {self}")

    @property
    def map_size(self) -> tuple[int, int]:
        """Height and width of the answer, pixels."""
        return -(-self.input_size[0] // 4), -(-self.input_size[1] // 4)

    def build(self, weights: Path | None = None) -> "TwoFrameNet":
        """The net, at random or with the weights of a safetensors file.

        Raises:
            DataError: when the file is absent or does not fit.
        """
        net = TwoFrameNet(self)
        return net if weights is None else load_weights(net, weights)


class Answer(NamedTuple):
    """What the net says of pairs of frames; maps are a quarter as high and wide as the frames.

    Attributes:
        inverse_depth: 1 / metres of the first frame, positive.
        normals: of the surfaces in the first frame: right, down, away from the camera. Their length is not 1.
        flow: where each place of the first frame is in the second, as shares of width and height.
        confidence: of flow along x and y, 1 where it is right; uncut.
        coarse: flow and confidence at a 32nd of the frames' size.
        levels: the features at an 8th, a 16th and a 32nd of the frames' size, of the flow net and of the depth net.
    """

    inverse_depth: Float[Tensor, "n 1 height width"]
    normals: Float[Tensor, "n 3 height width"]
    flow: Float[Tensor, "n 2 height width"]
    confidence: Float[Tensor, "n 2 height width"]
    coarse: Float[Tensor, "n 4 _height _width"]
    levels: tuple[tuple[Tensor, Tensor], ...]


class TwoFrameNet(nn.Module):
    """Two encoder-decoders in a row; the second also sees the second frame warped by the first one's flow.

    DeMoN's third branch, the motion of a rigid camera, is left out: report 16 does not use it, and people move.

    Source: Ummenhofer et al., CVPR 2017; report 16, section 2.3.
    """

    def __init__(self, config: TwoFrame) -> None:
        super().__init__()
        self.config = config
        self.flow_net = _Hourglass(config, last=5, extra=0, coarse=True)
        self.depth_net = _Hourglass(config, last=3, extra=3 + 4, coarse=False)
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                if name.endswith("predict2.2"):  # flow is small, and so are its first guesses
                    nn.init.normal_(module.weight, std=0.01)
                else:  # through twenty layers of torch's own start nothing of the frames is left
                    nn.init.kaiming_normal_(module.weight, a=_SLOPE)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, first: Shaped[Tensor, "n 3 height width"], second: Shaped[Tensor, "n 3 height width"]) -> Answer:
        """Look at pairs of RGB frames: bytes, or floats in [-0.5, 0.5]. Frames of any size are taken."""
        first, second = _centred(first), _centred(second)
        pair = torch.cat([first, second], dim=1)
        flow_levels, motion, coarse = self.flow_net(pair)
        small = functional.interpolate(second, size=motion.shape[2:], mode="area")
        # the depth net takes flow as it is: its loss does not bend it
        extra = torch.cat([warped(small, motion[:, :2]), motion], dim=1).detach()
        depth_levels, surface, _ = self.depth_net(pair, extra)
        assert coarse is not None
        levels = tuple(zip(flow_levels, depth_levels, strict=True))
        # relative differences of depths, part of the loss, keep a depth of the wrong sign from ever crossing zero
        depth = functional.softplus(surface[:, :1] + _FAR)
        return Answer(depth, surface[:, 1:], motion[:, :2], motion[:, 2:], coarse, levels)


def as_channels(answer: Answer, config: TwoFrame) -> Float[Tensor, "n 8 height width"]:
    """The eight channels of report 16, each in [-1, 1].

    Depth: -1 infinitely far, 1 at config.nearest or nearer, in between by inverse depth. Normals: unit vectors. Flow:
    share of config.bound, cut. Confidence: -1 for none, 1 for certain.
    """
    depth = (answer.inverse_depth * config.nearest).clamp(0, 1) * 2 - 1
    flow = (answer.flow / config.bound).clamp(-1, 1)
    confidence = answer.confidence.clamp(0, 1) * 2 - 1
    return torch.cat([depth, functional.normalize(answer.normals, dim=1), flow, confidence], dim=1)


def warped(
    pictures: Float[Tensor, "n channels height width"], flow: Float[Tensor, "n 2 height width"]
) -> Float[Tensor, "n channels height width"]:
    """Pictures seen through a flow: place p shows what is at p + flow(p); 0 for what lies outside.

    Args:
        pictures: where the flow leads to.
        flow: x and y displacement as shares of width and height.
    """
    height, width = pictures.shape[2:]
    y = (torch.arange(height, device=flow.device, dtype=flow.dtype) + 0.5) / height
    x = (torch.arange(width, device=flow.device, dtype=flow.dtype) + 0.5) / width
    place = torch.stack([x[None, None, :] + flow[:, 0], y[None, :, None] + flow[:, 1]], dim=3)
    return functional.grid_sample(pictures, 2 * place - 1, align_corners=False)


class _Hourglass(nn.Module):
    """Five halvings, three doublings; two 1-D filters, down and across, stand for each square one."""

    def __init__(self, config: TwoFrame, *, last: int, extra: int, coarse: bool) -> None:
        super().__init__()
        a, b, c, d, e = config.widths
        beside = b // 2 if extra else 0
        self.conv1 = _separable(6, a, 9, stride=2)
        self.conv2 = _separable(a, b - beside, 7, stride=2)
        self.conv2_extra = _separable(extra, beside, 3) if extra else None
        self.conv2_1 = _separable(b, b, 3)
        self.conv3 = nn.Sequential(_separable(b, c, 5, stride=2), _separable(c, c, 3))
        self.conv4 = nn.Sequential(_separable(c, d, 5, stride=2), _separable(d, d, 3))
        self.conv5 = nn.Sequential(_separable(d, e, last, stride=2), _separable(e, e, 3))
        self.predict5 = _prediction(e, config.predict) if coarse else None
        self.upsample5 = nn.ConvTranspose2d(4, 2, 4, stride=2, padding=1) if coarse else None
        self.refine4 = _doubling(e, d)
        self.refine3 = _doubling(2 * d + (2 if coarse else 0), c)
        self.refine2 = _doubling(2 * c, b)
        self.predict2 = _prediction(2 * b, config.predict)

    def forward(
        self, pair: Float[Tensor, "n 6 height width"], extra: Float[Tensor, "n extra _height _width"] | None = None
    ) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor, Tensor | None]:
        quarter = self.conv2(self.conv1(pair))
        if self.conv2_extra is not None:
            quarter = torch.cat([quarter, self.conv2_extra(extra)], dim=1)
        two = self.conv2_1(quarter)
        three = self.conv3(two)
        four = self.conv4(three)
        five = self.conv5(four)
        coarse = None if self.predict5 is None else self.predict5(five)
        joined = _beside(self.refine4(five), four)
        if self.upsample5 is not None:
            joined = torch.cat([joined, _cut(self.upsample5(coarse), four)], dim=1)
        joined = _beside(self.refine3(joined), three)
        joined = _beside(self.refine2(joined), two)
        return (three, four, five), self.predict2(joined), coarse


def _separable(before: int, after: int, kernel: int, *, stride: int = 1) -> nn.Sequential:
    half = kernel // 2
    return nn.Sequential(
        nn.Conv2d(before, after, (kernel, 1), stride=(stride, 1), padding=(half, 0)),
        nn.LeakyReLU(_SLOPE),
        nn.Conv2d(after, after, (1, kernel), stride=(1, stride), padding=(0, half)),
        nn.LeakyReLU(_SLOPE),
    )


def _doubling(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(_SLOPE))


def _prediction(before: int, inner: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, inner, 3, padding=1), nn.LeakyReLU(_SLOPE), nn.Conv2d(inner, 4, 3, padding=1)
    )


def _cut(x: Tensor, like: Tensor) -> Tensor:
    """Sizes that are no multiple of 32 double to one too many."""
    return x[:, :, : like.shape[2], : like.shape[3]]


def _beside(x: Tensor, direct: Tensor) -> Tensor:
    return torch.cat([_cut(x, direct), direct], dim=1)


def _centred(x: Tensor) -> Tensor:
    return x.float() / 255 - 0.5 if x.dtype == torch.uint8 else x
