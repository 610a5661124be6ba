"""Beam search against greedy and exhaustive search on small vocabularies."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from caption.events import TINY, random_events
from untrimmed.caption.beam import BeamConfig, Hypothesis, log_probability, search
from untrimmed.caption.decoder import EventSpeaker, Memory, Speaker, State
from untrimmed.caption.evidence import collate
from untrimmed.caption.sentences import pad_sentences
from untrimmed.caption.vocabulary import END, START, UNKNOWN
from untrimmed.records import DataError

FREE = BeamConfig(blocked_run=0, echo=True)


class Bigrams(Speaker[Tensor]):
    """Says words by a table of logits for the next word given the last one, one table an event."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def begin(self, evidence: Float[Tensor, "n words words"]) -> tuple[State, Memory]:
        return (torch.zeros(len(evidence), evidence.shape[1]),), (evidence,)

    def advance(self, words: Int[Tensor, " n"], state: State, memory: Memory) -> State:
        return (memory[0][torch.arange(len(words)), words],)

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden


def lively(words: int, *, seed: int = 0) -> EventSpeaker:
    """A speaker whose probabilities are far from even."""
    torch.manual_seed(seed)
    speaker = EventSpeaker(words, 5, config=TINY).eval()
    with torch.no_grad():
        for parameter in speaker.parameters():
            parameter.mul_(3)
    return speaker


def greedy(speaker: EventSpeaker, evidence: object, *, most_words: int) -> list[tuple[int, ...]]:
    """The likeliest word, one after the other, without any beam."""
    words = torch.full((4, 1), START)
    for said in range(most_words + 1):
        logits = speaker(evidence, words)[:, -1].clone()
        logits[:, [START, UNKNOWN]] = -torch.inf
        if said == 0:
            logits[:, END] = -torch.inf
        if said == most_words:
            logits[:, [word for word in range(logits.shape[1]) if word != END]] = -torch.inf
        words = torch.cat([words, logits.argmax(dim=1, keepdim=True)], dim=1)
    return [tuple(itertools.takewhile(lambda word: word != END, row[1:])) for row in words.tolist()]


@pytest.mark.parametrize("seed", range(8))
def test_a_beam_of_one_is_greedy(seed: int) -> None:
    speaker, evidence = lively(9, seed=seed), collate(random_events(4, 5, seed=seed))
    found = search(speaker, evidence, config=replace(FREE, width=1, most_words=7))
    assert [hypotheses[0].words for hypotheses in found] == greedy(speaker, evidence, most_words=7)
    assert [len(hypotheses) for hypotheses in found] == [1] * 4


