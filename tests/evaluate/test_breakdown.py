"""The parts of a score add up to the whole, and each group has what a plain look at it gives."""

from dataclasses import replace

import numpy as np
import pytest
from columns_for_tests import said, truth
from test_uncertainty import world

from untrimmed.columns import GroundTruth
from untrimmed.evaluate import localization, proposals
from untrimmed.evaluate.breakdown import KINDS, LengthGroup, of_detections, of_proposals
from untrimmed.evaluate.proposals import Mode
from untrimmed.records import Task

HALF = np.array([0.5])


def whole(groups: tuple[LengthGroup, ...], kind: str, *, instances: int) -> np.ndarray:
    """Recall of all from the groups of one kind."""
    own = [group for group in groups if group.kind == kind]
    assert sum(group.instances for group in own) == instances
    return np.sum([group.instances * np.nan_to_num(group.recall) for group in own], axis=0) / instances


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mode", list(Mode))
def test_recalls_of_groups_give_that_of_the_last_step(seed: int, mode: Mode) -> None:
    ground_truth, predictions = world(seed, Task.PROPOSALS)
    for most in (2.0, None):
        result = proposals.evaluate(ground_truth, predictions, max_average=most, mode=mode)
        groups = of_proposals(ground_truth, predictions, max_average=most, mode=mode)
        for kind in KINDS:
            np.testing.assert_allclose(whole(groups, kind, instances=result.instances), result.recall[:, -1])


@pytest.mark.parametrize("seed", range(4))
def test_recalls_of_groups_give_that_of_all_detections(seed: int) -> None:
    ground_truth, predictions = world(seed, Task.LOCALIZATION)
    taken = localization.match(ground_truth, predictions).taken
    wanted = [len(set(row[row >= 0])) / len(ground_truth.video) for row in taken]
    groups = of_detections(ground_truth, predictions)
    for kind in KINDS:
        np.testing.assert_allclose(whole(groups, kind, instances=len(ground_truth.video)), wanted)


def _of_one_length(ground_truth: GroundTruth) -> GroundTruth:
    """The same, with durations so long that every instance covers less than a fifth."""
    return replace(ground_truth, durations=np.full(len(ground_truth.durations), 1e6))


@pytest.mark.parametrize("seed", range(4))
def test_a_group_of_all_instances_has_the_plain_scores(seed: int) -> None:
    ground_truth, predictions = world(seed, Task.LOCALIZATION)
    result = localization.evaluate(ground_truth, predictions)
    group = next(g for g in of_detections(_of_one_length(ground_truth), predictions) if g.kind == "coverage")
    assert group.instances == len(ground_truth.video)
    assert group.map is not None
    np.testing.assert_allclose(group.map, result.map_by_tiou)


def test_what_takes_an_instance_of_another_group_is_neither_right_nor_wrong() -> None:
    ground_truth = truth([("v", 0, 10, "run"), ("v", 20, 95, "run")])
    predictions = said([("v", 20, 95, "run", 0.9), ("v", 0, 10, "run", 0.8), ("v", 12, 15, "run", 0.7)])
    by_words = {group.words: group for group in of_detections(ground_truth, predictions, tious=HALF)}
    assert list(by_words)[:5] == [
        "length XS: to 30 s",
        "length S: to 60 s",
        "length M: to 120 s",
        "length L: to 180 s",
        "length XL: above 180 s",
    ]
    short, long, none = (by_words[f"length {name}"] for name in ("XS: to 30 s", "M: to 120 s", "XL: above 180 s"))
    assert short.map is not None
    assert long.map is not None
    assert none.map is not None
    assert (short.map[0], long.map[0]) == (1.0, 1.0)
    assert np.isnan(none.recall[0])
    assert np.isnan(none.map[0])
    wrong_first = said([("v", 12, 15, "run", 0.95), ("v", 20, 95, "run", 0.9), ("v", 0, 10, "run", 0.8)])
    group = of_detections(ground_truth, wrong_first, tious=HALF)[0]
    assert group.map is not None
    assert group.map[0] == 0.5  # one wrong before it; the long one does not count
    figures = group.figures
    assert (figures["group"], figures["instances"], figures["average_mAP"]) == ("XS", 1, 0.5)


def test_videos_of_unknown_duration_have_no_coverage() -> None:
    ground_truth = truth([("v", 0, 10, "run")])
    unknown = replace(ground_truth, durations=np.array([np.nan]))
    groups = of_proposals(unknown, said([("v", 0, 10, "run", 1.0)], Task.PROPOSALS), max_average=None, tious=HALF)
    assert [group.instances for group in groups] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert groups[0].map is None
    assert "average_mAP" not in groups[0].figures
