"""Annotated sentences as training data: items and batches, moments of the features, loss and validation figure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from untrimmed.caption.decoder import Speaker, caption_loss
from untrimmed.caption.evidence import EventFeatures, Evidence, collate
from untrimmed.caption.sentences import Sentences, pad_sentences
from untrimmed.caption.vocabulary import Tokenize
from untrimmed.records import Annotation, DataError

Look = Callable[[str, tuple[float, float]], EventFeatures]
"""The evidence of a segment (seconds) of the video with an id."""
Item = tuple[EventFeatures, tuple[int, ...]]
Batch = tuple[Evidence, Sentences]


@dataclass(frozen=True)
class SpokenEvent:
    """A segment of a video and the numbers of the words that describe it."""

    video_id: str
    segment: tuple[float, float]
    words: tuple[int, ...]


def spoken_events(
    annotations: Iterable[Annotation], *, tokenize: Tokenize
) -> list[tuple[str, tuple[float, float], list[str]]]:
    """(video_id, segment, tokens) of every annotated sentence that has tokens; all annotators count alike."""
    events = [(a.video.video_id, event) for a in annotations for track in a.events for event in track]
    tokens = tokenize([event.sentence for _, event in events])
    return [(name, event.segment, said) for (name, event), said in zip(events, tokens, strict=True) if said]


class EventSentences:
    """Events with their sentences, looked at when they are asked for.

    Args:
        events: one item each; an event that two people described is there twice.
        look: gives the evidence.
        most_words: longer sentences are cut.
    """

    def __init__(self, events: Sequence[SpokenEvent], look: Look, *, most_words: int) -> None:
        self.events, self.look, self.most_words = tuple(events), look, most_words

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, index: int) -> Item:
        event = self.events[index]
        return self.look(event.video_id, event.segment), event.words

    def collate(self, items: Sequence[Item]) -> Batch:
        """Items as a padded batch."""
        features, words = zip(*items, strict=True)
        return collate(features), pad_sentences(words, most_words=self.most_words)


def batch_loss(speaker: torch.nn.Module, batch: Batch) -> Float[Tensor, ""]:
    """The caption loss of a batch as collate makes it."""
    assert isinstance(speaker, Speaker)
    evidence, sentences = batch
    return caption_loss(speaker, evidence, *sentences)


def feature_moments(
    data: EventSentences, *, most_events: int = 1000
) -> tuple[Float[Tensor, " dims"], Float[Tensor, " dims"]]:
    """Mean and standard deviation of the features inside events, over at most `most_events` spread evenly.

    Raises:
        DataError: when there are no events.
    """
    if not len(data):
        raise DataError("moments of features need an event, got none")
    chosen = np.unique(np.linspace(0, len(data) - 1, min(most_events, len(data))).astype(np.int64))
    count, total, squares = 0, np.float64(0), np.float64(0)
    for index in chosen.tolist():
        inside = data[index][0].inside.astype(np.float64)
        count += len(inside)
        total, squares = total + inside.sum(axis=0), squares + (inside**2).sum(axis=0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return torch.from_numpy(np.asarray(mean)).float(), torch.from_numpy(np.asarray(deviation)).float()


@torch.no_grad()
def mean_log_probability(speaker: Speaker[Evidence], data: EventSentences, *, batch_size: int = 64) -> float:
    """Mean log-probability of a word, over all words and end signs of the data: minus the loss, for validation."""
    device = next(speaker.parameters()).device
    total, count = 0.0, 0
    for first in range(0, len(data), batch_size):
        items = [data[index] for index in range(first, min(first + batch_size, len(data)))]
        evidence, sentences = data.collate(items)
        words = int(sentences.mask.sum())
        total -= float(caption_loss(speaker, evidence.to(device), *sentences.to(device))) * words
        count += words
    return total / count
