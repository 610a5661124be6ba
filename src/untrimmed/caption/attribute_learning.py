"""Annotated sentences of seen events as training data of an LSTM-A: for likelihood and for reward."""

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from untrimmed.caption.attribute_decoder import AttributeSpeaker
from untrimmed.caption.attributes import AttributeEvidence, SeenEvents
from untrimmed.caption.decoder import caption_loss
from untrimmed.caption.self_critical import Reward, SelfCriticalConfig, roll_out, self_critical_loss
from untrimmed.caption.sentences import Sentences, pad_sentences


class ToldBatch(NamedTuple):
    """Events of a batch, what is said of them, and their numbers."""

    evidence: AttributeEvidence
    sentences: Sentences
    events: Int[Tensor, " events"]


class ToldEvents:
    """One item an event: its number; a batch looks them up.

    Args:
        seen: the events.
        encoded: numbers of the words that are said of each.
        most_words: longer sentences are cut.
    """

    def __init__(self, seen: SeenEvents, encoded: Sequence[tuple[int, ...]], *, most_words: int) -> None:
        self.seen, self.encoded, self.most_words = seen, tuple(encoded), most_words
        self.identity = hashlib.sha256(repr((self.encoded, most_words)).encode()).hexdigest()[:12]

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, index: int) -> int:
        return index

    def collate(self, chosen: Sequence[int]) -> ToldBatch:
        """The batch of some events."""
        words = [self.encoded[index] for index in chosen]
        return ToldBatch(
            self.seen.evidence(chosen), pad_sentences(words, most_words=self.most_words), torch.tensor(list(chosen))
        )


def likelihood_loss(speaker: nn.Module, batch: ToldBatch) -> Float[Tensor, ""]:
    """The caption loss of a batch."""
    assert isinstance(speaker, AttributeSpeaker)
    return caption_loss(speaker, batch.evidence, *batch.sentences)


def reward_loss(reward: Reward, config: SelfCriticalConfig) -> Callable[[nn.Module, ToldBatch], Tensor]:
    """The self-critical loss as training wants it."""

    def loss(speaker: nn.Module, batch: ToldBatch) -> Tensor:
        return self_critical_loss(speaker, batch.evidence, batch.events, reward=reward, config=config)

    return loss


@torch.no_grad()
def mean_word(speaker: AttributeSpeaker, data: ToldEvents, *, batch_size: int = 64) -> float:
    """Mean log-probability of a word over all words and end signs of the data, for validation."""
    device = next(speaker.parameters()).device
    total, count = 0.0, 0
    for first in range(0, len(data), batch_size):
        evidence, sentences, _ = data.collate(range(first, min(first + batch_size, len(data))))
        words = int(sentences.mask.sum())
        total -= float(caption_loss(speaker, evidence.to(device), *sentences.to(device))) * words
        count += words
    return total / count


@torch.no_grad()
def mean_reward(speaker: AttributeSpeaker, data: ToldEvents, reward: Reward, *, batch_size: int = 64) -> float:
    """Mean reward of the greedy sentences about the events of the data, for validation."""
    device = next(speaker.parameters()).device
    found = []
    for first in range(0, len(data), batch_size):
        batch = data.collate(range(first, min(first + batch_size, len(data))))
        said = roll_out(speaker, batch.evidence.to(device), most_words=data.most_words, greedy=True)
        found.append(reward(said.sentences(), batch.events.tolist()))
    return float(np.concatenate(found).mean())
