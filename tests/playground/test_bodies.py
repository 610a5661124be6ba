"""Bodies and motions: bones keep their lengths, motions are smooth, and twins differ in one thing only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.data.playground import repertoire, skeleton
from untrimmed.data.playground.classes import BY_LABEL, CLASSES, LABELS, twin
from untrimmed.data.playground.motions import Motion
from untrimmed.records import DataError

ALL = (*(action.motion for action in CLASSES), *repertoire.BETWEEN, *repertoire.NEAR_MISSES)


def bone(joints: np.ndarray, first: str, second: str) -> np.ndarray:
    return np.linalg.norm(joints[:, skeleton.INDEX[first]] - joints[:, skeleton.INDEX[second]], axis=1)


@given(st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_bones_keep_their_lengths_in_every_pose(seed: int) -> None:
    rng = np.random.default_rng(seed)
    poses = rng.uniform(-180, 180, (8, skeleton.SIZE))
    poses[:, : skeleton.LEAN] = rng.uniform(0, 1, (8, skeleton.LEAN))
    joints = skeleton.joints(poses)
    for side in ("left", "right"):
        assert bone(joints, f"{side}_shoulder", f"{side}_elbow") == pytest.approx(skeleton.UPPER_ARM)
        assert bone(joints, f"{side}_elbow", f"{side}_wrist") == pytest.approx(skeleton.FOREARM)
        assert bone(joints, f"{side}_hip", f"{side}_knee") == pytest.approx(skeleton.THIGH)
        assert bone(joints, f"{side}_knee", f"{side}_ankle") == pytest.approx(skeleton.SHIN)
    assert bone(joints, "neck", "hip") == pytest.approx(skeleton.TRUNK)


@given(st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_the_lower_ankle_stands_on_the_ground_plus_the_lift(seed: int) -> None:
    poses = np.random.default_rng(seed).uniform(-60, 60, (8, skeleton.SIZE))
    joints = skeleton.joints(poses)
    ankles = joints[:, [skeleton.INDEX["left_ankle"], skeleton.INDEX["right_ankle"]], 1].min(axis=1)
    assert ankles == pytest.approx(skeleton.ANKLE_HEIGHT + poses[:, skeleton.LIFT])


def test_mirroring_a_pose_mirrors_the_body() -> None:
    poses = np.random.default_rng(0).uniform(-90, 90, (16, skeleton.SIZE))
    assert np.array_equal(skeleton.mirror(skeleton.mirror(poses)), poses)
    there, back = skeleton.joints(poses), skeleton.joints(skeleton.mirror(poses))
    for name, index in skeleton.INDEX.items():
        other = name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")
        assert there[:, index] * [-1, 1, 1] == pytest.approx(back[:, skeleton.INDEX[other]], abs=1e-12)


def test_a_pose_names_what_it_does_not_know() -> None:
    with pytest.raises(DataError, match=r"a pose has the entries lift, ahead, .*, got 'tail'"):
        skeleton.pose({"tail": 3.0})


@pytest.mark.parametrize("motion", ALL, ids=lambda motion: motion.name)
def test_motions_pass_their_keys_and_rest_at_them(motion: Motion) -> None:
    times = np.array([time for time, _ in motion.keys])
    assert times[0] == 0
    assert times[-1] == 1
    assert (np.diff(times) > 0).all()
    assert motion.at(times) == pytest.approx(np.stack([key.array for _, key in motion.keys]))
    # continuous, and with zero velocity at every key: the step near a key is of second order
    dense = motion.at(np.linspace(0, 1, 4001))
    assert np.abs(np.diff(dense, axis=0)).max() < 2.5
    for time in times[1:-1]:
        near = motion.at(np.array([time - 1e-4, time, time + 1e-4]))
        assert np.abs(np.diff(near, axis=0)).max() < 0.01


@pytest.mark.parametrize("motion", [m for m in ALL if not m.once], ids=lambda motion: motion.name)
def test_what_repeats_ends_as_it_begins(motion: Motion) -> None:
    assert motion.start == motion.end


def test_every_class_has_a_twin() -> None:
    assert len(LABELS) == len(set(LABELS)) == 20
    assert all(twin(twin(label)) == label for label in LABELS)


@pytest.mark.parametrize(("first", "second"), [("Opening a door", "Closing a door"), ("Sitting down", "Standing up")])
def test_order_twins_are_each_other_run_backwards(first: str, second: str) -> None:
    share = np.linspace(0, 1, 101)
    there, back = BY_LABEL[first].motion, BY_LABEL[second].motion
    assert there.at(share) == pytest.approx(back.at(1 - share)[:, :], abs=1e-9)
    assert there.once
    assert back.once
    assert there.beats == pytest.approx([1 - beat for beat in reversed(back.beats)])


def test_speed_twins_share_their_key_poses() -> None:
    walk, run = BY_LABEL["Walking"].motion, BY_LABEL["Running"].motion
    assert walk.keys == run.keys
    assert walk.period > 2 * run.period
    assert run.speed > 2 * walk.speed


def flights(motion: Motion) -> int:
    lift = motion.at(np.linspace(0, 1, 2001))[:, skeleton.LIFT]
    up = (lift > 0.2).astype(int)
    return int((np.diff(up) == 1).sum())


def test_count_twins_jump_once_and_three_times_in_rounds_of_one_length() -> None:
    once, thrice = BY_LABEL["Jumping once"].motion, BY_LABEL["Jumping three times"].motion
    assert (flights(once), flights(thrice)) == (1, 3)
    assert (len(once.beats), len(thrice.beats)) == (1, 3)
    assert once.period == thrice.period


@pytest.mark.parametrize("label", ["Lifting a barbell", "Drinking from a mug"])
def test_object_twins_move_alike(label: str) -> None:
    one, other = BY_LABEL[label], BY_LABEL[twin(label)]
    assert one.motion == other.motion
    assert one.places == other.places
    assert one.prop != other.prop


def test_place_twins_differ_in_the_place_alone() -> None:
    one, other = BY_LABEL["Sweeping a kitchen"], BY_LABEL["Sweeping a street"]
    assert (one.motion, one.prop, one.sound) == (other.motion, other.prop, other.sound)
    assert not set(one.places) & set(other.places)


def test_sound_twins_differ_in_the_sound_alone() -> None:
    one, other = BY_LABEL["Singing"], BY_LABEL["Giving a speech"]
    assert (one.motion, one.prop, one.places) == (other.motion, other.prop, other.places)
    assert one.sound != other.sound


def test_arm_twins_are_mirror_images() -> None:
    share = np.linspace(0, 1, 50)
    left, right = BY_LABEL["Waving the left hand"].motion, BY_LABEL["Waving the right hand"].motion
    assert skeleton.mirror(left.at(share)) == pytest.approx(right.at(share))


def test_held_poses_hold() -> None:
    for label in ("Holding a tree pose", "Holding a warrior pose"):
        poses = BY_LABEL[label].motion.at(np.linspace(0, 1, 50))
        assert np.ptp(poses, axis=0).max() <= 5
