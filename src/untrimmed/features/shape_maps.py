"""Support vector shapes: a shape as the decision function of support vector machines that tell its inside from outside.

What the function says on the whole plane represents the shape: it is smooth, holds together what is broken, and two
shapes can be compared by the difference of theirs. The larger the weight C of the data, the finer the shape.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from untrimmed.records import DataError

BOUND = 2.0
"""Maps end here to both sides; 1 and -1 are the margins."""


@dataclass(frozen=True, kw_only=True)
class ShapeRule:
    """How shapes become maps."""

    weights: tuple[float, ...] = (3.0, 6.0, 12.0, 24.0)
    """C of each map, "the scaling of the underlying SVM data term"; report 21, figure 2."""
    reach: float = 0.06
    """Standard deviation of the Gaussian kernel as a share of the picture's height. The paper does not say; a limb of
    a person who fills half of the picture is about so wide."""

    def __post_init__(self) -> None:
        if not self.weights or min(self.weights) <= 0 or not self.reach > 0:
            raise DataError(f"shape maps need weights and a reach above 0, got {self.weights} and {self.reach}")


def shape_maps(
    shape: Bool[np.ndarray, "height width"], size: tuple[int, int], rule: ShapeRule
) -> Float[np.ndarray, "maps rows columns"]:
    """The decision functions of a shape, sampled on a grid.

    The machines learn from the cells of the shape's own grid: 1 inside, -1 outside. A picture that is all inside or
    all outside gives 1 or -1 everywhere.

    Args:
        shape: True inside; keep it small, since learning takes the square of its cells.
        size: rows and columns of the maps, which cover the same picture.
        rule: weights and reach.

    Returns:
        One map a weight, in [-2, 2], above 0 inside as far as the machine follows.

    Source: report 21, section 3.1; Van Nguyen and Porikli, Support Vector Shape, ICCV Workshops 2013.
    """
    if shape.all() or not shape.any():
        return np.full((len(rule.weights), *size), 1.0 if shape.all() else -1.0)
    from sklearn.svm import SVC

    known, wanted = _cells(shape.shape, shape.shape), _cells(size, shape.shape)
    labels = np.where(shape.ravel(), 1, -1)
    maps = []
    for weight in rule.weights:
        machine = SVC(C=weight, kernel="rbf", gamma=1 / (2 * rule.reach**2)).fit(known, labels)
        maps.append(machine.decision_function(wanted).reshape(size))
    return np.clip(np.stack(maps), -BOUND, BOUND)


def _cells(size: tuple[int, ...], picture: tuple[int, ...]) -> Float[np.ndarray, "cells 2"]:
    """Middles of the cells of a grid, in heights of the picture, which has the proportions of the other grid."""
    y, x = np.meshgrid((np.arange(size[0]) + 0.5) / size[0], (np.arange(size[1]) + 0.5) / size[1], indexing="ij")
    return np.stack([x.ravel() * picture[1] / picture[0], y.ravel()], axis=1)
