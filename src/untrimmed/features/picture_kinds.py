"""All pictures that a stream may be made of, as one type for configurations."""

from untrimmed.features.images import FlowImages, RgbImages

AnyImages = RgbImages | FlowImages
"""A configuration field of this type can hold, write and read any of them; each says how many `channels` it has."""
