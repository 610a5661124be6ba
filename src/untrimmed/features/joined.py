"""Several features of one video as one sequence of longer rows."""

from collections.abc import Sequence

import numpy as np

from untrimmed.features.feature import FeatureSequence
from untrimmed.records import DataError


def join(sequences: Sequence[FeatureSequence]) -> FeatureSequence:
    """Rows of several features side by side, step by step; longer sequences are cut to the shortest.

    Args:
        sequences: one or more, measured at the same steps; their windows may differ, their middles may not.

    Returns:
        The joined rows in the order given, on the grid of the first.

    Raises:
        DataError: when the steps lie apart by more than a hundredth of a step anywhere.
    """
    if not sequences:
        raise DataError("joining needs at least one feature sequence")
    steps = min(sequence.grid.steps for sequence in sequences)
    first = sequences[0].grid
    for sequence in sequences[1:]:
        apart = np.abs(sequence.grid.centres[:steps] - first.centres[:steps])
        if steps and apart.max() > 0.01 * first.stride:
            raise DataError(f"features can be joined at equal steps only, got {first} and {sequence.grid}")
    values = np.concatenate([sequence.values[:steps] for sequence in sequences], axis=1)
    grid = type(first)(start=first.start, stride=first.stride, window=first.window, steps=steps)
    return FeatureSequence(values, grid)
