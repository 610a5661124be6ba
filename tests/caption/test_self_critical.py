"""The gradient of self-critical training is that of the expected reward; sentences that are cut are known as such."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from untrimmed.caption.decoder import Memory, Speaker, State
from untrimmed.caption.likeness import CiderD
from untrimmed.caption.reward import END_WORD, RewardConfig, SentenceReward
from untrimmed.caption.self_critical import (
    RollOut,
    SelfCriticalConfig,
    others_mean,
    policy_loss,
    roll_out,
    self_critical_loss,
)
from untrimmed.caption.vocabulary import END, SIGNS, START, UNKNOWN, Vocabulary
from untrimmed.records import DataError

WORDS = (3, 4)
MOST = 3


class Toy(Speaker[Tensor]):
    """Two words and the end; the state is the sum of what was said, so that words depend on those before."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(5, 3)
        self.output = nn.Linear(3, 5)
        self.double()

    def begin(self, evidence: Tensor) -> tuple[State, Memory]:
        return (evidence,), ()

    def advance(self, words: Tensor, state: State, memory: Memory) -> State:
        return (torch.tanh(state[0] + self.words(words)),)

    def logits(self, hidden: Tensor) -> Tensor:
        return self.output(hidden)


@pytest.fixture
def toy() -> Toy:
    torch.manual_seed(0)
    return Toy()


EVIDENCE = torch.tensor([[0.2, -0.5, 0.9]], dtype=torch.float64)


def every_sentence() -> list[tuple[int, ...]]:
    """All that can be said in at most 3 signs: with an end sign, or cut."""
    ended = [(*words, END) for n in range(1, MOST) for words in product(WORDS, repeat=n)]
    return [*ended, *product(WORDS, repeat=MOST)]


def log_probability(toy: Toy, sentence: tuple[int, ...]) -> Tensor:
    """By hand, word for word."""
    state, total = EVIDENCE, torch.zeros((), dtype=torch.float64)
    before = START
    for place, word in enumerate(sentence):
        state = torch.tanh(state + toy.words.weight[before])
        logits = (state @ toy.output.weight.T + toy.output.bias)[0]
        allowed = [3, 4] if place == 0 else [END, 3, 4]
        total = total + logits[word] - logits[allowed].logsumexp(0)
        before = word
    return total


def told(toy: Toy, sentence: tuple[int, ...]) -> RollOut:
    """A roll-out that said this sentence."""
    length = len(sentence)
    each = torch.cat([log_probability(toy, sentence)[None], torch.zeros(length - 1, dtype=torch.float64)])
    return RollOut(torch.tensor([sentence]), each[None], torch.ones(1, length, dtype=torch.bool))


def value_of(sentence: tuple[int, ...]) -> float:
    return 0.3 * sum(sentence) + (2.0 if sentence[-1] == END else -1.0) - 0.4 * len(sentence)


def gradient(toy: Toy, loss: Tensor) -> Float[Tensor, " parameters"]:
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(toy.parameters()), retain_graph=True)])


def expected_reward_gradient(toy: Toy) -> Float[Tensor, " parameters"]:
    total = sum(log_probability(toy, s).exp() * value_of(s) for s in every_sentence())
    assert isinstance(total, Tensor)
    return gradient(toy, total)


def test_the_sentences_are_all_there_is(toy: Toy) -> None:
    assert sum(log_probability(toy, s).exp().item() for s in every_sentence()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("baseline", [0.0, 1.7])
def test_the_expected_gradient_of_the_loss_is_that_of_the_expected_reward(toy: Toy, baseline: float) -> None:
    found = torch.zeros(1, dtype=torch.float64)
    for s in every_sentence():
        advantage = torch.tensor([value_of(s) - baseline], dtype=torch.float64)
        found = found + log_probability(toy, s).exp().detach() * gradient(toy, policy_loss(told(toy, s), advantage))
    torch.testing.assert_close(-found, expected_reward_gradient(toy), rtol=1e-9, atol=1e-12)


def test_the_mean_of_the_others_is_such_a_baseline_too(toy: Toy) -> None:
    found = torch.zeros(1, dtype=torch.float64)
    for first, second in product(every_sentence(), repeat=2):
        rewards = torch.tensor([[value_of(first), value_of(second)]], dtype=torch.float64)
        advantage = (rewards - others_mean(rewards)).flatten()
        chance = (log_probability(toy, first) + log_probability(toy, second)).exp().detach()
        both = [policy_loss(told(toy, s), advantage[i : i + 1]) for i, s in enumerate((first, second))]
        found = found + chance * gradient(toy, (both[0] + both[1]) / 2)
    torch.testing.assert_close(-found, expected_reward_gradient(toy), rtol=1e-9, atol=1e-12)
    rewards = torch.tensor([[1.0, 2.0, 6.0]])
    assert others_mean(rewards).tolist() == [[4.0, 3.5, 1.5]]


def test_sampled_losses_come_near_the_gradient_by_enumeration(toy: Toy) -> None:
    toy.eval()
    torch.manual_seed(1)
    events, count = torch.zeros(1, dtype=torch.int64), 4000
    config = SelfCriticalConfig(samples=count, most_words=MOST)
    loss = self_critical_loss(
        toy, EVIDENCE, events, reward=lambda said, _: np.array([value_of(s) for s in said]), config=config
    )
    wanted = expected_reward_gradient(toy)
    error = (-gradient(toy, loss) - wanted).norm() / wanted.norm()
    assert error < 0.1


def test_samples_have_the_frequencies_of_their_probabilities(toy: Toy) -> None:
    torch.manual_seed(2)
    said = roll_out(toy, EVIDENCE, most_words=MOST, samples=20_000)
    sentences = said.sentences()
    for s in every_sentence():
        chance = log_probability(toy, s).exp().item()
        share = np.mean([one == s for one in sentences])
        assert share == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 20_000) + 1e-4)
    for row in range(5):
        assert said.log_probabilities[row].sum().item() == pytest.approx(
            log_probability(toy, sentences[row]).item(), abs=1e-12
        )
    assert not set(said.words.unique().tolist()) & {START, UNKNOWN}


