"""Figures, tables and plots of tasks T3 and T4 for `untrimmed evaluate`."""

import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from untrimmed.cli.evaluate import Arguments
from untrimmed.cli.scoring import Part, number
from untrimmed.columns import GroundTruth, Predictions
from untrimmed.evaluate import breakdown, curves, diagnosis, thumos, uncertainty
from untrimmed.evaluate import localization as evaluate_localization
from untrimmed.evaluate import proposals as evaluate_proposals
from untrimmed.evaluate.dedup import without_near_duplicates
from untrimmed.evaluate.labels import without_blocked
from untrimmed.records import DataError
from untrimmed.report.breakdown_plot import bars_by_length, class_table, length_table
from untrimmed.report.score_table import ScoreTable

if TYPE_CHECKING:
    from untrimmed.report.scores import Plot
    from untrimmed.report.suppression_curve import SuppressionCurve


def proposals(arguments: Arguments, truth: GroundTruth, found: Predictions, blocked: tuple[str, ...]) -> Part:
    """T3."""
    mode = evaluate_proposals.Mode(arguments.mode)
    tious = _tious(arguments, evaluate_proposals.TIOUS)
    result = evaluate_proposals.evaluate(
        truth, found, max_average=arguments.max_average, tious=tious, mode=mode, blocked=blocked
    )
    figures = {**result.figures, "signature": result.signature}
    kept, left = without_blocked(truth, found, blocked)
    groups: tuple[breakdown.LengthGroup, ...] = ()
    if parts_wanted(arguments):
        groups = breakdown.of_proposals(kept, left, max_average=arguments.max_average, tious=tious, mode=mode)
        figures["by_length"] = [group.figures for group in groups]
    suppressed = _suppression(arguments, kept, left, tious) if arguments.suppression else None
    if suppressed is not None:
        figures["by_suppression"] = suppressed.figures

    def draw() -> "list[Plot]":
        from untrimmed.report import scores
        from untrimmed.report.suppression_curve import recall_over_suppression

        return [
            scores.recall_over_proposals(result.recall, result.numbers, result.tious, auc=result.auc),
            *([recall_over_suppression(suppressed)] if suppressed is not None else []),
            bars_by_length(groups),
            _lengths(kept, left),
        ]

    def weigh() -> list[uncertainty.Weighed]:
        return [uncertainty.weigh_proposals(kept, left, max_average=arguments.max_average, tious=tious, mode=mode)]

    rows = tuple(
        (f"{tiou:.2f}", number(float(result.recall[row, -1])), number(float(result.precision[row])))
        for row, tiou in enumerate(result.tious.tolist())
    )
    return Part(
        figures=figures,
        headline={name: figures[name] for name in figures if name == "auc_percent" or name.startswith("AR@")},
        signatures=(result.signature,),
        weigh=weigh,
        tables=(
            ScoreTable(title="at the last step", header=("tIoU", "recall", "precision"), rows=rows),
            *([suppressed.table()] if suppressed is not None else []),
            *([length_table(groups)] if groups else []),
        ),
        draw=draw,
    )


def _suppression(
    arguments: Arguments, truth: GroundTruth, found: Predictions, tious: Float64[np.ndarray, " n"]
) -> "SuppressionCurve":
    from untrimmed.report.suppression_curve import candidates_of, suppression_curve

    return suppression_curve(
        candidates_of(truth, found),
        truth,
        thresholds=arguments.suppression,
        most=None if arguments.max_average is None else math.ceil(arguments.max_average),
        tious=tious,
        mode=evaluate_proposals.Mode(arguments.mode),
    )


