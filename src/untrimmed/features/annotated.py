"""The annotated training videos of a data set and their rows: what nets that look at steps learn from."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from untrimmed.features.joint_rows import JointRows
from untrimmed.features.sequences import Sequences, ready
from untrimmed.features.store import FeatureStore
from untrimmed.records import DataError, Dataset, Instance
from untrimmed.timeline import TimeGrid

OPEN_VIDEOS = 512
"""Videos whose rows are kept at hand: a PCA is applied again each time they are read."""


class AnnotatedRows:
    """Called with a video_id it gives the rows of that video and when they were measured.

    Attributes:
        instances: video_id and what is annotated in it, of the videos whose rows are at hand, in order.
    """

    def __init__(
        self, found: Sequences | JointRows, dataset: Dataset, *, store: FeatureStore, progress: bool = False
    ) -> None:
        """Measure what is missing and leave out, with a warning in the log, what cannot be had.

        Args:
            found: the source of rows, or several, made ready by fit_sequences or fit_joint_rows.
            dataset: whose training subset counts, as far as it has instances.
            store: where rows lie.
            progress: show a line while measuring.

        Raises:
            DataError: when no annotated training video has rows.
        """
        self._known = {a.video.video_id: a for a in dataset.subset("training").annotations if a.instances}
        sources = found.sources if isinstance(found, JointRows) else (found,)
        videos = ready(sources, [a.video for a in self._known.values()], store=store, progress=progress)
        if not videos:
            raise DataError(f"learning needs annotated training videos with features, but {dataset.name} has none")
        self.instances: list[tuple[str, Sequence[Instance]]] = [
            (video.video_id, self._known[video.video_id].instances) for video in videos
        ]
        self._found, self._store = found, store
        self._rows = lru_cache(maxsize=OPEN_VIDEOS)(self._read)

    def __call__(self, video_id: str) -> tuple[Float[np.ndarray, "steps dims"], TimeGrid]:
        """The rows of one of the videos and their grid."""
        return self._rows(video_id)

    @property
    def dims(self) -> int:
        """Numbers in a row."""
        return int(self(self.instances[0][0])[0].shape[1])

    def _read(self, video_id: str) -> tuple[np.ndarray, TimeGrid]:
        sequence = self._found(self._known[video_id].video, store=self._store)
        return sequence.values, sequence.grid
