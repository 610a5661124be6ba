"""METEOR 1.5 (English, "rank" parameters): from 23 statistics of a pair to the score of a pair or a corpus.

Where the statistics come from is the backend's business (meteor_python.py, or java.py to compare with). Everything
above them is here: a pair is scored once however often it occurs, and a corpus score is the same formula on summed
statistics.

    P, R = weighted matches / weighted length, F = 1 / (0.15 / P + 0.85 / R)
    score = F * (1 - 0.6 * (chunks / mean matched words)^0.2)

Content words weigh 0.75, function words 0.25; exact matches 1, stems 0.6, synonyms 0.8, paraphrases 0.6. The penalty is
0 when every word of both sides matches in one chunk.

Source: Denkowski and Lavie, Meteor Universal, WMT 2014, section 2; the parameters are those of release 1.5.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.evaluate.text.items import Items

COLUMNS = 23
"""Length of hypothesis and reference; function words in each; for exact, stem, synonym and paraphrase: matched content
words of hypothesis and reference, matched function words of both; chunks; matched words of both."""

Statistics = Int64[np.ndarray, "pairs 23"]
Backend = Callable[[Sequence[tuple[str, str]]], Statistics]
"""From (hypothesis, reference) pairs, tokens joined by blanks, to their statistics."""

Progress = Callable[[int, int], None]
"""Called now and then with how many pairs are done and how many there are."""

ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
STAGES = np.array([1.0, 0.6, 0.8, 0.6])

_CHUNKS = 20


class Meteor:
    """Statistics of pairs, each asked of the backend once."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._known: dict[tuple[str, str], int] = {}
        self._rows = np.zeros((0, COLUMNS), dtype=np.int64)

    def statistics(self, pairs: Sequence[tuple[str, str]]) -> Statistics:
        """Statistics of (hypothesis, reference) pairs, in their order.

        Raises:
            MissingExtra: when the backend cannot run; the message says what to install.
        """
        new = list(dict.fromkeys(pair for pair in pairs if pair not in self._known))
        if new:
            found = self.backend(new)
            self._known |= {pair: len(self._rows) + place for place, pair in enumerate(new)}
            self._rows = np.concatenate([self._rows, found])
        return self._rows[np.fromiter((self._known[pair] for pair in pairs), dtype=np.int64, count=len(pairs))]

    def score(self, hypothesis: str, references: Sequence[str]) -> float:
        """METEOR of one sentence, in [0, 1]: the best over its references."""
        return float(scores(self.statistics([(hypothesis, one) for one in references])).max())


def scores(statistics: Int64[np.ndarray, "pairs 23"]) -> Float64[np.ndarray, " pairs"]:
    """METEOR of each row of statistics, in [0, 1]."""
    values = statistics.astype(np.float64)
    length, function = values[:, 0:2], values[:, 2:4]
    content_matches, function_matches = _matches(values)
    weighted_length = DELTA * (length - function) + (1 - DELTA) * function
    matched = (DELTA * content_matches + (1 - DELTA) * function_matches) @ STAGES
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = (matched / weighted_length).T
        mean = 1.0 / ((1 - ALPHA) / precision + ALPHA / recall)
        fragments = np.where(_whole(values), 0.0, values[:, _CHUNKS] / values[:, 21:23].mean(axis=1))
        found = mean * (1 - GAMMA * fragments**BETA)
    return np.where(np.isfinite(found), found, 0.0)


def summands(statistics: Int64[np.ndarray, "pairs 23"]) -> Statistics:
    """What a pair adds to the statistics of its corpus: all of them, but no chunk if the pair matches as a whole."""
    added = statistics.copy()
    added[_whole(statistics), _CHUNKS] = 0
    return added


def best(statistics: Int64[np.ndarray, "references 23"], items: Items) -> Int64[np.ndarray, "items 23"]:
    """For each item the statistics against the reference with the best score, the first among equals."""
    values = scores(statistics)
    order = np.lexsort((np.arange(len(values)), -values, items.item))
    return statistics[order][items.first]


def _matches(
    values: Float64[np.ndarray, "pairs 23"],
) -> tuple[Float64[np.ndarray, "pairs 2 4"], Float64[np.ndarray, "pairs 2 4"]]:
    stages = values[:, 4:20].reshape(-1, 4, 2, 2)  # stage, content or function, hypothesis or reference
    return stages[:, :, 0].transpose(0, 2, 1), stages[:, :, 1].transpose(0, 2, 1)


def _whole(values: np.ndarray) -> np.ndarray:
    every = (values[:, 21] == values[:, 0]) & (values[:, 22] == values[:, 1])
    return np.asarray(every & (values[:, _CHUNKS] == 1))
