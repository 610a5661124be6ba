"""Each kind of error is told by its name; removing errors helps; groups of instances add up."""

from dataclasses import replace

import numpy as np
import pytest
from columns_for_tests import said, truth
from test_uncertainty import world

from untrimmed.evaluate import localization
from untrimmed.evaluate.curves import RECALL, precision_over_recall
from untrimmed.evaluate.diagnosis import KINDS, diagnose, kinds_of
from untrimmed.records import DataError, Task

HALF = np.array([0.5])


def test_each_kind_by_its_name() -> None:
    ground_truth = truth([("v", 0, 10, "run"), ("v", 50, 60, "sit")])
    rows = {
        "true positive": ("v", 0, 10, "run", 0.9),
        "double detection": ("v", 0, 9, "run", 0.8),
        "wrong label": ("v", 0, 10, "sit", 0.7),
        "localization": ("v", 6, 16, "run", 0.6),
        "confusion": ("v", 6, 16, "sit", 0.5),
        "background": ("v", 30, 40, "run", 0.4),
    }
    predictions = said(list(rows.values()))
    matches = localization.match(ground_truth, predictions, tious=HALF)
    found = [KINDS[index] for index in kinds_of(ground_truth, matches, HALF)[0]]
    assert found == list(rows)
    elsewhere = said([("w", 0, 10, "run", 1.0)])
    matches = localization.match(ground_truth, elsewhere, tious=HALF)
    assert kinds_of(ground_truth, matches, HALF)[0].tolist() == [KINDS.index("background")]


def test_the_right_class_goes_first_among_equal_overlaps() -> None:
    ground_truth = truth([("v", 0, 10, "run"), ("v", 0, 10, "sit")])
    predictions = said([("v", 0, 10, "run", 0.9), ("v", 0, 10, "run", 0.8)])
    matches = localization.match(ground_truth, predictions, tious=HALF)
    assert [KINDS[index] for index in kinds_of(ground_truth, matches, HALF)[0]] == ["true positive", "double detection"]


@pytest.mark.parametrize("seed", range(6))
def test_leaving_errors_out_never_hurts_and_all_out_leaves_recall(seed: int) -> None:
    ground_truth, predictions = world(seed, Task.LOCALIZATION)
    found = diagnose(ground_truth, predictions)
    plain = localization.evaluate(ground_truth, predictions)
    assert found.average_map == pytest.approx(plain.average_map)
    assert set(found.gain) == set(KINDS[1:])
    assert all(value >= -1e-12 for value in found.gain.values())
    shares = found.kinds.sum(axis=2)
    assert np.all(np.isclose(shares, 1) | np.isclose(shares, 0))


def test_a_perfect_submission_has_no_error_and_misses_nothing() -> None:
    ground_truth = truth([("v", 0, 10, "run"), ("v", 50, 95, "sit"), ("w", 0, 100, "run")])
    perfect = said([("v", 0, 10, "run", 0.9), ("v", 50, 95, "sit", 0.9), ("w", 0, 100, "run", 0.8)])
    found = diagnose(ground_truth, perfect)
    assert found.average_map == 1.0
    assert all(value == 0 for value in found.gain.values())
    for groups in found.sensitivity.values():
        assert sum(group.instances for group in groups) == 3
        for group in groups:
            if group.instances:
                assert (group.missed, group.normalized) == (0.0, 1.0)
            else:
                assert np.isnan(group.missed)
                assert np.isnan(group.normalized)
    names = [group.name for group in found.sensitivity["length"] if group.instances]
    assert names == ["XS", "S", "M"]
    assert [group.instances for group in found.sensitivity["coverage"]] == [1, 0, 1, 0, 1]


def test_what_is_missed_is_missed_in_its_group() -> None:
    ground_truth = truth([("v", 0, 10, "run"), ("v", 20, 95, "run")])
    found = diagnose(ground_truth, said([("v", 0, 10, "run", 0.9), ("v", 40, 44, "run", 0.95)]), tious=HALF)
    length = {group.name: group for group in found.sensitivity["length"]}
    assert (length["XS"].missed, length["M"].missed) == (0.0, 1.0)
    # one right behind one wrong; recall 1 of 1, as if there were two instances: precision 2 / (2 + 1)
    assert length["XS"].normalized == pytest.approx(2 / 3)
    assert length["M"].normalized == 0.0
    unknown = replace(ground_truth, durations=np.array([np.nan]))
    groups = diagnose(unknown, said([("v", 0, 10, "run", 0.9)]), tious=HALF).sensitivity["coverage"]
    assert sum(group.instances for group in groups) == 0


def test_the_groups_and_the_first_ten_of_g() -> None:
    ground_truth = truth([("v", 0, 10, "run")])
    rows = [("v", 0.0, 10.0, "run", 1.0)] + [("v", 60.0, 70.0, "run", 0.5 - i / 100) for i in range(20)]
    found = diagnose(ground_truth, said(rows), tious=HALF)
    assert found.kinds[0, 0].tolist() == [1, 0, 0, 0, 0, 0]
    assert found.kinds[0, 1:, KINDS.index("background")].tolist() == [1.0] * 9
    assert found.figures["kinds"]["background"][1] == 1.0


def test_errors_need_a_threshold_above_a_tenth() -> None:
    with pytest.raises(DataError, match=r"^errors are told apart at thresholds above 0.1, got 0.1$"):
        diagnose(truth([("v", 0, 10, "run")]), said([("v", 0, 10, "run", 1)]), tious=np.array([0.1]))


@pytest.mark.parametrize("seed", range(4))
def test_precision_over_recall_is_its_definition(seed: int) -> None:
    ground_truth, predictions = world(seed, Task.LOCALIZATION)
    matches = localization.match(ground_truth, predictions, tious=HALF)
    positives = np.bincount(ground_truth.label_index)
    curve = precision_over_recall(matches, positives)
    assert np.all(np.diff(curve[0]) <= 1e-12)
    for point in (0, 25, 50, 100):
        wanted = []
        for index, count in enumerate(positives.tolist()):
            own = matches.hits[0, matches.starts[index] : matches.starts[index + 1]]
            true = np.cumsum(own)
            reached = (true / count >= RECALL[point] - 1e-9) & own
            wanted.append(float((true / np.arange(1, len(own) + 1))[reached].max()) if reached.any() else 0.0)
        assert curve[0, point] == pytest.approx(np.mean(wanted))
