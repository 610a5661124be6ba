"""How sure a figure is: bootstrap over videos, and the paired comparison of two submissions.

The videos of the ground truth are drawn anew, with replacement, as many as there are; a video drawn twice counts as two
videos. Each figure is computed for each draw; the middle 95 % of what comes out is the interval. Two submissions are
compared on the same draws, so that what is hard for both does not blur the difference.

Matching instances does not depend on the draw (videos do not share instances), so each draw is only a weighing: a
weight for each video, carried to its instances and predictions. With all weights 1 the figures are the plain ones.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 13.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.columns import GroundTruth, Predictions
from untrimmed.evaluate import captioning, localization, proposals, soda
from untrimmed.evaluate.labels import known_labels, video_numbers
from untrimmed.evaluate.matching import Groups, close_pairs, first_places, repeated
from untrimmed.evaluate.order import falling_within, places_within, starts_of
from untrimmed.records import DataError

Weights = Int64[np.ndarray, "draws videos"]
Figures = dict[str, Float64[np.ndarray, " draws"]]

DRAWS = 1000
LEVEL = 0.95
_AT_ONCE = 64

Progress = Callable[[int, int], None]
"""Called with how many draws are done and how many there are."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Weighed:
    """A submission ready to be weighed.

    Attributes:
        video_ids: the videos that are drawn.
        figures: from a weight for each of them to every figure.
    """

    video_ids: tuple[str, ...]
    figures: Callable[[Weights], Figures]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A figure and the interval around it."""

    figure: float
    low: float
    high: float
    deviation: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two submissions in one figure.

    Attributes:
        first: the figure of the first submission.
        second: of the second.
        difference: second minus first, with its interval.
        chance: share of draws in which the order is the other way round or equal, doubled: the two-sided bootstrap
            p-value, at least 1 / draws.
    """

    first: float
    second: float
    difference: Interval
    chance: float


def bootstrap(
    weighed: Weighed, *, draws: int = DRAWS, level: float = LEVEL, seed: int = 0, progress: Progress | None = None
) -> dict[str, Interval]:
    """Every figure with its percentile interval, shifted to the figure.

    Args:
        weighed: the submission.
        draws: how many samples of the videos, >= 2.
        level: share of the draws inside the interval, in (0, 1).
        seed: of the draws.
        progress: who is told how far it is.

    Raises:
        DataError: when draws or level are out of range.
    """
    plain = weighed.figures(np.ones((1, len(weighed.video_ids)), dtype=np.int64))
    table = _draw([weighed], draws=draws, level=level, seed=seed, progress=progress)[0]
    return {name: _interval(float(plain[name][0]), values, level) for name, values in table.items()}


def compare(
    first: Weighed,
    second: Weighed,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Comparison]:
    """Every figure of two submissions on the same draws; the arguments are those of bootstrap.

    Raises:
        DataError: when the two are not scored on the same videos.
    """
    if first.video_ids != second.video_ids:
        raise DataError("two submissions can be compared only on the same ground truth, these have different videos")
    ones = np.ones((1, len(first.video_ids)), dtype=np.int64)
    plain = [{name: float(value[0]) for name, value in one.figures(ones).items()} for one in (first, second)]
    tables = _draw([first, second], draws=draws, level=level, seed=seed, progress=progress)
    found = {}
    for name in tables[0]:
        if name not in tables[1]:
            continue
        differences = tables[1][name] - tables[0][name]
        difference = plain[1][name] - plain[0][name]
        around = differences - differences.mean() + difference
        against = np.mean(around <= 0) if difference > 0 else np.mean(around >= 0)
        found[name] = Comparison(
            first=plain[0][name],
            second=plain[1][name],
            difference=_interval(difference, differences, level),
            chance=float(np.clip(2 * against, 1 / draws, 1.0)),
        )
    return found


def _draw(
    submissions: Sequence[Weighed], *, draws: int, level: float, seed: int, progress: Progress | None
) -> list[Figures]:
    if draws < 2 or not 0 < level < 1:
        raise DataError(f"a bootstrap needs at least 2 draws and a level between 0 and 1, got {draws} and {level}")
    videos = len(submissions[0].video_ids)
    generator = np.random.default_rng(seed)
    parts: list[list[Figures]] = [[] for _ in submissions]
    for start in range(0, draws, _AT_ONCE):
        size = min(_AT_ONCE, draws - start)
        weights = generator.multinomial(videos, np.full(videos, 1 / videos), size=size).astype(np.int64)
        for part, one in zip(parts, submissions, strict=True):
            part.append(one.figures(weights))
        if progress is not None:
            progress(start + size, draws)
    return [{name: np.concatenate([one[name] for one in part]) for name in part[0]} for part in parts]


