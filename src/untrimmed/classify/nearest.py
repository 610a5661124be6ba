"""Nearest neighbour: a video is what the video most like it is. The baseline that learns nothing."""

import numpy as np
from jaxtyping import Float, Int

from untrimmed.records import DataError


def nearest_scores(
    queries: Float[np.ndarray, "queries dims"],
    known: Float[np.ndarray, "known dims"],
    *,
    labels: Int[np.ndarray, " known"],
    classes: int,
) -> Float[np.ndarray, "queries classes"]:
    """Score each class by the cosine similarity of its most similar known row, mapped from [-1, 1] to [0, 1].

    Dimensions are centred and scaled by the known rows first, so that none rules by its unit.

    Args:
        queries: rows to classify.
        known: rows whose classes are known, at least one.
        labels: index of the class of each known row, in [0, classes).
        classes: how many there are; those without a known row score 0.

    Returns:
        Scores in [0, 1]; the largest belongs to the class of the nearest row.

    Raises:
        DataError: when no row is known.

    Source: Cover and Hart, Nearest neighbor pattern classification, 1967.
    """
    if not len(known):
        raise DataError("a nearest neighbour needs at least one known row, got none")
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    deviation = np.where(deviation > 1e-12, deviation, 1.0)
    similarity = _unit((queries - mean) / deviation) @ _unit((known - mean) / deviation).T
    scores = np.zeros((len(queries), classes))
    for index in range(classes):
        mine = labels == index
        if mine.any():
            scores[:, index] = (similarity[:, mine].max(axis=1) + 1) / 2
    return scores


def _unit(rows: Float[np.ndarray, "n dims"]) -> Float[np.ndarray, "n dims"]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
