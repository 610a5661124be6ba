"""Linear classifiers on video vectors: several features, one or more classifiers on each, a table of scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from untrimmed.classify.calibration import PlattScaling, fit_platt, shares, softmax_scores
from untrimmed.classify.linear import Linear, LinearConfig, fit_linear
from untrimmed.classify.svm import draw_folds
from untrimmed.features.feature import Feature
from untrimmed.features.quantized_rows import QuantizedRow
from untrimmed.features.quantized_vectors import Quantized, fit_quantized, quantized_tables, restore_quantized
from untrimmed.features.sequences import Sequences, SequenceSource, fit_sequences, measured, ready
from untrimmed.features.store import FeatureStore
from untrimmed.features.vectors import VideoVector, class_members
from untrimmed.records import DataError, Dataset, Video
from untrimmed.train import Run

Rows = tuple[SequenceSource, Quantized | None]
"""Where the rows that a vector is made of come from, and how they are quantized."""

FOLDS = 5
"""Parts of the training videos that are left out in turn where confidences are calibrated; the reports do not say."""


@dataclass(frozen=True, kw_only=True)
class VectorClassifier:
    """One linear classifier on one kind of vector."""

    vector: VideoVector
    """What it sees of a video."""
    linear: LinearConfig = LinearConfig()  # noqa: RUF009
    """What is trained."""
    confidence: Literal["softmax", "platt"] = "softmax"
    """How margins become confidences of sum 1: their softmax, or a sigmoid a class, calibrated on margins of videos
    that five folds in turn leave out, over the sum of all classes."""


@dataclass(frozen=True, eq=False)
class VectorClassifiers:
    """Trained classifiers by name; those on one source share it.

    Attributes:
        configs: what they are.
        sources: the rows that vectors are made of, by where they come from and how they are quantized.
        linear: the trained weights.
        platt: the sigmoids of those that are calibrated.
    """

    configs: Mapping[str, VectorClassifier]
    sources: Mapping[Rows, Sequences]
    linear: Mapping[str, Linear]
    platt: Mapping[str, PlattScaling]

    @property
    def features(self) -> tuple[Feature, ...]:
        """What is measured into the store for them."""
        return measured(self.sources.values())

    def ready(self, videos: Sequence[Video], *, store: FeatureStore) -> list[Video]:
        """Measure what the store lacks; the videos that can be scored."""
        return ready(list(self.sources.values()), videos, store=store)

    def scores(
        self, videos: Sequence[Video], *, store: FeatureStore
    ) -> Float[np.ndarray, "classifiers videos classes"]:
        """Confidences of every classifier, each row in [0, 1] and of sum 1, in the order of the configurations.

        Args:
            videos: whose rows are at hand, see ready.
            store: where they lie.
        """
        vectors = {one.vector: self._table(one.vector, videos, store) for one in self.configs.values()}
        margins = {name: self.linear[name].margins(vectors[one.vector]) for name, one in self.configs.items()}
        return np.stack(
            [
                shares(self.platt[name].scores(each)) if name in self.platt else softmax_scores(each)
                for name, each in margins.items()
            ]
        )

    def tables(self) -> dict[str, Mapping[str, Tensor]]:
        """What save_system keeps: each source once, and the weights of each classifier."""
        kept: dict[str, Mapping[str, Tensor]] = {}
        for number, source in enumerate(self.sources.values()):
            quantized = source.feature if isinstance(source.feature, QuantizedRow) else None
            name = f"source-{number}"
            kept |= source.tables(name) if quantized is None else quantized_tables(quantized, name)
        for name, linear in self.linear.items():
            kept[f"linear-{name}"] = {
                "weight": torch.from_numpy(linear.weight.astype(np.float32)),
                "bias": torch.from_numpy(linear.bias.astype(np.float32)),
            }
        for name, scaling in self.platt.items():
            kept[f"platt-{name}"] = {key: torch.from_numpy(getattr(scaling, key)) for key in ("slope", "offset")}
        return kept

    def _table(self, vector: VideoVector, videos: Sequence[Video], store: FeatureStore) -> np.ndarray:
        return vector.table(self.sources[_rows(vector)], videos, store=store)


def fit_vector_classifiers(
    configs: Mapping[str, VectorClassifier], dataset: Dataset, *, store: FeatureStore, run: Run
) -> VectorClassifiers:
    """Make every source ready, then train every classifier on the labelled training videos that all sources have.

    Args:
        configs: classifiers by name.
        dataset: whose training subset is learnt from; a video with several classes is a member of each (under a
            softmax, which wants one class, it counts once for each).
        store: of features.
        run: device, seed, folder.

    Raises:
        DataError: when no training video has a class and all features.
    """
    given = dict.fromkeys(one.vector.source for one in configs.values())
    bases = {source: fit_sequences(source, dataset, store=store, run=run) for source in given}
    sources = {
        (source, how): bases[source]
        if how is None
        else fit_quantized(how, bases[source], dataset, store=store, run=run)
        for source, how in _distinct(configs)
    }
    labelled = [annotation.video for annotation in dataset.subset("training").annotations if annotation.labels]
    videos = ready(list(sources.values()), labelled, store=store, progress=run.progress)
    if not videos:
        raise DataError(f"classifiers need training videos with classes and features, but {dataset.name} has none")
    members = class_members(dataset, videos)
    linear, platt, vectors = {}, {}, {}
    for name, one in configs.items():
        if one.vector not in vectors:
            vectors[one.vector] = one.vector.table(sources[_rows(one.vector)], videos, store=store)
        linear[name] = single(_fitted(vectors[one.vector], members, one.linear))
        if one.confidence == "platt":
            held_out = _held_out_margins(vectors[one.vector], members, one.linear, seed=run.seed)
            platt[name] = fit_platt(held_out, members)
    return VectorClassifiers(configs, sources, linear, platt)


def restore_vector_classifiers(
    configs: Mapping[str, VectorClassifier], tables: Mapping[str, Mapping[str, Tensor]], *, folder: Path, classes: int
) -> VectorClassifiers:
    """What VectorClassifiers.tables kept.

    Raises:
        DataError: when a table is missing or does not fit.
    """
    sources = {
        (source, how): Sequences.restore(source, f"source-{number}", tables, folder=folder)
        if how is None
        else restore_quantized(how, source, f"source-{number}", tables, folder=folder)
        for number, (source, how) in enumerate(_distinct(configs))
    }
    linear, platt = {}, {}
    for name, one in configs.items():
        table = tables.get(f"linear-{name}", {})
        weight, bias = table.get("weight"), table.get("bias")
        if weight is None or bias is None or weight.ndim != 2 or weight.shape[:1] != bias.shape != (classes,):
            raise DataError(f"{folder} must hold weights linear-{name}.safetensors of {classes} classes")
        linear[name] = Linear(weight.double().numpy(), bias.double().numpy(), one.linear)
        if one.confidence == "platt":
            table = tables.get(f"platt-{name}", {})
            if {key: tuple(values.shape) for key, values in table.items()} != {
                "slope": (classes,),
                "offset": (classes,),
            }:
                raise DataError(f"{folder} must hold the sigmoids platt-{name}.safetensors of {classes} classes")
            platt[name] = PlattScaling(table["slope"].numpy(), table["offset"].numpy())
    return VectorClassifiers(configs, sources, linear, platt)


def single(linear: Linear) -> Linear:
    """The same classifier in the numbers that are kept, so that what was saved says the same as what was trained."""
    weight, bias = (values.astype(np.float32).astype(np.float64) for values in (linear.weight, linear.bias))
    return Linear(weight, bias, linear.config)


def _rows(vector: VideoVector) -> Rows:
    return vector.source, vector.quantization


def _distinct(configs: Mapping[str, VectorClassifier]) -> list[Rows]:
    """What vectors are made of, each once, in the order of the classifiers."""
    return list(dict.fromkeys(_rows(one.vector) for one in configs.values()))


def _held_out_margins(
    table: Float[np.ndarray, "videos dims"],
    members: Bool[np.ndarray, "videos classes"],
    config: LinearConfig,
    *,
    seed: int,
) -> Float[np.ndarray, "videos classes"]:
    """Margins of every video from a classifier that has not seen it."""
    margins = np.zeros(members.shape)
    if len(table) < 2:
        return margins
    fold = draw_folds(len(table), folds=min(FOLDS, len(table)), seed=seed)
    for number in np.unique(fold):
        held = fold == number
        margins[held] = _fitted(table[~held], members[~held], config).margins(table[held])
    return margins


def _fitted(
    table: Float[np.ndarray, "videos dims"], members: Bool[np.ndarray, "videos classes"], config: LinearConfig
) -> Linear:
    if config.kind != "softmax":
        return fit_linear(table, members, config)
    videos, classes = np.nonzero(members)
    return fit_linear(table[videos], np.eye(members.shape[1], dtype=bool)[classes], config)
