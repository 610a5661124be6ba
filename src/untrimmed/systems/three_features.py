"""01: three features, one-vs-rest SVMs, two ways of voting (untrimmed classification; no rank).

Source: report 01 of the ActivityNet Challenge 2017 (`papers/01-three-features-svm-voting.txt`).

Recipe:
    improved trajectories -> MBH -> Fisher vector, PCA keeping 98 %              \\
    C3D fc7, PCA to 500 -> 3 sections, the mean of each, side by side: 1,500      -> a linear SVM each -> vote -> class
    GoogLeNet pool5 on 2 frames a second -> mean, L1 norm: 1,024                 /
    two or three agree: hard vote, 1 - prod (1 - c);  all differ: weighted vote, votes normalised

Published: ActivityNet 1.3 validation, top-1: MBH 53.47, C3D 62.83, frame net 67.54, the vote 74.30; test 74.49.

Finding: the vote is above each of its parts.

Choices:
    - The features are the organisers'; see `features.organisers` for how they are measured here, or name their HDF5
      files.
    - C of the SVMs and the scale of rows are not said: C 100, that of report 17, the only one that prints it, and rows
      of length 1 (which undoes the L1 norm's scale).
    - "The confidence for each action is learnt by one-vs-rest linear SVM" is read as the SVM's probability, a sigmoid
      calibrated on held-out videos, "normalised for all actions" by the sum. A softmax of margins is the other
      reading, `confidence`; it hardly tells classes apart where margins lie between -1 and 1.
    - Weights of the weighted vote are the SVMs' own outputs for each action, see `fuse.votes.agreement`.
    - Scores of the classes that do not win are not said; those of `fuse.votes.agreement` rank all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

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
from untrimmed.fuse.votes import agreement
from untrimmed.records import ClassScores, Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems.saving import labels_of, load_system, save_system
from untrimmed.systems.system import System
from untrimmed.train import Run


@dataclass(frozen=True, kw_only=True)
class ThreeFeaturesConfig:
    """Configuration of system 01."""

    mbh: VideoVector = VideoVector(source=organisers.MBH)  # noqa: RUF009
    """Motion boundaries along improved trajectories; section 2.1.1."""
    c3d: VideoVector = VideoVector(source=organisers.C3D, sections=3)  # noqa: RUF009
    """C3D in three sections; section 2.1.2."""
    frames: VideoVector = VideoVector(source=organisers.SHUFFLE, norm="l1")  # noqa: RUF009
    """ImageNetShuffle; section 2.1.3."""
    svm: LinearConfig = LinearConfig(kind="svm", cost=100.0)  # noqa: RUF009
    """One-vs-rest, on each feature; section 2.2."""
    confidence: Literal["platt", "softmax"] = "platt"
    """How margins become confidences that sum to 1; section 2.2, see Choices."""

    @property
    def classifiers(self) -> dict[str, VectorClassifier]:
        """The three voters by name."""
        vectors = {"mbh": self.mbh, "c3d": self.c3d, "frames": self.frames}
        return {
            name: VectorClassifier(vector=vector, linear=self.svm, confidence=self.confidence)
            for name, vector in vectors.items()
        }


class ThreeFeatures(System[ThreeFeaturesConfig]):
    """System 01."""

    number: ClassVar[int] = 1
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CLASSIFICATION})

    _labels: tuple[str, ...]
    _voters: VectorClassifiers | None = None

    def features(self) -> tuple[Feature, ...]:
        """Those of the three that are measured; a file of the organisers' is none."""
        return self._trained().features

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train an SVM on each feature of the training videos."""
        self._voters = fit_vector_classifiers(self.config.classifiers, dataset, store=store, run=run)
        self._labels = dataset.labels

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Class scores in [0, 1] that rank every class; the vote's confidence for the winner."""
        voters = self._trained()
        for video in voters.ready(videos, store=store):
            scores = agreement(voters.scores([video], store=store))[0]
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
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=ThreeFeaturesConfig)
        system = cls(config)
        system._labels = labels_of(extra, where=folder / "config.json")
        system._voters = restore_vector_classifiers(
            config.classifiers, tables, folder=folder, classes=len(system._labels)
        )
        return system

    def _trained(self) -> VectorClassifiers:
        if self._voters is None:
            raise NotTrained("system 01 (three features and votes) must be fitted or loaded first")
        return self._voters


LAPTOP = ThreeFeaturesConfig(
    mbh=VideoVector(source=organisers.SMALL_MBH),
    c3d=VideoVector(source=organisers.SMALL_C3D, sections=3),
    frames=VideoVector(source=organisers.SMALL_SHUFFLE, norm="l1"),
)
"""The variant for two cores: the organisers' features in their small sizes, whose nets learn the classes first."""