def _interval(figure: float, values: Float64[np.ndarray, " draws"], level: float) -> Interval:
    known = values[np.isfinite(values)]
    if not len(known):
        return Interval(figure=figure, low=float("nan"), high=float("nan"), deviation=float("nan"))
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]) - known.mean() + figure
    return Interval(figure=figure, low=float(low), high=float(high), deviation=float(known.std(ddof=1)))


# --- the tasks -------------------------------------------------------------------------------------------------------


def weigh_classes(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    top: tuple[int, ...] = (1, 3),
    ignore_unknown: bool = False,
) -> Weighed:
    """Tasks T1 and T2: mAP, hit@k, average hit@k and top-k error."""
    predictions = known_labels(ground_truth, predictions, ignore_unknown=ignore_unknown)
    label = predictions.label_index
    assert label is not None, "known_labels has seen to it"
    classes = len(ground_truth.labels)
    drawn = np.unique(ground_truth.video)
    wanted = np.unique(ground_truth.video * classes + ground_truth.label_index)
    video = video_numbers(ground_truth, predictions)
    order = falling_within(label, predictions.scores)
    key = np.where(video >= 0, video * classes + label, -1)[order]
    hits = np.isin(key, wanted) & ~repeated(key)
    ranking = _Ranking(
        video=_numbers_in(drawn, video[order]),
        starts=starts_of(label[order], classes),
        hits=hits[None],
        instance_video=_numbers_in(drawn, wanted // classes),
        instance_class=wanted % classes,
    )
    known = np.flatnonzero(video >= 0)
    ranked = known[falling_within(video[known], predictions.scores[known])]
    place = places_within(video[ranked], len(ground_truth.video_ids))
    labels_of = np.bincount(np.searchsorted(drawn, wanted // classes), minlength=len(drawn))
    share = np.zeros((len(drawn), len(top)))
    for column, k in enumerate(top):
        best = np.intersect1d((video[ranked] * classes + label[ranked])[place < k], wanted)
        share[:, column] = np.bincount(np.searchsorted(drawn, best // classes), minlength=len(drawn)) / labels_of

    def figures(weights: Weights) -> Figures:
        total = weights.sum(axis=1, keepdims=True)
        hit, average = weights @ (share > 0) / total, weights @ share / total
        table: Figures = {"mAP": ranking.average_precision(weights)[:, 0]}
        for column, k in enumerate(top):
            table |= {f"hit@{k}": hit[:, column], f"avg_hit@{k}": average[:, column], f"error@{k}": 1 - hit[:, column]}
        return table | {"average_error": 1 - hit.mean(axis=1)}

    return Weighed(video_ids=tuple(ground_truth.video_ids[index] for index in drawn), figures=figures)


def weigh_detections(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    tious: Float64[np.ndarray, " thresholds"] = localization.TIOUS,
    ignore_unknown: bool = False,
) -> Weighed:
    """Task T4 by the rules of ActivityNet: mAP at each threshold and their mean."""
    matches = localization.match(ground_truth, predictions, tious=tious, ignore_unknown=ignore_unknown)
    drawn = np.unique(ground_truth.video)
    ranking = _Ranking(
        video=_numbers_in(drawn, video_numbers(ground_truth, matches.predictions)[matches.order]),
        starts=matches.starts,
        hits=matches.hits,
        instance_video=_numbers_in(drawn, ground_truth.video),
        instance_class=ground_truth.label_index,
    )

    def figures(weights: Weights) -> Figures:
        by_tiou = ranking.average_precision(weights)
        table: Figures = {"average_mAP": by_tiou.mean(axis=1)}
        return table | {f"mAP@{tiou:.2f}": by_tiou[:, column] for column, tiou in enumerate(tious.tolist())}

    return Weighed(video_ids=tuple(ground_truth.video_ids[index] for index in drawn), figures=figures)


def weigh_proposals(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    max_average: float | None = 100.0,
    tious: Float64[np.ndarray, " thresholds"] = proposals.TIOUS,
    mode: proposals.Mode = proposals.Mode.EXACT_2017,
) -> Weighed:
    """Task T3: the area and AR@n. How many proposals a video may use at each step is that of the whole submission."""
    whole = proposals.evaluate(ground_truth, predictions, max_average=max_average, tious=tious, mode=mode)
    assert predictions.segments is not None, "evaluate has seen to it"
    drawn = np.unique(ground_truth.video)
    videos = len(ground_truth.video_ids)
    video = video_numbers(ground_truth, predictions)
    order = falling_within(video, predictions.scores)
    place = np.empty_like(order)
    place[order] = places_within(video[order] + 1, videos + 1)
    submitted = np.bincount(video[video >= 0], minlength=videos)
    kept, used, numbers = proposals.cut(submitted, drawn, len(predictions), max_average, mode)
    pairs = close_pairs(
        predictions.segments,
        np.where(place < np.where(video >= 0, kept[video], 0), video, -1),
        ground_truth.segments,
        Groups.of(ground_truth.video, videos),
        least=float(tious.min()),
        nan_counts=False,
    )
    first = first_places(pairs, place, tious, instances=len(ground_truth.video))
    where = _numbers_in(drawn, ground_truth.video)
    found = np.zeros((len(drawn), used.shape[1]))
    for row in first:
        np.add.at(found, where, (row[:, None] < used[ground_truth.video]) / len(tious))
    count = np.bincount(where, minlength=len(drawn))
    span = numbers[-1] if mode is proposals.Mode.EXACT_2017 else numbers[-1] - numbers[0]
    names = [name for name in whole.figures if name.startswith("AR@")]
    steps = [int(np.searchsorted(numbers, float(name[3:]) * (1 + 1e-9), side="right")) - 1 for name in names]

    def figures(weights: Weights) -> Figures:
        recall = weights @ found / (weights @ count)[:, None]
        area = ((recall[:, 1:] + recall[:, :-1]) * np.diff(numbers)).sum(axis=1) / 2
        table: Figures = {"auc_percent": 100 * area / span}
        return table | {name: recall[:, step] for name, step in zip(names, steps, strict=True)}

    return Weighed(video_ids=tuple(ground_truth.video_ids[index] for index in drawn), figures=figures)


def weigh_captions(result: captioning.Result) -> Weighed:
    """Task T5: every metric, the mean over the thresholds."""
    means = {metric: values.mean(axis=1) for metric, values in result.per_video.items()}

    def figures(weights: Weights) -> Figures:
        total = weights.sum(axis=1)
        return {metric: weights @ values / total for metric, values in means.items()}

    return Weighed(video_ids=result.video_ids, figures=figures)


def weigh_stories(result: soda.Result) -> Weighed:
    """SODA: f1 against all files joined, over the videos that both sides have."""

    def figures(weights: Weights) -> Figures:
        total = weights.sum(axis=1)
        return {f"{kind}_merged": weights @ result.merged(kind)[:, 2] / total for kind in soda.KINDS}

    return Weighed(video_ids=result.video_ids, figures=figures)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Ranking:
    """Predictions by class and falling score, ready to be weighed.

    Attributes:
        video: of each prediction among those that are drawn; past their end where it has none, weight 1.
        starts: where each class begins.
        hits: true positives at each threshold.
        instance_video: of each instance.
        instance_class: of each instance.
    """

    video: Int64[np.ndarray, " predictions"]
    starts: Int64[np.ndarray, " past"]
    hits: np.ndarray
    instance_video: Int64[np.ndarray, " instances"]
    instance_class: Int64[np.ndarray, " instances"]

    def average_precision(self, weights: Weights) -> Float64[np.ndarray, "draws thresholds"]:
        """Mean over the classes that are drawn of the weighted interpolated AP.

        Copies of a prediction stand side by side; precision among the copies of a true positive rises, so the running
        maximum at each is that at the last, and the weighted sum is exact.
        """
        classes = len(self.starts) - 1
        places = [np.flatnonzero(row) for row in self.hits]
        owners = [np.searchsorted(self.starts, place, side="right") - 1 for place in places]
        found = np.zeros((len(weights), len(self.hits)))
        for draw, weight in enumerate(weights):
            each = np.append(weight, 1)[self.video]
            past = np.concatenate(([0], np.cumsum(each)))
            positives = np.bincount(self.instance_class, weights=weight[self.instance_video], minlength=classes)
            for column, (place, owner) in enumerate(zip(places, owners, strict=True)):
                mine = each[place]
                total = np.concatenate(([0], np.cumsum(mine)))
                begin = np.searchsorted(place, self.starts[owner])
                true = total[1:] - total[begin]
                counted = past[place + 1] - past[self.starts[owner]]
                precision = np.divide(true, counted, out=np.zeros(len(place)), where=counted > 0)
                shift = 2.0 * (classes - owner)  # keeps the running maximum from the right inside a class
                best = np.maximum.accumulate((precision + shift)[::-1])[::-1] - shift
                gain = np.bincount(owner, weights=best * mine, minlength=classes)
                some = positives > 0
                found[draw, column] = float(np.mean(gain[some] / positives[some]))
        return found


def _numbers_in(drawn: Int64[np.ndarray, " drawn"], video: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Places of videos among those that are drawn; their number for a video that is not."""
    place = np.minimum(np.searchsorted(drawn, video), len(drawn) - 1)
    return np.where(drawn[place] == video, place, len(drawn))
