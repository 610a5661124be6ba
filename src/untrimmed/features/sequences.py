"""Rows of each video in time, wherever they come from: a net, trajectories, a file; shortened by a learnt PCA if asked.

The systems that stood on given features take them through here, so that the organisers' files and features measured
from one's own videos serve alike.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from untrimmed.aggregate.pca import Pca, fit_pca
from untrimmed.aggregate.reservoir import Reservoir
from untrimmed.features.attended_vectors import AttendedRows, AttendedStream
from untrimmed.features.backbone import BackboneFeature
from untrimmed.features.extract import extract
from untrimmed.features.feature import Feature, FeatureSequence
from untrimmed.features.learned import StreamFeature, learn_feature
from untrimmed.features.row_kinds import AnyRows
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import training_name
from untrimmed.features.tables import FeatureTable
from untrimmed.features.trajectories.encoded import TrajectoryFisher
from untrimmed.features.trajectories.learning import TrajectoryEncoding, learn_codebook
from untrimmed.records import DataError, Dataset, Video
from untrimmed.train import Run

log = logging.getLogger(__name__)

PCA_TENSORS = ("mean", "components", "variances")


@dataclass(frozen=True, kw_only=True)
class Projection:
    """A PCA of rows, learnt from the training subset."""

    dims: int | None = None
    """Numbers that are kept; give this or share."""
    share: float | None = None
    """Share of the variance that is kept, in (0, 1]; report 01 keeps 0.98 of MBH's."""
    rows: int = 50_000
    """Rows that it learns from at most, drawn at random; the reports do not say."""

    def __post_init__(self) -> None:
        if (self.dims is None) == (self.share is None):
            raise DataError(f"a projection needs either dims or share, got {self.dims} and {self.share}")
        if self.rows < 2:
            raise DataError(f"a projection needs rows >= 2 to learn from, got {self.rows}")