def test_the_greedy_sentence_takes_the_likeliest_word_each_time(toy: Toy) -> None:
    said = roll_out(toy, EVIDENCE.repeat(2, 1), most_words=MOST, greedy=True).sentences()
    assert said[0] == said[1]
    for place in range(1, len(said[0])):
        rivals = [(*said[0][:place], word) for word in (END, *WORDS)]
        best = max(rivals, key=lambda s: log_probability(toy, s).item())
        assert best == said[0][: place + 1]


class Heard:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[tuple[int, ...]], list[int]]] = []

    def __call__(self, said: Sequence[tuple[int, ...]], events: Sequence[int]) -> Float[np.ndarray, " rows"]:
        self.asked.append((list(said), list(events)))
        return np.arange(len(said), dtype=np.float64)


@pytest.mark.parametrize(("baseline", "samples"), [("greedy", 1), ("greedy", 3), ("others", 3)])
def test_rewards_are_asked_for_each_sample_of_each_event(toy: Toy, baseline: str, samples: int) -> None:
    reward = Heard()
    config = SelfCriticalConfig(baseline=baseline, samples=samples, most_words=MOST)  # type: ignore[arg-type]
    toy.train()
    self_critical_loss(toy, EVIDENCE.repeat(2, 1), torch.tensor([7, 5]), reward=reward, config=config).backward()
    assert reward.asked[0][1] == [7] * samples + [5] * samples
    assert [events for _, events in reward.asked[1:]] == ([[7, 5]] if baseline == "greedy" else [])
    assert toy.training
    for parameter in toy.parameters():
        assert parameter.grad is not None


VOCABULARY = Vocabulary((*SIGNS, "a", "man", "runs"))
TOLD = [["a", "man", "runs"], ["a", "dog", "sleeps"]]


def half(pairs: Sequence[tuple[str, str]]) -> Float[np.ndarray, " pairs"]:
    return np.array([len(set(a.split()) & set(b.split())) / 8 for a, b in pairs])


def test_the_reward_counts_the_end_as_a_word_of_both() -> None:
    reward = SentenceReward(VOCABULARY, TOLD, meteor=half, config=RewardConfig(cider=2.0, meteor=3.0))
    whole, cut = (3, 4, 5, END), (3, 4, 5)
    found = reward([whole, cut, whole], [0, 0, 1])
    cider = CiderD.of([[*tokens, END_WORD] for tokens in TOLD])
    words = ["a", "man", "runs"]
    given = [[*TOLD[i], END_WORD] for i in (0, 0, 1)]
    wanted = 2 * cider.pairs([[*words, END_WORD], words, [*words, END_WORD]], given)
    wanted += 3 * np.array([4, 3, 2]) / 8
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert found[0] > found[1]


def test_a_weight_of_zero_asks_nothing() -> None:
    def never(pairs: Sequence[tuple[str, str]]) -> Float[np.ndarray, " pairs"]:
        raise AssertionError

    only_cider = SentenceReward(VOCABULARY, TOLD, meteor=never, config=RewardConfig(meteor=0.0))
    assert only_cider([(3, 4, 5, END)], [0])[0] == pytest.approx(1.0)  # the sentence itself: 0.1 times 10
    only_meteor = SentenceReward(VOCABULARY, TOLD, meteor=half, config=RewardConfig(cider=0.0))
    assert only_meteor([(3, END)], [1])[0] == pytest.approx(2 / 8)


def test_what_cannot_be_is_refused() -> None:
    message = "self-critical training needs most_words >= 1 and samples >= 1, or 2 for the baseline of the others"
    with pytest.raises(DataError, match=message):
        SelfCriticalConfig(baseline="others")
    with pytest.raises(DataError, match=message):
        SelfCriticalConfig(most_words=0)
    with pytest.raises(DataError, match="a reward needs weights >= 0, one of them above 0, got cider 0"):
        RewardConfig(cider=0.0, meteor=0.0)
