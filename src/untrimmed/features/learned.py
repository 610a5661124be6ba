"""A stream as a feature: its net may first learn the classes of a data set, and then measures every window."""

import hashlib
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from untrimmed.features.backbone import BackboneFeature
from untrimmed.features.clip_sets import Piece
from untrimmed.features.extract import extract
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream, clip_set, fit_stream
from untrimmed.nets.backbone import Backbone, save_weights, without_weights
from untrimmed.nets.tsn import Tsn
from untrimmed.records import DataError, Dataset
from untrimmed.train import Run, fit

log = logging.getLogger(__name__)

WEIGHTS = "weights"
"""The folder in the store that keeps the weights of nets which features are measured with, named by their content."""


@dataclass(frozen=True, kw_only=True)
class StreamFeature:
    """What the net of a stream says of windows of its pictures."""

    stream: Stream
    """The net, its pictures, and how it is trained if it learns. Pictures of a window follow each other: the
    sampling's stride must be 1."""
    stride: int
    """Pictures from one step to the next."""
    learn: bool = False
    """Whether the net learns the data set's classes first; if not, it is taken as its configuration makes it."""

    def __post_init__(self) -> None:
        if self.stream.sampling.stride != 1:
            raise DataError(f"a stream's feature needs a sampling of stride 1, got {self.stream.sampling.stride}")

    def feature(self, weights: Path | None) -> BackboneFeature:
        """The feature, with the weights of a file or those that the net's configuration names."""
        net = self.stream.net if weights is None else without_weights(self.stream.net)
        return BackboneFeature(
            net=net,
            weights=weights,
            images=self.stream.images,
            frames=self.stream.sampling.frames,
            stride=self.stride,
            resized_to=self.stream.augmentation.resized_to,
            whole=self.stream.augmentation.whole,
        )


def learn_feature(
    config: StreamFeature, dataset: Dataset, *, store: FeatureStore, run: Run, name: str
) -> BackboneFeature:
    """The feature of a stream, whose net has learnt the classes of the training subset if it is to.

    A net that is to learn where no class is annotated is taken as it is, and a warning says so. Weights that were
    learnt or read from elsewhere are kept in the store, so that the feature stays what it is.

    Args:
        config: the feature.
        dataset: annotated videos; pictures that are missing in the store are measured first.
        store: where pictures lie and weights go.
        run: device, seed, folder.
        name: of the training in the run.
    """
    stream = config.stream
    labelled = [a.video for a in dataset.annotations if a.instances and a.video.subset != "testing"]
    if config.learn and any(video.subset == "training" for video in labelled):
        extract((stream.images,), labelled, store=store, progress=run.progress)
        return config.feature(keep_weights(fit_stream(stream, dataset, store=store, run=run, name=name), store))
    if config.learn:
        log.warning("%s: no class is annotated in %s, so the net is taken untrained", name, dataset.name)
    if getattr(stream.net, "weights", None) is None:
        return config.feature(None)
    torch.manual_seed(run.seed)
    return config.feature(keep_weights(stream.build(classes=1), store))


def fit_attributes(
    stream: Stream,
    pieces: Sequence[Piece],
    attributes: Bool[np.ndarray, "pieces attributes"],
    *,
    store: FeatureStore,
    run: Run,
    name: str,
) -> Backbone:
    """Train the net of a stream to tell which attributes each piece of a video has; several may hold at once.

    The loss is the binary cross-entropy, summed over attributes. Pieces are many and dense where classes are few:
    every sentence says where, who, in what, and with what.

    Args:
        stream: what to train how.
        pieces: stretches of videos whose pictures are in the store; their labels do not count.
        attributes: one row a piece.
        store: where the pictures are.
        run: device, seed, folder.
        name: of the training in the run.

    Returns:
        The backbone on the run's device, in evaluation mode; its logits are those of the attributes.

    Source: Yao et al., Boosting Image Captioning with Attributes, ICCV 2017, as an idea; the loss is the plain one.
    """
    numbered = [replace(piece, label=row) for row, piece in enumerate(pieces)]
    torch.manual_seed(run.seed)
    backbone = stream.build(classes=attributes.shape[1])
    data = clip_set(stream, numbered, store=store, size=backbone.input_size)
    table = torch.from_numpy(attributes).float()

    def loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
        wanted = table[batch[1].cpu()].to(batch[0].device)
        each = nn.functional.binary_cross_entropy_with_logits(model(batch[0]), wanted, reduction="none")
        return each.sum(dim=1).mean()

    fit(Tsn(backbone, consensus=stream.consensus), data, loss, schedule=stream.schedule, run=run, name=name)
    return backbone


def keep_weights(backbone: Backbone, store: FeatureStore) -> Path:
    """Write weights into the store under the hash of their bytes; the file appears complete or not at all."""
    folder = store.root / WEIGHTS
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{secrets.token_hex(6)}"
    try:
        save_weights(part, backbone)
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return part.replace(folder / f"{digest[:24]}.safetensors")
    finally:
        part.unlink(missing_ok=True)
