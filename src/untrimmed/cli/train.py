"""untrimmed train NUMBER: fit a system on a data set."""

import logging
from dataclasses import dataclass, field, make_dataclass, replace
from pathlib import Path
from typing import Any, Literal

import tyro

from untrimmed.cli.arguments import parse, peek
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class _Arguments:
    """Fit a system on the training part of a data set. The options below --config are the system's own."""

    data: tyro.conf.Positional[Path]
    """Data set: an annotation file or folder in any format that `untrimmed check` knows."""
    output: Path
    """Folder for the trained system; it appears when training has ended."""
    store: Path = Path("store")
    """Folder of measured features, shared by all systems."""
    work: Path | None = None
    """Folder for checkpoints and logs, from which a killed run goes on; OUTPUT.work by default."""
    size: Literal["published", "laptop"] = "published"
    """Whose defaults: the report's values, or the variant that trains on two cores."""
    videos: Path | None = None
    """Folder of the video files if they do not lie beside the annotations."""
    c3d: Path | None = None
    """HDF5 file of the organisers of ActivityNet to take C3D features from instead of measuring them; like the next
    two for systems 01, 02, 04, 10 and 11."""
    shuffle: Path | None = None
    """The same for ImageNetShuffle features."""
    mbh: Path | None = None
    """The same for MBH Fisher vectors."""
    joints: Path | None = None
    """Weights of a net of key points, for systems 08 and 12: of the small one, see untrimmed learn, or an ONNX file
    such as RTMPose (.onnx). Also a folder of key points that OpenPose found, see untrimmed extract --poses."""
    depth: Path | None = None
    """Weights of a net of depth and motion, see untrimmed learn; for system 16."""
    dense_pose: Path | None = None
    """Weights of a net of dense pose, see untrimmed learn; for system 21."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:1."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the nets' arithmetic."""
    seed: int = 0
    """Seed of every random choice."""


def call(words: list[str]) -> int:
    """Run the command: the first word is the number of the system's report, the rest see _Arguments."""
    if not words or not words[0].isdigit():
        if words and words[0] in ("-h", "--help"):
            print(
                "usage: untrimmed train NUMBER DATA --output DIR [options]\n\n"
                "NUMBER is that of the system's report, see untrimmed systems.\n"
                "untrimmed train NUMBER --help lists the options of that system."
            )
            return 0
        raise DataError("the first word must be a system's number, e.g. untrimmed train 19 DATA --output DIR")
    from untrimmed.systems.catalogue import entry_of

    number, rest = int(words[0]), words[1:]
    entry = entry_of(number)
    config = entry.laptop if peek(rest, "size", "published") == "laptop" else entry.published
    arguments_class = make_dataclass(
        "Arguments", [("config", type(config), field(default=config))], bases=(_Arguments,), frozen=True, kw_only=True
    )
    arguments_class.__doc__ = _Arguments.__doc__
    return _run(parse(arguments_class, rest, command=f"train {number}"), entry)


def _run(arguments: Any, entry: Any) -> int:
    from rich.console import Console
    from rich.logging import RichHandler

    from untrimmed.data import open_dataset
    from untrimmed.features.dense_pose import DensePose
    from untrimmed.features.given_files import with_feature_weights
    from untrimmed.features.organisers import Kind, from_files
    from untrimmed.features.store import FeatureStore
    from untrimmed.train import Run

    console = Console()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console)])
    if arguments.output.exists():
        raise DataError(f"output {arguments.output} exists already; choose another folder or remove it")
    dataset = open_dataset(arguments.data, videos=arguments.videos)
    work = arguments.work or arguments.output.with_name(arguments.output.name + ".work")
    run = Run(
        folder=work,
        device=arguments.device,
        precision=arguments.precision,
        seed=arguments.seed,
        progress=console.is_terminal,
    )
    files: dict[Kind, Path | None] = {"c3d": arguments.c3d, "shuffle": arguments.shuffle, "mbh": arguments.mbh}
    given = {kind: path for kind, path in files.items() if path is not None}
    config = from_files(arguments.config, given)
    if arguments.joints is not None:
        config = _with_joints(config, arguments.joints)
    if arguments.depth is not None:
        config = _with_depth(config, arguments.depth)
    if arguments.dense_pose is not None:
        config = with_feature_weights(config, {DensePose.name: arguments.dense_pose})
    system = entry.system(config)
    system.fit(dataset, store=FeatureStore(arguments.store), run=run)
    system.save(arguments.output)
    console.print(f"system {entry.number:02d} fitted on {dataset.name} ({len(dataset.annotations)} videos) and saved")
    for line in system.remarks(dataset):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print(f"next: untrimmed predict {arguments.output} {arguments.data} --output predictions", soft_wrap=True)
    return 0


def _with_joints(config: Any, given: Path) -> Any:
    from untrimmed.configs import parts_of, rewritten
    from untrimmed.features.confidence_maps import ConfidenceMaps
    from untrimmed.features.given_files import with_feature_weights
    from untrimmed.features.key_point_files import PoseFiles
    from untrimmed.features.key_points import KeyPoints
    from untrimmed.features.onnx_pose import OnnxPose

    names = {part.name for part in parts_of(config) if isinstance(part, KeyPoints | ConfidenceMaps)}
    if not given.is_dir() and given.suffix != ".onnx":
        return with_feature_weights(config, dict.fromkeys(names or {KeyPoints.name}, given))
    if not names:
        raise DataError(f"{type(config).__name__} looks at no joints that {given} could find")
    weights = None if given.is_dir() else given
    estimator = OnnxPose() if weights else PoseFiles(folder=str(given))

    def found_so(part: Any) -> Any:
        joints = isinstance(part, KeyPoints | ConfidenceMaps)
        return replace(part, estimator=estimator, weights=weights) if joints else part

    return rewritten(config, found_so)


def _with_depth(config: Any, weights: Path) -> Any:
    from untrimmed.systems.inflated_resnets_and_heads import InflatedResnetsAndHeadsConfig, with_starts

    if not isinstance(config, InflatedResnetsAndHeadsConfig):
        raise DataError(f"{type(config).__name__} has no net of depth and motion that {weights} could be given to")
    return with_starts(config, two_frame=weights)
