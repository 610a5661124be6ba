"""untrimmed check FILE: say what a file is, whether it is valid, and what is wrong with it."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from untrimmed.cli.arguments import parse


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Say what a file or folder is, whether it is valid, and what is wrong with it.

    Exit code 0 without a defect, 1 with some, 2 when it cannot be read at all.
    """

    file: tyro.conf.Positional[Path]
    """Annotations, predictions or features in any format, or a folder of a data set."""
    ground_truth: Path | None = None
    """For predictions: the annotations that they are meant for."""
    subset: str = "validation"
    """Which subset of the ground truth."""
    videos: Path | None = None
    """For annotations: a folder in which every video should lie."""
    durations: Path | None = None
    """For annotations: a csv with the durations of another copy (video_id, duration), to be compared."""
    column: str | None = None
    """The column of seconds in that csv; by default duration, duration_s or length."""
    limit: int = 10
    """How many defects of a kind to show."""
    output: Path | None = None
    """Write all defects to this JSON file."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="check")
    from rich.console import Console
    from rich.markup import escape
    from rich.status import Status

    from untrimmed.data.inspection import inspect
    from untrimmed.data.writing import write_json

    console = Console(soft_wrap=True)
    with Status("reading", console=Console(stderr=True)):
        found = inspect(
            arguments.file,
            ground_truth=arguments.ground_truth,
            subset=arguments.subset,
            videos=arguments.videos,
            durations=arguments.durations,
            column=arguments.column,
        )
    console.print(f"{escape(str(arguments.file))}: [bold]{found.format.value}[/], {escape(found.words)}")
    for kind, defects in found.by_kind().items():
        console.print(f"[yellow]{len(defects)} x {kind.value}[/]")
        for defect in defects[: arguments.limit]:
            whose = f"{defect.video_id}: " if defect.video_id else ""
            console.print(f"    {escape(whose + defect.words)}")
        if len(defects) > arguments.limit:
            console.print(f"    ... and {len(defects) - arguments.limit} more")
    if arguments.output is not None:
        write_json(arguments.output, found.figures)
    if not found.defects:
        console.print("[green]valid, no defect found[/]")
    return 1 if found.defects else 0
