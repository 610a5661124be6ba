"""The algebra of scores: its names are formulas, its scales end in [0, 1], and fusing keeps the laws of means."""

from itertools import permutations
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.fuse import algebra
from untrimmed.fuse.algebra import Algebra, Combination, Scale, linear, scaled
from untrimmed.fuse.weights import weighted_mean
from untrimmed.localize.stamp import stamp
from untrimmed.records import ClassScores, DataError, Proposal

UNIT = st.floats(0, 1)
SCORES = np.array([0.5, 2.0, 0.0, 3.0, 1.0, 1.0])
VIDEO = np.array([0, 0, 0, 2, 2, 2])


@pytest.mark.parametrize("name", [*get_args(Combination), *get_args(Scale)])
def test_every_name_is_documented(name: str) -> None:
    assert f"\n    {name} " in str(algebra.__doc__)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("product", 0.5**2 * 0.4),
        ("geometric", (0.5**2 * 0.4) ** (1 / 3)),
        ("sum", 1.4),
        ("mean", 1.4 / 3),
        ("proposal", 0.5),
        ("class", 0.4),
    ],
)
def test_names_are_formulas(name: Combination, wanted: float) -> None:
    assert Algebra(combination=name, proposal_weight=2.0)(0.5, 0.4) == pytest.approx(wanted)


@given(UNIT, UNIT, UNIT)
@settings(deadline=None, max_examples=50, derandomize=True)
def test_a_better_proposal_or_class_is_never_worse(proposal: float, better: float, of_class: float) -> None:
    low, high = sorted((proposal, better))
    for name in get_args(Combination):
        rule = Algebra(combination=name, class_weight=0.5)
        assert rule(low, of_class) <= rule(high, of_class) + 1e-12
        assert rule(of_class, low) <= rule(of_class, high) + 1e-12
        if name in ("geometric", "mean"):  # means lie between
            assert min(low, of_class) - 1e-9 <= rule(low, of_class) <= max(low, of_class) + 1e-9


@pytest.mark.parametrize("name", ["product", "geometric", "mean", "proposal", "class"])
def test_with_equal_weights_it_is_the_stamping_of_that_name(name: Combination) -> None:
    proposals, classes = [Proposal((0.0, 1.0), 0.3), Proposal((2.0, 5.0), 0.9)], ClassScores({"a": 0.7, "b": 0.2})
    own = stamp(proposals, classes, class_count=2, combination=name)
    mine = stamp(proposals, classes, class_count=2, combination=Algebra(combination=name))
    assert [item.score for item in mine] == pytest.approx([item.score for item in own])
    assert [(item.segment, item.label) for item in mine] == [(item.segment, item.label) for item in own]


def test_a_source_alone_and_with_itself_stays_as_it_is() -> None:
    source = {"a": 0.25, "b": 0.5}
    assert linear([source]) == source
    assert linear([source, source], [3, 1]) == pytest.approx(source)
    assert linear([source, {"c": 1.0}], [1, 0]) == {"a": 0.25, "b": 0.5, "c": 0.0}


def test_fusing_is_the_weighted_mean_and_knows_no_order() -> None:
    rng = np.random.default_rng(0)
    tables = rng.random((3, 4))
    sources = [dict(enumerate(row.tolist())) for row in tables]
    weights = [0.2, 1.0, 3.0]
    wanted = weighted_mean(tables, weights)
    for order in permutations(range(3)):
        found = linear([sources[place] for place in order], [weights[place] for place in order])
        np.testing.assert_allclose([found[key] for key in range(4)], wanted)


def test_scales_end_in_the_unit_interval_and_keep_each_videos_order() -> None:
    logits = np.log(SCORES + 0.1)
    for scale, given_scores in (("share", SCORES), ("highest", SCORES), ("softmax", logits), ("sigmoid", logits)):
        found = scaled(given_scores, VIDEO, scale, whose="a file")
        assert found.min() >= 0
        assert found.max() <= 1
        for number in (0, 2):
            own = number == VIDEO
            assert found[own].argsort(kind="stable").tolist() == SCORES[own].argsort(kind="stable").tolist()
        if scale in ("share", "softmax"):
            np.testing.assert_allclose(np.bincount(VIDEO, weights=found)[[0, 2]], 1.0)
    np.testing.assert_allclose(scaled(SCORES, VIDEO, "share", whose="a file"), [0.2, 0.8, 0, 0.6, 0.2, 0.2])
    np.testing.assert_allclose(scaled(SCORES, VIDEO, "highest", whose="a file"), SCORES / 3)
    np.testing.assert_allclose(
        scaled(logits, VIDEO, "softmax", whose="a file"), scaled(SCORES + 0.1, VIDEO, "share", whose="a file")
    )
    np.testing.assert_allclose(scaled(np.array([0.0]), VIDEO[:1], "sigmoid", whose="a file"), 0.5)
    assert scaled(np.zeros(3), VIDEO[:3], "share", whose="a file").tolist() == [0, 0, 0]
    assert len(scaled(np.zeros(0), VIDEO[:0], "unit", whose="a file")) == 0


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match=r"scores of cuhk.json must be in \[0, 1\], got 3; say how to bring them there"):
        scaled(SCORES, VIDEO, "unit", whose="cuhk.json")
    with pytest.raises(DataError, match=r"scores of x must be >= 0 to be divided by their share, got -1"):
        scaled(np.array([-1.0]), VIDEO[:1], "share", whose="x")
    with pytest.raises(DataError, match="scores of x must be finite"):
        scaled(np.array([np.nan]), VIDEO[:1], "sigmoid", whose="x")
    with pytest.raises(DataError, match=r"a product of scores needs both >= 0, got -1.0 and 0.5"):
        Algebra()(-1.0, 0.5)
    with pytest.raises(DataError, match="weights of proposal and class must be finite and >= 0 and not both 0"):
        Algebra(proposal_weight=0.0, class_weight=0.0)
    with pytest.raises(DataError, match=r"fusing 2 sources needs a weight >= 0 for each and not all 0, got \[1\]"):
        linear([{}, {}], [1])
