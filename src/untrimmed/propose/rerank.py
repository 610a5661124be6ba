"""Re-ranking: a classifier that looks at a proposal as a whole says how likely it holds an activity.

A proposal is described by the mean of the rows in it, and, if asked, by the means of what lies before and after it;
the classifier learns from proposals that overlap an annotated instance well and such that hardly overlap any.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid, tiou


@dataclass(frozen=True, kw_only=True)
class ProposalRows:
    """What the classifier sees of a proposal."""

    context: float = 0.0
    """How much before and after a proposal is described too, as a share of its length; 0 sees the proposal alone, as
    report 17, section 2, has it ("for each video/proposal")."""
    length: bool = False
    """Add the logarithm of the share of the video that a proposal takes; the paper does not say so."""

    def __post_init__(self) -> None:
        if not 0 <= self.context < np.inf:
            raise DataError(f"context of a proposal must be a share >= 0, got {self.context}")

    def __call__(
        self,
        rows: Float[np.ndarray, "steps dims"],
        grid: TimeGrid,
        segments: Float[np.ndarray, "n 2"],
        *,
        duration: float,
    ) -> Float[np.ndarray, "n numbers"]:
        """Describe proposals of one video.

        Args:
            rows: of the video.
            grid: when they were measured.
            segments: seconds, each with start < end.
            duration: of the video, seconds.

        Returns:
            One row a proposal: the means of the proposal, of what lies before and of what lies after it, the length.
        """
        found = [means_within(rows, grid, segments)]
        if self.context:
            more = self.context * np.diff(segments, axis=1)[:, 0]
            start, end = segments[:, 0], segments[:, 1]
            found.append(means_within(rows, grid, np.stack([start - more, start], axis=1)))
            found.append(means_within(rows, grid, np.stack([end, end + more], axis=1)))
        if self.length:
            found.append(np.log(np.maximum(np.diff(segments, axis=1) / duration, 1e-6)))
        return np.concatenate(found, axis=1)


@dataclass(frozen=True, kw_only=True)
class PairRule:
    """Which proposals the classifier learns from."""

    positive_tiou: float = 0.7
    """A proposal that overlaps an instance at least so much holds an activity; the paper does not say, SSN's 0.7."""
    negative_tiou: float = 0.3
    """One that overlaps none more than this does not; the paper does not say, SSN's 0.3."""
    with_instances: bool = True
    """The annotated instances are among the positives; the paper does not say, SSN does so."""
    a_video: int = 16
    """Proposals of a video in an item, half of them positives where it has both; the paper does not say."""

    def __post_init__(self) -> None:
        if not 0 <= self.negative_tiou < self.positive_tiou <= 1 or self.a_video < 2:
            raise DataError(f"a pair rule needs 0 <= negative < positive tIoU <= 1 and 2 or more a video, got {self}")


def means_within(
    rows: Float[np.ndarray, "steps dims"], grid: TimeGrid, segments: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n dims"]:
    """Mean of the rows over each segment; a step counts with the share of its cell that lies inside.

    Args:
        rows: of one video.
        grid: when they were measured.
        segments: seconds, start <= end; may reach beyond the rows, where nothing counts.

    Returns:
        One mean a segment; 0 where no row lies inside.

    Source: report 17, section 3, equation 1 (there over 25 samples).
    """
    total = np.zeros((len(rows) + 1, rows.shape[1]))
    np.cumsum(rows, axis=0, dtype=np.float64, out=total[1:])
    edges = np.clip(grid.to_steps(segments), 0.0, float(len(rows)))
    below = np.minimum(edges.astype(np.int64), max(len(rows) - 1, 0))
    if not len(rows):
        return np.zeros((len(segments), rows.shape[1]))
    reached = total[below] + (edges - below)[..., None] * rows[below]
    length = np.diff(edges, axis=1)
    inside = reached[:, 1] - reached[:, 0]
    return np.divide(inside, length, out=np.zeros_like(inside), where=length > 0)


def pairs(
    segments: Float[np.ndarray, "n 2"], instances: Float[np.ndarray, "m 2"], rule: PairRule
) -> tuple[Float[np.ndarray, "k 2"], Int[np.ndarray, " k"]]:
    """Proposals of one video that are learnt from and what they are: 1 holds an activity, 0 does not.

    Args:
        segments: proposals, seconds.
        instances: annotated segments, seconds.
        rule: what is which; proposals between the two thresholds are left out.
    """
    best = np.nan_to_num(tiou(segments, instances)).max(axis=1, initial=0.0)
    positive, negative = segments[best >= rule.positive_tiou], segments[best <= rule.negative_tiou]
    if rule.with_instances:
        positive = np.concatenate([instances, positive])
    return np.concatenate([positive, negative]), np.repeat([1, 0], [len(positive), len(negative)])


class PairItems:
    """Training data: an item is some proposals of one video, half of them positives where it has both kinds."""

    def __init__(
        self,
        load: Callable[[str], tuple[Float[np.ndarray, "steps dims"], TimeGrid]],
        videos: Sequence["Candidates"],
        *,
        seen: ProposalRows,
        rule: PairRule,
    ) -> None:
        """Tell positives from negatives.

        Args:
            load: gives the rows of a video and their grid.
            videos: annotated videos with their proposals.
            seen: what describes a proposal.
            rule: which ones count.

        Raises:
            DataError: when no video has a proposal to learn from.
        """
        self._load, self._seen, self._rule = load, seen, rule
        found = [(video, *pairs(video.segments, video.instances, rule)) for video in videos]
        self._videos = [item for item in found if len(item[1])]
        if not self._videos:
            raise DataError("re-ranking needs proposals that overlap an instance well or hardly, but there are none")

    def __len__(self) -> int:
        return len(self._videos)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """The item as one fixed draw."""
        return self.at(index, np.random.default_rng(index))

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """What describes the proposals (count, numbers) and what they are (count)."""
        video, segments, kinds = self._videos[index]
        present = [own for kind in (0, 1) if len(own := np.flatnonzero(kinds == kind))]
        shares = np.array_split(np.arange(self._rule.a_video), len(present))
        drawn = np.concatenate([generator.choice(own, len(part)) for own, part in zip(present, shares, strict=True)])
        rows, grid = self._load(video.video_id)
        described = self._seen(rows, grid, segments[drawn], duration=video.duration)
        return torch.from_numpy(described.astype(np.float32)), torch.from_numpy(kinds[drawn].astype(np.float32))


@dataclass(frozen=True, eq=False, kw_only=True)
class Candidates:
    """An annotated video with proposals.

    Attributes:
        video_id: whose.
        duration: of the video, seconds.
        segments: proposals, seconds.
        instances: annotated segments, seconds.
    """

    video_id: str
    duration: float
    segments: Float[np.ndarray, "n 2"]
    instances: Float[np.ndarray, "m 2"]
