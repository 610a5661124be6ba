"""A stream as a feature: its net may first learn the classes of a data set, and then measures every window."""

import hashlib
import logging
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from untrimmed.features.backbone import BackboneFeature
from untrimmed.features.extract import extract
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream, fit_stream
from untrimmed.nets.backbone import Backbone, save_weights
from untrimmed.nets.zoo import AnyNet, Small3d, SmallNet
from untrimmed.records import DataError, Dataset
from untrimmed.train import Run

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


def without_weights(net: AnyNet) -> AnyNet:
    """The net's configuration without the file it starts from: its weights come from elsewhere."""
    if isinstance(net, SmallNet | Small3d):
        return net
    return replace(net, weights=None)