def localization(arguments: Arguments, truth: GroundTruth, found: Predictions, blocked: tuple[str, ...]) -> Part:
    """T4 by the rules of ActivityNet or THUMOS'14."""
    if arguments.rules == "thumos14":
        return _thumos(arguments, truth, found, blocked)
    if arguments.rules not in (None, "activitynet"):
        raise DataError(f"rules of localization must be activitynet or thumos14, got {arguments.rules!r}")
    tious = _tious(arguments, evaluate_localization.TIOUS)
    unknown = arguments.ignore_unknown
    result = evaluate_localization.evaluate(
        truth, found, tious=tious, blocked=blocked, ignore_unknown=unknown, dedup=arguments.dedup
    )
    kept, left = without_blocked(truth, found, blocked)
    if arguments.dedup:
        kept = without_near_duplicates(kept)
    by_number = evaluate_localization.by_number(kept, left, tious=tious, ignore_unknown=unknown)
    figures = {
        **result.figures,
        "average_mAP_by_number": {str(most): value for most, value in by_number.items()},
        "signature": result.signature,
    }
    tables = [extremes_table(*result.extremes())]
    judged: diagnosis.Diagnosis | None = None
    if arguments.diagnose or _pages(arguments):
        judged = diagnosis.diagnose(kept, left, tious=tious, ignore_unknown=unknown)
        figures["diagnosis"] = judged.figures
        tables += _diagnosis_tables(judged)
    groups: tuple[breakdown.LengthGroup, ...] = ()
    if parts_wanted(arguments):
        groups = breakdown.of_detections(kept, left, tious=tious, ignore_unknown=unknown)
        figures["by_length"] = [group.figures for group in groups]
        tables.append(length_table(groups))
    if arguments.breakdown:
        tables.append(class_table(result.labels, result.instances, result.ap, tious))

    def draw() -> "list[Plot]":
        from untrimmed.report import scores

        matches = evaluate_localization.match(kept, left, tious=tious, ignore_unknown=unknown)
        drawn = [
            scores.precision_over_recall(
                curves.precision_over_recall(matches, result.instances), tious, result.map_by_tiou
            ),
            scores.bars_by_class(dict(zip(result.labels, result.ap.mean(axis=1).tolist(), strict=True))),
        ]
        if judged is not None:
            drawn += [scores.error_breakdown(judged), scores.error_gain(judged), scores.sensitivity(judged)]
        drawn.append(bars_by_length(groups))
        return [*drawn, _lengths(kept, left)]

    def weigh() -> list[uncertainty.Weighed]:
        return [uncertainty.weigh_detections(kept, left, tious=tious, ignore_unknown=unknown)]

    by_tiou = {
        f"mAP@{tiou:.2f}": value for tiou, value in zip(tious.tolist(), result.map_by_tiou.tolist(), strict=True)
    }
    return Part(
        figures=figures,
        headline={"average_mAP": result.average_map, **by_tiou},
        signatures=(result.signature,),
        weigh=weigh,
        tables=tuple(tables),
        draw=draw,
    )


def _thumos(arguments: Arguments, truth: GroundTruth, found: Predictions, blocked: tuple[str, ...]) -> Part:
    tious = _tious(arguments, thumos.TIOUS)
    result = thumos.evaluate(truth, found, tious=tious, blocked=blocked, ignore_unknown=arguments.ignore_unknown)
    figures = {**result.figures, "signature": result.signature}

    def draw() -> "list[Plot]":
        from untrimmed.report import scores

        values = dict(zip(result.labels, result.ap.mean(axis=1).tolist(), strict=True))
        return [scores.bars_by_class(values), _lengths(truth, found)]

    by_tiou = {
        f"mAP@{tiou:.2f}": value for tiou, value in zip(tious.tolist(), result.map_by_tiou.tolist(), strict=True)
    }
    return Part(
        figures=figures,
        headline={"average_mAP": figures["average_mAP"], **by_tiou},
        signatures=(result.signature,),
        draw=draw,
    )


def _pages(arguments: Arguments) -> bool:
    return arguments.plots is not None or arguments.page is not None


def parts_wanted(arguments: Arguments) -> bool:
    """Whether scores are shown in parts: on every page, and elsewhere if asked."""
    return arguments.breakdown or _pages(arguments)


def _tious(arguments: Arguments, usual: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " m"]:
    return np.array(arguments.tious, dtype=np.float64) if arguments.tious else usual


def _lengths(truth: GroundTruth, found: Predictions) -> "Plot":
    from untrimmed.report import scores

    assert found.segments is not None, "only timed tasks are drawn so"
    return scores.length_histogram(
        truth.segments[:, 1] - truth.segments[:, 0], found.segments[:, 1] - found.segments[:, 0]
    )


def extremes_table(easiest: list[tuple[str, float]], hardest: list[tuple[str, float]]) -> ScoreTable:
    """The classes of the highest and of the lowest AP."""
    rows = tuple(
        (easy, number(best), hard, number(worst)) for (easy, best), (hard, worst) in zip(easiest, hardest, strict=True)
    )
    return ScoreTable(title="classes", header=("easiest", "AP", "hardest", "AP"), rows=rows)


def _diagnosis_tables(judged: diagnosis.Diagnosis) -> list[ScoreTable]:
    shares = judged.kinds.mean(axis=0)
    errors = tuple(
        (kind, f"{100 * shares[0, index]:.1f} %", f"{100 * shares[-1, index]:.1f} %",
         "" if index == 0 else f"{100 * judged.gain[kind]:+.2f}")
        for index, kind in enumerate(diagnosis.KINDS)
    )  # fmt: skip
    groups = tuple(
        (f"{name} {group.name}", str(group.instances), number(group.missed), number(group.normalized))
        for name, own in judged.sensitivity.items()
        for group in own
    )
    return [
        ScoreTable(title="errors", header=("kind", "of the first G", "of the tenth G", "gain without"), rows=errors),
        ScoreTable(title="instances", header=("group", "number", "missed", "normalized mAP"), rows=groups),
    ]
