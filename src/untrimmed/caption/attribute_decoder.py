"""LSTM-A: a decoder that is shown an event's attributes and its video before, or while, it says the words.

Each thing that is shown has a linear map of its own into the LSTM's input, without a non-linearity; what the LSTM gives
out before the start sign is not used. With T_s, T_v, T_a the maps of words, video and attributes:

    plain  T_v v                then T_s w_t             A3  T_a a, T_v v  then T_s w_t
    A1     T_a a                then T_s w_t             A4  T_a a         then T_s w_t + T_v v
    A2     T_v v, T_a a         then T_s w_t             A5  T_v v         then T_s w_t + T_a a

Source: Yao et al., Boosting Image Captioning with Attributes, ICCV 2017, section 3.2.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from untrimmed.caption.attributes import AttributeEvidence, Standardised
from untrimmed.caption.decoder import Memory, Speaker, State, WordLstm

Shown = Literal["attributes", "video"]
Variant = Literal["plain", "A1", "A2", "A3", "A4", "A5"]

FIRST: dict[Variant, tuple[Shown, ...]] = {
    "plain": ("video",),
    "A1": ("attributes",),
    "A2": ("video", "attributes"),
    "A3": ("attributes", "video"),
    "A4": ("attributes",),
    "A5": ("video",),
}
"""What is shown before the words, in order."""

AT_WORDS: dict[Variant, Shown | None] = {
    "plain": None,
    "A1": None,
    "A2": None,
    "A3": None,
    "A4": "video",
    "A5": "attributes",
}
"""What is shown again with every word."""


@dataclass(frozen=True, kw_only=True)
class AttributeDecoderConfig:
    """Which LSTM-A, and its sizes."""

    variant: Variant = "A3"
    """What is shown when; report 17, section 6.1: "the third design LSTM-A3"."""
    context: Literal["none", "mean", "attention"] = "attention"
    """How the neighbouring events come in; section 6.1: "like [7]", where each is weighted by how well it fits the
    event. "mean" weighs them equally, "none" leaves them out."""
    embed: int = 1024
    """Size of the LSTM's input; section 6.1."""
    hidden: int = 1024
    """Size of the LSTM; section 6.1."""
    dropout: float = 0.5
    """On embeddings and on h before the output; the paper does not say, 0.5 is what public code for LSTM-A takes."""


class NeighbourContext(nn.Module):
    """The events before and the events after, each side as one vector.

    Every event becomes h = tanh(W [a; v]). A neighbour's weight is softmax over its side of q . h_j / sqrt(size) with
    q = W_q h_i + b_q, or the same for all. Where a side has no neighbour a learned vector stands for it.

    Args:
        both: numbers in [a; v].
        size: of h.
        attention: weigh neighbours, or take their mean.

    Source: Krishna et al. 2017, section 4.2. There the weights are the dot products over the number of neighbours; the
        softmax is a choice, since proposals are many more than annotated events.
    """

    def __init__(self, both: int, size: int, *, attention: bool) -> None:
        super().__init__()
        self.event = nn.Linear(both, size)
        self.query = nn.Linear(size, size) if attention else None
        self.nothing = nn.Parameter(torch.randn(2, size) * 0.01)

    def forward(
        self,
        event: Float[Tensor, "events both"],
        neighbours: Float[Tensor, "events neighbours both"],
        *,
        before: Bool[Tensor, "events neighbours"],
        after: Bool[Tensor, "events neighbours"],
    ) -> Float[Tensor, "events sides"]:
        """[before; after], twice `size` numbers."""
        others = torch.tanh(self.event(neighbours))
        fit = torch.zeros_like(before, dtype=others.dtype)
        if self.query is not None:
            query = self.query(torch.tanh(self.event(event)))
            fit = torch.einsum("eh,enh->en", query, others) / query.shape[1] ** 0.5
        sides = []
        for nothing, there in zip(self.nothing, (before, after), strict=True):
            any_there = there.any(dim=1, keepdim=True)
            # A row without a neighbour would be softmax over nothing; its weights are not used.
            weights = torch.softmax(fit.masked_fill(~there & any_there, -torch.inf), dim=1)
            sides.append(torch.where(any_there, torch.einsum("en,enh->eh", weights, others), nothing))
        return torch.cat(sides, dim=1)


class AttributeSpeaker(Speaker[AttributeEvidence]):
    """LSTM-A over events; the video it is shown is [v; before; after] where it knows neighbours.

    Args:
        vocabulary: words with the three signs.
        attributes: of an event.
        dims: of its video features; `standard` brings them to one scale.
        config: variant and sizes.
    """

    def __init__(self, vocabulary: int, attributes: int, dims: int, *, config: AttributeDecoderConfig) -> None:
        super().__init__()
        self.config = config
        used = {*FIRST[config.variant], AT_WORDS[config.variant]}
        self.words = WordLstm(vocabulary, embed=config.embed, hidden=config.hidden, dropout=config.dropout)
        self.standard = Standardised(dims)
        self.attributes = nn.Linear(attributes, config.embed) if "attributes" in used else None
        self.context: NeighbourContext | None = None
        self.video: nn.Linear | None = None
        if "video" in used:
            size = dims
            if config.context != "none":
                both = attributes + dims
                self.context = NeighbourContext(both, config.embed, attention=config.context == "attention")
                size += 2 * config.embed
            self.video = nn.Linear(size, config.embed)

    def begin(self, evidence: AttributeEvidence) -> tuple[State, Memory]:
        """The state after the attributes and the video; what is shown with every word."""
        shown = self._shown(evidence)
        hidden = evidence.video.new_zeros(len(evidence.video), self.config.hidden)
        state: State = (hidden, hidden)
        for name in FIRST[self.config.variant]:
            state = self.words.advance(shown[name], state)
        again = AT_WORDS[self.config.variant]
        return state, (shown[again],) if again is not None else ()

    def advance(self, words: Int[Tensor, " sentences"], state: State, memory: Memory) -> State:
        """One word further."""
        inputs = self.words.embed(words)
        for shown in memory:
            inputs = inputs + shown
        return self.words.advance(inputs, state)

    def logits(self, hidden: Float[Tensor, "*sentences hidden"]) -> Float[Tensor, "*sentences vocabulary"]:
        """Before the softmax over the next word."""
        return self.words.logits(hidden)

    def _shown(self, evidence: AttributeEvidence) -> dict[str, Tensor]:
        shown: dict[str, Tensor] = {}
        if self.attributes is not None:
            shown["attributes"] = self.attributes(evidence.attributes)
        if self.video is not None:
            seen = self.standard(evidence.video)
            if self.context is not None:
                count = evidence.attributes.shape[1]
                around = evidence.neighbours
                around = torch.cat([around[:, :, :count], self.standard(around[:, :, count:])], dim=2)
                event = torch.cat([evidence.attributes, seen], dim=1)
                sides = self.context(event, around, before=evidence.before, after=evidence.after)
                seen = torch.cat([seen, sides], dim=1)
            shown["video"] = self.video(seen)
        return shown
