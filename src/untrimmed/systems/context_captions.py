"""22: mean pooling, temporal attention and contexts for dense video captions (T5 rank 3, METEOR 9.62).

Source: report 22 of the ActivityNet Challenge 2017 (`papers/22-temporal-attention-captions.txt`).

Recipe:
    frames -> C3D         every 8 frames  \\
    frames -> ResNet-200  every 8 frames   -> features inside a segment, their means before and after it
    even division at five levels -> 15 segments a video
    [mean; mean before; mean after] -> h0 -> LSTM with attention over the features inside -> beam search -> caption

Published: BLEU@4/METEOR/ROUGE-L/CIDEr on the annotated events of validation: MP 2.24/10.50/20.55/28.41, TA
2.38/10.79/21.13/28.93, TAC 2.53/10.67/21.74/31.39. TAC on even segments: 2.70/10.62/20.60/27.70, test METEOR 9.62.

Finding: TA is above MP; TAC is above TA but for METEOR; even segments are a strong baseline (recall 97.71/94.02/77.91
at tIoU 0.3/0.5/0.7) and their captions are nearly as good as those of annotated events.

Choices:
    - The report gives no size, vocabulary, training or search. They are those of public code for the same models on
      MSR-VTT and what is usual on ActivityNet Captions; each field says so.
    - It takes both nets as given: the organizers' C3D features (fc7 by PCA to 500; fc7 itself here) and a ResNet-200
      that has learnt 11,000 ImageNet classes. Weights are files that the user names in each net's `weights`; without
      them the nets start at random, and with `learn` they learn the classes of the data set first.
    - "Even division at five levels, 15 in all" is 1 + 2 + 3 + 4 + 5 equal parts; it gives the published recall.
    - The score of a caption is the geometric mean of the probabilities of its words and its end, in (0, 1].
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file

from untrimmed.caption.beam import BeamConfig, search
from untrimmed.caption.decoder import DecoderConfig, EventSpeaker
from untrimmed.caption.evidence import Modality, collate, gather
from untrimmed.caption.layout import in_time_order
from untrimmed.caption.learning import (
    EventSentences,
    Look,
    SpokenEvent,
    batch_loss,
    feature_moments,
    mean_log_probability,
    spoken_events,
)
from untrimmed.caption.vocabulary import Vocabulary
from untrimmed.configs import content_hash
from untrimmed.evaluate.tokens import tokenize
from untrimmed.features.backbone import BackboneFeature
from untrimmed.features.clip_sets import Augmentation, Piece, Sampling, TestViews
from untrimmed.features.extract import extract
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.images import RgbImages
from untrimmed.features.learned import StreamFeature, fit_attributes, keep_weights, learn_feature
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.nets.backbone import fill
from untrimmed.nets.zoo import AnyNet, C3d, Resnet, Small3d, SmallNet
from untrimmed.records import Caption, DataError, Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems.saving import load_system, save_system
from untrimmed.systems.system import System
from untrimmed.timeline import even_segments
from untrimmed.train import Run, Schedule, fit

log = logging.getLogger(__name__)


_NET_TRAINING = Schedule(epochs=16, batch_size=30, learning_rate=3e-3, milestones=(4, 8, 12))  # as system 06's C3D
_DECODER_TRAINING = Schedule(
    epochs=50,
    batch_size=64,
    optimizer="adam",
    learning_rate=5e-4,
    milestones=tuple(range(3, 50, 3)),
    gamma=0.8,
    clip_gradient=5.0,
)


def _sight(net: AnyNet, images: RgbImages, *, sections: int, frames: int) -> StreamFeature:
    stream = Stream(
        net=net,
        images=images,
        sampling=Sampling(sections=sections, frames=frames),
        augmentation=Augmentation(),
        schedule=_NET_TRAINING,
        views=TestViews(),
    )
    return StreamFeature(stream=stream, stride=8)


C3D = _sight(C3d(), RgbImages(), sections=1, frames=16)
RESNET200 = _sight(Resnet(depth=200), RgbImages(size=(256, 340)), sections=3, frames=1)
MP = DecoderConfig(attention=False, contexts=False)
TA = DecoderConfig(attention=True, contexts=False)
TAC = DecoderConfig(attention=True, contexts=True)


@dataclass(frozen=True, kw_only=True)
class ContextCaptionsConfig:
    """Configuration of system 22; the defaults are TAC as submitted."""

    sights: tuple[StreamFeature, ...] = (C3D, RESNET200)
    """The features: C3D of 16 frames and ResNet-200 of one, every 8 frames; section 2.1."""
    decoder: DecoderConfig = TAC
    """The model, MP, TA or TAC, and its sizes; TAC was submitted."""
    search: BeamConfig = BeamConfig()  # noqa: RUF009
    """How sentences are searched for."""
    schedule: Schedule = _DECODER_TRAINING
    """Training of the decoder; the paper does not say. Public code for these models: Adam, 5e-4, 50 epochs; times 0.8
    every 3 epochs and clipping as for LSTM-A. The loss on the validation subset chooses the epoch."""
    learn_from: Literal["classes", "words"] = "classes"
    """What nets learn whose `learn` is set: the classes of annotated actions, or which words the sentence of an event
    has. The report's nets learn nothing from this data set; words are many more examples where videos are few."""
    levels: int = 5
    """Even division into 1 to this many parts: 15 proposals; section 2.3."""
    minimum_count: int = 4
    """Occurrences of a word in the training sentences; the paper does not say, 4 is usual on ActivityNet Captions."""
    most_cells: int = 128
    """Longest event in features, longer ones are averaged down; the paper attends to all of them."""


