"""Figures, tables and plots of tasks T1 and T2 for `untrimmed evaluate`."""

from typing import TYPE_CHECKING

from untrimmed.cli.evaluate import Arguments
from untrimmed.cli.scoring import Part
from untrimmed.cli.scoring_segments import extremes_table, parts_wanted
from untrimmed.columns import GroundTruth, Predictions
from untrimmed.evaluate import classification, hardness, recognition, uncertainty
from untrimmed.evaluate.labels import without_blocked
from untrimmed.records import Task
from untrimmed.report.class_errors import bars_by_error, hardness_table
from untrimmed.report.score_table import ScoreTable

if TYPE_CHECKING:
    from untrimmed.report.scores import Plot


def classes(arguments: Arguments, truth: GroundTruth, found: Predictions, blocked: tuple[str, ...]) -> Part:
    """T1 and T2."""
    task = Task(arguments.task)
    trimmed = task is Task.RECOGNITION
    module, usual = (recognition, recognition.TOP) if trimmed else (classification, classification.TOP)
    top = arguments.top or usual
    result = module.evaluate(truth, found, top=top, blocked=blocked, ignore_unknown=arguments.ignore_unknown)
    figures = {**result.figures, "signature": result.signature}
    wanted = ["average_error", "mAP", *(f"{kind}@{k}" for k in top for kind in ("hit", "avg_hit", "error"))]
    kept, left = without_blocked(truth, found, blocked)
    hard: hardness.Hardness | None = None
    if parts_wanted(arguments):
        hard = hardness.hardness(kept, left, ignore_unknown=arguments.ignore_unknown)
        ranked = hard.hardest(len(hard.classes))
        figures["by_class"] = [{"label": one.label, "videos": one.videos, "error@1": one.error} for one in ranked]

    def draw() -> "list[Plot]":
        from untrimmed.report import scores

        drawn = [scores.bars_by_class(dict(zip(result.labels, result.ap.tolist(), strict=True)))]
        if hard is not None:
            drawn.append(bars_by_error(hard))
        return [*drawn, scores.confusion_bars(result.confused)] if result.confused else drawn

    def weigh() -> list[uncertainty.Weighed]:
        return [uncertainty.weigh_classes(kept, left, top=top, ignore_unknown=arguments.ignore_unknown)]

    tables = [extremes_table(*result.extremes())]
    if hard is not None:
        tables.append(hardness_table(hard))
    if result.confused:
        rows = tuple((true, said, str(count)) for true, said, count in result.confused[:5])
        tables.append(ScoreTable(title="most confused", header=("class", "ranked first", "videos"), rows=rows))
    return Part(
        figures=figures,
        headline={name: figures[name] for name in wanted if name in figures},
        signatures=(result.signature, *([hard.signature] if hard is not None else [])),
        weigh=weigh,
        tables=tuple(tables),
        draw=draw,
    )
