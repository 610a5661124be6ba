"""What `untrimmed evaluate` does: read the files, score, and put figures, tables and plots together."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from untrimmed.cli.evaluate import Arguments
from untrimmed.evaluate.uncertainty import DRAWS, LEVEL, Comparison, Interval, Weighed, bootstrap, compare
from untrimmed.records import DataError, Task
from untrimmed.report.score_table import ScoreTable

if TYPE_CHECKING:
    from untrimmed.columns import GroundTruth, Predictions
    from untrimmed.report.scores import Plot

Told = Callable[[int, int], None]
Watch = Callable[[str], Told]


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """One scored submission.

    Attributes:
        figures: as JSON values, names as the official records have them.
        headline: the figures worth a line each.
        signatures: how they were computed.
        weigh: the submission ready for draws of videos; None where there is none.
        tables: more tables.
        draw: makes the plots; called only if somebody wants them.
    """

    figures: dict[str, Any]
    headline: dict[str, float]
    signatures: tuple[str, ...]
    weigh: Callable[[], list[Weighed]] | None = None
    tables: tuple[ScoreTable, ...] = ()
    draw: Callable[[], "list[Plot]"] = list


@dataclass(frozen=True, eq=False, kw_only=True)
class Scored:
    """Everything the command shows and writes."""

    figures: dict[str, Any]
    signatures: tuple[str, ...]
    tables: tuple[ScoreTable, ...]
    plots: "list[Plot]" = field(default_factory=list)


def score(arguments: Arguments, *, watch: Watch) -> Scored:
    """Score one submission, or two and compare them.

    Raises:
        DataError: when a file cannot be used or an option does not fit the task.
        MissingExtra: when METEOR is wanted and its program cannot run.
    """
    task = Task(arguments.task)
    if task is Task.CAPTIONING:
        from untrimmed.cli.scoring_captions import scorer
    else:
        scorer = _scorer
    one = scorer(arguments, watch)
    paths = [arguments.predictions, *([arguments.predictions_b] if arguments.predictions_b is not None else [])]
    parts = [one(path) for path in paths]
    draws = arguments.bootstrap or (DRAWS if len(parts) == 2 else 0)
    names = _names(paths)
    signatures = tuple(dict.fromkeys(line for part in parts for line in part.signatures))
    tables: list[ScoreTable] = []
    if len(parts) == 1:
        figures = dict(parts[0].figures)
        intervals: dict[str, Interval] = {}
        if draws:
            intervals = _bootstrap(parts[0], draws, arguments.seed, watch)
            figures["intervals"] = {name: _interval_figures(one) for name, one in intervals.items()}
            figures["bootstrap"] = {"draws": draws, "seed": arguments.seed, "level": LEVEL}
        tables.append(_headline(arguments.task, parts[0], intervals))
    else:
        compared = _compare(parts[0], parts[1], draws, arguments.seed, watch)
        figures = {name: part.figures for name, part in zip(names, parts, strict=True)}
        figures["comparison"] = {name: _comparison_figures(one) for name, one in compared.items()}
        figures["bootstrap"] = {"draws": draws, "seed": arguments.seed, "level": LEVEL}
        tables.append(_side_by_side(arguments.task, names, parts, compared))
        parts = [
            replace(part, tables=tuple(replace(table, title=f"{letter}: {table.title}") for table in part.tables))
            for letter, part in zip("ab", parts, strict=True)
        ]
    tables += [table for part in parts for table in part.tables]
    wanted = arguments.plots is not None or arguments.page is not None
    return Scored(
        figures=plain({**figures, "task": arguments.task, "signatures": list(signatures)}),
        signatures=signatures,
        tables=tuple(tables),
        plots=_plots(names, parts) if wanted else [],
    )


def plain(value: Any) -> Any:
    """JSON values: numbers of numpy become Python's, what is not a number becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_blocked(path: Path | None) -> tuple[str, ...]:
    """Ids of a file, one a line or a JSON list of strings."""
    if path is None:
        return ()
    from untrimmed.data.opening import decode, read_bytes, read_text

    content = read_text(path).strip()
    if content.startswith("["):
        return tuple(decode(read_bytes(path), list[str], path=path))
    return tuple(line.strip() for line in content.splitlines() if line.strip())