@dataclass(frozen=True, kw_only=True)
class SequenceSource:
    """Where the rows of videos come from."""

    rows: StreamFeature | AttendedStream | TrajectoryEncoding | FeatureTable | AnyRows
    """A net on pictures, plain or under attention, Fisher vectors of trajectories (one row a video), a file, or what is
    measured as it is."""
    projection: Projection | None = None
    """How they are made shorter; None leaves them."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """A source that has learnt what it must: gives the rows of any video.

    Attributes:
        feature: what is measured into the store, or the file.
        pca: its projection.
    """

    feature: Feature | FeatureTable
    pca: Pca | None = None

    def __call__(self, video: Video, *, store: FeatureStore) -> FeatureSequence:
        """The rows of a video, projected.

        Raises:
            DataError: when they are not in the store or the file.
        """
        given = (
            self.feature.load(video) if isinstance(self.feature, FeatureTable) else _rows(self.feature, video, store)
        )
        return given if self.pca is None else replace(given, values=self.pca.project(given.values))

    def has(self, video: Video, *, store: FeatureStore) -> bool:
        """Whether the rows of a video can be had without measuring."""
        if isinstance(self.feature, FeatureTable):
            return self.feature.has(video)
        return store.has(self.feature, video.video_id)

    def tables(self, name: str) -> dict[str, Mapping[str, Tensor]]:
        """What save_system keeps of it: the weights of its net or codebook, and its PCA, under `name`."""
        kept: dict[str, Mapping[str, Tensor]] = {}
        weights = None if isinstance(self.feature, FeatureTable) else learnt_file(self.feature)
        if weights is not None:
            kept[name] = load_file(weights)
        if self.pca is not None:
            kept[f"{name}-pca"] = {key: torch.from_numpy(getattr(self.pca, key)) for key in PCA_TENSORS}
        return kept

    @staticmethod
    def restore(
        source: SequenceSource, name: str, tables: Mapping[str, Mapping[str, Tensor]], *, folder: Path
    ) -> "Sequences":
        """What tables kept; the weights are taken from folder/name.safetensors.

        Raises:
            DataError: when a table is missing or does not fit.
        """
        given = source.rows
        weights = folder / f"{name}.safetensors" if name in tables else None
        feature: Feature | FeatureTable
        if isinstance(given, TrajectoryEncoding):
            if weights is None:
                raise DataError(f"{folder} must hold the codebook {name}.safetensors of its trajectories")
            feature = given.feature(weights)
        else:
            feature = given.feature(weights) if isinstance(given, StreamFeature | AttendedStream) else given
        if source.projection is None:
            return Sequences(feature)
        table = tables.get(f"{name}-pca", {})
        if set(table) != set(PCA_TENSORS):
            raise DataError(f"{folder / name}-pca.safetensors must hold {', '.join(PCA_TENSORS)}, got {sorted(table)}")
        return Sequences(feature, Pca(**{key: value.numpy() for key, value in table.items()}))


def fit_sequences(source: SequenceSource, dataset: Dataset, *, store: FeatureStore, run: Run) -> Sequences:
    """A source made ready on the training subset: its net or codebook learnt if it is to be, then its PCA.

    Args:
        source: what and how.
        dataset: whose training subset is learnt from.
        store: of features; what is missing is measured first.
        run: device, seed, folder of the trainings; a training is named by what it makes, so that systems which share
            the folder share it.

    Raises:
        DataError: when there is nothing to learn from.
    """
    training = dataset.subset("training").videos
    given = source.rows
    feature: Feature | FeatureTable = given  # type: ignore[assignment]
    if isinstance(given, TrajectoryEncoding):
        feature = given.feature(learn_codebook(given, training, store=store, progress=run.progress))
    elif isinstance(given, StreamFeature | AttendedStream):
        plain = given if isinstance(given, StreamFeature) else given.frames
        learnt = learn_feature(plain, dataset, store=store, run=run, name=training_name(plain.stream))
        feature = learnt if isinstance(given, StreamFeature) else given.feature(learnt.weights)
    found = Sequences(feature)
    if source.projection is None:
        return found
    present = ready([found], training, store=store, progress=run.progress)
    if not present:
        raise DataError(f"a PCA needs rows of training videos, but no training video of {dataset.name} has any")
    drawn: Reservoir | None = None
    for video in present:
        rows = found(video, store=store).values
        drawn = drawn or Reservoir(source.projection.rows, rows.shape[1], seed=run.seed)
        drawn.add(rows)
    assert drawn is not None  # there is a video
    return Sequences(feature, fit_pca(drawn.sample(), dims=source.projection.dims, share=source.projection.share))


def ready(
    sources: Sequence[Sequences], videos: Sequence[Video], *, store: FeatureStore, progress: bool = False
) -> list[Video]:
    """Measure what the store lacks; the videos whose rows are all there, in order. The others are logged."""
    features = measured(sources)
    if features:
        extract(features, videos, store=store, progress=progress)
    there = []
    for video in videos:
        lacking = [source for source in sources if not source.has(video, store=store)]
        if lacking:
            names = ", ".join(_title(source.feature) for source in lacking)
            log.warning("video %s is left out: it has no features of %s", video.video_id, names)
        else:
            there.append(video)
    return there


def measured(sources: Iterable[Sequences]) -> tuple[Feature, ...]:
    """The features of some sources that are measured into the store, each once."""
    features = (source.feature for source in sources)
    return tuple(dict.fromkeys(feature for feature in features if not isinstance(feature, FeatureTable)))


def learnt_file(feature: Feature) -> Path | None:
    """The file that was learnt to measure a feature: the weights of its net, or its codebook; None for the others."""
    if isinstance(feature, TrajectoryFisher):
        return feature.codebook
    return feature.weights if isinstance(feature, BackboneFeature | AttendedRows) else None


def _title(feature: Feature | FeatureTable) -> str:
    return str(feature.path) if isinstance(feature, FeatureTable) else feature.key


def _rows(feature: Feature, video: Video, store: FeatureStore) -> FeatureSequence:
    found = store.load(feature, video.video_id)
    if not isinstance(found, FeatureSequence):
        raise DataError(f"feature {feature.key} of video {video.video_id} must be rows, got pictures")
    return found
