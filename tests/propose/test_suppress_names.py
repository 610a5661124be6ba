"""Every rule that has a name is told in words and can be applied to detections in seconds."""

import pytest

from untrimmed.propose import suppress_names
from untrimmed.propose.suppress import suppress_detections
from untrimmed.propose.suppress_names import NAMED_RULES, named_rule
from untrimmed.records import DataError, Detection

DETECTIONS = [
    Detection((1.0, 5.0), 0.9, "run"),
    Detection((1.1, 5.1), 0.8, "run"),
    Detection((1.0, 5.2), 0.7, "jump"),
    Detection((20.0, 24.0), 0.6, "jump"),
    Detection((30.0, 55.0), 0.5, "jump"),
]


@pytest.mark.parametrize("name", NAMED_RULES)
def test_a_name_is_documented_and_leaves_the_surest(name: str) -> None:
    documentation = suppress_names.__doc__
    assert documentation is not None
    assert f"\n{name} " in documentation
    kept = suppress_detections(DETECTIONS, named_rule(name), duration=60.0)
    assert (kept[0].score, kept[0].label) == (pytest.approx(0.9), "run")  # some rules count in single precision
    assert [item.score for item in kept] == sorted((item.score for item in kept), reverse=True)
    if name == "hard":
        assert [(item.score, item.label) for item in kept] == [
            (0.9, "run"),
            (0.7, "jump"),
            (0.6, "jump"),
            (0.5, "jump"),
        ]
    if name == "hard-all-classes":
        assert [item.score for item in kept] == [0.9, 0.6, 0.5]
    if name == "gtad-thumos14":
        assert max(item.segment[1] - item.segment[0] for item in kept) < 10


def test_an_unknown_name_is_told_what_there_is() -> None:
    with pytest.raises(DataError, match=r"suppression must be one of hard, hard-all-classes, .*, got 'nms'"):
        named_rule("nms")
