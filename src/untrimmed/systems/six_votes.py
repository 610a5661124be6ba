"""04: six classifiers, a majority vote (untrimmed classification; no rank).

Source: report 04 of the ActivityNet Challenge 2017 (`papers/04-six-classifier-vote.txt`).

Recipe:
    improved trajectories -> Fisher vector, PCA       \\
    C3D clips -> the average over the video            -> a linear SVM each, a softmax classifier each -> majority
    GoogLeNet pool5 on 2 frames a second -> the mean  /

Published: no figure in the report.

Finding: none is claimed; what six voters gain over the best of them is what there is to measure.

Choices:
    - The features are the organisers'; see `features.organisers` for how they are measured here, or name their HDF5
      files. Which descriptor of the trajectories is not said; MBH is what the organisers gave. Nor is it said how far
      its PCA goes: 98 % of the variance, as report 01.
    - C of the classifiers and the scale of rows are not said: C 100, that of report 17, the only one that prints it,
      and rows of length 1.
    - Ties of a majority are not said; `fuse.votes.frequent` breaks them by the voters' mean share of the scores and
      ranks all classes by it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from untrimmed.classify.linear import LinearConfig
from untrimmed.features import organisers
from untrimmed.features.feature import Feature
from untrimmed.features.store import FeatureStore
from untrimmed.features.vector_classifiers import (
    VectorClassifier,
    VectorClassifiers,
    fit_vector_classifiers,
    restore_vector_classifiers,
)
from untrimmed.features.vectors import VideoVector
from untrimmed.fuse.votes import majority
from untrimmed.records import ClassScores, Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems.saving import labels_of, load_system, save_system
from untrimmed.systems.system import System
from untrimmed.train import Run


@dataclass(frozen=True, kw_only=True)
class SixVotesConfig:
    """Configuration of system 04."""

    mbh: VideoVector = VideoVector(source=organisers.MBH)  # noqa: RUF009
    """Improved trajectories: "we use PCA to decrease the dimension"."""
    c3d: VideoVector = VideoVector(source=organisers.C3D)  # noqa: RUF009
    """The average of the C3D features of a video's clips."""
    frames: VideoVector = VideoVector(source=organisers.SHUFFLE)  # noqa: RUF009
    """The mean of the frame net's features."""
    svm: LinearConfig = LinearConfig(kind="svm", cost=100.0)  # noqa: RUF009
    """The linear SVMs."""
    softmax: LinearConfig = LinearConfig(kind="softmax", cost=100.0)  # noqa: RUF009
    """The softmax classifiers."""

    @property
    def classifiers(self) -> dict[str, VectorClassifier]:
        """The six voters by name: a feature, and what is trained on it."""
        vectors = {"mbh": self.mbh, "c3d": self.c3d, "frames": self.frames}
        kinds = {"svm": self.svm, "softmax": self.softmax}
        return {
            f"{feature}-{kind}": VectorClassifier(vector=vector, linear=linear)
            for feature, vector in vectors.items()
            for kind, linear in kinds.items()
        }


class SixVotes(System[SixVotesConfig]):
    """System 04."""

    number: ClassVar[int] = 4
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CLASSIFICATION})

    _labels: tuple[str, ...]
    _voters: VectorClassifiers | None = None

    def features(self) -> tuple[Feature, ...]:
        """Those of the three features that are measured; a file of the organisers' is none."""
        return self._trained().features

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train two classifiers on each feature of the training videos."""
        self._voters = fit_vector_classifiers(self.config.classifiers, dataset, store=store, run=run)
        self._labels = dataset.labels

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Class scores in [0, 1] that rank every class; by the number of votes."""
        voters = self._trained()
        for video in voters.ready(videos, store=store):
            scores = majority(voters.scores([video], store=store))[0]
            yield Prediction(video=video, classes=ClassScores(dict(zip(self._labels, scores.tolist(), strict=True))))

    def voters(self, videos: Sequence[Video], *, store: FeatureStore) -> dict[str, np.ndarray]:
        """What each voter says of videos whose features are in the store: (videos, classes) by name."""
        return dict(zip(self.config.classifiers, self._trained().scores(videos, store=store), strict=True))

    def save(self, folder: Path) -> None:
        """Configuration, labels, and what every voter has learnt."""
        tables = self._trained().tables()
        extra = {"labels": list(self._labels)}
        save_system(folder, system=type(self).__name__, config=self.config, tensors=tables, extra=extra)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote."""
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=SixVotesConfig)
        system = cls(config)
        system._labels = labels_of(extra, where=folder / "config.json")
        system._voters = restore_vector_classifiers(
            config.classifiers, tables, folder=folder, classes=len(system._labels)
        )
        return system

    def _trained(self) -> VectorClassifiers:
        if self._voters is None:
            raise NotTrained("system 04 (six votes) must be fitted or loaded first")
        return self._voters


LAPTOP = SixVotesConfig(
    mbh=VideoVector(source=organisers.SMALL_MBH),
    c3d=VideoVector(source=organisers.SMALL_C3D),
    frames=VideoVector(source=organisers.SMALL_SHUFFLE),
)
"""The variant for two cores: the organisers' features in their small sizes, whose nets learn the classes first."""
