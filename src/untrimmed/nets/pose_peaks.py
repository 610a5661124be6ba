"""From confidence maps to people: peaks between the cells, and joints gathered about the chests that they point to."""

import numpy as np
from jaxtyping import Float, Int

from untrimmed.nets.pose_net import CHEST

MOST_PEAKS = 32
"""Of one map; the highest are taken."""


def peaks(values: Float[np.ndarray, "rows columns"], *, least: float) -> Float[np.ndarray, "peaks 3"]:
    """Local maxima of a map, highest first.

    A cell is a peak when none of its eight neighbours is higher; of equal neighbours the first is taken. Its place is
    refined by the parabola through the logarithms of the cell and its two neighbours along each axis, which is exact
    for a Gaussian.

    Args:
        values: 0 to 1.
        least: height that a peak must have, above 0.

    Returns:
        x and y in cells (cell i covers [i, i + 1)) and the height.
    """
    wide = np.pad(values, 1)
    around = np.lib.stride_tricks.sliding_window_view(wide, (3, 3)).reshape(*values.shape, 9)
    first, last = around[:, :, :4].max(axis=2), around[:, :, 5:].max(axis=2)
    y, x = np.nonzero((values >= max(least, 1e-9)) & (values > first) & (values >= last))
    heights = values[y, x]
    order = np.argsort(-heights, kind="stable")[:MOST_PEAKS]
    y, x, heights = y[order], x[order], heights[order]
    right = _shift(heights, wide[y + 1, x], wide[y + 1, x + 2])
    down = _shift(heights, wide[y, x + 1], wide[y + 2, x + 1])
    return np.column_stack([x + 0.5 + right, y + 0.5 + down, heights])


def _shift(
    middle: Float[np.ndarray, " n"], before: Float[np.ndarray, " n"], after: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    low, centre, high = (np.log(np.maximum(part, 1e-9)) for part in (before, middle, after))
    bend = np.maximum(2 * centre - low - high, 1e-9)
    return np.clip((high - low) / (2 * bend), -0.5, 0.5)


def gather_people(
    maps: Float[np.ndarray, "joints rows columns"],
    field: Float[np.ndarray, "2 rows columns"],
    *,
    least: float,
    astray: float,
    joints: int,
) -> Float[np.ndarray, "people joints 3"]:
    """The people of one picture: every peak of the chest's map is one, and takes the joints that point to it.

    A peak of another map goes to the chest next to which its field points. Where several people and several peaks
    of one joint fit, pairs are made in the order of height times closeness, exp(-(distance / astray)^2), each peak
    and each person once.

    Args:
        maps: confidences, 0 to 1; the chest's map is the last.
        field: cells from a joint to the chest of its person, along x and y.
        least: height that a peak must have.
        astray: cells between a chest and the place that a joint points to, beyond which they do not belong together.
        joints: that a person must have, the chest among them.

    Returns:
        x and y in cells and the confidence of every joint, the chest the last; 0 where none was found; the person of
        the highest sum of confidences first.
    """
    chests = peaks(maps[CHEST], least=least)
    people = np.zeros((len(chests), len(maps), 3))
    people[:, CHEST] = chests
    for joint in range(len(maps)):
        if joint == CHEST or not len(chests):
            continue
        found = peaks(maps[joint], least=least)
        cells = np.minimum(found[:, :2].astype(np.int64), [maps.shape[2] - 1, maps.shape[1] - 1])
        pointed = found[:, :2] + field[:, cells[:, 1], cells[:, 0]].T
        apart = np.linalg.norm(pointed[:, None] - chests[None, :, :2], axis=2)
        worth = np.where(apart <= astray, found[:, None, 2] * np.exp(-((apart / astray) ** 2)), 0.0)
        for peak, person in _pairs(worth):
            people[person, joint] = found[peak]
    people = people[(people[:, :, 2] > 0).sum(axis=1) >= joints]
    return people[np.argsort(-people[:, :, 2].sum(axis=1), kind="stable")]


def _pairs(worth: Float[np.ndarray, "peaks people"]) -> list[tuple[int, int]]:
    """Pairs of positive worth, the best first, each row and column once."""
    left = worth.copy()
    made = []
    while left.size and left.max() > 0:
        peak, person = np.unravel_index(int(left.argmax()), left.shape)
        made.append((int(peak), int(person)))
        left[peak], left[:, person] = 0.0, 0.0
    return made


def bumps(
    points: Float[np.ndarray, "people joints 3"],
    shape: tuple[int, int],
    *,
    sigma: float,
) -> Float[np.ndarray, "joints rows columns"]:
    """A Gaussian of each joint's confidence at its place; where people overlap the higher one counts.

    Args:
        points: x and y in cells and the confidence, 0 for a joint that is not there.
        shape: rows and columns.
        sigma: standard deviation, cells.

    Source: Cao et al., Realtime Multi-Person 2D Pose Estimation, CVPR 2017, section 2.3.
    """
    people, joints = points.shape[:2]
    maps = np.zeros((joints, *shape))
    rows, columns = np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5
    for person in range(people):
        x, y, score = points[person].T
        high = np.exp(-((rows - y[:, None]) ** 2) / (2 * sigma**2))
        wide = np.exp(-((columns - x[:, None]) ** 2) / (2 * sigma**2))
        np.maximum(maps, score[:, None, None] * high[:, :, None] * wide[:, None, :], out=maps)
    return maps


def pointing(
    points: Float[np.ndarray, "people joints 3"], shape: tuple[int, int], *, within: float
) -> tuple[Float[np.ndarray, "2 rows columns"], Int[np.ndarray, "rows columns"]]:
    """The field that a net is to learn: about every joint, from each cell to the chest of the joint's person.

    Args:
        points: x and y in cells and the confidence, the chest last; the first people lie before the others.
        shape: rows and columns.
        within: cells about a joint for which the field counts.

    Returns:
        Displacements in cells, and 1 where they count, else 0.
    """
    field, near = np.zeros((2, *shape)), np.zeros(shape, np.int64)
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    for person in points[::-1]:
        if person[CHEST, 2] <= 0:
            continue
        there = person[person[:, 2] > 0]
        apart = (x[..., None] - there[:, 0]) ** 2 + (y[..., None] - there[:, 1]) ** 2
        about = apart.min(axis=2) <= within**2
        field[0][about] = person[CHEST, 0] - x[about]
        field[1][about] = person[CHEST, 1] - y[about]
        near[about] = 1
    return field, near
