"""Clips of several lengths about one centre, each thinned to as many pictures: for training, and over a whole video."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from untrimmed.features.clip_sets import middle, remembering, taught
from untrimmed.features.feature import Feature, ImageSequence
from untrimmed.features.remembered import Memory, RememberedImages
from untrimmed.features.store import FeatureStore
from untrimmed.media.transforms import random_flip, resize
from untrimmed.propose.centred import Overlap, encode, label_samples
from untrimmed.propose.temporal_anchors import NEGATIVE, POSITIVE, OverlapLabels
from untrimmed.records import DataError, Dataset
from untrimmed.timeline import windows

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CentredClips:
    """Which pictures a sample is made of. Report 07 is quoted by section."""

    scales: tuple[int, ...] = (16, 128, 1024, 8192)
    """Lengths of the clips of one sample, in stored pictures, rising; section 3."""
    frames: int = 16
    """Pictures that each clip is thinned to; section 3."""
    stride: int = 16
    """Pictures from one sample to the next at test; the paper does not say ("in the sliding window manner"), this is
    one smallest clip after the other."""
    positive: float = 0.7
    """A sample that overlaps an action more is positive; section 2."""
    negative: float = 0.3
    """A sample that overlaps no action more is negative; section 2."""
    overlap: Overlap = "inside"
    """What overlap means, see propose.centred.label_samples; the paper says "overlap ratio" "using the smallest
    scale"."""
    padding: Literal["still", "blank"] = "still"
    """What clips show beyond the ends of a video: the first or last picture, or zeros; the paper does not say."""
    whole: bool = False
    """Scale whole pictures to the net's size instead of the square in their middle, which section 3 cuts out."""
    flips: bool = False
    """Mirror every other training sample left and right; the paper does not say."""

    def __post_init__(self) -> None:
        if not self.scales or list(self.scales) != sorted(set(self.scales)) or self.scales[0] < self.frames:
            raise DataError(f"scales of centred clips must rise from at least {self.frames} frames, got {self.scales}")
        if self.frames < 1 or not 1 <= self.stride <= self.scales[0]:
            raise DataError(
                "centred clips need frames >= 1 and a stride in [1, the smallest scale] (a larger one would leave "
                f"gaps), got {self.frames} and {self.stride}"
            )

    def samples(self, length: int, *, stride: int | None = None) -> Float[np.ndarray, "n 2"]:
        """What the smallest scale sees at each place of a video of so many pictures: all of it, in order of time.

        Args:
            length: pictures, >= 1; a video shorter than the smallest scale is one sample.
            stride: from one sample to the next; None takes the configuration's.
        """
        return windows(length, size=self.scales[0], stride=stride or self.stride).astype(np.float64)


def clip_places(
    centres: Float[np.ndarray, " n"], *, scales: Sequence[int], frames: int
) -> Int[np.ndarray, "n scales frames"]:
    """The pictures of each clip, at regular intervals: the middles of as many equal parts of its length.

    A scale of `frames` gives the pictures themselves, one after the other. Places may lie beyond the video.

    Source: report 07, section 2: "we thin frames at regular intervals".
    """
    lengths = np.asarray(scales, dtype=np.float64)
    parts = (np.arange(frames) + 0.5) / frames - 0.5
    # a centre between two pictures would put places exactly on edges, where rounding errors would decide
    return np.floor(centres[:, None, None] + lengths[None, :, None] * parts + 1e-6).astype(np.int64)


def read_samples(
    images: ImageSequence,
    centres: Float[np.ndarray, " n"],
    clips: CentredClips,
    *,
    size: tuple[int, int],
    generator: np.random.Generator | None = None,
) -> UInt8[np.ndarray, "n scales channels frames height width"]:
    """The clips about some centres as the nets see them; a picture that several clips share is read once.

    Args:
        images: the stored pictures.
        centres: in pictures from the first one's left edge.
        clips: which pictures.
        size: height and width, pixels.
        generator: of the mirroring in training; None leaves pictures as they are.
    """
    places = clip_places(centres, scales=clips.scales, frames=clips.frames)
    inside = np.clip(places, 0, len(images) - 1)
    wanted, found = np.unique(inside, return_inverse=True)
    pictures = images.frames(wanted)
    pictures = resize(np.ascontiguousarray(pictures if clips.whole else middle(pictures)), size)
    if clips.flips and generator is not None:
        pictures = random_flip(pictures, generator=generator, flow=pictures.shape[3] == 2)
    laid = pictures.transpose(0, 3, 1, 2)[found.reshape(places.shape)]
    if clips.padding == "blank":
        laid[inside != places] = 0
    return np.ascontiguousarray(laid.swapaxes(2, 3))


def video_samples(
    images: ImageSequence, clips: CentredClips, *, size: tuple[int, int], at_once: int = 8
) -> Iterator[tuple[Float[np.ndarray, "n 2"], UInt8[np.ndarray, "n scales channels frames height width"]]]:
    """The samples of a whole video in order, some at a time: what the smallest scale sees, and the clips."""
    samples, known = clips.samples(len(images)), RememberedImages(images, Memory())
    for begin in range(0, len(samples), at_once):
        part = samples[begin : begin + at_once]
        yield part, read_samples(known, part.mean(axis=1), clips, size=size)


