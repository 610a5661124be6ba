"""What a decoder with attributes sees of an event: which attributes it has, what it looks like, and its neighbours.

Attributes are the classes of the data set or frequent words. A linear detector finds them in the event's features.

Source: Yao et al., Boosting Image Captioning with Attributes, ICCV 2017 (the attributes); report 17 of the ActivityNet
Challenge 2017, section 6.1, and its [7], Krishna et al., Dense-Captioning Events in Videos, ICCV 2017 (the neighbours).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor, nn

from untrimmed.records import DataError
from untrimmed.timeline import tiou

SAME = 0.5
"""Two segments of this tiou show the same event: one is no neighbour of the other."""


class AttributeEvidence(NamedTuple):
    """A batch of events.

    Attributes:
        attributes: probability of each.
        video: what the event looks like.
        neighbours: [attributes; video] of the events around it; zeros where there are fewer.
        before: which of them are before it.
        after: which of them are after it.
    """

    attributes: Float[Tensor, "events attributes"]
    video: Float[Tensor, "events dims"]
    neighbours: Float[Tensor, "events neighbours both"]
    before: Bool[Tensor, "events neighbours"]
    after: Bool[Tensor, "events neighbours"]

    def to(self, device: torch.device | str) -> "AttributeEvidence":
        """The same on another device."""
        return AttributeEvidence(*(tensor.to(device) for tensor in self))


@dataclass(frozen=True, eq=False, kw_only=True)
class SeenEvents:
    """Events of one or many videos, with their neighbours.

    Attributes:
        attributes: of each event.
        video: of each event.
        before: for each event the numbers of its neighbours before it.
        after: for each event the numbers of those after it.
    """

    attributes: Float32[np.ndarray, "events attributes"]
    video: Float32[np.ndarray, "events dims"]
    before: tuple[Int64[np.ndarray, " _found"], ...]
    after: tuple[Int64[np.ndarray, " _found"], ...]

    def evidence(self, chosen: Sequence[int]) -> AttributeEvidence:
        """Some of the events as a batch."""
        most = max(1, *(len(self.before[i]) + len(self.after[i]) for i in chosen))
        both = self.attributes.shape[1] + self.video.shape[1]
        around = np.zeros((len(chosen), most, both), dtype=np.float32)
        before, after = (np.zeros((len(chosen), most), dtype=bool) for _ in range(2))
        for row, i in enumerate(chosen):
            places = np.concatenate([self.before[i], self.after[i]])
            around[row, : len(places)] = np.concatenate([self.attributes[places], self.video[places]], axis=1)
            before[row, : len(self.before[i])] = True
            after[row, len(self.before[i]) : len(places)] = True
        rows = list(chosen)
        return AttributeEvidence(
            *(torch.from_numpy(array) for array in (self.attributes[rows], self.video[rows], around, before, after))
        )


def neighbours(
    segments: Float[np.ndarray, "n 2"], *, most: int
) -> tuple[list[Int64[np.ndarray, " _found"]], list[Int64[np.ndarray, " _found"]]]:
    """The events of a video that count as before and after each one.

    Before are those that end earlier (equal ends: that begin earlier), also where they overlap it; all others are
    after. Of each side the `most` are taken whose centres are nearest, in order of time. Segments that show the same
    event (tiou of 0.5 and more) are none.

    Args:
        segments: of one video, in seconds, in any order.
        most: neighbours a side, >= 0.

    Source: Krishna et al. 2017, section 4.2 (past and future by the end); that duplicates are left out is a choice,
        since proposals overlap as annotated events do not.
    """
    centres = segments.mean(axis=1)
    overlap = tiou(segments, segments)
    rank = np.empty(len(segments), dtype=np.int64)
    rank[np.lexsort((np.arange(len(segments)), segments[:, 0], segments[:, 1]))] = np.arange(len(segments))
    sides: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for i in range(len(segments)):
        others = np.flatnonzero((overlap[i] < SAME) & (np.arange(len(segments)) != i))
        for side, found in zip((others[rank[others] < rank[i]], others[rank[others] > rank[i]]), sides, strict=True):
            near = side[np.argsort(np.abs(centres[side] - centres[i]), kind="stable")][:most]
            found.append(near[np.argsort(rank[near])])
    return sides


def seen_events(
    attributes: Float[np.ndarray, "events attributes"],
    video: Float[np.ndarray, "events dims"],
    segments: Float[np.ndarray, "events 2"],
    *,
    tracks: Sequence[int],
    most: int,
) -> SeenEvents:
    """Events with their neighbours.

    Args:
        attributes: of each event.
        video: of each event.
        segments: of each event, in seconds.
        tracks: events of each video (of each annotator of a video), one after the other.
        most: neighbours a side.

    Raises:
        DataError: when the tracks do not sum up to the events.
    """
    if sum(tracks) != len(segments):
        raise DataError(f"tracks must hold all {len(segments)} events, got {sum(tracks)}")
    before: list[np.ndarray] = []
    after: list[np.ndarray] = []
    first = 0
    for count in tracks:
        for found, side in zip((before, after), neighbours(segments[first : first + count], most=most), strict=True):
            found += [places + first for places in side]
        first += count
    return SeenEvents(
        attributes=attributes.astype(np.float32),
        video=video.astype(np.float32),
        before=tuple(before),
        after=tuple(after),
    )


class Standardised(nn.Module):
    """Features brought to mean 0 and deviation 1, and cut to [-5, 5]; as they are until it has seen moments.

    Args:
        dims: numbers in a row.
    """

    centre: Tensor
    scale: Tensor
    limit: Tensor

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(dims))
        self.register_buffer("scale", torch.ones(dims))
        self.register_buffer("limit", torch.tensor(torch.inf))

    def see(self, rows: Float[np.ndarray, "n dims"]) -> Self:
        """Take the moments of these rows; dimensions that never vary are only centred."""
        deviation = rows.std(axis=0, dtype=np.float64)
        self.centre.copy_(torch.from_numpy(rows.mean(axis=0, dtype=np.float64)))
        self.scale.copy_(torch.from_numpy(np.where(deviation > 1e-6, deviation, 1.0)))
        self.limit.fill_(5.0)
        return self

    def forward(self, rows: Float[Tensor, "*shape dims"]) -> Float[Tensor, "*shape dims"]:
        """Standardised rows."""
        return ((rows - self.centre) / self.scale).clamp(-self.limit, self.limit)


class AttributeDetector(nn.Module):
    """A linear map from an event's features to the probabilities of its attributes.

    Args:
        dims: of the features.
        attributes: how many.
        exclusive: one attribute holds at a time (classes: softmax), or several may (words: a sigmoid each).
    """

    def __init__(self, dims: int, attributes: int, *, exclusive: bool) -> None:
        super().__init__()
        self.exclusive = exclusive
        self.standard = Standardised(dims)
        self.linear = nn.Linear(dims, attributes)

    def forward(self, video: Float[Tensor, "events dims"]) -> Float[Tensor, "events attributes"]:
        """Logits."""
        return self.linear(self.standard(video))

    def probabilities(self, video: Float[Tensor, "events dims"]) -> Float[Tensor, "events attributes"]:
        """In [0, 1]; of sum 1 where attributes exclude each other."""
        logits = self(video)
        return logits.softmax(dim=1) if self.exclusive else logits.sigmoid()


def detector_loss(detector: nn.Module, batch: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Cross-entropy of features and the attributes that hold (0 or 1): over classes, or summed over words."""
    assert isinstance(detector, AttributeDetector)
    video, wanted = batch
    logits = detector(video)
    if detector.exclusive:
        return nn.functional.cross_entropy(logits, wanted / wanted.sum(dim=1, keepdim=True))
    return nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(dim=1).mean()