@pytest.mark.parametrize("power", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("config", [FREE, replace(FREE, echo=False), replace(FREE, blocked_run=2)])
def test_a_beam_wide_enough_finds_every_sentence_best_first(power: float, config: BeamConfig) -> None:
    words, most = 6, 4
    speaker, evidence = lively(words), collate(random_events(3, 5))
    found = search(speaker, evidence, config=replace(config, width=130, most_words=most, length_power=power))
    allowed = [
        sentence
        for length in range(1, most + 1)
        for sentence in itertools.product(range(3, words), repeat=length)
        if not (config.blocked_run == 2 and len(set(itertools.pairwise(sentence))) < len(sentence) - 1)
        and (config.echo or all(a != b for a, b in itertools.pairwise(sentence)))
    ]
    batch = pad_sentences(allowed)
    for item, event in enumerate(random_events(3, 5)):
        values = log_probability(speaker, collate([event] * len(allowed)), *batch).tolist()
        scores = [value / (len(s) + 1) ** power for value, s in zip(values, allowed, strict=True)]
        every = sorted(zip(scores, allowed, strict=True), reverse=True)
        assert [hypothesis.words for hypothesis in found[item]] == [sentence for _, sentence in every]
        assert [h.score for h in found[item]] == pytest.approx([score for score, _ in every], rel=1e-5)


def test_the_score_is_the_log_probability_of_the_words_and_the_end_sign_recomputed() -> None:
    speaker, evidence = lively(20), collate(random_events(4, 5))
    for item, hypotheses in enumerate(search(speaker, evidence, config=BeamConfig(most_words=9))):
        assert 1 <= len(hypotheses) <= 5
        for found in hypotheses:
            batch = pad_sentences([found.words])
            one = type(evidence)(*(tensor[item : item + 1] for tensor in evidence))
            value = log_probability(speaker, one, *batch).item()
            assert found.log_probability == pytest.approx(value, rel=1e-5)
            assert found.score == pytest.approx(value / (len(found.words) + 1), rel=1e-5)
            assert found.confidence == pytest.approx(math.exp(found.score), rel=1e-9)
            assert 0 < found.confidence <= 1
        assert [found.score for found in hypotheses] == sorted((found.score for found in hypotheses), reverse=True)
        assert len({found.words for found in hypotheses}) == len(hypotheses)


def test_a_batch_gives_what_its_events_give_alone() -> None:
    speaker, events = lively(20), random_events(5, 5)
    together = search(speaker, collate(events), config=BeamConfig(most_words=9))
    for one, hypotheses in zip(events, together, strict=True):
        alone = search(speaker, collate([one]), config=BeamConfig(most_words=9))[0]
        assert [found.words for found in alone] == [found.words for found in hypotheses]


def table(words: int, likely: dict[int, list[int]]) -> Tensor:
    """Logits of one event: after each word the named ones, the first the likeliest."""
    logits = torch.full((1, words, words), -20.0)
    for word, following in likely.items():
        for rank, other in enumerate(following):
            logits[0, word, other] = 5.0 - 2 * rank
    return logits


def best(logits: Tensor, **fields: object) -> Hypothesis:
    return search(Bigrams(), logits, config=replace(FREE, **fields))[0][0]  # type: ignore[arg-type]


def test_unknown_and_start_are_never_said_and_a_sentence_has_a_word() -> None:
    logits = table(5, {START: [END, UNKNOWN, START, 3], 3: [UNKNOWN, START, 4], 4: [END]})
    assert best(logits, width=1).words == (3, 4)


def test_a_run_of_words_is_not_said_twice() -> None:
    loop = table(7, {START: [3], 3: [4], 4: [5], 5: [3, 6], 6: [END]})
    assert best(loop, width=1, most_words=11).words == (3, 4, 5) * 3 + (3, 4)
    assert best(loop, width=1, blocked_run=3).words[:5] == (3, 4, 5, 3, 4)
    for run in (1, 2, 3):
        words = best(loop, width=1, blocked_run=run).words
        runs = [words[i : i + run] for i in range(len(words) - run + 1)]
        assert len(set(runs)) == len(runs)


def test_a_word_is_not_said_twice_in_a_row() -> None:
    logits = table(5, {START: [3], 3: [3, 4], 4: [4, END]})
    assert best(logits, width=1, echo=False).words == (3, 4)
    assert best(logits, width=1, most_words=4).words == (3, 3, 3, 3)


def test_a_sentence_of_the_greatest_length_must_end() -> None:
    logits = table(4, {START: [3], 3: [3]})
    found = best(logits, width=2, most_words=6)
    assert found.words == (3,) * 6 or len(found.words) < 6
    assert all(len(h.words) <= 6 for h in search(Bigrams(), logits, config=replace(FREE, most_words=6))[0])


def test_length_power_decides_between_short_and_long() -> None:
    """(3) has the higher probability, (4 5 4) the likelier words."""
    logits = torch.full((1, 6, 6), -30.0)
    logits[0, START, 3], logits[0, START, 4] = math.log(0.55), math.log(0.45)
    logits[0, 3, END], logits[0, 3, 3] = math.log(0.6), math.log(0.4)
    logits[0, 4, 5] = 0.0
    logits[0, 5, 4], logits[0, 5, END] = math.log(0.01), math.log(0.99 * 0.7)
    logits[0, 5, 3] = math.log(0.99 * 0.3)
    assert best(logits, length_power=0.0).words == (3,)
    assert best(logits, length_power=1.0).words == (4, 5)


def test_a_beam_without_room_says_so() -> None:
    message = "a beam needs width >= 1, most_words >= 1 and blocked_run >= 0, got 0, 30 and 3"
    with pytest.raises(DataError, match=message):
        BeamConfig(width=0)
