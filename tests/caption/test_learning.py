"""Training data of events: batches, moments and the validation figure."""

import numpy as np
import pytest
import torch

from caption.events import TINY, random_events
from untrimmed.caption.decoder import EventSpeaker, caption_loss
from untrimmed.caption.evidence import EventFeatures, collate
from untrimmed.caption.learning import (
    EventSentences,
    SpokenEvent,
    batch_loss,
    feature_moments,
    mean_log_probability,
)
from untrimmed.caption.sentences import pad_sentences
from untrimmed.records import DataError

EVENTS = random_events(7, 5)
SPOKEN = [(3,), (4, 5), (6, 7, 8), (3, 4), (5,), (6, 6, 7, 7), (8,)]


def look(video_id: str, segment: tuple[float, float]) -> EventFeatures:
    assert segment == (0.0, float(video_id) + 1)
    return EVENTS[int(video_id)]


def data() -> EventSentences:
    spoken = [SpokenEvent(str(i), (0.0, i + 1.0), words) for i, words in enumerate(SPOKEN)]
    return EventSentences(spoken, look, most_words=3)


def test_a_batch_is_what_its_items_are() -> None:
    items = data()
    assert len(items) == 7
    evidence, sentences = items.collate([items[2], items[5]])
    wanted = collate([EVENTS[2], EVENTS[5]])
    assert all(torch.equal(a, b) for a, b in zip(evidence, wanted, strict=True))
    cut = pad_sentences([SPOKEN[2], SPOKEN[5]], most_words=3)
    assert all(torch.equal(a, b) for a, b in zip(sentences, cut, strict=True))
    speaker = EventSpeaker(9, 5, config=TINY)
    assert torch.equal(batch_loss(speaker, (evidence, sentences)), caption_loss(speaker, evidence, *sentences))


def test_moments_are_those_of_all_cells() -> None:
    cells = np.concatenate([event.inside for event in EVENTS])
    mean, deviation = feature_moments(data())
    np.testing.assert_allclose(mean, cells.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(deviation, cells.std(axis=0), rtol=1e-5)
    some = np.concatenate([EVENTS[i].inside for i in (0, 3, 6)])
    np.testing.assert_allclose(feature_moments(data(), most_events=3)[0], some.mean(axis=0), rtol=1e-5, atol=1e-6)
    with pytest.raises(DataError, match="moments of features need an event, got none"):
        feature_moments(EventSentences([], look, most_words=3))


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_the_validation_figure_is_minus_the_loss_however_it_is_batched(batch_size: int) -> None:
    torch.manual_seed(0)
    speaker = EventSpeaker(9, 5, config=TINY)
    whole = caption_loss(speaker, collate(EVENTS), *pad_sentences(SPOKEN, most_words=3)).item()
    assert mean_log_probability(speaker, data(), batch_size=batch_size) == pytest.approx(-whole, rel=1e-5)
