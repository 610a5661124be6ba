"""The three features that the organisers of ActivityNet gave to everybody, as they are measured from one's own videos.

Reports 01, 02, 04, 10 and 11 stand on them. Each comes in two sizes: as published, and for two cores. Whoever has the
organisers' HDF5 files puts a FeatureTable in place of a source's rows.

Source: http://activity-net.org/challenges/2016/download.html, "Features"; Caba Heilbron et al., ActivityNet: a
large-scale video benchmark for human activity understanding, CVPR 2015.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from untrimmed.aggregate.codebook import CodebookConfig
from untrimmed.configs import rewritten
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.flow.dis import Dis
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.learned import StreamFeature
from untrimmed.features.sequences import Projection, SequenceSource
from untrimmed.features.streams import Stream
from untrimmed.features.tables import FeatureTable
from untrimmed.features.trajectories.config import Trajectories
from untrimmed.features.trajectories.learning import TrajectoryEncoding
from untrimmed.nets.c3d import C3d
from untrimmed.nets.frame_nets import FrameNet
from untrimmed.nets.small import Small3d, SmallNet
from untrimmed.nets.zoo import AnyNet
from untrimmed.records import DataError
from untrimmed.train import Schedule

_TUNING = Schedule(epochs=16, batch_size=30, learning_rate=3e-3, milestones=(4, 8, 12))
"""C3D's own, for those who let a net learn their classes; the organisers' nets are not tuned."""


def _given(net: AnyNet, images: RgbImages | FlowImages, *, frames: int, stride: int) -> StreamFeature:
    stream = Stream(
        net=net,
        images=images,
        sampling=Sampling(sections=3 if frames == 1 else 1, frames=frames),
        augmentation=Augmentation(),
        schedule=_TUNING,
        views=TestViews(),
    )
    return StreamFeature(stream=stream, stride=stride)


def c3d(images: RgbImages | None = None, *, stride: int = 8) -> SequenceSource:
    """fc7 of C3D on 16 frames, PCA from 4,096 to 500. Its net has learnt Sports-1M and is not tuned: name the file in
    `weights`.

    Args:
        images: the frames; every one of the video, 128 x 171, by default.
        stride: frames from one row to the next.
    """
    rows = _given(C3d(), images or RgbImages(), frames=16, stride=stride)
    return SequenceSource(rows=rows, projection=Projection(dims=500))


C3D = c3d()
"""A row of 16 frames every 8."""

_GOOGLENET = FrameNet(net="inception_v1", input_size=(224, 224), dropout=0.4)
SHUFFLE = SequenceSource(rows=_given(_GOOGLENET, RgbImages(size=(256, 340), per_second=2), frames=1, stride=1))
"""ImageNetShuffle: pool5 of GoogLeNet on two frames a second, 1,024 numbers. Its net has learnt 12,988 classes of
ImageNet and is not tuned: name the file in `weights`."""

MBH = SequenceSource(
    rows=TrajectoryEncoding(codebook=CodebookConfig(descriptors=("mbh",), kept_share=2 / 3)),
    projection=Projection(share=0.98),
)
"""Fisher vectors of the MBH descriptor of improved trajectories, 65,536 numbers a video, then a PCA that keeps 98 % of
the variance (report 01, section 2.1.1). 65,536 is 2 x 256 words x 128 directions; 256 is Wang and Schmid's number, and
128 is what is left of 192."""

_SMALL_TRAINING = Schedule(
    steps=250, batch_size=32, optimizer="adamw", learning_rate=3e-3, weight_decay=0.01, decay="cosine", warmup_steps=20
)
_SMALL = RgbImages(size=(64, 86), per_second=12)  # as system 06's, so that the store holds them once
_SMALL_FLOW = FlowImages(size=(64, 86), per_second=12, method=Dis(), bound=8.0)


def _small(source: StreamFeature) -> StreamFeature:
    return replace(source, stream=replace(source.stream, schedule=_SMALL_TRAINING), learn=True)


SMALL_C3D = SequenceSource(
    rows=_small(_given(Small3d(frames=8), _SMALL_FLOW, frames=8, stride=4)), projection=Projection(dims=48)
)
"""A 3-D net of ten narrow layers on 8 small fields of flow every 4, which learns the classes first, since nobody gives
weights for it; PCA from 64 to 48. It sees flow: what C3D brings from a million clips of sports is motion, and so small
a net learns that from flow (06: 26.7 % of trimmed clips right, 14.3 % from RGB)."""
SMALL_SHUFFLE = SequenceSource(rows=_small(_given(SmallNet(), _SMALL, frames=1, stride=6)))
"""A 2-D net of ten narrow layers on two small frames a second, which learns the classes first."""
SMALL_MBH = SequenceSource(
    rows=TrajectoryEncoding(
        trajectories=Trajectories(key_points="orb"),
        size=(120, 160),
        codebook=CodebookConfig(descriptors=("mbh",), words=32, samples=40_000, iterations=30),
        videos_at_most=40,
    ),
    projection=Projection(share=0.98),
)
"""Trajectories with ORB key points in pictures of 120 x 160, 32 words."""

Kind = Literal["c3d", "shuffle", "mbh"]


def from_files(config: Any, files: Mapping[Kind, Path]) -> Any:
    """A system's configuration whose sources are read from the organisers' files instead of being measured.

    Their C3D has 500 numbers already, so its PCA falls away; that of MBH stays.

    Args:
        config: a frozen dataclass with SequenceSources anywhere in it.
        files: HDF5 files by kind of feature.

    Raises:
        DataError: when a kind of feature is not among the sources.
    """

    def read(kind: Kind, source: SequenceSource) -> SequenceSource:
        table = FeatureTable(path=files[kind], window_steps=2.0 if kind == "c3d" else 1.0)
        return SequenceSource(rows=table, projection=source.projection if kind == "mbh" else None)

    return _changed(config, files, read)


def with_weights(config: Any, weights: Mapping[Kind, Path]) -> Any:
    """A system's configuration whose nets start from files and, as in the reports, are not tuned.

    Args:
        config: a frozen dataclass with SequenceSources anywhere in it.
        weights: files that the nets' configurations take, by kind of feature.

    Raises:
        DataError: when a kind of feature is not among the sources, or has no net.
    """

    def given(kind: Kind, source: SequenceSource) -> SequenceSource:
        rows = source.rows
        if not isinstance(rows, StreamFeature):
            raise DataError(f"feature {kind} has no net that could start from {weights[kind]}")
        net: Any = rows.stream.net
        stream = replace(rows.stream, net=replace(net, weights=weights[kind]))
        return replace(source, rows=replace(rows, stream=stream, learn=False))

    return _changed(config, weights, given)


def kind_of(source: SequenceSource) -> Kind | None:
    """Which of the three features a source measures; None for a file or another feature."""
    if isinstance(source.rows, TrajectoryEncoding):
        return "mbh"
    if not isinstance(source.rows, StreamFeature):
        return None
    return "c3d" if source.rows.stream.solid else "shuffle"


def _changed(config: Any, files: Mapping[Kind, Path], change: Callable[[Kind, SequenceSource], SequenceSource]) -> Any:
    """The configuration with every source changed whose kind has a file; each file must find its source."""
    used: set[Kind] = set()

    def given(part: Any) -> Any:
        kind = kind_of(part) if isinstance(part, SequenceSource) else None
        if kind is None or kind not in files:
            return part
        used.add(kind)
        return change(kind, part)

    changed = rewritten(config, given)
    for kind in files:
        if kind not in used:
            raise DataError(f"{type(config).__name__} has no feature {kind} that a file could give, got {files[kind]}")
    return changed
