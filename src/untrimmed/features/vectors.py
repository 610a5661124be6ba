"""One vector a video: its rows averaged, in sections or as a whole, and scaled; or its local features quantized."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from untrimmed.aggregate.sections import section_means
from untrimmed.features.quantized_vectors import Quantized
from untrimmed.features.sequences import Sequences, SequenceSource
from untrimmed.features.store import FeatureStore
from untrimmed.records import DataError, Dataset, Video


@dataclass(frozen=True, kw_only=True)
class VideoVector:
    """How a video becomes one vector."""

    source: SequenceSource
    """Its rows."""
    sections: int = 1
    """Equal pieces whose means are stacked; report 01 takes 3 for C3D."""
    norm: Literal["l1", "l2"] | None = None
    """Scale of the vector at the end; report 01 takes l1 for ImageNetShuffle."""
    quantization: Quantized | None = None
    """Deep quantization of local features of the source (report 17) in place of the mean of its rows."""

    def __post_init__(self) -> None:
        if self.sections < 1:
            raise DataError(f"sections of a video vector must be at least 1, got {self.sections}")
        plain = self.sections == 1 and self.norm is None and self.source.projection is None
        if self.quantization is not None and not plain:
            raise DataError(
                "a quantized vector has a projection and a length of its own: it needs sections 1 and neither norm nor "
                f"projection, got {self.sections}, {self.norm} and {self.source.projection}"
            )

    def of(self, rows: Float[np.ndarray, "steps dims"]) -> Float[np.ndarray, " sections_dims"]:
        """The vector of some rows; one of zeros stays so."""
        mean = section_means(rows, self.sections)
        if self.norm is None:
            return mean
        size = np.abs(mean).sum() if self.norm == "l1" else np.linalg.norm(mean)
        return mean / size if size > 0 else mean

    def table(
        self, found: Sequences, videos: Sequence[Video], *, store: FeatureStore
    ) -> Float[np.ndarray, "videos dims"]:
        """The vectors of videos whose rows are at hand, one a row.

        Args:
            found: the source, made ready by fit_sequences (and fit_quantized).
            videos: at least one.
            store: where the rows lie.

        Raises:
            DataError: when rows are missing, or videos have rows of different length.
        """
        vectors = [self.of(found(video, store=store).values).astype(np.float32) for video in videos]
        sizes = sorted({len(vector) for vector in vectors})
        if len(sizes) > 1:
            raise DataError(f"vectors of all videos must have one length, got {sizes}")
        return np.stack(vectors)


def class_members(dataset: Dataset, videos: Sequence[Video]) -> Bool[np.ndarray, "videos classes"]:
    """Which classes each of some videos of a data set has, in the order of its labels."""
    known = {annotation.video.video_id: annotation.labels for annotation in dataset.annotations}
    rows = [[label in known[video.video_id] for label in dataset.labels] for video in videos]
    return np.array(rows, dtype=bool).reshape(len(videos), len(dataset.labels))
