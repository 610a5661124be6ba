"""LSTM decoders that say a sentence about an event: mean pooling, temporal attention, attention with contexts.

A `Speaker` is anything that says words one after the other: it begins from evidence, advances by one word, and gives
the logits of the next. Teacher forcing and beam search need no more, so a decoder of another report (attributes first,
video second) is another Speaker around the same `WordLstm`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from untrimmed.caption.attention import AdditiveAttention
from untrimmed.caption.evidence import Evidence

State = tuple[Tensor, ...]
"""What changes from word to word; the first axis of every tensor counts the sentences. The first one is h."""
Memory = tuple[Tensor, ...]
"""What stays the same while a sentence is said; the first axis of every tensor counts the sentences."""

E = TypeVar("E")


class Speaker(nn.Module, ABC, Generic[E]):
    """Says words one after the other."""

    @abstractmethod
    def begin(self, evidence: E) -> tuple[State, Memory]:
        """The state before the start sign and what is looked at, one row an event."""

    @abstractmethod
    def advance(self, words: Int[Tensor, " sentences"], state: State, memory: Memory) -> State:
        """The state after these words."""

    @abstractmethod
    def logits(self, hidden: Float[Tensor, "*sentences hidden"]) -> Float[Tensor, "*sentences vocabulary"]:
        """Before the softmax over the next word, given the state's first tensor."""

    def forward(
        self, evidence: E, words: Int[Tensor, "sentences words"]
    ) -> Float[Tensor, "sentences words vocabulary"]:
        """Teacher forcing: logits of the word after each of the given ones, the first of which is the start sign."""
        state, memory = self.begin(evidence)
        hidden = []
        for column in words.unbind(1):
            state = self.advance(column, state, memory)
            hidden.append(state[0])
        return self.logits(torch.stack(hidden, dim=1))


class WordLstm(nn.Module):
    """A word embedding, one LSTM layer and the output matrix over the vocabulary.

    h_t = f(h_{t-1}, [w_{t-1}; seen_t]), Pr(w_t) = Softmax(W_d h_t + b_d). The embedding is a matrix without bias; the
    cell's input may also be given directly, by a map of one's own to its size.

    Args:
        vocabulary: words with the three signs.
        embed: size of a word's embedding.
        hidden: size of h.
        seen: size of what is seen at every word besides it; 0 for nothing.
        dropout: share of the embedding and of h before the output that is dropped while learning.

    Source: report 22, equations 1, 2 and 6.
    """

    def __init__(self, vocabulary: int, *, embed: int, hidden: int, seen: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embed)
        self.cell = nn.LSTMCell(embed + seen, hidden)
        self.output = nn.Linear(hidden, vocabulary)
        self.dropout = nn.Dropout(dropout)

    def embed(self, words: Int[Tensor, " sentences"]) -> Float[Tensor, "sentences embed"]:
        """Embeddings of words."""
        return self.dropout(self.embedding(words))

    def advance(self, inputs: Float[Tensor, "sentences inputs"], state: State) -> State:
        """One step of the LSTM; the state is h and c."""
        hidden, cell = self.cell(inputs, (state[0], state[1]))
        return hidden, cell

    def logits(self, hidden: Float[Tensor, "*sentences hidden"]) -> Float[Tensor, "*sentences vocabulary"]:
        """W_d h + b_d."""
        return self.output(self.dropout(hidden))


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Which of the three models, and its sizes. Report 22 gives no size."""

    attention: bool = True
    """Look at the event's cells again at every word (TA, TAC), or at their mean only, before the first (MP)."""
    contexts: bool = True
    """Join the means before and after the event to what h begins from (TAC)."""
    embed: int = 1024
    """Size of word embeddings; the paper does not say, 1,024 is what public code uses for such models on MSR-VTT."""
    hidden: int = 1024
    """Size of the LSTM; the paper does not say, 1,024 as above."""
    attend: int = 512
    """Rows of W_a and U_a; the paper does not say, 512 as above."""
    dropout: float = 0.5
    """On embeddings and on h before the output; the paper does not say, 0.5 as above."""


