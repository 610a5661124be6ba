"""Stamping gives proposals the classes of their video."""

import pytest

from untrimmed.localize.stamp import stamp
from untrimmed.records import ClassScores, DataError, Proposal

PROPOSALS = [Proposal((0.0, 1.0), 0.2), Proposal((1.0, 3.0), 0.8), Proposal((2.0, 3.0), 0.5)]
CLASSES = ClassScores({"jump": 0.6, "run": 0.3, "sit": 0.1})


def test_one_class_and_products_by_default() -> None:
    found = stamp(PROPOSALS, CLASSES)
    assert [(item.segment, item.label) for item in found] == [
        ((1.0, 3.0), "jump"),
        ((2.0, 3.0), "jump"),
        ((0.0, 1.0), "jump"),
    ]
    assert [item.score for item in found] == pytest.approx([0.48, 0.3, 0.12])


@pytest.mark.parametrize(
    ("combination", "score"),
    [("product", 0.48), ("proposal", 0.8), ("class", 0.6), ("mean", 0.7), ("geometric", 0.48**0.5)],
)
def test_combinations_by_name(combination: str, score: float) -> None:
    assert stamp(PROPOSALS[1:2], CLASSES, combination=combination)[0].score == pytest.approx(score)


def test_best_proposals_and_classes_alone() -> None:
    found = stamp(PROPOSALS, CLASSES, class_count=2, proposal_count=1)
    assert [(item.segment, item.label) for item in found] == [((1.0, 3.0), "jump"), ((1.0, 3.0), "run")]
    assert len(stamp(PROPOSALS, CLASSES, class_count=9)) == 9
    assert stamp([], CLASSES) == ()


def test_more_proposals_only_add_to_what_fewer_gave() -> None:
    few, many = (set(stamp(PROPOSALS, CLASSES, proposal_count=count)) for count in (2, 3))
    assert few < many


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match="stamping needs counts >= 1, got 0 classes and None proposals"):
        stamp(PROPOSALS, CLASSES, class_count=0)
    with pytest.raises(DataError, match=r"a product of scores needs both >= 0, got -1.0 and 0.6"):
        stamp([Proposal((0.0, 1.0), -1.0)], CLASSES)
