"""A video's trajectories as Fisher vectors.

Descriptors of trajectories are 0.7 MB a frame, so none is ever kept: they stream from the tracker into the sums of the
Fisher vectors.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from untrimmed.aggregate.codebook import Codebook, from_tensors
from untrimmed.aggregate.fisher import FisherRule, FisherSums
from untrimmed.features.feature import Feature, Measurement, Rows
from untrimmed.features.tensor_file import read_header, read_tensor
from untrimmed.features.trajectories.block import DESCRIPTORS, Descriptor, TrajectoryBlock
from untrimmed.features.trajectories.config import Trajectories
from untrimmed.features.trajectories.stream import track_video
from untrimmed.media.reader import probe
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid


@dataclass(frozen=True, kw_only=True)
class TrajectoryFisher(Feature):
    """Fisher vectors of all trajectories of a video: one row that stands for the whole of it.

    The vector of each descriptor is made comparable by itself, then they are joined. The joined row is not scaled
    again, so that each descriptor weighs the same; the linear classifiers do that on their own. A video without
    trajectories gives zeros.

    Source: Wang and Schmid, Action recognition with improved trajectories, ICCV 2013, section 4.1.
    """

    name = "trajectories"

    codebook: Path
    """Safetensors file that learn_codebook wrote."""
    descriptors: tuple[Descriptor, ...] = tuple(DESCRIPTORS)
    """Which ones, in the order of the row; report 17 takes all four, report 01 mbh alone."""
    trajectories: Trajectories = field(default_factory=Trajectories)
    """What is tracked."""
    size: tuple[int, int] | None = None
    """Height and width that frames are scaled to, pixels; None tracks in the video as it is."""
    per_second: float | None = None
    """Frames a second to resample to; None tracks through every frame."""
    rule: FisherRule = field(default_factory=FisherRule)
    """Signed square root and length 1, each descriptor by itself."""

    def __post_init__(self) -> None:
        if not self.descriptors or len(set(self.descriptors)) < len(self.descriptors):
            raise DataError(f"a row of trajectories needs descriptors, each once, got {list(self.descriptors)}")
        if not self.codebook.is_file():
            raise DataError(f"codebook {self.codebook} is not there; learn one or put the safetensors file there")

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        """One row (1, sum over descriptors of 2 * words * directions)."""
        return _FisherRow(self, video)


class _FisherRow(Rows):
    def __init__(self, feature: TrajectoryFisher, video: Path) -> None:
        self._feature = feature
        self._video = video

    def __iter__(self) -> Iterator[np.ndarray]:
        feature = self._feature
        blocks = track_video(self._video, feature.trajectories, size=feature.size, per_second=feature.per_second)
        codebook = read_codebook(feature.codebook, feature.descriptors)
        yield encoded(blocks, codebook, rule=feature.rule)[None]

    def grid(self) -> TimeGrid:
        duration = probe(self._video).duration
        return TimeGrid(start=0.0, stride=duration, window=duration, steps=1)


def encoded(
    blocks: Iterable[TrajectoryBlock], codebook: Codebook, *, rule: FisherRule | None = None
) -> Float32[np.ndarray, " size"]:
    """The joined Fisher vectors of trajectories that come block by block.

    Args:
        blocks: trajectories in any order, cut anyhow.
        codebook: of descriptors, in the order in which their vectors are joined.
        rule: how each vector is made comparable; the improved Fisher vector by default.
    """
    sums = {name: FisherSums(entry.mixture) for name, entry in codebook.items()}
    for block in blocks:
        for name, entry in codebook.items():
            sums[name].add(entry.pca.project(rows_of(block, name)))
    return np.concatenate([each.vector(rule or FisherRule()) for each in sums.values()])


def read_codebook(path: Path, descriptors: Sequence[Descriptor]) -> Codebook:
    """Read some descriptors of a codebook from its file, checked; kept in memory for the next call.

    Raises:
        DataError: when the file is damaged, lacks a descriptor, or holds one of another width.
    """
    stat = path.stat()
    return _read(path, tuple(descriptors), (stat.st_mtime_ns, stat.st_size))


def descriptors_of(path: Path) -> tuple[Descriptor, ...]:
    """Which descriptors a codebook's file holds, in the order in which their vectors are joined.

    Raises:
        DataError: when the file is damaged or holds none.
    """
    if not path.is_file():
        raise DataError(f"codebook {path} is not there; learn one or put the safetensors file there")
    known = {name.partition(".")[0] for name in read_header(path).tensors}
    found = tuple(name for name in DESCRIPTORS if name in known)
    if not found:
        raise DataError(f"{path} must be a codebook of {', '.join(DESCRIPTORS)}, got none of them")
    return found


@lru_cache(maxsize=2)
def _read(path: Path, descriptors: tuple[Descriptor, ...], stamp: tuple[int, int]) -> Codebook:
    """As read_codebook; `stamp` makes changed files other files."""
    header = read_header(path)
    tensors = {name: read_tensor(header, tensor) for name, tensor in header.tensors.items()}
    codebook = from_tensors(tensors, descriptors=descriptors, where=str(path))
    for name in descriptors:
        entry, wanted = codebook[name], DESCRIPTORS[name]
        if len(entry.pca.mean) != wanted:
            raise DataError(f"{name} of a codebook must take {wanted} numbers, got {len(entry.pca.mean)} ({path})")
    return codebook


def rows_of(block: TrajectoryBlock, name: str) -> np.ndarray:
    """The rows of one descriptor, by a name that may be any text."""
    return block.descriptor(descriptor_named(name))


def descriptor_named(name: str) -> Descriptor:
    """The name, if trajectories have such a descriptor.

    Raises:
        DataError: when they have none.
    """
    for known in DESCRIPTORS:
        if known == name:
            return known
    raise DataError(f"a descriptor of trajectories must be one of {', '.join(DESCRIPTORS)}, got {name}")
