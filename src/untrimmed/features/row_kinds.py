"""All features whose rows are measured without a net of classes, as one type for configurations."""

from untrimmed.features.audio import LogMel
from untrimmed.features.dense_pose import DensePose
from untrimmed.features.key_points import KeyPoints
from untrimmed.features.spectrograms import SpectrumRows

AnyRows = DensePose | KeyPoints | LogMel | SpectrumRows
"""A configuration field of this type can hold, write and read any of them."""
