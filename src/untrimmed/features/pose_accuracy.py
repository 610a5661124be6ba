"""How many joints an estimator finds, measured on frames of a playground that it did not learn from."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from untrimmed.data.playground import PlaygroundConfig, write_playground
from untrimmed.data.playground.read_truth import read_truth, truth_ids, truth_pictures
from untrimmed.data.skeletons import OPENPOSE18
from untrimmed.features.dense_pose import SmallDensePose, dense_pose_net, described
from untrimmed.features.dense_pose_learning import DensePoseLearning, learn_dense_pose_net
from untrimmed.features.pose_estimators import AnyPose, pose_estimator
from untrimmed.features.pose_learning import PoseLearning, learn_pose_net
from untrimmed.nets.dense_pose import NOT_DENSE
from untrimmed.records import DataError
from untrimmed.train import Run

log = logging.getLogger(__name__)

LESSONS = PlaygroundConfig(
    training=4,
    validation=0,
    testing=3,
    training_clips=4,
    validation_clips=0,
    testing_clips=1,
    width=192,
    height=144,
    truth=True,
    truth_clips=True,
    truth_per_second=4.0,
)
"""A small playground to learn joints from and to be examined on: 107 videos, about 3,000 frames with truth."""
TOGETHER = 16
"""Pictures put through the estimator at once."""


@dataclass(frozen=True, kw_only=True)
class PoseAccuracy:
    """Shares of joints that were found within a share of the torso.

    Attributes:
        main: of the main person's joints that are seen.
        seen: of all people's joints that are seen.
        present: of all people's joints inside the picture, hidden ones too.
        people: share of the people that were found at all.
        per_joint: of the joints that are seen, all people, in the order of OpenPose's 18.
        frames: examined.
        share: of the torso.
    """

    main: float
    seen: float
    present: float
    people: float
    per_joint: tuple[float, ...]
    frames: int
    share: float


def found_joints(
    truth: Float[np.ndarray, "people 18 3"], found: Float[np.ndarray, "others 18 3"], *, share: float = 0.2
) -> tuple[Bool[np.ndarray, "people 18"], Bool[np.ndarray, " people"]]:
    """Which true joints were found, after people are matched one to one so that the most joints are found.

    A joint is found when it lies within `share` of the torso (neck to the middle of the hips, of the true person).

    Args:
        truth: x, y and 1 (seen), 0.5 (hidden) or 0 (outside the picture).
        found: x, y and the confidence, 0 where a joint was not found.
        share: of the torso.

    Returns:
        Joint by joint, and whether each person was matched with one of whom at least one joint fits.

    Source: Yang and Ramanan, Articulated human detection with flexible mixtures of parts, PAMI 2013, section 6.2, with
    the torso for the size, as in Sapp and Taskar's measure.
    """
    from scipy.optimize import linear_sum_assignment

    right, left, neck = (OPENPOSE18.index(name) for name in ("right_hip", "left_hip", "neck"))
    torso = np.linalg.norm(truth[:, neck, :2] - (truth[:, right, :2] + truth[:, left, :2]) / 2, axis=1)
    apart = np.linalg.norm(truth[:, None, :, :2] - found[None, :, :, :2], axis=3)
    fits = (apart <= share * torso[:, None, None]) & (found[None, :, :, 2] > 0) & (truth[:, None, :, 2] > 0)
    rows, columns = linear_sum_assignment(-fits.sum(axis=2))
    joints = np.zeros(truth.shape[:2], dtype=bool)
    joints[rows] = fits[rows, columns]
    return joints, np.asarray(joints.any(axis=1), dtype=bool)


def pose_accuracy(
    playground: Path,
    estimator: AnyPose | SmallDensePose,
    weights: Path | None,
    *,
    subset: str = "testing",
    share: float = 0.2,
) -> PoseAccuracy:
    """The percentage of correct key points (as shares of 1) on videos and clips of one subset.

    Args:
        playground: a folder drawn with truth.
        estimator: what finds joints, alone or with dense pose.
        weights: of it.
        subset: which it must not have learnt from.
        share: of the torso, within which a joint counts as found.

    Raises:
        DataError: when there is no truth of that subset.
    """
    people_of = _finder(estimator, weights)
    truths, joints, main, matched, frames = [], [], [], [], 0
    for video_id in truth_ids(playground, subset=subset):
        truth = read_truth(playground, video_id)
        pictures = truth_pictures(playground, truth)
        for first in range(0, len(pictures), TOGETHER):
            for offset, found in enumerate(people_of(pictures[first : first + TOGETHER])):
                people = truth.people(first + offset).astype(np.float64)
                fits, there = found_joints(people, found, share=share)
                truths.append(people[:, :, 2])
                joints.append(fits)
                matched.append(there)
                main.append(np.arange(len(people)) == 0)
                frames += 1
    if not frames:
        raise DataError(f"the playground {playground} holds no truth of its {subset} subset")
    state, right, first_person = np.concatenate(truths), np.concatenate(joints), np.concatenate(main)
    seen = state == 1
    return PoseAccuracy(
        main=float(right[first_person][seen[first_person]].mean()),
        seen=float(right[seen].mean()),
        present=float(right[state > 0].mean()),
        people=float(np.concatenate(matched).mean()),
        per_joint=tuple(((right & seen).sum(axis=0) / np.maximum(1, seen.sum(axis=0))).tolist()),
        frames=frames,
        share=share,
    )


def _finder(
    estimator: AnyPose | SmallDensePose, weights: Path | None
) -> Callable[[UInt8[np.ndarray, "n height width 3"]], list[Float[np.ndarray, "_ 18 3"]]]:
    if not isinstance(estimator, SmallDensePose):
        return pose_estimator(estimator, weights).people
    net = dense_pose_net(estimator, weights)

    def people_of(pictures: UInt8[np.ndarray, "n height width 3"]) -> list[Float[np.ndarray, "_ 18 3"]]:
        pixels = np.array([pictures.shape[2], pictures.shape[1], 1.0])
        return [joints * pixels for joints, _ in described(net, estimator, pictures)]

    return people_of


@dataclass(frozen=True, kw_only=True)
class DenseGain:
    """What one net finds of joints, taught in two ways.

    Attributes:
        dense: with body parts, places on them and shapes as auxiliary targets.
        alone: taught joints and nothing else, from the same frames in the same order.
    """

    dense: PoseAccuracy
    alone: PoseAccuracy


def gain_of_dense_targets(
    playground: Path, folder: Path, *, run: Run, config: DensePoseLearning | None = None, subset: str = "testing"
) -> DenseGain:
    """Learn the dense pose net with its auxiliary targets and without, and examine the joints that both find.

    Args:
        playground: a folder drawn with truth.
        folder: keeps the two files of weights, dense-pose.safetensors and joints-alone.safetensors; what is there
            already is not learnt again.
        run: device, seed, folder of checkpoints.
        config: the net and how it learns; DensePoseLearning() if None.
        subset: that is examined; the nets learn from the training subset.

    Raises:
        DataError: when the configuration has no auxiliary targets, or there is no truth.

    Source: report 21, section 1: "auxiliary tasks that accelerate and improve the training".
    """
    config = config or DensePoseLearning()
    if config.weights == NOT_DENSE:
        raise DataError("a gain of dense targets needs weights of auxiliary losses above 0, got NOT_DENSE")
    found = []
    for name, taught in (("dense-pose", config), ("joints-alone", replace(config, weights=NOT_DENSE))):
        weights = folder / f"{name}.safetensors"
        if not weights.is_file():
            learn_dense_pose_net(playground, weights, run=run, config=taught)
        found.append(pose_accuracy(playground, taught.estimator, weights, subset=subset))
    return DenseGain(dense=found[0], alone=found[1])


def learn_and_examine(
    folder: Path,
    *,
    run: Run,
    playground: PlaygroundConfig = LESSONS,
    config: PoseLearning | None = None,
    workers: int | None = None,
) -> tuple[Path, PoseAccuracy]:
    """Draw a playground with truth, learn the small pose net from its training subset, examine it on the testing one.

    Args:
        folder: keeps the playground and the weights; what is there already is not made again.
        run: device, seed, folder of checkpoints.
        playground: what to draw.
        config: how to learn; PoseLearning() if None.
        workers: processes that draw.

    Returns:
        The weights and what they are worth.
    """
    config = config or PoseLearning()
    drawn, weights = folder / "playground", folder / "pose.safetensors"
    write_playground(drawn, playground, workers=workers)
    if not weights.is_file():
        learn_pose_net(drawn, weights, run=run, config=config)
    accuracy = pose_accuracy(drawn, config.estimator, weights)
    log.info("the pose net finds %.3f of the seen joints of %d frames", accuracy.seen, accuracy.frames)
    return weights, accuracy
