"""Events made for the tests of the decoders."""

import numpy as np
import torch
from jaxtyping import Float

from untrimmed.caption.decoder import DecoderConfig, EventSpeaker, caption_loss
from untrimmed.caption.evidence import EventFeatures, Evidence, collate
from untrimmed.caption.sentences import Sentences, pad_sentences

TINY = DecoderConfig(embed=16, hidden=32, attend=16, dropout=0.0)


def event(
    inside: Float[np.ndarray, "cells dims"],
    *,
    before: Float[np.ndarray, " dims"] | None = None,
    after: Float[np.ndarray, " dims"] | None = None,
) -> EventFeatures:
    """An event with or without contexts."""
    nothing = np.zeros(inside.shape[1])
    contexts = np.stack([nothing if side is None else side for side in (before, after)])
    known = np.array([before is not None, after is not None])
    return EventFeatures(inside=inside.astype(np.float32), contexts=contexts.astype(np.float32), known=known)


def random_events(count: int, dims: int, *, seed: int = 0, cells: tuple[int, int] = (1, 6)) -> list[EventFeatures]:
    """Events of different lengths; every second one touches the begin of its video, every third one the end."""
    draw = np.random.default_rng(seed)
    return [
        event(
            draw.normal(size=(int(draw.integers(*cells)), dims)),
            before=None if i % 2 else draw.normal(size=dims),
            after=None if i % 3 == 0 else draw.normal(size=dims),
        )
        for i in range(count)
    ]


def learn(
    speaker: EventSpeaker, events: list[EventFeatures], spoken: list[tuple[int, ...]], *, steps: int
) -> tuple[Evidence, Sentences, float]:
    """Adam on all events at once; the batch and the last loss."""
    evidence, sentences = collate(events), pad_sentences(spoken)
    optimizer = torch.optim.Adam(speaker.parameters(), lr=0.01)
    loss = torch.tensor(torch.inf)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = caption_loss(speaker, evidence, *sentences)
        loss.backward()
        optimizer.step()
    speaker.eval()
    return evidence, sentences, loss.item()
