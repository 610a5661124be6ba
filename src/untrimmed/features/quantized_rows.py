"""What a deep quantization says of a video: its local features, and the way they pull the net that learnt them all."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from untrimmed.aggregate.quantization import DeepQuantization, QuantizationConfig
from untrimmed.features.backbone import BackboneFeature
from untrimmed.features.feature import Feature, FeatureSequence, Measurement, Rows
from untrimmed.features.row_kinds import AnyRows
from untrimmed.nets.backbone import fill
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid


@dataclass(frozen=True, kw_only=True)
class QuantizedRow(Feature):
    """The vector of a video: one row that stands for the whole of it. Maps of a net are never stored."""

    name = "quantized"

    of: BackboneFeature | AnyRows
    """What gives the local features: the rows of the feature; those of positions are measured on the way."""
    weights: Path
    """Safetensors file that fit_quantized wrote."""
    net: QuantizationConfig
    """The generative net's sizes."""

    def __post_init__(self) -> None:
        if not self.weights.is_file():
            raise DataError(f"weights {self.weights} of a deep quantization are not there")

    @property
    def requires(self) -> tuple[Feature, ...]:
        """The pictures, or the rows."""
        return requirements(self.of)

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """One row (1, dims * (hidden + 2))."""
        return _OneRow(self, video, given)


class _OneRow(Rows):
    def __init__(self, feature: QuantizedRow, video: Path, given: Mapping[Feature, Measurement]) -> None:
        self._feature, self._video, self._given = feature, video, given

    def __iter__(self) -> Iterator[np.ndarray]:
        feature = self._feature
        stat = feature.weights.stat()
        quantizer = _read(feature.weights, feature.net, (stat.st_mtime_ns, stat.st_size))
        yield quantizer.vector(local_features(feature.of, self._video, self._given))[None]

    def grid(self) -> TimeGrid:
        grid = self._given[self._feature.requires[0]].grid
        span = grid.stride * max(1, grid.steps)
        return TimeGrid(start=grid.start, stride=span, window=span, steps=1)


class LocalQuantizer(nn.Module):
    """A projection of local features and the generative net that learnt them.

    Features are made of unit size on average by one factor, which changes no direction.
    """

    mean: Tensor
    components: Tensor
    scale: Tensor

    def __init__(self, net: DeepQuantization, *, given: int, dims: int) -> None:
        """With nothing learnt.

        Args:
            net: for features of so many dims.
            given: numbers of a local feature.
            dims: that the projection leaves.
        """
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.zeros(given))
        self.register_buffer("components", torch.zeros(dims, given))
        self.register_buffer("scale", torch.ones(1))

    def projected(self, rows: Float[Tensor, "n given"]) -> Float[Tensor, "n dims"]:
        """As the net sees them."""
        return (rows - self.mean) @ self.components.T * self.scale

    @torch.inference_mode()
    def vector(self, blocks: Iterable[Float[np.ndarray, "_ given"]]) -> Float[np.ndarray, " numbers"]:
        """The vector of local features that come block by block; zeros without any."""
        total = torch.zeros(1, self.net.dims)
        for block in blocks:
            rows = torch.from_numpy(np.array(block, np.float32))
            total += self.net.score(self.projected(rows)[None])
        return self.net.comparable(total)[0].numpy()


def requirements(feature: Feature) -> tuple[Feature, ...]:
    """What must be stored before the local features of a video can be had: pictures of positions, or the rows."""
    return feature.requires if _streams(feature) else (feature,)


def local_features(
    feature: Feature, video: Path, given: Mapping[Feature, Measurement]
) -> Iterator[Float[np.ndarray, "_ dims"]]:
    """The local features of a video, block by block.

    Args:
        feature: whose rows they are.
        video: its file, for messages.
        given: the measurements of requirements.
    """
    if _streams(feature):
        yield from feature.rows(video, given)
        return
    rows = given[feature]
    if not isinstance(rows, FeatureSequence):
        raise DataError(f"deep quantization of video {video.name} needs rows of {feature.key}, got pictures")
    yield np.asarray(rows.values)


def _streams(feature: Feature) -> bool:
    return isinstance(feature, BackboneFeature) and feature.output == "positions"


@lru_cache(maxsize=4)
def _read(path: Path, config: QuantizationConfig, stamp: tuple[int, int]) -> LocalQuantizer:
    """The quantizer of a file, once a process; `stamp` makes changed files other files."""
    return quantizer_of(load_file(path), config, where=path)


def quantizer_of(tensors: Mapping[str, Tensor], config: QuantizationConfig, *, where: Path) -> LocalQuantizer:
    """The quantizer whose state these tensors are.

    Raises:
        DataError: when they do not fit.
    """
    components, head = tensors.get("components", torch.zeros(0)), tensors.get("net.classify.bias", torch.zeros(0))
    if components.ndim != 2 or not components.numel():
        raise DataError(f"{where} must hold the projection of a deep quantization, got {sorted(tensors)[:3]}")
    dims, given = components.shape
    quantizer = LocalQuantizer(config.build(dims, len(head)), given=given, dims=dims)
    fill(quantizer, tensors, where=where)
    return quantizer.eval()
