"""Clips from stored pictures, for nets that learn from frames: which pictures, which crop, in which layout."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from untrimmed.features.feature import Feature, ImageSequence
from untrimmed.features.remembered import Memory, RememberedImages
from untrimmed.features.store import FeatureStore
from untrimmed.media.transforms import CornerCrop, centre_crop, random_flip, resize, ten_crop
from untrimmed.nets.tsn import clip_indices, section_starts
from untrimmed.records import Annotation, DataError, Dataset

log = logging.getLogger(__name__)

OPEN_VIDEOS = 1 << 16
"""Videos whose place in the store is remembered."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What a net sees of a video at once in training."""

    sections: int = 3
    """Clips drawn from one video, each from its own section; TSN, section 3.1. 1 for a plain 3-D net."""
    frames: int = 1
    """Pictures in a clip: 1 for RGB in TSN, 5 for flow there (report 06, section 2), 16 for C3D, 32 for LTC."""
    stride: int = 1
    """From one picture of a clip to the next; report 06 takes "continuous frames"."""

    @property
    def span(self) -> int:
        """Pictures from the first of a clip to past its last."""
        return (self.frames - 1) * self.stride + 1


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random crops and mirror images; every picture of a clip, and every clip of a video, is treated alike."""

    resized_to: tuple[int, int] | None = None
    """Height and width that stored pictures are scaled to first; None leaves them. Report 06: (256, 340) for TSN."""
    scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)
    """Edges of crops as shares of the picture's shorter edge; TSN, section 3.2 (256, 224, 192, 168 of 256)."""
    distortion: int = 1
    """How many places in scales height and width may lie apart; the released code's value."""
    flips: bool = True
    """Mirror every other clip left and right. False where left and right tell classes apart, and for pictures that
    have no left and right (sound) or whose channels have (joints)."""
    whole: bool = False
    """No crops, at test neither: pictures are scaled to the net's input as they are. For spectrograms."""


@dataclass(frozen=True, kw_only=True)
class TestViews:
    """What a net sees of a video to score it."""

    __test__ = False  # no test case, whatever pytest thinks of the name

    positions: int = 25
    """Clips, at the middles of as many sections; TSN, section 3.3."""
    ten_crop: bool = True
    """Corners and centre and their mirror images (TSN, section 3.3), or the centre alone."""
    scales: tuple[int, ...] = ()
    """Heights, in pixels, at which a 3-D net sees the centre as a fully convolutional one (report 15, Observation 4);
    none leaves it at crops of the size that it was trained with."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a video with a class: a whole trimmed clip, an annotated instance, or a whole video."""

    video_id: str
    segment: tuple[float, float] | None
    label: int


def pieces_of(dataset: Dataset, *, whole: bool = False) -> tuple[Piece, ...]:
    """What there is to learn classes from.

    Args:
        dataset: a trimmed one gives each file as a whole; of an untrimmed one every instance is a piece.
        whole: take the whole of untrimmed videos instead, once for each of their classes.
    """
    index = {label: number for number, label in enumerate(dataset.labels)}
    found = []
    for annotation in dataset.annotations:
        name = annotation.video.video_id
        if dataset.trimmed or whole:
            found += [Piece(name, None, index[label]) for label in annotation.labels]
        else:
            found += [Piece(name, instance.segment, index[instance.label]) for instance in annotation.instances]
    return tuple(found)


