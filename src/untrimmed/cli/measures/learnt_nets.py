"""Nets that systems are given, as the reports took theirs from elsewhere: learnt from other videos, with truth."""

from dataclasses import dataclass, replace
from pathlib import Path

from untrimmed.cli.workshop import Workshop
from untrimmed.records import Dataset


@dataclass(frozen=True)
class LearntNets:
    """Weights of nets that know joints and depth.

    Attributes:
        pose: of the small net of key points.
        depth: of the small two-frame net.
    """

    pose: Path
    depth: Path


def learnt_nets(shop: Workshop) -> LearntNets:
    """The two nets, learnt once for all seeds."""
    from untrimmed.features.depth_learning import learn_depth_net
    from untrimmed.features.pose_accuracy import learn_and_examine
    from untrimmed.systems.inflated_resnets_and_heads import LAPTOP_TWO_FRAME
    from untrimmed.train import Run

    folder = shop.folder / "given"
    run = Run(folder=folder / "training", seed=0, progress=shop.shown)
    pose = folder / "pose.safetensors"
    if not pose.is_file():
        with shop.step("the net of joints is learnt"):
            pose, accuracy = learn_and_examine(folder, run=run)
        shop.console.print(f"[dim]the net of joints finds {accuracy.seen:.1%} of the joints that are seen[/]")
    depth = folder / "depth.safetensors"
    if not depth.is_file():
        with shop.step("the net of depth and motion is learnt"):
            learn_depth_net(folder / "playground", LAPTOP_TWO_FRAME, to=depth, run=run)
    return LearntNets(pose, depth)


def flat_net(shop: Workshop, clips: Dataset) -> Path:
    """Weights of a 2-D net that learnt the clips picture by picture: what inflated nets start from."""
    from untrimmed.features.extract import extract
    from untrimmed.features.laptop_streams import RGB_TSN
    from untrimmed.features.learned import keep_weights
    from untrimmed.features.streams import fit_stream
    from untrimmed.nets.small import SmallNet

    stream = replace(RGB_TSN, net=SmallNet(width=8))
    extract((stream.images,), clips.subset("training").videos, store=shop.store, progress=shop.shown)
    return keep_weights(
        fit_stream(stream, clips, store=shop.store, run=shop.run("classes-T2"), name="flat"), shop.store
    )


def dense_pose_net(shop: Workshop) -> Path:
    """Weights of the net of body parts and their coordinates, learnt once for all seeds."""
    from untrimmed.features.dense_pose_learning import learn_dense_pose_net
    from untrimmed.train import Run

    folder = shop.folder / "given"
    weights = folder / "dense-pose.safetensors"
    if not weights.is_file():
        learnt_nets(shop)  # draws the playground
        with shop.step("the net of dense pose is learnt"):
            learn_dense_pose_net(folder / "playground", weights, run=Run(folder=folder / "training", seed=0))
    return weights
