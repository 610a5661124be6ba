"""Proposals that look at nothing but the clock, and the ones that know the truth: floors and ceiling of a table."""

import math

import numpy as np
from jaxtyping import Float

from untrimmed.records import DataError
from untrimmed.timeline import clip_segments


def uniform_random(
    duration: float, count: int, *, rng: np.random.Generator, clip: bool = False
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Random proposals: centre and length uniform in [0, duration], scores uniform in [0, 1].

    The challenge's baseline does not cut them to the video, which is worth noting: cut ones reach an area of about
    48.6 on ActivityNet 1.3 where these reach 44.9.

    Args:
        duration: of the video, seconds, > 0.
        count: how many.
        rng: the source of chance.
        clip: cut to [0, duration]; a proposal always keeps its centre.

    Returns:
        Segments in seconds and their scores, in falling score.

    Source: the organisers' notebook of the proposal task, 2017 ("Uniform Random" in the challenge's tables).
    """
    centre, length = rng.uniform(0, duration, count), rng.uniform(0, duration, count)
    scores = np.sort(rng.random(count))[::-1].copy()
    segments = np.stack([centre - length / 2, centre + length / 2], axis=1)
    return (np.clip(segments, 0.0, duration) if clip else segments), scores


def sliding_windows(duration: float, *, size: float, stride: float) -> Float[np.ndarray, "n 2"]:
    """Windows of one size that cover every second of [0, duration].

    They start at 0, stride, 2 * stride ...; the last is moved back to end at the duration exactly. A video shorter
    than a window gets the one window [0, duration].

    Args:
        duration: of the video, seconds, > 0.
        size: of a window, seconds, > 0.
        stride: from one start to the next, seconds, in (0, size]; a larger one would leave gaps.

    Returns:
        Windows in order of time.

    Raises:
        DataError: when the arguments cannot give coverage.
    """
    if not (duration > 0 and size > 0 and 0 < stride <= size and math.isfinite(duration + size)):
        raise DataError(
            "sliding windows need duration > 0 and 0 < stride <= size, "
            f"got duration {duration}, size {size}, stride {stride}"
        )
    if duration <= size:
        return np.array([[0.0, duration]])
    starts = stride * np.arange(math.ceil((duration - size) / stride))
    starts = np.append(starts[starts < duration - size], duration - size)
    segments = np.stack([starts, starts + size], axis=1)
    segments[-1, 1] = duration
    return segments


def scales(duration: float, *, shortest: float, growth: float = 2.0, overlap: float = 0.5) -> Float[np.ndarray, "n 2"]:
    """Sliding windows of growing sizes, from the shortest to the whole video, finest first.

    Args:
        duration: of the video, seconds, > 0.
        shortest: size of the finest windows, seconds, > 0.
        growth: ratio of one size to the next, > 1.
        overlap: share of a window that the next of its size repeats, in [0, 1).

    Raises:
        DataError: when the arguments cannot give coverage.
    """
    if not (growth > 1 and 0 <= overlap < 1 and shortest > 0):
        raise DataError(
            f"scales need shortest > 0, growth > 1 and overlap in [0, 1), got {shortest}, {growth}, {overlap}"
        )
    sizes = [shortest]
    while sizes[-1] < duration:
        sizes.append(sizes[-1] * growth)
    layers = [
        sliding_windows(duration, size=min(size, duration), stride=min(size, duration) * (1 - overlap))
        for size in sizes
    ]
    return np.concatenate(layers)


def perfect(
    instances: Float[np.ndarray, "n 2"], duration: float
) -> tuple[Float[np.ndarray, "m 2"], Float[np.ndarray, " m"]]:
    """The annotated segments as proposals with score 1: the ceiling of what proposals can give.

    Each distinct segment appears once; segments are cut to the video, as a system's would be.
    """
    segments, _ = clip_segments(np.unique(instances, axis=0).reshape(-1, 2), duration)
    return segments, np.ones(len(segments))
