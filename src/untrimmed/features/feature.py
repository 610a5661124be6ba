"""The contract of a feature: what is measured from a video, step by step, under a name that its configuration gives.

A feature is a frozen dataclass. Two features with equal configurations are the same feature and share one folder in
the store, named by `key`. A feature may be measured from other features (a backbone from stored images): it names
them in `requires` and gets them in `given`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int, UInt8

from untrimmed.configs import content_hash
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid


@dataclass(frozen=True, eq=False)
class FeatureSequence:
    """Rows of numbers in time.

    Attributes:
        values: (steps, dims); row i was measured at step i of the grid.
        grid: when.
    """

    values: Float[np.ndarray, "steps dims"]
    grid: TimeGrid

    def __post_init__(self) -> None:
        if len(self.values) != self.grid.steps:
            raise DataError(f"a feature sequence needs one row a step, got {len(self.values)} for {self.grid.steps}")

    def resized(self, steps: int) -> "FeatureSequence":
        """Linear interpolation to another number of equal steps over the same span; the ends repeat the last row.

        Source: report 19, section 2.1 (256 steps).
        """
        grid = self.grid.resized(steps)
        position = np.clip(self.grid.to_steps(grid.centres) - 0.5, 0, max(0, self.grid.steps - 1))
        low = np.floor(position).astype(np.int64)
        high = np.minimum(low + 1, self.grid.steps - 1)
        share = (position - low)[:, None].astype(np.float32)
        values = np.asarray(self.values[low], np.float32) * (1 - share) + np.asarray(self.values[high]) * share
        return FeatureSequence(values.astype(np.float32), grid)


class ImageSequence(ABC):
    """Pictures in time, kept compressed and decoded when asked for."""

    grid: TimeGrid
    """One step a picture."""
    shape: tuple[int, int, int]
    """Height, width, channels."""

    @abstractmethod
    def frames(self, indices: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n height width channels"]:
        """The pictures at these indices, in the order asked for. Flow has 2 channels, x and y, zero motion at 128."""

    def __len__(self) -> int:
        return self.grid.steps


Measurement = FeatureSequence | ImageSequence


class Rows(ABC):
    """A measurement in the making: rows come out in order, the grid is known when they have all come."""

    @abstractmethod
    def __iter__(self) -> Iterator[np.ndarray]:
        """Blocks of rows, each (n, dims) float32 or (n, height, width, channels) uint8, in order."""

    @abstractmethod
    def grid(self) -> TimeGrid:
        """When the rows were measured; call it after the last block."""


class Feature(ABC):
    """What can be measured from a video. Subclasses are frozen dataclasses; their fields are the configuration."""

    name: ClassVar[str]
    """One word, the first part of the folder's name in the store."""

    @property
    def key(self) -> str:
        """Name and content hash of the configuration: the folder in the store."""
        return f"{self.name}-{content_hash(self)}"

    @property
    def requires(self) -> tuple["Feature", ...]:
        """Features that this one is measured from; none means from the file."""
        return ()

    @abstractmethod
    def rows(self, video: Path, given: Mapping["Feature", Measurement]) -> Rows:
        """Start to measure one video, in memory that does not grow with its length.

        Args:
            video: the file.
            given: the measurements of `requires`.

        Raises:
            DataError: when the file cannot be read; the message names it and says why.
        """
