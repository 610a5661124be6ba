"""The members of an ensemble: streams, nets over rows and linear classifiers under one interface, each with a name."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from untrimmed.configs import content_hash
from untrimmed.features.extract import extract
from untrimmed.features.feature import Feature
from untrimmed.features.row_nets import RowHead, RowNet, fit_row_net, row_net_scores
from untrimmed.features.sequences import Sequences, SequenceSource, fit_sequences, measured, ready
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream, fit_stream, stream_scores, training_name
from untrimmed.features.vector_classifiers import (
    VectorClassifier,
    VectorClassifiers,
    fit_vector_classifiers,
    restore_vector_classifiers,
)
from untrimmed.nets.backbone import Backbone, fill
from untrimmed.records import DataError, Dataset, Video
from untrimmed.train import Run

log = logging.getLogger(__name__)

MOST_DIMS = 1 << 20
"""Numbers in a row at most, of what is read from a file."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One voice of an ensemble."""

    name: str
    """Letters, digits, '-' and '_'; unique in the ensemble."""
    classifier: Stream | RowNet | VectorClassifier
    """What learns the classes."""


@dataclass(frozen=True, eq=False)
class Members:
    """Trained members.

    Attributes:
        configs: what they are, in order.
        nets: of the streams and the nets over rows, by the member's name.
        sources: of the nets over rows, made ready.
        vectors: the linear classifiers; None without any.
    """

    configs: tuple[Member, ...]
    nets: Mapping[str, nn.Module]
    sources: Mapping[SequenceSource, Sequences]
    vectors: VectorClassifiers | None

    @property
    def features(self) -> tuple[Feature, ...]:
        """What is measured into the store for them."""
        rows = [*measured(self.sources.values()), *(self.vectors.features if self.vectors else ())]
        return tuple(dict.fromkeys([*self._pictures, *rows]))

    def ready(self, videos: Sequence[Video], *, store: FeatureStore, progress: bool = False) -> list[Video]:
        """Measure what the store lacks; the videos that every member can score, in order. The others are logged."""
        images = self._pictures
        extract(images, videos, store=store, progress=progress)
        sources = [*self.sources.values(), *(self.vectors.sources.values() if self.vectors else ())]
        there = ready(sources, videos, store=store, progress=progress)
        found = []
        for video in there:
            lacking = [feature.name for feature in images if not store.has(feature, video.video_id)]
            if lacking:
                log.warning("video %s is left out: it has no pictures of %s", video.video_id, ", ".join(lacking))
            else:
                found.append(video)
        return found

    def scores(self, videos: Sequence[Video], *, store: FeatureStore) -> Float[np.ndarray, "members videos classes"]:
        """Probabilities of every member, each row in [0, 1] and of sum 1.

        Args:
            videos: whose features are at hand, see ready.
            store: where they lie.
        """
        tables: dict[str, np.ndarray] = {}
        if self.vectors is not None:
            tables = dict(zip(self.vectors.configs, self.vectors.scores(videos, store=store), strict=True))
        return np.stack(
            [
                tables[one.name] if one.name in tables else np.stack(list(self._net_scores(one, videos, store)))
                for one in self.configs
            ]
        )

    def tables(self) -> dict[str, Mapping[str, Tensor]]:
        """What save_system keeps: nets, what their rows are measured with, and linear weights."""
        kept: dict[str, Mapping[str, Tensor]] = {f"net-{name}": net.state_dict() for name, net in self.nets.items()}
        for number, source in enumerate(self.sources.values()):
            kept |= source.tables(f"rows-{number}")
        kept |= self.vectors.tables() if self.vectors else {}
        return kept

    @property
    def _pictures(self) -> tuple[Feature, ...]:
        """What the streams look at, each once."""
        return tuple(dict.fromkeys(one.classifier.images for one in self.configs if isinstance(one.classifier, Stream)))

    def _net_scores(self, member: Member, videos: Sequence[Video], store: FeatureStore) -> Iterator[np.ndarray]:
        net, one = self.nets[member.name], member.classifier
        if isinstance(one, Stream):
            assert isinstance(net, Backbone)
            for _, scores in stream_scores(net, one, [video.video_id for video in videos], store=store):
                yield scores / scores.sum()  # the best k of each class do not sum to 1
        elif isinstance(one, RowNet):
            assert isinstance(net, RowHead)
            for video in videos:
                yield row_net_scores(net, one, self.sources, video, store=store)


