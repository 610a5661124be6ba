"""A contact sheet: one frame of every class, for documents and for a look at a configuration."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8

from untrimmed.data.playground.classes import LABELS
from untrimmed.data.playground.config import PlaygroundConfig
from untrimmed.data.playground.director import plan_clip
from untrimmed.data.playground.skeleton import LIFT, STAND, STATE
from untrimmed.data.playground.stage import perform

BAND = 16
"""Pixels of the strip that holds a label."""


def contact_sheet(config: PlaygroundConfig, *, columns: int = 5) -> UInt8[np.ndarray, "height width 3"]:
    """Every class at its most telling frame, labelled, classes of a pair beside each other.

    Args:
        config: seed, size and difficulty.
        columns: pictures in a row.

    Returns:
        One RGB picture.
    """
    import cv2

    from untrimmed.data.playground.raster import ShotPainter

    tiles = []
    for label in LABELS:
        plan = plan_clip(f"sheet {label}", "testing", label, config)
        shot = max(plan.shots, key=lambda shot: shot.past - shot.first)
        seconds = np.arange(shot.first, shot.past) / config.fps
        poses = perform(shot.actors[0], seconds, config.fps).poses
        painter = ShotPainter(replace(shot, pole=None), config)
        picture = painter.frame(_telling(poses))
        band = np.full((BAND, config.width, 3), 250, dtype=np.uint8)
        cv2.putText(band, label, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (30, 30, 30), 1, cv2.LINE_AA)
        tiles.append(np.concatenate([picture, band]))
    blank = np.full_like(tiles[0], 250)
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows)


def _telling(poses: Float[np.ndarray, "frames angles"]) -> int:
    """The frame in which something is half open, or else the one farthest from standing at ease."""
    if np.ptp(poses[:, STATE]) > 0.5:
        return int(np.abs(poses[:, STATE] - 0.5).argmin())
    away = np.abs(poses - STAND.array)
    away[:, LIFT] *= 1000  # a metre in the air counts as much as any turn of the limbs
    return int(away.sum(axis=1).argmax())
