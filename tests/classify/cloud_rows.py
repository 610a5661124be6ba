"""Rows in clouds, one a class, for the tests of classifiers; and what the real features are."""

import csv
import io

import numpy as np

from shared_folder import shared


def clouds(
    seed: int, count: int, *, classes: int = 4, dims: int = 6, noise: float = 0.4
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (count, dims) around one centre a class, and members (count, classes)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = 2.5 * np.eye(classes, dims)
    return centres[labels] + rng.normal(0, noise, (count, dims)), labels[:, None] == np.arange(classes)


def thumos14() -> tuple[np.ndarray, np.ndarray]:
    """R(2+1)D features (200, 512) of the validation videos of THUMOS'14 and which of 20 classes each has."""
    with np.load(shared("data/thumos14/features_r2plus1d34_maxpool_val.npz"), allow_pickle=False) as file:
        videos, rows = [str(name) for name in file["video"]], file["feature"]
    table = csv.DictReader(io.StringIO(shared("data/thumos14/video_labels_101.csv").read_text()))
    labels = {row["video"]: row["labels"].split(";") for row in table}
    classes = shared("data/thumos14/detclasslist.txt").read_text().split()[1::2]
    return rows, np.array([[name in labels[video] for name in classes] for video in videos])


def mean_average_precision(scores: np.ndarray, members: np.ndarray) -> float:
    """Mean over the classes of the average precision."""
    found = []
    for mine, right in zip(scores.T, members.T, strict=True):
        hits = right[np.argsort(-mine, kind="stable")]
        found.append((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())
    return float(np.mean(found))
