"""04: six classifiers, a majority vote (untrimmed classification; no rank).

Source: report 04 of the ActivityNet Challenge 2017 (`papers/04-six-classifier-vote.txt`).

Recipe:
    improved trajectories -> Fisher vector, PCA       \\
    C3D clips -> the average over the video            -> a linear SVM each, a softmax classifier each -> majority
    GoogLeNet pool5 on 2 frames a second -> the mean  /

Published: no figure in the report.

Finding: none is claimed; what six voters gain over the best of them is what there is to measure.

Choices:
    - The features are the organisers'; see `features.organisers` for how they are measured here, or name their HDF5
      files. Which descriptor of the trajectories is not said; MBH is what the organisers gave. Nor is it said how far
      its PCA goes: 98 % of the variance, as report 01.
    - C of the classifiers and the scale of rows are not said: C 100, that of report 17, the only one that prints it,
      and rows of length 1.
    - Ties of a majority are not said; `fuse.votes.frequent` breaks them by the voters' mean share of the scores and
      ranks all classes by it.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from untrimmed.classify.linear import LinearConfig
from untrimmed.features import organisers
from untrimmed.features.vector_classifiers import VectorClassifier
from untrimmed.features.vectors import VideoVector
from untrimmed.fuse.votes import majority
from untrimmed.systems.voting import VotingSystem


@dataclass(frozen=True, kw_only=True)
class SixVotesConfig:
    """Configuration of system 04."""

    mbh: VideoVector = VideoVector(source=organisers.MBH)  # noqa: RUF009
    """Improved trajectories: "we use PCA to decrease the dimension"."""
    c3d: VideoVector = VideoVector(source=organisers.C3D)  # noqa: RUF009
    """The average of the C3D features of a video's clips."""
    frames: VideoVector = VideoVector(source=organisers.SHUFFLE)  # noqa: RUF009
    """The mean of the frame net's features."""
    svm: LinearConfig = LinearConfig(kind="svm", cost=100.0)  # noqa: RUF009
    """The linear SVMs."""
    softmax: LinearConfig = LinearConfig(kind="softmax", cost=100.0)  # noqa: RUF009
    """The softmax classifiers."""

    @property
    def classifiers(self) -> dict[str, VectorClassifier]:
        """The six voters by name: a feature, and what is trained on it."""
        vectors = {"mbh": self.mbh, "c3d": self.c3d, "frames": self.frames}
        kinds = {"svm": self.svm, "softmax": self.softmax}
        return {
            f"{feature}-{kind}": VectorClassifier(vector=vector, linear=linear)
            for feature, vector in vectors.items()
            for kind, linear in kinds.items()
        }


class SixVotes(VotingSystem[SixVotesConfig]):
    """System 04."""

    number: ClassVar[int] = 4
    config_class = SixVotesConfig

    def vote(self, scores: Float[np.ndarray, "voters videos classes"]) -> Float[np.ndarray, "videos classes"]:
        """The class that most of the six put first."""
        return majority(scores)


LAPTOP = SixVotesConfig(
    mbh=VideoVector(source=organisers.SMALL_MBH),
    c3d=VideoVector(source=organisers.SMALL_C3D),
    frames=VideoVector(source=organisers.SMALL_SHUFFLE),
)
"""The variant for two cores: the organisers' features in their small sizes, whose nets learn the classes first."""