class EventSpeaker(Speaker[Evidence]):
    """MP, TA or TAC over the evidence of events.

    MP: x = tanh(W [means of the event's modalities] + b), h_0 = x, c_0 = 0. TA: at every word also
    phi_t = sum_i alpha_i v_i by additive attention, joined to the word as input. TAC: h_0 from
    [mean; mean before; mean after; flags]. Where an event touches a border of the video there is nothing before or
    after: a learned vector stands there and the flag is 0 (1 elsewhere); a zero vector would say "average features".

    Features are brought to mean 0 and deviation 1 by `standardise`, since modalities of very different scales are
    joined; until it is called they are taken as they are. Then they are cut to [-5, 5]: a dimension that hardly varied
    in training would swamp all others where it does (units that were always 0 there, on a class of its own).

    Args:
        vocabulary: words with the three signs.
        dims: of the joined features.
        config: model and sizes.

    Source: report 22, section 2.2, equations 1 to 6. tanh and c_0 = 0 are choices: h of an LSTM lies in (-1, 1).
    """

    centre: Tensor
    scale: Tensor
    limit: Tensor

    def __init__(self, vocabulary: int, dims: int, *, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("centre", torch.zeros(dims))
        self.register_buffer("scale", torch.ones(dims))
        self.register_buffer("limit", torch.tensor(torch.inf))
        inputs = 3 * dims + 2 if config.contexts else dims
        self.fuse = nn.Linear(inputs, config.hidden)
        if config.contexts:
            self.nothing = nn.Parameter(torch.randn(2, dims) * 0.01)
        if config.attention:
            self.attention = AdditiveAttention(config.hidden, dims, size=config.attend)
        seen = dims if config.attention else 0
        self.words = WordLstm(vocabulary, embed=config.embed, hidden=config.hidden, seen=seen, dropout=config.dropout)

    def standardise(self, mean: Float[Tensor, " dims"], deviation: Float[Tensor, " dims"]) -> None:
        """Take features as (v - mean) / deviation from now on; dimensions that never vary are only centred."""
        self.centre.copy_(mean)
        self.scale.copy_(torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation)))
        self.limit.fill_(5.0)

    def begin(self, evidence: Evidence) -> tuple[State, Memory]:
        """h_0, c_0 and what attention looks at."""
        inside = self._standard(evidence.inside)
        weights = evidence.mask.to(inside.dtype)
        inside = inside * weights[:, :, None]
        seen = [inside.sum(1) / weights.sum(1, keepdim=True)]
        if self.config.contexts:
            known = evidence.known[:, :, None]
            contexts = torch.where(known, self._standard(evidence.contexts), self.nothing)
            seen += [contexts.flatten(1), evidence.known.to(inside.dtype)]
        hidden = torch.tanh(self.fuse(torch.cat(seen, dim=1)))
        state = (hidden, torch.zeros_like(hidden))
        if not self.config.attention:
            return state, ()
        return state, (inside, self.attention.keys(inside), evidence.mask)

    def advance(self, words: Int[Tensor, " sentences"], state: State, memory: Memory) -> State:
        """One word further."""
        inputs = self.words.embed(words)
        if self.config.attention:
            inside, keys, mask = memory
            seen, _ = self.attention(state[0], inside, keys=keys, mask=mask)
            inputs = torch.cat([inputs, seen], dim=1)
        return self.words.advance(inputs, state)

    def logits(self, hidden: Float[Tensor, "*sentences hidden"]) -> Float[Tensor, "*sentences vocabulary"]:
        """Before the softmax over the next word."""
        return self.words.logits(hidden)

    def _standard(self, features: Float[Tensor, "*shape dims"]) -> Float[Tensor, "*shape dims"]:
        return ((features - self.centre) / self.scale).clamp(-self.limit, self.limit)

    @torch.no_grad()
    def weights(
        self, evidence: Evidence, words: Int[Tensor, "sentences words"]
    ) -> Float[Tensor, "sentences words cells"]:
        """Where attention looks while each word is said: alpha of equation 4; a row sums to 1.

        Args:
            evidence: the events.
            words: one sentence an event, from the start sign on. Column t holds the weights for the word after it.
        """
        state, memory = self.begin(evidence)
        inside, keys, mask = memory
        looked = []
        for column in words.unbind(1):
            looked.append(self.attention(state[0], inside, keys=keys, mask=mask)[1])
            state = self.advance(column, state, memory)
        return torch.stack(looked, dim=1)


def caption_loss(
    speaker: Speaker[E],
    evidence: E,
    inputs: Int[Tensor, "sentences words"],
    targets: Int[Tensor, "sentences words"],
    mask: Bool[Tensor, "sentences words"],
) -> Float[Tensor, ""]:
    """Mean over the words that are there of -log Pr(word | evidence, the words before it)."""
    logits = speaker(evidence, inputs)
    losses = nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    return (losses * mask).sum() / mask.sum()
