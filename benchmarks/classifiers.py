"""Classifiers: SVMs at ActivityNet's size beside LinearSVC, softmax, forests beside scikit-learn, real features."""

import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.table import Row, at_least, at_most, cpu_seconds
from untrimmed.classify.calibration import fit_platt
from untrimmed.classify.forest import ForestConfig, Forests, drawn_rows, fit_forests
from untrimmed.classify.gram import gram
from untrimmed.classify.linear import LinearConfig, fit_linear
from untrimmed.classify.mixture import MixtureConfig, RowItems, mixture_loss, mixture_scores
from untrimmed.classify.svm import SvmConfig, cross_margins, draw_folds, fit_dual
from untrimmed.classify.svm_rows import fit_rows
from untrimmed.train import Run, Schedule, fit

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "classify"))
import cloud_rows

import shared_folder

VIDEOS, DIMS, CLASSES = 10_024, 17_463, 200
"""ActivityNet 1.3's training videos, report 01's MBH features after PCA, ActivityNet's classes."""


def run() -> list[Row]:
    """All rows."""
    return [*_full_size(), *_few_dims(), *_softmax(), *_forests(), *_real()]


def _full_size() -> list[Row]:
    rows, members = _drawn(VIDEOS, DIMS, CLASSES, noise=8.0)
    size = f"{VIDEOS:,} x {DIMS:,} float32"
    config = SvmConfig(cost=100.0)
    fit_dual(gram(rows[:50]), members[:50], config)  # compiles
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    start = _now()
    kernel = gram(rows)
    spent_gram = _now() - start
    held = tracemalloc.get_traced_memory()[1] - before - kernel.nbytes
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    start = _now()
    machine = fit_dual(kernel, members, config, workers=1)
    spent = (_now() - start) / CLASSES
    beside = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    start = _now()
    weights = machine.weights(rows)
    spent_weights = _now() - start
    few = list(range(2))
    theirs, margins = _liblinear(rows, members[:, few], config)
    ours = machine.margins(kernel)[:, few]
    alike = min(float(np.corrcoef(ours[:, i], margins[:, i])[0, 1]) for i in few)
    start = _now()
    cross_margins(kernel, members[:, :10], config, folds=draw_folds(VIDEOS), workers=1)
    spent_cross = (_now() - start) / 10
    note = f"{size}, C = 100, squared hinge, relative gap {machine.gaps.max():.0e}"
    return [
        Row(what="Gram matrix", value=spent_gram, unit="s", note=f"{size}; {kernel.nbytes / 1e6:.0f} MB"),
        Row(what="memory of the Gram matrix beside itself", value=held / 1e6, unit="MB", note=size),
        Row(what="SVM after the Gram matrix, one class", value=spent, unit="s", note=note),
        Row(what="memory of 200 SVMs beside the Gram matrix", value=beside / 1e6, unit="MB", note="coefficients too"),
        Row(what="weights of 200 classes", value=spent_weights, unit="s", note=f"{weights.nbytes / 1e6:.0f} MB"),
        at_least("LinearSVC to ours, one class without the Gram matrix", theirs / spent, 20.0, note=note),
        at_least("LinearSVC to ours, 200 classes with the Gram matrix", theirs * 200 / (spent * 200 + spent_gram), 8.0),
        at_least("correlation of margins with LinearSVC, worst class", alike, 0.9999, unit="", note="two classes"),
        Row(what="margins across five folds, one class", value=spent_cross, unit="s", note=note),
    ]


def _few_dims() -> list[Row]:
    rows, members = _drawn(VIDEOS, 500, CLASSES, noise=8.0)
    few = list(range(10))
    found = []
    for cost in (1.0, 100.0):
        config = SvmConfig(cost=cost)
        fit_rows(rows[:50], members[:50, :2], config)
        start = _now()
        fit_rows(rows, members[:, few], config, workers=1)
        spent = (_now() - start) / 10
        theirs, _ = _liblinear(rows, members[:, few[:3]], config)
        what = f"SVM on rows, one class to LinearSVC, C = {cost:g}"
        found.append(at_most(what, spent / theirs, 1.5, note=f"{VIDEOS:,} x 500, {spent:.3f} s"))
    return found


def _softmax() -> list[Row]:
    rows, members = _drawn(VIDEOS, 1024, CLASSES, noise=6.0)
    spent = cpu_seconds(lambda: fit_linear(rows, members, LinearConfig(kind="softmax")))
    return [
        Row(what="softmax, 200 classes", value=spent, unit="s", note=f"{VIDEOS:,} x 1,024, C = 1, LogisticRegression")
    ]


