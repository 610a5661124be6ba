"""untrimmed systems: list the twenty-two systems of the challenge, or describe one."""

import inspect
import json
import sys
from dataclasses import dataclass

import tyro

from untrimmed.cli.arguments import parse


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """List the twenty-two systems: tasks, published figures, and whether they are built; or describe one."""

    number: tyro.conf.Positional[int | None] = None
    """Of a built system: print its source, recipe, published figures, finding and choices."""

    inputs: bool = False
    """Show what each system looks at, too."""
    json: bool = False
    """Print JSON instead of a table."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="systems")
    from untrimmed.systems.catalogue import SYSTEMS, entry_of
    from untrimmed.systems.reports import REPORTS

    if arguments.number is not None:
        print(inspect.getdoc(sys.modules[entry_of(arguments.number).system.__module__]))
        return 0
    built = {entry.number: entry.system.__name__ for entry in SYSTEMS}
    if arguments.json:
        rows = [
            {
                "number": report.number,
                "title": report.title,
                "tasks": [task.code for task in report.tasks],
                "inputs": report.inputs,
                "published": report.published,
                "built": built.get(report.number),
            }
            for report in REPORTS
        ]
        print(json.dumps(rows, indent=2))
        return 0
    from rich import box
    from rich.console import Console
    from rich.table import Table

    names = ["no", "system", "tasks", *(["looks at"] if arguments.inputs else []), "published", "built"]
    table = Table(*names, box=box.SIMPLE_HEAD, pad_edge=False)
    for report in REPORTS:
        codes = " ".join(task.code for task in report.tasks)
        inputs = [report.inputs] if arguments.inputs else []
        mark = "[green]yes[/]" if report.number in built else "[dim]-[/]"
        table.add_row(f"{report.number:02d}", report.title, codes, *inputs, report.published, mark)
    console = Console()
    console.print(table)
    console.print(
        f"{len(built)} of {len(REPORTS)} are built. T1 untrimmed classification, T2 trimmed recognition, "
        "T3 proposals, T4 localization, T5 captioning."
    )
    return 0
