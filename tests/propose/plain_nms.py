"""Suppression the plain way: all pairs, one loop, from the description of each rule. Slow and easy to believe."""

import math

import numpy as np


def overlap(a: np.ndarray, b: np.ndarray, extra: float = 0.0) -> float:
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0] + extra) + (b[1] - b[0] + extra) - shared
    return shared / union if shared > 0 and union > 0 else 0.0


def hard(segments: np.ndarray, scores: np.ndarray, tiou: float, *, drop_equal: bool = False) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        worst = max((overlap(segments[j], segments[i]) for j in kept), default=-1.0)
        if not (worst > tiou or (drop_equal and worst >= tiou)):
            kept.append(i)
    return kept


def soft(
    segments: np.ndarray,
    scores: np.ndarray,
    *,
    sigma: float,
    linear: bool = False,
    low: float = 0.0,
    slope: float = 0.0,
    least: float = 0.0,
    most: int = 10**9,
    lose_last: bool = False,
) -> list[tuple[int, float]]:
    left = {i: float(score) for i, score in enumerate(scores)}
    kept: list[tuple[int, float]] = []
    while left and len(kept) < most and not (lose_last and len(left) == 1):
        best = max(left, key=lambda i: (left[i], -i))
        if kept and left[best] < least:
            break
        kept.append((best, left.pop(best)))
        threshold = low + slope * (segments[best][1] - segments[best][0])
        for i in list(left):
            shared = overlap(segments[best], segments[i])
            if shared > 0 and shared > threshold:
                left[i] *= 1 - shared if linear else math.exp(-(shared**2) / sigma)
                if left[i] < least:
                    del left[i]
    return kept
