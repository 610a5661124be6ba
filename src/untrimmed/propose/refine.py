"""Boundary refinement: exact boundaries from one set of proposals, ranking from another."""

import numpy as np
from jaxtyping import Float

from untrimmed.records import DataError
from untrimmed.timeline import tiou


def lend_boundaries(
    segments: Float[np.ndarray, "n 2"], lenders: Float[np.ndarray, "m 2"], *, least_tiou: float = 0.75
) -> Float[np.ndarray, "n 2"]:
    """Replace segments by lenders that overlap them well.

    Each lender looks for the segment it overlaps most; if that tIoU is higher than the threshold, the segment takes
    the lender's boundaries. Ties, of which the report says nothing: a lender between equal segments takes the first
    of them (the surest, in falling score); of several lenders of one segment the one with the highest tIoU wins, and
    the first of those. So the order of the lenders plays no role unless they are equally good. All overlaps are those
    with the segments as given: nothing is refined twice.

    Args:
        segments: to be refined, in falling score.
        lenders: the segments whose boundaries are better.
        least_tiou: threshold in [0, 1], exclusive.

    Returns:
        The segments, in their order.

    Raises:
        DataError: on a threshold outside [0, 1].

    Source: report 19, section 2.2, "Boundaries Refinement".
    """
    if not 0 <= least_tiou <= 1:
        raise DataError(f"boundary refinement needs a tiou in [0, 1], got {least_tiou}")
    refined = segments.copy()
    if not len(segments) or not len(lenders):
        return refined
    overlaps = np.nan_to_num(tiou(lenders, segments))
    borrowers = overlaps.argmax(axis=1)
    best = overlaps[np.arange(len(lenders)), borrowers]
    order = np.lexsort((-np.arange(len(lenders)), best))  # the best and first comes last and has the final word
    for lender in order[best[order] > least_tiou]:
        refined[borrowers[lender]] = lenders[lender]
    return refined
