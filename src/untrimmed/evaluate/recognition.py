"""Task T2, trimmed recognition (Kinetics): top-1 and top-5 error and their mean, the challenge's figure.

Every clip has one label; the rest is as in classification.

Source: the evaluators of the ActivityNet Challenge 2017 (eval_kinetics).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from untrimmed.columns import GroundTruth, Predictions
from untrimmed.evaluate import classification
from untrimmed.records import DataError

TOP = (1, 5)
"""The challenge's k."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(classification.Result):
    """The figures of classification and the mean error."""

    @property
    def mean_error(self) -> float:
        """Mean of the top-k errors, in [0, 1]: the challenge's figure."""
        return float(np.mean(self.error))

    @property
    def figures(self) -> dict[str, Any]:
        """All figures as JSON values."""
        return {"average_error": self.mean_error, **super().figures}


def evaluate(
    ground_truth: GroundTruth,
    predictions: Predictions,
    *,
    top: tuple[int, ...] = TOP,
    blocked: Collection[str] = (),
    ignore_unknown: bool = False,
) -> Result:
    """Score the classes of trimmed clips; the arguments are those of classification.evaluate.

    Raises:
        DataError: as classification.evaluate, and when a clip has more than one label.
    """
    pairs = np.unique(ground_truth.video * len(ground_truth.labels) + ground_truth.label_index)
    videos, counts = np.unique(pairs // max(1, len(ground_truth.labels)), return_counts=True)
    if (counts > 1).any():
        first = ground_truth.video_ids[int(videos[counts > 1][0])]
        raise DataError(f"a trimmed clip must have one label, clip {first} of {ground_truth.name} has several")
    found = classification.evaluate(
        ground_truth,
        predictions,
        top=top,
        blocked=blocked,
        ignore_unknown=ignore_unknown,
        metric="error",
    )
    return Result(**{name: getattr(found, name) for name in found.__dataclass_fields__})
