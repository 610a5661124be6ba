"""11: a multi-task LSTM with SVMs on global features (untrimmed classification, temporal localization; no rank).

Source: report 11 of the ActivityNet Challenge 2017 (`papers/11-multitask-lstm.txt`).

Recipe:
    C3D fc7, PCA to 500 -> LSTM -> a step: 201 probabilities -> detection loss + actionness loss
                                -> a span of steps, concatenated -> FC -> its label -> classification loss
    GoogLeNet pool5, mean; MBH Fisher vector -> a linear SVM each, softmax
    the mean of the LSTM's and both SVMs' probabilities -> class scores
    steps in action -> regions; the video's class on its regions -> detections

Published: ActivityNet 1.3 validation, average mAP / hit@1: frame net SVM - / 63, MBH SVM - / 59, both SVMs - / 64;
Lact + SVMs 0.12 / 64; Lact + Ldet + Lcls 0.14 / 63; all and SVMs 0.15 / 67.

Finding: the joint loss and the fusion with the SVMs each help.

Choices:
    - The features are the organisers'; see `features.organisers` for how they are measured here, or name their HDF5
      files.
    - The net's readings of the paper are in `nets.multitask_lstm`, field by field; its training is not described:
      Adam, 1e-3, 20 passes with 64 sequences a step.
    - How a region follows from the steps is not said: stretches of steps whose probability of action is above one
      half. A region's score is its mean actionness times the score of the class.
    - The LSTM's share of the class scores: the mean over spans of each class, background left out. Where the
      classification loss is off, the steps take the spans' place, and with the actionness loss alone the LSTM says
      nothing of classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float

from untrimmed.classify.linear import LinearConfig
from untrimmed.features import organisers
from untrimmed.features.annotated import AnnotatedRows
from untrimmed.features.feature import Feature
from untrimmed.features.sequences import Sequences, SequenceSource, fit_sequences, measured, ready
from untrimmed.features.store import FeatureStore
from untrimmed.features.vector_classifiers import (
    VectorClassifier,
    VectorClassifiers,
    fit_vector_classifiers,
    restore_vector_classifiers,
)
from untrimmed.features.vectors import VideoVector
from untrimmed.fuse.weights import weighted_mean
from untrimmed.localize.stamp import stamp
from untrimmed.nets.backbone import fill
from untrimmed.nets.label_sequences import LabelSequences
from untrimmed.nets.multitask_lstm import Curves, MultitaskConfig, MultitaskLoss, MultitaskNet, class_shares, curves
from untrimmed.propose.runs import regions
from untrimmed.records import ClassScores, DataError, Dataset, NotTrained, Prediction, Proposal, Task, Video
from untrimmed.systems.saving import labels_of, load_system, save_system
from untrimmed.systems.system import System
from untrimmed.train import Run, Schedule, fit


@dataclass(frozen=True, kw_only=True)
class MultitaskLstmConfig:
    """Configuration of system 11."""

    steps: SequenceSource = organisers.C3D
    """What the LSTM sees; section 2.2."""
    net: MultitaskConfig = MultitaskConfig()  # noqa: RUF009
    """The LSTM and its two heads; section 2.2."""
    loss: MultitaskLoss = MultitaskLoss()  # noqa: RUF009
    """The three losses and their weights; sections 2.2.1 and 2.2.2."""
    schedule: Schedule = Schedule(epochs=20, batch_size=64, optimizer="adam", learning_rate=1e-3)  # noqa: RUF009
    """The paper does not say."""
    frames: VideoVector = VideoVector(source=organisers.SHUFFLE)  # noqa: RUF009
    """ImageNetShuffle, mean-pooled; section 2.1."""
    mbh: VideoVector = VideoVector(source=organisers.MBH)  # noqa: RUF009
    """Motion boundary histograms; section 2.1."""
    svm: LinearConfig = LinearConfig(kind="svm", cost=100.0)  # noqa: RUF009
    """One-versus-rest linear SVMs, softmaxed; section 2.1. C is not said: that of report 17."""
    svm_votes: bool = True
    """Whether the SVMs' probabilities count in the class scores; False is the third row of table 1."""
    region_actionness: float = 0.5
    """A step with more is in action; the paper does not say."""
    region_gap_steps: int = 1
    """Regions closer than this are joined; 1 joins nothing. The paper does not say."""
    stamped_classes: int = 1
    """Classes a video: "the resulting classification label is assigned to the action region"; abstract."""

    @property
    def classifiers(self) -> dict[str, VectorClassifier]:
        """The SVMs by name."""
        vectors = {"frames": self.frames, "mbh": self.mbh}
        return {name: VectorClassifier(vector=vector, linear=self.svm) for name, vector in vectors.items()}

    @property
    def lstm_votes(self) -> bool:
        """Whether the LSTM has learnt classes."""
        return self.loss.classification or self.loss.detection

    def __post_init__(self) -> None:
        if not (self.svm_votes or self.lstm_votes):
            raise DataError("system 11 needs class scores: of the SVMs, or of detection or classification losses")
        if not 0 <= self.region_actionness < 1:
            raise DataError(f"region_actionness must be in [0, 1), got {self.region_actionness}")


