"""The published program's own test: its video, and the features it printed for it."""

import gzip

import numpy as np

from shared_folder import shared
from untrimmed.features.trajectories.stream import track_video


def test_tracks_and_descriptors_equal_those_of_the_published_program() -> None:
    """The program matched SURF key points, this one SIFT: the camera's motion differs by hundredths of a pixel."""
    with gzip.open(shared("reference/idt/person01_boxing_d1_features.txt.gz"), "rt") as file:
        printed = np.loadtxt(file)
    blocks = list(track_video(shared("reference/idt/person01_boxing_d1_uncomp.avi")))
    ends = np.concatenate([block.ends for block in blocks])
    head = np.concatenate([np.column_stack([b.mean, b.variance, b.length, b.scale]) for b in blocks])
    rows = np.concatenate([np.column_stack([b.trajectory, b.hog, b.hof, b.mbh]) for b in blocks])
    ours, theirs = _paired(ends, head, printed)
    assert len(ours) >= 0.995 * len(printed)
    assert len(rows) - len(ours) < 0.005 * len(printed)
    # a place that rounds to the next pixel sends a track another way: 16 of them
    same = (np.abs(head[ours] - printed[theirs, 1:7]) < 1e-3).all(axis=1)
    assert same.mean() > 0.99
    away = np.abs(rows[ours] - printed[theirs, 10:])
    trajectory, hog, hof, mbh = (part.mean() for part in np.split(away, [30, 126, 234], axis=1))
    assert trajectory < 5e-4
    assert hog < 1e-6
    assert hof < 6e-4
    assert mbh < 1e-3


def _paired(ends: np.ndarray, head: np.ndarray, printed: np.ndarray) -> tuple[list[int], list[int]]:
    """Tracks that end in the same frame, in the same scale, with the same mean place."""
    ours: list[int] = []
    theirs: list[int] = []
    free = np.ones(len(ends), bool)
    for number, row in enumerate(printed):
        same = free & (ends == row[0]) & (np.abs(head[:, 5] - row[6]) < 1e-3)
        same &= np.abs(head[:, :2] - row[1:3]).max(axis=1) < 0.05
        for found in np.flatnonzero(same)[:1]:
            free[found] = False
            ours.append(int(found))
            theirs.append(number)
    return ours, theirs
