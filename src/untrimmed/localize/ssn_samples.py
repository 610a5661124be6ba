"""What a structured segment network learns from: whole instances, pieces of instances, and background."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from untrimmed.records import DataError
from untrimmed.timeline import coverage, tiou

FOREGROUND, BACKGROUND, INCOMPLETE, UNUSED = 0, 1, 2, -1


@dataclass(frozen=True, kw_only=True)
class SampleRule:
    """Which proposal is what, and how many of each a video gives at once; the defaults are those for ActivityNet."""

    foreground_tiou: float = 0.7
    """A proposal whose best tIoU exceeds it is a whole instance; SSN, section 3.4."""
    incomplete_tiou: float = 0.3
    """A piece of an instance has a best tIoU below; SSN, section 3.4."""
    incomplete_inside: float = 0.7
    """And more than this share of itself in that instance: 0.7 for ActivityNet, 0.01 for THUMOS'14; released
    program."""
    background_tiou: float = 0.01
    """Background overlaps no instance by more; released program (SSN, section 3.4: does not overlap)."""
    background_share: float = 0.02
    """And is longer than this share of the video; released program."""
    counts: tuple[int, int, int] = (1, 1, 6)
    """Foreground, background and incomplete proposals drawn of a video; SSN, section 3.4."""

    def __post_init__(self) -> None:
        shares = (self.foreground_tiou, self.incomplete_tiou, self.incomplete_inside)
        if not all(0 <= share < 1 for share in (*shares, self.background_tiou, self.background_share)):
            raise DataError(f"shares of an SSN sample rule must be in [0, 1), got {self}")
        if min(self.counts) < 0 or sum(self.counts[:2]) < 1:
            raise DataError(f"an SSN sample rule needs counts >= 0 and some of the first two, got {self.counts}")

    @property
    def places(self) -> Int[np.ndarray, " samples"]:
        """The kind that each place of a video's samples is for."""
        return np.repeat([FOREGROUND, BACKGROUND, INCOMPLETE], self.counts)


@dataclass(frozen=True, eq=False)
class SortedProposals:
    """What each proposal of a video can be learnt as.

    Attributes:
        kind: FOREGROUND, BACKGROUND, INCOMPLETE or UNUSED.
        instance: index of the instance that it overlaps most, -1 where it overlaps none.
    """

    kind: Int[np.ndarray, " n"]
    instance: Int[np.ndarray, " n"]


def sort_proposals(
    proposals: Float[np.ndarray, "n 2"], instances: Float[np.ndarray, "m 2"], duration: float, rule: SampleRule
) -> SortedProposals:
    """Tell whole instances, pieces and background apart; what is none of them is not learnt from.

    Args:
        proposals: seconds; the instances themselves may be among them.
        instances: annotated segments, seconds.
        duration: of the video, seconds.
        rule: the thresholds.

    Source: SSN (Zhao et al., ICCV 2017), section 3.4; report 08, section 4.1.
    """
    length = proposals[:, 1] - proposals[:, 0]
    kind = np.full(len(proposals), UNUSED)
    long = length > rule.background_share * duration
    if not len(instances):
        kind[long] = BACKGROUND
        return SortedProposals(kind, np.full(len(proposals), -1))
    overlaps = np.nan_to_num(tiou(proposals, instances))
    instance = overlaps.argmax(axis=1)
    rows = np.arange(len(proposals))
    overlap, inside = overlaps[rows, instance], coverage(proposals, instances)[rows, instance]
    kind[(overlap < rule.incomplete_tiou) & (inside > rule.incomplete_inside)] = INCOMPLETE
    kind[(overlap < rule.background_tiou) & (kind != INCOMPLETE) & long] = BACKGROUND
    kind[overlap > rule.foreground_tiou] = FOREGROUND
    return SortedProposals(kind, np.where(overlap > 0, instance, -1))


class SamplePool:
    """Draws proposals of each kind for a video, and from all videos where it has none of that kind."""

    def __init__(self, videos: Sequence[SortedProposals], rule: SampleRule) -> None:
        """Keep the sorted proposals of every video."""
        self.rule = rule
        self._own = [
            {kind: np.flatnonzero(found.kind == kind) for kind in (FOREGROUND, BACKGROUND, INCOMPLETE)}
            for found in videos
        ]
        self._all: dict[int, Int[np.ndarray, "n 2"]] = {
            kind: np.array([(v, row) for v, own in enumerate(self._own) for row in own[kind]], np.int64).reshape(-1, 2)
            for kind in (FOREGROUND, BACKGROUND, INCOMPLETE)
        }

    def draw(self, video: int, generator: np.random.Generator) -> Int[np.ndarray, "samples 2"]:
        """As many of each kind as the rule says, in the order of its places.

        Args:
            video: index of the video.
            generator: draws without repetition, unless there are too few.

        Returns:
            Index of the video and of its proposal; -1 and -1 where no video has any of a kind.

        Source: SSN's released program.
        """
        drawn = []
        for kind, count in zip((FOREGROUND, BACKGROUND, INCOMPLETE), self.rule.counts, strict=True):
            own = self._own[video][kind]
            pool = np.stack([np.full(len(own), video), own], axis=1) if len(own) else self._all[kind]
            if not len(pool):
                drawn.append(np.full((count, 2), -1))
                continue
            drawn.append(pool[generator.choice(len(pool), count, replace=len(pool) < count)])
        return np.concatenate(drawn)
