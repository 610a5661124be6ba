"""untrimmed predict: let a trained system predict a data set, or stamp any classes on any proposals."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from untrimmed.cli.arguments import parse
from untrimmed.records import DataError

if TYPE_CHECKING:
    from rich.console import Console

    from untrimmed.records import Dataset, Prediction, Task
    from untrimmed.systems.system import System

ScaleName = Literal["unit", "share", "highest", "softmax", "sigmoid"]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Predict the videos of a data set; one submission file a task, as the challenge's server took them.

    With --classifier and --proposals there is no SYSTEM: the classes of whole videos, of any systems or submission
    files, are stamped on the proposals of any others, and the files localization.json, proposals.json and
    classification.json hold what came of it.
    """

    inputs: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="[SYSTEM] DATA")]
    """Folder of a trained system (not when stamping), and the data set: an annotation file or folder in any format that
    `untrimmed check` knows."""
    output: Path
    """Folder for the files TASK.json."""
    subset: Literal["training", "validation", "testing"] = "validation"
    """Which part of the data set."""
    store: Path = Path("store")
    """Folder of measured features, shared by all systems."""
    videos: Path | None = None
    """Folder of the video files if they do not lie beside the annotations."""
    suppress: str | None = None
    """Suppress detections by a named rule: hard, soft-gaussian, bmn, actionformer-activitynet ...; a name that there is
    not is answered by the list of all."""
    classifier: tuple[Path, ...] = ()
    """Stamping: folders of trained systems, or classification submissions, whose class scores are stamped."""
    proposals: tuple[Path, ...] = ()
    """Stamping: folders of trained systems, or proposal submissions, that are stamped on."""
    classifier_weights: tuple[float, ...] = ()
    """Stamping: of several classifiers, one number each; equal by default."""
    proposal_weights: tuple[float, ...] = ()
    """Stamping: of several sources of proposals, one number each; equal by default."""
    class_scale: ScaleName = "unit"
    """Stamping: how class scores come to [0, 1]: unit (they are there, others are an error), share, highest, softmax,
    sigmoid."""
    proposal_scale: ScaleName = "unit"
    """Stamping: the same of the scores of proposals."""
    combine: Literal["product", "geometric", "sum", "mean", "proposal", "class"] = "product"
    """Stamping: how the score of a detection follows from those of proposal and class."""
    combine_weights: tuple[float, float] = (1.0, 1.0)
    """Stamping: of proposal and class in that: exponents of product and geometric, factors of sum and mean."""
    classes: int = 1
    """Stamping: how many of the best classes of a video are stamped."""
    most: int | None = None
    """Stamping: only so many of the best proposals of a video; None takes all."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="predict")
    from rich.console import Console
    from rich.logging import RichHandler

    from untrimmed.data import open_dataset
    from untrimmed.propose.suppress_names import named_rule
    from untrimmed.records import Task
    from untrimmed.systems.catalogue import load_system

    stamping = bool(arguments.classifier or arguments.proposals)
    if stamping and not (arguments.classifier and arguments.proposals):
        raise DataError("stamping needs both --classifier and --proposals")
    if len(arguments.inputs) != (1 if stamping else 2):
        wanted = "DATA alone beside --classifier and --proposals" if stamping else "SYSTEM DATA"
        raise DataError(f"predict takes {wanted}, got {' '.join(map(str, arguments.inputs)) or 'nothing'}")
    console = Console()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console)])
    if arguments.suppress is not None:
        named_rule(arguments.suppress)  # hours before it is needed
    system = None if stamping else load_system(arguments.inputs[0])
    dataset = open_dataset(arguments.inputs[-1], videos=arguments.videos)
    part = dataset.subset(arguments.subset)
    if not part.annotations:
        raise DataError(f"subset {arguments.subset} of {arguments.inputs[-1]} has no videos")
    if system is None:
        from untrimmed.cli.stamping import stamped

        predictions = stamped(arguments, part, console=console)
        tasks: Sequence[Task] = (Task.CLASSIFICATION, Task.PROPOSALS, Task.LOCALIZATION)
    else:
        predictions = _ask(system, arguments, part, console)
        only = Task.RECOGNITION if part.trimmed else Task.CLASSIFICATION
        # a data set is trimmed or untrimmed; its class scores belong to one of the two tasks
        tasks = [task for task in system.tasks if {task, only} != {Task.RECOGNITION, Task.CLASSIFICATION}]
    predictions = suppressed(predictions, arguments.suppress)
    _write(arguments.output, predictions, tasks, console)
    missing = len(part.videos) - len(predictions)
    if missing:
        console.print(f"[yellow]{missing} of {len(part.videos)} videos could not be predicted (see above)[/]")
    return 1 if missing else 0


def suppressed(predictions: "Sequence[Prediction]", name: str | None) -> "list[Prediction]":
    """The predictions with their detections suppressed by the rule of a name; None leaves them.

    Raises:
        DataError: when there is no such rule, or there are no detections.
    """
    if name is None:
        return list(predictions)
    from untrimmed.propose.suppress import suppress_detections
    from untrimmed.propose.suppress_names import named_rule

    rule = named_rule(name)
    found = []
    for one in predictions:
        if one.detections is None:
            raise DataError(f"suppression {name} needs detections, but video {one.video.video_id} was given none")
        found.append(replace(one, detections=suppress_detections(one.detections, rule, duration=one.video.duration)))
    return found


def _ask(system: "System[Any]", arguments: Arguments, part: "Dataset", console: "Console") -> "list[Prediction]":
    from rich.progress import track

    from untrimmed.features.store import FeatureStore

    stream = system.predict(part.videos, store=FeatureStore(arguments.store))
    return list(track(stream, "predicting", total=len(part.videos), console=console, disable=not console.is_terminal))


def _write(folder: Path, predictions: "Sequence[Prediction]", tasks: "Sequence[Task]", console: "Console") -> None:
    from untrimmed.data import write_predictions

    folder.mkdir(parents=True, exist_ok=True)
    for task in sorted(tasks, key=lambda task: task.code):
        path = folder / f"{task.value}.json"
        write_predictions(path, predictions, task)
        console.print(f"{task.code} {path}", soft_wrap=True)
