"""Weights of sum 1 for any figure of merit: a coordinate search that never asks for a gradient."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from untrimmed.records import DataError


def climb(
    figure: Callable[[Float[np.ndarray, " voices"]], float], voices: int, *, levels: int = 10, rounds: int = 10
) -> Float[np.ndarray, " voices"]:
    """Weights on the simplex that raise a figure.

    The start is the best of equal weights and each voice alone, equal ones if they are as good. Then each voice in turn
    moves along w(t) = (1 - t) * (the others as they stand) + t * (this one alone), t on an even grid of [0, 1], to the
    first t with the highest figure, if that beats the present one. Rounds go on until one changes nothing.

    Args:
        figure: of weights >= 0 of sum 1; higher is better.
        voices: how many weights, >= 1.
        levels: equal steps of the grid, >= 1.
        rounds: most rounds over all voices.

    Raises:
        DataError: when there is nothing to weigh.

    Source: report 17, section 5.2 ("linear fusion weights are tuned on validation set"); it names no search.
    """
    if voices < 1 or levels < 1:
        raise DataError(f"a search of weights needs voices >= 1 and levels >= 1, got {voices} and {levels}")
    starts = [np.full(voices, 1 / voices), *np.eye(voices)] if voices > 1 else [np.ones(1)]
    figures = [figure(start) for start in starts]
    weights, best = starts[int(np.argmax(figures))], max(figures)
    for _ in range(rounds if voices > 1 else 0):
        before = best
        for voice in range(voices):
            others = np.where(np.arange(voices) == voice, 0.0, weights)
            if not others.sum() > 0:
                continue
            others /= others.sum()
            alone = np.eye(voices)[voice]
            for t in np.arange(levels + 1) / levels:
                tried = (1 - t) * others + t * alone
                value = figure(tried)
                if value > best:
                    weights, best = tried, value
        if best == before:
            break
    return weights