def _forests() -> list[Row]:
    from sklearn.ensemble import ExtraTreesClassifier

    rows, members = _drawn(VIDEOS, 1024, CLASSES, noise=6.0)
    few = members[:, :4]
    spent = {}
    for kind in ("random", "extra"):
        config = ForestConfig(kind="random" if kind == "random" else "extra")
        start = _now()
        grown = fit_forests(rows, few, config)
        spent[kind] = (_now() - start) / 4
    grown.scores(rows[:10])
    start = _now()
    grown.scores(rows, workers=1)
    ours = _now() - start
    start = _now()
    Forests.from_arrays(grown.to_arrays())
    checked = _now() - start
    theirs = 0.0
    for index in range(4):
        drawn = drawn_rows(few[:, index], ForestConfig(), index)
        oracle = ExtraTreesClassifier(200, random_state=0).fit(rows[drawn], few[drawn, index])
        start = _now()
        oracle.predict_proba(rows)
        theirs += _now() - start
    note = f"{VIDEOS:,} x 1,024, 200 trees, about 50 members a class"
    return [
        Row(what="random forest, one class", value=spent["random"], unit="s", note=note),
        Row(what="extra trees, one class", value=spent["extra"], unit="s", note=note),
        at_most(
            "scores of a forest to scikit-learn's", ours / theirs, 1.3, note=f"extra trees, {ours / 4:.2f} s a class"
        ),
        Row(what="checking the arrays of four forests", value=checked * 1e3, unit="ms"),
    ]


def _real() -> list[Row]:
    if not shared_folder.SHARED.exists():
        return []
    rows, members = cloud_rows.thumos14()
    fold = np.random.default_rng(0).permutation(len(rows)) % 10
    note = "THUMOS'14 validation, R(2+1)D, 200 videos, ten-fold"
    found = []
    for name, one in _CLASSIFIERS.items():
        scores = np.zeros(members.shape)
        for number in range(10):
            known = fold != number
            scores[~known] = one(rows[known], members[known], rows[~known])
        figure = cloud_rows.mean_average_precision(scores, members)
        found.append(Row(what=f"mAP of {name}", value=figure, unit="", note=note))
    return found


def _svm(known: np.ndarray, members: np.ndarray, new: np.ndarray) -> np.ndarray:
    return fit_linear(known, members, LinearConfig(cost=10.0)).margins(new)


def _platt(known: np.ndarray, members: np.ndarray, new: np.ndarray) -> np.ndarray:
    scaled, kernel = _unit(known), gram(_unit(known))
    config = SvmConfig(cost=10.0)
    scaling = fit_platt(cross_margins(kernel, members, config, folds=draw_folds(len(known))), members)
    return scaling.scores(fit_dual(kernel, members, config).margins(_unit(new) @ scaled.T))


def _first(known: np.ndarray, members: np.ndarray, new: np.ndarray) -> np.ndarray:
    first = members & (np.cumsum(members, axis=1) == 1)  # the softmax knows one class a video
    return fit_linear(known, first, LinearConfig(kind="softmax", cost=100.0)).scores(new)


def _trees(known: np.ndarray, members: np.ndarray, new: np.ndarray) -> np.ndarray:
    return fit_forests(known, members, ForestConfig(trees=50)).scores(new)


def _extra(known: np.ndarray, members: np.ndarray, new: np.ndarray) -> np.ndarray:
    return fit_forests(known, members, ForestConfig(kind="extra", trees=50)).scores(new)


def _experts(known: np.ndarray, members: np.ndarray, new: np.ndarray) -> np.ndarray:
    import torch

    torch.manual_seed(0)
    net = MixtureConfig().build(known.shape[1], members.shape[1])
    scale = np.float32(known.shape[1] ** 0.5)
    schedule = Schedule(steps=300, batch_size=64, optimizer="adam", learning_rate=1e-3)
    run = Run(device="cpu", loaders=0)
    fit(net, RowItems(_unit(known) * scale, members), mixture_loss, schedule=schedule, run=run, name="experts")
    return mixture_scores(net, _unit(new) * scale)


_CLASSIFIERS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "SVM, C = 10": _svm,
    "SVM with Platt scaling": _platt,
    "softmax, C = 100": _first,
    "random forest of 50 trees": _trees,
    "50 extra trees": _extra,
    "mixture of experts, 300 steps": _experts,
}


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _liblinear(rows: np.ndarray, members: np.ndarray, config: SvmConfig) -> tuple[float, np.ndarray]:
    """CPU seconds a class, and margins."""
    from sklearn.svm import LinearSVC

    margins = np.empty(members.shape)
    start = _now()
    machines = []
    for index in range(members.shape[1]):
        machine = LinearSVC(C=config.cost, dual="auto", max_iter=20_000, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of convergence
            machines.append(machine.fit(rows, members[:, index]))
    spent = (_now() - start) / members.shape[1]
    for index, machine in enumerate(machines):
        margins[:, index] = rows @ machine.coef_[0].astype(np.float32) + machine.intercept_[0]
    return spent, margins


def _drawn(count: int, dims: int, classes: int, *, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows around a centre a class, float32; members one class a row."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, count)
    centres = rng.standard_normal((classes, dims), dtype=np.float32)
    rows = rng.standard_normal((count, dims), dtype=np.float32)
    rows *= noise
    for row, label in zip(rows, labels, strict=True):
        row += centres[label]
        row /= np.linalg.norm(row)
    return rows, labels[:, None] == np.arange(classes)


def _now() -> float:
    return time.process_time()