class MultitaskLstm(System[MultitaskLstmConfig]):
    """System 11."""

    number: ClassVar[int] = 11
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CLASSIFICATION, Task.LOCALIZATION})

    _labels: tuple[str, ...]
    _svms: VectorClassifiers
    _steps: Sequences
    _net: MultitaskNet | None = None

    def features(self) -> tuple[Feature, ...]:
        """Those of the three features that are measured; a file of the organisers' is none."""
        self._trained()
        return measured([self._steps, *self._svms.sources.values()])

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train the SVMs on the videos' classes, then the LSTM on the annotated segments."""
        if dataset.trimmed or not any(a.instances for a in dataset.subset("training").annotations):
            raise DataError(
                f"system 11 learns from segments of untrimmed videos, but training videos of {dataset.name} have none"
            )
        svms = fit_vector_classifiers(self.config.classifiers, dataset, store=store, run=run)
        steps = fit_sequences(self.config.steps, dataset, store=store, run=run)
        rows = AnnotatedRows(steps, dataset, store=store, progress=run.progress)
        items = LabelSequences(rows, rows.instances, dataset.labels, steps=self.config.net.sequence_steps)
        torch.manual_seed(run.seed)
        net = self.config.net.build(dims=rows.dims, classes=len(dataset.labels))
        fit(net, items, self.config.loss, schedule=self.config.schedule, run=run, name=f"lstm-{_losses(self.config)}")
        self._labels, self._svms, self._steps, self._net = dataset.labels, svms, steps, net

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Class scores that sum to 1, and the best class on the regions."""
        net = self._trained()
        for video in ready([self._steps, *self._svms.sources.values()], videos, store=store):
            found = self._steps(video, store=store)
            said = curves(net, found.values)
            classes = ClassScores(dict(zip(self._labels, self._classes(video, said, store).tolist(), strict=True)))
            segments, scores = regions(
                said.actionness > self.config.region_actionness,
                said.actionness,
                found.grid,
                video.duration,
                distance_steps=self.config.region_gap_steps,
            )
            pairs = zip(segments.tolist(), scores.tolist(), strict=True)
            proposals = [Proposal((start, end), score) for (start, end), score in pairs]
            detections = stamp(proposals, classes, class_count=self.config.stamped_classes)
            yield Prediction(video=video, classes=classes, detections=detections)

    def svm_scores(self, videos: Sequence[Video], *, store: FeatureStore) -> dict[str, np.ndarray]:
        """What each SVM says of videos whose features are in the store: (videos, classes) by name."""
        self._trained()
        return dict(zip(self.config.classifiers, self._svms.scores(videos, store=store), strict=True))

    def save(self, folder: Path) -> None:
        """Configuration, labels, the LSTM, and what the features and SVMs have learnt."""
        net = self._trained()
        save_system(
            folder,
            system=type(self).__name__,
            config=self.config,
            modules={"lstm": net},
            tensors={**self._svms.tables(), **self._steps.tables("steps")},
            extra={"labels": list(self._labels)},
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote."""
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=MultitaskLstmConfig)
        system = cls(config)
        system._labels = labels_of(extra, where=folder / "config.json")
        classes = len(system._labels)
        system._svms = restore_vector_classifiers(config.classifiers, tables, folder=folder, classes=classes)
        system._steps = Sequences.restore(config.steps, "steps", tables, folder=folder)
        lstm = tables.get("lstm", {})
        if "lstm.weight_ih_l0" not in lstm:
            raise DataError(f"{folder} must hold the weights lstm.safetensors of a {cls.__name__}")
        net = config.net.build(dims=lstm["lstm.weight_ih_l0"].shape[1], classes=classes)
        fill(net, lstm, where=folder / "lstm.safetensors")
        system._net = net.eval()
        return system

    def _classes(self, video: Video, said: Curves, store: FeatureStore) -> Float[np.ndarray, " classes"]:
        voters = []
        if self.config.lstm_votes:
            voters.append(class_shares(said.spans if self.config.loss.classification else said.steps))
        if self.config.svm_votes:
            voters += list(self._svms.scores([video], store=store)[:, 0])
        return weighted_mean(np.stack(voters))

    def _trained(self) -> MultitaskNet:
        if self._net is None:
            raise NotTrained("system 11 (multi-task LSTM) must be fitted or loaded first")
        return self._net


def _losses(config: MultitaskLstmConfig) -> str:
    """Which losses count, as a word; trainings of one run differ in it."""
    names = ("detection", "actionness", "classification")
    return "-".join(name for name in names if getattr(config.loss, name))


LAPTOP = MultitaskLstmConfig(
    steps=organisers.SMALL_C3D,
    net=MultitaskConfig(cells=96, sequence_steps=16, span_steps=16),
    schedule=Schedule(
        steps=600, batch_size=32, optimizer="adamw", learning_rate=3e-3, weight_decay=0.01, decay="cosine"
    ),
    frames=VideoVector(source=organisers.SMALL_SHUFFLE),
    mbh=VideoVector(source=organisers.SMALL_MBH),
)
"""The variant for two cores: the organisers' features in their small sizes, an LSTM of 96 cells on stretches of five
seconds, a step each third of a second."""
