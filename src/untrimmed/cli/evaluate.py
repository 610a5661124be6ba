"""untrimmed evaluate TASK: score a file of predictions with the official metrics."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from untrimmed.cli.arguments import parse

if TYPE_CHECKING:
    from untrimmed.cli.scoring import Scored

TaskName = Literal["classification", "recognition", "proposals", "localization", "captioning"]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Score a file of predictions with the official metrics of the ActivityNet Challenge and its kin.

    Every score comes with a signature that says how it was computed. Exit code 0, or 2 when a file cannot be scored.
    """

    task: tyro.conf.Positional[TaskName]
    """What is scored."""
    ground_truth: tuple[Path, ...]
    """Annotations in any format; for captioning one file an annotator (val_1.json val_2.json)."""
    predictions: Path
    """The submission, plain or gzip."""
    predictions_b: Path | None = None
    """A second submission: both are scored and compared on the same draws of videos."""
    output: Path | None = None
    """Write all figures to this JSON file."""
    page: Path | None = None
    """Write a self-contained HTML page with tables and plots."""
    plots: Path | None = None
    """Write each plot into this folder as PNG and SVG."""
    subset: str | None = None
    """Which videos: by default validation; of a captions file all."""
    tious: tuple[float, ...] = ()
    """Thresholds of tIoU instead of the task's own."""
    rules: str | None = None
    """Localization: activitynet (default) or thumos14. Captioning: 2017-06, 2017-11, 2018-05 (default), 2019-06."""
    top: tuple[int, ...] = ()
    """Classification and recognition: the k of hit@k, by default 1 3 and 1 5."""
    max_average: float | None = 100.0
    """Proposals: how many a video count on average; None takes all."""
    mode: Literal["exact-2017", "corrected"] = "exact-2017"
    """Proposals: the official arithmetic with its truncation, or without."""
    suppression: tuple[float, ...] = ()
    """Proposals: suppress the file's candidates anew at each of these tIoU and show the recall that each leaves. Report
    18 takes 0.3 0.45 0.6 0.75 0.8 0.85 0.9; the file should hold candidates from before suppression."""
    blocked: Path | None = None
    """A file with ids of videos to leave out, one a line or a JSON list."""
    ignore_unknown: bool = False
    """Leave predictions of classes that the subset does not have out instead of refusing the file."""
    dedup: bool = False
    """Localization: drop instances under a millisecond and repeated ones, as OpenTAD and ActionFormer do."""
    diagnose: bool = False
    """Localization: kinds of errors and what they cost, which instances are missed."""
    breakdown: bool = False
    """Proposals and localization: scores by the length of instances, in seconds and as a share of the video;
    localization: AP of every class too. Classification and recognition: the easiest and the hardest classes by their
    top-1 error."""
    meteor: bool = True
    """Captioning: METEOR; without it there is no SODA and no paragraph score."""
    meteor_backend: Literal["python", "java"] = "python"
    """Captioning: METEOR in Python, or its own Java program, which gives the same figures and takes longer."""
    soda: bool = False
    """Captioning: SODA a to d as well."""
    soda_order: Literal["released", "natural"] = "released"
    """Captioning: which sentence METEOR takes as the hypothesis in SODA."""
    paragraphs: bool = False
    """Captioning: the captions of each video as one paragraph as well."""
    floors: bool = False
    """Captioning: beside the score what a constant sentence gets on the same segments, and on even segments."""
    training: tuple[Path, ...] = ()
    """Captioning: captions to draw random sentences from, for one more floor."""
    classes: Path | None = None
    """For predictions that number their classes: lines of number and name."""
    bootstrap: Annotated[int, tyro.conf.arg(metavar="DRAWS")] = 0
    """Draw the videos anew this often and give 95 % intervals; 1000 is usual, and the default with two submissions."""
    seed: int = 0
    """Of the draws."""
    name: str | None = field(default=None)
    """The data set's name in signatures; by default what the files say."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="evaluate")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from untrimmed.cli import scoring
    from untrimmed.data.writing import write_json

    errors = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as bars:
        found = scoring.score(arguments, watch=_watcher(bars))
        if arguments.plots is not None or arguments.page is not None:
            bars.add_task("drawing", total=None)
            _draw(arguments, found)
    console = Console()
    for table in found.tables:
        console.print(_rich(table))
    for line in found.signatures:
        console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)
    if arguments.output is not None:
        write_json(arguments.output, found.figures)
    return 0


def _watcher(bars: Any) -> Callable[[str], Callable[[int, int], None]]:
    """For the name of a piece of work, who is told how far it is."""

    def watch(name: str) -> Callable[[int, int], None]:
        bar = bars.add_task(name, total=None)

        def told(done: int, of: int) -> None:
            bars.update(bar, completed=done, total=of)

        return told

    return watch


def _draw(arguments: Arguments, found: "Scored") -> None:
    from untrimmed.report.scores import write_plots
    from untrimmed.report.scores_page import write_scores_page

    if arguments.plots is not None:
        write_plots(arguments.plots, found.plots)
    if arguments.page is not None:
        title = f"{arguments.task}: {arguments.predictions.name}"
        if arguments.predictions_b is not None:
            title += f" and {arguments.predictions_b.name}"
        write_scores_page(
            arguments.page, title=title, signatures=found.signatures, tables=found.tables, plots=found.plots
        )


def _rich(table: Any) -> Any:
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=Text(table.title), title_justify="left", title_style="bold")
    for place, name in enumerate(table.header):
        shown.add_column(Text(name), justify="left" if place == 0 else "right", no_wrap=place > 0, overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))
    return shown
