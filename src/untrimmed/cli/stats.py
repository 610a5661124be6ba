"""untrimmed stats PATH: count what a data set holds."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from untrimmed.cli.arguments import parse


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Count what a data set holds, by subset."""

    path: tyro.conf.Positional[Path]
    """Annotations in any format, or a folder of a data set."""
    output: Path | None = None
    """Write the counts to this JSON file."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="stats")
    from rich.console import Console
    from rich.table import Table

    from untrimmed.data.datasets import read_raw
    from untrimmed.data.statistics import count
    from untrimmed.data.writing import write_json

    with Console(stderr=True).status(f"counting {arguments.path}"):
        raw = read_raw(arguments.path)
        counts = count(raw)
    table = Table("", *(one.subset for one in counts), title=raw.name)
    for name, words_of in (
        ("videos", "videos"),
        ("annotated", "annotated"),
        ("hours", "hours"),
        ("instances", "instances"),
        ("classes", "classes"),
        ("sentences", "sentences"),
        ("words", "words"),
        ("seconds", "mean seconds of an annotation"),
        ("share", "mean share of a video that is annotated"),
        ("most", "most annotations in a video"),
    ):
        table.add_row(words_of, *(_shown(getattr(one, name)) for one in counts))
    table.add_row("most frequent", *("\n".join(f"{n} {label}" for label, n in one.frequent) for one in counts))
    table.add_row("rarest", *("\n".join(f"{n} {label}" for label, n in one.rare) for one in counts))
    Console().print(table)
    if arguments.output is not None:
        write_json(arguments.output, {"name": raw.name, "subsets": [asdict(one) for one in counts]})
    return 0


def _shown(value: float | int) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "" if math.isnan(value) else f"{value:,.3g}" if value < 100 else f"{value:,.0f}"
