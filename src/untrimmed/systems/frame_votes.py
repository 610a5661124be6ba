"""10: a fully connected net on C3D, votes over time and merged runs (T1, T3 and T4; no rank).

Source: report 10 of the ActivityNet Challenge 2017 (`papers/10-c3d-frame-votes.txt`).

Recipe:
    C3D fc7, PCA to 500, a row every 8 frames -> FC 1024, 1024, 200 -> probabilities of each step
        -> summed over the video -> the best 3 classes                                  (T1)
        -> the class that wins each step -> runs of the best 12 classes, joined         (T3)
        -> the same of the best class                                                   (T4)
    GoogLeNet pool5, mean; MBH Fisher vector -> a random forest a class -> class scores (T1, the other submission)

Published: test: T1 top-1 error 0.368, T3 area under AR-AN 39.85, T4 average mAP 0.132; forests on the frame net 0.456
top-1 error, on MBH worse. Validation accuracy of single positions 47.39 %.

Finding: frame-level features beat global ones here.

Choices:
    - The features are the organisers'; see `features.organisers` for how they are measured here, or name their HDF5
      files.
    - The report writes its samples into LMDB, in batches that can be resumed. Here features lie in the store, which
      survives kills, and positions are drawn from it.
    - The jitter of ends is drawn from a seed and the video's id, so that a prediction repeats itself.
    - A forest's scores are the shares of trees' votes; the report does not say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, Self
from zlib import crc32

import numpy as np
import torch
from jaxtyping import Float

from untrimmed.classify.forest import ForestConfig, Forests, fit_forests
from untrimmed.classify.perceptron import (
    Perceptron,
    PerceptronConfig,
    PositionItems,
    perceptron_loss,
    perceptron_scores,
)
from untrimmed.features import organisers
from untrimmed.features.annotated import AnnotatedRows
from untrimmed.features.feature import Feature
from untrimmed.features.sequences import Sequences, SequenceSource, fit_sequences, measured, ready
from untrimmed.features.store import FeatureStore
from untrimmed.features.vectors import VideoVector, class_members
from untrimmed.fuse.votes import summed
from untrimmed.nets.backbone import fill
from untrimmed.propose.runs import LOCALIZATION, PROPOSALS, RunProposals, RunRule, run_proposals
from untrimmed.records import ClassScores, DataError, Dataset, Detection, NotTrained, Prediction, Proposal, Task, Video
from untrimmed.systems.saving import labels_of, load_system, save_system
from untrimmed.systems.system import System
from untrimmed.timeline import TimeGrid
from untrimmed.train import Run, Schedule, fit

GlobalFeature = Literal["frames", "mbh"]


@dataclass(frozen=True, kw_only=True)
class FrameVotesConfig:
    """Configuration of system 10."""

    steps: SequenceSource = organisers.C3D
    """What the net sees of each position; section 2.1."""
    net: PerceptronConfig = PerceptronConfig()  # noqa: RUF009
    """The fully connected net; table 1."""
    positions: int = 4000
    """Random positions a class; section 2.1, step 1."""
    schedule: Schedule = Schedule(  # noqa: RUF009
        steps=400_000, batch_size=64, learning_rate=0.01, milestones=(100_000, 200_000, 300_000)
    )
    """SGD with momentum 0.9, 400k iterations, a tenth every 100k; section 2.1, step 5, and figure 1 (batch size)."""
    answers: int = 3
    """Classes of a video; section 2.2, step 2."""
    proposals: RunRule = PROPOSALS
    """How runs become proposals; section 2.2."""
    localization: RunRule = LOCALIZATION
    """How runs become detections; section 2.2."""
    jitter_seed: int | None = 0
    """Of the Gaussian added to both ends; None leaves the ends on the steps."""
    frames: VideoVector = VideoVector(source=organisers.SHUFFLE)  # noqa: RUF009
    """The global feature of the forests that were submitted; section 3."""
    mbh: VideoVector = VideoVector(source=organisers.MBH)  # noqa: RUF009
    """The global feature on which forests were worse; section 3."""
    forest: ForestConfig = ForestConfig()  # noqa: RUF009
    """200 trees a class, as many negatives as positives; section 3."""
    forests: tuple[GlobalFeature, ...] = ("frames", "mbh")
    """Features on which forests are grown; empty leaves them out."""
    answer: Literal["votes", "frames", "mbh"] = "votes"
    """Whose class scores are the answer to T1: the net's votes, or one of the forests'."""

    def __post_init__(self) -> None:
        if self.answer != "votes" and self.answer not in self.forests:
            raise DataError(f"the answer of system 10 must be votes or one of its forests, got {self.answer}")

    def vector(self, name: GlobalFeature) -> VideoVector:
        """A global feature by name."""
        return self.frames if name == "frames" else self.mbh


class FrameVotes(System[FrameVotesConfig]):
    """System 10."""

    number: ClassVar[int] = 10
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CLASSIFICATION, Task.PROPOSALS, Task.LOCALIZATION})

    _labels: tuple[str, ...]
    _steps: Sequences
    _globals: dict[GlobalFeature, Sequences]
    _forests: dict[GlobalFeature, Forests]
    _net: Perceptron | None = None

    def features(self) -> tuple[Feature, ...]:
        """C3D, and the global feature whose forests answer; a file of the organisers' is none."""
        return measured(self._sources())

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train the net on positions in annotated actions, then grow the forests on whole videos."""
        videos = [a.video for a in dataset.subset("training").annotations if a.instances]
        if dataset.trimmed or not videos:
            raise DataError(
                f"system 10 learns from segments of untrimmed videos, but training videos of {dataset.name} have none"
            )
        steps = fit_sequences(self.config.steps, dataset, store=store, run=run)
        rows = AnnotatedRows(steps, dataset, store=store, progress=run.progress)
        most = self.config.positions
        items = PositionItems(rows, rows.instances, classes=dataset.labels, positions_a_class=most, seed=run.seed)
        torch.manual_seed(run.seed)
        net = self.config.net.build(rows.dims, len(dataset.labels))
        fit(net, items, perceptron_loss, schedule=self.config.schedule, run=run, name="perceptron")
        self._globals, self._forests = {}, {}
        for name in self.config.forests:
            vector = self.config.vector(name)
            found = fit_sequences(vector.source, dataset, store=store, run=run)
            whole = ready([found], videos, store=store, progress=run.progress)
            members = class_members(dataset, whole)
            config = replace(self.config.forest, seed=run.seed)
            self._forests[name] = fit_forests(vector.table(found, whole, store=store), members, config)
            self._globals[name] = found
        self._labels, self._steps, self._net = dataset.labels, steps, net

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """The best classes by the mean of their probabilities, and the runs of classes."""
        net = self._trained()
        for video in ready(self._sources(), videos, store=store):
            found = self._steps(video, store=store)
            said = perceptron_scores(net, found.values)
            scores = said.mean(axis=0)[None] if self.config.answer == "votes" else self.forest(video, store=store)
            best, sums = summed(scores, best=self.config.answers)
            proposals = self._runs(video, said, found.grid, self.config.proposals)
            actions = self._runs(video, said, found.grid, self.config.localization)
            names = [self._labels[category] for category in actions.category]
            yield Prediction(
                video=video,
                classes=ClassScores({self._labels[c]: float(s) for c, s in zip(best, sums, strict=True)}),
                proposals=tuple(Proposal(*one) for one in _pairs(proposals)),
                detections=tuple(Detection(*one, name) for one, name in zip(_pairs(actions), names, strict=True)),
            )

    def global_source(self, name: GlobalFeature) -> Sequences:
        """The rows of a global feature."""
        self._trained()
        return self._globals[name]

    def forest(
        self, video: Video, *, store: FeatureStore, name: GlobalFeature | None = None
    ) -> Float[np.ndarray, "1 classes"]:
        """What the forests on a global feature say of a video whose features are in the store."""
        self._trained()
        chosen = name or self.config.answer
        assert chosen != "votes"  # checked by the configuration
        vector = self.config.vector(chosen)
        return self._forests[chosen].scores(vector.table(self._globals[chosen], [video], store=store))

    def save(self, folder: Path) -> None:
        """Configuration, labels, the net, the forests, and what the features have learnt."""
        net = self._trained()
        tables = {**self._steps.tables("steps")}
        for name, forests in self._forests.items():
            tables |= self._globals[name].tables(f"global-{name}")
            tables[f"forests-{name}"] = {key: torch.from_numpy(array) for key, array in forests.to_arrays().items()}
        save_system(
            folder,
            system=type(self).__name__,
            config=self.config,
            modules={"net": net},
            tensors=tables,
            extra={"labels": list(self._labels)},
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote."""
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=FrameVotesConfig)
        system = cls(config)
        system._labels = labels_of(extra, where=folder / "config.json")
        system._steps = Sequences.restore(config.steps, "steps", tables, folder=folder)
        system._globals, system._forests = {}, {}
        for name in config.forests:
            source, where = config.vector(name).source, str(folder / f"forests-{name}.safetensors")
            arrays = {key: tensor.numpy() for key, tensor in tables.get(f"forests-{name}", {}).items()}
            system._globals[name] = Sequences.restore(source, f"global-{name}", tables, folder=folder)
            system._forests[name] = Forests.from_arrays(arrays, where=where)
        weights = tables.get("net", {})
        if "layers.0.weight" not in weights:
            raise DataError(f"{folder} must hold the weights net.safetensors of a {cls.__name__}")
        net = config.net.build(weights["layers.0.weight"].shape[1], len(system._labels))
        fill(net, weights, where=folder / "net.safetensors")
        system._net = net.eval()
        return system

    def _sources(self) -> list[Sequences]:
        self._trained()
        return [self._steps] if self.config.answer == "votes" else [self._steps, self._globals[self.config.answer]]

    def _runs(self, video: Video, said: np.ndarray, grid: TimeGrid, rule: RunRule) -> RunProposals:
        seed = self.config.jitter_seed
        rng = None if seed is None else np.random.default_rng([seed, crc32(video.video_id.encode())])
        return run_proposals(said, grid, video.duration, rule, rng=rng)

    def _trained(self) -> Perceptron:
        if self._net is None:
            raise NotTrained("system 10 (votes of a net on C3D) must be fitted or loaded first")
        return self._net


def _pairs(found: RunProposals) -> list[tuple[tuple[float, float], float]]:
    pairs = zip(found.segments.tolist(), found.scores.tolist(), strict=True)
    return [((start, end), score) for (start, end), score in pairs]


LAPTOP = FrameVotesConfig(
    steps=organisers.SMALL_C3D,
    net=PerceptronConfig(hidden=(128, 128)),
    positions=1000,
    schedule=Schedule(steps=1500, batch_size=64, learning_rate=0.01, milestones=(750, 1200)),
    proposals=replace(PROPOSALS, categories=4, distance_steps=9),
    localization=replace(LOCALIZATION, distance_steps=9),
    frames=VideoVector(source=organisers.SMALL_SHUFFLE),
    mbh=VideoVector(source=organisers.SMALL_MBH),
    forest=ForestConfig(trees=50),
)
"""The variant for two cores: the organisers' features in their small sizes, a narrower net. Videos are 20 to 60 s here
and a step a third of a second, so runs are joined within three seconds, of four classes of twenty."""
