"""METEOR in Python beside its Java program on everything real: every pair, every rule set, both orders of SODA."""

import numpy as np
import pytest
from meteor_for_tests import (
    CASES,
    Case,
    distinct,
    equal_to_java,
    needs_java,
    own_segment_pairs,
    pairs_within_videos,
    published,
    recorded_case,
)

from untrimmed.evaluate import captioning, soda
from untrimmed.evaluate.dense_pairs import RULES
from untrimmed.evaluate.text import backends

SYSTEMS = ("bmt", "mdvc", "timechat")
GARBAGE = tuple(dict.fromkeys(rules.garbage for rules in RULES))


def charged(case: Case) -> list[tuple[str, str]]:
    """Captions with the garbage sentences that unmatched ones are compared with."""
    return [(text, garbage) for text in case[1].sentences for garbage in GARBAGE]


@pytest.mark.parametrize(("name", "count"), [("cap-corners", 98), ("cap-jitter", 3602), ("cap-gt-proposals", 1384)])
def test_every_pair_of_the_recorded_cases(name: str, count: int) -> None:
    case = recorded_case(name)
    pairs = distinct(pairs_within_videos(case))
    assert len(pairs) == count
    equal_to_java(pairs + [(given, said) for said, given in pairs] + distinct(charged(case)))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("bmt", 66_357), ("mdvc", 65_482), ("timechat", 17_181)])
def test_every_pair_of_published_captions(name: str, count: int) -> None:
    """Every caption against every reference sentence of its video."""
    case = published(name)
    pairs = distinct(pairs_within_videos(case))
    assert len(pairs) == count
    if name != "timechat":
        own = distinct(own_segment_pairs(case))
        assert len(own) == {"bmt": 15_870, "mdvc": 15_861}[name]
        assert set(own) <= set(pairs)
    equal_to_java(pairs)


def same_figures(case: Case) -> None:
    needs_java()
    references, predictions = case
    for rules in RULES:
        by_default, python, java = (
            captioning.evaluate(references, predictions, rules=rules.name, scorers=("METEOR",), scored=scored)
            for scored in (None, backends.shared("python"), backends.shared("java"))
        )
        np.testing.assert_array_equal(by_default.per_video["METEOR"], python.per_video["METEOR"])
        np.testing.assert_allclose(python.per_video["METEOR"], java.per_video["METEOR"], rtol=0, atol=1e-9)
    orders: tuple[soda.Order, ...] = ("released", "natural")
    for order in orders:
        ours, theirs = (
            soda.evaluate(references, predictions, order=order, scored=scored).tables
            for scored in (None, backends.shared("java"))
        )
        for kind, table in ours.items():
            np.testing.assert_allclose(table, theirs[kind], rtol=0, atol=1e-9, err_msg=f"{kind} {order}")


@pytest.mark.parametrize("name", CASES)
def test_every_rule_set_gives_each_video_the_same_figures(name: str) -> None:
    same_figures(recorded_case(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", SYSTEMS)
def test_every_rule_set_gives_each_video_of_published_captions_the_same_figures(name: str) -> None:
    same_figures(published(name))