class ContextCaptions(System[ContextCaptionsConfig]):
    """Captions of even proposals, or of any segments, by LSTMs that attend and know the context."""

    number: ClassVar[int] = 22
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CAPTIONING})

    _features: tuple[BackboneFeature, ...] = ()
    _vocabulary: Vocabulary
    _speaker: EventSpeaker

    def features(self) -> tuple[BackboneFeature, ...]:
        """One of each net."""
        if not self._features:
            raise NotTrained("system 22 (captions with contexts) must be fitted or loaded first")
        return self._features

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Learn nets (where they are to), vocabulary and decoder; all annotators' sentences count alike."""
        if not any(any(annotation.events) for annotation in dataset.subset("training").annotations):
            raise DataError(f"system 22 learns from sentences, but the training subset of {dataset.name} has none")
        features = tuple(
            self._learn_words(sight, dataset, store=store, run=run, name=f"sight-{i}")
            if sight.learn and self.config.learn_from == "words"
            else learn_feature(sight, dataset, store=store, run=run, name=f"sight-{i}")
            for i, sight in enumerate(self.config.sights)
        )
        parts = {name: dataset.subset(name).annotations for name in ("training", "validation")}
        videos = [annotation.video for part in parts.values() for annotation in part if any(annotation.events)]
        extract(features, videos, store=store, progress=run.progress)
        there = {video.video_id for video in videos if all(store.has(f, video.video_id) for f in features)}
        for name in (video.video_id for video in videos if video.video_id not in there):
            log.warning("video %s is left out: its features are not in the store", name)
        told = {
            name: spoken_events([a for a in part if a.video.video_id in there], tokenize=tokenize)
            for name, part in parts.items()
        }
        vocabulary = Vocabulary.of((said for *_, said in told["training"]), minimum_count=self.config.minimum_count)
        look, most = self._looker(features, store), self.config.search.most_words
        training, validation = (
            EventSentences(
                [SpokenEvent(video_id, segment, vocabulary.encode(said)) for video_id, segment, said in told[name]],
                look,
                most_words=most,
            )
            for name in ("training", "validation")
        )
        mean, deviation = feature_moments(training)
        torch.manual_seed(run.seed)
        speaker = EventSpeaker(len(vocabulary), len(mean), config=self.config.decoder)
        speaker.standardise(mean, deviation)
        name = f"decoder-{content_hash(self.config.decoder)}"  # models may share a run and with it the learnt nets
        check = (lambda _: mean_log_probability(speaker, validation)) if len(validation) else None
        fit(speaker, training, batch_loss, schedule=self.config.schedule, run=run, name=name, validate=check)
        self._features, self._vocabulary, self._speaker = features, vocabulary, speaker

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Captions of the even proposals, in order of time."""
        extract(self.features(), videos, store=store)
        for video in videos:
            try:
                captions = self.caption_segments(video, even_segments(video.duration, self.config.levels), store=store)
            except DataError as error:
                log.warning("video %s is left out: %s", video.video_id, error)
                continue
            yield Prediction(video=video, captions=in_time_order(captions))

    def caption_segments(
        self, video: Video, segments: Float[np.ndarray, "n 2"], *, store: FeatureStore
    ) -> tuple[Caption, ...]:
        """One caption for each segment (seconds) of a video whose features are in the store, in the segments' order.

        Raises:
            NotTrained: before fit or load.
            DataError: when the features are not in the store.
        """
        look = self._looker(self.features(), store)
        spans = [(float(start), float(end)) for start, end in segments]
        if not spans:
            return ()
        evidence = collate([look(video.video_id, span) for span in spans])
        device = next(self._speaker.parameters()).device
        found = search(self._speaker.eval(), evidence.to(device), config=self.config.search)
        best = [hypotheses[0] for hypotheses in found]
        return tuple(
            Caption(span, said.confidence, self._vocabulary.sentence(said.words))
            for span, said in zip(spans, best, strict=True)
        )

    def save(self, folder: Path) -> None:
        """The decoder, the vocabulary and the weights of the nets."""
        kept = {
            f"sight-{i}": load_file(feature.weights)
            for i, feature in enumerate(self.features())
            if feature.weights is not None
        }
        save_system(
            folder,
            system=type(self).__name__,
            config=self.config,
            modules={"decoder": self._speaker},
            tensors=kept,
            extra={"words": list(self._vocabulary.words), "nets": sorted(kept)},
        )

    @classmethod
    def load(cls, folder: Path) -> "ContextCaptions":
        """What save wrote; the features take their nets' weights from the folder."""
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=ContextCaptionsConfig)
        words, nets, decoder = _texts(extra.get("words")), _texts(extra.get("nets")), tables.get("decoder", {})
        if words is None or nets is None or not set(nets) <= set(tables) or "centre" not in decoder:
            raise DataError(f"{folder} must hold the words, the decoder and the nets of a {cls.__name__}")
        system = cls(config)
        system._vocabulary = Vocabulary(tuple(words))
        system._speaker = EventSpeaker(len(words), len(decoder["centre"]), config=config.decoder).eval()
        fill(system._speaker, decoder, where=folder / "decoder.safetensors")
        names = [f"sight-{i}" for i in range(len(config.sights))]
        system._features = tuple(
            sight.feature(folder / f"{name}.safetensors" if name in tables else None)
            for name, sight in zip(names, config.sights, strict=True)
        )
        return system

    def _learn_words(
        self, sight: StreamFeature, dataset: Dataset, *, store: FeatureStore, run: Run, name: str
    ) -> BackboneFeature:
        """The feature of a net that has learnt which words are said of an event."""
        spoken = [a for a in dataset.subset("training").annotations if any(a.events)]
        images = sight.stream.images
        extract((images,), [annotation.video for annotation in spoken], store=store, progress=run.progress)
        there = [annotation for annotation in spoken if store.has(images, annotation.video.video_id)]
        told = spoken_events(there, tokenize=tokenize)
        words = Vocabulary.of((said for *_, said in told), minimum_count=self.config.minimum_count)
        has = np.zeros((len(told), len(words)), dtype=bool)
        for row, (*_, said) in zip(has, told, strict=True):
            row[list(words.encode(said))] = True
        pieces = [Piece(video_id, segment, 0) for video_id, segment, _ in told]
        net = fit_attributes(sight.stream, pieces, has, store=store, run=run, name=name)
        return sight.feature(keep_weights(net, store))

    def _looker(self, features: Sequence[BackboneFeature], store: FeatureStore) -> Look:
        """Gives the evidence of segments; the features of the last videos are kept at hand."""

        @lru_cache(maxsize=256)
        def modalities(video_id: str) -> tuple[Modality, ...]:
            found = [store.load(feature, video_id) for feature in features]
            return tuple((item.values, item.grid) for item in found if isinstance(item, FeatureSequence))

        return lambda video_id, segment: gather(modalities(video_id), segment, most_cells=self.config.most_cells)


