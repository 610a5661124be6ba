"""Votes: many judges of one video, each a row of class scores, become one row of scores that ranks every class.

Judges may be classifiers (reports 01, 04), windows of a video (02) or its steps (10). A judge whose scores are all 0
abstains. Scores must not be negative: margins of support vector machines go through a softmax first.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from untrimmed.records import DataError


def shares(scores: Float[np.ndarray, "*rows classes"]) -> Float[np.ndarray, "*rows classes"]:
    """Each row over its sum, so that judges of different scales weigh the same; a row of zeros stays.

    Raises:
        DataError: on a score that is negative or not finite.
    """
    if not np.isfinite(scores).all() or (scores < 0).any():
        raise DataError("votes need scores >= 0 that are finite (take the softmax of margins first)")
    values = scores.astype(np.float64)
    sums = values.sum(axis=-1, keepdims=True)
    return np.divide(values, sums, out=np.zeros_like(values), where=sums > 0)


def majority(scores: Float[np.ndarray, "voters videos classes"]) -> Float[np.ndarray, "videos classes"]:
    """The class that most voters put first wins: frequent with one class a voter.

    Source: report 04 ("the action which get most votes").
    """
    return frequent(scores, top=1)


def frequent(
    scores: Float[np.ndarray, "voters videos classes"], *, top: int = 20
) -> Float[np.ndarray, "videos classes"]:
    """Every voter names its best classes; classes are ranked by how often they were named.

    score_c = (n_c + m_c) / (voters + 1), n_c the times c was named and m_c in [0, 1] the mean over the voters of its
    share of the scores. One more naming always outweighs m: the voter that named c and not d gave c no less than d.
    So equal counts are decided by the summed scores, and equal sums by the lower class index, which is the first
    maximum. Within a voter, equal scores are taken in order of the class index, and a score of 0 names nothing.

    Args:
        scores: >= 0; for the windows of one video, voters are windows and videos is 1.
        top: how many classes a voter names; 20 in report 02, whose answer is the five most frequent of all.

    Returns:
        In [0, 1], comparable between videos; 1 where every voter gave everything to one class.

    Raises:
        DataError: when there is no voter, top is below 1, or a score is negative or not finite.

    Source: report 02, section 3; report 04. Neither says how ties are broken.
    """
    if not len(scores) or top < 1:
        raise DataError(f"a vote needs at least one voter and one class each, got {len(scores)} and {top}")
    given = shares(scores)
    order = np.argsort(-given, axis=-1, kind="stable")[..., :top]
    named = np.zeros(given.shape, dtype=bool)
    np.put_along_axis(named, order, True, axis=-1)
    return np.asarray(((named & (given > 0)).sum(axis=0) + given.mean(axis=0)) / (len(scores) + 1))


def agreement(
    scores: Float[np.ndarray, "voters videos classes"], *, weights: Float[np.ndarray, "voters classes"] | None = None
) -> Float[np.ndarray, "videos classes"]:
    """Hard vote where at least two voters agree on the best class, weighted vote where all differ.

    With p_ic the share of class c in the scores of voter i, and a_i its best class:
        hard: the class of the largest group of agreeing voters wins with 1 - prod over the group of (1 - p_ia).
        weighted: class c gets u_c / sum of u, u_c = sum over i of w_ic * p_ic; the largest is the confidence.

    The report has three voters; with more, of two groups of one size the one with the higher confidence wins, then
    the lower class index. It says nothing of the classes that do not win a hard vote. Here they keep the order of
    v_c = sum over i of p_ic below the winner a: confidence * v_c / (v_c + v_a).

    Args:
        scores: >= 0, of at least two voters.
        weights: >= 0, of each voter for each class, used where all differ. The report: "the weight for each action is
            learned by one-vs-rest linear SVM". Its hard vote calls the SVM's output for an action its "confidence
            learned by one-vs-rest linear SVM", hence the default: the weight of an action is that output, p_ic
            itself, and w is 1. The other reading, a reliability learned for each pair of feature and action, is this
            argument, e.g. by fuse.search.Stacking.

    Returns:
        In [0, 1]; zeros where nobody voted.

    Raises:
        DataError: with fewer than two voters, or numbers that are negative or not finite.

    Source: report 01, sections 2.1 (weight voting) and 2.2 (hard voting), formulas 1 and 2.
    """
    if len(scores) < 2:
        raise DataError(f"a vote by agreement needs at least two voters, got {len(scores)}")
    if weights is not None and (not np.isfinite(weights).all() or (weights < 0).any()):
        raise DataError("weights of a vote must be finite and >= 0")
    given = shares(scores)
    best, count, confidence = _largest_groups(given)
    agreed = count >= 2
    summed = given.sum(axis=0)
    of_best = np.take_along_axis(summed, best[:, None], axis=1)
    both = summed + of_best
    hard = confidence[:, None] * np.divide(summed, both, out=np.zeros_like(both), where=both > 0)
    np.put_along_axis(hard, best[:, None], confidence[:, None], axis=1)
    weighted = shares(summed if weights is None else (weights[:, None] * given).sum(axis=0))
    return np.asarray(np.where(agreed[:, None], hard, weighted))


def summed(
    probabilities: Float[np.ndarray, "steps classes"], *, best: int = 3
) -> tuple[Int[np.ndarray, " kept"], Float[np.ndarray, " kept"]]:
    """Votes over time: the classes with the largest sums of probability over the steps of a video.

    Args:
        probabilities: of each step.
        best: how many classes to keep, at least 1; 3 in the report.

    Returns:
        Class indices and their sums in falling sum, the lower index first among equals. The sums grow with the length
        of a video, as the report's scores do; over the number of steps they compare between videos.

    Raises:
        DataError: when best is below 1.

    Source: report 10, section 2.2, step 2.
    """
    if best < 1:
        raise DataError(f"a vote over time keeps at least one class, got {best}")
    sums = probabilities.astype(np.float64).sum(axis=0)
    order = np.argsort(-sums, kind="stable")[:best]
    return order, sums[order]


def _largest_groups(
    given: Float[np.ndarray, "voters videos classes"],
) -> tuple[Int[np.ndarray, " videos"], Int[np.ndarray, " videos"], Float[np.ndarray, " videos"]]:
    """Of each video the class most voters put first, how many they are, and 1 - prod (1 - p) over them."""
    votes: Bool[np.ndarray, "voters videos classes"] = np.zeros(given.shape, dtype=bool)
    np.put_along_axis(votes, given.argmax(axis=-1)[..., None], True, axis=-1)
    votes &= given > 0  # who gave nothing abstains
    counts = votes.sum(axis=0)
    sure = 1 - np.prod(np.where(votes, 1 - given, 1.0), axis=0)
    largest = counts == counts.max(axis=1, keepdims=True)
    best = np.where(largest, sure, -1.0).argmax(axis=1)
    rows = np.arange(len(best))
    return best, counts[rows, best], np.clip(sure[rows, best], 0.0, 1.0)
