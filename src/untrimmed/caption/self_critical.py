"""Self-critical training: sentences that score above a baseline become likelier, those below it less likely.

The gradient of the expected reward is E[(r(s) - b) * grad log p(s)] for any b that does not depend on the sampled s
(REINFORCE). The baseline b is the reward of the sentence that is said greedily, or the mean reward of the other
samples of the same event. The loss whose gradient this is:

    -mean over sampled sentences of (r - b) * sum_t log p(w_t | w_<t)

where the sum goes up to the end sign and with it. A sentence that is cut has none, and its reward knows that: rewards
are given the end sign as a word. Without it sentences learn to end in "with a".

Source: Rennie et al., Self-critical Sequence Training for Image Captioning, CVPR 2017, sections 3.2 and 3.3 (report
17's [16]); the baseline of the other samples: Luo, A Better Variant of Self-Critical Sequence Training, 2020.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from untrimmed.caption.decoder import Speaker
from untrimmed.caption.vocabulary import END, START, UNKNOWN
from untrimmed.records import DataError

E = TypeVar("E")

Reward = Callable[[Sequence[tuple[int, ...]], Sequence[int]], np.ndarray]
"""The reward of each sentence (numbers of its words, the last one END where it has come to its end) about an event,
which is named by its number in the training data."""


@dataclass(frozen=True, kw_only=True)
class SelfCriticalConfig:
    """How sentences are sampled and compared."""

    baseline: Literal["greedy", "others"] = "greedy"
    """The reward of the greedy sentence, as in the paper's [16], or the mean of the event's other samples."""
    samples: int = 1
    """Sentences sampled of an event; 5 is usual for "others"."""
    most_words: int = 30
    """Words and end sign after which a sentence is cut; the paper does not say, 30 as in the search."""

    def __post_init__(self) -> None:
        if self.most_words < 1 or self.samples < (2 if self.baseline == "others" else 1):
            raise DataError(
                "self-critical training needs most_words >= 1 and samples >= 1, or 2 for the baseline of the others, "
                f"got {self.most_words} and {self.samples}"
            )


class RollOut(NamedTuple):
    """Sentences said word by word, one a row; the samples of an event follow each other.

    Attributes:
        words: numbers of the words, END from the end of the sentence on.
        log_probabilities: of each word, given those before it; 0 after the end.
        mask: True up to the end sign and with it.
    """

    words: Int[Tensor, "rows words"]
    log_probabilities: Float[Tensor, "rows words"]
    mask: Bool[Tensor, "rows words"]

    def sentences(self) -> list[tuple[int, ...]]:
        """The words of each row, with its end sign if it has one."""
        lengths = self.mask.sum(dim=1).tolist()
        return [tuple(row[:length]) for row, length in zip(self.words.tolist(), lengths, strict=True)]


def roll_out(speaker: Speaker[E], evidence: E, *, most_words: int, samples: int = 1, greedy: bool = False) -> RollOut:
    """Let a speaker say sentences, drawing each word from its distribution, or taking the likeliest.

    The start sign and UNKNOWN have no probability, nor has the end sign as the first word; the others share it. Draws
    come from torch's generator.

    Args:
        speaker: in the mode it is wanted in; log-probabilities carry gradients.
        evidence: of the events.
        most_words: words and end sign after which a sentence is cut.
        samples: sentences an event.
        greedy: take the likeliest word.
    """
    state, memory = speaker.begin(evidence)
    state = tuple(tensor.repeat_interleave(samples, dim=0) for tensor in state)
    memory = tuple(tensor.repeat_interleave(samples, dim=0) for tensor in memory)
    rows, device = len(state[0]), state[0].device
    said = torch.full((rows,), START, dtype=torch.int64, device=device)
    open_ = torch.ones(rows, dtype=torch.bool, device=device)
    words, logs, mask = [], [], []
    for length in range(most_words):
        state = speaker.advance(said, state, memory)
        logits = speaker.logits(state[0])
        never = [START, UNKNOWN] if length else [START, UNKNOWN, END]
        logits = logits.index_fill(1, torch.tensor(never, device=device), -torch.inf)
        log = torch.log_softmax(logits if logits.dtype == torch.float64 else logits.float(), dim=1)
        with torch.no_grad():
            drawn = log.argmax(dim=1) if greedy else torch.multinomial(log.exp(), 1).squeeze(1)
        said = torch.where(open_, drawn, END)
        words.append(said)
        taken = log.gather(1, drawn[:, None]).squeeze(1)
        logs.append(torch.where(open_, taken, torch.zeros_like(taken)))
        mask.append(open_)
        open_ = open_ & (said != END)
        if not open_.any():
            break
    return RollOut(torch.stack(words, dim=1), torch.stack(logs, dim=1), torch.stack(mask, dim=1))


def policy_loss(said: RollOut, advantage: Float[Tensor, " rows"]) -> Float[Tensor, ""]:
    """Minus the mean over sentences of advantage * log p(sentence); the advantage carries no gradient.

    Public code divides by the number of words, which weighs batches of short sentences more; this is the gradient of
    the expected reward.
    """
    return -(said.log_probabilities.sum(dim=1) * advantage.detach()).mean()


def others_mean(rewards: Float[Tensor, "events samples"]) -> Float[Tensor, "events samples"]:
    """For each sample the mean reward of the event's other samples."""
    return (rewards.sum(dim=1, keepdim=True) - rewards) / (rewards.shape[1] - 1)


def self_critical_loss(
    speaker: nn.Module, evidence: E, events: Int[Tensor, " events"], *, reward: Reward, config: SelfCriticalConfig
) -> Float[Tensor, ""]:
    """The loss of a batch of events.

    Sentences are sampled in the speaker's mode (dropout as it is); the greedy one is said in evaluation mode.

    Args:
        speaker: a Speaker.
        evidence: of the events.
        events: their numbers, which the reward knows them by.
        reward: of sentences.
        config: baseline and samples.
    """
    assert isinstance(speaker, Speaker)
    said = roll_out(speaker, evidence, most_words=config.most_words, samples=config.samples)
    numbers = events.tolist()
    repeated = [number for number in numbers for _ in range(config.samples)]
    rewards = _rewards(reward, said, repeated).to(said.log_probabilities)
    if config.baseline == "others":
        baseline = others_mean(rewards.reshape(-1, config.samples)).reshape(-1)
    else:
        learning = speaker.training
        with torch.no_grad():
            best = roll_out(speaker.eval(), evidence, most_words=config.most_words, greedy=True)
        speaker.train(learning)
        baseline = _rewards(reward, best, numbers).to(rewards).repeat_interleave(config.samples)
    return policy_loss(said, rewards - baseline)


def _rewards(reward: Reward, said: RollOut, events: Sequence[int]) -> Float[Tensor, " rows"]:
    return torch.from_numpy(np.asarray(reward(said.sentences(), events), dtype=np.float64))
