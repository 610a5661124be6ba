"""Where a structured segment network looks: regions of a video by grouping or sliding, and by whose rows it judges."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file
from torch import Tensor

from untrimmed.features.backbone import BackboneFeature
from untrimmed.features.binary_actionness import (
    BinaryActionness,
    actionness_curve,
    learn_binary_actionness,
    logits_of,
)
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.joint_rows import JointRows
from untrimmed.features.store import FeatureStore
from untrimmed.localize.structured import step_ranges
from untrimmed.propose.tag import RELEASED, TagRule, tag
from untrimmed.records import DataError, Dataset, Video
from untrimmed.timeline import TimeGrid, windows
from untrimmed.train import Run


@dataclass(frozen=True, kw_only=True)
class GroupedRegions:
    """Temporal actionness grouping of what a binary TSN says."""

    actionness: BinaryActionness
    """The TSN; report 08, section 4.1."""
    rule: TagRule = RELEASED
    """How its curve is grouped; report 08, section 4.1, cites the paper of the released program."""


@dataclass(frozen=True, kw_only=True)
class SlidingRegions:
    """Windows over the snippets that a video is divided into, whatever its length."""

    snippets: int = 20
    """Equal pieces of a video; report 21, section 4.1."""
    sizes: tuple[int, ...] = (3,)
    """Snippets of a window, which moves by one: 18 regions; report 21, section 4.1. Others may be added."""

    def __post_init__(self) -> None:
        if not self.sizes or not 1 <= min(self.sizes) <= max(self.sizes) <= self.snippets:
            raise DataError(
                f"sliding regions need sizes of 1 to all snippets, got {self.sizes} of {self.snippets} snippets"
            )

    def segments(self, duration: float) -> Float[np.ndarray, "n 2"]:
        """The regions of a video of so many seconds."""
        found = [windows(self.snippets, size=size, stride=1) for size in self.sizes]
        return np.minimum(np.concatenate(found) * (duration / self.snippets), duration)


AnyRegions = GroupedRegions | SlidingRegions


@dataclass(frozen=True, eq=False)
class RegionFinder:
    """A way to find regions that has learnt what it must.

    Attributes:
        config: which.
        features: the logits of a binary TSN, if it has one.
    """

    config: AnyRegions
    features: tuple[BackboneFeature, ...] = ()

    def __call__(self, video: Video, *, store: FeatureStore) -> Float[np.ndarray, "n 2"]:
        """The regions of a video in seconds; where grouping finds nothing, the whole of it."""
        if isinstance(self.config, SlidingRegions):
            return self.config.segments(video.duration)
        curve, raw, grid = actionness_curve(self.features, video.video_id, store=store)
        segments, _ = tag(curve, grid, video.duration, self.config.rule, raw=raw)
        return segments if len(segments) else np.array([[0.0, video.duration]])

    def tables(self, name: str) -> dict[str, Mapping[str, Tensor]]:
        """What save_system keeps."""
        kept: dict[str, Mapping[str, Tensor]] = {}
        for number, feature in enumerate(self.features):
            assert feature.weights is not None  # learnt weights are kept in a file
            kept[f"{name}-{number}"] = load_file(feature.weights)
        return kept

    @staticmethod
    def restore(
        config: AnyRegions, tables: Mapping[str, Mapping[str, Tensor]], *, folder: Path, name: str
    ) -> "RegionFinder":
        """What tables kept.

        Raises:
            DataError: when a table is missing.
        """
        if isinstance(config, SlidingRegions):
            return RegionFinder(config)
        features = []
        for number, one in enumerate(config.actionness.streams):
            file = folder / f"{name}-{number}.safetensors"
            if f"{name}-{number}" not in tables:
                raise DataError(f"the binary TSN that regions are grouped by is not there: {file}")
            features.append(logits_of(one, weights=file))
        return RegionFinder(config, tuple(features))


def fit_regions(config: AnyRegions, dataset: Dataset, *, store: FeatureStore, run: Run) -> RegionFinder:
    """Train the binary TSN, if regions are found by one."""
    if isinstance(config, SlidingRegions):
        return RegionFinder(config)
    return RegionFinder(config, learn_binary_actionness(config.actionness, dataset, store=store, run=run))


@dataclass(frozen=True, eq=False)
class PersonRows:
    """The rows of a video once for each person: what all share, and behind it what is the person's own.

    With people, the last source of rows has as many blocks of columns as people; the first number of a block is above
    0 where the person is there.

    Attributes:
        values: (people, steps, dims).
        present: (people, steps).
        grid: that of the first source.
    """

    values: Float[np.ndarray, "people steps dims"]
    present: Bool[np.ndarray, "people steps"]
    grid: TimeGrid

    def judges(self, segments: Float[np.ndarray, "n 2"]) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
        """Each region once for each person who is there at some step of it, and once at least, by the first person.

        Returns:
            Index of the region, and the person.

        Source: report 21, section 4.1: regions are "duplicated if the human pose detector returns multiple entries".
        """
        counts = np.concatenate([np.zeros((1, len(self.present))), np.cumsum(self.present.T, axis=0)])
        ranges = step_ranges(segments, self.grid)
        there = counts[ranges[:, 1]] > counts[ranges[:, 0]]
        there[~there.any(axis=1), 0] = True
        region, person = np.nonzero(there)
        return region, person


def person_rows(found: JointRows, video: Video, *, people: int, store: FeatureStore) -> PersonRows:
    """The rows of a video for each of its people.

    Args:
        found: sources that are ready.
        video: whose rows are at hand.
        people: 1 joins all sources as they are; otherwise the last one's steps are those nearest to the others'.
        store: where rows lie.

    Raises:
        DataError: when the last source's rows cannot be cut into blocks.
    """
    if people == 1:
        whole = found(video, store=store)
        return PersonRows(whole.values[None], np.ones((1, whole.grid.steps), dtype=bool), whole.grid)
    shared = JointRows(found.sources[:-1])(video, store=store)
    own = nearest_rows(found.sources[-1](video, store=store), shared.grid)
    if own.shape[1] % people:
        raise DataError(f"rows of {people} people must have as many equal blocks, got {own.shape[1]} numbers")
    blocks = own.reshape(len(own), people, -1).swapaxes(0, 1)
    values = np.concatenate([np.broadcast_to(shared.values, (people, *shared.values.shape)), blocks], axis=2)
    return PersonRows(values, blocks[:, :, 0] > 0, shared.grid)


def nearest_rows(sequence: FeatureSequence, grid: TimeGrid) -> Float[np.ndarray, "steps dims"]:
    """The rows of a sequence whose centres are nearest to those of another grid."""
    if sequence.grid.steps < 1:
        raise DataError("rows of people need one step or more, got none")
    places = np.round(sequence.grid.to_steps(grid.centres) - 0.5).astype(np.int64)
    return sequence.values[np.clip(places, 0, sequence.grid.steps - 1)]
