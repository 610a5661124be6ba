"""The contract of a system: fit, predict, save, load.

A system composes parts as one report of the ActivityNet Challenge 2017 describes. Its configuration is a frozen
dataclass whose defaults are the published values; its constructor only stores it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

from untrimmed.features.feature import Feature
from untrimmed.features.store import FeatureStore
from untrimmed.records import Dataset, Prediction, Task, Video
from untrimmed.train import Run

C = TypeVar("C")


class System(ABC, Generic[C]):
    """One system of the challenge.

    Attributes:
        number: of its report, 1 to 22.
        tasks: the challenge tasks that it serves.
        config: a frozen dataclass.
    """

    number: ClassVar[int]
    tasks: ClassVar[frozenset[Task]]

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def features(self) -> tuple[Feature, ...]:
        """What predict takes from the store. Features of nets that fit trains are there after fit or load only.

        Raises:
            NotTrained: when they depend on nets that are not there yet.
        """

    @abstractmethod
    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Learn from the training subset of a data set; the validation subset may choose among what was learnt.

        Features that are missing in the store are extracted first. Videos that cannot be read are left out and
        logged as warnings.

        Raises:
            DataError: when the data set lacks what this system learns from.
        """

    @abstractmethod
    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Say what happens in each video, in order; a video that cannot be read is left out and logged.

        Raises:
            NotTrained: before fit or load.
        """

    def remarks(self, dataset: Dataset) -> tuple[str, ...]:
        """What a user should know of the fitted system on this data set, a line each; most systems have nothing to say.

        Args:
            dataset: what the system was fitted on.
        """
        return ()

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write configuration (JSON) and weights (safetensors) into a folder; atomic, the folder appears complete.

        Raises:
            NotTrained: before fit or load.
        """

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote.

        Raises:
            DataError: when the folder does not hold a system of this class.
        """
