"""Annotations and predictions in their files: read, judged, written.

`open_dataset` gives records to learn from; `read_ground_truth`, `read_references`, `read_predictions` and
`read_captions` give columns to count on, exactly as the files have them; `write_predictions` writes submissions.
"""

from untrimmed.data.datasets import open_dataset, read_ground_truth, read_predictions, read_raw, read_references
from untrimmed.data.defects import Policy, survey
from untrimmed.data.submissions import read_captions, write_predictions

__all__ = [
    "Policy",
    "open_dataset",
    "read_captions",
    "read_ground_truth",
    "read_predictions",
    "read_raw",
    "read_references",
    "survey",
    "write_predictions",
]
