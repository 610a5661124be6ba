"""Stamping: the classes of a whole video go onto its proposals, which makes detections of them."""

from collections.abc import Callable, Sequence
from typing import Literal

from untrimmed.records import ClassScores, DataError, Detection, Proposal

Combination = Literal["product", "proposal", "class", "mean", "geometric"]
"""How the score of a detection follows from the proposal's p and the class's c: p * c, p, c, (p + c) / 2, sqrt(p * c).
"""


def stamp(
    proposals: Sequence[Proposal],
    classes: ClassScores,
    *,
    class_count: int = 1,
    proposal_count: int | None = None,
    combination: Combination | Callable[[float, float], float] = "product",
) -> tuple[Detection, ...]:
    """Give every proposal each of the video's best classes.

    Args:
        proposals: of one video, in any order.
        classes: scores of the video's classes.
        class_count: how many of the best classes are stamped; report 19 stamps one, since most videos have one.
        proposal_count: only so many of the best proposals ("Ours@n" of report 19); None takes all.
        combination: how two scores become one, by name, or as a function of the proposal's and the class's. Products
            and roots need both scores >= 0.

    Returns:
        Detections in falling score, among equals in the order of the proposals, then of the classes.

    Raises:
        DataError: on counts below 1 or a negative score under a product or root.

    Source: report 19, section 2.3; ActionFormer takes the geometric mean.
    """
    if class_count < 1 or (proposal_count is not None and proposal_count < 1):
        raise DataError(f"stamping needs counts >= 1, got {class_count} classes and {proposal_count} proposals")
    chosen = sorted(proposals, key=lambda proposal: -proposal.score)[:proposal_count]
    detections = [
        Detection(proposal.segment, _combined(proposal.score, score, combination), label)
        for proposal in chosen
        for label, score in classes.best(class_count)
    ]
    return tuple(sorted(detections, key=lambda detection: -detection.score))


def _combined(proposal: float, of_class: float, combination: Combination | Callable[[float, float], float]) -> float:
    if callable(combination):
        return combination(proposal, of_class)
    if combination in ("product", "geometric") and min(proposal, of_class) < 0:
        raise DataError(f"a {combination} of scores needs both >= 0, got {proposal} and {of_class}")
    if combination == "product":
        return proposal * of_class
    if combination == "geometric":
        return float((proposal * of_class) ** 0.5)
    if combination == "mean":
        return (proposal + of_class) / 2
    return proposal if combination == "proposal" else of_class