def _scorer(arguments: Arguments, watch: Watch) -> Callable[[Path], Part]:
    """Tasks T1 to T4: reads the ground truth once and scores one file after the other."""
    from untrimmed.cli import scoring_classes, scoring_segments
    from untrimmed.data.datasets import read_ground_truth, read_predictions

    task = Task(arguments.task)
    if len(arguments.ground_truth) != 1:
        raise DataError(f"{task.value} needs one file of ground truth, got {len(arguments.ground_truth)}")
    subset = arguments.subset or "validation"
    told = watch("reading and scoring")
    ground_truth = read_ground_truth(arguments.ground_truth[0], subset)
    if arguments.name is not None:
        ground_truth = replace(ground_truth, name=arguments.name)
    blocked = read_blocked(arguments.blocked)
    classes = _read_classes(arguments.classes)
    makers: dict[Task, Callable[[Arguments, GroundTruth, Predictions, tuple[str, ...]], Part]] = {
        Task.CLASSIFICATION: scoring_classes.classes,
        Task.RECOGNITION: scoring_classes.classes,
        Task.PROPOSALS: scoring_segments.proposals,
        Task.LOCALIZATION: scoring_segments.localization,
    }

    def one(path: Path) -> Part:
        part = makers[task](arguments, ground_truth, read_predictions(path, task, classes=classes), blocked)
        told(1, 1)
        return part

    return one


def _read_classes(path: Path | None) -> dict[str, str] | None:
    if path is None:
        return None
    from untrimmed.data.opening import read_text

    table = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.split(maxsplit=1)
        if not words:
            continue
        if len(words) != 2:
            raise DataError(f"{path} line {number} must be a number and a name, got {line[:60]!r}")
        table[words[0]] = words[1].strip()
    return table


def _bootstrap(part: Part, draws: int, seed: int, watch: Watch) -> dict[str, Interval]:
    if part.weigh is None:
        raise DataError("there is no bootstrap for the rules of THUMOS'14; leave --bootstrap out")
    told = watch("drawing videos")
    return {
        name: interval
        for weighed in part.weigh()
        for name, interval in bootstrap(weighed, draws=draws, seed=seed, progress=told).items()
    }


def _compare(first: Part, second: Part, draws: int, seed: int, watch: Watch) -> dict[str, Comparison]:
    if first.weigh is None or second.weigh is None:
        raise DataError("two submissions cannot be compared by the rules of THUMOS'14; leave --predictions-b out")
    told = watch("drawing videos")
    return {
        name: comparison
        for one, other in zip(first.weigh(), second.weigh(), strict=True)
        for name, comparison in compare(one, other, draws=draws, seed=seed, progress=told).items()
    }


def _names(paths: Sequence[Path]) -> list[str]:
    names = [path.name.removesuffix(".gz").removesuffix(".json") for path in paths]
    return names if len(set(names)) == len(names) else [f"{name}-{place + 1}" for place, name in enumerate(names)]


def _interval_figures(one: Interval) -> dict[str, float]:
    return {"figure": one.figure, "low": one.low, "high": one.high, "deviation": one.deviation}


def _comparison_figures(one: Comparison) -> dict[str, Any]:
    return {
        "first": one.first,
        "second": one.second,
        "difference": _interval_figures(one.difference),
        "chance": one.chance,
    }


def number(value: float) -> str:
    """A figure in a table: four digits behind the point below 2, two from there on."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if abs(value) < 2 else f"{value:.2f}"


def _headline(task: str, part: Part, intervals: dict[str, Interval]) -> ScoreTable:
    header = ("metric", "figure", *(("95 % from", "to") if intervals else ()))
    rows = []
    for name, value in part.headline.items():
        row = [name, number(value)]
        if intervals:
            one = intervals.get(name)
            row += [number(one.low), number(one.high)] if one is not None else ["-", "-"]
        rows.append(tuple(row))
    return ScoreTable(title=task, header=header, rows=tuple(rows))


def _side_by_side(
    task: str, names: Sequence[str], parts: Sequence[Part], compared: dict[str, Comparison]
) -> ScoreTable:
    rows = []
    for name, value in parts[0].headline.items():
        other = parts[1].headline.get(name, math.nan)
        row = [name, number(value), number(other), f"{other - value:+.4f}"]
        one = compared.get(name)
        if one is None:
            row += ["-", "-", "-"]
        else:
            row += [f"{one.difference.low:+.4f}", f"{one.difference.high:+.4f}", f"{one.chance:.3f}"]
        rows.append(tuple(row))
    return ScoreTable(
        title=f"{task}: a is {names[0]}, b is {names[1]}",
        header=("metric", "a", "b", "b - a", "95 % from", "to", "p"),
        rows=tuple(rows),
    )


def _plots(names: Sequence[str], parts: Sequence[Part]) -> "list[Plot]":
    if len(parts) == 1:
        return parts[0].draw()
    return [
        replace(plot, name=f"{letter}_{plot.name}", title=f"{plot.title}: {name}")
        for letter, name, part in zip("ab", names, parts, strict=True)
        for plot in part.draw()
    ]
