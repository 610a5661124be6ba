"""The line that says how a score was computed."""

import numpy as np

from untrimmed import __version__
from untrimmed.evaluate.signature import signature, tiou_words


def test_the_line_names_everything_in_order() -> None:
    line = signature(
        "mAP", dataset="activitynet-1.3", subset="validation", videos=4926, tiou=tiou_words(np.linspace(0.5, 0.95, 10))
    )
    assert line == f"mAP|activitynet-1.3|validation|videos:4926|tiou:0.50:0.05:0.95|untrimmed:{__version__}"


def test_uneven_or_few_thresholds_are_listed() -> None:
    assert tiou_words([0.3, 0.5, 0.7, 0.9]) == "0.30,0.50,0.70,0.90"
    assert tiou_words([0.1, 0.2, 0.3, 0.5, 0.9]) == "0.10,0.20,0.30,0.50,0.90"
    assert tiou_words([0.5]) == "0.50"


def test_values_cannot_forge_fields() -> None:
    line = signature("METEOR", dataset="mine|testing\nx", subset="validation", videos=1, max_proposals="1000")
    assert line == f"METEOR|mine/testing x|validation|videos:1|max-proposals:1000|untrimmed:{__version__}"
