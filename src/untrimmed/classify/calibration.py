"""From margins to scores: Platt scaling, sigmoid, softmax, shares of one.

Every rule keeps the order of margins within a class (Platt scaling, sigmoid) or within a video (softmax, shares).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from untrimmed.records import DataError

STEPS = 100
FLOOR = 1e-12


@dataclass(frozen=True, eq=False)
class PlattScaling:
    """A sigmoid a class: the probability of class c at margin m is sigmoid(slope_c m + offset_c).

    Attributes:
        slope: (classes), 0 or more.
        offset: (classes).
    """

    slope: Float[np.ndarray, " classes"]
    offset: Float[np.ndarray, " classes"]

    def scores(self, margins: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
        """Probability of each class by itself, in [0, 1]; never falls as the margin rises."""
        return sigmoid_scores(margins * self.slope + self.offset)


def fit_platt(margins: Float[np.ndarray, "n classes"], members: Bool[np.ndarray, "n classes"]) -> PlattScaling:
    """Fit a sigmoid a class by maximum likelihood, on margins of videos that the classifier did not learn from.

    The targets are (N+ + 1) / (N+ + 2) for members and 1 / (N- + 2) for others. A class whose margins rank members
    below others gets slope 0, and so does one without members or without others: a constant probability.

    Args:
        margins: from cross_margins or from other videos.
        members: which classes each video has.

    Raises:
        DataError: when shapes differ, there is no video, or a margin is not finite.

    Source: Lin, Lin and Weng, A note on Platt's probabilistic outputs for support vector machines, 2007.
    """
    if margins.shape != members.shape or not len(margins):
        raise DataError(f"Platt scaling needs videos, margins and members alike, got {margins.shape}, {members.shape}")
    if not np.isfinite(margins).all():
        raise DataError("Platt scaling needs finite margins")
    fitted = [_newton(margins[:, index].astype(np.float64), members[:, index]) for index in range(members.shape[1])]
    return PlattScaling(np.array([slope for slope, _ in fitted]), np.array([offset for _, offset in fitted]))


def sigmoid_scores(margins: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
    """1 / (1 + exp(-m)) of each margin, in [0, 1]."""
    small = np.exp(-np.abs(margins.astype(np.float64)))
    return np.where(margins >= 0, 1.0, small) / (1.0 + small)


def softmax_scores(margins: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
    """Softmax over the classes of each video; a row sums to 1.

    Source: report 11, section 2.1: "the scores are scaled into probabilities using a softmax function".
    """
    powers = np.exp(margins.astype(np.float64) - margins.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def shares(scores: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
    """Scores divided by their sum over the classes; a video whose scores are all 0 gets equal shares.

    Raises:
        DataError: on a score that is negative or not finite.

    Source: report 01, section 2.2: "normalize the confidence for all actions".
    """
    if not (np.isfinite(scores).all() and (scores >= 0).all()):
        raise DataError("shares need finite scores of 0 or more")
    sums = scores.astype(np.float64).sum(axis=1, keepdims=True)
    return np.where(sums > 0, scores / np.where(sums > 0, sums, 1.0), 1 / max(1, scores.shape[1]))


def _newton(margins: np.ndarray, mine: np.ndarray) -> tuple[float, float]:
    """Slope and offset of the sigmoid of one class, by Newton's method with halved steps."""
    members, others = int(mine.sum()), int((~mine).sum())
    high, low = (members + 1) / (members + 2), 1 / (others + 2)
    targets = np.where(mine, high, low)
    mean = targets.mean()
    constant = 0.0, float(np.log(mean / (1 - mean)))
    # The likelihood is concave, so its slope at the best constant says on which side of 0 the best slope lies.
    spread = float(margins.std())
    flat = spread <= FLOOR * float(np.abs(margins).max())
    if flat or not members or not others or (targets - mean) @ margins <= 0:
        return constant
    rows = np.stack([margins / spread, np.ones(len(margins))], axis=1)  # the same curve whatever the unit
    found, value = np.array([0.0, constant[1]]), _loss(rows, np.array(constant), targets)
    for _ in range(STEPS):
        chance = sigmoid_scores((rows @ found)[:, None])[:, 0]
        slope = rows.T @ (chance - targets)
        if np.abs(slope).max() <= 1e-10 * len(rows):
            break
        curve = rows.T @ (rows * (chance * (1 - chance))[:, None]) + FLOOR * np.eye(2)
        step, fall, size = np.linalg.solve(curve, slope), 0.0, 1.0
        while size > 1e-10:
            ahead = found - size * step
            now = _loss(rows, ahead, targets)
            fall = value - now
            if fall >= 1e-4 * size * (step @ slope):
                break
            size /= 2
        if fall <= 0:
            break
        found, value = ahead, now
    return max(0.0, float(found[0] / spread)), float(found[1])


def _loss(rows: np.ndarray, found: np.ndarray, targets: np.ndarray) -> float:
    logits = rows @ found
    return float((np.logaddexp(0.0, logits) - targets * logits).sum())
