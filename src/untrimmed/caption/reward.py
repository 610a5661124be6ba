"""The reward of a sentence: CIDEr-D and METEOR against the annotated one, with the end sign as a word of both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from untrimmed.caption.consensus import PairScores
from untrimmed.caption.likeness import CiderD
from untrimmed.caption.vocabulary import END, Vocabulary
from untrimmed.records import DataError

END_WORD = "endofsentence"
"""Stands for the end sign in front of the metrics; plain letters, so that METEOR takes it for one word."""


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """Weights; report 17 names both metrics and no weight."""

    cider: float = 0.1
    """Weight of CIDEr-D, which lies in [0, 10]; the paper does not say: both metrics get the same range, as table 3
    has METEOR rise and CIDEr-D fall under the reward."""
    meteor: float = 1.0
    """Weight of METEOR, which lies in [0, 1]; the paper does not say. 0 asks for none."""

    def __post_init__(self) -> None:
        if min(self.cider, self.meteor) < 0 or self.cider + self.meteor == 0:
            raise DataError(
                f"a reward needs weights >= 0, one of them above 0, got cider {self.cider} and meteor {self.meteor}"
            )


class SentenceReward:
    """Rewards sentences of events by what is annotated of them.

    Document frequencies of CIDEr-D are those of the annotated sentences, one document each, the end sign included.

    Args:
        vocabulary: turns numbers into words.
        references: tokens of the annotated sentence of each event, by its number.
        meteor: scores pairs.
        config: weights.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        references: Sequence[Sequence[str]],
        *,
        meteor: PairScores,
        config: RewardConfig,
    ) -> None:
        self.vocabulary, self.meteor, self.config = vocabulary, meteor, config
        self.references = [[*tokens, END_WORD] for tokens in references]
        self.cider = CiderD.of(self.references)

    def __call__(self, sentences: Sequence[tuple[int, ...]], events: Sequence[int]) -> Float64[np.ndarray, " rows"]:
        """The weighted sum for each sentence (see self_critical.Reward)."""
        said = [
            [*self.vocabulary.decode(numbers), *([END_WORD] if numbers and numbers[-1] == END else [])]
            for numbers in sentences
        ]
        given = [self.references[event] for event in events]
        total = np.zeros(len(said))
        if self.config.cider:
            total += self.config.cider * self.cider.pairs(said, given)
        if self.config.meteor:
            pairs = [(" ".join(a), " ".join(b)) for a, b in zip(said, given, strict=True)]
            total += self.config.meteor * np.asarray(self.meteor(pairs), dtype=np.float64)
        return total
