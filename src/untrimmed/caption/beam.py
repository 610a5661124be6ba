"""Beam search: the likeliest sentences of a speaker, for a whole batch of events at once."""

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from untrimmed.caption.decoder import Speaker
from untrimmed.caption.vocabulary import END, START, UNKNOWN
from untrimmed.records import DataError

E = TypeVar("E")


@dataclass(frozen=True, kw_only=True)
class BeamConfig:
    """How sentences are searched for. Report 22 says nothing of it."""

    width: int = 5
    """Sentences kept at every word; the paper does not say, 5 is usual for video (LSTM-A: 3); 1 is greedy."""
    most_words: int = 30
    """Longest sentence in words; the paper does not say, 30 is usual on ActivityNet Captions (98 % are shorter)."""
    length_power: float = 1.0
    """Sentences are ranked by log-probability / length^power; 1 ranks by the mean word, 0 prefers short sentences."""
    blocked_run: int = 3
    """A run of this many words is not said twice in a sentence; 0 allows everything."""
    echo: bool = False
    """Whether a word may be said twice in a row."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.most_words < 1 or self.blocked_run < 0:
            raise DataError(
                "a beam needs width >= 1, most_words >= 1 and blocked_run >= 0, "
                f"got {self.width}, {self.most_words} and {self.blocked_run}"
            )


@dataclass(frozen=True)
class Hypothesis:
    """A sentence that was found.

    Attributes:
        words: numbers of the words, without start and end.
        log_probability: of all words and the end sign, as the speaker gives it, whatever was suppressed.
        score: log_probability / (words and end) ^ length_power; higher is better.
    """

    words: tuple[int, ...]
    log_probability: float
    score: float

    @property
    def confidence(self) -> float:
        """Geometric mean of the probabilities of the words and the end sign, in (0, 1]."""
        return math.exp(self.log_probability / (len(self.words) + 1))


@torch.no_grad()
def search(speaker: Speaker[E], evidence: E, *, config: BeamConfig) -> list[list[Hypothesis]]:
    """The best sentences about each event, best first; `width` of them where the words allow so many.

    At every word the `width` best continuations of all unfinished sentences are kept; those that end leave the beam
    and narrow it by one. The start sign and UNKNOWN are never said, a sentence has at least one word, and one of
    `most_words` words must end. The speaker should be in eval mode.
    """
    state, memory = speaker.begin(evidence)
    items, width = len(state[0]), config.width
    state = tuple(tensor.repeat_interleave(width, dim=0) for tensor in state)
    memory = tuple(tensor.repeat_interleave(width, dim=0) for tensor in memory)
    device = state[0].device
    words = torch.full((items * width, 1), START, dtype=torch.int64, device=device)
    total = torch.full((items, width), -torch.inf, dtype=torch.float64, device=device)
    total[:, 0] = 0  # all beams begin alike: one of them may go on
    free = torch.full((items,), width, device=device)
    found: list[list[Hypothesis]] = [[] for _ in range(items)]
    for length in range(config.most_words + 1):
        state = speaker.advance(words[:, -1], state, memory)
        logs = torch.log_softmax(speaker.logits(state[0]).double(), dim=-1)
        logs = logs.masked_fill(_forbidden(words, logs.shape[1], config=config), -torch.inf)
        sums = (total.reshape(-1, 1) + logs).reshape(items, -1)
        total, best = sums.topk(min(width, sums.shape[1]), dim=1)
        if total.shape[1] < width:  # a vocabulary smaller than the beam
            missing = width - total.shape[1]
            total = torch.nn.functional.pad(total, (0, missing), value=-torch.inf)
            best = torch.nn.functional.pad(best, (0, missing))
        total = total.masked_fill(torch.arange(width, device=device) >= free[:, None], -torch.inf)
        rows = (best // logs.shape[1] + torch.arange(items, device=device)[:, None] * width).flatten()
        said = best % logs.shape[1]
        words = torch.cat([words[rows], said.reshape(-1, 1)], dim=1)
        state = tuple(tensor[rows] for tensor in state)
        ended = (said == END) & total.isfinite()
        for item, slot in ended.nonzero().tolist():
            sentence = tuple(words[item * width + slot, 1:-1].tolist())
            log_probability = total[item, slot].item()
            score = log_probability / (length + 1) ** config.length_power
            found[item].append(Hypothesis(sentence, log_probability, score))
        total = total.masked_fill(ended, -torch.inf)
        free = free - ended.sum(dim=1)
        if not total.isfinite().any():
            break
    return [sorted(hypotheses, key=lambda hypothesis: -hypothesis.score) for hypotheses in found]


def _forbidden(
    words: Int[Tensor, "rows said"], vocabulary: int, *, config: BeamConfig
) -> Bool[Tensor, "rows vocabulary"]:
    """Words that must not come next, given those said so far (with the start sign)."""
    rows, said = words.shape
    if said > config.most_words:
        mask = torch.ones(rows, vocabulary, dtype=torch.bool, device=words.device)
        mask[:, END] = False
        return mask
    mask = torch.zeros(rows, vocabulary, dtype=torch.bool, device=words.device)
    mask[:, START] = True
    mask[:, UNKNOWN] = True
    if said == 1:
        mask[:, END] = True
    elif not config.echo:
        mask.scatter_(1, words[:, -1:], True)
    run = config.blocked_run
    if 0 < run < said:
        windows = words[:, 1:].unfold(1, run, 1) if said > run else words.new_zeros(rows, 0, run)
        tail = words[:, said - run + 1 :]
        repeated = (windows[:, :, : run - 1] == tail[:, None]).all(dim=2)
        row, window = repeated.nonzero(as_tuple=True)
        mask[row, windows[row, window, run - 1]] = True
    return mask


def log_probability(
    speaker: Speaker[E],
    evidence: E,
    inputs: Int[Tensor, "n words"],
    targets: Int[Tensor, "n words"],
    mask: Bool[Tensor, "n words"],
) -> Float[Tensor, " n"]:
    """log Pr(sentence | evidence) of given sentences by teacher forcing, one an event."""
    logs = torch.log_softmax(speaker(evidence, inputs).double(), dim=-1)
    return (logs.gather(2, targets[:, :, None]).squeeze(2) * mask).sum(dim=1)
