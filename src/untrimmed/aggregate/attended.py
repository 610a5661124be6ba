"""Attention by detections: steps and places where people or objects are count more in the mean over a video.

Report 03 trains its classifiers "with the temporal human and object attention weights" and does not say how they come
from boxes. Here every position of every step of a feature map has evidence in [0, 1]: how surely some box is there,

    e = max over boxes b of strength_b * (share of the position's cell that b covers),

and its weight is proportional to floor + (1 - floor) e. Weights are 1 in sum over the whole video, so that a step with
a person counts more than one without (time), and in a step the person more than the wall behind (space). Where boxes
say nothing, all positions alike or none anywhere, the sum of features by weight is their plain mean.

Source: report 03, section 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class TiedObjects:
    """One row of the object table: which objects an activity is done with.

    Source: report 03, section 4: 76 of ActivityNet's classes are tied to objects of ImageNet DET; the table is not
    printed.
    """

    label: str
    """The activity's class."""
    objects: tuple[str, ...]
    """Names of objects as the detector has them, at least one."""

    def __post_init__(self) -> None:
        if not self.objects:
            raise DataError(f"class {self.label!r} of an object table must be tied to objects, got none")


def tied_kinds(
    table: Sequence[TiedObjects], *, labels: Sequence[str], kinds: Sequence[str]
) -> Bool[np.ndarray, "classes kinds"]:
    """The object table as a matrix: whether a class is tied to a kind of object.

    Args:
        table: one row or more a class; classes that are not asked for do not count.
        labels: the classes.
        kinds: what the detector finds.

    Raises:
        DataError: on an object of a class asked for that the detector does not know.
    """
    place = {kind: column for column, kind in enumerate(kinds)}
    tied = np.zeros((len(labels), len(kinds)), bool)
    for row in table:
        if row.label not in labels:
            continue
        for name in row.objects:
            if name not in place:
                raise DataError(f"object {name!r} of class {row.label!r} must be one that the detector finds")
            tied[labels.index(row.label), place[name]] = True
    return tied


def cell_cover(
    boxes: Float[np.ndarray, "boxes 4"], positions: tuple[int, int]
) -> Float[np.ndarray, "boxes height width"]:
    """The share of each cell that each box covers.

    Args:
        boxes: left, top, right, bottom as shares of the picture; what lies outside of [0, 1] is cut off, and a box
            that ends before it begins covers nothing.
        positions: cells of equal size along height and along width.
    """
    rows, columns = (np.arange(count + 1) / count for count in positions)
    left, top, right, bottom = (edge[:, None] for edge in boxes.T)
    wide = np.minimum(right, columns[1:]) - np.maximum(left, columns[:-1])
    high = np.minimum(bottom, rows[1:]) - np.maximum(top, rows[:-1])
    shares = np.maximum(high, 0.0)[:, :, None] * np.maximum(wide, 0.0)[:, None, :]
    return np.asarray(shares * (positions[0] * positions[1]))


def evidence(
    boxes: Float[np.ndarray, "boxes 4"],
    strength: Float[np.ndarray, " boxes"],
    step: Int[np.ndarray, " boxes"],
    *,
    steps: int,
    positions: tuple[int, int],
) -> Float[np.ndarray, "steps height width"]:
    """How surely some box is at each position of each step: max over boxes of strength times covered share.

    Two boxes on one person count once. Boxes may be detections or those of tubelets, which also stand where the
    detector missed.

    Args:
        boxes: left, top, right, bottom as shares of the picture.
        strength: of each box, in [0, 1].
        step: of each box, in [0, steps).
        steps: of the video.
        positions: of the feature map, along height and along width.

    Returns:
        In [0, 1].

    Raises:
        DataError: on a strength or step out of range, or no positions.
    """
    if min(positions) < 1 or steps < 0:
        raise DataError(f"evidence needs positions >= 1 and steps >= 0, got {positions} and {steps}")
    if len(step) and not (int(step.min()) >= 0 and int(step.max()) < steps):
        raise DataError(f"steps of boxes must be in [0, {steps}), got {int(step.min())} to {int(step.max())}")
    if not ((strength >= 0) & (strength <= 1)).all():
        raise DataError(f"strengths of boxes must be in [0, 1], got {float(strength.min())} to {float(strength.max())}")
    found = np.zeros((steps, *positions))
    np.maximum.at(found, step, strength[:, None, None] * cell_cover(boxes, positions))
    return np.minimum(found, 1.0)


def attention(found: Float[np.ndarray, "*shape"], *, floor: float) -> Float[np.ndarray, "*shape"]:
    """Weights of a video's positions, or of its steps: (floor + (1 - floor) e) / sum.

    Args:
        found: evidence in [0, 1].
        floor: the weight where nothing is found, as a share of that where something surely is; in (0, 1], 1 ignores
            the evidence.

    Returns:
        Above 0, and 1 in sum over all axes.

    Raises:
        DataError: on a floor out of range, or nothing to weigh.
    """
    if not 0 < floor <= 1 or not found.size:
        raise DataError(f"attention needs a floor in (0, 1] and positions, got {floor} and {found.size} positions")
    weights = floor + (1 - floor) * found
    return np.asarray(weights / weights.sum())


def step_weights(weights: Float[np.ndarray, "steps height width"]) -> Float[np.ndarray, " steps"]:
    """The temporal part of the weights: 1 in sum."""
    return np.asarray(weights.sum(axis=(1, 2)))


def attended(
    values: Float[np.ndarray, "steps height width dims"], weights: Float[np.ndarray, "steps height width"]
) -> Float[np.ndarray, " dims"]:
    """One vector of a video: the sum of its features by weight."""
    return np.tensordot(weights, values, axes=3)


def attended_rows(
    values: Float[np.ndarray, "part height width dims"], weights: Float[np.ndarray, "part height width"], *, steps: int
) -> Float[np.ndarray, "part dims"]:
    """A row for each of some steps, so that the plain mean over all steps of the video is the attended vector.

    Args:
        values: features of some steps.
        weights: theirs, of weights that are 1 in sum over the whole video.
        steps: of the whole video.
    """
    return np.asarray(steps * np.einsum("thw,thwd->td", weights, values))
