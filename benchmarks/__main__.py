"""Run all benchmarks, or those named, and print one table each."""

import importlib
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

SKIPPED = {"__init__", "__main__", "table"}
NAMED_ONLY = {"pose", "real_clips", "real_ensembles", "real_trajectories"}
"""Take many minutes: they run when they are asked for by name."""


def main(names: list[str]) -> int:
    folder = Path(__file__).parent
    every = sorted(path.stem for path in folder.glob("*.py") if path.stem not in SKIPPED | NAMED_ONLY)
    console = Console()
    kept = True
    for name in names or every:
        table = Table("what", "figure", "wanted", "note", title=name)
        for row in importlib.import_module(f"benchmarks.{name}").run():
            mark = {True: "[green]ok[/]", False: "[red]missed[/]", None: ""}[row.good]
            table.add_row(row.what, f"{row.value:.3g} {row.unit}", f"{row.wanted} {mark}".strip(), row.note)
            kept = kept and row.good is not False
        console.print(table)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
