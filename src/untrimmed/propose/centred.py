"""Segments told from a moment inside them: where they begin and how long they are, and which moments say what."""

from typing import Literal

import numpy as np
from jaxtyping import Float

from untrimmed.propose.temporal_anchors import IGNORED, NEGATIVE, POSITIVE, OverlapLabels
from untrimmed.records import DataError
from untrimmed.timeline import coverage, tiou

LARGEST_LOG = 12.0
"""A duration stays within a factor of 160,000 of the sample's, so that no exponential overflows."""

Overlap = Literal["inside", "tiou"]


def encode(
    centres: Float[np.ndarray, " n"], segments: Float[np.ndarray, "n 2"], *, size: float
) -> Float[np.ndarray, "n 2"]:
    """Segments relative to moments: ((begin - centre) / duration, log(duration / size)).

    Inverse of decode. For a moment inside the segment the first number lies in [-1, 0], whatever the duration; moving
    both alike changes nothing, stretching them about any point adds the logarithm of the stretch to the second.

    Args:
        centres: of the samples, in any unit.
        segments: in the same unit, start < end.
        size: of a sample at the smallest scale, in the same unit, > 0.

    Raises:
        DataError: when the size or a duration is not positive.

    Source: report 07, section 2: "relative offset from the temporal center of sample to the begin time of action ...
    normalized by the duration of action", "log-space shift relative to the smallest scale".
    """
    durations = segments[:, 1] - segments[:, 0]
    if not size > 0 or (durations <= 0).any():
        raise DataError(f"segments told from a centre must have start < end and a size > 0, got size {size}")
    return np.stack([(segments[:, 0] - centres) / durations, np.log(durations / size)], axis=1)


def decode(
    centres: Float[np.ndarray, " n"], told: Float[np.ndarray, "n 2"], *, size: float
) -> Float[np.ndarray, "n 2"]:
    """The segments that are told from moments; inverse of encode up to a factor of exp(LARGEST_LOG) in duration.

    Args:
        centres: of the samples, in any unit.
        told: offset of the begin as a share of the duration, logarithm of the duration over the size.
        size: of a sample at the smallest scale, in the same unit, > 0.

    Returns:
        In the unit of the centres; start < end.
    """
    durations = size * np.exp(np.clip(told[:, 1], -LARGEST_LOG, LARGEST_LOG))
    begins = centres + told[:, 0] * durations
    return np.stack([begins, begins + durations], axis=1)


def label_samples(
    samples: Float[np.ndarray, "n 2"],
    instances: Float[np.ndarray, "m 2"],
    *,
    positive: float = 0.7,
    negative: float = 0.3,
    overlap: Overlap = "inside",
) -> OverlapLabels:
    """What samples are learnt as: positive where one instance overlaps them more than one share, negative where none
    overlaps them more than another; what lies between is not learnt.

    A sample stands for the instance that overlaps it most, among equals for the shortest.

    Args:
        samples: what the smallest scale sees, start < end.
        instances: annotated segments in the same unit.
        positive: in [negative, 1).
        negative: in [0, positive].
        overlap: "inside": share of the sample that lies inside the instance; "tiou": intersection over union, by which
            a sample of half a second is positive for instances of less than three quarters of a second alone.

    Raises:
        DataError: when the shares are not in order.

    Source: report 07, section 2; that the overlap is a share of the sample is this package's reading.
    """
    if not 0 <= negative <= positive < 1:
        raise DataError(f"labels of samples need 0 <= negative <= positive < 1, got {negative} and {positive}")
    if not len(instances):
        return OverlapLabels(np.full(len(samples), NEGATIVE), np.full(len(samples), -1))
    by_length = np.argsort(instances[:, 1] - instances[:, 0], kind="stable")
    known = instances[by_length]
    table = coverage(samples, known) if overlap == "inside" else np.nan_to_num(tiou(samples, known))
    best = table.argmax(axis=1)
    highest = table[np.arange(len(samples)), best]
    kind = np.where(highest > positive, POSITIVE, np.where(highest <= negative, NEGATIVE, IGNORED))
    return OverlapLabels(kind, np.where(highest > 0, by_length[best], -1))
