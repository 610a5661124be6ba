"""Decoded pictures kept in memory, so that a small data set is decoded once and not at every epoch."""

import numpy as np
from jaxtyping import Int, UInt8

from untrimmed.features.feature import ImageSequence

BUDGET = 1 << 28
"""Bytes of decoded pictures that one set of clips keeps. 256 MiB hold 16,000 pictures of 64 x 86; decoding them took
a third of the training time of a small net."""


class Memory:
    """Room for pictures, shared by the videos of a set; what came first stays."""

    def __init__(self, budget: int = BUDGET) -> None:
        """Give it so many bytes."""
        self.left = budget

    def take(self, size: int) -> bool:
        """Whether there is room for so many more bytes; they are taken then."""
        if size > self.left:
            return False
        self.left -= size
        return True


class RememberedImages(ImageSequence):
    """A sequence whose pictures are decoded once while there is room, the same bytes as without."""

    def __init__(self, images: ImageSequence, memory: Memory) -> None:
        """Wrap a sequence."""
        self.grid, self.shape = images.grid, images.shape
        self._images, self._memory = images, memory
        self._known: dict[int, np.ndarray] = {}

    def frames(self, indices: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n height width channels"]:
        """The pictures at these indices, in the order asked for."""
        wanted = indices.tolist()
        found = {index: self._known[index] for index in wanted if index in self._known}
        missing = sorted(set(wanted) - set(found))
        if missing:
            for index, picture in zip(missing, self._images.frames(np.array(missing)), strict=True):
                found[index] = picture
                if index not in self._known and self._memory.take(picture.nbytes):
                    self._known[index] = picture.copy()
        pictures = np.empty((len(wanted), *self.shape), np.uint8)
        for place, index in enumerate(wanted):
            pictures[place] = found[index]
        return pictures