@dataclass(frozen=True, eq=False)
class SampledVideo:
    """A training video that holds something to learn.

    Attributes:
        length: stored pictures.
        segments: of its instances, in pictures.
        learnt: indices of the instances that some sample is positive for.
        empty: whether some sample is negative.
    """

    video_id: str
    length: int
    segments: Float[np.ndarray, "n 2"]
    learnt: Int[np.ndarray, " learnt"]
    empty: bool


def sampled_videos(
    dataset: Dataset, clips: CentredClips, *, images: Feature, store: FeatureStore
) -> tuple[SampledVideo, ...]:
    """The training videos with instances.

    Videos whose pictures are not in the store are left out and logged, and so is the number of instances that no
    sample is positive for: those much shorter than the smallest scale.

    Raises:
        DataError: when no sample is positive, or none negative.
    """
    found, lost = [], 0
    for annotation, pictures in taught(dataset, images=images, store=store):
        video_id = annotation.video.video_id
        seconds = np.array([instance.segment for instance in annotation.instances], dtype=np.float64)
        segments = np.clip(pictures.grid.to_steps(seconds), 0, len(pictures))
        labels = _labels(clips, len(pictures), segments)
        learnt = np.unique(labels.instance[labels.kind == POSITIVE])
        lost += len(segments) - len(learnt)
        found.append(SampledVideo(video_id, len(pictures), segments, learnt, bool((labels.kind == NEGATIVE).any())))
    if lost:
        log.warning("%d instances of %s are learnt from no sample: they are too short, or others hide them", lost,
                    dataset.name)  # fmt: skip
    if not any(len(one.learnt) for one in found) or not any(one.empty for one in found):
        raise DataError(f"training videos of {dataset.name} must have samples inside and outside of actions to learn "
                        "proposals from")  # fmt: skip
    return tuple(found)


class SampleSet:
    """Samples as items: (clips uint8, kind, what is told), at places drawn at random by `at`.

    Items 2i and 2i + 1 are a positive sample of instance i and a negative one, of the same video if it has any. An
    epoch takes them in turn, so that every batch of an even size holds as many of both. Clips have the layout
    (scales, channels, frames, height, width); kind is POSITIVE or NEGATIVE; of a negative one zeros are told.
    """

    def __init__(
        self,
        videos: Sequence[SampledVideo],
        clips: CentredClips,
        *,
        images: Feature,
        store: FeatureStore,
        size: tuple[int, int],
    ) -> None:
        """Prepare to read; nothing is read yet.

        Args:
            videos: what there is.
            clips: which pictures a sample is made of.
            images: the stored pictures.
            store: where they are.
            size: height and width of what the net sees, pixels.
        """
        self.videos, self.clips, self.size = tuple(videos), clips, size
        self._pairs = [(video, int(number)) for video in self.videos for number in video.learnt]
        self._empty = [video for video in self.videos if video.empty]
        self._key = images.key
        self._open = remembering(store, images)

    @property
    def identity(self) -> str:
        """What the samples are made of and how; another text for other samples."""
        parts = [(one.video_id, one.length, one.segments.tolist()) for one in self.videos]
        return repr((self._key, parts, self.clips, self.size))

    def __len__(self) -> int:
        return 2 * len(self._pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, int, Tensor]:
        """The middle one of the places that an item may have."""
        return self._item(index, None)

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, int, Tensor]:
        """A random place, mirrored or not."""
        return self._item(index, generator)

    def order(self, generator: np.random.Generator) -> Int[np.ndarray, " items"]:
        """The items of one epoch: a positive one, a negative one, a positive one ..."""
        count = len(self._pairs)
        each = np.stack([2 * generator.permutation(count), 2 * generator.permutation(count) + 1], axis=1)
        return each.reshape(-1)

    def _item(self, index: int, generator: np.random.Generator | None) -> tuple[Tensor, int, Tensor]:
        video, number = self._pairs[index // 2]
        positive = index % 2 == 0
        if not positive and not video.empty:
            video = self._empty[0 if generator is None else int(generator.integers(len(self._empty)))]
        labels = _labels(self.clips, video.length, video.segments)
        may = (labels.kind == POSITIVE) & (labels.instance == number) if positive else labels.kind == NEGATIVE
        place = _chosen(may, generator)
        centre = self.clips.samples(video.length, stride=1)[place : place + 1].mean(axis=1)
        told = np.zeros((1, 2))
        if positive:
            told = encode(centre, video.segments[number : number + 1], size=self.clips.scales[0])
        pictures = self._open(video.video_id)
        read = read_samples(pictures, centre, self.clips, size=self.size, generator=generator)
        kind = POSITIVE if positive else NEGATIVE
        return torch.from_numpy(read[0]), kind, torch.from_numpy(told[0].astype(np.float32))


def _labels(clips: CentredClips, length: int, segments: Float[np.ndarray, "n 2"]) -> OverlapLabels:
    """Of the samples at every picture of a video."""
    samples = clips.samples(length, stride=1)
    return label_samples(samples, segments, positive=clips.positive, negative=clips.negative, overlap=clips.overlap)


def _chosen(may: Bool[np.ndarray, " places"], generator: np.random.Generator | None) -> int:
    places = np.flatnonzero(may)
    return int(places[len(places) // 2 if generator is None else int(generator.integers(len(places)))])
