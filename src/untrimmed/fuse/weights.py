"""Late fusion: scores of several streams as one, by given weights."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from untrimmed.records import DataError


def weighted_mean(
    scores: Float[np.ndarray, "streams *shape"], weights: Sequence[float] | None = None
) -> Float[np.ndarray, "*shape"]:
    """sum_s w_s x_s / sum_s w_s over the first axis.

    Args:
        scores: one table a stream.
        weights: one number >= 0 a stream, not all 0; equal ones by default.

    Returns:
        The fused table; probabilities stay probabilities.

    Source: Simonyan and Zisserman, Two-Stream Convolutional Networks, NIPS 2014, section 5 (averaging).
    """
    used = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    if used.shape != (len(scores),) or not (used >= 0).all() or not used.sum() > 0:
        raise DataError(f"late fusion needs a weight >= 0 for each of {len(scores)} streams, got {weights}")
    return np.asarray(np.tensordot(used / used.sum(), scores, axes=1), dtype=np.float64)
