"""Deep quantization of videos: a generative net learns local features, and a video is the way its own would pull it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file, save
from torch import Tensor

from untrimmed.aggregate.pca import fit_pca
from untrimmed.aggregate.quantization import QuantizationConfig, quantization_loss
from untrimmed.aggregate.reservoir import Reservoir
from untrimmed.configs import content_hash
from untrimmed.features.backbone import BackboneFeature
from untrimmed.features.extract import extract
from untrimmed.features.feature import Feature
from untrimmed.features.learned import WEIGHTS
from untrimmed.features.quantized_rows import LocalQuantizer, QuantizedRow, local_features, quantizer_of, requirements
from untrimmed.features.row_kinds import AnyRows
from untrimmed.features.sequences import Sequences, SequenceSource
from untrimmed.features.store import FeatureStore
from untrimmed.files import replacing
from untrimmed.records import Annotation, DataError, Dataset
from untrimmed.train import Run, Schedule, fit

log = logging.getLogger(__name__)

_LEARNING = Schedule(steps=10_000, batch_size=1024, optimizer="adam", learning_rate=1e-3, milestones=(8000,))


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """How local features become one vector a video. Report 17, section 3, gives the objective and no number."""

    local: Literal["positions", "rows"] = "positions"
    """What is quantized: the features at the positions of the last map of a net (the report's "res5c"), or a source's
    rows where no map is kept."""
    dims: int = 512
    """Numbers that a PCA leaves of a local feature, at most; a video's vector has dims * (net.hidden + 2). The paper
    does not say; 2,048 of a ResNet would make vectors of half a million numbers."""
    net: QuantizationConfig = QuantizationConfig()  # noqa: RUF009
    """The generative net; its classification 0 leaves the classes out ("optionally", equation 3)."""
    schedule: Schedule = _LEARNING
    """How it learns. The paper does not say."""
    samples: int = 500_000
    """Local features that it learns from, drawn at random from all of the training videos. The paper does not say."""
    videos_at_most: int | None = 2000
    """Training videos that these are drawn from, themselves drawn at random; None takes all. The paper does not
    say."""

    def __post_init__(self) -> None:
        if self.dims < 1 or self.samples < 2 or (self.videos_at_most is not None and self.videos_at_most < 1):
            raise DataError(f"deep quantization of videos needs dims, samples and videos, got {self}")


def fit_quantized(config: Quantized, base: Sequences, dataset: Dataset, *, store: FeatureStore, run: Run) -> Sequences:
    """Learn the projection and the generative net from the labelled training videos.

    Args:
        config: what and how.
        base: the source of the local features, made ready by fit_sequences.
        dataset: whose training subset is learnt from; in a video with several classes these take turns.
        store: of features; what is missing is measured first, and the weights go there.
        run: device, seed, folder.

    Returns:
        The source of the videos' vectors, one row a video.

    Raises:
        DataError: when the source is of another kind, or no training video has classes and local features.
    """
    feature = _local(config, base)
    sample, ids = _sample(config, feature, dataset, store=store, run=run)
    rows, labels = sample[:, :-1], torch.from_numpy(sample[:, -1].astype(np.int64))
    pca = fit_pca(rows, share=1.0)  # only directions that vary: a net may have units that never fire
    kept = min(config.dims, len(pca.components))
    torch.manual_seed(run.seed)
    net = config.net.build(kept, len(dataset.labels) if config.net.classification > 0 else 0)
    quantizer = LocalQuantizer(net, given=rows.shape[1], dims=kept)
    quantizer.mean.copy_(torch.from_numpy(np.asarray(pca.mean)))
    quantizer.components.copy_(torch.from_numpy(np.asarray(pca.components[:kept])))
    projected = quantizer.projected(torch.from_numpy(rows))
    quantizer.scale /= projected.square().mean().sqrt().clamp(min=1e-6)
    data = _Items(projected * quantizer.scale, labels, identity=repr((feature.key, config, ids)))
    name = f"quantization-{content_hash(config)}-{feature.key}"
    fit(net, data, quantization_loss, schedule=config.schedule, run=run, name=name)
    return Sequences(QuantizedRow(of=feature, weights=_keep(quantizer.cpu(), store), net=config.net))


def quantized_tables(feature: QuantizedRow, name: str) -> dict[str, Mapping[str, Tensor]]:
    """What save_system keeps of a quantization and of the net under it, under `name`."""
    return {**Sequences(feature.of).tables(name), f"{name}-quantization": load_file(feature.weights)}


def restore_quantized(
    config: Quantized, source: SequenceSource, name: str, tables: Mapping[str, Mapping[str, Tensor]], *, folder: Path
) -> Sequences:
    """What quantized_tables kept.

    Raises:
        DataError: when a table is missing or does not fit.
    """
    weights = folder / f"{name}-quantization.safetensors"
    if f"{name}-quantization" not in tables:
        raise DataError(f"{folder} must hold the deep quantization {weights.name}")
    feature = QuantizedRow(
        of=_local(config, Sequences.restore(source, name, tables, folder=folder)), weights=weights, net=config.net
    )
    quantizer_of(tables[f"{name}-quantization"], config.net, where=weights)
    return Sequences(feature)


class _Items:
    """Local features with their classes; a batch is cut out of the table at once."""

    def __init__(self, rows: Tensor, labels: Tensor, *, identity: str) -> None:
        self._rows, self._labels, self.identity = rows, labels, identity

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> int:
        return index

    def collate(self, items: list[int]) -> list[Tensor]:
        return [self._rows[items], self._labels[items]]


def _local(config: Quantized, base: Sequences) -> BackboneFeature | AnyRows:
    feature = base.feature
    if isinstance(feature, BackboneFeature):
        return replace(feature, output="positions") if config.local == "positions" else feature
    if not isinstance(feature, AnyRows) or config.local == "positions":
        raise DataError(f"deep quantization of {config.local} cannot be measured from {type(feature).__name__}")
    return feature


def _sample(
    config: Quantized, feature: Feature, dataset: Dataset, *, store: FeatureStore, run: Run
) -> tuple[Float[np.ndarray, "kept numbers"], list[str]]:
    """Local features with the class of each as the last number, and the videos they come from."""
    labelled = [annotation for annotation in dataset.subset("training").annotations if annotation.labels]
    order = np.random.default_rng([run.seed, 17]).permutation(len(labelled))[: config.videos_at_most]
    drawn: list[Annotation] = [labelled[place] for place in order]
    needed = requirements(feature)
    extract(needed, [annotation.video for annotation in drawn], store=store, progress=run.progress)
    reservoir, ids = None, []
    for annotation in drawn:
        video = annotation.video
        if not all(store.has(one, video.video_id) for one in needed):
            log.warning("video %s is left out of the deep quantization: it has no features", video.video_id)
            continue
        given = {one: store.load(one, video.video_id) for one in needed}
        classes = np.array([dataset.labels.index(label) for label in annotation.labels], np.float32)
        for block in local_features(feature, video.path or Path(video.video_id), given):
            reservoir = reservoir or Reservoir(config.samples, block.shape[1] + 1, seed=run.seed)
            turns = classes[np.arange(len(block)) % len(classes)]
            reservoir.add(np.concatenate([np.asarray(block, np.float32), turns[:, None]], axis=1))
        ids.append(video.video_id)
    if reservoir is None:
        raise DataError(f"deep quantization needs training videos with classes and features, {dataset.name} has none")
    return reservoir.sample(), ids


def _keep(quantizer: LocalQuantizer, store: FeatureStore) -> Path:
    data = save({key: value.contiguous() for key, value in quantizer.state_dict().items()})
    path = store.root / WEIGHTS / f"{sha256(data).hexdigest()[:24]}.safetensors"
    with replacing(path) as part:
        part.write_bytes(data)
    return path
