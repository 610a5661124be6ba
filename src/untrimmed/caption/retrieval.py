"""Sentences of the training segments that look most like an event."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64

from untrimmed.records import DataError

_AT_ONCE = 64  # queries compared in one product: 64 x 37,421 distances are 10 MB


@dataclass(frozen=True, eq=False, kw_only=True)
class ToldSegments:
    """Segments whose sentences are known.

    Attributes:
        vectors: what each looks like; see unit_rows.
        videos: the video of each.
        sentences: what is said of each.
    """

    vectors: Float32[np.ndarray, "segments dims"]
    videos: tuple[str, ...]
    sentences: tuple[str, ...]

    def __post_init__(self) -> None:
        sizes = (len(self.vectors), len(self.videos), len(self.sentences))
        if len(set(sizes)) != 1 or not sizes[0]:
            raise DataError(f"told segments need as many vectors as videos and sentences, one or more, got {sizes}")

    def __len__(self) -> int:
        return len(self.sentences)

    def nearest(
        self, queries: Float[np.ndarray, "queries dims"], count: int, *, videos: Sequence[str | None]
    ) -> list[Int64[np.ndarray, " found"]]:
        """The nearest segments of each query in Euclidean distance, nearest first, equals in their order.

        Segments of a query's own video are left out: its own sentence would be found, and the sentences beside it are
        of the same annotator. There are fewer than `count` where the others are fewer.

        Args:
            queries: vectors of the same kind.
            count: of neighbours, >= 1; report 17 takes 300.
            videos: the video of each query; None if it is certainly none of these.
        """
        if queries.shape[1] != self.vectors.shape[1] or len(videos) != len(queries) or count < 1:
            raise DataError(
                f"nearest segments need queries of {self.vectors.shape[1]} numbers, a video for each and count >= 1, "
                f"got {queries.shape}, {len(videos)} videos and {count}"
            )
        own = np.array(self.videos)
        squares = np.einsum("nd,nd->n", self.vectors, self.vectors)
        found = []
        for first in range(0, len(queries), _AT_ONCE):
            part = queries[first : first + _AT_ONCE].astype(np.float32)
            distances = squares[None] - 2 * part @ self.vectors.T  # the query's own square changes no order
            for row, video in zip(distances, videos[first : first + _AT_ONCE], strict=True):
                if video is not None:
                    row[own == video] = np.inf
                found.append(_smallest(row, count))
        return found


def unit_rows(vectors: Float[np.ndarray, "n dims"]) -> Float32[np.ndarray, "n dims"]:
    """Rows of length 1, so that Euclidean distance ranks as the cosine does; a row of zeros stays so."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros(vectors.shape), where=norms > 0).astype(np.float32)


def _smallest(values: Float32[np.ndarray, " n"], count: int) -> Int64[np.ndarray, " found"]:
    """Places of the smallest finite values, rising, equals in their order."""
    if count < len(values):
        limit = np.partition(values, count - 1)[count - 1]
        places = np.flatnonzero(values <= limit)
    else:
        places = np.arange(len(values))
    places = places[np.isfinite(values[places])]
    return places[np.argsort(values[places], kind="stable")][:count].astype(np.int64)
