"""Nearest told segments against scikit-learn and a loop, and what is never given back."""

import numpy as np
import pytest

from untrimmed.caption.retrieval import ToldSegments, unit_rows
from untrimmed.records import DataError

DRAW = np.random.default_rng(3)
VECTORS = DRAW.normal(size=(200, 6)).astype(np.float32)
VIDEOS = tuple(f"v{i // 4}" for i in range(200))
TOLD = ToldSegments(vectors=VECTORS, videos=VIDEOS, sentences=tuple(f"sentence {i}" for i in range(200)))


def test_the_nearest_are_those_of_scikit_learn() -> None:
    from sklearn.neighbors import NearestNeighbors

    queries = DRAW.normal(size=(150, 6)).astype(np.float32)  # more than one block
    found = TOLD.nearest(queries, 20, videos=[None] * 150)
    wanted = NearestNeighbors(n_neighbors=20, algorithm="brute").fit(VECTORS).kneighbors(queries)[1]
    np.testing.assert_array_equal(np.stack(found), wanted)


def test_segments_of_the_own_video_are_left_out() -> None:
    found = TOLD.nearest(VECTORS[:40], 10, videos=VIDEOS[:40])
    for i, places in enumerate(found):
        squares = ((VECTORS - VECTORS[i]) ** 2).sum(axis=1)
        order = [j for j in np.argsort(squares, kind="stable").tolist() if VIDEOS[j] != VIDEOS[i]]
        assert places.tolist() == order[:10]
    alone = TOLD.nearest(VECTORS[:1], 1, videos=[None])[0]
    assert alone.tolist() == [0]


@pytest.mark.parametrize("count", [1, 5, 196, 200, 500])
def test_there_are_as_many_as_asked_or_all_others(count: int) -> None:
    found = TOLD.nearest(VECTORS[:1], count, videos=["v0"])[0]
    assert len(found) == min(count, 196)
    assert set(found.tolist()) <= set(range(4, 200))


def test_equal_distances_come_in_their_order() -> None:
    vectors = np.zeros((6, 2), dtype=np.float32)
    vectors[4] = 1
    told = ToldSegments(vectors=vectors, videos=tuple("abcdef"), sentences=tuple("abcdef"))
    assert told.nearest(np.ones((1, 2)), 4, videos=["x"])[0].tolist() == [4, 0, 1, 2]


def test_unit_rows_rank_as_the_cosine_whatever_the_scale() -> None:
    scales = DRAW.uniform(0.1, 10, size=(200, 1)).astype(np.float32)
    told = ToldSegments(vectors=unit_rows(VECTORS * scales), videos=VIDEOS, sentences=TOLD.sentences)
    query = DRAW.normal(size=(1, 6))
    cosine = VECTORS @ query[0] / np.linalg.norm(VECTORS, axis=1)
    found = told.nearest(unit_rows(query), 200, videos=[None])[0]
    np.testing.assert_array_equal(found, np.argsort(-cosine, kind="stable"))
    assert unit_rows(np.zeros((2, 3))).tolist() == [[0.0] * 3] * 2


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(DataError, match="told segments need as many vectors as videos and sentences, one or more"):
        ToldSegments(vectors=VECTORS, videos=VIDEOS[1:], sentences=TOLD.sentences)
    with pytest.raises(DataError, match=r"told segments need .* got \(0, 0, 0\)"):
        ToldSegments(vectors=VECTORS[:0], videos=(), sentences=())
    message = r"nearest segments need queries of 6 numbers, .* count >= 1, got \(1, 5\), 1 videos and 3"
    with pytest.raises(DataError, match=message):
        TOLD.nearest(np.zeros((1, 5)), 3, videos=[None])
