"""untrimmed results DIR: measure every finding of the built systems on the playground and write the tables."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from untrimmed.cli.arguments import parse
from untrimmed.cli.findings import FINDINGS, mean_and_spread
from untrimmed.cli.workshop import Row, Workshop, table_of
from untrimmed.files import write_text
from untrimmed.records import DataError

if TYPE_CHECKING:
    from untrimmed.systems.tsn_and_c3d import StreamName


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Train the built systems on the default playground with several seeds; mean and spread of every figure."""

    folder: tyro.conf.Positional[Path]
    """Where everything is kept; a killed call goes on."""
    seeds: int = 3
    """How many trainings of everything, with seeds 0, 1, ..."""
    document: Path | None = None
    """Markdown file to write, e.g. docs/results.md; only the part between its two marker lines is replaced."""
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
    tables = []
    for seed in range(arguments.seeds):
        place = Path("systems") / f"seed-{seed}"
        shop = Workshop(folder=arguments.folder, playground=playground, seed=seed, console=console, systems=place)
        tables.append(measured(shop))
    table_of(average(tables), console)
    text = document(tables, playground=playground)
    if arguments.document is not None:
        write_between(arguments.document, text)
        console.print(f"written: {arguments.document}")
    else:
        console.print(text, markup=False, highlight=False)
    return 0


def measured(shop: Workshop) -> list[Row]:
    """All rows of one seed."""
    from untrimmed.cli import measures
    from untrimmed.systems import context_captions, prop_ssad, tsn_and_c3d

    untrimmed, trimmed = shop.draw()
    rows: list[Row] = []
    streams: tuple[StreamName, ...] = tsn_and_c3d.ALL_STREAMS
    config = replace(tsn_and_c3d.LAPTOP, trained=streams, submitted=streams)
    mixes: list[tuple[StreamName, ...]] = [("rgb_tsn", "flow_tsn"), ("rgb_c3d", "flow_c3d"), streams]
    for name, dataset in (("06-untrimmed", untrimmed), ("06-trimmed", trimmed)):
        tsn = shop.trained(tsn_and_c3d.TsnAndC3d(config), dataset, name=name)
        rows += shop.rows(name, config, lambda s=tsn, d=dataset: measures.classification(shop, s, d, mixes=mixes))  # type: ignore[misc]
    ssad = shop.trained(prop_ssad.PropSsad(prop_ssad.LAPTOP), untrimmed, name="19")
    rows += shop.rows("19", ssad.config, lambda: measures.proposals_and_detections(shop, ssad, untrimmed))
    speakers = {
        name: shop.trained(context_captions.ContextCaptions(one), untrimmed, name=f"22-{name}", work="22")
        for name, one in measures.caption_models(context_captions.LAPTOP).items()
    }
    identity = tuple(system.config for system in speakers.values())
    rows += shop.rows("22", identity, lambda: measures.captions(shop, speakers, untrimmed, even=["TAC"]))
    return rows


def average(tables: Sequence[Sequence[Row]]) -> list[Row]:
    """The mean of every figure over the seeds."""
    return [
        Row(first.task, first.name, {key: sum(row.figures[key] for row in same) / len(same) for key in first.figures})
        for first, *rest in zip(*tables, strict=True)
        for same in [[first, *rest]]
    ]


def document(tables: Sequence[Sequence[Row]], *, playground: object) -> str:
    """The tables and the findings as Markdown."""
    from untrimmed import __version__

    lines = [
        f"Measured by `untrimmed results` of version {__version__}, {len(tables)} trainings with seeds 0 to "
        f"{len(tables) - 1}, on the testing part of the playground:",
        "",
        f"    {playground}",
        "",
        "Figures are percent, mean ± standard deviation over the seeds.",
    ]
    titles = {"T1": "untrimmed classification", "T2": "trimmed recognition", "T3": "proposals"}
    titles |= {"T4": "localization", "T5": "dense captions (rules 2018-05)"}
    for task, title in titles.items():
        same = [rows for rows in zip(*tables, strict=True) if rows[0].task == task]
        names = list(dict.fromkeys(name for rows in same for name in rows[0].figures))
        lines += ["", f"### {task} {title}", "", "| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        lines += [_line(rows, names) for rows in same]
    lines += ["", "### Findings", "", "| system | claim | published | task, figure | measured | difference | |"]
    lines += ["|---|---|---|---|---|---|---|", *(finding.line(tables) for finding in FINDINGS)]
    return "\n".join(lines)


def _line(rows: Sequence[Row], names: Sequence[str]) -> str:
    cells = [mean_and_spread([row.figures[name] for row in rows]) if name in rows[0].figures else "" for name in names]
    return f"| {rows[0].name} | " + " | ".join(cells) + " |"


BEGIN, END = "<!-- results begin -->", "<!-- results end -->"


def write_between(path: Path, text: str) -> None:
    """Replace what stands between the marker lines of a document; a new document is made of them alone.

    Raises:
        DataError: when the document exists and lacks the markers.
    """
    block = f"{BEGIN}\n{text}\n{END}"
    if not path.exists():
        write_text(path, block + "\n")
        return
    whole = path.read_text(encoding="utf-8")
    if BEGIN not in whole or END not in whole:
        raise DataError(f"document {path} must have the lines {BEGIN} and {END}")
    write_text(path, whole[: whole.index(BEGIN)] + block + whole[whole.index(END) + len(END) :])
