"""Annotated events as one vector each, and the detector of their attributes that is learnt from them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32

from untrimmed.caption.attributes import AttributeDetector, SeenEvents, detector_loss, seen_events
from untrimmed.caption.evidence import gather
from untrimmed.caption.vocabulary import SIGNS, Vocabulary
from untrimmed.evaluate.tokens import tokenize
from untrimmed.features.sequences import Sequences
from untrimmed.features.store import FeatureStore
from untrimmed.records import Annotation, Video
from untrimmed.train import Run, Schedule, fit

log = logging.getLogger(__name__)

_DETECTOR = Schedule(epochs=30, batch_size=128, optimizer="adam", learning_rate=1e-3, milestones=(20,))


@dataclass(frozen=True, kw_only=True)
class AttributesConfig:
    """What the attributes of an event are."""

    kind: Literal["classes", "words"] = "classes"
    """The classes of annotated actions, 200 on ActivityNet (section 6.1), or the most frequent words of sentences."""
    words: int = 200
    """How many words, where they are words; LSTM-A on images takes 1,000."""
    schedule: Schedule = _DETECTOR
    """Training of the detector; the paper does not say."""


@dataclass(frozen=True, eq=False)
class ToldVideos:
    """Annotated events whose features are there; the events of a track follow each other."""

    looks: Float32[np.ndarray, "events dims"]
    segments: Float[np.ndarray, "events 2"]
    tracks: tuple[int, ...]
    videos: list[str]
    sentences: list[str]
    tokens: list[list[str]]

    @staticmethod
    def of(annotations: Sequence[Annotation], sights: Sequence[Sequences], *, store: FeatureStore) -> "ToldVideos":
        """All annotators' events alike; a sentence without a word is left out."""
        looks, spans, tracks, videos, sentences, told = [], [], [], [], [], []
        for annotation in annotations:
            for track in annotation.events:
                tokens = tokenize([event.sentence for event in track])
                kept = [(event, words) for event, words in zip(track, tokens, strict=True) if words]
                if not kept:
                    continue
                places = [event.segment for event, _ in kept]
                looks.append(event_vectors(sights, annotation.video, places, store=store))
                spans += places
                tracks.append(len(kept))
                videos += [annotation.video.video_id] * len(kept)
                sentences += [event.sentence for event, _ in kept]
                told += [words for _, words in kept]
        table = np.concatenate(looks) if looks else np.zeros((0, 1), dtype=np.float32)
        return ToldVideos(table, np.array(spans, dtype=float).reshape(-1, 2), tuple(tracks), videos, sentences, told)


def event_vectors(
    sights: Sequence[Sequences], video: Video, spans: Sequence[tuple[float, float]], *, store: FeatureStore
) -> Float32[np.ndarray, "events dims"]:
    """The mean row of each sight inside each segment of a video, joined."""
    rows = [sight(video, store=store) for sight in sights]
    modalities = [(item.values, item.grid) for item in rows]
    return np.stack([gather(modalities, span, most_cells=1).inside[0] for span in spans]).astype(np.float32)


def fit_detector(
    config: AttributesConfig,
    told: ToldVideos,
    acted: Sequence[Annotation],
    *,
    sights: Sequence[Sequences],
    labels: Sequence[str],
    store: FeatureStore,
    run: Run,
    name: str,
) -> AttributeDetector:
    """Train the detector of attributes.

    Where no action is annotated, attributes are words whatever the configuration says, and a warning says so.

    Args:
        config: what attributes are.
        told: training events with their sentences.
        acted: training videos with actions whose features are there.
        sights: of those features.
        labels: the classes in order.
        store: where the features lie.
        run: device, seed, folder.
        name: of the training.
    """
    classes = config.kind == "classes"
    if classes and not acted:
        log.warning("%s: no action is annotated, so the attributes of events are their most frequent words", name)
        classes = False
    if classes:
        column = {label: number for number, label in enumerate(labels)}
        looks = np.concatenate(
            [event_vectors(sights, a.video, [one.segment for one in a.instances], store=store) for a in acted]
        )
        wanted = np.eye(len(column))[[column[one.label] for a in acted for one in a.instances]]
    else:
        looks = told.looks
        frequent = Vocabulary.of(told.tokens, minimum_count=1).words[len(SIGNS) :][: config.words]
        wanted = np.array([[word in said for word in frequent] for said in map(set, told.tokens)])
    torch.manual_seed(run.seed)
    detector = AttributeDetector(looks.shape[1], wanted.shape[1], exclusive=classes)
    detector.standard.see(looks)
    data = torch.utils.data.TensorDataset(torch.from_numpy(looks), torch.from_numpy(wanted).float())
    fit(detector, data, detector_loss, schedule=config.schedule, run=run, name=name)
    return detector


@torch.no_grad()
def seen_by(
    detector: AttributeDetector,
    looks: Float[np.ndarray, "events dims"],
    segments: Float[np.ndarray, "events 2"],
    *,
    tracks: Sequence[int],
    most: int,
) -> SeenEvents:
    """Events with the attributes that the detector finds in them and their neighbours; see seen_events."""
    device = detector.linear.weight.device
    if not len(segments):
        looks = np.zeros((0, detector.linear.in_features), dtype=np.float32)
    attributes = detector.probabilities(torch.from_numpy(looks).to(device)).cpu().numpy()
    return seen_events(attributes, looks, segments, tracks=tracks, most=most)
