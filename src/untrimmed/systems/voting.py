"""What the systems share that let linear classifiers on video vectors vote: all but the voters and the vote."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
from jaxtyping import Float

from untrimmed.features.feature import Feature
from untrimmed.features.store import FeatureStore
from untrimmed.features.vector_classifiers import (
    VectorClassifier,
    VectorClassifiers,
    fit_vector_classifiers,
    restore_vector_classifiers,
)
from untrimmed.records import ClassScores, Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems.saving import labels_of, load_system, save_system
from untrimmed.systems.system import System
from untrimmed.train import Run


class Voters(Protocol):
    """A configuration that names its voters."""

    @property
    def classifiers(self) -> Mapping[str, VectorClassifier]:
        """The voters by name."""
        ...


C = TypeVar("C", bound=Voters)


class VotingSystem(System[C]):
    """A system of untrimmed classification whose classifiers vote.

    Attributes:
        config_class: of its configuration.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CLASSIFICATION})
    config_class: ClassVar[type[Any]]

    _labels: tuple[str, ...]
    _voters: VectorClassifiers | None = None

    @abstractmethod
    def vote(self, scores: Float[np.ndarray, "voters videos classes"]) -> Float[np.ndarray, "videos classes"]:
        """From the voters' confidences, each row of sum 1, to scores in [0, 1] that rank every class."""

    def features(self) -> tuple[Feature, ...]:
        """Those that are measured; a file of the organisers' is none."""
        return self._trained().features

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train every voter on the labelled training videos."""
        self._voters = fit_vector_classifiers(self.config.classifiers, dataset, store=store, run=run)
        self._labels = dataset.labels

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Class scores in [0, 1] that rank every class by the vote."""
        voters = self._trained()
        for video in voters.ready(videos, store=store):
            scores = self.vote(voters.scores([video], store=store))[0]
            yield Prediction(video=video, classes=ClassScores(dict(zip(self._labels, scores.tolist(), strict=True))))

    def voters(self, videos: Sequence[Video], *, store: FeatureStore) -> dict[str, Float[np.ndarray, "videos classes"]]:
        """What each voter says of videos whose features are in the store, by name."""
        return dict(zip(self.config.classifiers, self._trained().scores(videos, store=store), strict=True))

    def save(self, folder: Path) -> None:
        """Configuration, labels, and what every voter has learnt."""
        tables = self._trained().tables()
        extra = {"labels": list(self._labels)}
        save_system(folder, system=type(self).__name__, config=self.config, tensors=tables, extra=extra)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote."""
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=cls.config_class)
        system = cls(config)
        system._labels = labels_of(extra, where=folder / "config.json")
        system._voters = restore_vector_classifiers(
            config.classifiers, tables, folder=folder, classes=len(system._labels)
        )
        return system

    def _trained(self) -> VectorClassifiers:
        if self._voters is None:
            raise NotTrained(f"system {self.number:02d} (a vote of classifiers) must be fitted or loaded first")
        return self._voters
