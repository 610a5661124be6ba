"""Rows of several sources side by side, one row a step: what proposal and localization systems look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from untrimmed.features.feature import Feature, FeatureSequence
from untrimmed.features.joined import join
from untrimmed.features.sequences import Sequences, SequenceSource, fit_sequences, measured, ready
from untrimmed.features.store import FeatureStore
from untrimmed.records import Dataset, Video
from untrimmed.train import Run


@dataclass(frozen=True, eq=False)
class JointRows:
    """Sources that are ready; their rows are joined step by step.

    Attributes:
        sources: in the order of the columns.
    """

    sources: tuple[Sequences, ...]

    @property
    def features(self) -> tuple[Feature, ...]:
        """What is measured into the store for them."""
        return measured(self.sources)

    def ready(self, videos: Sequence[Video], *, store: FeatureStore, progress: bool = False) -> list[Video]:
        """Measure what the store lacks; the videos whose rows are all there, in order. The others are logged."""
        return ready(self.sources, videos, store=store, progress=progress)

    def __call__(self, video: Video, *, store: FeatureStore) -> FeatureSequence:
        """The joined rows of a video.

        Raises:
            DataError: when they are not at hand, or the sources have different strides.
        """
        return join([source(video, store=store) for source in self.sources])

    def tables(self, name: str = "rows") -> dict[str, Mapping[str, Tensor]]:
        """What save_system keeps."""
        kept: dict[str, Mapping[str, Tensor]] = {}
        for number, source in enumerate(self.sources):
            kept |= source.tables(f"{name}-{number}")
        return kept

    @staticmethod
    def restore(
        sources: Sequence[SequenceSource],
        tables: Mapping[str, Mapping[str, Tensor]],
        *,
        folder: Path,
        name: str = "rows",
    ) -> "JointRows":
        """What tables kept.

        Raises:
            DataError: when a table is missing or does not fit.
        """
        return JointRows(
            tuple(
                Sequences.restore(source, f"{name}-{number}", tables, folder=folder)
                for number, source in enumerate(sources)
            )
        )


def fit_joint_rows(sources: Sequence[SequenceSource], dataset: Dataset, *, store: FeatureStore, run: Run) -> JointRows:
    """Make every source ready on the training subset; see fit_sequences."""
    return JointRows(tuple(fit_sequences(source, dataset, store=store, run=run) for source in sources))
