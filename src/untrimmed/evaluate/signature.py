"""The line that says how a score was computed."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from untrimmed import __version__


def signature(metric: str, *, dataset: str, subset: str, videos: int, **parts: str) -> str:
    """One line that a score carries wherever it goes, e.g. in a table of a paper.

    `mAP|activitynet-1.3|validation|videos:4926|tiou:0.50:0.05:0.95|untrimmed:0.1.0`

    Args:
        metric: name of the score.
        dataset: name of the data set.
        subset: training, validation or testing, or what the data set calls it.
        videos: how many ground-truth videos count.
        parts: what else the score depends on, in order, e.g. `tiou="0.50:0.05:0.95"`; underscores become dashes.

    Returns:
        Fields between bars; bars and line breaks in the values become slashes.
    """
    named = [f"{name.replace('_', '-')}:{value}" for name, value in parts.items()]
    fields = [metric, dataset, subset, f"videos:{videos}", *named, f"untrimmed:{__version__}"]
    return "|".join(" ".join(field.split()).replace("|", "/") for field in fields)


def tiou_words(tious: Sequence[float] | Float[np.ndarray, " thresholds"]) -> str:
    """Thresholds in short: `0.50:0.05:0.95` if they are evenly spaced, else `0.30,0.50,0.70,0.90`."""
    values = np.asarray(tious, dtype=np.float64)
    if len(values) > 4:
        steps = np.diff(values)
        if np.allclose(steps, steps[0], atol=1e-9):
            return f"{values[0]:.2f}:{steps[0]:.2f}:{values[-1]:.2f}"
    return ",".join(f"{value:.2f}" for value in values)
