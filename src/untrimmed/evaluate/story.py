"""Two lists of events of one video side by side: matchings that keep the order of both, as SODA asks for."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from untrimmed.evaluate.dense_pairs import dense_tiou

Event = tuple[float, float, str]
"""Start and end in seconds, and the tokens of the sentence joined by blanks."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Story:
    """One video against one list of references.

    Attributes:
        references: the sentences, tokens joined by blanks.
        predictions: the captions, the same way.
        tiou: of each reference (rows) with each prediction.
        matching: the pairs of SODA_b.
        matching_by_tiou: the pairs of SODA_a at each threshold.
    """

    references: list[str]
    predictions: list[str]
    tiou: Float64[np.ndarray, "m n"]
    matching: list[tuple[int, int]]
    matching_by_tiou: list[list[tuple[int, int]]]

    @staticmethod
    def of(references: list[Event], predictions: list[Event], *, tious: Float64[np.ndarray, " t"]) -> "Story":
        """Compare two lists of events in time."""
        first = np.array([event[:2] for event in references], dtype=np.float64)
        second = np.array([event[:2] for event in predictions], dtype=np.float64)
        shape = (len(first), len(second))
        rows, columns = np.indices(shape)
        tiou = dense_tiou(first[rows.ravel()], second[columns.ravel()]).reshape(shape)
        return Story(
            references=[event[2] for event in references],
            predictions=[event[2] for event in predictions],
            tiou=tiou,
            matching=traced(tiou),
            matching_by_tiou=[traced(np.where(tiou >= threshold, tiou, 0.0)) for threshold in tious],
        )

    def cells(self) -> list[tuple[int, int]]:
        """The pairs of sentences whose METEOR is needed."""
        near = zip(*(axis.tolist() for axis in np.nonzero(self.tiou > 0)), strict=True)
        extra = (cell for matching in (self.matching, *self.matching_by_tiou) for cell in matching)
        return list(dict.fromkeys((*near, *extra)))

    def figures(self, scores: Float64[np.ndarray, "m n"]) -> dict[str, Float64[np.ndarray, "t 3"]]:
        """Precision, recall and f1 of each kind; rows are the thresholds of SODA_a, else there is one.

        Args:
            scores: METEOR of each reference with each prediction, where cells() asks for it.
        """
        sums = {
            "soda_a": [sum(scores[cell] for cell in matching) for matching in self.matching_by_tiou],
            "soda_b": [sum(scores[cell] for cell in self.matching)],
            "soda_c": [best_sum(self.tiou * scores)],
            "soda_d": [best_sum(self.tiou)],
        }
        return {kind: np.array([self._row(float(total)) for total in totals]) for kind, totals in sums.items()}

    def _row(self, total: float) -> tuple[float, float, float]:
        precision, recall = total / len(self.predictions), total / len(self.references)
        f1 = 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
        return precision, recall, f1


def by_start(events: list[Event]) -> list[Event]:
    """Events in order of time; those that start together stay in their order."""
    return sorted(events, key=lambda event: event[0])


def best_sum(gains: Float64[np.ndarray, "m n"]) -> float:
    """The most that a one-to-one matching that keeps the order on both sides can gain.

    Args:
        gains: of each row with each column, >= 0.
    """
    row = np.zeros(gains.shape[1] + 1)
    for gain in gains:
        row[1:] = np.maximum.accumulate(np.maximum(row[1:], row[:-1] + gain))
    return float(row[-1])


def traced(gains: Float64[np.ndarray, "m n"]) -> list[tuple[int, int]]:
    """The pairs that the released program reads out of its table for SODA_a and SODA_b.

    A cell of the table is the first maximum of skipping the row, skipping the column and matching. From the last row
    up, the right-most cell at or left of the current column in which matching was the maximum is taken, and the walk
    goes on left of it; a row without such a cell is left out. It ends after row 0 or once column 0 is taken. This need
    not be a best matching.
    """
    rows, columns = gains.shape
    matching = np.zeros((rows, columns), dtype=bool)
    above = np.full(columns, -1.0)
    for i, gain in enumerate(gains):
        match = gain.copy()
        if i > 0:
            match[1:] += above[:-1]
        row = np.maximum.accumulate(np.maximum(above, match))
        skip = np.maximum(above, np.concatenate(([-1.0], row[:-1])))
        matching[i] = match > skip
        above = row
    found: list[tuple[int, int]] = []
    column = columns - 1
    for i in range(rows - 1, -1, -1):
        cells = np.flatnonzero(matching[i, : column + 1])
        if len(cells):
            found.append((i, int(cells[-1])))
            column = int(cells[-1]) - 1
            if column < 0:
                break
    return found[::-1]