class ClipSet:
    """Pieces as items for training: (clips uint8, class index), drawn and cropped at random by `at`.

    The clips have the layout that `Tsn` takes: (sections, channels, height, width) for 2-D nets, where the pictures
    of a clip are stacked as channels, and (sections, channels, time, height, width) for 3-D nets.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        *,
        images: Feature,
        store: FeatureStore,
        sampling: Sampling,
        augmentation: Augmentation,
        size: tuple[int, int],
        solid: bool,
        balanced: bool = False,
    ) -> None:
        """Prepare to read; nothing is read yet.

        Args:
            pieces: what there is.
            images: the stored pictures.
            store: where they are.
            sampling: which pictures enter at once.
            augmentation: what is done to them.
            size: height and width of what the net sees, pixels.
            solid: for a 3-D net.
            balanced: an epoch draws all classes equally often (report 08, section 2.1) instead of every piece once.
        """
        self.pieces, self.sampling, self.augmentation = tuple(pieces), sampling, augmentation
        self.size, self.solid, self.balanced = size, solid, balanced
        self._key = images.key
        self._open = remembering(store, images)

    @property
    def identity(self) -> str:
        """What the clips are made of and how; another text for other clips."""
        return repr((self._key, self.pieces, self.sampling, self.augmentation, self.size, self.solid, self.balanced))

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """The middle of every section, the centre crop."""
        piece = self.pieces[index]
        clips = self._clips(piece, None)
        clips = clips if self.augmentation.whole else middle(clips)
        return self._arranged(resize(clips, self.size)), piece.label

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, int]:
        """A random place in every section, one random crop and mirroring for them all."""
        piece = self.pieces[index]
        clips = self._clips(piece, generator)
        if self.augmentation.whole:
            clips = resize(clips, self.size)
        else:
            edge = min(clips.shape[1:3])
            sizes = tuple(int(edge * scale) for scale in self.augmentation.scales)
            cut = CornerCrop(sizes=sizes, output=self.size[0], distortion=self.augmentation.distortion)
            clips = cut(clips, generator=generator)
        if self.augmentation.flips:
            clips = random_flip(clips, generator=generator, flow=clips.shape[3] == 2)
        return self._arranged(clips), piece.label

    def order(self, generator: np.random.Generator) -> Int[np.ndarray, " items"]:
        """The items of one epoch."""
        return class_order([piece.label for piece in self.pieces], generator, balanced=self.balanced)

    def _clips(
        self, piece: Piece, generator: np.random.Generator | None
    ) -> UInt8[np.ndarray, "pictures height width channels"]:
        images = self._open(piece.video_id)
        first, past = (0, len(images)) if piece.segment is None else images.grid.step_range(piece.segment)
        sampling = self.sampling
        starts = section_starts(past - first, sections=sampling.sections, span=sampling.span, generator=generator)
        indices = clip_indices(starts, frames=sampling.frames, stride=sampling.stride, length=past - first)
        clips = images.frames(first + indices.reshape(-1))
        return clips if self.augmentation.resized_to is None else resize(clips, self.augmentation.resized_to)

    def _arranged(self, clips: UInt8[np.ndarray, "pictures height width channels"]) -> Tensor:
        return torch.from_numpy(arranged(clips, frames=self.sampling.frames, solid=self.solid))


def class_order(labels: Sequence[int], generator: np.random.Generator, *, balanced: bool) -> Int[np.ndarray, " items"]:
    """The items of one epoch: each once, or, balanced, as many with all classes drawn equally often."""
    if not balanced:
        return generator.permutation(len(labels))
    known = np.array(labels)
    present = np.unique(known)
    classes = np.concatenate([generator.permutation(present) for _ in range(-(-len(known) // len(present)))])
    return np.array([generator.choice(np.flatnonzero(known == label)) for label in classes[: len(known)]])


def views_of(
    images: ImageSequence,
    *,
    sampling: Sampling,
    views: TestViews,
    size: tuple[int, int],
    solid: bool,
    resized_to: tuple[int, int] | None = None,
    whole: bool = False,
    at_once: int = 32,
) -> Iterator[UInt8[np.ndarray, "clips channels *positions"]]:
    """The clips that score one video, some at a time: positions from first to last, the crops of each together.

    Args:
        images: the video.
        sampling: pictures in a clip and their stride; its sections do not count here.
        views: how many positions and crops.
        size: height and width of what the net sees, pixels.
        solid: for a 3-D net.
        resized_to: height and width that the pictures are scaled to first.
        whole: take pictures as they are instead of crops.
        at_once: clips in one block, about.
    """
    starts = section_starts(len(images), sections=views.positions, span=sampling.span)
    indices = clip_indices(starts, frames=sampling.frames, stride=sampling.stride, length=len(images))
    together = max(1, at_once // (10 if views.ten_crop and not whole else 1))
    for begin in range(0, len(indices), together):
        rows = indices[begin : begin + together]
        pictures = images.frames(rows.reshape(-1))
        pictures = pictures if resized_to is None else resize(pictures, resized_to)
        edge, flow = crop_edge(pictures), pictures.shape[3] == 2
        if whole:
            crops = [pictures]
        else:
            crops = ten_crop(pictures, (edge, edge), flow=flow) if views.ten_crop else [middle(pictures)]
        each = np.stack([resize(np.ascontiguousarray(part), size) for part in crops])
        by_clip = each.reshape(len(crops), *rows.shape, *each.shape[2:]).swapaxes(0, 1)
        yield arranged(by_clip.reshape(-1, *each.shape[2:]), frames=sampling.frames, solid=solid)


def crop_edge(clips: UInt8[np.ndarray, "pictures height width channels"]) -> int:
    """Edge of the crops at test: the share of the shorter edge that TSN's 224 pixels are of 256."""
    return max(1, min(clips.shape[1:3]) * 7 // 8)


def middle(
    clips: UInt8[np.ndarray, "pictures height width channels"],
) -> UInt8[np.ndarray, "pictures edge edge channels"]:
    """The centre crop at test."""
    edge = crop_edge(clips)
    return centre_crop(clips, (edge, edge))


def arranged(
    clips: UInt8[np.ndarray, "pictures height width channels"], *, frames: int, solid: bool
) -> UInt8[np.ndarray, "clips channels_out *positions"]:
    """Pictures of several clips in the layout of a net.

    Returns:
        (clips, channels, frames, height, width) for a 3-D net; for a 2-D net (clips, frames * channels, height,
        width) with the channels of one picture side by side: x0 y0 x1 y1 ...
    """
    parts = clips.reshape(-1, frames, *clips.shape[1:])
    if solid:
        return np.ascontiguousarray(parts.transpose(0, 4, 1, 2, 3))
    stacked = parts.transpose(0, 1, 4, 2, 3)
    return np.ascontiguousarray(stacked.reshape(len(parts), -1, *stacked.shape[3:]))


def opened(store: FeatureStore, images: Feature, video_id: str) -> ImageSequence:
    """The stored pictures of a video.

    Raises:
        DataError: when they are not there, are no pictures, or none.
    """
    found: Any = store.load(images, video_id)
    if not isinstance(found, ImageSequence) or not len(found):
        raise DataError(f"feature {images.key} of video {video_id} must be pictures, got {type(found).__name__}")
    return found


def remembering(store: FeatureStore, images: Feature) -> Callable[[str], ImageSequence]:
    """From a video_id to its stored pictures; those that were decoded are kept at hand as far as memory allows."""
    memory = Memory()
    return lru_cache(maxsize=OPEN_VIDEOS)(lambda video_id: RememberedImages(opened(store, images, video_id), memory))


def taught(dataset: Dataset, *, images: Feature, store: FeatureStore) -> Iterator[tuple[Annotation, ImageSequence]]:
    """The training videos that have instances, with their pictures; those without pictures are logged and left out."""
    for annotation in dataset.subset("training").annotations:
        video_id = annotation.video.video_id
        if not annotation.instances:
            continue
        if store.has(images, video_id):
            yield annotation, opened(store, images, video_id)
        else:
            log.warning("video %s is left out: its %s pictures are not in the store", video_id, images.name)
