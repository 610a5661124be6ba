"""Training buffers: which runs of which videos hold what, and the batches a detector learns from."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from untrimmed.features.buffers import Buffering, buffer_windows, read_buffer
from untrimmed.features.clip_sets import remembering, taught
from untrimmed.features.feature import Feature
from untrimmed.features.store import FeatureStore
from untrimmed.records import Dataset
from untrimmed.timeline import coverage

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LabelledBuffer:
    """A training buffer: frames [first, past) of a video and what happens in them.

    Attributes:
        segments: in frames from the first.
        labels: class indices.
    """

    video_id: str
    first: int
    past: int
    segments: Float[np.ndarray, "n 2"]
    labels: Int[np.ndarray, " n"]


def labelled_buffers(
    dataset: Dataset, buffering: Buffering, *, images: Feature, store: FeatureStore
) -> tuple[LabelledBuffer, ...]:
    """The training buffers of the training subset: those that hold an instance, cut to the buffer.

    Videos whose pictures are not in the store are left out and logged, and so is the number of instances that no buffer
    holds enough of.
    """
    index = {label: number for number, label in enumerate(dataset.labels)}
    found, lost = [], 0
    for annotation, pictures in taught(dataset, images=images, store=store):
        video_id = annotation.video.video_id
        length = buffering.length(len(pictures))
        seconds = np.array([instance.segment for instance in annotation.instances], dtype=np.float64)
        segments = np.clip(buffering.to_frames(seconds, pictures.grid), 0, length)
        labels = np.array([index[instance.label] for instance in annotation.instances])
        spans = buffer_windows(length, size=buffering.frames, stride=buffering.stride_frames, two_way=buffering.two_way)
        shares = coverage(segments, spans.astype(np.float64))
        inside = shares * (segments[:, 1] - segments[:, 0])[:, None]
        held = (shares >= buffering.least_inside) & (inside >= buffering.least_frames) & (inside > 0)
        lost += int((~held.any(axis=1)).sum())
        for (first, past), members in zip(spans.tolist(), held.T, strict=True):
            if members.any():
                cut = np.clip(segments[members], first, past) - first
                found.append(LabelledBuffer(video_id, first, past, cut, labels[members]))
    if lost:
        log.warning("%d instances of %s are learnt from no buffer: none holds enough of them", lost, dataset.name)
    return tuple(found)


class BufferSet:
    """Training buffers as items: (frames uint8, length, segments, labels), cut out and mirrored at random by `at`.

    A batch is (n, channels, frames, height, width) uint8, (n,) lengths in frames, (n, most, 2) segments in frames and
    (n, most) labels with -1 for padding.
    """

    def __init__(
        self,
        buffers: Sequence[LabelledBuffer],
        buffering: Buffering,
        *,
        images: Feature,
        store: FeatureStore,
        size: tuple[int, int],
    ) -> None:
        """Prepare to read; nothing is read yet.

        Args:
            buffers: what there is.
            buffering: how they are read.
            images: the stored pictures.
            store: where they are.
            size: height and width of what the net sees, pixels.
        """
        self.buffers, self.buffering, self.size = tuple(buffers), buffering, size
        self._key = images.key
        self._open = remembering(store, images)

    @property
    def identity(self) -> str:
        """What the buffers are made of and how; another text for other buffers."""
        parts = [(b.video_id, b.first, b.past, b.segments.tolist(), b.labels.tolist()) for b in self.buffers]
        return repr((self._key, parts, self.buffering, self.size))

    def __len__(self) -> int:
        return len(self.buffers)

    def __getitem__(self, index: int) -> tuple[Tensor, float, Tensor, Tensor]:
        """The middle of the pictures, as they are."""
        return self._item(self.buffers[index], None)

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, float, Tensor, Tensor]:
        """A random place in the pictures, mirrored or not."""
        return self._item(self.buffers[index], generator)

    def collate(self, items: list[tuple[Tensor, float, Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A batch."""
        most = max(len(labels) for *_, labels in items)
        segments = torch.zeros(len(items), most, 2)
        labels = torch.full((len(items), most), -1)
        for row, (_, _, own_segments, own_labels) in enumerate(items):
            segments[row, : len(own_labels)], labels[row, : len(own_labels)] = own_segments, own_labels
        frames = torch.stack([frames for frames, *_ in items])
        return frames, torch.tensor([length for _, length, *_ in items], dtype=torch.float32), segments, labels

    def _item(
        self, buffer: LabelledBuffer, generator: np.random.Generator | None
    ) -> tuple[Tensor, float, Tensor, Tensor]:
        images = self._open(buffer.video_id)
        frames = read_buffer(images, (buffer.first, buffer.past), self.buffering, size=self.size, generator=generator)
        segments = torch.from_numpy(buffer.segments.astype(np.float32))
        return torch.from_numpy(frames), float(buffer.past - buffer.first), segments, torch.from_numpy(buffer.labels)
