"""What a submission must beat to have said anything: captions made without looking at a video.

A constant sentence reaches METEOR 7.2 under the rules of 2017, where the best systems of that year stood at 9.6 to
12.8; without the floor beside it a score cannot be read.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from untrimmed.columns import Sentences
from untrimmed.records import DataError

CONSTANT = "A man is seen speaking to the camera and leads into him holding up various objects"
"""The beginning of so many reference sentences that METEOR likes it everywhere."""

PARTS = 5


def constant(predictions: Sentences, sentence: str = CONSTANT) -> Sentences:
    """The segments of a submission, each with the same sentence."""
    return replace(predictions, name="constant", sentences=(sentence,) * len(predictions))


def random_sentence(predictions: Sentences, pool: Sequence[str], *, seed: int = 0) -> Sentences:
    """The segments of a submission, each with a sentence drawn from a pool, e.g. the training sentences.

    Args:
        predictions: whose segments.
        pool: what to draw from, with replacement.
        seed: of the draw.

    Raises:
        DataError: when the pool is empty.
    """
    if not pool:
        raise DataError("random sentences need a pool to draw from, got an empty one")
    drawn = np.random.default_rng(seed).integers(len(pool), size=len(predictions))
    return replace(predictions, name="random", sentences=tuple(pool[place] for place in drawn.tolist()))


def even_segments(
    video_ids: Sequence[str],
    durations: Float64[np.ndarray, " videos"],
    *,
    parts: int = PARTS,
    sentence: str = CONSTANT,
) -> Sentences:
    """Every video cut into 1, 2, ... parts equal pieces, all with the same sentence.

    Args:
        video_ids: the videos.
        durations: of each, in seconds.
        parts: the most pieces, >= 1; 5 gives 15 segments a video.
        sentence: what is said of each.

    Source: the baseline proposals of Chen et al. (RUC and CMU), ActivityNet Challenge 2017, read as a pyramid: with 15
    fifteenths of a video the published recall cannot be reached, with this pyramid it is.
    """
    shares = np.array([(i / n, (i + 1) / n) for n in range(1, parts + 1) for i in range(n)])
    return Sentences(
        name="even-segments",
        video_ids=tuple(video_ids),
        durations=durations,
        video=np.repeat(np.arange(len(video_ids)), len(shares)),
        segments=(durations[:, None, None] * shares[None]).reshape(-1, 2),
        sentences=(sentence,) * (len(video_ids) * len(shares)),
    )
