"""What the systems share that fuse the class scores of several members: all but the members and the fusion."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from untrimmed.features.feature import Feature
from untrimmed.features.given_files import kept_names, with_kept_files
from untrimmed.features.members import Member, Members, fit_members, restore_members
from untrimmed.features.store import FeatureStore
from untrimmed.features.vectors import class_members
from untrimmed.fuse.fusion import AnyFusion, Equal, FittedFusion, fit_fusion, restore_fusion
from untrimmed.records import ClassScores, Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems.saving import labels_of, load_system, save_system
from untrimmed.systems.system import System
from untrimmed.train import Run

log = logging.getLogger(__name__)


class Ensemble(Protocol):
    """A configuration that names its members and how they are fused."""

    @property
    def members(self) -> tuple[Member, ...]:
        """The voices, in the order of the fusion's weights."""
        ...

    @property
    def fusion(self) -> AnyFusion:
        """From their scores to the answer."""
        ...


C = TypeVar("C", bound=Ensemble)


class EnsembleSystem(System[C]):
    """A system of classification whose members are trained one by one and whose scores are fused.

    A fusion that learns does so on the validation subset; without one the members weigh equally, and the log says so.

    Attributes:
        config_class: of its configuration.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.RECOGNITION})
    config_class: ClassVar[type[Any]]

    _labels: tuple[str, ...] = ()
    _members: Members | None = None
    _fusion: FittedFusion | None = None

    def features(self) -> tuple[Feature, ...]:
        """What the members are measured with."""
        return self._trained().features

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train every member on the training subset, then the fusion on the validation subset if it learns."""
        self._members = fit_members(self.config.members, dataset, store=store, run=run)
        self._labels = dataset.labels
        self._fusion = self._fitted_fusion(dataset, store=store, run=run)

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Class scores of sum 1."""
        for video in self._trained().ready(videos, store=store):
            scores = self.fused([video], store=store)[0]
            yield Prediction(video=video, classes=ClassScores(dict(zip(self._labels, scores.tolist(), strict=True))))

    def fused(self, videos: Sequence[Video], *, store: FeatureStore) -> Float[np.ndarray, "videos classes"]:
        """The answer for videos whose features are in the store, in the order of `labels`."""
        assert self._fusion is not None
        return self._fusion(self._trained().scores(videos, store=store))

    def member_scores(
        self, videos: Sequence[Video], *, store: FeatureStore
    ) -> dict[str, Float[np.ndarray, "videos classes"]]:
        """What each member says of videos whose features are in the store, by name."""
        names = [member.name for member in self.config.members]
        return dict(zip(names, self._trained().scores(videos, store=store), strict=True))

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of scores."""
        self._trained()
        return self._labels

    def save(self, folder: Path) -> None:
        """Configuration, labels, what every member has learnt, and the files that features are measured with."""
        self._write(folder, tables={}, extra={})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote."""
        system, _, _ = cls._read(folder)
        return system

    def _write(self, folder: Path, *, tables: Mapping[str, Mapping[str, Tensor]], extra: Mapping[str, Any]) -> None:
        members = self._trained()
        assert self._fusion is not None
        about = {"labels": list(self._labels), **extra}
        about["fused"] = type(self._fusion.fusion).__name__
        save_system(
            folder,
            system=type(self).__name__,
            config=self.config,
            tensors={**members.tables(), **self._fusion.tables(), **tables},
            files=kept_names(self.config),
            extra=about,
        )

    @classmethod
    def _read(cls, folder: Path) -> tuple[Self, dict[str, Any], dict[str, dict[str, Tensor]]]:
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=cls.config_class)
        config = with_kept_files(config, folder)
        system = cls(config)
        system._labels = labels_of(extra, where=folder / "config.json")
        system._members = restore_members(config.members, tables, folder=folder, classes=len(system._labels))
        fusion = Equal() if extra.get("fused") == Equal.__name__ else config.fusion
        system._fusion = restore_fusion(fusion, tables, where=str(folder))
        return system, extra, tables

    def _fitted_fusion(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> FittedFusion:
        fusion = self.config.fusion
        if not fusion.learns:
            return FittedFusion(fusion)
        known = dataset.subset("validation").annotations
        videos = [annotation.video for annotation in known if annotation.labels]
        there = self._trained().ready(videos, store=store, progress=run.progress) if videos else []
        if not there:
            log.warning("%s has no validation videos to learn a fusion from: the members weigh equally", dataset.name)
            return FittedFusion(Equal())
        scores = self._trained().scores(there, store=store)
        return fit_fusion(fusion, scores, class_members(dataset, there), seed=run.seed)

    def _trained(self) -> Members:
        if self._members is None:
            raise NotTrained(f"system {self.number:02d} (an ensemble) must be fitted or loaded first")
        return self._members