def _texts(plain: object) -> list[str] | None:
    """A list of texts, or None if it is none."""
    return plain if isinstance(plain, list) and all(isinstance(item, str) for item in plain) else None


_SMALL = RgbImages(size=(64, 86), per_second=12)  # as system 06's, so that the store holds them once
_SMALL_TRAINING = Schedule(
    steps=200, batch_size=32, optimizer="adamw", learning_rate=3e-3, weight_decay=0.01, decay="cosine", warmup_steps=20
)


def _small(net: AnyNet, *, sections: int, frames: int) -> StreamFeature:
    sight = _sight(net, _SMALL, sections=sections, frames=frames)
    unflipped = Augmentation(scales=(1.0, 0.875), flips=False)  # sentences tell left from right
    stream = replace(sight.stream, schedule=_SMALL_TRAINING, augmentation=unflipped)
    return StreamFeature(stream=stream, stride=5, learn=True)


LAPTOP = ContextCaptionsConfig(
    sights=(_small(Small3d(frames=8), sections=1, frames=8), _small(SmallNet(), sections=3, frames=1)),
    decoder=replace(TAC, embed=96, hidden=192, attend=96, dropout=0.3),
    search=BeamConfig(width=3, most_words=20),
    schedule=Schedule(epochs=30, batch_size=32, optimizer="adam", learning_rate=3e-3, decay="cosine", clip_gradient=5),
    learn_from="words",
    minimum_count=2,
    most_cells=32,
)
"""The variant for two cores: two residual nets of ten narrow layers on 64 x 86 pictures that first learn
which words are said of an event, a step every half second, and a decoder of 192 units."""
