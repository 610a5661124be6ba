"""One stream: a net that learns the classes of a data set from pictures of one kind, and scores videos by it."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from untrimmed.aggregate.consensus import Average, Consensus
from untrimmed.configs import content_hash
from untrimmed.features.clip_sets import (
    Augmentation,
    ClipSet,
    Piece,
    Sampling,
    TestViews,
    opened,
    pieces_of,
    views_of,
)
from untrimmed.features.hard_mining import HardMining, clip_logits, mine
from untrimmed.features.picture_kinds import AnyImages
from untrimmed.features.store import FeatureStore
from untrimmed.features.whole_views import trained_window, whole_scores
from untrimmed.nets.backbone import Backbone, partial_batch_norm, without_weights
from untrimmed.nets.tsn import Tsn
from untrimmed.nets.zoo import AnyNet
from untrimmed.records import DataError, Dataset
from untrimmed.train import Run, Schedule, fit

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A net, its pictures and how it is trained."""

    net: AnyNet
    """The backbone."""
    images: AnyImages
    """What it sees."""
    sampling: Sampling
    """How much of it at once."""
    augmentation: Augmentation
    """Random crops and mirror images."""
    schedule: Schedule
    """Length and step sizes of its training."""
    views: TestViews
    """Clips and crops of a video at test."""
    consensus: Consensus = field(default_factory=Average)
    """Of the sections' logits in training."""
    test_consensus: Consensus = field(default_factory=Average)
    """Of the softmax scores of all views of a video at test."""
    partial_batch_norm: bool = False
    """Freeze all batch normalisation but the first (TSN, section 3.2); only for nets that start from given weights."""
    balanced: bool = False
    """Draw classes equally often (report 08, section 2.1) instead of clips."""
    hard_mining: HardMining | None = None
    """Further epochs on the clips that the trained net is least sure of (report 14, section 2.4); None has none."""
    whole_videos: bool = False
    """Learn from whole untrimmed videos under their labels instead of the annotated instances."""

    @property
    def solid(self) -> bool:
        """Whether the net is 3-D, so that pictures are laid along time and not stacked as channels."""
        return hasattr(self.net, "frames")

    @property
    def channels(self) -> int:
        """Of the net's input."""
        return self.images.channels * (1 if self.solid else self.sampling.frames)

    def build(self, *, classes: int, pretrained: bool = True) -> Backbone:
        """The net, untrained, made for this stream's input.

        Args:
            classes: of its logits.
            pretrained: start from the weights that the net's configuration names, if it names any.

        Raises:
            DataError: when a 3-D net wants another number of pictures than the sampling gives.
        """
        net = (self.net if pretrained else without_weights(self.net)).build(classes=classes, channels=self.channels)
        if net.frames is not None and net.frames != self.sampling.frames:
            raise DataError(
                f"sampling of a stream must give the {net.frames} frames that {type(self.net).__name__} takes, "
                f"got {self.sampling.frames}"
            )
        return net


def training_name(stream: Stream) -> str:
    """The name of a stream's training in a run: equal for streams that learn alike, however they are tested."""
    alike = replace(stream, views=TestViews(), test_consensus=Average())
    return f"net-{content_hash(alike)}"


def fit_stream(stream: Stream, dataset: Dataset, *, store: FeatureStore, run: Run, name: str) -> Backbone:
    """Train the net of one stream on the training subset of a data set.

    Under `schedule.patience` the top-1 accuracy on the validation subset chooses the weights. Videos whose pictures
    are not in the store are left out and logged.

    Args:
        stream: what to train how.
        dataset: trimmed clips or untrimmed videos with classes.
        store: must hold the stream's pictures.
        run: device, seed, folder.
        name: of the training in the run.

    Returns:
        The backbone on the run's device, in evaluation mode; class i of its logits is dataset.labels[i].

    Raises:
        DataError: when there are no classes or no pictures to learn from.
    """
    pieces = available(dataset.subset("training"), stream, store=store)
    if not pieces or not dataset.labels:
        raise DataError(
            f"stream {name} needs classes and pictures of {stream.images.name} to learn from, but the training subset "
            f"of {dataset.name} has none in the store"
        )
    torch.manual_seed(run.seed)
    backbone = stream.build(classes=len(dataset.labels))
    if stream.partial_batch_norm:
        partial_batch_norm(backbone)
    data = clip_set(stream, pieces, store=store, size=backbone.input_size)
    checked = available(dataset.subset("validation"), stream, store=store) if stream.schedule.patience else ()
    validation = clip_set(stream, checked, store=store, size=backbone.input_size)
    model = Tsn(backbone, consensus=stream.consensus)
    validate = partial(accuracy, data=validation) if checked else None
    fit(model, data, cross_entropy, schedule=stream.schedule, run=run, name=name, validate=validate)
    if stream.hard_mining is not None:
        mine(
            model,
            data,
            cross_entropy,
            clip_logits,
            mining=stream.hard_mining,
            schedule=stream.schedule,
            run=run,
            name=name,
        )
    return backbone


