"""Plans: what the videos of a playground hold, how it is distributed, and that nothing but seed and id decides it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from untrimmed.data.playground import PlaygroundConfig, trimmed_plans, untrimmed_plans
from untrimmed.data.playground.classes import BY_LABEL, LABELS, twin
from untrimmed.data.playground.director import COUNTED, choose_labels, plan_clip, plan_video
from untrimmed.data.playground.plan import VideoPlan
from untrimmed.data.playground.skeleton import STATE
from untrimmed.records import DataError

CONFIG = PlaygroundConfig(training=60, validation=20, testing=20)


def test_the_same_seed_plans_the_same_videos_whatever_their_number(plans: list[VideoPlan]) -> None:
    few = untrimmed_plans(replace(CONFIG, training=5, validation=0, testing=0))
    assert few == plans[:5]
    other = untrimmed_plans(replace(CONFIG, training=5, validation=0, testing=0, seed=1))
    assert all(one != two for one, two in zip(few, other, strict=True))


def test_durations_and_instances_lie_inside(plans: list[VideoPlan]) -> None:
    for plan in plans:
        assert 20 - 0.5 / plan.fps <= plan.duration <= 60 + 0.5 / plan.fps
        assert 1 <= len(plan.instances) <= 4
        last = 0.0
        for start, end, label, rounds in plan.instances:
            assert last <= start < end <= plan.duration
            assert end - start >= 1.0
            assert label in BY_LABEL
            assert rounds >= 1
            last = end


def test_stretches_and_shots_cover_every_frame_once(plans: list[VideoPlan]) -> None:
    for plan in plans:
        edges = [(stretch.start, stretch.end) for stretch in plan.stretches]
        assert edges[0][0] == 0
        assert edges[-1][1] == pytest.approx(plan.duration)
        assert all(one[1] == pytest.approx(two[0]) for one, two in pairwise(edges))
        assert plan.shots[0].first == 0
        assert plan.shots[-1].past == plan.frames
        assert all(one.past == two.first for one, two in pairwise(plan.shots))
        assert all(shot.past - shot.first >= 3 for shot in plan.shots)


def test_what_can_be_done_once_only_has_a_cut_before_it_is_done_again(plans: list[VideoPlan]) -> None:
    for plan in plans:
        for shot in plan.shots:
            once = [
                stretch
                for stretch in shot.actors[0].stretches
                if stretch.label
                and stretch.motion.once
                # a stretch belongs to the shot when more than a frame of it is shown
                and min(stretch.end, shot.past / plan.fps) - max(stretch.start, shot.first / plan.fps) > 1 / plan.fps
            ]
            assert len(once) <= 1
            labels = {stretch.label for stretch in shot.actors[0].stretches if stretch.label}
            assert len(labels) <= 1


def test_almost_half_of_the_time_is_background(plans: list[VideoPlan]) -> None:
    acting = sum(end - start for plan in plans for start, end, *_ in plan.instances)
    share = 1 - acting / sum(plan.duration for plan in plans)
    assert 0.36 < share < 0.54


def test_lengths_are_spread_and_long_ones_common(plans: list[VideoPlan]) -> None:
    shares = np.array([(end - start) / plan.duration for plan in plans for start, end, *_ in plan.instances])
    assert (shares < 0.15).mean() > 0.05
    assert (shares > 0.5).mean() > 0.1
    assert shares.max() < 0.9


def test_most_videos_show_one_class(plans: list[VideoPlan]) -> None:
    one = np.mean([len({label for *_, label, _ in plan.instances}) == 1 for plan in plans])
    assert 0.7 < one < 0.92
    counts = np.bincount([len(plan.instances) for plan in plans], minlength=5)[1:] / len(plans)
    assert counts == pytest.approx([0.42, 0.28, 0.18, 0.12], abs=0.12)


def test_every_subset_holds_every_class(plans: list[VideoPlan]) -> None:
    for subset in ("training", "validation", "testing"):
        held = [plan.instances[0][2] for plan in plans if plan.subset == subset]
        assert {held.count(label) for label in LABELS} == {len(held) // 20}


def test_clips_show_one_class_from_end_to_end_for_two_to_six_seconds() -> None:
    clips = trimmed_plans(replace(CONFIG, training_clips=1, testing_clips=1))
    assert len({clip.video_id for clip in clips}) == len(clips) == 20 * (1 + 2 + 1)
    for clip in clips:
        assert 1.9 <= clip.duration <= 6.1
        ((start, end, label, _),) = clip.instances
        assert (start, end) == (0.0, clip.duration)
        assert f"_{LABELS.index(label):02d}_" in clip.video_id


@pytest.mark.parametrize("label", LABELS)
def test_twins_are_planned_alike(label: str) -> None:
    """The same id with the twin's label: people, cameras and times stay, so nothing else can tell them apart."""
    one, other = plan_clip("x", "testing", label, CONFIG), plan_clip("x", "testing", twin(label), CONFIG)
    assert one.look == other.look
    assert one.frames == other.frames
    assert one.seed == other.seed
    assert (one.place == other.place) == (BY_LABEL[label].places == BY_LABEL[twin(label)].places)
    if len(one.shots) == len(other.shots):
        assert [shot.camera for shot in one.shots] == [shot.camera for shot in other.shots]
        assert [len(shot.actors) for shot in one.shots] == [len(shot.actors) for shot in other.shots]


