"""A paragraph of a video: the sentences that say most without saying the same, in order of time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from untrimmed.caption.layout import in_time_order, merge_identical
from untrimmed.records import Caption, DataError

RUN = 3
"""Longest run of words that is compared."""


@dataclass(frozen=True, kw_only=True)
class SummaryConfig:
    """How many sentences a summary has and how much they may say alike."""

    sentences: int = 5
    """Most sentences; ActivityNet Captions has 3.65 a video (Krishna et al., ICCV 2017)."""
    redundancy: float = 1.0
    """What likeness to a sentence that is there costs, in units of the best score; 0 asks for no difference."""
    overlap: float = 0.5
    """Two sentences may share at most this part of the shorter one's time, 0 to 1; even proposals of several levels
    tell the same moments several times."""

    def __post_init__(self) -> None:
        if self.sentences < 1 or self.redundancy < 0 or not 0 <= self.overlap <= 1:
            raise DataError(
                "a summary needs sentences >= 1, redundancy >= 0 and overlap in [0, 1], "
                f"got {self.sentences}, {self.redundancy} and {self.overlap}"
            )


def likeness(first: str, second: str) -> float:
    """How much two sentences say the same: the mean over runs of 1 to 3 words of 2 |both| / (|first| + |second|).

    Runs are counted as sets, case and marks do not count. Lengths that neither sentence has a run of are left out.

    Returns:
        0 (no word in common) to 1 (the same words in the same order); 0 where a sentence has no word.
    """
    words = _tokens(first), _tokens(second)
    shares = []
    for length in range(1, RUN + 1):
        one, two = (_runs(said, length) for said in words)
        if one or two:
            shares.append(2 * len(one & two) / (len(one) + len(two)))
    return sum(shares) / len(shares) if shares else 0.0


def chosen_events(captions: Iterable[Caption], *, config: SummaryConfig | None = None) -> tuple[Caption, ...]:
    """The captions of a summary.

    One after the other the caption with the highest score minus its likeness to those chosen is taken (scores counted
    from 0.5 for the worst to 1 for the best; the earlier wins among equals), as long as it shares little time with them
    and something is left of its score. Neighbours that say the same were joined before.

    Args:
        captions: in any order; those without a word are left out.
        config: how many, how different.

    Returns:
        In order of time; empty only if no caption has a word.
    """
    config = config or SummaryConfig()
    left = list(merge_identical(caption for caption in captions if _tokens(caption.sentence)))
    scores = [caption.score for caption in left]
    low, span = min(scores, default=0.0), max(scores, default=0.0) - min(scores, default=0.0)
    worth = {id(caption): 1.0 if span == 0 else 0.5 + 0.5 * (caption.score - low) / span for caption in left}
    chosen: list[Caption] = []
    while left and len(chosen) < config.sentences:
        values = [
            worth[id(caption)]
            - config.redundancy * max((likeness(caption.sentence, one.sentence) for one in chosen), default=0.0)
            for caption in left
        ]
        best = max(range(len(left)), key=values.__getitem__)
        if chosen and values[best] <= 0:
            break
        chosen.append(left.pop(best))
        left = [caption for caption in left if _shared(caption, chosen[-1]) <= config.overlap]
    return in_time_order(chosen)


def paragraph(captions: Iterable[Caption], *, config: SummaryConfig | None = None) -> str:
    """The chosen events as text: each begins with a capital letter and ends with a mark; a sentence stands once."""
    said = (_finished(caption.sentence) for caption in chosen_events(captions, config=config))
    return " ".join(dict.fromkeys(said))


def _finished(sentence: str) -> str:
    text = " ".join(sentence.split())
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?…" else ".")


def _tokens(sentence: str) -> list[str]:
    bare = "".join(letter if letter.isalnum() or letter == "'" else " " for letter in sentence.casefold())
    return [word for word in bare.split() if word.strip("'")]


def _runs(words: Sequence[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


def _shared(first: Caption, second: Caption) -> float:
    """The common time as a part of the shorter of the two."""
    (a, b), (c, d) = first.segment, second.segment
    return max(0.0, min(b, d) - max(a, c)) / min(b - a, d - c)
