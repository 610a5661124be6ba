"""untrimmed systems: list the twenty-two systems of the challenge."""

import json
from dataclasses import dataclass

from untrimmed.cli.arguments import parse


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """List the twenty-two systems: tasks, inputs, published figures, and whether they are built."""

    json: bool = False
    """Print JSON instead of a table."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="systems")
    from untrimmed.systems.catalogue import SYSTEMS
    from untrimmed.systems.reports import REPORTS

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
    from rich.console import Console
    from rich.table import Table

    table = Table("no", "system", "tasks", "looks at", "published", "built")
    for report in REPORTS:
        codes = " ".join(task.code for task in report.tasks)
        mark = f"[green]{built[report.number]}[/]" if report.number in built else "[dim]not yet[/]"
        table.add_row(f"{report.number:02d}", report.title, codes, report.inputs, report.published, mark)
    console = Console()
    console.print(table)
    console.print(
        f"{len(built)} of {len(REPORTS)} are built. T1 untrimmed classification, T2 trimmed recognition, "
        "T3 proposals, T4 localization, T5 captioning."
    )
    return 0
