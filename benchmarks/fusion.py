"""Late fusion of six real classifiers of ActivityNet 1.3 (UPC, 2016): votes and learned weights beside the best one.

Needs the folder of real material beside the checkout; without it there are no rows. Each file names three classes a
video, and none for the 70 or 251 videos that were not at hand. What a system left of its probability is spread over
the classes it did not name ("completed"), so that a row sums to 1 as it once did; a system that named nothing gives
zeros and abstains. Only classes that some system named are scored. Learned weights are found on nine tenths of the
videos and used on the last, ten times.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.table import Row, cpu_seconds
from untrimmed.columns import GroundTruth, Predictions
from untrimmed.data import read_ground_truth, read_predictions
from untrimmed.evaluate import classification
from untrimmed.fuse.search import Rule, Stacking, WeightSearch, cross_fused
from untrimmed.fuse.votes import agreement, majority, shares
from untrimmed.fuse.weights import weighted_mean
from untrimmed.records import Task

FOLDER = Path(__file__).parent.parent.parent / "shared/data/activitynet"
SYSTEMS = ("submission", "lstm09_e150", "lstm12_e030", "windows01_e100", "audiovisual04_e100", "audioonly03_e100")


def run() -> list[Row]:
    """hit@1 and mAP of every way to fuse, and the seconds of those that learn."""
    files = [FOLDER / f"predictions/upc2016_cls_val_{name}.json.gz" for name in SYSTEMS]
    if not all(path.exists() for path in [*files, FOLDER / "activity_net.v1-3.json.gz"]):
        return []
    truth = read_ground_truth(FOLDER / "activity_net.v1-3.json.gz")
    listed = np.stack([_table(truth, read_predictions(path, Task.CLASSIFICATION)) for path in files])
    full, named = _completed(listed), listed.any(axis=0)
    members = np.zeros(named.shape, dtype=bool)
    members[truth.video, truth.label_index] = True
    rows: list[Row] = []
    for name, table in zip(SYSTEMS, listed, strict=True):
        rows += _scored(truth, f"alone: {name}", table, table > 0)
    ways: dict[str, Callable[[], np.ndarray]] = {
        "majority vote (04), as listed": partial(majority, listed),
        "majority vote (04), completed": partial(majority, full),
        "agreement vote (01), as listed": partial(agreement, listed),
        "agreement vote (01), completed": partial(agreement, full),
        "equal mean of shares": lambda: weighted_mean(shares(listed)),
        "equal mean": lambda: weighted_mean(full),
    }
    for name, way in ways.items():
        rows += _scored(truth, name, way(), named)
    rules: tuple[tuple[str, Rule], ...] = (
        ("weights by hit@1", WeightSearch()),
        ("weights by mAP", WeightSearch(figure="mAP", levels=10)),
        ("stacking", Stacking()),
    )
    for name, rule in rules:
        found = []
        spent = cpu_seconds(lambda rule=rule, found=found: found.append(cross_fused(full, members, rule=rule)))
        mean = found[0].weights.mean(axis=(0, *range(2, found[0].weights.ndim)))
        note = "mean weights " + ", ".join(f"{weight:.2f}" for weight in mean)
        rows += _scored(truth, f"{name}, out of fold", found[0].scores, named, note=note)
        rows.append(Row(what=f"{name}: ten folds", value=spent, unit="s", note="CPU"))
    return rows


def _table(truth: GroundTruth, said: Predictions) -> np.ndarray:
    """Scores (videos, classes) in the order of the ground truth; 0 where a file says nothing."""
    assert said.label_index is not None, "the task has labels"
    video = {video_id: place for place, video_id in enumerate(truth.video_ids)}
    label = {name: place for place, name in enumerate(truth.labels)}
    rows = np.array([video[video_id] for video_id in said.video_ids])[said.video]
    columns = np.array([label[name] for name in said.labels])[said.label_index]
    table = np.zeros((len(video), len(label)))
    table[rows, columns] = said.scores
    return table


def _completed(listed: np.ndarray) -> np.ndarray:
    spoke, silent = listed.any(axis=-1, keepdims=True), listed == 0
    left = np.clip(1 - listed.sum(axis=-1, keepdims=True), 0, None) / silent.sum(axis=-1, keepdims=True)
    return listed + np.where(spoke & silent, left, 0.0)


def _scored(truth: GroundTruth, what: str, table: np.ndarray, named: np.ndarray, *, note: str = "") -> list[Row]:
    # of equal scores the evaluator takes the later in the file, the votes take the lower class: hence backwards
    rows, columns = np.nonzero(named[:, ::-1])
    columns = named.shape[1] - 1 - columns
    said = Predictions(
        task=Task.CLASSIFICATION,
        video_ids=truth.video_ids,
        video=rows,
        scores=table[rows, columns],
        label_index=columns,
        labels=truth.labels,
    )
    result = classification.evaluate(truth, said)
    return [
        Row(what=f"{what}: hit@1", value=100 * result.hit[0], unit="%", note=note),
        Row(what=f"{what}: mAP", value=100 * result.map, unit="%"),
    ]
