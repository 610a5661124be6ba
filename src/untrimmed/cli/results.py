"""untrimmed results DIR: measure every finding of the built systems on the playground and write the tables."""

import importlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from untrimmed.cli.arguments import parse
from untrimmed.cli.findings import Finding, mean_and_spread
from untrimmed.cli.workshop import Row, Workshop, table_of
from untrimmed.files import write_text
from untrimmed.records import DataError

GroupName = Literal["main_path", "classical", "recognition", "localization", "captions"]
GROUPS: tuple[GroupName, ...] = ("main_path", "classical", "recognition", "localization", "captions")
"""Modules of cli.measures; each has a TITLE, measured(shop) and FINDINGS, and a block of the document."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Train the built systems on the default playground with several seeds; mean and spread of every figure."""

    folder: tyro.conf.Positional[Path]
    """Where everything is kept; a killed call goes on."""
    seeds: int = 3
    """How many trainings of everything, with seeds 0, 1, ..."""
    groups: tuple[GroupName, ...] = GROUPS
    """Which systems: main_path is 06, 19 and 22; classical is 01, 02, 04, 10 and 11;
    recognition is 03, 05, 08 and 12 to 17; localization is 07 to 10 and 17 to 21; captions is 17 beside 22."""
    document: Path | None = None
    """Markdown file to write, e.g. docs/results.md; only what stands between the two marker lines of each group is
    replaced."""
    small: bool = False
    """The demo's playground instead of the default one."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="results")
    from rich.console import Console
    from rich.logging import RichHandler

    from untrimmed.data.playground import DEMO, PlaygroundConfig

    if arguments.seeds < 1:
        raise DataError(f"results need seeds >= 1, got {arguments.seeds}")
    console = Console()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console)])
    playground = DEMO if arguments.small else PlaygroundConfig()
    for name in dict.fromkeys(arguments.groups):
        group: Any = importlib.import_module(f"untrimmed.cli.measures.{name}")
        tables = []
        for seed in range(arguments.seeds):
            place = Path("systems") / f"seed-{seed}"
            shop = Workshop(folder=arguments.folder, playground=playground, seed=seed, console=console, systems=place)
            tables.append(group.measured(shop))
        table_of(average(tables), console)
        text = document(tables, title=group.TITLE, findings=group.FINDINGS, playground=playground)
        if arguments.document is not None:
            write_between(arguments.document, text, name=name)
            console.print(f"written: {arguments.document}")
        else:
            console.print(text, markup=False, highlight=False)
    return 0


def average(tables: Sequence[Sequence[Row]]) -> list[Row]:
    """The mean of every figure over the seeds."""
    return [
        Row(first.task, first.name, {key: sum(row.figures[key] for row in same) / len(same) for key in first.figures})
        for first, *rest in zip(*tables, strict=True)
        for same in [[first, *rest]]
    ]


def document(tables: Sequence[Sequence[Row]], *, title: str, findings: Sequence[Finding], playground: object) -> str:
    """The tables and the findings of one group as Markdown."""
    from untrimmed import __version__

    lines = [
        f"## {title}",
        "",
        f"Measured by `untrimmed results` of version {__version__}, {len(tables)} trainings with seeds 0 to "
        f"{len(tables) - 1}, on the testing part of the playground:",
        "",
        f"    {playground}",
        "",
        "Figures are percent, mean ± standard deviation over the seeds.",
    ]
    titles = {"T1": "untrimmed classification", "T2": "trimmed recognition", "T3": "proposals"}
    titles |= {"T4": "localization", "T5": "dense captions (rules 2018-05)"}
    titles |= {"T5, rules 2017-06": "dense captions"}
    titles |= {"twins": "Which stream tells which twins apart (chance 50)"}
    titles |= {"joints": "Joints found within a fifth of the torso, of drawn people (nets learnt once for all seeds)"}
    for task, name in titles.items():
        same = [rows for rows in zip(*tables, strict=True) if rows[0].task == task]
        if not same:
            continue
        names = list(dict.fromkeys(name for rows in same for name in rows[0].figures))
        lines += [
            "",
            f"### {task} {name}" if task.startswith("T") else f"### {name}",
            "",
            "| | " + " | ".join(names) + " |",
            "|---" * (len(names) + 1) + "|",
        ]
        lines += [_line(rows, names) for rows in same]
    lines += ["", "### Findings", "", "| system | claim | published | task, figure | measured | difference | |"]
    lines += ["|---|---|---|---|---|---|---|", *(finding.line(tables) for finding in findings)]
    return "\n".join(lines)


def _line(rows: Sequence[Row], names: Sequence[str]) -> str:
    cells = [mean_and_spread([row.figures[name] for row in rows]) if name in rows[0].figures else "" for name in names]
    return f"| {rows[0].name} | " + " | ".join(cells) + " |"


def write_between(path: Path, text: str, *, name: str) -> None:
    """Replace what stands between a group's marker lines of a document; a new document is made of them alone.

    Raises:
        DataError: when the document exists and lacks the markers.
    """
    begin, end = f"<!-- results {name} begin -->", f"<!-- results {name} end -->"
    block = f"{begin}\n{text}\n{end}"
    if not path.exists():
        write_text(path, block + "\n")
        return
    whole = path.read_text(encoding="utf-8")
    if begin not in whole or end not in whole:
        raise DataError(f"document {path} must have the lines {begin} and {end}")
    write_text(path, whole[: whole.index(begin)] + block + whole[whole.index(end) + len(end) :])
