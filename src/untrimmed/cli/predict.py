"""untrimmed predict SYSTEM DATA: let a trained system predict a data set, in the official file formats."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from untrimmed.cli.arguments import parse
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Predict the videos of a data set; one submission file a task, as the challenge's server took them."""

    system: tyro.conf.Positional[Path]
    """Folder of a trained system."""
    data: tyro.conf.Positional[Path]
    """Data set: an annotation file or folder in any format that `untrimmed check` knows."""
    output: Path
    """Folder for the files TASK.json."""
    subset: Literal["training", "validation", "testing"] = "validation"
    """Which part of the data set."""
    store: Path = Path("store")
    """Folder of measured features, shared by all systems."""
    videos: Path | None = None
    """Folder of the video files if they do not lie beside the annotations."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="predict")
    from rich.console import Console
    from rich.logging import RichHandler
    from rich.progress import track

    from untrimmed.data import open_dataset, write_predictions
    from untrimmed.features.store import FeatureStore
    from untrimmed.records import Task
    from untrimmed.systems.catalogue import load_system

    console = Console()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console)])
    system = load_system(arguments.system)
    dataset = open_dataset(arguments.data, videos=arguments.videos)
    part = dataset.subset(arguments.subset)
    if not part.annotations:
        raise DataError(f"subset {arguments.subset} of {arguments.data} has no videos")
    stream = system.predict(part.videos, store=FeatureStore(arguments.store))
    shown = track(stream, "predicting", total=len(part.videos), console=console, disable=not console.is_terminal)
    predictions = list(shown)
    arguments.output.mkdir(parents=True, exist_ok=True)
    only = Task.RECOGNITION if part.trimmed else Task.CLASSIFICATION
    for task in sorted(system.tasks, key=lambda task: task.code):
        if {task, only} == {Task.RECOGNITION, Task.CLASSIFICATION}:
            continue  # a data set is trimmed or untrimmed; its class scores belong to one of the two tasks
        path = arguments.output / f"{task.value}.json"
        write_predictions(path, predictions, task)
        console.print(f"{task.code} {path}", soft_wrap=True)
    missing = len(part.videos) - len(predictions)
    if missing:
        console.print(f"[yellow]{missing} of {len(part.videos)} videos could not be predicted (see above)[/]")
    return 1 if missing else 0
