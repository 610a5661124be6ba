"""02: CNN and C3D, average or LSTM, mixture of experts, windows of three sizes (untrimmed classification; no rank).

Source: report 02 of the ActivityNet Challenge 2017 (`papers/02-mixture-of-experts-windows.txt`).

Recipe:
    Inception-v1 pool5, 1,024           \\    / average                        \\
                                         -> x                                   -> mixture of 4 experts: 4 models
    C3D fc7 of 16 frames at 8 a second, / \\ 2-layer LSTM of 1,024, its memory /
      PCA to 500
    a video cut into windows of 32, 96 and 192 steps -> the best 20 classes of each, by each model
    -> the five classes named most often

Published: no figure in the report.

Finding: none is claimed; what windows and four models gain over one is what there is to measure.

Choices:
    - The nets are given: the organisers' kind, see `features.organisers`, C3D at 8 frames a second in sets that do not
      overlap. The rate of the frame net is not said; two a second, as ImageNetShuffle.
    - "Cross entropy between the predictions and labels" is that of YouTube-8M's mixture, each class by itself, see
      `classify.mixture`. Each of the four models is trained by itself on the annotated segments; LSTM and mixture are
      one net.
    - Windows have no unit in the report. They are steps of each model's own features, as the LSTM counts; the last one
      is moved back to end with the video, and a shorter video is one window.
    - "The top-5 frequent classes among all": windows of all sizes and models vote alike; ties go to the summed scores.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from jaxtyping import Float

from untrimmed.classify.mixture import MixtureConfig
from untrimmed.features import organisers
from untrimmed.features.annotated import AnnotatedRows
from untrimmed.features.feature import Feature
from untrimmed.features.images import RgbImages
from untrimmed.features.sequences import Sequences, SequenceSource, fit_sequences, measured, ready
from untrimmed.features.store import FeatureStore
from untrimmed.fuse.votes import frequent, summed
from untrimmed.nets.backbone import fill
from untrimmed.nets.recurrent import RecurrentConfig
from untrimmed.nets.window_experts import StretchItems, WindowExperts, stretches, window_loss, window_scores
from untrimmed.records import ClassScores, DataError, Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems.saving import labels_of, load_system, save_system
from untrimmed.systems.system import System
from untrimmed.timeline import windows
from untrimmed.train import Run, Schedule, fit

SourceName = Literal["frames", "c3d"]
ModelName = Literal["frames-average", "frames-lstm", "c3d-average", "c3d-lstm"]
ALL_MODELS: tuple[ModelName, ...] = ("frames-average", "frames-lstm", "c3d-average", "c3d-lstm")


@dataclass(frozen=True, kw_only=True)
class ExpertWindowsConfig:
    """Configuration of system 02."""

    frames: SequenceSource = organisers.SHUFFLE
    """Inception-v1 that has learnt ImageNet-21k, pool5; section 1."""
    c3d: SequenceSource = organisers.c3d(RgbImages(per_second=8), stride=16)  # noqa: RUF009
    """C3D at 8 frames a second, "16 frames per set"; section 1."""
    recurrent: RecurrentConfig = RecurrentConfig()  # noqa: RUF009
    """The supervised aggregation; section 1."""
    experts: MixtureConfig = MixtureConfig()  # noqa: RUF009
    """The classifier of all four models; section 1."""
    schedule: Schedule = Schedule(steps=1000, batch_size=128, optimizer="adam", learning_rate=1e-3)  # noqa: RUF009
    """Adam, 1e-3, batches of 128, 1,000 iterations; section 2."""
    models: tuple[ModelName, ...] = ALL_MODELS
    """Those that are trained and vote; section 1."""
    windows_steps: tuple[int, ...] = (32, 96, 192)
    """Sizes of windows, which do not overlap; section 3, without a unit."""
    top: int = 20
    """Classes that each window names; section 3."""
    answers: int = 5
    """Classes of a video; section 3."""

    def __post_init__(self) -> None:
        if not self.models or not self.windows_steps or min(self.windows_steps) < 1:
            raise DataError(f"system 02 needs models and windows, got {self.models} and {self.windows_steps}")

    def sources(self) -> dict[SourceName, SequenceSource]:
        """The features of the models, by name."""
        found: dict[SourceName, SequenceSource] = {"frames": self.frames, "c3d": self.c3d}
        return {name: found[name] for name in dict.fromkeys(source_of(model) for model in self.models)}

    def build(self, model: ModelName, *, dims: int, classes: int) -> WindowExperts:
        """One of the four models."""
        recurrent = self.recurrent if model.endswith("lstm") else None
        return WindowExperts(dims, classes, recurrent=recurrent, experts=self.experts)


class ExpertWindows(System[ExpertWindowsConfig]):
    """System 02."""

    number: ClassVar[int] = 2
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CLASSIFICATION})

    def __init__(self, config: ExpertWindowsConfig) -> None:
        super().__init__(config)
        self._labels: tuple[str, ...] = ()
        self._sources: dict[SourceName, Sequences] = {}
        self._models: dict[ModelName, WindowExperts] = {}

    def features(self) -> tuple[Feature, ...]:
        """Those that are measured; a file of the organisers' is none."""
        self._check()
        return measured(self._sources.values())

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train each model by itself on the annotated segments."""
        if not any(a.instances for a in dataset.subset("training").annotations):
            raise DataError(
                f"system 02 learns from annotated segments, but training videos of {dataset.name} have none"
            )
        sources: dict[SourceName, Sequences] = {}
        models: dict[ModelName, WindowExperts] = {}
        for name, source in self.config.sources().items():
            found = sources[name] = fit_sequences(source, dataset, store=store, run=run)
            rows = AnnotatedRows(found, dataset, store=store, progress=run.progress)
            parts, most = stretches(rows.instances, dataset.labels), max(self.config.windows_steps)
            items = StretchItems(rows, parts, classes=len(dataset.labels), most_steps=most)
            for model in (model for model in self.config.models if source_of(model) == name):
                torch.manual_seed(run.seed)
                net = self.config.build(model, dims=rows.dims, classes=len(dataset.labels))
                fit(net, items, window_loss, schedule=self.config.schedule, run=run, name=model)
                models[model] = net
        self._labels, self._sources, self._models = dataset.labels, sources, models

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """The five classes that the windows of all models name most often, with their votes."""
        self._check()
        for video in ready(list(self._sources.values()), videos, store=store):
            said = self.windows(video, store=store)
            yield Prediction(video=video, classes=self.vote(list(said.values())))

    def vote(self, windows: Sequence[Float[np.ndarray, "_ classes"]]) -> ClassScores:
        """The classes that windows of one video, of any models, name most often."""
        ranked = frequent(np.concatenate(windows)[:, None], top=self.config.top)
        best, scores = summed(ranked, best=self.config.answers)
        return ClassScores({self._labels[index]: float(score) for index, score in zip(best, scores, strict=True)})

    def windows(self, video: Video, *, store: FeatureStore) -> dict[ModelName, Float[np.ndarray, "windows classes"]]:
        """What each model says of the windows of a video whose features are in the store."""
        self._check()
        said: dict[ModelName, np.ndarray] = {}
        for model, net in self._models.items():
            rows = self._sources[source_of(model)](video, store=store).values
            cut = [windows(len(rows), size=size, stride=size) for size in self.config.windows_steps]
            said[model] = window_scores(net, rows, np.concatenate(cut))
        return said

    def save(self, folder: Path) -> None:
        """Configuration, labels, the models, and what the features have learnt."""
        self._check()
        tables = {key: table for name, found in self._sources.items() for key, table in found.tables(name).items()}
        save_system(
            folder,
            system=type(self).__name__,
            config=self.config,
            modules=dict(self._models.items()),
            tensors=tables,
            extra={"labels": list(self._labels)},
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote."""
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=ExpertWindowsConfig)
        system = cls(config)
        system._labels = labels_of(extra, where=folder / "config.json")
        for name, source in config.sources().items():
            system._sources[name] = Sequences.restore(source, name, tables, folder=folder)
        for model in config.models:
            weights = tables.get(model, {})
            first = weights.get("recurrent.lstm.weight_ih_l0" if model.endswith("lstm") else "experts.gates.weight")
            if first is None:
                raise DataError(f"{folder} must hold the weights {model}.safetensors of a {cls.__name__}")
            net = config.build(model, dims=first.shape[1], classes=len(system._labels))
            fill(net, weights, where=folder / f"{model}.safetensors")
            system._models[model] = net.eval()
        return system

    def _check(self) -> None:
        if not self._models:
            raise NotTrained("system 02 (windows and experts) must be fitted or loaded first")


def source_of(model: ModelName) -> SourceName:
    """Which features a model looks at."""
    return "c3d" if model.startswith("c3d") else "frames"


LAPTOP = ExpertWindowsConfig(
    frames=organisers.SMALL_SHUFFLE,
    c3d=organisers.SMALL_C3D,
    recurrent=RecurrentConfig(cells=64),
    schedule=Schedule(steps=400, batch_size=64, optimizer="adam", learning_rate=3e-3),
    windows_steps=(8, 24, 48),
    top=2,
)
"""The variant for two cores: the organisers' features in their small sizes, an LSTM of 64 cells, shorter windows for
videos of a minute, of which each names two classes of twenty, a tenth, as 20 of 200."""