def test_long_videos_of_twins_are_planned_alike() -> None:
    for label in ("Singing", "Drinking from a mug", "Lifting a barbell", "Sweeping a kitchen"):
        one = plan_video("y", "testing", (label,) * 2, CONFIG)
        other = plan_video("y", "testing", (twin(label),) * 2, CONFIG)
        assert [instance[:2] for instance in one.instances] == [instance[:2] for instance in other.instances]
        assert [(shot.first, shot.past) for shot in one.shots] == [(shot.first, shot.past) for shot in other.shots]


def test_the_second_class_is_at_home_in_the_place() -> None:
    for index in range(60):
        labels = choose_labels(index, f"v{index}", CONFIG)
        home = set(BY_LABEL[labels[0]].places)
        assert all(home <= set(BY_LABEL[label].places) for label in labels)
        assert len(set(labels)) <= 2


def test_difficulty_adds_people_noise_and_shake() -> None:
    def measured(difficulty: float) -> tuple[float, float, float]:
        made = untrimmed_plans(replace(CONFIG, training=8, validation=0, testing=0, difficulty=difficulty))
        shots = [shot for plan in made for shot in plan.shots]
        return (
            float(np.mean([len(shot.actors) for shot in shots])),
            float(np.mean([plan.noise for plan in made])),
            float(np.mean([shot.camera.shake for shot in shots])),
        )

    easy, hard = measured(0.0), measured(1.0)
    assert all(one < two for one, two in zip(easy, hard, strict=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": -1}, r"a playground needs at least one video and no negative count, got \(-1, 20, 40\)"),
        ({"width": 33}, r"playground pictures need even sides of at least 32, got 33x168"),
        ({"fps": 2}, r"playground fps must be in \[4, 120\], got 2"),
        ({"audio_rate": 100}, r"playground audio_rate must be in \[8000, 96000\], got 100"),
        ({"shortest": 70.0}, r"playground durations need 10 <= shortest <= longest <= 3600, got 70.0 and 60.0"),
        ({"difficulty": 1.5}, r"playground difficulty must be in \[0, 1\], got 1.5"),
        ({"truth_per_second": 0.0}, r"playground truth_per_second must be in \(0, fps\], got 0.0"),
        ({"truth_shrink": 0}, r"playground truth_shrink must be in \[1, 16\], got 0"),
    ],
)
def test_configurations_that_cannot_be_say_why(changes: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        PlaygroundConfig(**changes)  # type: ignore[arg-type]


def test_an_open_door_between_actions_tells_nothing() -> None:
    """Shots without an action show the door (or the chair) as before and as after it equally often in both twins."""
    for label in ("Opening a door", "Standing up"):
        states = []
        for number in range(14):
            plan = plan_video(f"door {number}", "testing", (label,), CONFIG)
            for shot in plan.shots:
                main = shot.actors[0]
                if main.props and not any(stretch.label for stretch in main.stretches):
                    states.append(main.stretches[0].rest.array[STATE])
        assert {0.0, 1.0} <= set(states)
        assert 0.15 < np.mean(states) < 0.85


def test_hard_videos_cut_actions_off() -> None:
    hard = untrimmed_plans(replace(CONFIG, training=24, validation=0, testing=0, difficulty=1.0))
    cut = [plan for plan in hard if plan.instances[0][0] == 0.0 or plan.instances[-1][1] == plan.duration]
    assert len(cut) > 6
    partial = [stretch for plan in cut for stretch in plan.stretches if stretch.label and stretch.rounds % 1]
    assert partial
    assert all(not stretch.motion.once for stretch in partial)
    assert all(stretch.label not in COUNTED for stretch in partial)
    easy = untrimmed_plans(replace(CONFIG, training=8, validation=0, testing=0, difficulty=0.0))
    assert all(plan.instances[0][0] > 0 and plan.instances[-1][1] < plan.duration for plan in easy)
