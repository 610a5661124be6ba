"""What a structured segment network learns from: drawn proposals of annotated videos, a few snippets of each stage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from untrimmed.localize.ssn_samples import FOREGROUND, UNUSED, SamplePool, SampleRule, SortedProposals, sort_proposals
from untrimmed.localize.structured import part_scales, stage_snippets, stages
from untrimmed.nets.ssn import AnySsn, SsnNet, UnifiedNet
from untrimmed.propose.anchors import encode
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

LEAST_STD = 1e-3
"""Below this an offset does not vary and is not divided by its standard deviation."""


@dataclass(frozen=True, eq=False)
class Regions:
    """The proposals of one annotated video.

    Attributes:
        video_id: whose.
        duration: of the video, seconds.
        segments: proposals, seconds; behind them the instances, which are whole too (SSN, section 3.4).
        person: whose rows each is judged by, 0 where rows are the video's.
        instances: annotated segments, seconds.
        labels: class of each instance, from 0.
        own: how many of the segments are proposals and no instances.
    """

    video_id: str
    duration: float
    segments: Float[np.ndarray, "n 2"]
    person: Int[np.ndarray, " n"]
    instances: Float[np.ndarray, "m 2"]
    labels: Int[np.ndarray, " m"]
    own: int


class SsnItems:
    """Training data: an item is the drawn proposals of one video.

    Attributes:
        offset_mean: of shift and log length over the foreground proposals that are no instances themselves.
        offset_std: the same.
    """

    def __init__(
        self,
        load: Callable[[str, int], tuple[Float[np.ndarray, "steps dims"], TimeGrid]],
        videos: Sequence[Regions],
        config: AnySsn,
        rule: SampleRule,
    ) -> None:
        """Sort the proposals and measure their offsets.

        Args:
            load: gives the rows of a video as they are for one of its persons, and their grid.
            videos: the annotated videos with their proposals.
            config: of the net.
            rule: what is drawn.
        """
        self._load, self._config, self._rule = load, config, rule
        self._videos = list(videos)
        self._sorted = [sort_proposals(v.segments, v.instances, v.duration, rule) for v in self._videos]
        self._pool = SamplePool(self._sorted, rule)
        offsets = [_offsets(video, found) for video, found in zip(self._videos, self._sorted, strict=True)]
        own = np.concatenate([np.zeros((0, 2)), *(part[: v.own] for part, v in zip(offsets, videos, strict=True))])
        known = own[np.isfinite(own).all(axis=1)]
        self.offset_mean = known.mean(axis=0) if len(known) else np.zeros(2)
        spread = known.std(axis=0) if len(known) > 1 else np.ones(2)
        self.offset_std = np.where(spread > LEAST_STD, spread, 1.0)
        self._goals = [np.nan_to_num((part - self.offset_mean) / self.offset_std) for part in offsets]
        self._stages = [stages(video.segments, extension=config.extension) for video in videos]
        self._scales = [
            part_scales(found, video.duration, config.pyramid)
            for found, video in zip(self._stages, videos, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._videos)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The item as one fixed draw."""
        return self.at(index, np.random.default_rng(index))

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Rows (samples, snippets, dims), scales (samples, parts), kinds, labels and standardised offsets.

        Where no video has any proposal of a kind, its places hold the first of this video and the kind UNUSED.
        """
        drawn = self._pool.draw(index, generator)
        kinds = np.where(drawn[:, 1] >= 0, self._rule.places, UNUSED)
        drawn = np.where(drawn >= 0, drawn, [index, 0])
        rows: list[np.ndarray] = [np.zeros(0)] * len(drawn)
        people = [int(self._videos[number].person[row]) for number, row in drawn.tolist()]
        for number, person in dict.fromkeys(zip(drawn[:, 0].tolist(), people, strict=True)):
            places = [i for i, pair in enumerate(zip(drawn[:, 0], people, strict=True)) if pair == (number, person)]
            values, grid = self._load(self._videos[number].video_id, person)
            found = self._stages[number][drawn[places, 1]]
            snippets = stage_snippets(found, grid, self._config.snippets, generator=generator)
            for place, own in zip(places, snippets, strict=True):
                rows[place] = values[own]
        pairs = drawn.tolist()
        labels = [self._label(number, row) for number, row in pairs]
        return (
            torch.from_numpy(np.stack(rows).astype(np.float32)),
            torch.from_numpy(np.stack([self._scales[number][row] for number, row in pairs]).astype(np.float32)),
            torch.from_numpy(kinds),
            torch.tensor(labels),
            torch.from_numpy(np.stack([self._goals[number][row] for number, row in pairs]).astype(np.float32)),
        )

    def _label(self, number: int, row: int) -> int:
        instance = int(self._sorted[number].instance[row])
        return int(self._videos[number].labels[instance]) if instance >= 0 else 0

    def standardise(self, net: SsnNet | UnifiedNet) -> None:
        """Let the net keep mean and standard deviation of the offsets, since it needs them to give segments."""
        net.offset_mean.copy_(torch.from_numpy(self.offset_mean))
        net.offset_std.copy_(torch.from_numpy(self.offset_std))

    def check(self) -> None:
        """Raise DataError unless there is something of each kind that the activity classifier needs."""
        if not any((found.kind == FOREGROUND).any() for found in self._sorted):
            raise DataError("a structured segment network needs annotated instances, but no video has any")


def _offsets(video: Regions, found: SortedProposals) -> Float[np.ndarray, "n 2"]:
    """From each foreground proposal to its instance; NaN for the others, which learn no offset."""
    offsets = np.full((len(video.segments), 2), np.nan)
    own = np.flatnonzero(found.kind == FOREGROUND)
    offsets[own] = encode(video.segments[own], video.instances[found.instance[own]])
    return offsets
