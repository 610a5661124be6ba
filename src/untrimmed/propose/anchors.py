"""Anchors: candidates at fixed places and scales, how segments are told relative to them, and which match what."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from untrimmed.records import DataError
from untrimmed.timeline import tiou


def grid_anchors(cells: int, ratios: Sequence[float]) -> Float[np.ndarray, "n 2"]:
    """Anchors of one map of cells: at the middle of each cell, one for each ratio, as shares of the sequence.

    Cell i of a map of length L has centre (i + 0.5) / L; ratio r makes an anchor r / L long. Anchors may reach
    beyond [0, 1].

    Args:
        cells: length of the map, >= 1.
        ratios: lengths relative to a cell's, > 0.

    Returns:
        (cells * ratios, 2), cell by cell, the ratios in their order.

    Source: SSAD (Lin, Zhao and Shou, ACM MM 2017), section 3.3; report 19, section 2.2.
    """
    if cells < 1 or not ratios or min(ratios) <= 0:
        raise DataError(f"anchors need cells >= 1 and positive ratios, got {cells} and {tuple(ratios)}")
    centres = np.repeat((np.arange(cells) + 0.5) / cells, len(ratios))
    lengths = np.tile(np.asarray(ratios, dtype=np.float64) / cells, cells)
    return np.stack([centres - lengths / 2, centres + lengths / 2], axis=1)


def encode(anchors: Float[np.ndarray, "n 2"], segments: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Segments relative to anchors: (shift of the centre / anchor length, log(length / anchor length)).

    Inverse of decode; an anchor relative to itself is (0, 0); moving and stretching both alike changes nothing.

    Source: Faster R-CNN's parametrisation along time, as in SSAD, R-C3D (report 20, section 3) and report 07.
    """
    length, other = anchors[:, 1] - anchors[:, 0], segments[:, 1] - segments[:, 0]
    if (length <= 0).any() or (other <= 0).any():
        raise DataError("segments and anchors must have start < end to be told relative to each other")
    shift = (segments.sum(axis=1) - anchors.sum(axis=1)) / 2 / length
    return np.stack([shift, np.log(other / length)], axis=1)


def decode(anchors: Float[np.ndarray, "n 2"], offsets: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """The segments that lie at offsets from anchors; inverse of encode."""
    length = anchors[:, 1] - anchors[:, 0]
    centre = anchors.sum(axis=1) / 2 + offsets[:, 0] * length
    half = length * np.exp(offsets[:, 1]) / 2
    return np.stack([centre - half, centre + half], axis=1)


@dataclass(frozen=True, eq=False)
class Matches:
    """What each anchor stands for.

    Attributes:
        overlap: best tIoU with any instance, in [0, 1]; 0 without instances.
        instance: index of that instance, -1 where no overlap is.
        positive: whether the anchor counts as a find.
    """

    overlap: Float[np.ndarray, " anchors"]
    instance: Int[np.ndarray, " anchors"]
    positive: Bool[np.ndarray, " anchors"]


def match(
    anchors: Float[np.ndarray, "anchors 2"],
    instances: Float[np.ndarray, "instances 2"],
    *,
    positive_tiou: float = 0.5,
    best_anchor: bool = True,
) -> Matches:
    """Match anchors to instances by overlap.

    An anchor is positive where its best tIoU exceeds the threshold. Under the best-anchor rule an instance that no
    anchor matches so takes the anchor it overlaps most, the first among equals, so that short ones are learnt too.

    Args:
        anchors: in the unit of the instances.
        instances: annotated segments.
        positive_tiou: threshold in [0, 1).
        best_anchor: whether an instance without an anchor takes its best one.

    Source: SSD's and SSAD's matching; report 19 does not say.
    """
    if not len(instances):
        none = np.zeros(len(anchors))
        return Matches(none, np.full(len(anchors), -1), np.zeros(len(anchors), dtype=bool))
    overlaps = np.nan_to_num(tiou(anchors, instances))
    best = overlaps.argmax(axis=1)
    overlap = overlaps[np.arange(len(anchors)), best]
    instance = np.where(overlap > 0, best, -1)
    positive = overlap > positive_tiou
    if best_anchor:
        for number in range(len(instances)):
            if not (positive & (instance == number)).any():
                chosen = int(overlaps[:, number].argmax())
                if overlaps[chosen, number] > 0 and not positive[chosen]:
                    positive[chosen], instance[chosen], overlap[chosen] = True, number, overlaps[chosen, number]
    return Matches(overlap, instance, positive)