def stream_scores(
    backbone: Backbone, stream: Stream, video_ids: Sequence[str], *, store: FeatureStore
) -> Iterator[tuple[str, Float[np.ndarray, " classes"]]]:
    """Score videos with a trained stream, one after the other.

    Args:
        backbone: what fit_stream returned.
        stream: what it was trained as.
        video_ids: whose pictures are in the store.
        store: where they are.

    Returns:
        (video_id, scores): the consensus of the softmax over all positions and crops, or, where the views have scales,
        the mean over these.
    """
    device = backbone.mean.device
    backbone.eval()
    window = trained_window(backbone) if stream.views.scales else (1, 1)
    for video_id in video_ids:
        if stream.views.scales:
            yield (
                video_id,
                whole_scores(
                    backbone,
                    opened(store, stream.images, video_id),
                    sampling=stream.sampling,
                    positions=stream.views.positions,
                    scales=stream.views.scales,
                    window=window,
                    resized_to=stream.augmentation.resized_to,
                ),
            )
            continue
        blocks = views_of(
            opened(store, stream.images, video_id),
            sampling=stream.sampling,
            views=stream.views,
            size=backbone.input_size,
            solid=stream.solid,
            resized_to=stream.augmentation.resized_to,
            whole=stream.augmentation.whole,
        )
        with torch.inference_mode():
            rows = [backbone(torch.from_numpy(block).to(device)).softmax(1).cpu() for block in blocks]
            scores = stream.test_consensus(torch.cat(rows)[None])[0]
        yield video_id, scores.double().numpy()


def clip_set(stream: Stream, pieces: Sequence[Piece], *, store: FeatureStore, size: tuple[int, int]) -> ClipSet:
    """The clips of some pieces as a stream sees them."""
    return ClipSet(
        pieces,
        images=stream.images,
        store=store,
        sampling=stream.sampling,
        augmentation=stream.augmentation,
        size=size,
        solid=stream.solid,
        balanced=stream.balanced,
    )


def available(dataset: Dataset, stream: Stream, *, store: FeatureStore) -> tuple[Piece, ...]:
    """The pieces whose pictures are in the store; the others are logged."""
    pieces = pieces_of(dataset, whole=stream.whole_videos)
    there = {name: store.has(stream.images, name) for name in dict.fromkeys(piece.video_id for piece in pieces)}
    for name in (name for name, present in there.items() if not present):
        log.warning("video %s is left out: its %s pictures are not in the store", name, stream.images.name)
    return tuple(piece for piece in pieces if there[piece.video_id])


def cross_entropy(model: nn.Module, batch: list[Tensor]) -> Tensor:
    """Of the logits of clips against their classes."""
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def accuracy(model: nn.Module, data: ClipSet, *, at_once: int = 32) -> float:
    """Share of items, seen at the middles of their sections, whose class has the highest logit."""
    device = next(model.parameters()).device
    right = 0
    for begin in range(0, len(data), at_once):
        items = [data[index] for index in range(begin, min(len(data), begin + at_once))]
        logits = model(torch.stack([clips for clips, _ in items]).to(device))
        right += int((logits.argmax(1).cpu() == torch.tensor([label for _, label in items])).sum())
    return right / len(data)
