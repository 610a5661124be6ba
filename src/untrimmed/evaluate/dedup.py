"""The ground truth as newer toolkits count it: without instances of no length and without repeated ones."""

from itertools import pairwise

import numpy as np

from untrimmed.columns import GroundTruth

NEAR = 1e-3
"""Seconds: shorter instances go, and so do those whose ends are within this of an earlier one of the same class."""


def without_near_duplicates(ground_truth: GroundTruth) -> GroundTruth:
    """Drop instances of at most a millisecond, and those that repeat an earlier one of the same video and class.

    This is what OpenTAD and ActionFormer do when they read annotations; the official programs count everything.
    """
    keep = ground_truth.segments[:, 1] - ground_truth.segments[:, 0] > NEAR
    key = ground_truth.video * len(ground_truth.labels) + ground_truth.label_index
    order = np.argsort(key, kind="stable")
    edges = np.flatnonzero(np.diff(key[order], prepend=-1, append=-1))
    for low, high in pairwise(edges):
        kept: list[int] = []
        for index in order[low:high]:
            segment = ground_truth.segments[index]
            if keep[index] and any((abs(ground_truth.segments[other] - segment) <= NEAR).all() for other in kept):
                keep[index] = False
            if keep[index]:
                kept.append(int(index))
    return ground_truth.select(keep)
