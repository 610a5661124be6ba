"""Actionness by a TSN of two classes: whatever is annotated, and what is not."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from untrimmed.configs import content_hash
from untrimmed.features.backbone import BackboneFeature
from untrimmed.features.clip_sets import Piece
from untrimmed.features.extract import extract
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.joined import join
from untrimmed.features.learned import StreamFeature, keep_weights
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import clip_set, cross_entropy
from untrimmed.nets.tsn import Tsn
from untrimmed.propose.tag import foreground
from untrimmed.propose.windows import scales
from untrimmed.records import Annotation, DataError, Dataset
from untrimmed.timeline import TimeGrid, tiou
from untrimmed.train import Run, fit

log = logging.getLogger(__name__)

BACKGROUND, ACTION = 0, 1


@dataclass(frozen=True, kw_only=True)
class BinaryActionness:
    """The streams of a binary TSN and the windows that it learns from."""

    streams: tuple[StreamFeature, ...]
    """What sees the pictures; their sum is the answer. Report 08, section 4.1: "a TSN-based binary classifier"."""
    shortest: float = 1.0
    """Seconds of the shortest windows; each next size is twice as long. Released program of SSN: 1, 2, 4 ..."""
    overlap: float = 0.7
    """Share of a window that the next one repeats; released program."""
    action_tiou: float = 0.7
    """Windows that overlap an instance more are action, beside the instances; released program."""
    background_tiou: float = 0.01
    """Windows that overlap every instance less are background; released program."""

    def __post_init__(self) -> None:
        if not self.streams or any(not one.learn for one in self.streams):
            raise DataError(f"binary actionness needs streams that learn, got {len(self.streams)} streams")


def binary_pieces(annotations: Sequence[Annotation], config: BinaryActionness) -> tuple[Piece, ...]:
    """The stretches that a binary TSN learns from: instances, windows that meet one well, and windows that meet none.

    Source: the released program of SSN.
    """
    pieces = []
    for annotation in annotations:
        video, known = annotation.video, np.array([item.segment for item in annotation.instances]).reshape(-1, 2)
        windows = scales(video.duration, shortest=min(config.shortest, video.duration), overlap=config.overlap)
        best = np.nan_to_num(tiou(windows, known)).max(axis=1, initial=0.0)
        action = np.concatenate([known, windows[best > config.action_tiou]])
        for segments, label in ((action, ACTION), (windows[best < config.background_tiou], BACKGROUND)):
            pieces += [Piece(video.video_id, (float(start), float(end)), label) for start, end in segments]
    return tuple(pieces)


def learn_binary_actionness(
    config: BinaryActionness, dataset: Dataset, *, store: FeatureStore, run: Run
) -> tuple[BackboneFeature, ...]:
    """Train each stream to tell action from background, and give their logits as features.

    Args:
        config: streams and windows.
        dataset: untrimmed videos; its annotated training videos are learnt from.
        store: where pictures lie and weights go.
        run: device, seed, folder.

    Raises:
        DataError: when there are no windows of one of the two kinds.
    """
    annotated = [annotation for annotation in dataset.subset("training").annotations if annotation.instances]
    features = []
    for one in config.streams:
        stream = one.stream
        extract((stream.images,), [annotation.video for annotation in annotated], store=store, progress=run.progress)
        there = [annotation for annotation in annotated if store.has(stream.images, annotation.video.video_id)]
        pieces = binary_pieces(there, config)
        if {piece.label for piece in pieces} != {BACKGROUND, ACTION}:
            raise DataError(
                f"binary actionness needs stretches of {dataset.name} with and without action, got {len(pieces)} of one"
            )
        torch.manual_seed(run.seed)
        backbone = stream.build(classes=2)
        data = clip_set(stream, pieces, store=store, size=backbone.input_size)
        model = Tsn(backbone, consensus=stream.consensus)
        name = f"binary-{content_hash(replace(config, streams=(one,)))}"
        fit(model, data, cross_entropy, schedule=stream.schedule, run=run, name=name)
        features.append(logits_of(one, weights=keep_weights(backbone, store)))
    return tuple(features)


def logits_of(config: StreamFeature, *, weights: Path) -> BackboneFeature:
    """What a trained binary stream says of every window: the logits of background and action."""
    return replace(config.feature(weights), output="logits")


def actionness_curve(
    features: Sequence[BackboneFeature], video_id: str, *, store: FeatureStore
) -> tuple[Float[np.ndarray, " steps"], Float[np.ndarray, " steps"], TimeGrid]:
    """Probability of action at each step, its logit, and when; the logits of all streams are added.

    Source: the released program of SSN.
    """
    found = [store.load(feature, video_id) for feature in features]
    rows = join([sequence for sequence in found if isinstance(sequence, FeatureSequence)])
    logits = rows.values.astype(np.float64).reshape(len(rows.values), -1, 2).sum(axis=1)
    return foreground(logits), logits[:, ACTION], rows.grid
