"""All pictures that a stream may be made of, as one type for configurations."""

from untrimmed.features.confidence_maps import ConfidenceMaps
from untrimmed.features.depth_motion import DepthMotion
from untrimmed.features.flow_pairs import FlowPairs
from untrimmed.features.flow_pictures import PolarFlow
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.spectrograms import LogMelImages, SpectrogramImages

AnyImages = (
    FlowPairs | ConfidenceMaps | DepthMotion | FlowImages | LogMelImages | PolarFlow | RgbImages | SpectrogramImages
)
"""A configuration field of this type can hold, write and read any of them; each says how many `channels` it has."""