def fit_members(configs: Sequence[Member], dataset: Dataset, *, store: FeatureStore, run: Run) -> Members:
    """Train every member by itself on the training subset.

    A training is named by what it makes, so that systems that share a run's folder share the trainings of equal
    streams and nets.

    Args:
        configs: the members.
        dataset: trimmed clips or untrimmed videos with classes.
        store: of features; what is missing is measured first.
        run: device, seed, folder.

    Raises:
        DataError: when there is nothing to learn from, or two members have one name.
    """
    _check(configs)
    nets: dict[str, nn.Module] = {}
    sources: dict[SequenceSource, Sequences] = {}
    labelled = [a.video for a in dataset.annotations if a.labels and a.video.subset != "testing"]
    linear = {}
    for member in configs:
        one = member.classifier
        if isinstance(one, VectorClassifier):
            linear[member.name] = one
            continue
        if isinstance(one, Stream):
            extract((one.images,), labelled, store=store, progress=run.progress)
            nets[member.name] = fit_stream(one, dataset, store=store, run=run, name=training_name(one))
        else:
            for source in one.sources:
                if source not in sources:
                    sources[source] = fit_sequences(source, dataset, store=store, run=run)
            name = f"rows-{content_hash(one)}"
            nets[member.name] = fit_row_net(one, sources, dataset, store=store, run=run, name=name)
        log.info("member %s is trained", member.name)
    vectors = fit_vector_classifiers(linear, dataset, store=store, run=run) if linear else None
    return Members(tuple(configs), nets, sources, vectors)


def restore_members(
    configs: Sequence[Member], tables: Mapping[str, Mapping[str, Tensor]], *, folder: Path, classes: int
) -> Members:
    """What Members.tables kept.

    Raises:
        DataError: when a table is missing or does not fit.
    """
    _check(configs)
    distinct = dict.fromkeys(
        source for one in configs if isinstance(one.classifier, RowNet) for source in one.classifier.sources
    )
    sources = {
        source: Sequences.restore(source, f"rows-{number}", tables, folder=folder)
        for number, source in enumerate(distinct)
    }
    nets: dict[str, nn.Module] = {}
    for member in configs:
        one, table = member.classifier, tables.get(f"net-{member.name}", {})
        if isinstance(one, VectorClassifier):
            continue
        where = folder / f"net-{member.name}.safetensors"
        if isinstance(one, Stream):
            net: nn.Module = one.build(classes=classes, pretrained=False)
        else:
            dims = table.get("dims", torch.zeros(0)).flatten().tolist()
            if len(dims) != len(one.sources) or not all(1 <= number <= MOST_DIMS for number in dims):
                raise DataError(f"{where} must hold the dims of {len(one.sources)} sources, got {dims}")
            net = one.build([int(number) for number in dims], classes)
        fill(net, table, where=where)
        nets[member.name] = net.eval()
    linear = {one.name: one.classifier for one in configs if isinstance(one.classifier, VectorClassifier)}
    vectors = restore_vector_classifiers(linear, tables, folder=folder, classes=classes) if linear else None
    return Members(tuple(configs), nets, sources, vectors)


def _check(configs: Sequence[Member]) -> None:
    names = [member.name for member in configs]
    if not names or len(set(names)) < len(names):
        raise DataError(f"an ensemble needs members of different names, got {names}")
