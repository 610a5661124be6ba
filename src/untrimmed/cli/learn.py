"""untrimmed learn joints|depth|dense-pose --output FILE: teach the small nets that some systems are given."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from untrimmed.cli.arguments import parse
from untrimmed.records import DataError

if TYPE_CHECKING:
    from untrimmed.features.pose_accuracy import PoseAccuracy
    from untrimmed.train import Run


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Learn a net that systems are given, from drawn videos whose joints, depth and motion are known.

    `untrimmed train 12 --joints FILE`, `train 16 --depth FILE` and `train 21 --dense-pose FILE` take what is written.
    """

    what: tyro.conf.Positional[Literal["joints", "depth", "dense-pose"]]
    """joints: key points of people, for systems 08 and 12. depth: depth, normals and flow of two frames, for system
    16. dense-pose: joints, body parts and their coordinates, for system 21."""
    output: Path
    """The safetensors file to write."""
    playground: Path | None = None
    """A playground that was drawn with --truth; by default one is drawn beside OUTPUT."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:1."""
    seed: int = 0
    """Seed of every random choice."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="learn")
    from rich.console import Console
    from rich.logging import RichHandler

    from untrimmed.data.playground import write_playground
    from untrimmed.features.pose_accuracy import LESSONS
    from untrimmed.train import Run

    console = Console()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console)])
    if arguments.output.exists():
        raise DataError(f"output {arguments.output} exists already; choose another file or remove it")
    work = arguments.output.with_name(arguments.output.name + ".work")
    run = Run(folder=work, device=arguments.device, seed=arguments.seed, progress=console.is_terminal)
    playground = arguments.playground or work / "playground"
    if arguments.playground is None:
        write_playground(playground, LESSONS, progress=console.is_terminal)
    learn = {"joints": _joints, "depth": _depth, "dense-pose": _dense_pose}[arguments.what]
    console.print(learn(playground, arguments.output, run), soft_wrap=True)
    return 0


def _joints(playground: Path, output: Path, run: "Run") -> str:
    from untrimmed.features.pose_accuracy import pose_accuracy
    from untrimmed.features.pose_learning import PoseLearning, learn_pose_net

    learn_pose_net(playground, output, run=run)
    return _found(pose_accuracy(playground, PoseLearning().estimator, output), output)


def _dense_pose(playground: Path, output: Path, run: "Run") -> str:
    from untrimmed.features.dense_pose_learning import DensePoseLearning, learn_dense_pose_net
    from untrimmed.features.pose_accuracy import pose_accuracy

    learn_dense_pose_net(playground, output, run=run)
    return _found(pose_accuracy(playground, DensePoseLearning().estimator, output), output)


def _found(accuracy: "PoseAccuracy", output: Path) -> str:
    return f"{accuracy.seen:.1%} of the joints that are seen are found, of {accuracy.frames} testing frames: {output}"


def _depth(playground: Path, output: Path, run: "Run") -> str:
    from untrimmed.features.depth_learning import learn_depth_net
    from untrimmed.systems.inflated_resnets_and_heads import LAPTOP_TWO_FRAME

    learn_depth_net(playground, LAPTOP_TWO_FRAME, to=output, run=run)
    return f"the net of depth and motion: {output}"
