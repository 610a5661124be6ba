"""All features whose rows are measured without a net of classes, as one type for configurations."""

from untrimmed.features.audio import LogMel

AnyRows = LogMel
"""A configuration field of this type can hold, write and read any of them."""
