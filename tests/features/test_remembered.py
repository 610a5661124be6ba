"""Remembered pictures are the pictures, decoded once while there is room."""

import numpy as np
from jaxtyping import Int, UInt8

from untrimmed.features.feature import ImageSequence
from untrimmed.features.remembered import Memory, RememberedImages
from untrimmed.timeline import TimeGrid


class Counted(ImageSequence):
    grid = TimeGrid(start=0.0, stride=1.0, window=1.0, steps=9)
    shape = (2, 3, 1)

    def __init__(self) -> None:
        self.asked: list[int] = []

    def frames(self, indices: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n height width channels"]:
        self.asked += indices.tolist()
        return np.broadcast_to(indices.astype(np.uint8)[:, None, None, None], (len(indices), 2, 3, 1)).copy()


def test_same_pictures_decoded_once() -> None:
    source = Counted()
    images = RememberedImages(source, Memory())
    for indices in ([3, 1, 3], [1, 1, 8], [8, 3, 0]):
        wanted = np.array(indices)
        assert np.array_equal(images.frames(wanted)[:, 0, 0, 0], wanted)
    assert sorted(source.asked) == [0, 1, 3, 8]
    assert len(images) == 9


def test_what_is_given_away_cannot_spoil_what_is_kept() -> None:
    images = RememberedImages(Counted(), Memory())
    images.frames(np.array([2]))[:] = 99
    assert (images.frames(np.array([2])) == 2).all()


def test_a_full_memory_decodes_again() -> None:
    source, memory = Counted(), Memory(budget=12)
    first, second = RememberedImages(source, memory), RememberedImages(source, memory)
    for _ in range(2):
        first.frames(np.array([0, 1]))
        assert np.array_equal(second.frames(np.array([5, 4]))[:, 0, 0, 0], [5, 4])
    assert memory.left == 0
    assert source.asked == [0, 1, 4, 5, 4, 5]
