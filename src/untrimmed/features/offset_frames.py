"""Frames that know how far the ends of their action are, and the training of a stream on them."""

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from untrimmed.features.clip_sets import ClipSet, Piece
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream, available
from untrimmed.nets.backbone import Backbone, partial_batch_norm
from untrimmed.nets.offset_regression import OffsetConfig, OffsetNet, offset_loss
from untrimmed.records import DataError, Dataset
from untrimmed.train import Run, fit


class OffsetFrames(ClipSet):
    """Annotated instances as items: (clip uint8 of one section, class index, offsets), the frame drawn by `at`."""

    offsets: OffsetConfig
    durations: Mapping[str, float]

    @staticmethod
    def of(
        stream: Stream, pieces: tuple[Piece, ...], *, store: FeatureStore, size: tuple[int, int], offsets: OffsetConfig,
        durations: Mapping[str, float],
    ) -> "OffsetFrames":  # fmt: skip
        """The frames of some pieces as a stream sees them.

        Args:
            stream: of single frames, one section an item.
            pieces: annotated instances.
            store: where the pictures are.
            size: height and width of what the net sees, pixels.
            offsets: what is learnt of them.
            durations: of the videos, seconds.

        Raises:
            DataError: when the stream sees more than a frame at once.
        """
        sampling = stream.sampling
        if (sampling.sections, sampling.frames) != (1, 1):
            raise DataError(
                "offset regression learns from single frames: sampling must have 1 section of 1 frame, "
                f"got {sampling.sections} of {sampling.frames}"
            )
        found = OffsetFrames(
            pieces,
            images=stream.images,
            store=store,
            sampling=sampling,
            augmentation=stream.augmentation,
            size=size,
            solid=stream.solid,
            balanced=stream.balanced,
        )
        found.offsets, found.durations = offsets, durations
        return found

    @property
    def identity(self) -> str:
        """What the frames are and what is learnt of them."""
        return repr((super().identity, self.offsets, sorted(self.durations.items())))

    def __getitem__(self, index: int) -> tuple[Tensor, int, Tensor]:  # type: ignore[override]
        """The middle frame, the centre crop."""
        alone, targets = self._alone(self.pieces[index], None)
        return *ClipSet.__getitem__(alone, 0), targets

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, int, Tensor]:  # type: ignore[override]
        """Any frame of the instance, a random crop and mirroring."""
        alone, targets = self._alone(self.pieces[index], generator)
        return *ClipSet.at(alone, 0, generator), targets

    def _alone(self, piece: Piece, generator: np.random.Generator | None) -> "tuple[OffsetFrames, Tensor]":
        """The same set with one frame of a piece as all there is, and what is learnt of it."""
        grid = self._open(piece.video_id).grid
        duration = self.durations[piece.video_id]
        segment = piece.segment or (0.0, duration)
        first, past = grid.step_range(segment)
        step = (first + past - 1) // 2 if generator is None else int(generator.integers(first, past))
        moment = float(grid.centres[step])
        about = (moment - grid.stride / 4, moment + grid.stride / 4)  # this frame and no other
        alone = copy.copy(self)
        alone.pieces = (Piece(piece.video_id, about, piece.label),)
        return alone, torch.tensor(self.offsets.targets(moment, segment, duration), dtype=torch.float32)


def fit_offset_stream(
    stream: Stream, offsets: OffsetConfig, dataset: Dataset, *, store: FeatureStore, run: Run, name: str
) -> Backbone:
    """Train the net of a stream on classes and offsets together; the layer of the offsets is left behind.

    Args:
        stream: what to train how; it sees single frames.
        offsets: the second task.
        dataset: untrimmed videos with annotated instances, whose pictures are in the store.
        store: of the pictures.
        run: device, seed, folder.
        name: of the training in the run.

    Returns:
        The backbone on the run's device, in evaluation mode; class i of its logits is dataset.labels[i].

    Raises:
        DataError: when there is nothing to learn from, or the stream sees more than single frames.
    """
    training = dataset.subset("training")
    pieces = available(training, stream, store=store)
    if not pieces:
        raise DataError(
            f"stream {name} needs classes and pictures of {stream.images.name} to learn from, but the training subset "
            f"of {dataset.name} has none in the store"
        )
    torch.manual_seed(run.seed)
    backbone = stream.build(classes=len(dataset.labels))
    if stream.partial_batch_norm:
        partial_batch_norm(backbone)
    durations = {video.video_id: video.duration for video in training.videos}
    data = OffsetFrames.of(stream, pieces, store=store, size=backbone.input_size, offsets=offsets, durations=durations)

    def loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
        clips, labels, targets = batch
        logits, found = model(clips.flatten(0, 1))
        return offset_loss(logits, found, labels, targets, offsets)

    fit(OffsetNet(backbone), data, loss, schedule=stream.schedule, run=run, name=name)
    return backbone
