"""Median-filtered flow at every scale, from pictures that are prepared once and used twice or three times."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from untrimmed.features.flow.dis import Dis
from untrimmed.features.flow.farneback import Farneback
from untrimmed.features.trajectories import flow_kernels
from untrimmed.features.trajectories.config import Trajectories
from untrimmed.features.trajectories.scales import Sizes

MEDIAN = 5
"""Side of the median filter, pixels. IJCV 3.1 says 3; the published program's output needs 5."""

Flow = Float32[np.ndarray, "2 height width"]


@runtime_checkable
class Flows(Protocol):
    """Measures flow between prepared pictures."""

    def prepare(self, picture: UInt8[np.ndarray, "height width"]) -> Any:
        """What is measured on one picture alone."""

    def between(self, first: Any, second: Any) -> list[Flow]:
        """x and y displacement at each scale, pixels of the scale."""


def flows(levels: Sizes, config: Trajectories) -> Flows:
    """The measuring of flow that a configuration asks for, at pictures of these sizes."""
    if isinstance(config.flow, Dis):
        return _Shrunk(levels, config.flow.flow)
    return _CoarseToFine(levels, config.flow, config.scale_factor)


@dataclass(frozen=True)
class _Shrunk:
    """Flow of the full picture, filtered and shrunk for the other scales."""

    levels: Sizes
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def prepare(self, picture: np.ndarray) -> np.ndarray:
        return picture

    def between(self, first: np.ndarray, second: np.ndarray) -> list[np.ndarray]:
        import cv2

        found = [_filtered(np.ascontiguousarray(self.measure(first, second).transpose(2, 0, 1)))]
        for (larger, _, _), (factor, height, width) in pairwise(self.levels):
            small = np.empty((2, height, width), np.float32)
            for plane, above in zip(small, found[-1], strict=True):
                cv2.resize(above, (width, height), plane, interpolation=cv2.INTER_LINEAR)
            small *= np.float32(larger / factor)
            found.append(small)
        return found


@dataclass(frozen=True)
class _CoarseToFine:
    """Farneback's flow from the smallest scale to the largest, each begun with the filtered flow of the one below."""

    levels: Sizes
    method: Farneback
    factor: float

    def prepare(self, picture: np.ndarray) -> list[np.ndarray]:
        import cv2

        given, found = picture.astype(np.float32), []
        numbers = _expansion(self.method.neighbours, self.method.sigma)
        for factor, height, width in self.levels:
            sigma = (factor - 1) / 2
            side = max(round(5 * sigma) | 1, 3)
            # with sigma 0, OpenCV derives one from the side: 0.8
            smooth = cv2.GaussianBlur(given, (side, side), sigma)
            if smooth.shape != (height, width):
                smooth = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)
            expansion = np.empty((5, height, width), np.float32)
            flow_kernels.expand(smooth, *numbers, expansion)
            found.append(expansion)
        return found

    def between(self, first: list[np.ndarray], second: list[np.ndarray]) -> list[np.ndarray]:
        import cv2

        found: list[np.ndarray] = []
        window = _window(self.method.window)
        edge = np.array(flow_kernels.EDGE, np.float32)
        for (_, height, width), one, other in zip(self.levels[::-1], first[::-1], second[::-1], strict=True):
            flow = np.zeros((2, height, width), np.float32)
            if found:
                for plane, below in zip(flow, found[-1], strict=True):
                    cv2.resize(below, (width, height), plane, interpolation=cv2.INTER_LINEAR)
                flow *= np.float32(self.factor)
            matrices = np.empty((5, height, width), np.float32)
            for _ in range(self.method.iterations):
                flow_kernels.equations(one, other, flow[0], flow[1], edge, matrices)
                flow_kernels.solve(matrices, window, flow[0], flow[1])
            found.append(_filtered(flow))
        return found[::-1]


def _filtered(flow: np.ndarray) -> np.ndarray:
    import cv2

    return np.stack([cv2.medianBlur(plane, MEDIAN) for plane in flow])


@lru_cache(maxsize=4)
def _window(side: int) -> np.ndarray:
    """Gaussian from its middle outwards: its standard deviation is 0.3 of the half side, as in OpenCV."""
    reach = side // 2
    x = np.arange(reach + 1)
    weights = np.exp(-(x**2) / (2 * (0.3 * reach) ** 2))
    return np.asarray(weights / (2 * weights.sum() - weights[0]), np.float32)


@lru_cache(maxsize=4)
def _expansion(reach: int, sigma: float) -> tuple[np.ndarray, ...]:
    """Gaussian weights, with distance and its square, and the entries of the inverse normal matrix that count."""
    x = np.arange(-reach, reach + 1)
    weights = np.exp(-(x**2) / (2 * sigma**2))
    weights /= weights.sum()
    grid_x, grid_y = np.meshgrid(x, x)
    columns = np.stack([np.ones(grid_x.size), *(c.ravel() for c in (grid_x, grid_y, grid_x**2, grid_y**2))])
    columns = np.vstack([columns, columns[1] * columns[2]])
    inverse = np.linalg.inv((columns * np.outer(weights, weights).ravel()) @ columns.T)
    half, far = weights[reach:], np.arange(reach + 1)
    entries = np.array([inverse[1, 1], inverse[0, 3], inverse[3, 3], inverse[5, 5]])
    return tuple(part.astype(np.float32) for part in (half, far * half, far**2 * half, entries))
