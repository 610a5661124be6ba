"""The decoders: equations, padding, gradients, and what each of the three models can and cannot learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from caption.events import TINY, event, learn, random_events
from untrimmed.caption.attention import AdditiveAttention
from untrimmed.caption.beam import BeamConfig, search
from untrimmed.caption.decoder import DecoderConfig, EventSpeaker, caption_loss
from untrimmed.caption.evidence import Evidence, collate
from untrimmed.caption.sentences import pad_sentences
from untrimmed.caption.vocabulary import START

MODELS = {
    "MP": replace(TINY, attention=False, contexts=False),
    "TA": replace(TINY, attention=True, contexts=False),
    "TAC": TINY,
    "MP with contexts": replace(TINY, attention=False, contexts=True),
}
GREEDY = BeamConfig(width=1, blocked_run=0, echo=True)


def speaker_of(config: DecoderConfig, *, words: int = 12, dims: int = 5, seed: int = 0) -> EventSpeaker:
    torch.manual_seed(seed)
    return EventSpeaker(words, dims, config=config)


def said(speaker: EventSpeaker, evidence: Evidence) -> list[tuple[int, ...]]:
    return [hypotheses[0].words for hypotheses in search(speaker, evidence, config=GREEDY)]


def test_attention_is_the_softmax_of_the_papers_energies() -> None:
    torch.manual_seed(0)
    attention = AdditiveAttention(3, 4, size=6).double()
    hidden, values = torch.randn(1, 3).double(), torch.randn(1, 5, 4).double()
    mask = torch.tensor([[True, True, False, True, True]])
    seen, alpha = attention(hidden, values, keys=attention.keys(values), mask=mask)
    W, U, b, w = (
        p.detach()
        for p in (attention.query.weight, attention.key.weight, attention.key.bias, attention.score.weight[0])
    )
    e = [float(w @ torch.tanh(W @ hidden[0] + U @ values[0, i] + b)) for i in (0, 1, 3, 4)]
    wanted = np.exp(e) / np.exp(e).sum()
    np.testing.assert_allclose(alpha[0, [0, 1, 3, 4]].detach().numpy(), wanted, rtol=1e-12)
    assert alpha[0, 2] == 0
    np.testing.assert_allclose(seen[0].detach().numpy(), wanted @ values[0, [0, 1, 3, 4]].numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_a_longer_padding_changes_nothing(name: str) -> None:
    speaker = speaker_of(MODELS[name]).double()
    evidence = collate(random_events(4, 5))
    inside, mask, contexts, known = evidence
    inside, contexts = inside.double(), contexts.double()
    words = torch.randint(3, 12, (4, 6), generator=torch.Generator().manual_seed(1))
    logits = speaker(Evidence(inside, mask, contexts, known), words)
    noise = torch.full((4, 3, 5), 1e6, dtype=torch.float64)
    longer = Evidence(
        torch.cat([inside, noise], dim=1),
        torch.cat([mask, torch.zeros(4, 3, dtype=torch.bool)], dim=1),
        contexts,
        known,
    )
    torch.testing.assert_close(speaker(longer, words), logits, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_says_of_each_event_what_it_says_of_the_event_alone(name: str) -> None:
    speaker = speaker_of(MODELS[name])
    events = random_events(5, 5)
    words = torch.randint(3, 12, (5, 4), generator=torch.Generator().manual_seed(1))
    together = speaker(collate(events), words)
    for i, one in enumerate(events):
        torch.testing.assert_close(speaker(collate([one]), words[i : i + 1])[0], together[i], rtol=1e-4, atol=1e-5)


def test_the_words_to_come_are_not_seen() -> None:
    speaker = speaker_of(TINY)
    evidence = collate(random_events(3, 5))
    words = torch.randint(3, 12, (3, 6), generator=torch.Generator().manual_seed(1))
    other = words.clone()
    other[:, 3:] = 4
    logits, changed = speaker(evidence, words), speaker(evidence, other)
    assert torch.equal(logits[:, :3], changed[:, :3])
    assert not torch.equal(logits[:, 4:], changed[:, 4:])


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    speaker = speaker_of(MODELS[name], words=8)
    spoken = [(3, 4), (5, 6, 7), (2,), (3, 3)]
    caption_loss(speaker, collate(random_events(4, 5)), *pad_sentences(spoken)).backward()
    for parameter_name, parameter in speaker.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


def test_the_loss_is_the_mean_over_the_words_that_are_there() -> None:
    speaker = speaker_of(TINY)
    events, spoken = random_events(3, 5), [(3, 4), (5, 6, 7, 8), (9,)]
    together = caption_loss(speaker, collate(events), *pad_sentences(spoken))
    alone = [caption_loss(speaker, collate([e]), *pad_sentences([s])) for e, s in zip(events, spoken, strict=True)]
    weights = [len(s) + 1 for s in spoken]
    wanted = sum(loss * n for loss, n in zip(alone, weights, strict=True)) / sum(weights)
    torch.testing.assert_close(together, wanted, rtol=1e-5, atol=1e-6)


def test_features_are_standardised_and_what_never_varies_is_only_centred() -> None:
    speaker = speaker_of(replace(TINY, dropout=0.0))
    plain = collate(random_events(4, 5))
    mean, deviation = torch.tensor([1.0, -2.0, 0.0, 5.0, 7.0]), torch.tensor([2.0, 0.5, 1.0, 10.0, 0.0])
    scale = torch.tensor([2.0, 0.5, 1.0, 10.0, 1.0])
    words = torch.full((4, 3), 4)
    wanted = speaker(plain, words)
    speaker.standardise(mean, deviation)
    moved = plain._replace(inside=plain.inside * scale + mean, contexts=plain.contexts * scale + mean)
    torch.testing.assert_close(speaker(moved, words), wanted, rtol=1e-4, atol=1e-5)
    wild = moved._replace(inside=moved.inside + 1000 * scale)
    wilder = moved._replace(inside=moved.inside + 1e6 * scale)
    assert torch.equal(speaker(wild, words), speaker(wilder, words))


def test_what_stands_where_there_is_no_context_does_not_matter() -> None:
    speaker = speaker_of(TINY)
    evidence = collate(random_events(6, 5))
    noise = torch.where(evidence.known[:, :, None], evidence.contexts, torch.full_like(evidence.contexts, 1e6))
    words = torch.full((6, 3), 4)
    assert torch.equal(speaker(evidence, words), speaker(evidence._replace(contexts=noise), words))


@pytest.mark.parametrize("name", ["MP", "TA", "TAC"])
def test_five_sentences_are_learnt_by_heart_from_five_events(name: str) -> None:
    speaker = speaker_of(MODELS[name])
    spoken = [(3, 4, 5), (3, 4, 6, 7, 8), (9, 10), (9, 10, 11, 11, 5, 3), (7,)]
    evidence, _, loss = learn(speaker, random_events(5, 5, cells=(2, 5)), spoken, steps=120)
    assert loss < 0.05
    assert said(speaker, evidence) == spoken


def test_attention_finds_the_marked_step() -> None:
    """A video's sentence is its marked step's word; the marks differ in place and the mean hides the word."""
    draw = np.random.default_rng(0)
    classes, cells, places, events, spoken = 6, 8, [], [], []
    for _ in range(240):
        shown = np.eye(classes)[draw.integers(classes, size=cells)]
        marked = int(draw.integers(cells))
        mark = np.zeros((cells, 1))
        mark[marked] = 1
        events.append(event(np.concatenate([shown, mark], axis=1) * 2))
        spoken.append((3 + int(shown[marked].argmax()),))
        places.append(marked)
    speaker = speaker_of(MODELS["TA"], words=3 + classes, dims=classes + 1)
    learn(speaker, events[:200], spoken[:200], steps=150)
    unseen = collate(events[200:])
    first = torch.full((40, 1), START)
    looked = speaker.weights(unseen, first)[:, 0].argmax(dim=1).tolist()
    assert np.mean(np.array(looked) == places[200:]) > 0.95
    assert np.mean([a == b for a, b in zip(said(speaker, unseen), spoken[200:], strict=True)]) > 0.95
    pooled = speaker_of(MODELS["MP"], words=3 + classes, dims=classes + 1)
    learn(pooled, events[:200], spoken[:200], steps=150)
    assert np.mean([a == b for a, b in zip(said(pooled, unseen), spoken[200:], strict=True)]) < 0.8


def test_only_the_model_with_contexts_learns_what_only_the_context_tells() -> None:
    draw = np.random.default_rng(0)
    events, spoken = [], []
    for i in range(160):
        first, second = draw.integers(2), draw.integers(2)
        before = None if i % 4 == 0 else np.array([1.0, 2.0 * first - 1, 0.0])
        after = np.array([-1.0, 0.0, 2.0 * second - 1])
        events.append(event(draw.normal(size=(3, 3)), before=before, after=after))
        spoken.append((3 if before is None else 4 + int(first), 6 + int(second)))
    shares = {}
    for name in ("TA", "TAC"):
        speaker = speaker_of(MODELS[name], words=8, dims=3)
        learn(speaker, events[:120], spoken[:120], steps=60)
        answers = said(speaker, collate(events[120:]))
        shares[name] = np.mean([a == b for a, b in zip(answers, spoken[120:], strict=True)])
    assert shares["TAC"] > 0.95
    assert shares["TA"] < 0.5


def test_weights_of_attention_sum_to_one_and_padding_has_none() -> None:
    speaker = speaker_of(TINY)
    evidence = collate(random_events(4, 5))
    weights = speaker.weights(evidence, torch.full((4, 3), 4))
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(4, 3))
    assert weights.transpose(0, 1)[:, ~evidence.mask].abs().sum() == 0
